/*
 * compress_run.c: takes a sample through a graph one operator at a time, all
 * of the sample at once, so that every linear's inputs can be looked at and its weights be
 * exchanged.  Linears and look-ups run here, with weights that are loaded for the
 * moment; everything else is left to lep_graph_run.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdlib.h>
#include <string.h>

#include "compress_parts.h"

#define ROW_ALIGN	 16		   /* floats */
#define PANEL		 256	   /* rows of a call of a cheap operator */
#define TABLE_FLOATS (1 << 18) /* of a table that are read at once */

/* Offset at which a buffer of this width is free as long as it is needed. */
static size_t
free_offset(const LepGraph *graph, uint32_t number)
{
	const LepBuffer *buffer = &graph->buffers[graph->ops[number].out];
	size_t width = (buffer->width + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
	size_t offset = 0;
	bool again = true;

	while (again)
	{
		again = false;
		for (uint32_t i = 0; i < number; i++)
		{
			const LepBuffer *other = &graph->buffers[graph->ops[i].out];
			size_t other_width = (other->width + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;

			if (other->rows != buffer->rows || other->last_use < number ||
				offset >= other->offset + other_width || other->offset >= offset + width)
				continue;
			offset = other->offset + other_width;
			again = true;
		}
	}
	return offset;
}

/* Plan the graph anew: each operator is a stage, each buffer holds the batch. */
static void
plan(LepGraph *graph, LepStage *stages)
{
	lep_graph_index(graph);
	graph->stages = stages;
	graph->n_stages = graph->n_ops;
	memset(graph->row_width, 0, sizeof(graph->row_width));
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];
		LepBuffer *out = &graph->buffers[op->out];
		bool sequences = !lep_op_row_wise(op);
		size_t *width = &graph->row_width[out->rows];

		stages[i] = (LepStage){.first = i,
							   .end = i + 1,
							   .sequences = sequences,
							   .rows = out->rows,
							   .panel = sequences ? 1 : PANEL};
		out->scope = i + 1 < graph->n_ops ? LEP_SCOPE_BATCH : LEP_SCOPE_OUT;
		if (out->scope == LEP_SCOPE_OUT)
			continue;
		out->offset = free_offset(graph, i);
		if (*width < out->offset + out->width)
			*width = (out->offset + out->width + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
	}
}

/* Is a slot the weights of a sparse operator, which lep_graph_run runs? */
static bool
is_sparse(const LepGraph *graph, uint32_t slot)
{
	for (uint32_t i = 0; i < graph->n_ops; i++)
		if (graph->ops[i].kind == LEP_OP_SPARSE && graph->ops[i].slots[0] == slot)
			return true;
	return false;
}

/* Read a slot that stays as it is. */
static LepStatus
read_vector(const LepSampleGraph *s, const LepSlot *slot, const LepTensor *const *tensors,
			float *data)
{
	const LepPress *press = s->press;
	LepArena room;
	LepStatus status;

	lep_arena_init(&room, press->allocator, 0);
	status = lep_slot_read(slot, press->source, tensors, press->kernels, &room, data, press->stop,
						   press->err);
	lep_arena_free(&room);
	return status;
}

/* Load the vectors and bind the graph; linears and tables stay without data. */
static LepStatus
bind(LepSampleGraph *s)
{
	const LepPress *press = s->press;
	LepGraph *graph = s->graph;
	LepBinding *bindings = lep_arena_array(s->arena, graph->n_slots, sizeof(LepBinding));

	if (bindings == NULL)
		return lep_press_no_memory(press);
	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		const LepSlot *slot = &graph->slots[i];
		const LepTensor *tensors[LEP_MAX_PARTS];
		LepStatus status;
		float *data;

		status = lep_slot_resolve(graph, i, press->source, tensors, &bindings[i].dtype, press->err);
		if (status != LEP_OK)
			return status;
		bindings[i].bytes = lep_slot_bytes(slot, press->kernels, bindings[i].dtype);
		if (slot->store != LEP_STORE_VECTOR && !is_sparse(graph, i))
			continue;
		data = lep_arena_alloc(s->arena, (size_t) bindings[i].bytes);
		if (data == NULL)
			return lep_press_no_memory(press);
		status = slot->store == LEP_STORE_VECTOR
					 ? read_vector(s, slot, tensors, data)
					 : lep_slot_pack(slot, press->source, tensors, press->kernels, s->arena, data,
									 press->stop, press->err);
		if (status != LEP_OK)
			return status;
		bindings[i].data = data;
	}
	return lep_pass_bind(graph, press->kernels, bindings, press->err);
}

