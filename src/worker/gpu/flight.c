/*
 * flight.c: batches on the device: joins requests into one, sends it off, takes its rows apart.  What fails because of
 * one request must not fail the others: they are run again, each alone.
 */
#include <stdlib.h>
#include <string.h>

#include "program.h"

/* Is a batch on the device? */
bool
flight_any(const Program *p)
{
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
		if (p->flights[i].is_busy)
			return true;
	return false;
}

/* Make the requests in flight of a backend nobody's. */
void
flight_forget(Program *p, const Connection *c)
{
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
		for (size_t j = 0; p->flights[i].is_busy && j < p->flights[i].n; j++)
			if (p->flights[i].requests[j]->owner == c)
				p->flights[i].requests[j]->owner = NULL;
}

/* Grow an array; false when out of memory. */
static bool
grow(void **array, size_t *capacity, size_t n, size_t size)
{
	size_t want = *capacity * 2 > n ? *capacity * 2 : n;
	size_t bytes;
	void *more;

	if (n <= *capacity)
		return true;
	if (!lep_mul(want, size, &bytes) || (more = realloc(*array, bytes)) == NULL)
		return false;
	*array = more;
	*capacity = want;
	return true;
}

/* Have room for a batch. */
static bool
reserve_batch(Staging *s, size_t n_tokens, size_t n_texts, size_t n_picks)
{
	size_t types_capacity = s->tokens_capacity;

	return grow((void **) &s->types, &types_capacity, n_tokens, sizeof(int32_t)) &&
		   grow((void **) &s->ids, &s->tokens_capacity, n_tokens, sizeof(int32_t)) &&
		   grow((void **) &s->starts, &s->texts_capacity, n_texts + 1, sizeof(uint32_t)) &&
		   grow((void **) &s->picks, &s->picks_capacity, n_picks + 1, sizeof(uint32_t));
}

/* Answer all requests of a flight. */
static void
answer_all(Program *p, Flight *f, uint32_t verdict, const LepError *err)
{
	for (size_t i = 0; i < f->n; i++)
		connection_answer(p, f->requests[i], verdict, err);
	f->n = 0;
}

/* Put the requests of a flight back; alone: each will be a batch of its own. */
static void
return_all(Program *p, Flight *f, bool alone)
{
	for (size_t i = f->n; i-- > 0;)
	{
		f->requests[i]->is_alone |= alone;
		queue_return(p, f->requests[i]);
	}
	f->n = 0;
}

/* The device is lost: everybody hears it, and the program ends. */
static void
lose_device(Program *p, const LepError *err)
{
	LepError copy = *err;

	for (int i = 0; i < LEP_GPU_SLOTS; i++)
	{
		if (p->flights[i].is_busy)
			p->flights[i].model->flies--;
		answer_all(p, &p->flights[i], WORKER_LOST, &copy);
		p->flights[i].is_busy = false;
	}
	queue_refuse(p, NULL, WORKER_LOST, &copy);
	program_fail(p, copy.message[0] != '\0' ? copy.message : "the device failed", copy.detail);
}

/* Copy a request behind what the staging holds; false: its numbers contradict each other. */
static bool
copy_request(const Request *r, const Model *m, Staging *s, LepBatch *batch)
{
	const WorkerRun *run = &r->run;
	const char *area = r->owner->area;
	uint32_t *starts = s->starts + batch->n_texts;
	uint32_t *picks = s->picks + batch->n_picks;
	uint32_t first = (uint32_t) batch->n_tokens;
	LepBatch part = {.n_texts = run->n_texts, .n_tokens = run->n_tokens, .n_picks = run->n_picks};
	uint64_t values =
		(uint64_t) lep_graph_out_rows(m->model.graph, &part) * lep_desc_width(m->model.view.desc);

	memcpy(s->ids + first, area + run->ids, run->n_tokens * sizeof(int32_t));
	if (run->has_types)
		memcpy(s->types + first, area + run->types, run->n_tokens * sizeof(int32_t));
	else
		memset(s->types + first, 0, run->n_tokens * sizeof(int32_t));
	/* Copied before it is checked: the backend may write into its area at any time. */
	memcpy(starts, area + run->starts, (run->n_texts + 1) * sizeof(uint32_t));
	memcpy(picks, area + run->picks, run->n_picks * sizeof(uint32_t));
	if (values * sizeof(float) != run->out_bytes || starts[0] != 0 ||
		starts[run->n_texts] != run->n_tokens)
		return false;
	for (uint32_t i = 0; i < run->n_texts; i++)
		if (starts[i] >= starts[i + 1])
			return false;
	for (uint32_t i = 0; i < run->n_picks; i++)
		if (picks[i] >= run->n_tokens)
			return false;
	for (uint32_t i = 0; i <= run->n_texts; i++)
		starts[i] += first;
	for (uint32_t i = 0; i < run->n_picks; i++)
		picks[i] += first;
	batch->n_texts += run->n_texts;
	batch->n_tokens += run->n_tokens;
	batch->n_picks += run->n_picks;
	return true;
}

