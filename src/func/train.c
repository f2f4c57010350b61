/*
 * train.c: lepton_train: rows of a query -> embeddings -> a classifier head,
 * stored as a new model.  The fit itself is src/engine/head.h's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "../engine/head.h"
#include "../errors.h"
#include "../guc.h"
#include "../store/progress.h"
#include "rows.h"
#include "run.h"

PG_FUNCTION_INFO_V1(lepton_train);

/* Splits and folds are drawn from this, so that the same rows give the same model. */
#define TRAIN_SEED 1

/* Labels seen so far, in order of appearance. */
typedef struct LabelEntry
{
	char *label; /* hash key: compared as a string */
	int32 number;
} LabelEntry;

/* What the query gave. */
typedef struct TrainSet
{
	MemoryContext context;
	size_t d;
	size_t n, capacity;
	float *x; /* [n, d] */
	int32 *y; /* [n] */
	HTAB *labels;
	char **names; /* [n_labels] */
	int n_labels, names_capacity;
} TrainSet;

/* Hash the string that a key points to */
static uint32
label_hash(const void *key, Size keysize)
{
	const char *label = *(char *const *) key;

	return hash_bytes((const unsigned char *) label, strlen(label));
}

/* Compare the strings that two keys point to */
static int
label_match(const void *a, const void *b, Size keysize)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Number of a label, a new one if it was not seen before */
static int32
label_number(TrainSet *set, char *label)
{
	bool found;
	LabelEntry *entry = hash_search(set->labels, &label, HASH_ENTER, &found);

	if (found)
		return entry->number;
	if (set->n_labels >= LEP_MAX_LABELS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("training query has too many labels"),
						errdetail("A classifier may have %d labels.", LEP_MAX_LABELS)));
	if (set->n_labels == set->names_capacity)
	{
		set->names_capacity *= 2;
		set->names = repalloc(set->names, set->names_capacity * sizeof(char *));
	}
	entry->label = MemoryContextStrdup(set->context, label);
	entry->number = set->n_labels;
	set->names[set->n_labels++] = entry->label;
	return entry->number;
}

/* Make room for more rows, within maintenance_work_mem */
static void
train_reserve(TrainSet *set, size_t more)
{
	size_t need = set->n + more;
	size_t bytes;

	if (need <= set->capacity)
		return;
	need = Max(need, set->capacity * 2);
	bytes = mul_size(need, mul_size(set->d, sizeof(float)));
	if (bytes > (size_t) maintenance_work_mem * 1024)
	{
		need = set->n + more;
		bytes = mul_size(need, mul_size(set->d, sizeof(float)));
	}
	if (bytes > (size_t) maintenance_work_mem * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("training rows do not fit in maintenance_work_mem"),
				 errdetail("%zu rows of %zu dimensions need %zu kB; maintenance_work_mem is %d kB.",
						   need, set->d, bytes / 1024, maintenance_work_mem),
				 errhint("Increase maintenance_work_mem, or limit the query.")));
	set->x =
		set->x == NULL ? MemoryContextAllocHuge(set->context, bytes) : repalloc_huge(set->x, bytes);
	set->y = set->y == NULL ? MemoryContextAllocHuge(set->context, need * sizeof(int32))
							: repalloc_huge(set->y, need * sizeof(int32));
	set->capacity = need;
}

/* Embed the rows that were just fetched */
static void
add_rows(TrainSet *set, FuncRows *rows, StoreModel *base)
{
	FuncRun run;

	train_reserve(set, rows->n);
	func_run_begin(&run, base, set->x + set->n * set->d);
	for (size_t i = 0; i < rows->n; i++)
	{
		size_t len;
		const char *utf8 = func_rows_text(rows, i, &len);

		set->y[set->n + i] = label_number(set, func_rows_value(rows, i, 1));
		func_run_add_utf8(&run, utf8, len);
	}
	func_run_end(&run);
	set->n += rows->n;
}

