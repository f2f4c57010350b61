/*
 * queue.c: requests that wait, and which of them make the next batch: of the model that was served longest ago, one
 * request of each connection in turn, short ones first, so that a scan keeps nobody waiting.
 */
#include <stdlib.h>
#include <string.h>

#include "program.h"

/* While others are served, a model that is not on the device waits so long: it may have to take their place. */
#define LOAD_AFTER_NS ((uint64_t) 100000000)

/* Put a request behind all others. */
void
queue_add(Program *p, Request *r)
{
	r->came = program_clock();
	r->next = NULL;
	if (p->last != NULL)
		p->last->next = r;
	else
		p->first = r;
	p->last = r;
}

/* Put a request in front of all others. */
void
queue_return(Program *p, Request *r)
{
	r->next = p->first;
	p->first = r;
	if (p->last == NULL)
		p->last = r;
}

/* Take the request at a place out; before is the one before it, or NULL. */
static Request *
take_out(Program *p, Request *before, Request *r)
{
	if (before != NULL)
		before->next = r->next;
	else
		p->first = r->next;
	if (p->last == r)
		p->last = before;
	return r;
}

/* Take the requests of a connection out and free them. */
void
queue_forget(Program *p, const Connection *c)
{
	Request *before = NULL, *next;

	for (Request *r = p->first; r != NULL; r = next)
	{
		next = r->next;
		if (r->owner != c)
		{
			before = r;
			continue;
		}
		take_out(p, before, r);
		r->model->waits--;
		free(r);
	}
}

/* Take all requests of a model out and answer them. */
void
queue_refuse(Program *p, const Model *m, uint32_t verdict, const LepError *err)
{
	Request *before = NULL, *next;

	for (Request *r = p->first; r != NULL; r = next)
	{
		next = r->next;
		if (m != NULL && r->model != m)
			before = r;
		else
			connection_answer(p, take_out(p, before, r), verdict, err);
	}
}

/* Find the request whose model comes next. */
Request *
queue_next(const Program *p)
{
	uint64_t now = program_clock();
	Request *best = NULL, *unloaded = NULL;

	for (Request *r = p->first; r != NULL; r = r->next)
	{
		if (r->model->loaded == NULL)
		{
			if (unloaded == NULL)
				unloaded = r;
		}
		else if (best == NULL || r->model->used < best->model->used)
			best = r;
	}
	if (unloaded != NULL && (best == NULL || now - unloaded->came > LOAD_AFTER_NS))
		return unloaded;
	return best;
}

/* Order the requests of a batch. */
static int
compare(const void *a, const void *b)
{
	const Request *x = *(Request *const *) a;
	const Request *y = *(Request *const *) b;
	bool late_x = x->passed >= PROGRAM_PASSED_MAX, late_y = y->passed >= PROGRAM_PASSED_MAX;

	if (late_x != late_y)
		return late_x ? -1 : 1;
	if (x->round != y->round)
		return x->round < y->round ? -1 : 1;
	if (x->run.n_tokens != y->run.n_tokens)
		return x->run.n_tokens < y->run.n_tokens ? -1 : 1;
	return x->came < y->came ? -1 : 1;
}

/* Have room for so many requests. */
static bool
reserve_requests(Flight *f, size_t n)
{
	Request **more;

	if (n <= f->requests_capacity)
		return true;
	more = realloc(f->requests, 2 * n * sizeof(Request *));
	if (more == NULL)
		return false;
	f->requests = more;
	f->requests_capacity = 2 * n;
	return true;
}

/* List the requests of a model in the queue's order, in f. */
static bool
list_requests(Program *p, const Model *m, Flight *f)
{
	size_t n = 0;

	for (Request *r = p->first; r != NULL; r = r->next)
	{
		n++;
		if (r->owner != NULL)
			r->owner->round = 0;
	}
	if (!reserve_requests(f, n))
		return false;
	f->n = 0;
	for (Request *r = p->first; r != NULL; r = r->next)
		if (r->model == m)
		{
			r->round = r->owner->round++;
			f->requests[f->n++] = r;
		}
	return true;
}

/* Mark those of the ordered requests of f that make the batch. */
static void
mark_requests(Flight *f, size_t budget)
{
	size_t tokens = 0, texts = 0, values = 0;

	for (size_t i = 0; i < f->n; i++)
	{
		Request *r = f->requests[i];

		tokens += r->run.n_tokens;
		texts += r->run.n_texts;
		values += (size_t) r->run.out_bytes / sizeof(float);
		if (i > 0 && (r->is_alone || tokens > budget || texts > LEP_GPU_TEXTS_MAX ||
					  values > PROGRAM_BATCH_VALUES))
			return;
		r->is_taken = true;
		if (r->is_alone)
			return;
	}
}

/* Take the requests that make the next batch out. */
bool
queue_take(Program *p, const Model *m, Flight *f)
{
	Request *before = NULL, *next;
	size_t n = 0;

	if (!list_requests(p, m, f))
		return false;
	qsort(f->requests, f->n, sizeof(Request *), compare);
	mark_requests(f, models_budget(m));
	while (n < f->n && f->requests[n]->is_taken)
		n++;
	f->n = n;
	for (Request *r = p->first; r != NULL; r = next)
	{
		next = r->next;
		if (r->model != m || !r->is_taken)
		{
			r->passed += r->model == m;
			before = r;
			continue;
		}
		take_out(p, before, r)->is_taken = false;
	}
	return true;
}