/* Join the requests of a flight into a batch; those that are bad are answered and left out. */
static bool
join_requests(Program *p, Flight *f, LepBatch *batch)
{
	Staging *s = &p->staging;
	size_t n_tokens = 0, n_texts = 0, n_picks = 0, n = 0;
	bool has_types = false;

	memset(batch, 0, sizeof(*batch));
	for (size_t i = 0; i < f->n; i++)
	{
		n_tokens += f->requests[i]->run.n_tokens;
		n_texts += f->requests[i]->run.n_texts;
		n_picks += f->requests[i]->run.n_picks;
		has_types |= f->requests[i]->run.has_types != 0;
	}
	if (!reserve_batch(s, n_tokens, n_texts, n_picks))
		return false;
	f->n_values = 0;
	for (size_t i = 0; i < f->n; i++)
	{
		Request *r = f->requests[i];
		LepError err = {0};

		if (copy_request(r, f->model, s, batch))
		{
			f->n_values += (size_t) r->run.out_bytes / sizeof(float);
			f->requests[n++] = r;
			continue;
		}
		lep_error(&err, LEP_BAD_INPUT, "the places of a batch contradict each other");
		connection_answer(p, r, LEP_BAD_INPUT, &err);
	}
	f->n = n;
	batch->ids = s->ids;
	batch->types = has_types ? s->types : NULL;
	batch->starts = s->starts;
	batch->picks = s->picks;
	return true;
}

/* Send a batch off, in the place of idle models if need be. */
static LepStatus
submit(Program *p, Flight *f, const LepBatch *batch, LepError *err)
{
	LepStatus status;

	do
		status = lep_gpu_submit(f->model->loaded, batch, (int) (f - p->flights), err);
	while (status == LEP_NO_MEMORY && models_evict(p, f->model));
	return status;
}

/* Deal with a batch that could not be sent off; true: go on with others. */
static bool
refuse_flight(Program *p, Flight *f, LepStatus status, const LepError *err)
{
	if (status == LEP_DEVICE || lep_gpu_is_lost(p->gpu))
	{
		lose_device(p, err);
		return false;
	}
	if (status == LEP_NO_MEMORY && flight_any(p))
	{
		/* What flies gives its memory back. */
		return_all(p, f, false);
		return false;
	}
	if (f->n > 1)
		return_all(p, f, true);
	else if (status == LEP_NO_MEMORY)
		answer_all(p, f, WORKER_FULL, err);
	else if (status == LEP_UNSUPPORTED)
		answer_all(p, f, WORKER_UNSERVED, err);
	else
		answer_all(p, f, (uint32_t) status, err);
	return true;
}

/* Make sure that a model is on the device; false: its requests have been answered, or must wait (*wait). */
static bool
load_model(Program *p, Model *m, bool *wait)
{
	LepError err = {0};
	uint32_t verdict = m->refusal;

	*wait = false;
	if (verdict != LEP_OK)
		err = m->refusal_error;
	else
		verdict = models_load(p, m, &err);
	if (verdict == LEP_OK)
		return true;
	if (lep_gpu_is_lost(p->gpu))
	{
		lose_device(p, &err);
		*wait = true;
	}
	else if (verdict == WORKER_FULL && flight_any(p))
		*wait = true;
	else
		queue_refuse(p, m, verdict, &err);
	return false;
}

