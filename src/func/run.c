/*
 * run.c: fills batches from texts and runs them.  It knows neither tasks nor
 * results: a row of floats comes out for every text that went in.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../engine/task.h"
#include "../errors.h"
#include "../guc.h"
#include "../worker/worker.h"
#include "run.h"

/* Working memory of this backend, kept from call to call. */
static MemoryContext run_context = NULL;
static LepAllocator run_allocator;
static LepEncoder *encoder = NULL;
static char *arena = NULL; /* aligned inside arena_block */
static void *arena_block = NULL;
static size_t arena_size = 0;

/* An arena larger than this is given back after the call. */
#define ARENA_KEEP_BYTES (6 * 1024 * 1024)
/* Texts and tokens that a call remembers, to compute repeated texts once; then it begins anew. */
#define SEEN_TEXTS	32768
#define SEEN_TOKENS (256 * 1024)
/* Rows that wait for an open batch, at most. */
#define BATCH_ROWS 16384

FuncRefusal func_run_refusal = {false, false};

/* Raise when running models is refused */
void
func_run_check(void)
{
	if (!func_run_refusal.is_on)
		return;
	func_run_refusal.has_refused = true;
	ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
					errmsg("no model is run while a statement is explained"),
					errhint("Use EXPLAIN (ANALYZE).")));
}

/* Make the working memory at first use */
static void
run_prepare(void)
{
	if (run_context == NULL)
	{
		run_context = AllocSetContextCreate(TopMemoryContext, "lepton run", ALLOCSET_DEFAULT_SIZES);
		run_allocator = lepton_allocator(run_context);
	}
	if (encoder == NULL)
	{
		encoder = lep_encoder_new(&run_allocator);
		if (encoder == NULL)
			lepton_raise(LEP_NO_MEMORY, NULL);
	}
}

/* Make the arena at least size bytes */
static void
arena_reserve(size_t size)
{
	if (size <= arena_size)
		return;
	if (arena_block != NULL)
		pfree(arena_block);
	arena_block = NULL;
	arena_size = 0;
	arena_block = MemoryContextAllocHuge(run_context, add_size(size, LEP_ALIGN));
	arena = (char *) TYPEALIGN(LEP_ALIGN, arena_block);
	arena_size = size;
}

/* Give a large arena back */
static void
arena_trim(void)
{
	if (arena_size <= ARENA_KEEP_BYTES)
		return;
	pfree(arena_block);
	arena_block = NULL;
	arena_size = 0;
}

/* The encoder of this backend */
LepEncoder *
func_encoder(void)
{
	run_prepare();
	return encoder;
}

/* Width of a row */
size_t
func_width(const StoreModel *m)
{
	if (m->head != NULL)
		return m->head->n_labels;
	return lep_desc_width(m->model->view.desc);
}

/* Make a model's own output of a row of its graph */
void
func_head_row(const StoreModel *m, const float *row, float *out)
{
	const StoreHead *head = m->head;

	if (head == NULL)
		memcpy(out, row, func_width(m) * sizeof(float));
	else
		lep_head_apply(m->model->kernels, head->w, head->bias, row, head->n_labels, head->dims,
					   out);
}

/* Start a run */
void
func_run_begin(FuncRun *run, StoreModel *m, float *out)
{
	run_prepare();
	memset(run, 0, sizeof(FuncRun));
	run->model = m;
	run->out = out;
	run->width = func_width(m);
}

/* Run a part of a batch, or all of it, on the CPU: out[rows of the graph, its width] */
static LepStatus
run_on_cpu(const LepModel *model, const LepBatch *batch, size_t max_len, float *out, LepError *err)
{
	size_t need = lep_graph_arena_size(model->graph, batch->n_tokens, batch->n_texts, max_len);

	if (need == 0)
		return lep_error(err, LEP_TOO_LARGE, "batch is too large");
	run_prepare();
	arena_reserve(need);
	return lep_graph_run(model->graph, batch, arena, arena_size, out, lepton_stop(), err);
}

