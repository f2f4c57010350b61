/*
 * window.c: runs the texts of rows that were read ahead.  It knows neither
 * queries nor results.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "../engine/task.h"
#include "../errors.h"
#include "../guc.h"
#include "../worker/worker.h"
#include "window.h"

/* A distinct sequence of tokens of an engine. */
typedef struct Sequence
{
	uint64 hash;	/* of its ids */
	size_t at;		/* of its ids in Engine.ids */
	size_t picks;	/* of its picks in Engine.picks */
	float *rows;	/* [n_rows, width], when it has been run */
	uint32 n;		/* tokens */
	uint32 n_picks; /* tokens whose rows are asked for, where the graph answers for picks */
	uint32 n_rows;	/* that the graph gives for it */
	bool is_bad;	/* its batch failed */
} Sequence;

/* A graph and the texts for it. */
typedef struct Engine
{
	const LepModel *model;
	size_t width;		 /* of a row of the graph */
	int32 *ids, *types;	 /* [n_ids] */
	Sequence *sequences; /* [n_sequences] */
	uint32 *table;		 /* [table_size] number of a sequence + 1, 0 free; a power of two */
	uint32 *picks;		 /* [n_picks] token places in their sequence */
	size_t n_ids, ids_capacity;
	size_t n_picks, picks_capacity;
	size_t n_rows; /* that the graph will give */
	uint32 n_sequences, sequences_capacity, table_size;
	/* what windows before this one have run and left */
	uint32 old_sequences;
	size_t old_ids, old_rows;
	FuncWork work;
} Engine;

struct FuncWindow
{
	MemoryContext kept;	 /* the window and its engines */
	MemoryContext texts; /* what a reset forgets */
	MemoryContext pools; /* sequences and their rows, which later windows may have again */
	bool is_spoiled;	 /* some could not be run */
	Engine *engines;
	int n_engines;
	bool raises; /* whatever fails */
};

/* Make an empty window */
FuncWindow *
func_window_create(MemoryContext context)
{
	MemoryContext kept = AllocSetContextCreate(context, "lepton window", ALLOCSET_SMALL_SIZES);
	FuncWindow *w = MemoryContextAllocZero(kept, sizeof(FuncWindow));

	w->kept = kept;
	w->texts = AllocSetContextCreate(kept, "lepton window texts", ALLOCSET_DEFAULT_SIZES);
	w->pools = AllocSetContextCreate(kept, "lepton window pools", ALLOCSET_DEFAULT_SIZES);
	return w;
}

/* Forget the sequences and their rows */
static void
reset_pools(FuncWindow *w)
{
	MemoryContextReset(w->pools);
	w->is_spoiled = false;
	for (int i = 0; i < w->n_engines; i++)
	{
		const LepModel *model = w->engines[i].model;

		memset(&w->engines[i], 0, sizeof(Engine));
		w->engines[i].model = model;
		w->engines[i].width = lep_desc_width(model->view.desc);
	}
}

/* Forget the texts; sequences and their rows stay while they are few */
void
func_window_reset(FuncWindow *w)
{
	MemoryContextReset(w->texts);
	if (w->is_spoiled || MemoryContextMemAllocated(w->pools, true) > (Size) work_mem * 1024 / 2)
	{
		reset_pools(w);
		return;
	}
	for (int i = 0; i < w->n_engines; i++)
	{
		Engine *e = &w->engines[i];

		e->old_sequences = e->n_sequences;
		e->old_ids = e->n_ids;
		e->old_rows = e->n_rows;
		memset(&e->work, 0, sizeof(FuncWork));
	}
}

/* Free a window with all that is in it */
void
func_window_destroy(FuncWindow *w)
{
	MemoryContextDelete(w->kept);
}

/* Forget everything */
void
func_window_forget(FuncWindow *w)
{
	MemoryContextReset(w->texts);
	MemoryContextReset(w->pools);
	w->is_spoiled = false;
	w->n_engines = 0;
}

/* Find or add the engine of a model */
int
func_window_engine(FuncWindow *w, const StoreModel *m)
{
	int i = 0;

	while (i < w->n_engines && w->engines[i].model != m->model)
		i++;
	if (i < w->n_engines)
		return i;
	if (w->engines == NULL)
		w->engines = MemoryContextAlloc(w->kept, sizeof(Engine));
	else
		w->engines = repalloc(w->engines, (i + 1) * sizeof(Engine));
	memset(&w->engines[i], 0, sizeof(Engine));
	w->engines[i].model = m->model;
	w->engines[i].width = lep_desc_width(m->model->view.desc);
	w->n_engines++;
	return i;
}

