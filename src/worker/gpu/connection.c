/*
 * connection.c: backends as the program sees them: packets in, answers out, areas mapped.  It believes no number
 * that a backend gives: every place is checked against the area, every name against its form.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

#define SEALS		  F_SEAL_SHRINK
#define IMAGE_PREFIX  "pgsql_tmp_lepton."
#define ACCEPTS_MAX	  64 /* in one round */
#define PACKETS_MAX	  16 /* of a connection in one round */
#define BLOCK_OF_STAT 512

/* A packet of any kind. */
typedef union Packet
{
	uint32_t kind;
	WorkerHello hello;
	WorkerOpen open;
	WorkerRun run;
	WorkerStatusAsked status;
} Packet;

/* Is the process at the other end of our own user? */
static bool
is_ours(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* Take the connections that wait. */
void
connection_accept(Program *p)
{
	for (int i = 0; i < ACCEPTS_MAX; i++)
	{
		int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		Connection *c;

		if (fd < 0)
			return;
		c = is_ours(fd) ? calloc(1, sizeof(Connection)) : NULL;
		if (c == NULL || !server_watch(p, fd, c))
		{
			free(c);
			close(fd);
			continue;
		}
		c->fd = fd;
		c->next = p->connections;
		p->connections = c;
		p->status.connections++;
	}
}

/* Forget the area of a connection. */
static void
drop_area(Connection *c)
{
	if (c->area != NULL)
		munmap(c->area, c->area_bytes);
	c->area = NULL;
	c->area_bytes = 0;
}

/* Forget a backend and all that it waits for. */
void
connection_close(Program *p, Connection *c)
{
	Connection **at = &p->connections;

	queue_forget(p, c);
	flight_forget(p, c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	for (int i = 0; i < WORKER_MODELS; i++)
		if (c->models[i] != NULL)
			c->models[i]->names--;
	drop_area(c);
	close(c->fd);
	free(c);
	p->status.connections--;
}

/* Answer a request and free it. */
void
connection_answer(Program *p, Request *r, uint32_t verdict, const LepError *err)
{
	WorkerAnswer answer = {.kind = WORKER_RUN, .request = r->run.request, .verdict = verdict};
	size_t bytes = WORKER_ANSWER_SHORT;

	_Static_assert(offsetof(WorkerAnswer, message) == WORKER_ANSWER_SHORT, "texts stand behind");
	if (verdict != LEP_OK)
	{
		p->status.failures += verdict != WORKER_ABSENT;
		bytes = sizeof(answer);
		if (err != NULL)
		{
			memcpy(answer.message, err->message, sizeof(answer.message));
			memcpy(answer.detail, err->detail, sizeof(answer.detail));
		}
	}
	r->model->waits--;
	if (r->owner != NULL)
	{
		r->owner->n_requests--;
		/* Who does not take answers is closed by what comes of this. */
		if (send(r->owner->fd, &answer, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) bytes)
			(void) shutdown(r->owner->fd, SHUT_RDWR);
	}
	free(r);
}

/* Map the area of a backend; it must be sealed and all there, so that reading it cannot fail. */
static bool
take_hello(Connection *c, const WorkerHello *hello, int fd)
{
	struct stat st;
	int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
	void *base;

	if (hello->protocol != WORKER_PROTOCOL || c->n_requests > 0 || hello->bytes == 0 ||
		hello->bytes > WORKER_AREA_MAX || seals < 0 || (seals & SEALS) != SEALS ||
		fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t) st.st_size < hello->bytes ||
		(uint64_t) st.st_blocks * BLOCK_OF_STAT < hello->bytes)
		return false;
	base = mmap(NULL, (size_t) hello->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return false;
	drop_area(c);
	c->area = base;
	c->area_bytes = (size_t) hello->bytes;
	return true;
}

/* Is this the path of an image, within the data directory? */
static bool
is_image_path(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name == NULL ? path : name + 1;
	return memchr(path, '\0', WORKER_PATH_MAX) != NULL && path[0] != '/' &&
		   strncmp(path, "../", 3) != 0 && strstr(path, "/../") == NULL &&
		   strncmp(name, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0;
}

/* Give a number to a model. */
static bool
take_open(Program *p, Connection *c, const WorkerOpen *open)
{
	Model *m;

	if (open->model >= WORKER_MODELS || memchr(open->path, '\0', WORKER_PATH_MAX) == NULL ||
		!is_image_path(open->path))
		return false;
	m = models_find(p, open->path, open->hash);
	if (m == NULL)
		return false;
	m->names++;
	if (c->models[open->model] != NULL)
		c->models[open->model]->names--;
	c->models[open->model] = m;
	return true;
}

/* Do n values of 4 bytes at a place lie in the area? */
static bool
inside(const Connection *c, uint64_t at, uint64_t n)
{
	return at % WORKER_OUT_ALIGN == 0 && at <= c->area_bytes && n <= (c->area_bytes - at) / 4;
}

/* Queue a request. */
static bool
take_run(Program *p, Connection *c, const WorkerRun *run)
{
	Request *r;

	if (run->model >= WORKER_MODELS || c->models[run->model] == NULL ||
		c->n_requests >= WORKER_REQUESTS || c->area == NULL)
		return false;
	if (run->n_texts == 0 || run->n_texts > LEP_GPU_TEXTS_MAX || run->n_tokens == 0 ||
		run->n_tokens > LEP_GPU_TOKENS_MAX || run->n_texts > run->n_tokens ||
		run->n_picks > run->n_tokens || run->out_bytes % sizeof(float) != 0 ||
		run->out_bytes / sizeof(float) > LEP_GPU_VALUES_MAX)
		return false;
	if (!inside(c, run->ids, run->n_tokens) ||
		(run->has_types && !inside(c, run->types, run->n_tokens)) ||
		!inside(c, run->starts, (uint64_t) run->n_texts + 1) ||
		!inside(c, run->picks, run->n_picks) ||
		!inside(c, run->out, run->out_bytes / sizeof(float)))
		return false;
	r = calloc(1, sizeof(Request));
	if (r == NULL)
		return false;
	r->owner = c;
	r->model = c->models[run->model];
	r->run = *run;
	c->n_requests++;
	r->model->waits++;
	p->status.requests++;
	queue_add(p, r);
	return true;
}

/* Tell the figures. */
static bool
take_status(Program *p, Connection *c)
{
	WorkerStatus status = p->status;
	LepGpuMemory memory;

	status.kind = WORKER_STATUS;
	lep_gpu_memory(p->gpu, &memory);
	status.memory_used = memory.used;
	status.limit = memory.limit;
	for (const Model *m = p->models; m != NULL; m = m->next)
		if (m->loaded != NULL)
		{
			status.models++;
			status.model_bytes += lep_gpu_model_bytes(m->loaded);
		}
	for (const Request *r = p->first; r != NULL; r = r->next)
		status.queued++;
	if (p->busy_since != 0)
		status.busy_ns += program_clock() - p->busy_since;
	return send(c->fd, &status, sizeof(status), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(status);
}

/* Act on a packet; false: the connection must be closed. */
static bool
take_packet(Program *p, Connection *c, const Packet *packet, size_t n, int fd)
{
	if (n < sizeof(packet->kind))
		return false;
	switch (packet->kind)
	{
		case WORKER_HELLO:
			return n == sizeof(packet->hello) && take_hello(c, &packet->hello, fd);
		case WORKER_OPEN:
			return n == sizeof(packet->open) && take_open(p, c, &packet->open);
		case WORKER_RUN:
			return n == sizeof(packet->run) && take_run(p, c, &packet->run);
		case WORKER_STATUS:
			return n == sizeof(packet->status) && take_status(p, c);
		default:
			return false;
	}
}

/* The descriptor that came with a message, -1: none; those beyond the first are closed. */
static int
take_descriptor(struct msghdr *message)
{
	int first = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h != NULL; h = CMSG_NXTHDR(message, h))
	{
		size_t n = h->cmsg_len >= CMSG_LEN(0) ? (h->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++)
		{
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

/* Read what a backend sent. */
void
connection_read(Program *p, Connection *c)
{
	for (int i = 0; i < PACKETS_MAX; i++)
	{
		Packet packet;
		struct iovec part = {&packet, sizeof(packet)};
		union
		{
			struct cmsghdr align;
			char bytes[CMSG_SPACE(4 * sizeof(int))];
		} control;
		struct msghdr message = {.msg_iov = &part,
								 .msg_iovlen = 1,
								 .msg_control = &control,
								 .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(c->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		bool is_good;
		int fd;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0)
		{
			connection_close(p, c);
			return;
		}
		fd = take_descriptor(&message);
		is_good =
			(message.msg_flags & MSG_TRUNC) == 0 && take_packet(p, c, &packet, (size_t) n, fd);
		if (fd >= 0)
			close(fd);
		if (!is_good)
		{
			connection_close(p, c);
			return;
		}
	}
}
