/*
 * cuda.c: the emulated device of emulated.h: its memory, streams, captured work and failures.  It computes nothing.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "emulated.h"

#define REASON_BYTES 256
#define ALIGN		 256 /* bytes: of device memory */
#define PINNED_ALIGN 64

/* A piece of device memory, or of pinned memory of the host. */
typedef struct Piece
{
	struct Piece *next;
	char *at;
	size_t bytes;
	bool pinned;
} Piece;

struct LepCuda
{
	pthread_mutex_t lock; /* over all that streams' threads look at */
	Piece *pieces;
	size_t used;
	bool lost;
	char reason[REASON_BYTES];
	char broken[REASON_BYTES]; /* why the device was lost */
	LepCudaStream *streams;
	LepCudaGraph *graphs;
	LepCudaMark *marks;
};

struct LepCudaGraph
{
	LepCudaGraph *next;
	LepEmulatedCall *first, **last;
};

struct LepCudaMark
{
	LepCudaMark *next;
	double ms;
	bool set;
};

struct LepCudaStream
{
	LepCudaStream *next;
	LepCuda *cuda;
	pthread_t thread;
	pthread_cond_t changed; /* of what follows, under the device's lock */
	LepEmulatedCall *first, **last;
	bool running, closing;
	bool tuning;
	LepCudaGraph *capturing; /* NULL: not */
	LepStatus captured;		 /* the first error of what is captured */
};

static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t n_held, n_launches, n_calls, fail_at;
static LepEmulatedFailure fail_how;

/* Read a number from the environment. */
static size_t
variable(const char *name, size_t otherwise)
{
	const char *value = getenv(name);

	return value == NULL ? otherwise : (size_t) strtoull(value, NULL, 10);
}

/* Count something taken, or given back. */
static void
hold(bool taken)
{
	pthread_mutex_lock(&count_lock);
	n_held += taken ? 1 : (size_t) -1;
	pthread_mutex_unlock(&count_lock);
}

size_t
lep_emulated_held(void)
{
	size_t n;

	pthread_mutex_lock(&count_lock);
	n = n_held;
	pthread_mutex_unlock(&count_lock);
	return n;
}

size_t
lep_emulated_launches(void)
{
	return n_launches;
}

void
lep_emulated_fail(size_t n, LepEmulatedFailure how)
{
	n_calls = 0;
	fail_at = n;
	fail_how = how;
}

size_t
lep_emulated_calls(void)
{
	return n_calls;
}

/* Count a call that can fail; how it is to fail. */
static LepEmulatedFailure
count_call(void)
{
	return ++n_calls == fail_at ? fail_how : LEP_EMULATED_NONE;
}

/* Keep a reason and return its status. */
__attribute__((format(printf, 3, 4))) static LepStatus
say(LepCuda *cuda, LepStatus status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(cuda->reason, sizeof(cuda->reason), format, args);
	va_end(args);
	return status;
}

/* Lose the device; the first reason stays. */
static void
lose(LepCuda *cuda, const char *why)
{
	if (!cuda->lost)
		snprintf(cuda->broken, sizeof(cuda->broken), "%s", why);
	cuda->lost = true;
}

/* Let a call fail that is to fail, and every one on a lost device; *later gets whether its work is to fail. */
static LepStatus
begin_call(LepCuda *cuda, bool *later)
{
	LepEmulatedFailure how = count_call();
	LepStatus status = LEP_OK;

	pthread_mutex_lock(&cuda->lock);
	if (how == LEP_EMULATED_LOST)
		lose(cuda, "the emulated device was told to fail");
	if (cuda->lost)
		status = say(cuda, LEP_IO, "%s", cuda->broken);
	else if (how == LEP_EMULATED_MEMORY)
		status = say(cuda, LEP_NO_MEMORY, "the emulated device was told to be full");
	pthread_mutex_unlock(&cuda->lock);
	if (later != NULL)
		*later = how == LEP_EMULATED_LATER;
	return status;
}

/* ---- the device ---- */

LepStatus
lep_cuda_probe(LepCudaInfo *info, char *why, size_t why_size)
{
	memset(info, 0, sizeof(*info));
	if (why_size > 0)
		why[0] = '\0';
	info->driver = info->runtime = 13000;
	info->devices = (int) variable("LEPTON_EMULATED_DEVICES", 1);
	if (info->devices == 0)
	{
		snprintf(why, why_size, "no emulated device");
		return LEP_MISSING;
	}
	snprintf(info->name, sizeof(info->name), "emulated");
	info->major = 9;
	info->memory = variable("LEPTON_EMULATED_MEMORY", (size_t) 1 << 30);
	return LEP_OK;
}