/* Run a batch that was made for the GPU on the CPU, in parts of its size */
static LepStatus
run_in_pieces(const LepModel *model, const LepBatch *batch, size_t max_len, float *out,
			  LepError *err)
{
	uint32 *starts = palloc_extended(mul_size(batch->n_texts + 1, sizeof(uint32)), MCXT_ALLOC_HUGE);
	uint32 *picks = palloc_extended(mul_size(batch->n_picks + 1, sizeof(uint32)), MCXT_ALLOC_HUGE);
	WorkerPiece piece = {0};
	LepStatus status = LEP_OK;

	while (status == LEP_OK &&
		   worker_next_piece(model, batch, (size_t) lepton_batch_tokens, SIZE_MAX, &piece))
	{
		LepBatch part = {.n_texts = piece.end - piece.first,
						 .n_tokens = piece.end_token - piece.first_token,
						 .ids = batch->ids + piece.first_token,
						 .starts = starts,
						 .picks = picks,
						 .n_picks = piece.end_pick - piece.first_pick};

		if (batch->types != NULL)
			part.types = batch->types + piece.first_token;
		worker_piece_places(batch, &piece, starts, picks);
		status = run_on_cpu(model, &part, max_len, out, err);
		out += piece.rows * lep_desc_width(model->view.desc);
	}
	pfree(starts);
	pfree(picks);
	return status;
}

/* Run a batch through a graph, where lepton.device wants it: out[rows of the graph, its width] */
LepStatus
func_run_graph(const LepModel *model, const LepBatch *batch, size_t max_len, float *out,
			   bool *on_gpu, LepError *err)
{
	LepStatus status;
	bool was_gpu;

	func_run_check();
	was_gpu = worker_run(model, batch, out, &status, err);
	if (on_gpu != NULL)
		*on_gpu = was_gpu;
	if (was_gpu)
		return status;
	if (batch->n_texts > 1 && batch->n_tokens > (size_t) lepton_batch_tokens)
		return run_in_pieces(model, batch, max_len, out, err);
	return run_on_cpu(model, batch, max_len, out, err);
}

/* Tokenize a text as the model's task takes it */
LepStatus
func_run_encode(const LepModel *model, const char *utf8, size_t len, LepTokens *tokens,
				LepError *err)
{
	run_prepare();
	return lep_encode(model, encoder, utf8, len, lepton_truncate, tokens, lepton_stop(), err);
}

/* Give back working memory that is worth it */
void
func_run_trim(void)
{
	arena_trim();
}

/* Run the open batch */
static void
run_batch(FuncRun *run)
{
	const LepModel *model = run->model->model;
	const StoreHead *head = run->model->head;
	LepBatch batch = {run->n_texts, run->n_tokens, run->ids, run->types, run->starts, NULL, 0};
	float *rows = run->out + run->first * run->width;
	LepError err = {0};
	instr_time start, end;

	if (run->n_texts == 0)
		return;
	INSTR_TIME_SET_CURRENT(start);
	if (head == NULL)
		lepton_check(func_run_graph(model, &batch, run->max_len, rows, NULL, &err), &err);
	else
	{
		size_t d = head->dims;
		float *embeddings =
			palloc_extended(mul_size(mul_size(run->n_texts, d), sizeof(float)), MCXT_ALLOC_HUGE);

		lepton_check(func_run_graph(model, &batch, run->max_len, embeddings, NULL, &err), &err);
		for (size_t i = 0; i < run->n_texts; i++)
			lep_head_apply(model->kernels, head->w, head->bias, embeddings + i * d, head->n_labels,
						   d, rows + i * run->width);
		pfree(embeddings);
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	run->seconds += INSTR_TIME_GET_DOUBLE(end);
	run->total_tokens += run->n_tokens;
	run->total_batches++;
}

/* Run the open batch and give each row added meanwhile its result */
static void
close_batch(FuncRun *run)
{
	size_t n = run->rows - run->first;

	run_batch(run);
	/* Results stand in front; a row's source never lies behind it, so the last rows go first. */
	if (n > run->n_texts)
		for (size_t i = n; i-- > 0;)
		{
			size_t row = run->first + i;

			if (run->sources[i] != row)
				memcpy(run->out + row * run->width, run->out + run->sources[i] * run->width,
					   run->width * sizeof(float));
		}
	run->n_texts = run->n_tokens = run->max_len = 0;
	run->first = run->rows;
}

/* The place of a text in the table: its own, or a free one */
static FuncSeen *
seen_place(const FuncRun *run, const FuncSeen *text, const int32 *ids)
{
	size_t i = text->hash & (run->seen_capacity - 1);

	while (run->seen[i].n != 0 &&
		   (run->seen[i].hash != text->hash || run->seen[i].n != text->n ||
			memcmp(run->kept + run->seen[i].at, ids, text->n * sizeof(int32)) != 0))
		i = (i + 1) & (run->seen_capacity - 1);
	return &run->seen[i];
}

/* Make room for one more text of n tokens among those seen */
static void
seen_reserve(FuncRun *run, size_t n)
{
	FuncSeen *old = run->seen;
	size_t old_capacity = run->seen_capacity;

	if (run->n_seen == SEEN_TEXTS || (run->n_kept + n > SEEN_TOKENS && run->n_seen > 0))
	{
		memset(run->seen, 0, run->seen_capacity * sizeof(FuncSeen));
		run->n_seen = run->n_kept = 0;
	}
	if (run->n_kept + n > run->kept_capacity)
	{
		run->kept_capacity = Max(Max(run->kept_capacity * 2, run->n_kept + n), 256);
		run->kept = run->kept == NULL
						? palloc_extended(run->kept_capacity * sizeof(int32), MCXT_ALLOC_HUGE)
						: repalloc_huge(run->kept, run->kept_capacity * sizeof(int32));
	}
	if (run->n_seen * 2 < run->seen_capacity)
		return;
	run->seen_capacity = Max(old_capacity * 2, 32);
	run->seen = palloc0(run->seen_capacity * sizeof(FuncSeen));
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].n != 0)
			*seen_place(run, &old[i], run->kept + old[i].at) = old[i];
	if (old != NULL)
		pfree(old);
}

