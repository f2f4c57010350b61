/*
 * client.c: the connection of this backend to the program lepton_gpu: batches go out in pieces, rows come back.  It
 * decides nothing: device.c says what is run there and what failures mean.
 *
 * The area is cut into lanes, one for each piece that is under way.  Whatever goes wrong, the connection is closed:
 * the program forgets what it was asked for, and the next run begins with a new one.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "../compat.h"
#include "../engine/gpu.h"
#include "../errors.h"
#include "../guc.h"
#include "internal.h"

#define LANES			WORKER_REQUESTS
#define LANE_MIN		((size_t) 1 << 16)
#define PIECE_OUT_BYTES ((size_t) 8 << 20) /* rows of a piece, unless one text has more */
#define AREA_KEEP_BYTES ((size_t) 16 << 20)
#define CONNECT_TRIES	50 /* while the program has too many who wait */
#define CONNECT_WAIT_MS 10

/* A piece under way. */
typedef struct Lane
{
	bool is_busy;
	uint32 request;
	const char *rows; /* in the area */
	float *out;
	size_t out_bytes;
} Lane;

/* A model that has a number. */
typedef struct Numbered
{
	uint8 hash[LEP_HASH_BYTES];
	uint32 graph;
	bool is_current; /* false: to be said anew */
} Numbered;

static int link_fd = -1;
static WaitEventSet *link_events = NULL;
static uint32 link_ready = 0; /* number of the program at the other end */
static char *area = NULL;
static size_t area_bytes = 0, lane_bytes = 0;
static Lane lanes[LANES];
static int n_busy = 0;
static uint32 next_request = 0;
static Numbered models[WORKER_MODELS];
static int n_models = 0;

/* Unmap the area */
static void
drop_area(void)
{
	if (area != NULL)
		munmap(area, area_bytes);
	area = NULL;
	area_bytes = lane_bytes = 0;
}

/* Close the connection; the program forgets us */
static void
disconnect(void)
{
	if (link_events != NULL)
		FreeWaitEventSet(link_events);
	link_events = NULL;
	if (link_fd >= 0)
	{
		close(link_fd);
		ReleaseExternalFD();
	}
	link_fd = -1;
	drop_area();
	memset(lanes, 0, sizeof(lanes));
	n_busy = n_models = 0;
}

