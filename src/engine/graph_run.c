/*
 * graph_run.c: runs a bound graph over one batch: walks the stages, cuts each into
 * pieces, calls one kernel per operator and piece.  It allocates nothing,
 * asks should_stop before every call, and bounds the work of each call.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "graph_run.h"

#define STOP_ROWS	512		  /* rows pooled between two questions */
#define STOP_VALUES (1 << 22) /* values looked at between two questions */
#define TILE		14		  /* rows of the highest tile of the kernels */

/* Rows of a kind that a batch has. */
size_t
lep_batch_rows(const LepBatch *batch, LepRows rows)
{
	return rows == LEP_ROWS_TEXTS	? batch->n_texts
		   : rows == LEP_ROWS_PICKS ? batch->n_picks
									: batch->n_tokens;
}

/* Rows of the graph's output for a batch. */
size_t
lep_graph_out_rows(const LepGraph *graph, const LepBatch *batch)
{
	return lep_batch_rows(batch, graph->buffers[graph->ops[graph->n_ops - 1].out].rows);
}

/* Place of a buffer's rows of the piece: a start in floats, and the rows from there on. */
static float *
place_rows(const LepRun *run, const LepBuffer *buffer, size_t *rows)
{
	*rows = 0;
	if (buffer->scope == LEP_SCOPE_LOCAL)
		return run->local + buffer->offset * run->n_rows;
	*rows = !run->sequences || buffer->rows == LEP_ROWS_TOKENS ? run->row
			: buffer->rows == LEP_ROWS_TEXTS				   ? run->text
															   : run->pick;
	if (buffer->scope == LEP_SCOPE_OUT)
		return run->out;
	return run->rows[buffer->rows] + buffer->offset * lep_batch_rows(run->batch, buffer->rows);
}

/* Start of an argument's rows of the piece. */
float *
lep_run_rows(const LepRun *run, LepArg arg, size_t *n_rows)
{
	const LepBuffer *buffer = &run->graph->buffers[arg.buf];
	size_t rows;
	float *start = place_rows(run, buffer, &rows);

	*n_rows = !run->sequences || buffer->rows == LEP_ROWS_TOKENS ? run->n_rows
			  : buffer->rows == LEP_ROWS_TEXTS					 ? run->n_texts
																 : run->n_picks;
	return start + rows * buffer->width + arg.col;
}

/* The same of a buffer of 16-bit floats. */
uint16_t *
lep_run_halves(const LepRun *run, LepArg arg)
{
	const LepBuffer *buffer = &run->graph->buffers[arg.buf];
	size_t rows;
	float *start = place_rows(run, buffer, &rows);

	return (uint16_t *) start + rows * buffer->width + arg.col;
}

/* An operator's weight slot, NULL when it has none. */
const LepSlot *
lep_run_slot(const LepRun *run, const LepOp *op, uint32_t i)
{
	return op->slots[i] == LEP_NO_SLOT ? NULL : &run->graph->slots[op->slots[i]];
}

/* The data of an operator's weight slot, NULL when it has none. */
const void *
lep_run_weight(const LepRun *run, const LepOp *op, uint32_t i)
{
	const LepSlot *slot = lep_run_slot(run, op, i);

	return slot == NULL ? NULL : slot->data;
}

/* Number the piece's tokens from their texts' beginnings; those of id pad take no place. */
static void
set_positions(const LepRun *run, uint32_t first, int32_t pad)
{
	const int32_t *ids = run->batch->ids;
	const uint32_t *starts = run->batch->starts;
	size_t low = 0;
	size_t high = run->batch->n_texts;
	size_t n_pads = 0;

	while (high - low > 1)
	{
		size_t middle = low + (high - low) / 2;

		if (starts[middle] <= run->row)
			low = middle;
		else
			high = middle;
	}
	for (size_t i = starts[low]; pad >= 0 && i < run->row; i++)
		n_pads += ids[i] == pad;
	for (size_t i = 0; i < run->n_rows; i++)
	{
		size_t at = run->row + i;

		if (at == starts[low + 1])
		{
			low++;
			n_pads = 0;
		}
		if (pad >= 0 && ids[at] == pad)
		{
			n_pads++;
			run->positions[i] = (int32_t) first - 1;
		}
		else
			run->positions[i] = (int32_t) (first + (at - starts[low]) - n_pads);
	}
}

