/*
 * server.c: the program's loop: waits for backends, the device and the background worker, and hands each event on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "program.h"

#define BACKLOG	  512
#define EVENTS	  64
#define FLYING_MS 50	/* between looks at a device that may have failed without a signal */
#define CLEAN_MS  10000 /* between looks for models that are not needed any more */
#define NS_OF_MS  1000000u

/* Watch a descriptor. */
bool
server_watch(Program *p, int fd, void *ctx)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ctx};

	return epoll_ctl(p->events, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Bind the socket in the data directory, for our own user alone. */
static bool
bind_socket(Program *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	bool ok;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", WORKER_SOCKET);
	/* What stands there is of a program that has ended: there is one worker, and it starts one at a time. */
	(void) unlink(WORKER_SOCKET);
	mask = umask(0077);
	ok = bind(p->listener, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		 listen(p->listener, BACKLOG) == 0;
	umask(mask);
	return ok;
}

/* Listen. */
bool
server_listen(Program *p)
{
	p->events = epoll_create1(EPOLL_CLOEXEC);
	p->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->events >= 0 && p->listener >= 0 && bind_socket(p) &&
		server_watch(p, p->control, &p->control) && server_watch(p, p->listener, &p->listener) &&
		server_watch(p, lep_gpu_event_fd(p->gpu), p->gpu))
		return true;
	snprintf(p->reason, sizeof(p->reason), "could not listen on \"%s\": %s", WORKER_SOCKET,
			 strerror(errno));
	return false;
}

/* Hear the background worker: a call, or its end. */
static void
hear_worker(Program *p)
{
	char call[16];
	ssize_t n = recv(p->control, call, sizeof(call), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		p->is_over = true;
	else if (n > 0)
		program_report(p, WORKER_NEWS_ALIVE);
}

/* Hand an event on. */
static void
handle(Program *p, const struct epoll_event *event)
{
	void *ctx = event->data.ptr;

	if (ctx == &p->control)
		hear_worker(p);
	else if (ctx == &p->listener)
		connection_accept(p);
	else if (ctx == p->gpu)
		flight_finish(p);
	else
		connection_read(p, ctx);
}

/* Milliseconds to wait for events: none while a short batch is about to be done, as waking up takes longer than it. */
static int
wait_ms(const Program *p)
{
	if (!flight_any(p))
		return CLEAN_MS;
	return program_clock() < p->spin_until ? 0 : FLYING_MS;
}

/* Serve until the end. */
void
server_run(Program *p)
{
	uint64_t cleaned = program_clock();

	while (!p->is_over)
	{
		struct epoll_event events[EVENTS];
		int n = epoll_wait(p->events, events, EVENTS, wait_ms(p));

		if (n < 0 && errno != EINTR)
			program_fail(p, "could not wait for events", strerror(errno));
		if (n <= 0 && flight_any(p))
			flight_finish(p);
		/* A connection is closed by its own event alone, so none of a round speaks of one that is gone. */
		for (int i = 0; i < n && !p->is_over; i++)
			handle(p, &events[i]);
		if (!p->is_over)
			flight_start(p);
		if (program_clock() - cleaned > (uint64_t) CLEAN_MS * NS_OF_MS)
		{
			models_clean(p);
			cleaned = program_clock();
		}
	}
	/* Who waits to be taken must not wait for our end. */
	(void) unlink(WORKER_SOCKET);
	close(p->listener);
}