/* Let whatever fails raise */
void
func_window_raise(FuncWindow *w)
{
	w->raises = true;
}

/* Where what is forgotten with the texts lives */
MemoryContext
func_window_context(const FuncWindow *w)
{
	return w->texts;
}

/* Raise what ends the statement; what concerns single texts is left to their rows */
void
func_window_check(const FuncWindow *w, LepStatus status, const LepError *err)
{
	if (w->raises)
		lepton_check(status, err);
	if (status == LEP_CANCELLED || status == LEP_NO_MEMORY || status == LEP_IO)
		lepton_raise(status, err);
}

/* The place of a sequence in the table: its own, or a free one */
static uint32 *
find_place(const Engine *e, uint64 hash, const int32 *ids, const int32 *types, size_t n)
{
	uint32 mask = e->table_size - 1;
	uint32 i = (uint32) hash & mask;

	for (; e->table[i] != 0; i = (i + 1) & mask)
	{
		const Sequence *s = &e->sequences[e->table[i] - 1];

		if (s->hash == hash && s->n == n && memcmp(e->ids + s->at, ids, n * sizeof(int32)) == 0 &&
			memcmp(e->types + s->at, types, n * sizeof(int32)) == 0)
			break;
	}
	return &e->table[i];
}

/* Make room in the table for one more sequence */
static void
grow_table(Engine *e)
{
	if (e->n_sequences * 2 < e->table_size)
		return;
	if (e->table != NULL)
		pfree(e->table);
	e->table_size = Max(e->table_size * 2, 64);
	e->table = palloc0(e->table_size * sizeof(uint32));
	for (uint32 i = 0; i < e->n_sequences; i++)
	{
		const Sequence *s = &e->sequences[i];

		*find_place(e, s->hash, e->ids + s->at, e->types + s->at, s->n) = i + 1;
	}
}

/* Make room for one more sequence of n tokens and n_picks picks */
static void
grow_pools(Engine *e, size_t n, size_t n_picks)
{
	if (e->n_picks + n_picks > e->picks_capacity)
	{
		size_t capacity = Max(Max(e->picks_capacity * 2, e->n_picks + n_picks), 16);
		Size size = mul_size(capacity, sizeof(uint32));

		e->picks = e->picks == NULL ? palloc_extended(size, MCXT_ALLOC_HUGE)
									: repalloc_huge(e->picks, size);
		e->picks_capacity = capacity;
	}
	if (e->n_ids + n > e->ids_capacity)
	{
		size_t capacity = Max(Max(e->ids_capacity * 2, e->n_ids + n), 1024);
		Size size = mul_size(capacity, sizeof(int32));

		if (e->ids == NULL)
		{
			e->ids = palloc_extended(size, MCXT_ALLOC_HUGE);
			e->types = palloc_extended(size, MCXT_ALLOC_HUGE);
		}
		else
		{
			e->ids = repalloc_huge(e->ids, size);
			e->types = repalloc_huge(e->types, size);
		}
		e->ids_capacity = capacity;
	}
	if (e->n_sequences == e->sequences_capacity)
	{
		e->sequences_capacity = Max(e->sequences_capacity * 2, 32);
		e->sequences = e->sequences == NULL
						   ? palloc(e->sequences_capacity * sizeof(Sequence))
						   : repalloc(e->sequences, e->sequences_capacity * sizeof(Sequence));
	}
}

/* Rows that the graph gives for one sequence */
static uint32
count_rows(const Engine *e, size_t n, size_t n_picks)
{
	uint32 starts[2] = {0, (uint32) n};
	LepBatch batch = {.n_texts = 1, .n_tokens = n, .starts = starts, .n_picks = n_picks};

	return (uint32) lep_graph_out_rows(e->model->graph, &batch);
}

/* Find or add a sequence of tokens; equal ones have equal picks */
static uint32
add_sequence(Engine *e, const LepTokens *tokens, const uint32 *picks, size_t n_picks)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) tokens->ids,
									  (int) (tokens->n * sizeof(int32)), 0);
	uint32 *place;
	Sequence *s;

	grow_table(e);
	place = find_place(e, hash, tokens->ids, tokens->types, tokens->n);
	if (*place != 0)
	{
		e->work.duplicates++;
		return *place - 1;
	}
	grow_pools(e, tokens->n, n_picks);
	s = &e->sequences[e->n_sequences];
	s->hash = hash;
	s->at = e->n_ids;
	s->n = tokens->n;
	s->picks = e->n_picks;
	s->n_picks = (uint32) n_picks;
	s->n_rows = count_rows(e, tokens->n, n_picks);
	s->is_bad = false;
	if (n_picks > 0)
		memcpy(e->picks + e->n_picks, picks, n_picks * sizeof(uint32));
	memcpy(e->ids + e->n_ids, tokens->ids, tokens->n * sizeof(int32));
	memcpy(e->types + e->n_ids, tokens->types, tokens->n * sizeof(int32));
	e->n_ids += tokens->n;
	e->n_picks += n_picks;
	e->n_rows += s->n_rows;
	*place = ++e->n_sequences;
	return e->n_sequences - 1;
}