/*
 * Tell whether this call has had a text of these tokens, and remember it
 *
 * Segment ids need no look: they follow from the number of tokens.  *row is
 * the row that the text had.
 */
static bool
seen_before(FuncRun *run, const LepTokens *tokens, size_t *row)
{
	FuncSeen text = {0};
	FuncSeen *place;

	if (run->alone)
		return false;
	seen_reserve(run, tokens->n);
	text.hash = hash_bytes_extended((const unsigned char *) tokens->ids,
									(int) (tokens->n * sizeof(int32)), 0);
	text.n = tokens->n;
	place = seen_place(run, &text, tokens->ids);
	if (place->n != 0)
	{
		*row = place->row;
		return true;
	}
	text.row = run->rows;
	text.at = run->n_kept;
	memcpy(run->kept + run->n_kept, tokens->ids, tokens->n * sizeof(int32));
	run->n_kept += tokens->n;
	run->n_seen++;
	*place = text;
	return false;
}

/* Add a row to the open batch whose result will be copied from a place in out */
static void
add_row(FuncRun *run, size_t source)
{
	size_t n = run->rows - run->first;

	if (n == run->sources_capacity)
	{
		run->sources_capacity = Max(run->sources_capacity * 2, 16);
		run->sources = run->sources == NULL
						   ? palloc(run->sources_capacity * sizeof(size_t))
						   : repalloc(run->sources, run->sources_capacity * sizeof(size_t));
	}
	run->sources[n] = source;
	run->rows++;
	run->total_rows++;
}

/* Make room for one more text of n tokens in the open batch */
static void
batch_reserve(FuncRun *run, size_t n)
{
	if (run->n_tokens + n > run->tokens_capacity)
	{
		size_t capacity = Max(run->tokens_capacity * 2, run->n_tokens + n);

		capacity = Max(capacity, 64);
		if (run->ids == NULL)
		{
			run->ids = palloc_extended(capacity * sizeof(int32), MCXT_ALLOC_HUGE);
			run->types = palloc_extended(capacity * sizeof(int32), MCXT_ALLOC_HUGE);
		}
		else
		{
			run->ids = repalloc_huge(run->ids, capacity * sizeof(int32));
			run->types = repalloc_huge(run->types, capacity * sizeof(int32));
		}
		run->tokens_capacity = capacity;
	}
	if (run->n_texts + 2 > run->texts_capacity)
	{
		size_t capacity = Max(run->texts_capacity * 2, 16);

		run->starts = run->starts == NULL ? palloc(capacity * sizeof(uint32))
										  : repalloc(run->starts, capacity * sizeof(uint32));
		run->texts_capacity = capacity;
	}
}