/* out[n_rows, d] = word[ids] + position[positions] + type[types], normed */
static LepStatus
run_embed(LepRun *run, const LepOp *op)
{
	const LepArg out = {op->out, 0};
	const LepSlot *word = lep_run_slot(run, op, 0);
	const LepSlot *position = lep_run_slot(run, op, 1);
	const LepSlot *type = lep_run_slot(run, op, 2);
	LepEmbed args;

	memset(&args, 0, sizeof(args));
	args.out = lep_run_rows(run, out, &args.n_tokens);
	args.d = run->graph->buffers[op->out].width;
	args.ids = run->batch->ids + run->row;
	args.word = word->data;
	args.word_dtype = word->dtype;
	args.word_rows = word->rows;
	if (position != NULL)
	{
		set_positions(run, op->position_first, op->position_pad);
		args.positions = run->positions;
		args.position = position->data;
		args.position_dtype = position->dtype;
		args.position_rows = position->rows;
	}
	if (type != NULL)
	{
		if (run->graph->n_types > 0 && run->batch->types != NULL)
			args.types = run->batch->types + run->row;
		args.type = type->data;
		args.type_dtype = type->dtype;
		args.type_rows = type->rows;
	}
	args.gamma = lep_run_weight(run, op, 3);
	args.beta = lep_run_weight(run, op, 4);
	args.eps = op->eps;
	if (lep_stopped(run->stop))
		return LEP_CANCELLED;
	run->kernels->embed(&args);
	return LEP_OK;
}

/* Rows (or heads) of one call. */
size_t
lep_run_share(const LepRun *run, size_t n, uint64_t flops, size_t step)
{
	uint64_t share = run->graph->call_flops / (flops > 0 ? flops : 1);

	if (share >= n)
		return n;
	if (share > step)
		share -= share % step;
	return share > 0 ? (size_t) share : 1;
}

/*
 * out[d] = one text's rows x[n, d] pooled in one mode, the first skip left out;
 * formulas of sentence-transformers' Pooling.
 */
static LepStatus
pool_text(const LepRun *run, uint32_t mode, const float *x, size_t n, size_t d, size_t skip,
		  float *out)
{
	const LepKernels *kernels = run->kernels;
	float weights = 0;
	float divisor;

	if (mode == LEP_POOL_CLS || mode == LEP_POOL_LAST_TOKEN)
	{
		/* A text that is all prompt gives its first row here, and zeroes for its last. */
		if (mode == LEP_POOL_CLS)
			memcpy(out, x + (n > skip ? skip : 0) * d, d * sizeof(float));
		else if (n > skip)
			memcpy(out, x + (n - 1) * d, d * sizeof(float));
		else
			memset(out, 0, d * sizeof(float));
		return LEP_OK;
	}
	for (size_t i = 0; i < d; i++)
		out[i] = mode == LEP_POOL_MAX ? -INFINITY : 0.0f;
	for (size_t t = skip; t < n; t++)
	{
		if ((t - skip) % STOP_ROWS == 0 && lep_stopped(run->stop))
			return LEP_CANCELLED;
		if (mode == LEP_POOL_MAX)
			kernels->max(out, x + t * d, d);
		else
		{
			float w = mode == LEP_POOL_WEIGHTED_MEAN ? (float) (t + 1) : 1.0f;

			kernels->add_scaled(out, x + t * d, w, d);
			weights += w;
		}
	}
	if (mode == LEP_POOL_MAX)
		return LEP_OK;
	divisor = weights > 1e-9f ? weights : 1e-9f;
	if (mode == LEP_POOL_MEAN_SQRT_LEN)
		divisor = sqrtf(divisor);
	for (size_t i = 0; i < d; i++)
		out[i] /= divisor;
	return LEP_OK;
}

/* out[n_texts, n_modes * d] = x[n_rows, d] pooled text by text */
static LepStatus
run_pool(LepRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	const uint32_t *starts = run->batch->starts;
	size_t d = run->graph->buffers[op->in[0].buf].width;
	size_t n;
	const float *x = lep_run_rows(run, op->in[0], &n);
	float *out = lep_run_rows(run, to, &n);

	for (size_t text = run->text; text < run->text + run->n_texts; text++)
	{
		for (uint32_t i = 0; i < op->n_modes; i++)
		{
			LepStatus status;

			status = pool_text(run, op->modes[i], x + (starts[text] - run->row) * d,
							   starts[text + 1] - starts[text], d, op->skip, out);
			if (status != LEP_OK)
				return status;
			out += d;
		}
	}
	return LEP_OK;
}

/* out[n_picks, d] = the picked rows of x[n_rows, d] */
static LepStatus
run_pick(LepRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	size_t d = run->graph->buffers[op->out].width;
	size_t ldx = run->graph->buffers[op->in[0].buf].width;
	size_t n;
	const float *x = lep_run_rows(run, op->in[0], &n);
	float *out = lep_run_rows(run, to, &n);

	if (lep_stopped(run->stop))
		return LEP_CANCELLED;
	for (size_t i = 0; i < n; i++)
		memcpy(out + i * d, x + (run->batch->picks[run->pick + i] - run->row) * ldx,
			   d * sizeof(float));
	return LEP_OK;
}