/* Obey LEPTON_EMULATED_FAIL. */
static void
obey_environment(void)
{
	static const char *const names[] = {"none", "memory", "lost", "later"};
	const char *value = getenv("LEPTON_EMULATED_FAIL");
	const char *colon = value == NULL ? NULL : strchr(value, ':');

	for (size_t i = 0; colon != NULL && i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (strlen(names[i]) == (size_t) (colon - value) &&
			strncmp(names[i], value, strlen(names[i])) == 0)
			lep_emulated_fail((size_t) strtoull(colon + 1, NULL, 10), (LepEmulatedFailure) i);
	}
}

LepStatus
lep_cuda_open(int device, LepCuda **cuda, char *why, size_t why_size)
{
	LepCudaInfo info;
	LepStatus status = lep_cuda_probe(&info, why, why_size);

	*cuda = NULL;
	if (status != LEP_OK)
		return status;
	obey_environment();
	if (device < 0 || device >= info.devices)
	{
		snprintf(why, why_size, "device %d does not exist, there are %d", device, info.devices);
		return LEP_BAD_INPUT;
	}
	if (count_call() != LEP_EMULATED_NONE)
	{
		snprintf(why, why_size, "the emulated device was told to fail");
		return fail_how == LEP_EMULATED_MEMORY ? LEP_NO_MEMORY : LEP_IO;
	}
	*cuda = calloc(1, sizeof(LepCuda));
	if (*cuda == NULL)
	{
		snprintf(why, why_size, "out of memory");
		return LEP_NO_MEMORY;
	}
	pthread_mutex_init(&(*cuda)->lock, NULL);
	hold(true);
	return LEP_OK;
}

void
lep_cuda_close(LepCuda *cuda)
{
	if (cuda == NULL)
		return;
	while (cuda->streams != NULL)
		lep_cuda_stream_close(cuda->streams);
	while (cuda->graphs != NULL)
		lep_cuda_graph_free(cuda, cuda->graphs);
	while (cuda->marks != NULL)
		lep_cuda_mark_free(cuda, cuda->marks);
	while (cuda->pieces != NULL)
	{
		if (cuda->pieces->pinned)
			lep_cuda_free_host(cuda, cuda->pieces->at);
		else
			lep_cuda_free(cuda, cuda->pieces->at);
	}
	pthread_mutex_destroy(&cuda->lock);
	free(cuda);
	hold(false);
}

const char *
lep_cuda_reason(const LepCuda *cuda)
{
	return cuda->reason;
}

bool
lep_cuda_is_lost(const LepCuda *cuda)
{
	LepCuda *c = (LepCuda *) cuda;
	bool lost;

	pthread_mutex_lock(&c->lock);
	lost = c->lost;
	pthread_mutex_unlock(&c->lock);
	return lost;
}

size_t
lep_cuda_cublas(const LepCuda *cuda)
{
	(void) cuda;
	return 0;
}

/* ---- memory ---- */

LepStatus
lep_cuda_memory(LepCuda *cuda, size_t *free_bytes, size_t *total)
{
	*total = variable("LEPTON_EMULATED_MEMORY", (size_t) 1 << 30);
	*free_bytes = *total > cuda->used ? *total - cuda->used : 0;
	return begin_call(cuda, NULL);
}

/* Is any stream of the device capturing? */
static bool
any_capturing(const LepCuda *cuda)
{
	for (const LepCudaStream *s = cuda->streams; s != NULL; s = s->next)
	{
		if (s->capturing != NULL)
			return true;
	}
	return false;
}