/* Add a text */
void
func_run_add(FuncRun *run, const text *input)
{
	size_t len;
	const char *utf8 = func_utf8(input, &len);

	func_run_add_utf8(run, utf8, len);
	if (utf8 != VARDATA_ANY(input))
		pfree((void *) utf8);
}

/* Tokenize a text as the model's task takes it */
void
func_encode(StoreModel *m, const char *utf8, size_t len, LepTokens *tokens)
{
	LepError err = {0};

	lepton_check(func_run_encode(m->model, utf8, len, tokens, &err), &err);
}

/* Add a text in UTF-8 */
void
func_run_add_utf8(FuncRun *run, const char *utf8, size_t len)
{
	LepTokens tokens;
	size_t row;

	CHECK_FOR_INTERRUPTS();
	func_encode(run->model, utf8, len, &tokens);
	if (run->rows - run->first == BATCH_ROWS)
		close_batch(run);
	if (seen_before(run, &tokens, &row))
	{
		add_row(run, row < run->first ? row : run->sources[row - run->first]);
		return;
	}
	if (run->n_texts > 0 && run->n_tokens + tokens.n > worker_batch_tokens(run->model->model))
		close_batch(run);
	batch_reserve(run, tokens.n);
	memcpy(run->ids + run->n_tokens, tokens.ids, tokens.n * sizeof(int32));
	memcpy(run->types + run->n_tokens, tokens.types, tokens.n * sizeof(int32));
	run->starts[run->n_texts] = run->n_tokens;
	run->n_tokens += tokens.n;
	run->starts[++run->n_texts] = run->n_tokens;
	run->max_len = Max(run->max_len, tokens.n);
	add_row(run, run->first + run->n_texts - 1);
}

/* Free what is there */
static void
free_array(void *array)
{
	if (array != NULL)
		pfree(array);
}

/* Finish a run */
void
func_run_end(FuncRun *run)
{
	close_batch(run);
	store_stat_count(run->model, run->total_rows, run->total_tokens, run->total_batches,
					 run->seconds);
	free_array(run->ids);
	free_array(run->types);
	free_array(run->starts);
	free_array(run->sources);
	free_array(run->seen);
	free_array(run->kept);
	arena_trim();
}

/* Run one text */
float *
func_run_one(StoreModel *m, const text *input)
{
	FuncRun run;
	float *row = palloc(mul_size(func_width(m), sizeof(float)));

	func_run_begin(&run, m, row);
	run.alone = true;
	func_run_add(&run, input);
	func_run_end(&run);
	return row;
}

/* Tokenize a text alone; the result is valid until the next text */
void
func_tokenize(StoreModel *m, const text *input, LepTokens *tokens)
{
	LepError err = {0};
	size_t len;
	const char *utf8 = func_utf8(input, &len);

	run_prepare();
	lepton_check(lep_encode_plain(m->model, encoder, utf8, len, tokens, lepton_stop(), &err), &err);
	if (utf8 != VARDATA_ANY(input))
		pfree((void *) utf8);
}

/* A text's bytes as UTF-8 */
const char *
func_utf8(const text *input, size_t *len)
{
	const char *data = VARDATA_ANY(input);
	int n = VARSIZE_ANY_EXHDR(input);
	char *utf8;

	/*
	 * A SQL_ASCII database may hold anything.  Others should hold only what is
	 * valid, but invalid bytes do get into databases, so the tokenizer checks too.
	 */
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		pg_verify_mbstr(PG_UTF8, data, n, false);
	utf8 = pg_server_to_any(data, n, PG_UTF8);
	*len = utf8 == data ? (size_t) n : strlen(utf8);
	return utf8;
}

/* Name of the model given to a function */
const char *
func_model_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_NARGS() <= n)
		return NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* Elements of a text[] */
void
func_text_array(ArrayType *array, Datum **elements, bool **nulls, int *n)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("array of texts must have one dimension"),
						errdetail("The array has %d dimensions.", ARR_NDIM(array))));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, elements, nulls, n);
}

/* Make a real[] */
Datum
func_real_array(const float *values, size_t n)
{
	Size size = add_size(ARR_OVERHEAD_NONULLS(1), mul_size(n, sizeof(float4)));
	ArrayType *array = palloc(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), values, n * sizeof(float4));
	return PointerGetDatum(array);
}