/* out[n_rows, d] = x[n_rows, d] / max(|x|, 1e-12), row by row */
static void
normalize(const LepKernels *kernels, const float *x, float *out, size_t n_rows, size_t d)
{
	for (size_t row = 0; row < n_rows; row++, x += d, out += d)
	{
		float length = sqrtf(kernels->dot(x, x, d));
		float divisor = length > 1e-12f || isnan(length) ? length : 1e-12f;

		for (size_t i = 0; i < d; i++)
			out[i] = x[i] / divisor;
	}
}

/* out[n_rows, d] = act(x[n_rows, d]) * y[n_rows, d], row by row */
static LepStatus
run_gate(LepRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	const LepBuffer *buffers = run->graph->buffers;
	size_t d = buffers[op->out].width;
	size_t n_rows;
	const float *x = lep_run_rows(run, op->in[0], &n_rows);
	const float *y = lep_run_rows(run, op->in[1], &n_rows);
	float *out = lep_run_rows(run, to, &n_rows);

	for (size_t row = 0; row < n_rows; row++)
	{
		if (row % STOP_ROWS == 0 && lep_stopped(run->stop))
			return LEP_CANCELLED;
		run->kernels->gate(x + row * buffers[op->in[0].buf].width,
						   y + row * buffers[op->in[1].buf].width, out + row * d, d, op->act);
	}
	return LEP_OK;
}

/*
 * out[n_rows, d * n] = the n tokens around each token of x[n_rows, d], column by column: [d, n]; zeroes beyond the text
 */
static LepStatus
run_unfold(LepRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	const uint32_t *starts = run->batch->starts;
	size_t ldx = run->graph->buffers[op->in[0].buf].width;
	size_t width = run->graph->buffers[op->out].width;
	size_t n = op->n_around, d = width / n;
	size_t n_rows;
	const float *x = lep_run_rows(run, op->in[0], &n_rows);
	float *out = lep_run_rows(run, to, &n_rows);

	for (size_t text = run->text; text < run->text + run->n_texts; text++)
	{
		size_t first = starts[text] - run->row, end = starts[text + 1] - run->row;

		for (size_t t = first; t < end; t++, out += width)
		{
			if (lep_stopped(run->stop))
				return LEP_CANCELLED;
			for (size_t j = 0; j < n; j++)
			{
				/* Beyond the text's beginning this wraps around to a number that is no token's. */
				size_t s = t + j - n / 2;
				bool inside = s >= first && s < end;

				for (size_t i = 0; i < d; i++)
					out[i * n + j] = inside ? x[s * ldx + i] : 0.0f;
			}
		}
	}
	return LEP_OK;
}

/* Run an operator that is cheap for each row: add, activate, normalize, cut. */
static LepStatus
run_cheap(LepRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	size_t d = run->graph->buffers[op->out].width;
	size_t n_rows;
	const float *x = lep_run_rows(run, op->in[0], &n_rows);
	float *out = lep_run_rows(run, to, &n_rows);

	if (lep_stopped(run->stop))
		return LEP_CANCELLED;
	if (op->kind == LEP_OP_NORMALIZE)
		normalize(run->kernels, x, out, n_rows, d);
	else if (op->kind == LEP_OP_CUT)
		for (size_t row = 0; row < n_rows; row++)
			memcpy(out + row * d, x + row * run->graph->buffers[op->in[0].buf].width,
				   d * sizeof(float));
	else
	{
		if (out != x)
			memcpy(out, x, n_rows * d * sizeof(float));
		if (op->kind == LEP_OP_ACTIVATE)
			run->kernels->activate(out, n_rows * d, op->act);
		else
			run->kernels->add_scaled(out, lep_run_rows(run, op->in[1], &n_rows), 1.0f, n_rows * d);
	}
	return LEP_OK;
}