/* Add a sequence */
uint32
func_window_add_tokens(FuncWindow *w, int engine, const LepTokens *tokens, const uint32 *picks,
					   size_t n_picks)
{
	MemoryContext old = MemoryContextSwitchTo(w->pools);
	uint32 sequence = add_sequence(&w->engines[engine], tokens, picks, n_picks);

	MemoryContextSwitchTo(old);
	return sequence;
}

/* Count time that went into tokens */
void
func_window_add_time(FuncWindow *w, int engine, double seconds)
{
	w->engines[engine].work.tokenizing += seconds;
}

/* Tokenize a text and add it */
bool
func_window_add(FuncWindow *w, int engine, const text *input, uint32 *sequence)
{
	Engine *e = &w->engines[engine];
	LepTokens tokens;
	LepError err = {0};
	LepStatus status;
	const char *utf8;
	size_t len;
	MemoryContext old;
	instr_time start, end;

	CHECK_FOR_INTERRUPTS();
	if (GetDatabaseEncoding() == PG_SQL_ASCII &&
		!pg_verify_mbstr(PG_UTF8, VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input), true))
		return false;
	INSTR_TIME_SET_CURRENT(start);
	utf8 = func_utf8(input, &len);
	status = func_run_encode(e->model, utf8, len, &tokens, &err);
	if (status == LEP_OK)
	{
		old = MemoryContextSwitchTo(w->pools);
		*sequence = add_sequence(e, &tokens, NULL, 0);
		MemoryContextSwitchTo(old);
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	e->work.tokenizing += INSTR_TIME_GET_DOUBLE(end);
	if (utf8 != VARDATA_ANY(input))
		pfree((void *) utf8);
	func_window_check(w, status, &err);
	return status == LEP_OK;
}

/* Tokens that will be run */
uint64
func_window_tokens(const FuncWindow *w)
{
	uint64 n = 0;

	for (int i = 0; i < w->n_engines; i++)
		n += w->engines[i].n_ids - w->engines[i].old_ids;
	return n;
}

/* Bytes that the window takes, its results included */
uint64
func_window_bytes(const FuncWindow *w)
{
	uint64 n =
		MemoryContextMemAllocated(w->texts, true) + MemoryContextMemAllocated(w->pools, true);

	for (int i = 0; i < w->n_engines; i++)
	{
		const Engine *e = &w->engines[i];

		n += (uint64) (e->n_rows - e->old_rows) * e->width * sizeof(float);
	}
	return n;
}

/* Order sequences by length, longest first, then as they came */
static int
compare_length(const void *a, const void *b, void *arg)
{
	const Sequence *sequences = arg;
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;

	if (sequences[x].n != sequences[y].n)
		return sequences[x].n > sequences[y].n ? -1 : 1;
	return x < y ? -1 : 1;
}

/* What one batch is put together in. */
typedef struct Buffers
{
	int32 *ids, *types; /* room for the tokens of the largest batch */
	uint32 *starts;		/* [n_sequences + 1] */
	uint32 *picks;		/* room for all picks of the engine */
} Buffers;