/* Order token ids. */
static int
smaller(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a;
	uint32_t y = *(const uint32_t *) b;

	return x < y ? -1 : x > y;
}

/* Number the places of a text's tokens; row 0 of the table in work is for those that have none. */
static void
number_places(LepSampleGraph *s, uint32_t first, uint32_t end)
{
	int32_t place = s->padded ? 1 : 0;

	for (uint32_t i = first; i < end; i++)
		s->positions[i] = s->padded && s->batch.ids[i] == s->pad ? 0 : place++;
}

/* Find out which rows of the word table the sample needs, and number them. */
static LepStatus
number_tokens(LepSampleGraph *s)
{
	const LepBatch *batch = &s->batch;
	size_t n = 0;

	s->rows = lep_arena_array(s->arena, batch->n_tokens, sizeof(uint32_t));
	s->row_of = lep_arena_array(s->arena, batch->n_tokens, sizeof(int32_t));
	s->positions = lep_arena_array(s->arena, batch->n_tokens, sizeof(int32_t));
	if (s->rows == NULL || s->row_of == NULL || s->positions == NULL)
		return lep_press_no_memory(s->press);
	for (size_t i = 0; i < batch->n_tokens; i++)
	{
		if (batch->ids[i] < 0 || (uint32_t) batch->ids[i] >= s->graph->vocab)
			return lep_error(s->press->err, LEP_BAD_INPUT,
							 "token id %d is outside the vocabulary of %u", batch->ids[i],
							 s->graph->vocab);
		s->rows[i] = (uint32_t) batch->ids[i];
	}
	qsort(s->rows, batch->n_tokens, sizeof(uint32_t), smaller);
	for (size_t i = 0; i < batch->n_tokens; i++)
		if (n == 0 || s->rows[n - 1] != s->rows[i])
			s->rows[n++] = s->rows[i];
	s->n_rows = n;
	for (size_t i = 0; i < batch->n_tokens; i++)
	{
		uint32_t id = (uint32_t) batch->ids[i];
		const uint32_t *at = bsearch(&id, s->rows, n, sizeof(uint32_t), smaller);

		s->row_of[i] = (int32_t) (at - s->rows);
	}
	for (size_t text = 0; text < batch->n_texts; text++)
		number_places(s, batch->starts[text], batch->starts[text + 1]);
	return LEP_OK;
}