/* Run the query and embed what it returns */
static void
collect(TrainSet *set, StoreModel *base, const char *query)
{
	static const FuncRowsKind kind = {"training query",
									  2,
									  "two columns, the text and its label",
									  "text and label as text",
									  {"text", "label"}};
	FuncRows rows;
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(char *);
	ctl.entrysize = sizeof(LabelEntry);
	ctl.hash = label_hash;
	ctl.match = label_match;
	ctl.hcxt = set->context;
	set->labels = hash_create("lepton labels", 16, &ctl,
							  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	set->names_capacity = 16;
	set->names = MemoryContextAlloc(set->context, set->names_capacity * sizeof(char *));

	func_rows_open(&rows, &kind, query);
	while (func_rows_fetch(&rows))
	{
		add_rows(set, &rows, base);
		store_progress_update(set->n, 0);
	}
	func_rows_close(&rows);
}

/* Order labels as their bytes are */
static int
compare_labels(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Renumber the labels in sorted order, so that the order of rows does not show */
static void
sort_labels(TrainSet *set)
{
	int32 *renumber = palloc(set->n_labels * sizeof(int32));

	qsort(set->names, set->n_labels, sizeof(char *), compare_labels);
	for (int i = 0; i < set->n_labels; i++)
	{
		LabelEntry *entry = hash_search(set->labels, &set->names[i], HASH_FIND, NULL);

		renumber[entry->number] = i;
	}
	for (size_t i = 0; i < set->n; i++)
		set->y[i] = renumber[set->y[i]];
	pfree(renumber);
}

/* Report the fit's progress */
static void
report_progress(void *arg, uint64_t done, uint64_t total)
{
	store_progress_update(done, total);
}

/* Milliseconds since start */
static double
elapsed_ms(instr_time start)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* Fit the head; w[n_labels, d] and bias[n_labels] are allocated in the set's context */
static void
fit(const TrainSet *set, float **w, float **bias, LepHeadReport *report)
{
	LepHeadData data = {set->x, set->y, set->n, set->d, set->n_labels};
	LepHeadProgress progress = {report_progress, NULL};
	LepAllocator allocator = lepton_allocator(set->context);
	LepArena arena;
	LepError err = {0};

	*w = MemoryContextAllocHuge(set->context,
								mul_size(mul_size(set->n_labels, set->d), sizeof(float)));
	*bias = MemoryContextAlloc(set->context, mul_size(set->n_labels, sizeof(float)));
	lep_arena_init(&arena, &allocator, 0);
	lepton_check(lep_head_train(&data, 0, TRAIN_SEED, lepton_kernels(), &arena, *w, *bias, report,
								&progress, lepton_stop(), &err),
				 &err);
	lep_arena_free(&arena);
}

/* Labels as a text[] */
static Datum
label_array(char **labels, int n)
{
	Datum *values = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(labels[i]);
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* lepton_train(new_name text, base text, query text, method text) */
Datum
lepton_train(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *new_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *base_name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *query = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char *method = text_to_cstring(PG_GETARG_TEXT_PP(3));
	TrainSet set = {0};
	LepHeadReport report = {0};
	StoreModel *base;
	StringInfoData recipe;
	const char **utf8;
	float *w, *bias;
	double embed_ms, fit_ms;
	instr_time start;
	Datum values[9];
	bool nulls[9] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (strcmp(method, "head") != 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("unknown training method \"%s\"", method),
						errhint("The available method is \"head\".")));
	store_model_check_new_name(new_name);
	base = store_model_open(base_name, STORE_TASK_EMBED);
	set.context =
		AllocSetContextCreate(CurrentMemoryContext, "lepton train", ALLOCSET_DEFAULT_SIZES);
	set.d = func_width(base);

	INSTR_TIME_SET_CURRENT(start);
	store_progress_begin(STORE_PROGRESS_TRAIN, STORE_PHASE_EMBED, 0);
	collect(&set, base, query);
	embed_ms = elapsed_ms(start);
	if (set.n_labels < 2)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("training query must return at least two different labels"),
						errdetail("It returned %zu rows with %d labels.", set.n, set.n_labels)));
	sort_labels(&set);

	INSTR_TIME_SET_CURRENT(start);
	store_progress_phase(STORE_PHASE_FIT, 0);
	fit(&set, &w, &bias, &report);
	fit_ms = elapsed_ms(start);

	utf8 = palloc(set.n_labels * sizeof(char *));
	for (int i = 0; i < set.n_labels; i++)
		utf8[i] = pg_server_to_any(set.names[i], strlen(set.names[i]), PG_UTF8);
	initStringInfo(&recipe);
	appendStringInfo(&recipe, "lepton_train(method => 'head', rows => %zu, c => %g)", set.n,
					 report.c);
	store_model_create_head(new_name, base, utf8, set.n_labels, set.d, w, bias, recipe.data);
	store_model_close(base);
	store_progress_end();

	values[0] = PG_GETARG_DATUM(0);
	values[1] = label_array(set.names, set.n_labels);
	values[2] = Int32GetDatum((int32) report.n_train);
	values[3] = Int32GetDatum((int32) report.n_test);
	values[4] = Float4GetDatum((float4) report.test_accuracy);
	values[5] = Float8GetDatum(report.c);
	values[6] = Float4GetDatum((float4) report.cv_accuracy);
	values[7] = Float8GetDatum(embed_ms);
	values[8] = Float8GetDatum(fit_ms);
	nulls[4] = report.n_test == 0;
	nulls[6] = report.n_folds == 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	MemoryContextDelete(set.context);
	return (Datum) 0;
}