/* Run the sequences order[first, end) as one batch, whose first row is row; returns the row behind its last */
static float *
run_sequences(FuncWindow *w, Engine *e, const uint32 *order, uint32 first, uint32 end, float *row,
			  const Buffers *buffers)
{
	LepBatch batch = {.n_texts = end - first,
					  .ids = buffers->ids,
					  .types = buffers->types,
					  .starts = buffers->starts,
					  .picks = buffers->picks};
	float *out = row;
	LepError err = {0};
	LepStatus status;
	bool on_gpu;
	instr_time from, to;

	INSTR_TIME_SET_CURRENT(from);
	for (uint32 i = first; i < end; i++)
	{
		Sequence *s = &e->sequences[order[i]];

		memcpy(buffers->ids + batch.n_tokens, e->ids + s->at, s->n * sizeof(int32));
		memcpy(buffers->types + batch.n_tokens, e->types + s->at, s->n * sizeof(int32));
		for (uint32 j = 0; j < s->n_picks; j++)
			buffers->picks[batch.n_picks++] = batch.n_tokens + e->picks[s->picks + j];
		buffers->starts[i - first] = batch.n_tokens;
		batch.n_tokens += s->n;
		s->rows = row;
		row += s->n_rows * e->width;
	}
	buffers->starts[end - first] = batch.n_tokens;
	status = func_run_graph(e->model, &batch, e->sequences[order[first]].n, out, &on_gpu, &err);
	INSTR_TIME_SET_CURRENT(to);
	INSTR_TIME_SUBTRACT(to, from);
	e->work.running += INSTR_TIME_GET_DOUBLE(to);
	e->work.tokens += batch.n_tokens;
	e->work.batches++;
	e->work.on_gpu += on_gpu;
	func_window_check(w, status, &err);
	if (status == LEP_OK)
		return row;
	w->is_spoiled = true;
	for (uint32 i = first; i < end; i++)
		e->sequences[order[i]].is_bad = true;
	return row;
}

/* Run the sequences of an engine that are new */
static void
run_engine(FuncWindow *w, Engine *e)
{
	uint32 n = e->n_sequences - e->old_sequences;
	size_t n_ids = e->n_ids - e->old_ids;
	uint32 *order;
	Buffers buffers;
	size_t budget = worker_batch_tokens(e->model);
	size_t capacity, n_batches, even;
	float *row;

	if (n == 0)
		return;
	/* Batches of about the same size: a small one at the end would be slow. */
	n_batches = (n_ids + budget - 1) / budget;
	even = n_batches == 0 ? 0 : (n_ids + n_batches - 1) / n_batches;
	order = palloc(n * sizeof(uint32));
	for (uint32 i = 0; i < n; i++)
		order[i] = e->old_sequences + i;
	qsort_arg(order, n, sizeof(uint32), compare_length, e->sequences);
	capacity = Min(Max(e->sequences[order[0]].n, budget), n_ids);
	buffers.ids = palloc_extended(Max(capacity, 1) * sizeof(int32), MCXT_ALLOC_HUGE);
	buffers.types = palloc_extended(Max(capacity, 1) * sizeof(int32), MCXT_ALLOC_HUGE);
	buffers.starts = palloc((n + 1) * sizeof(uint32));
	buffers.picks = palloc_extended(Max(e->n_picks, 1) * sizeof(uint32), MCXT_ALLOC_HUGE);
	row = MemoryContextAllocHuge(
		w->pools, mul_size(mul_size(Max(e->n_rows - e->old_rows, 1), e->width), sizeof(float)));
	for (uint32 first = 0, end; first < n; first = end)
	{
		size_t tokens = e->sequences[order[first]].n;

		for (end = first + 1; end < n && tokens < even; end++)
		{
			tokens += e->sequences[order[end]].n;
			if (tokens > budget)
				break;
		}
		row = run_sequences(w, e, order, first, end, row, &buffers);
	}
	pfree(order);
	pfree(buffers.ids);
	pfree(buffers.types);
	pfree(buffers.starts);
	pfree(buffers.picks);
}

/* Run everything */
void
func_window_run(FuncWindow *w)
{
	MemoryContext old = MemoryContextSwitchTo(w->texts);

	for (int i = 0; i < w->n_engines; i++)
		run_engine(w, &w->engines[i]);
	MemoryContextSwitchTo(old);
}

/* The rows of a sequence as the graph gives them */
const float *
func_window_rows(const FuncWindow *w, int engine, uint32 sequence, size_t *n_rows)
{
	const Engine *e = &w->engines[engine];
	const Sequence *s = &e->sequences[sequence];

	*n_rows = s->n_rows;
	return s->is_bad ? NULL : s->rows;
}

/* The row of a sequence */
const float *
func_window_row(const FuncWindow *w, const StoreModel *m, int engine, uint32 sequence)
{
	const Engine *e = &w->engines[engine];
	const Sequence *s = &e->sequences[sequence];
	const float *row = s->rows;
	const StoreHead *head = m->head;
	float *logits;

	if (s->is_bad)
		return NULL;
	if (head == NULL)
		return row;
	logits = palloc(mul_size(head->n_labels, sizeof(float)));
	lep_head_apply(m->model->kernels, head->w, head->bias, row, head->n_labels, head->dims, logits);
	return logits;
}

/* What one engine did */
const FuncWork *
func_window_work(const FuncWindow *w, int engine)
{
	return &w->engines[engine].work;
}