/* Take a piece of memory. */
static LepStatus
take(LepCuda *cuda, size_t bytes, bool pinned, void **at)
{
	LepStatus status = begin_call(cuda, NULL);
	size_t total = variable("LEPTON_EMULATED_MEMORY", (size_t) 1 << 30);
	size_t align = pinned ? PINNED_ALIGN : ALIGN;
	Piece *piece;

	*at = NULL;
	if (status != LEP_OK)
		return status;
	if (any_capturing(cuda))
		return say(cuda, LEP_BAD_INPUT, "memory was taken while work is captured");
	if (!pinned && (bytes > total || cuda->used > total - bytes))
		return say(cuda, LEP_NO_MEMORY, "the emulated device is full");
	piece = calloc(1, sizeof(Piece));
	if (piece != NULL)
		piece->at = aligned_alloc(align, (bytes + align) / align * align);
	if (piece == NULL || piece->at == NULL)
	{
		free(piece);
		return say(cuda, LEP_NO_MEMORY, "out of memory");
	}
	memset(piece->at, 0xff, bytes);
	piece->bytes = bytes;
	piece->pinned = pinned;
	pthread_mutex_lock(&cuda->lock);
	piece->next = cuda->pieces;
	cuda->pieces = piece;
	pthread_mutex_unlock(&cuda->lock);
	cuda->used += pinned ? 0 : bytes;
	hold(true);
	*at = piece->at;
	return LEP_OK;
}

/* Wait until a stream has nothing to do. */
static void
wait_idle(LepCudaStream *stream)
{
	pthread_mutex_lock(&stream->cuda->lock);
	while (stream->first != NULL || stream->running)
		pthread_cond_wait(&stream->changed, &stream->cuda->lock);
	pthread_mutex_unlock(&stream->cuda->lock);
}

/* Give a piece of memory back. */
static void
give_back(LepCuda *cuda, void *at)
{
	Piece **link = &cuda->pieces;
	Piece *piece;

	if (at == NULL)
		return;
	for (LepCudaStream *s = cuda->streams; s != NULL; s = s->next)
		wait_idle(s);
	pthread_mutex_lock(&cuda->lock);
	while ((*link)->at != at)
		link = &(*link)->next;
	piece = *link;
	*link = piece->next;
	pthread_mutex_unlock(&cuda->lock);
	cuda->used -= piece->pinned ? 0 : piece->bytes;
	free(piece->at);
	free(piece);
	hold(false);
}

/* The piece that holds [at, at + bytes); the lock is held. */
static const Piece *
find_piece(const LepCuda *cuda, const void *at, size_t bytes)
{
	for (const Piece *piece = cuda->pieces; piece != NULL; piece = piece->next)
	{
		uintptr_t first = (uintptr_t) piece->at, here = (uintptr_t) at;

		if (here >= first && here - first <= piece->bytes && bytes <= piece->bytes - (here - first))
			return piece;
	}
	return NULL;
}

/* Is a range within one piece of a kind? */
static bool
owns(LepCuda *cuda, const void *at, size_t bytes, bool pinned)
{
	const Piece *piece;
	bool found;

	pthread_mutex_lock(&cuda->lock);
	piece = find_piece(cuda, at, bytes);
	found = piece != NULL && piece->pinned == pinned;
	pthread_mutex_unlock(&cuda->lock);
	return found;
}

bool
lep_emulated_owns(LepCuda *cuda, const void *at, size_t bytes)
{
	return bytes == 0 || owns(cuda, at, bytes, false);
}

LepStatus
lep_cuda_alloc(LepCuda *cuda, size_t bytes, void **at)
{
	return take(cuda, bytes, false, at);
}

void
lep_cuda_free(LepCuda *cuda, void *at)
{
	give_back(cuda, at);
}

LepStatus
lep_cuda_alloc_host(LepCuda *cuda, size_t bytes, void **at)
{
	return take(cuda, bytes, true, at);
}

void
lep_cuda_free_host(LepCuda *cuda, void *at)
{
	give_back(cuda, at);
}

/* ---- streams ---- */

/* Milliseconds since some point in time. */
static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

/* Move bytes, when all of them are where they should be. */
static bool
move(LepCuda *cuda, const LepEmulatedCall *call)
{
	const LepEmulatedMove *m = &call->args.move;
	bool from_device = call->kind == LEP_EMULATED_DOWNLOAD || call->kind == LEP_EMULATED_COPY;

	if (call->kind != LEP_EMULATED_DOWNLOAD && !lep_emulated_owns(cuda, m->to, m->bytes))
		return false;
	if (from_device && !lep_emulated_owns(cuda, m->from, m->bytes))
		return false;
	if (m->bytes == 0)
		return true;
	if (call->kind == LEP_EMULATED_CLEAR)
		memset(m->to, 0, m->bytes);
	else
		memmove(m->to, m->copy != NULL ? m->copy : m->from, m->bytes);
	return true;
}