/* Run a stage's operators over the piece. */
static LepStatus
run_piece(LepRun *run, const LepStage *stage)
{
	LepStatus status = LEP_OK;

	for (uint32_t i = stage->first; i < stage->end && status == LEP_OK; i++)
	{
		const LepOp *op = &run->graph->ops[i];

		switch (op->kind)
		{
			case LEP_OP_EMBED:
				status = run_embed(run, op);
				break;
			case LEP_OP_LINEAR:
				status = lep_run_linear(run, op);
				break;
			case LEP_OP_ATTENTION:
				status = lep_run_attention(run, op);
				break;
			case LEP_OP_POOL:
				status = run_pool(run, op);
				break;
			case LEP_OP_PICK:
				status = run_pick(run, op);
				break;
			case LEP_OP_SPARSE:
				status = lep_run_sparse(run, op);
				break;
			case LEP_OP_NORM:
				status = lep_run_norm(run, op, i + 1 < stage->end ? op + 1 : NULL);
				break;
			case LEP_OP_UNFOLD:
				status = run_unfold(run, op);
				break;
			case LEP_OP_GATE:
				status = run_gate(run, op);
				break;
			case LEP_OP_ADD:
			case LEP_OP_ACTIVATE:
			case LEP_OP_NORMALIZE:
			case LEP_OP_CUT:
				status = run_cheap(run, op);
				break;
		}
	}
	return status;
}

/* Run a stage over groups of whole texts: as many as fit in a piece, at least one. */
static LepStatus
run_groups(LepRun *run, const LepStage *stage)
{
	const uint32_t *starts = run->batch->starts;
	LepStatus status = LEP_OK;
	size_t text = 0;

	run->sequences = true;
	run->pick = 0;
	while (text < run->batch->n_texts && status == LEP_OK)
	{
		size_t end = text + 1;

		while (end < run->batch->n_texts && starts[end + 1] - starts[text] <= stage->panel)
			end++;
		run->text = text;
		run->n_texts = end - text;
		run->row = starts[text];
		run->n_rows = starts[end] - starts[text];
		run->n_picks = 0;
		while (run->pick + run->n_picks < run->batch->n_picks &&
			   run->batch->picks[run->pick + run->n_picks] < starts[end])
			run->n_picks++;
		status = run_piece(run, stage);
		run->pick += run->n_picks;
		text = end;
	}
	return status;
}

/* Run a stage over panels of rows, all of about the same height and of whole tiles but the last. */
static LepStatus
run_panels(LepRun *run, const LepStage *stage)
{
	size_t all = lep_batch_rows(run->batch, stage->rows);
	size_t n_panels = (all + stage->panel - 1) / stage->panel;
	size_t unit = stage->panel % TILE == 0 ? TILE : 1;
	size_t n_units = (all + unit - 1) / unit;
	LepStatus status = LEP_OK;
	size_t panel = 0;

	run->sequences = false;
	for (run->row = 0; run->row < all && status == LEP_OK; run->row += run->n_rows)
	{
		size_t end = n_units * ++panel / n_panels * unit;

		run->n_rows = (end < all ? end : all) - run->row;
		status = run_piece(run, stage);
	}
	return status;
}

/* Check a batch; *max_len gets the tokens of its longest text. */
LepStatus
lep_graph_check_batch(const LepGraph *graph, const LepBatch *batch, size_t *max_len, LepError *err)
{
	*max_len = 0;
	for (size_t i = 0; i < batch->n_texts; i++)
	{
		uint32_t start = batch->starts[i];
		uint32_t end = batch->starts[i + 1];

		if (end <= start || end > batch->n_tokens || (i == 0 && start != 0))
		{
			lep_error(err, LEP_BAD_INPUT, "text %zu of the batch has no tokens", i + 1);
			lep_error_detail(err, "It begins at token %u and ends at %u of %zu.", start, end,
							 batch->n_tokens);
			return LEP_BAD_INPUT;
		}
		if (end - start > graph->max_len)
		{
			lep_error(err, LEP_TOO_LARGE, "text has more tokens than the model has positions");
			lep_error_detail(err, "The text has %u tokens, the model takes at most %u.",
							 end - start, graph->max_len);
			return LEP_TOO_LARGE;
		}
		if (*max_len < end - start)
			*max_len = end - start;
	}
	if (batch->starts[batch->n_texts] != batch->n_tokens)
		return lep_error(err, LEP_BAD_INPUT, "batch has %zu tokens, its texts have %u",
						 batch->n_tokens, batch->starts[batch->n_texts]);
	for (size_t i = 0; i < batch->n_picks; i++)
	{
		if (batch->picks[i] >= batch->n_tokens || (i > 0 && batch->picks[i] <= batch->picks[i - 1]))
			return lep_error(err, LEP_BAD_INPUT, "picks of the batch are not in ascending order");
	}
	for (size_t i = 0; i < batch->n_tokens; i++)
	{
		if (batch->ids[i] < 0 || (uint32_t) batch->ids[i] >= graph->vocab)
			return lep_error(err, LEP_BAD_INPUT, "token id %d is outside the vocabulary of %u",
							 batch->ids[i], graph->vocab);
		if (batch->types != NULL && graph->n_types > 0 &&
			(batch->types[i] < 0 || (uint32_t) batch->types[i] >= graph->n_types))
			return lep_error(err, LEP_BAD_INPUT, "token type %d is outside the model's %u",
							 batch->types[i], graph->n_types);
	}
	return LEP_OK;
}

