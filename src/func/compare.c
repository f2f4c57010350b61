/*
 * compare.c: lepton_compare: runs a sample of texts through two models and
 * says how far their answers, and their speeds, are apart.  It changes nothing.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "../engine/task.h"
#include "../errors.h"
#include "../guc.h"
#include "../store/progress.h"
#include "rows.h"
#include "run.h"

PG_FUNCTION_INFO_V1(lepton_compare);

/* Rows of a block of vectors that is compared with all those behind it. */
#define BLOCK_ROWS 16
/* Both models run a fetch again, taking turns, while the call has timed no longer, and not more often. */
#define TIMED_SECONDS 0.25
#define TIMED_ROUNDS  25

/* One of the two models. */
typedef struct Side
{
	StoreModel *m;
	size_t width;
	float *
		rows; /* [kept + fetched, width]: embeddings, those of earlier fetches to unit length; or logits */
	double seconds; /* of the best rounds */
} Side;

/* What is compared, and what has been found so far. */
typedef struct Comparison
{
	MemoryContext context;
	Side sides[2];
	bool embeds;
	bool same_rows; /* values of the two models' rows stand for the same things */
	size_t n, capacity;
	double timed_seconds; /* all rounds of both */
	double cosine_sum, cosine_min;
	size_t same_labels;
} Comparison;

/* Tell whether two classifiers have the same labels in the same order */
static bool
same_labels(const StoreModel *a, const StoreModel *b)
{
	int n = store_model_label_count(a);

	if (n != store_model_label_count(b))
		return false;
	for (int i = 0; i < n; i++)
		if (strcmp(store_model_label(a, i), store_model_label(b, i)) != 0)
			return false;
	return true;
}

/* Open both models; raises unless they serve the same task */
static void
open_sides(Comparison *c, FunctionCallInfo fcinfo)
{
	StoreModel *m[2];

	for (int i = 0; i < 2; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument \"%s\" must not be null", i ? "model_b" : "model_a")));
		m[i] = store_model_open_any(text_to_cstring(PG_GETARG_TEXT_PP(i)));
		c->sides[i].m = m[i];
		c->sides[i].width = func_width(m[i]);
	}
	if (m[0]->row.task != m[1]->row.task)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("models serve different tasks"),
						errdetail("Model \"%s\" serves the task \"%s\", \"%s\" the task \"%s\".",
								  NameStr(m[0]->row.name), store_task_name(m[0]->row.task),
								  NameStr(m[1]->row.name), store_task_name(m[1]->row.task))));
	if (m[0]->model->view.desc->task > LEP_TASK_CLASSIFY)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("models for the task \"%s\" cannot be compared",
							   store_task_name(m[0]->row.task))));
	c->embeds = m[0]->head == NULL && m[0]->model->view.desc->task == LEP_TASK_EMBED;
	c->same_rows = c->embeds ? c->sides[0].width == c->sides[1].width
							 : c->sides[0].width > 1 && same_labels(m[0], m[1]);
	c->cosine_min = 1;
}

/* Make room for n rows in all, within maintenance_work_mem */
static void
reserve(Comparison *c, size_t n)
{
	size_t row = mul_size(add_size(c->sides[0].width, c->sides[1].width), sizeof(float));
	size_t limit = (size_t) maintenance_work_mem * 1024;
	size_t capacity = Max(n, c->capacity * 2);

	if (n <= c->capacity)
		return;
	if (mul_size(capacity, row) > limit)
		capacity = n;
	if (mul_size(capacity, row) > limit)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("sample does not fit in maintenance_work_mem"),
						errdetail("The answers of both models to %zu texts need %zu kB; "
								  "maintenance_work_mem is %d kB.",
								  n, n * row / 1024, maintenance_work_mem),
						errhint("Increase maintenance_work_mem, or limit the query.")));
	for (int i = 0; i < 2; i++)
	{
		Side *side = &c->sides[i];
		Size bytes = capacity * side->width * sizeof(float);

		side->rows = side->rows == NULL ? MemoryContextAllocHuge(c->context, bytes)
										: repalloc_huge(side->rows, bytes);
	}
	c->capacity = capacity;
}

/* Run the rows that were just fetched through one model; seconds that it took */
static double
run_side(Side *side, size_t first, FuncRows *rows)
{
	instr_time start, end;
	FuncRun run;

	INSTR_TIME_SET_CURRENT(start);
	func_run_begin(&run, side->m, side->rows + first * side->width);
	for (size_t i = 0; i < rows->n; i++)
	{
		size_t len;
		const char *utf8 = func_rows_text(rows, i, &len);

		func_run_add_utf8(&run, utf8, len);
	}
	func_run_end(&run);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	return INSTR_TIME_GET_DOUBLE(end);
}

/* Run the rows that were just fetched through both models, and time them */
static void
run_both(Comparison *c, size_t first, FuncRows *rows)
{
	double best[2] = {HUGE_VAL, HUGE_VAL};

	/* What a first use costs (an image, pages of weights) is not of interest. */
	if (c->n == 0)
		for (int i = 0; i < 2; i++)
			(void) run_side(&c->sides[i], first, rows);
	for (int round = 0; round == 0 || (round < TIMED_ROUNDS && c->timed_seconds < TIMED_SECONDS);
		 round++)
		for (int i = 0; i < 2; i++)
		{
			double took = run_side(&c->sides[i], first, rows);

			best[i] = Min(best[i], took);
			c->timed_seconds += took;
		}
	for (int i = 0; i < 2; i++)
		c->sides[i].seconds += best[i];
}