/* Run one call; a lost device only calls back. */
static void
run_call(LepCuda *cuda, const LepEmulatedCall *call)
{
	bool fine = true;

	if (call->kind == LEP_EMULATED_NOTIFY)
	{
		size_t pause = variable("LEPTON_EMULATED_PAUSE", 0);

		if (pause > 0)
			usleep((useconds_t) pause * 1000);
		call->args.notify.function(call->args.notify.ctx);
		return;
	}
	if (lep_cuda_is_lost(cuda))
		return;
	if (call->kind < LEP_EMULATED_COMPUTES)
		fine = lep_emulated_compute(cuda, call);
	else if (call->kind == LEP_EMULATED_GRAPH)
	{
		for (const LepEmulatedCall *c = call->args.graph->first; c != NULL; c = c->next)
			run_call(cuda, c);
	}
	else if (call->kind == LEP_EMULATED_MARK)
	{
		call->args.mark->ms = now_ms();
		call->args.mark->set = true;
	}
	else
		fine = call->kind != LEP_EMULATED_BREAK && move(cuda, call);
	if (fine)
		return;
	pthread_mutex_lock(&cuda->lock);
	lose(cuda, "an illegal memory access was encountered");
	pthread_mutex_unlock(&cuda->lock);
}

/* Run a stream's calls one after another. */
static void *
run_stream(void *arg)
{
	LepCudaStream *stream = arg;
	LepCuda *cuda = stream->cuda;

	pthread_mutex_lock(&cuda->lock);
	for (;;)
	{
		LepEmulatedCall *call = stream->first;

		if (call == NULL && stream->closing)
			break;
		if (call == NULL)
		{
			pthread_cond_wait(&stream->changed, &cuda->lock);
			continue;
		}
		stream->first = call->next;
		if (stream->first == NULL)
			stream->last = &stream->first;
		stream->running = true;
		pthread_mutex_unlock(&cuda->lock);
		run_call(cuda, call);
		if (call->kind == LEP_EMULATED_UPLOAD)
			free(call->args.move.copy);
		free(call);
		pthread_mutex_lock(&cuda->lock);
		stream->running = false;
		pthread_cond_broadcast(&stream->changed);
	}
	pthread_mutex_unlock(&cuda->lock);
	return NULL;
}

LepStatus
lep_cuda_stream_open(LepCuda *cuda, LepCudaStream **stream)
{
	LepStatus status = begin_call(cuda, NULL);
	LepCudaStream *made;

	*stream = NULL;
	if (status != LEP_OK)
		return status;
	made = calloc(1, sizeof(LepCudaStream));
	if (made == NULL)
		return say(cuda, LEP_NO_MEMORY, "out of memory");
	made->cuda = cuda;
	made->last = &made->first;
	pthread_cond_init(&made->changed, NULL);
	if (pthread_create(&made->thread, NULL, run_stream, made) != 0)
	{
		pthread_cond_destroy(&made->changed);
		free(made);
		return say(cuda, LEP_NO_MEMORY, "could not start a thread");
	}
	made->next = cuda->streams;
	cuda->streams = made;
	hold(true);
	*stream = made;
	return LEP_OK;
}

void
lep_cuda_stream_close(LepCudaStream *stream)
{
	LepCudaGraph *graph = NULL;
	LepCudaStream **link;

	if (stream == NULL)
		return;
	if (stream->capturing != NULL)
	{
		lep_cuda_capture_end(stream, &graph);
		lep_cuda_graph_free(stream->cuda, graph);
	}
	for (link = &stream->cuda->streams; *link != stream;)
		link = &(*link)->next;
	*link = stream->next;
	pthread_mutex_lock(&stream->cuda->lock);
	stream->closing = true;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->cuda->lock);
	pthread_join(stream->thread, NULL);
	pthread_cond_destroy(&stream->changed);
	free(stream);
	hold(false);
}

LepCuda *
lep_cuda_of(LepCudaStream *stream)
{
	return stream->cuda;
}

/* Append a call to a list; false when out of memory. */
static bool
append(LepEmulatedCall ***last, const LepEmulatedCall *call)
{
	LepEmulatedCall *copy = malloc(sizeof(LepEmulatedCall));

	if (copy == NULL)
		return false;
	*copy = *call;
	copy->next = NULL;
	**last = copy;
	*last = &copy->next;
	return true;
}