/* Build a source's graph for a sample. */
LepStatus
lep_sample_graph(LepPress *press, LepArena *arena, const LepCompressSample *sample,
				 LepSampleGraph *s)
{
	LepStage *stages;
	LepStatus status;
	size_t widest = 1;
	size_t scratch;

	*s = (LepSampleGraph){.press = press, .arena = arena};
	s->batch = (LepBatch){.n_texts = sample->n_texts,
						  .n_tokens = sample->n_tokens,
						  .ids = sample->ids,
						  .starts = sample->starts};
	for (size_t i = 0; i < sample->n_texts; i++)
	{
		uint32_t start = sample->starts[i];
		uint32_t end = sample->starts[i + 1];

		if (end <= start || end > sample->n_tokens)
			return lep_error(press->err, LEP_BAD_INPUT, "text %zu of the sample has no tokens",
							 i + 1);
		s->max_len = end - start > s->max_len ? end - start : s->max_len;
	}
	status = lep_graph_build(&press->source->view, press->kernels, arena, &s->graph, press->err);
	if (status != LEP_OK)
		return status;
	if (s->max_len > s->graph->max_len)
		return lep_error(press->err, LEP_TOO_LARGE,
						 "text has more tokens than the model has positions");
	for (uint32_t i = 0; i < s->graph->n_ops; i++)
	{
		if (s->graph->ops[i].kind != LEP_OP_EMBED)
			continue;
		s->pad = s->graph->ops[i].position_pad;
		s->padded = s->pad >= 0;
	}
	status = bind(s);
	press->call_flops = s->graph->call_flops;
	if (status == LEP_OK)
		status = number_tokens(s);
	if (status != LEP_OK)
		return status;
	for (uint32_t i = 0; i < s->graph->n_slots; i++)
		if (s->graph->slots[i].store == LEP_STORE_LINEAR && s->graph->slots[i].cols > widest)
			widest = s->graph->slots[i].cols;
	scratch = lep_press_scratch(press, widest);
	stages = lep_arena_array(arena, s->graph->n_ops, sizeof(LepStage));
	s->scratch = scratch > 0 ? lep_arena_alloc(arena, scratch) : NULL;
	if (stages == NULL || s->scratch == NULL)
		return lep_press_no_memory(press);
	plan(s->graph, stages);
	if (!lep_graph_regions(s->graph, s->batch.n_tokens, s->batch.n_texts, s->max_len, &s->regions))
		return lep_press_no_memory(press);
	return LEP_OK;
}

/* Give a run its memory. */
LepStatus
lep_sample_run(const LepSampleGraph *s, LepSampleRun *run)
{
	size_t width = lep_desc_width(s->graph->view.desc);

	memset(run, 0, sizeof(*run));
	if (lep_stopped(s->press->stop))
		return lep_press_cancelled(s->press);
	run->memory = lep_arena_alloc(s->arena, s->regions.total);
	run->out =
		lep_arena_array(s->arena, lep_graph_out_rows(s->graph, &s->batch) * width, sizeof(float));
	return run->memory != NULL && run->out != NULL ? LEP_OK : lep_press_no_memory(s->press);
}

/* Where an argument's rows begin. */
static float *
rows_of(const LepSampleGraph *s, const LepSampleRun *run, LepArg arg)
{
	const LepBuffer *buffer = &s->graph->buffers[arg.buf];
	size_t n = lep_batch_rows(&s->batch, buffer->rows);

	if (buffer->scope == LEP_SCOPE_OUT)
		return run->out + arg.col;
	return (float *) (run->memory + s->regions.rows[buffer->rows]) + buffer->offset * n + arg.col;
}

/* Input rows of a linear. */
const float *
lep_sample_input(const LepSampleGraph *s, const LepSampleRun *run, const LepOp *op, size_t *ldx,
				 size_t *n)
{
	const LepBuffer *buffer = &s->graph->buffers[op->in[0].buf];

	*ldx = buffer->width;
	*n = lep_batch_rows(&s->batch, buffer->rows);
	return rows_of(s, run, op->in[0]);
}

/* Round n numbers of a table's rows w[rows, d] into what is stored, and give their values back. */
static void
press_rows(LepPressed *stored, size_t first, float *w, size_t rows)
{
	size_t d = stored->cols;

	if (stored->scheme == LEP_SCHEME_I8)
	{
		int8_t *q = (int8_t *) stored->data + first * d;
		const LepGrid grid = {stored->scale + first, NULL, 0, d, -127, 127};

		lep_table_round(w, rows, d, q, grid.scale);
		lep_grid_value(&grid, q, rows, d, w);
	}
	else if (stored->scheme == LEP_SCHEME_F16 || stored->scheme == LEP_SCHEME_BF16)
	{
		bool f16 = stored->scheme == LEP_SCHEME_F16;
		uint16_t *out = (uint16_t *) stored->data + first * d;

		for (size_t i = 0; i < rows * d; i++)
			out[i] = f16 ? lep_round_f16(w[i]) : lep_round_bf16(w[i]);
		lep_half_value(w, rows * d, f16 ? LEP_F16 : LEP_BF16);
	}
}

