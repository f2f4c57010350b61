/*
 * program.h: what the files of the program lepton_gpu share.  Plain C, one thread, no server headers.
 *
 *		main.c			begins and ends; the control socket to the background worker
 *		server.c		waits for whatever happens
 *		connection.c	packets and areas of backends
 *		models.c		images on the device
 *		queue.c			which requests make the next batch
 *		flight.c		batches on the device
 */
#ifndef LEPTON_WORKER_GPU_PROGRAM_H
#define LEPTON_WORKER_GPU_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../engine/gpu.h"
#include "../protocol.h"

#define PROGRAM_BATCH_NS	 6000000 /* that a batch of joined requests may take, by its tokens ... */
#define PROGRAM_TOKENS_MIN	 ((size_t) 8192)  /* ... of which there may always be so many ... */
#define PROGRAM_TOKENS_FIRST ((size_t) 16384) /* ... before it is known how long they take */
#define PROGRAM_SPIN_TOKENS	 1024	 /* batches of so few are waited for without sleeping ... */
#define PROGRAM_SPIN_NS		 1000000 /* ... so long */
#define PROGRAM_BATCH_VALUES ((size_t) 1 << 22) /* of their rows */
#define PROGRAM_PASSED_MAX	 4 /* batches that may go before a request; after them it goes first */

/* An image that connections have named. */
typedef struct Model
{
	struct Model *next;
	char path[WORKER_PATH_MAX];
	uint8_t hash[LEP_HASH_BYTES];
	uint32_t names; /* connections' numbers that stand for it */
	uint32_t waits; /* requests that wait, or fly */
	uint32_t flies; /* batches on the device */
	uint64_t used;	/* when it was used last, in batches */
	double pace;	/* nanoseconds that a token of a large batch takes; 0: not known yet */
	LepGpuModel *loaded;
	void *map; /* [map_bytes], while it is loaded */
	size_t map_bytes;
	LepArena arena;
	LepModel model;
	/* why it cannot be served, as long as the program lives; LEP_OK: it can */
	uint32_t refusal;
	LepError refusal_error;
} Model;

/* A batch that a backend waits for. */
typedef struct Request
{
	struct Request *next;	  /* in the queue */
	struct Connection *owner; /* NULL: it went away while the batch flew */
	Model *model;
	WorkerRun run;
	uint64_t came;	 /* ns */
	uint32_t round;	 /* requests of its connection that come before it */
	uint32_t passed; /* batches of its model that went before it */
	bool is_alone;	 /* not to be joined with others: a batch with it failed */
	bool is_taken;	 /* for the batch being made */
} Request;

/* A backend. */
typedef struct Connection
{
	struct Connection *next;
	int fd;
	char *area; /* [area_bytes] or NULL */
	size_t area_bytes;
	Model *models[WORKER_MODELS];
	uint32_t n_requests; /* that it waits for */
	uint32_t round;		 /* of its next request, while a batch is made */
} Connection;

/* A batch on the device. */
typedef struct Flight
{
	bool is_busy;
	Model *model;
	Request **requests; /* [n] */
	size_t n, requests_capacity;
	size_t n_tokens, n_values; /* of it, of its rows */
	uint64_t begun;			   /* ns */
} Flight;

/* Arrays in which batches are put together and rows taken apart. */
typedef struct Staging
{
	int32_t *ids, *types;
	uint32_t *starts, *picks;
	float *rows;
	size_t tokens_capacity, texts_capacity, picks_capacity, values_capacity;
} Staging;

/* Everything. */
typedef struct Program
{
	LepGpu *gpu;
	LepGpuInfo info;
	int control, listener, events; /* events: epoll */
	Model *models;
	Connection *connections;
	Request *first, *last; /* the queue, in the order in which they came */
	Flight flights[LEP_GPU_SLOTS];
	Staging staging;
	WorkerStatus status;
	uint64_t busy_since; /* ns; 0: nothing flies */
	uint64_t finished;	 /* ns: when a batch was done last */
	uint64_t spin_until; /* ns */
	bool is_over;
	char reason[WORKER_TEXT_MAX]; /* of its end, "" when it was asked to end */
} Program;

/* main.c */

/* Tell the background worker. */
void program_report(const Program *p, WorkerNews news);
/* End: the device is lost, or the system refuses what cannot be done without. */
void program_fail(Program *p, const char *message, const char *detail);
/* Nanoseconds of a clock that never goes back. */
uint64_t program_clock(void);

/* server.c */

/* Listen; false with p->reason. */
bool server_listen(Program *p);
/* Serve until the end. */
void server_run(Program *p);
/* Watch a descriptor for reading; ctx comes back with it. */
bool server_watch(Program *p, int fd, void *ctx);

/* connection.c */

/* Take the connections that wait. */
void connection_accept(Program *p);
/* Read what a backend sent; it may be closed. */
void connection_read(Program *p, Connection *c);
/* Forget a backend and all that it waits for. */
void connection_close(Program *p, Connection *c);
/* Answer a request and free it; err may be NULL when verdict is LEP_OK. */
void connection_answer(Program *p, Request *r, uint32_t verdict, const LepError *err);

/* models.c */

/* The model of an image, new or not; NULL when out of memory. */
Model *models_find(Program *p, const char *path, const uint8_t *hash);
/* Bring a model to the device; LEP_OK, or a verdict and err. */
uint32_t models_load(Program *p, Model *m, LepError *err);
/* Take the model that was idle longest from the device, but not this one; false when there is none. */
bool models_evict(Program *p, const Model *but);
/* Learn how long a batch took; tell how many tokens the next one may have. */
void models_learn(Model *m, size_t n_tokens, uint64_t ns);
size_t models_budget(const Model *m);
/* Forget models that nobody names, and those whose image is gone. */
void models_clean(Program *p);
void models_free(Program *p);

/* queue.c */

/* Put a request behind all others. */
void queue_add(Program *p, Request *r);
/* Put a request in front of all others. */
void queue_return(Program *p, Request *r);
/* Take those of a connection out and free them. */
void queue_forget(Program *p, const Connection *c);
/* Take all requests of a model out and answer them. */
void queue_refuse(Program *p, const Model *m, uint32_t verdict, const LepError *err);
/* The request whose model comes next, or NULL. */
Request *queue_next(const Program *p);
/* Take the requests of a model that make the next batch out, into f; false when out of memory. */
bool queue_take(Program *p, const Model *m, Flight *f);

/* flight.c */

/* Start batches in all free slots. */
void flight_start(Program *p);
/* Answer the batches that are done. */
void flight_finish(Program *p);
/* A backend went away: its requests in flight are nobody's. */
void flight_forget(Program *p, const Connection *c);
/* Is one on the device? */
bool flight_any(const Program *p);
void flight_free(Program *p);

#endif