/* The label of a row of logits, as lepton_classify gives it */
static const char *
row_label(const Side *side, const float *row)
{
	size_t best = 0;

	for (size_t i = 1; i < side->width; i++)
		if (row[i] > row[best])
			best = i;
	return store_model_label(side->m, (int) best);
}

/* Bring a row to unit length, so that a dot product is a cosine; a row of zeros stays */
static void
to_unit_length(const LepKernels *kernels, float *row, size_t n)
{
	double length = sqrt(kernels->dot(row, row, n));

	if (length > 0)
		for (size_t i = 0; i < n; i++)
			row[i] = (float) (row[i] / length);
}

/* Compare the two models' rows [first, first + n) */
static void
compare_rows(Comparison *c, size_t first, size_t n)
{
	for (size_t r = first; r < first + n; r++)
	{
		float *row[2];

		for (int i = 0; i < 2; i++)
			row[i] = c->sides[i].rows + r * c->sides[i].width;
		if (c->same_rows)
		{
			double cosine = lep_cosine(row[0], row[1], c->sides[0].width);

			c->cosine_sum += cosine;
			c->cosine_min = Min(c->cosine_min, cosine);
		}
		if (c->embeds)
			for (int i = 0; i < 2; i++)
				to_unit_length(lepton_kernels(), row[i], c->sides[i].width);
		else if (strcmp(row_label(&c->sides[0], row[0]), row_label(&c->sides[1], row[1])) == 0)
			c->same_labels++;
	}
}

/* nearest[n] of each row among rows[n, width] of unit length, the first of equals; not itself */
static void
find_nearest(const float *rows, size_t n, size_t width, uint32 *nearest)
{
	const LepKernels *kernels = lepton_kernels();
	float *best = palloc_extended(n * sizeof(float), MCXT_ALLOC_HUGE);

	for (size_t i = 0; i < n; i++)
		best[i] = -HUGE_VALF;
	/* Each pair once; a row meets its partners in ascending order. */
	for (size_t block = 0; block < n; block += BLOCK_ROWS)
	{
		size_t end = Min(block + BLOCK_ROWS, n);

		for (size_t j = block + 1; j < n; j++)
		{
			if (j % 64 == 0)
				CHECK_FOR_INTERRUPTS();
			for (size_t i = block; i < Min(end, j); i++)
			{
				float cosine = kernels->dot(rows + i * width, rows + j * width, width);

				if (cosine > best[i])
				{
					best[i] = cosine;
					nearest[i] = (uint32) j;
				}
				if (cosine > best[j])
				{
					best[j] = cosine;
					nearest[j] = (uint32) i;
				}
			}
		}
		store_progress_update(end, n);
	}
	pfree(best);
}

/* Share of texts whose nearest neighbour in the sample is the same in both models */
static double
same_neighbours(const Comparison *c)
{
	uint32 *nearest[2];
	size_t same = 0;

	for (int i = 0; i < 2; i++)
	{
		store_progress_phase(STORE_PHASE_NEIGHBOURS, c->n);
		nearest[i] = palloc_extended(c->n * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		find_nearest(c->sides[i].rows, c->n, c->sides[i].width, nearest[i]);
	}
	for (size_t i = 0; i < c->n; i++)
		same += nearest[0][i] == nearest[1][i];
	return (double) same / c->n;
}

/* Run the sample through both models */
static void
run_sample(Comparison *c, const char *query)
{
	FuncRows rows;

	func_rows_open(&rows, &func_rows_sample, query);
	while (func_rows_fetch(&rows))
	{
		/* Only neighbours need all rows at once. */
		size_t first = c->embeds ? c->n : 0;

		reserve(c, first + rows.n);
		run_both(c, first, &rows);
		compare_rows(c, first, rows.n);
		c->n += rows.n;
		store_progress_update(c->n, 0);
	}
	func_rows_close(&rows);
	if (c->n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("sample query returned no rows")));
	if (c->n > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("sample query returned too many rows")));
}

/* lepton_compare(model_a text, model_b text, sample text): one row */
Datum
lepton_compare(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *query = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	Comparison c = {0};
	MemoryContext old;
	Datum values[8] = {0};
	bool nulls[8] = {false};

	InitMaterializedSRF(fcinfo, 0);
	open_sides(&c, fcinfo);
	c.context =
		AllocSetContextCreate(CurrentMemoryContext, "lepton compare", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(c.context);
	store_progress_begin(STORE_PROGRESS_COMPARE, STORE_PHASE_EMBED, 0);
	run_sample(&c, query);

	values[0] = Int32GetDatum((int32) c.n);
	nulls[1] = nulls[2] = !c.same_rows;
	values[1] = Float4GetDatum((float4) (c.cosine_sum / c.n));
	values[2] = Float4GetDatum((float4) c.cosine_min);
	nulls[3] = !c.embeds || c.n < 2;
	if (!nulls[3])
		values[3] = Float4GetDatum((float4) same_neighbours(&c));
	nulls[4] = c.embeds || (c.sides[0].width == 1 && c.sides[1].width == 1);
	values[4] = Float4GetDatum((float4) ((double) c.same_labels / c.n));
	values[5] = Float4GetDatum((float4) (c.sides[0].seconds / c.sides[1].seconds));
	for (int i = 0; i < 2; i++)
		values[6 + i] = Int64GetDatum((int64) store_model_bytes(c.sides[i].m));
	store_progress_end();
	MemoryContextSwitchTo(old);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	for (int i = 0; i < 2; i++)
		store_model_close(c.sides[i].m);
	MemoryContextDelete(c.context);
	return (Datum) 0;
}