/* Compress a table and pick the rows that the sample needs. */
static LepStatus
press_table(const LepSampleGraph *s, uint32_t number, const uint32_t *wanted, size_t first_wanted,
			size_t n_wanted, float *plain, float *pressed, float *room, LepPressed *stored)
{
	const LepPress *press = s->press;
	const LepTensor *tensors[LEP_MAX_PARTS];
	size_t d = stored->cols;
	size_t step = TABLE_FLOATS / d + 1;
	size_t next = 0;
	LepDtype dtype;
	LepStatus status =
		lep_slot_resolve(s->graph, number, press->source, tensors, &dtype, press->err);

	for (size_t row = 0; row < stored->rows && status == LEP_OK; row += step)
	{
		size_t n = stored->rows - row < step ? stored->rows - row : step;
		size_t at = next;

		if (lep_stopped(press->stop))
			return lep_press_cancelled(press);
		status = lep_source_read_f32(press->source, tensors[0], row * d, n * d, room, press->err);
		if (status != LEP_OK)
			return status;
		for (int pass = 0; pass < 2; pass++)
		{
			float *to = pass == 0 ? plain : pressed;

			for (next = at; next < n_wanted; next++)
			{
				size_t want = wanted != NULL ? wanted[next] : first_wanted + next;

				if (want >= row + n)
					break;
				memcpy(to + next * d, room + (want - row) * d, d * sizeof(float));
			}
			if (pass == 0)
				press_rows(stored, row, room, n);
		}
	}
	return status;
}

/* Compress one of an embedding's tables. */
LepStatus
lep_sample_table(const LepSampleGraph *s, const LepOp *op, uint32_t which, LepScheme scheme,
				 LepArena *arena, LepSampleTables *plain, LepSampleTables *pressed,
				 LepPressed *stored)
{
	const LepSlot *slot = &s->graph->slots[op->slots[which]];
	size_t n_wanted = which == 0 ? s->n_rows : which == 1 ? s->max_len + s->padded : 1;
	float **to = which == 0 ? &plain->word : which == 1 ? &plain->position : &plain->type;
	float **to_pressed = which == 0	  ? &pressed->word
						 : which == 1 ? &pressed->position
									  : &pressed->type;
	size_t numbers = slot->rows * slot->cols;
	LepArena scratch;
	LepStatus status;
	float *room;

	*stored = (LepPressed){.scheme = scheme, .rows = slot->rows, .cols = slot->cols};
	if (scheme == LEP_SCHEME_I8)
	{
		stored->data = lep_arena_alloc(arena, numbers);
		stored->scale = lep_arena_array(arena, slot->rows, sizeof(float));
	}
	else if (scheme != LEP_SCHEME_F32)
		stored->data = lep_arena_array(arena, numbers, sizeof(uint16_t));
	*to = lep_arena_array(s->arena, n_wanted * slot->cols, sizeof(float));
	*to_pressed = lep_arena_array(s->arena, n_wanted * slot->cols, sizeof(float));
	lep_arena_init(&scratch, s->press->allocator, 0);
	room = lep_arena_array(&scratch, TABLE_FLOATS + 2 * slot->cols, sizeof(float));
	if (*to == NULL || *to_pressed == NULL || room == NULL ||
		(scheme != LEP_SCHEME_F32 && stored->data == NULL) ||
		(scheme == LEP_SCHEME_I8 && stored->scale == NULL))
		status = lep_press_no_memory(s->press);
	else
		status = press_table(s, op->slots[which], which == 0 ? s->rows : NULL,
							 which == 1 ? op->position_first - s->padded : 0, n_wanted, *to,
							 *to_pressed, room, stored);
	lep_arena_free(&scratch);
	return status;
}

/* Read a linear's weights. */
LepStatus
lep_sample_weights(const LepSampleGraph *s, uint32_t slot, float *w)
{
	const LepPress *press = s->press;
	const LepTensor *tensors[LEP_MAX_PARTS];
	LepDtype dtype;
	LepStatus status = lep_slot_resolve(s->graph, slot, press->source, tensors, &dtype, press->err);

	if (status != LEP_OK)
		return status;
	return lep_slot_read(&s->graph->slots[slot], press->source, tensors, press->kernels, s->arena,
						 w, press->stop, press->err);
}