/* Start a batch in a free slot; false: there is none to start now. */
static bool
start_one(Program *p, Flight *f)
{
	Request *r;
	bool wait;

	while (!p->is_over && (r = queue_next(p)) != NULL)
	{
		LepBatch batch;
		LepError err = {0};
		LepStatus status;

		if (!load_model(p, r->model, &wait))
		{
			if (wait)
				return false;
			continue;
		}
		f->model = r->model;
		if (!queue_take(p, r->model, f) || !join_requests(p, f, &batch))
		{
			lep_error(&err, LEP_NO_MEMORY, "out of memory");
			answer_all(p, f, WORKER_FULL, &err);
			queue_refuse(p, f->model, WORKER_FULL, &err);
			continue;
		}
		if (f->n == 0)
			continue;
		status = submit(p, f, &batch, &err);
		if (status != LEP_OK)
		{
			if (!refuse_flight(p, f, status, &err))
				return false;
			continue;
		}
		f->begun = program_clock();
		f->n_tokens = batch.n_tokens;
		if (p->busy_since == 0)
			p->busy_since = f->begun;
		if (batch.n_tokens <= PROGRAM_SPIN_TOKENS)
			p->spin_until = f->begun + PROGRAM_SPIN_NS;
		f->is_busy = true;
		f->model->flies++;
		f->model->used = ++p->status.batches;
		p->status.texts += batch.n_texts;
		p->status.tokens += batch.n_tokens;
		return true;
	}
	return false;
}

/* Start batches in all free slots. */
void
flight_start(Program *p)
{
	for (int i = 0; i < LEP_GPU_SLOTS && p->first != NULL; i++)
		if (!p->flights[i].is_busy && !start_one(p, &p->flights[i]))
			return;
}

/* Give the rows of a batch to those who asked for them. */
static void
hand_out(Program *p, Flight *f, const float *rows)
{
	for (size_t i = 0; i < f->n; i++)
	{
		Request *r = f->requests[i];
		size_t values = (size_t) r->run.out_bytes / sizeof(float);
		char *to = r->owner != NULL ? r->owner->area + r->run.out : NULL;

		if (to != NULL && to != (const char *) rows)
			memcpy(to, rows, values * sizeof(float));
		rows += values;
	}
	answer_all(p, f, LEP_OK, NULL);
}

/* Learn how long a batch took, without the time in which the one before it had the device. */
static void
learn(Program *p, const Flight *f)
{
	uint64_t now = program_clock();

	models_learn(f->model, f->n_tokens, now - (f->begun > p->finished ? f->begun : p->finished));
	p->finished = now;
}

/* Answer a batch that is done. */
static void
finish_one(Program *p, Flight *f)
{
	Staging *s = &p->staging;
	Request *only = f->n == 1 ? f->requests[0] : NULL;
	float *rows = NULL;
	LepError err = {0};
	LepStatus status;

	/* A batch of one request goes straight to its place. */
	if (only != NULL && only->owner != NULL)
		rows = (float *) (only->owner->area + only->run.out);
	else if (grow((void **) &s->rows, &s->values_capacity, f->n_values, sizeof(float)))
		rows = s->rows;
	status = lep_gpu_collect(p->gpu, (int) (f - p->flights), rows, &err);
	f->is_busy = false;
	f->model->flies--;
	learn(p, f);
	if (status == LEP_OK && rows == NULL)
		status = lep_error(&err, LEP_NO_MEMORY, "out of memory");
	if (status == LEP_OK)
		hand_out(p, f, rows);
	else
	{
		/* Those whose backend went away are not run again. */
		size_t n = 0;

		for (size_t i = 0; i < f->n; i++)
		{
			if (f->requests[i]->owner != NULL)
				f->requests[n++] = f->requests[i];
			else
				connection_answer(p, f->requests[i], status, &err);
		}
		f->n = n;
		(void) refuse_flight(p, f, status, &err);
	}
}

/* Answer the batches that are done. */
void
flight_finish(Program *p)
{
	unsigned done = lep_gpu_ready(p->gpu);
	LepError err = {0};

	for (int i = 0; i < LEP_GPU_SLOTS && !p->is_over; i++)
		if (p->flights[i].is_busy && (done & 1u << i) != 0)
			finish_one(p, &p->flights[i]);
	if (!p->is_over && lep_gpu_is_lost(p->gpu))
		lose_device(p, &err);
	if (p->busy_since != 0 && !flight_any(p))
	{
		p->status.busy_ns += program_clock() - p->busy_since;
		p->busy_since = 0;
	}
}

/* Free what flights and their batches have. */
void
flight_free(Program *p)
{
	for (int i = 0; i < LEP_GPU_SLOTS; i++)
	{
		for (size_t j = 0; j < p->flights[i].n; j++)
			free(p->flights[i].requests[j]);
		free(p->flights[i].requests);
	}
	free(p->staging.ids);
	free(p->staging.types);
	free(p->staging.starts);
	free(p->staging.picks);
	free(p->staging.rows);
}