/* Say that value i of the output, counted from its first row's first, is no finite number. */
LepStatus
lep_graph_not_finite(const LepGraph *graph, size_t i, float value, LepError *err)
{
	static const char *const names[LEP_ROWS_COUNT] = {
		[LEP_ROWS_TOKENS] = "token", [LEP_ROWS_TEXTS] = "text", [LEP_ROWS_PICKS] = "pick"};
	size_t width = lep_desc_width(graph->view.desc);

	lep_error(err, LEP_NOT_FINITE, "the model gave a value that is not a finite number");
	lep_error_detail(err, "Value %zu of %s %zu of the batch is %f.", i % width + 1,
					 names[graph->buffers[graph->ops[graph->n_ops - 1].out].rows], i / width + 1,
					 (double) value);
	lep_error_hint(err, "The model's weights may be damaged or too large for %s.",
				   graph->kernels->linear != NULL ? "f32" : "16-bit floats");
	return LEP_NOT_FINITE;
}

/* Refuse results that are no numbers. */
static LepStatus
check_finite(const LepGraph *graph, const float *out, size_t n_rows, const LepStop *stop,
			 LepError *err)
{
	size_t width = lep_desc_width(graph->view.desc);

	for (size_t i = 0; i < n_rows * width; i++)
	{
		if (i % STOP_VALUES == STOP_VALUES - 1 && lep_stopped(stop))
			return lep_error(err, LEP_CANCELLED, "cancelled while running a model");
		if (!isfinite(out[i]))
			return lep_graph_not_finite(graph, i, out[i], err);
	}
	return LEP_OK;
}

/* Run a bound graph over a batch, showing the linears' inputs to a tap. */
LepStatus
lep_graph_run_tapped(const LepGraph *graph, const LepBatch *batch, void *arena, size_t arena_size,
					 float *out, const LepTap *tap, const LepStop *stop, LepError *err)
{
	LepRegions regions;
	LepStatus status;
	size_t max_len;
	LepRun run;

	if (!graph->bound)
		return lep_error(err, LEP_BAD_INPUT, "the graph has no weights");
	if (graph->kernels->linear == NULL)
		return lep_error(err, LEP_UNSUPPORTED, "the graph's weights are packed for a GPU");
	status = lep_graph_check_batch(graph, batch, &max_len, err);
	if (status != LEP_OK || batch->n_texts == 0)
		return status;
	if (!lep_graph_regions(graph, batch->n_tokens, batch->n_texts, max_len, &regions) ||
		regions.total > arena_size)
		return lep_error(err, LEP_NO_MEMORY, "the arena of %zu bytes is too small for the batch",
						 arena_size);
	memset(&run, 0, sizeof(run));
	run.graph = graph;
	run.kernels = graph->kernels;
	run.batch = batch;
	for (int i = 0; i < LEP_ROWS_COUNT; i++)
		run.rows[i] = (float *) ((char *) arena + regions.rows[i]);
	run.relations = (float *) ((char *) arena + regions.relations);
	run.max_len = max_len;
	run.local = (float *) ((char *) arena + regions.local);
	run.positions = (int32_t *) ((char *) arena + regions.positions);
	run.attention = (char *) arena + regions.attention;
	run.narrow = (char *) arena + regions.narrow;
	run.wide = (float *) ((char *) arena + regions.wide);
	run.out = out;
	run.tap = tap;
	run.stop = stop;
	run.err = err;
	status = lep_run_relations(&run);
	for (uint32_t i = 0; i < graph->n_stages && status == LEP_OK; i++)
		status = graph->stages[i].sequences ? run_groups(&run, &graph->stages[i])
											: run_panels(&run, &graph->stages[i]);
	if (status == LEP_CANCELLED)
		return lep_error(err, LEP_CANCELLED, "cancelled while running a model");
	if (status != LEP_OK)
		return status;
	return check_finite(graph, out, lep_graph_out_rows(graph, batch), stop, err);
}

/* Run a bound graph over a batch. */
LepStatus
lep_graph_run(const LepGraph *graph, const LepBatch *batch, void *arena, size_t arena_size,
			  float *out, const LepStop *stop, LepError *err)
{
	return lep_graph_run_tapped(graph, batch, arena, arena_size, out, NULL, stop, err);
}