LepStatus
lep_emulated_refuse(LepCudaStream *stream, const char *what)
{
	LepStatus status = say(stream->cuda, LEP_BAD_INPUT, "%s", what);

	if (stream->capturing != NULL && stream->captured == LEP_OK)
		stream->captured = status;
	return status;
}

LepStatus
lep_emulated_enqueue(LepCudaStream *stream, const LepEmulatedCall *call)
{
	LepEmulatedCall wild = {.kind = LEP_EMULATED_BREAK};
	bool later;
	LepStatus status = begin_call(stream->cuda, &later);
	bool product = call->kind == LEP_EMULATED_LINEAR || call->kind == LEP_EMULATED_FEED_FORWARD ||
				   call->kind == LEP_EMULATED_SPARSE;
	bool appended;

	if (stream->capturing != NULL && product && stream->tuning)
		return lep_emulated_refuse(stream, "captured work measures products");
	if (stream->capturing != NULL)
	{
		if (status == LEP_OK && !append(&stream->capturing->last, later ? &wild : call))
			status = say(stream->cuda, LEP_NO_MEMORY, "out of memory");
		if (status != LEP_OK && stream->captured == LEP_OK)
			stream->captured = status;
		return status;
	}
	if (status != LEP_OK)
		return status;
	pthread_mutex_lock(&stream->cuda->lock);
	appended = (!later || append(&stream->last, &wild)) && append(&stream->last, call);
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->cuda->lock);
	return appended ? LEP_OK : say(stream->cuda, LEP_NO_MEMORY, "out of memory");
}

LepStatus
lep_cuda_upload(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	LepEmulatedCall call = {.kind = LEP_EMULATED_UPLOAD};
	LepStatus status;

	call.args.move = (LepEmulatedMove){.to = to, .from = from, .bytes = bytes};
	if (bytes > 0 && !owns(stream->cuda, from, bytes, true))
	{
		if (stream->capturing != NULL)
			return lep_emulated_refuse(stream, "captured work uploads from memory that moves");
		call.args.move.copy = malloc(bytes);
		if (call.args.move.copy == NULL)
			return say(stream->cuda, LEP_NO_MEMORY, "out of memory");
		memcpy(call.args.move.copy, from, bytes);
	}
	status = lep_emulated_enqueue(stream, &call);
	if (status != LEP_OK)
		free(call.args.move.copy);
	return status;
}

LepStatus
lep_cuda_download(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	LepEmulatedCall call = {.kind = LEP_EMULATED_DOWNLOAD};

	call.args.move = (LepEmulatedMove){.to = to, .from = from, .bytes = bytes};
	if (bytes > 0 && !owns(stream->cuda, to, bytes, true))
		return lep_emulated_refuse(stream, "a download goes to memory that is not pinned");
	return lep_emulated_enqueue(stream, &call);
}

LepStatus
lep_cuda_copy(LepCudaStream *stream, void *to, const void *from, size_t bytes)
{
	LepEmulatedCall call = {.kind = LEP_EMULATED_COPY};

	call.args.move = (LepEmulatedMove){.to = to, .from = from, .bytes = bytes};
	return lep_emulated_enqueue(stream, &call);
}

LepStatus
lep_cuda_clear(LepCudaStream *stream, void *at, size_t bytes)
{
	LepEmulatedCall call = {.kind = LEP_EMULATED_CLEAR};

	call.args.move = (LepEmulatedMove){.to = at, .bytes = bytes};
	return lep_emulated_enqueue(stream, &call);
}

LepStatus
lep_cuda_notify(LepCudaStream *stream, void (*function)(void *ctx), void *ctx)
{
	LepEmulatedCall call = {.kind = LEP_EMULATED_NOTIFY};

	call.args.notify.function = function;
	call.args.notify.ctx = ctx;
	if (stream->capturing != NULL)
		return lep_emulated_refuse(stream, "captured work calls back");
	return lep_emulated_enqueue(stream, &call);
}

LepStatus
lep_cuda_break(LepCudaStream *stream)
{
	const LepEmulatedCall call = {.kind = LEP_EMULATED_BREAK};

	return lep_emulated_enqueue(stream, &call);
}