/* Connect a socket; the program may be busy for a moment */
static bool
connect_socket(int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strlcpy(address.sun_path, WORKER_SOCKET, sizeof(address.sun_path));
	for (int i = 0; i < CONNECT_TRIES; i++)
	{
		if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
			return true;
		if (errno != EAGAIN && errno != EINTR)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, CONNECT_WAIT_MS,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/* Make sure of a connection to program number ready */
static bool
connect_program(uint32 ready)
{
	WaitEventSet *events;

	if (link_events != NULL && link_ready == ready && n_busy == 0)
		return true;
	disconnect();
	if (!AcquireExternalFD())
		return false;
	link_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link_fd < 0)
	{
		ReleaseExternalFD();
		return false;
	}
	if (!connect_socket(link_fd))
	{
		disconnect();
		return false;
	}
	events = lepton_wait_event_set(3);
	AddWaitEventToSet(events, WL_SOCKET_READABLE, link_fd, NULL, NULL);
	AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	link_events = events;
	link_ready = ready;
	return true;
}

/* Send a packet, with a descriptor unless it is -1 */
static bool
send_packet(const void *packet, size_t bytes, int fd)
{
	struct iovec part = {(void *) packet, bytes};
	union
	{
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (fd >= 0)
	{
		struct cmsghdr *header;

		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	do
		sent = sendmsg(link_fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t) bytes;
}

/* Make shared memory that nobody can shorten, all of it there; -1 when the system has none */
static int
make_memory(size_t bytes)
{
	int fd = memfd_create("lepton gpu", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int failure;

	if (fd < 0)
		return -1;
	do
		failure = posix_fallocate(fd, 0, (off_t) bytes);
	while (failure == EINTR);
	if (failure != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
	{
		close(fd);
		errno = failure != 0 ? failure : errno;
		return -1;
	}
	return fd;
}

/* Have lanes of at least so many bytes; false: connection lost, or *no_memory */
static bool
reserve_lanes(size_t bytes, bool *no_memory)
{
	WorkerHello hello = {.kind = WORKER_HELLO, .protocol = WORKER_PROTOCOL};
	size_t lane = LANE_MIN;
	void *base;
	bool sent;
	int fd;

	*no_memory = false;
	if (bytes <= lane_bytes)
		return true;
	while (lane < bytes)
		lane *= 2;
	drop_area();
	*no_memory = true;
	if (lane > WORKER_AREA_MAX / LANES || (fd = make_memory(lane * LANES)) < 0)
		return false;
	base = mmap(NULL, lane * LANES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
	{
		close(fd);
		return false;
	}
	*no_memory = false;
	area = base;
	lane_bytes = lane;
	area_bytes = lane * LANES;
	hello.bytes = area_bytes;
	sent = send_packet(&hello, sizeof(hello), fd);
	close(fd);
	return sent;
}

/* Number of a model, which is said to the program if it does not know it; -1: connection lost */
static int
number_model(const StoreRow *row)
{
	WorkerOpen open;
	int i = 0;

	while (i < n_models && (models[i].graph != (uint32) row->graph ||
							memcmp(models[i].hash, row->hash, LEP_HASH_BYTES) != 0))
		i++;
	if (i < n_models && models[i].is_current)
		return i;
	/* Numbers may be given anew: nothing is under way. */
	if (i == WORKER_MODELS)
		i = n_models = 0;
	if (i == n_models)
		n_models++;
	memset(&open, 0, sizeof(open));
	open.kind = WORKER_OPEN;
	open.model = (uint32) i;
	memcpy(open.hash, row->hash, LEP_HASH_BYTES);
	StaticAssertStmt(WORKER_PATH_MAX >= MAXPGPATH, "paths must fit");
	store_image_path(row, lep_kernels_gpu(LEP_F16), open.path);
	memcpy(models[i].hash, row->hash, LEP_HASH_BYTES);
	models[i].graph = (uint32) row->graph;
	models[i].is_current = true;
	return send_packet(&open, sizeof(open), -1) ? i : -1;
}

/* Let the next run say anew which image a model is */
void
worker_client_forget(const StoreRow *row)
{
	for (int i = 0; i < n_models; i++)
		if (models[i].graph == (uint32) row->graph &&
			memcmp(models[i].hash, row->hash, LEP_HASH_BYTES) == 0)
			models[i].is_current = false;
}

/* Where the parts of a piece stand in its lane. */
typedef struct Places
{
	size_t ids, types, starts, picks, out, out_bytes, total;
} Places;

/* Bytes of n values of four bytes each, rounded up */
static size_t
part_bytes(size_t n)
{
	return TYPEALIGN(WORKER_OUT_ALIGN, mul_size(n, 4));
}

/* Find places for a piece */
static Places
find_places(const LepModel *model, const LepBatch *batch, const WorkerPiece *piece)
{
	size_t n_tokens = piece->end_token - piece->first_token;
	Places p;

	p.ids = 0;
	p.types = p.ids + part_bytes(n_tokens);
	p.starts = p.types + (batch->types != NULL ? part_bytes(n_tokens) : 0);
	p.picks = p.starts + part_bytes(piece->end - piece->first + 1);
	p.out = p.picks + part_bytes(piece->end_pick - piece->first_pick);
	p.out_bytes = mul_size(mul_size(piece->rows, lep_desc_width(model->view.desc)), sizeof(float));
	p.total = add_size(p.out, TYPEALIGN(WORKER_OUT_ALIGN, p.out_bytes));
	return p;
}

/* Find the next piece of a batch */
static bool
next_piece(const LepModel *model, const LepBatch *batch, WorkerPiece *piece)
{
	return worker_next_piece(model, batch,
							 Min((size_t) lepton_gpu_batch_tokens, LEP_GPU_TOKENS_MAX),
							 PIECE_OUT_BYTES, piece);
}

/* Send a piece, whose rows go to out */
static bool
send_piece(uint32 number, const LepModel *model, const LepBatch *batch, const WorkerPiece *piece,
		   float *out)
{
	Places p = find_places(model, batch, piece);
	size_t n_tokens = piece->end_token - piece->first_token;
	WorkerRun run = {.kind = WORKER_RUN, .model = number};
	int i = 0;
	char *at;

	while (lanes[i].is_busy)
		i++;
	at = area + i * lane_bytes;
	memcpy(at + p.ids, batch->ids + piece->first_token, n_tokens * sizeof(int32));
	if (batch->types != NULL)
		memcpy(at + p.types, batch->types + piece->first_token, n_tokens * sizeof(int32));
	worker_piece_places(batch, piece, (uint32 *) (at + p.starts), (uint32 *) (at + p.picks));
	run.request = ++next_request;
	run.n_texts = (uint32) (piece->end - piece->first);
	run.n_tokens = (uint32) n_tokens;
	run.n_picks = (uint32) (piece->end_pick - piece->first_pick);
	run.has_types = batch->types != NULL;
	run.ids = (uint64) (at - area) + p.ids;
	run.types = (uint64) (at - area) + p.types;
	run.starts = (uint64) (at - area) + p.starts;
	run.picks = (uint64) (at - area) + p.picks;
	run.out = (uint64) (at - area) + p.out;
	run.out_bytes = p.out_bytes;
	lanes[i].is_busy = true;
	lanes[i].request = run.request;
	lanes[i].rows = at + p.out;
	lanes[i].out = out;
	lanes[i].out_bytes = p.out_bytes;
	n_busy++;
	return send_packet(&run, sizeof(run), -1);
}

/* Receive a packet; its bytes, 0: connection lost, -1: this backend must stop */
static int
receive_packet(void *packet, size_t size)
{
	for (;;)
	{
		ssize_t n = recv(link_fd, packet, size, MSG_DONTWAIT);
		WaitEvent event;

		if (n > 0)
			return (int) n;
		if (n == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
			return 0;
		if (errno == EINTR)
			continue;
		(void) WaitEventSetWait(link_events, -1, &event, 1, PG_WAIT_EXTENSION);
		if (event.events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			if (lep_stopped(lepton_stop()))
				return -1;
		}
	}
}

/* Take an answer; false when it ends the run, as result says */
static bool
take_answer(WorkerResult *result)
{
	WorkerAnswer answer;
	int n = receive_packet(&answer, sizeof(answer));
	int i = 0;

	if (n < 0)
	{
		result->verdict = LEP_CANCELLED;
		return false;
	}
	while (i < LANES && !(lanes[i].is_busy && lanes[i].request == answer.request))
		i++;
	if (n < WORKER_ANSWER_SHORT || answer.kind != WORKER_RUN || i == LANES ||
		(answer.verdict != LEP_OK && n != sizeof(answer)))
	{
		result->is_lost = true;
		return false;
	}
	lanes[i].is_busy = false;
	n_busy--;
	if (answer.verdict == LEP_OK)
	{
		memcpy(lanes[i].out, lanes[i].rows, lanes[i].out_bytes);
		return true;
	}
	result->verdict = answer.verdict;
	result->is_lost = answer.verdict == WORKER_LOST;
	strlcpy(result->message, answer.message, sizeof(result->message));
	strlcpy(result->detail, answer.detail, sizeof(result->detail));
	return false;
}

/* Bytes of a lane that takes any piece of a batch; 0 when one is more than the device may get */
static size_t
lane_for(const LepModel *model, const LepBatch *batch)
{
	WorkerPiece piece = {0};
	size_t bytes = 0;

	while (next_piece(model, batch, &piece))
	{
		Places p = find_places(model, batch, &piece);

		if (piece.end_token - piece.first_token > LEP_GPU_TOKENS_MAX ||
			piece.end_pick - piece.first_pick > piece.end_token - piece.first_token ||
			p.out_bytes / sizeof(float) > LEP_GPU_VALUES_MAX)
			return 0;
		bytes = Max(bytes, p.total);
	}
	return bytes;
}

/* Send and receive until all rows are there; false when result says why not */
static bool
exchange(uint32 number, const LepModel *model, const LepBatch *batch, float *out,
		 WorkerResult *result)
{
	size_t width = lep_desc_width(model->view.desc);
	WorkerPiece piece = {0};
	bool more = next_piece(model, batch, &piece);

	while (more || n_busy > 0)
	{
		while (more && n_busy < LANES)
		{
			if (!send_piece(number, model, batch, &piece, out))
			{
				result->is_lost = true;
				return false;
			}
			out += piece.rows * width;
			more = next_piece(model, batch, &piece);
		}
		if (!take_answer(result))
			return false;
	}
	return true;
}

/* Run a batch on program number ready */
void
worker_client_run(uint32 ready, const StoreRow *row, const LepModel *model, const LepBatch *batch,
				  float *out, WorkerResult *result)
{
	size_t lane = lane_for(model, batch);
	bool no_memory;
	int number;

	memset(result, 0, sizeof(*result));
	if (lane == 0 && batch->n_texts > 0)
	{
		result->verdict = WORKER_UNSERVED;
		strlcpy(result->message, "a text is too long for the GPU", sizeof(result->message));
		return;
	}
	if (lep_stopped(lepton_stop()))
	{
		result->verdict = LEP_CANCELLED;
		return;
	}
	result->is_lost = true;
	if (!connect_program(ready))
		return;
	if (!reserve_lanes(lane, &no_memory))
	{
		disconnect();
		if (!no_memory)
			return;
		result->is_lost = false;
		result->verdict = WORKER_FULL;
		strlcpy(result->message, "could not make shared memory", sizeof(result->message));
		return;
	}
	number = number_model(row);
	if (number >= 0)
	{
		result->is_lost = false;
		(void) exchange((uint32) number, model, batch, out, result);
	}
	if (result->is_lost || n_busy > 0)
		disconnect();
}

/* Ask for figures */
bool
worker_client_status(uint32 ready, WorkerStatus *status)
{
	WorkerStatusAsked asked = {.kind = WORKER_STATUS};
	int n = 0;

	if (ready == 0 || !connect_program(ready))
		return false;
	if (send_packet(&asked, sizeof(asked), -1))
		n = receive_packet(status, sizeof(*status));
	if (n == sizeof(*status) && status->kind == WORKER_STATUS)
		return true;
	disconnect();
	if (n < 0)
		lepton_raise(LEP_CANCELLED, NULL);
	return false;
}

/* Give back an area that is worth it */
void
worker_client_trim(void)
{
	if (area_bytes > AREA_KEEP_BYTES && n_busy == 0)
		disconnect();
}