/* Data of an operator's vector, NULL when it has none. */
static const float *
vector(const LepSampleGraph *s, const LepOp *op, uint32_t i)
{
	return op->slots[i] == LEP_NO_SLOT ? NULL : s->graph->slots[op->slots[i]].data;
}

/* Look the sample's tokens up. */
static LepStatus
run_embed(const LepSampleGraph *s, LepSampleRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	size_t d = s->graph->buffers[op->out].width;
	LepEmbed args;

	memset(&args, 0, sizeof(args));
	args.d = d;
	args.word = run->tables.word;
	args.position = run->tables.position;
	args.type = run->tables.type;
	args.gamma = vector(s, op, 3);
	args.beta = vector(s, op, 4);
	args.eps = op->eps;
	for (size_t at = 0; at < s->batch.n_tokens; at += PANEL)
	{
		args.n_tokens = s->batch.n_tokens - at < PANEL ? s->batch.n_tokens - at : PANEL;
		args.ids = s->row_of + at;
		args.positions = args.position != NULL ? s->positions + at : NULL;
		args.out = rows_of(s, run, to) + at * d;
		if (lep_stopped(s->press->stop))
			return lep_press_cancelled(s->press);
		s->press->kernels->embed(&args);
	}
	return LEP_OK;
}

/* Run a linear over the whole sample. */
static LepStatus
run_linear(const LepSampleGraph *s, LepSampleRun *run, const LepOp *op, const float *w,
		   const LepPressed *stored, float *room)
{
	const LepArg to = {op->out, 0};
	const LepSlot *slot = &s->graph->slots[op->slots[0]];
	size_t ldx;
	size_t n;
	const float *x = lep_sample_input(s, run, op, &ldx, &n);
	bool narrow = stored != NULL && stored->scheme != LEP_SCHEME_F32;
	LepLinear l = {0};

	l.w = w;
	l.bias = narrow && stored->bias != NULL ? stored->bias : vector(s, op, 1);
	l.out = rows_of(s, run, to);
	l.ldo = s->graph->buffers[op->out].width;
	if (op->n_in > 1)
	{
		l.residual = rows_of(s, run, op->in[1]);
		l.ldr = s->graph->buffers[op->in[1].buf].width;
	}
	l.d_out = slot->rows;
	l.d_in = slot->cols;
	l.act = op->act;
	for (size_t at = 0; at < n; at += l.n_rows)
	{
		LepStatus status;

		l.n_rows = n - at < LEP_RUN_ROWS ? n - at : LEP_RUN_ROWS;
		l.x = narrow ? room : x + at * ldx;
		l.ldx = narrow ? slot->cols : ldx;
		if (narrow)
			lep_pressed_input(s->press, stored, x + at * ldx, ldx, l.n_rows, room);
		status = lep_press_product(s->press, &l, s->scratch);
		if (status != LEP_OK)
			return status;
		l.out += l.n_rows * l.ldo;
		if (l.residual != NULL)
			l.residual += l.n_rows * l.ldr;
	}
	return LEP_OK;
}

/* Run one operator over the whole sample. */
LepStatus
lep_sample_step(const LepSampleGraph *s, LepSampleRun *run, uint32_t i, const float *w,
				const LepPressed *stored, float *room)
{
	const LepOp *op = &s->graph->ops[i];
	LepGraph alone;

	if (op->kind == LEP_OP_EMBED)
		return run_embed(s, run, op);
	if (op->kind == LEP_OP_LINEAR)
		return run_linear(s, run, op, w, stored, room);
	alone = *s->graph;
	alone.stages = &s->graph->stages[i];
	alone.n_stages = 1;
	return lep_graph_run(&alone, &s->batch, run->memory, s->regions.total, run->out, s->press->stop,
						 s->press->err);
}