/* Answer for a stream whose work has run, or has not when done is false. */
static LepStatus
answer(LepCudaStream *stream)
{
	if (stream->capturing != NULL)
		return lep_emulated_refuse(stream, "captured work is waited for");
	return begin_call(stream->cuda, NULL);
}

LepStatus
lep_cuda_poll(LepCudaStream *stream, bool *done)
{
	pthread_mutex_lock(&stream->cuda->lock);
	*done = stream->first == NULL && !stream->running;
	pthread_mutex_unlock(&stream->cuda->lock);
	return answer(stream);
}

LepStatus
lep_cuda_wait(LepCudaStream *stream)
{
	wait_idle(stream);
	return answer(stream);
}

void
lep_cuda_tune(LepCudaStream *stream, bool on)
{
	stream->tuning = on;
}

/* ---- captured work and points in time ---- */

LepStatus
lep_cuda_capture_begin(LepCudaStream *stream)
{
	LepStatus status = begin_call(stream->cuda, NULL);

	if (status != LEP_OK)
		return status;
	if (stream->capturing != NULL)
		return lep_emulated_refuse(stream, "the stream is capturing already");
	stream->capturing = calloc(1, sizeof(LepCudaGraph));
	if (stream->capturing == NULL)
		return say(stream->cuda, LEP_NO_MEMORY, "out of memory");
	stream->capturing->last = &stream->capturing->first;
	stream->capturing->next = stream->cuda->graphs;
	stream->cuda->graphs = stream->capturing;
	stream->captured = LEP_OK;
	hold(true);
	return LEP_OK;
}

LepStatus
lep_cuda_capture_end(LepCudaStream *stream, LepCudaGraph **graph)
{
	LepStatus status = begin_call(stream->cuda, NULL);

	*graph = NULL;
	if (stream->capturing == NULL)
		return status != LEP_OK ? status
								: lep_emulated_refuse(stream, "the stream is not capturing");
	if (status == LEP_OK)
		status = stream->captured;
	if (status == LEP_OK)
		*graph = stream->capturing;
	else
		lep_cuda_graph_free(stream->cuda, stream->capturing);
	stream->capturing = NULL;
	return status;
}

LepStatus
lep_cuda_graph_launch(LepCudaStream *stream, LepCudaGraph *graph)
{
	LepEmulatedCall call = {.kind = LEP_EMULATED_GRAPH};

	call.args.graph = graph;
	if (stream->capturing != NULL)
		return lep_emulated_refuse(stream, "captured work launches captured work");
	n_launches++;
	return lep_emulated_enqueue(stream, &call);
}

void
lep_cuda_graph_free(LepCuda *cuda, LepCudaGraph *graph)
{
	LepCudaGraph **link = &cuda->graphs;

	if (graph == NULL)
		return;
	while (*link != graph)
		link = &(*link)->next;
	*link = graph->next;
	while (graph->first != NULL)
	{
		LepEmulatedCall *call = graph->first;

		graph->first = call->next;
		free(call);
	}
	free(graph);
	hold(false);
}

LepStatus
lep_cuda_mark_make(LepCuda *cuda, LepCudaMark **mark)
{
	LepStatus status = begin_call(cuda, NULL);

	*mark = NULL;
	if (status != LEP_OK)
		return status;
	*mark = calloc(1, sizeof(LepCudaMark));
	if (*mark == NULL)
		return say(cuda, LEP_NO_MEMORY, "out of memory");
	(*mark)->next = cuda->marks;
	cuda->marks = *mark;
	hold(true);
	return LEP_OK;
}

void
lep_cuda_mark_free(LepCuda *cuda, LepCudaMark *mark)
{
	LepCudaMark **link = &cuda->marks;

	if (mark == NULL)
		return;
	while (*link != mark)
		link = &(*link)->next;
	*link = mark->next;
	free(mark);
	hold(false);
}

LepStatus
lep_cuda_mark_set(LepCudaStream *stream, LepCudaMark *mark)
{
	LepEmulatedCall call = {.kind = LEP_EMULATED_MARK};

	call.args.mark = mark;
	return lep_emulated_enqueue(stream, &call);
}

LepStatus
lep_cuda_mark_between(LepCuda *cuda, LepCudaMark *from, LepCudaMark *to, float *ms)
{
	*ms = (float) (to->ms - from->ms);
	return from->set && to->set ? LEP_OK : say(cuda, LEP_BAD_INPUT, "a mark was not set");
}
