/*
 * pass_memory.c: cuts the operators into stages and places every buffer.
 *
 * A stage runs over one piece of rows after another, so that what its operators hand
 * to each other stays in the second-level cache: panels of rows for row-wise
 * operators, groups of whole texts around an attention.  Buffers that live
 * inside one stage are local: they hold one piece.  The others hold the whole batch.
 * In both regions buffers are placed first-fit by lifetime, in floats per row, so
 * the same plan serves every batch.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "graph_parts.h"

#define ROW_ALIGN	16			 /* floats; keeps buffers on cache lines */
#define PIECE_BYTES (512u << 10) /* of buffers that a piece should touch */
#define PIECE_STEP	84 /* rows: whole tiles of all kernels, which are 14, 12, 6 and 4 high */
#define PIECE_MAX	(3 * PIECE_STEP) /* rows */
#define WIDE_BYTES	(12u << 20)		 /* of a sparse operator's logits in work */
#define WIDE_MIN	14				 /* rows: the highest tile of the kernels */

/* Buffers that share their memory because each is computed in place of the one before. */
typedef struct Storage
{
	uint32_t first, last; /* operators between which it is alive */
	uint32_t first_stage, last_stage;
	uint32_t width; /* floats per row, rounded up */
	LepRows rows;
	LepScope scope;
	bool used, placed;
	size_t offset;
} Storage;

typedef struct Plan
{
	LepGraph *graph;
	uint32_t *root;		/* [n_buffers] the storage of a buffer */
	Storage *storages;	/* [n_buffers] */
	uint32_t *live;		/* [n_ops + 1] token storages alive across the cut before an operator */
	uint32_t *stage_of; /* [n_ops] */
} Plan;

/* The input in whose place an operator can write, or LEP_NO_BUF. */
static uint32_t
in_place_input(const Plan *plan, const LepOp *op)
{
	const LepArg *arg;

	switch (op->kind)
	{
		case LEP_OP_LINEAR:
			if (op->n_in < 2 || plan->root[op->in[0].buf] == plan->root[op->in[1].buf])
				return LEP_NO_BUF;
			arg = &op->in[1];
			break;
		case LEP_OP_ADD:
			if (plan->root[op->in[0].buf] == plan->root[op->in[1].buf])
				return LEP_NO_BUF;
			arg = &op->in[0];
			break;
		case LEP_OP_NORM:
		case LEP_OP_ACTIVATE:
		case LEP_OP_NORMALIZE:
			arg = &op->in[0];
			break;
		default:
			return LEP_NO_BUF;
	}
	return arg->col == 0 ? arg->buf : LEP_NO_BUF;
}

/* Give every buffer a storage, its input's where it can be computed in place. */
static void
share_storages(Plan *plan)
{
	LepGraph *graph = plan->graph;

	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];
		const LepBuffer *out = &graph->buffers[op->out];
		uint32_t in = in_place_input(plan, op);
		Storage *storage;
		uint32_t last = i + 1 == graph->n_ops ? graph->n_ops : out->last_use;

		if (in != LEP_NO_BUF && plan->storages[plan->root[in]].last == i &&
			graph->buffers[in].width == out->width && graph->buffers[in].rows == out->rows)
			plan->root[op->out] = plan->root[in];
		else
		{
			plan->root[op->out] = op->out;
			storage = &plan->storages[op->out];
			storage->used = true;
			storage->first = i;
			storage->rows = out->rows;
			storage->width = (out->width + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
		}
		plan->storages[plan->root[op->out]].last = last;
	}
}

/* Count the token storages alive before each operator. */
static void
count_live(Plan *plan)
{
	for (uint32_t i = 0; i < plan->graph->n_buffers; i++)
	{
		const Storage *storage = &plan->storages[i];

		if (!storage->used || storage->rows != LEP_ROWS_TOKENS)
			continue;
		for (uint32_t j = storage->first + 1; j <= storage->last; j++)
			plan->live[j]++;
	}
}

/* Append a stage. */
static void
add_stage(Plan *plan, uint32_t first, uint32_t end, bool sequences)
{
	LepGraph *graph = plan->graph;
	LepStage *stage = &graph->stages[graph->n_stages];

	stage->first = first;
	stage->end = end;
	stage->sequences = sequences;
	stage->rows = graph->buffers[graph->ops[first].out].rows;
	for (uint32_t i = first; i < end; i++)
		plan->stage_of[i] = graph->n_stages;
	graph->n_stages++;
}

/* Cut row-wise operators [first, end) where the kind of row changes. */
static void
add_row_stages(Plan *plan, uint32_t first, uint32_t end)
{
	const LepGraph *graph = plan->graph;

	while (first < end)
	{
		uint32_t next = first + 1;

		while (next < end && graph->buffers[graph->ops[next].out].rows ==
								 graph->buffers[graph->ops[first].out].rows)
			next++;
		add_stage(plan, first, next, false);
		first = next;
	}
}

/*
 * Cut the graph into stages: around each operator over sequences, as far as
 * more than one buffer of token rows would have to be kept for the whole batch.
 */
static void
cut_stages(Plan *plan)
{
	const LepGraph *graph = plan->graph;
	uint32_t at = 0;

	while (at < graph->n_ops)
	{
		uint32_t sequence = at;
		uint32_t begin;
		uint32_t end;

		while (sequence < graph->n_ops && lep_op_row_wise(&graph->ops[sequence]))
			sequence++;
		begin = sequence;
		while (begin > at && begin < graph->n_ops && plan->live[begin] > 1)
			begin--;
		add_row_stages(plan, at, begin);
		if (sequence == graph->n_ops)
			break;
		end = sequence + 1;
		while (end < graph->n_ops && plan->live[end] > 1)
			end++;
		add_stage(plan, begin, end, true);
		at = end;
	}
}

/* Decide which storages hold the whole batch. */
static void
choose_scopes(Plan *plan)
{
	const LepGraph *graph = plan->graph;

	for (uint32_t i = 0; i < graph->n_buffers; i++)
	{
		Storage *storage = &plan->storages[i];

		if (!storage->used)
			continue;
		storage->first_stage = plan->stage_of[storage->first];
		storage->last_stage =
			plan->stage_of[storage->last < graph->n_ops ? storage->last : graph->n_ops - 1];
		if (storage->last == graph->n_ops)
			storage->scope = LEP_SCOPE_OUT;
		else if (storage->first_stage != storage->last_stage ||
				 (storage->rows != LEP_ROWS_TOKENS &&
				  graph->stages[storage->first_stage].sequences))
			storage->scope = LEP_SCOPE_BATCH;
		else
			storage->scope = LEP_SCOPE_LOCAL;
	}
}

/* Are two storages of one region ever alive together? */
static bool
collide(const Storage *a, const Storage *b)
{
	if (a->scope != b->scope)
		return false;
	if (a->scope == LEP_SCOPE_LOCAL)
		return a->first_stage == b->first_stage && a->first <= b->last && b->first <= a->last;
	return a->rows == b->rows && a->first_stage <= b->last_stage && b->first_stage <= a->last_stage;
}

/* Place every storage at the lowest offset that is free during its life. */
static void
place_storages(Plan *plan)
{
	LepGraph *graph = plan->graph;

	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		Storage *storage = &plan->storages[graph->ops[i].out];
		bool again = storage->used && storage->scope != LEP_SCOPE_OUT;
		size_t end;

		while (again)
		{
			again = false;
			for (uint32_t j = 0; j < i; j++)
			{
				const Storage *other = &plan->storages[graph->ops[j].out];

				if (!other->placed || !collide(storage, other) ||
					storage->offset >= other->offset + other->width ||
					other->offset >= storage->offset + storage->width)
					continue;
				storage->offset = other->offset + other->width;
				again = true;
			}
		}
		if (!storage->used || storage->scope == LEP_SCOPE_OUT)
			continue;
		storage->placed = true;
		end = storage->offset + storage->width;
		if (storage->scope == LEP_SCOPE_LOCAL)
		{
			LepStage *stage = &graph->stages[storage->first_stage];

			if (stage->local_width < end)
				stage->local_width = end;
		}
		else if (graph->row_width[storage->rows] < end)
			graph->row_width[storage->rows] = end;
	}
}

/* Choose how many rows a stage takes at a time. */
static void
choose_panel(Plan *plan, LepStage *stage)
{
	const LepGraph *graph = plan->graph;
	uint64_t width = stage->local_width;
	uint64_t narrowed = 0;
	uint64_t rows;

	/* Narrowed rows take about a quarter of the widest input. */
	for (uint32_t i = stage->first; i < stage->end; i++)
	{
		if (lep_op_narrow(graph, &graph->ops[i]) != NULL &&
			narrowed < graph->slots[graph->ops[i].slots[0]].cols)
			narrowed = graph->slots[graph->ops[i].slots[0]].cols;
	}
	width += narrowed / sizeof(float);
	/* Batch buffers that the stage touches count too; in-place chains once. */
	for (uint32_t i = stage->first; i < stage->end; i++)
	{
		const LepOp *op = &graph->ops[i];

		if (plan->root[op->out] == op->out && plan->storages[op->out].scope != LEP_SCOPE_LOCAL)
			width += plan->storages[op->out].width;
		for (uint32_t j = 0; j < op->n_in; j++)
		{
			const Storage *storage = &plan->storages[plan->root[op->in[j].buf]];

			if (i == stage->first && j == 0 && storage->scope != LEP_SCOPE_LOCAL)
				width += storage->width;
		}
	}
	rows = PIECE_BYTES / (sizeof(float) * (width > 0 ? width : 1)) / PIECE_STEP * PIECE_STEP;
	/* Fewer rows would use each weight that comes from memory too seldom. */
	if (rows < PIECE_STEP)
		rows = PIECE_STEP;
	stage->panel = rows < PIECE_MAX ? (size_t) rows : PIECE_MAX;
}

/* Choose how many rows of logits a sparse operator has in work: few, since each is a vocabulary wide. */
static void
choose_wide(LepGraph *graph, size_t width)
{
	size_t rows = WIDE_BYTES / sizeof(float) / width;

	graph->wide = width;
	graph->wide_rows = rows < WIDE_MIN ? WIDE_MIN : rows > PIECE_STEP ? PIECE_STEP : rows;
}

/* Cut the graph into stages and place its buffers. */
LepStatus
lep_pass_memory(LepGraph *graph, LepError *err)
{
	Plan plan = {graph, NULL, NULL, NULL, NULL};

	plan.root = lep_arena_array(graph->arena, graph->n_buffers, sizeof(uint32_t));
	plan.storages = lep_arena_array(graph->arena, graph->n_buffers, sizeof(Storage));
	plan.live = lep_arena_array(graph->arena, graph->n_ops + 1, sizeof(uint32_t));
	plan.stage_of = lep_arena_array(graph->arena, graph->n_ops, sizeof(uint32_t));
	graph->stages = lep_arena_array(graph->arena, graph->n_ops, sizeof(LepStage));
	if (plan.root == NULL || plan.storages == NULL || plan.live == NULL || plan.stage_of == NULL ||
		graph->stages == NULL)
		return lep_graph_no_memory(err);
	share_storages(&plan);
	count_live(&plan);
	cut_stages(&plan);
	choose_scopes(&plan);
	place_storages(&plan);
	for (uint32_t i = 0; i < graph->n_stages; i++)
		choose_panel(&plan, &graph->stages[i]);
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];
		LepBuffer *out = &graph->buffers[op->out];
		const Storage *storage = &plan.storages[plan.root[op->out]];

		out->scope = storage->scope;
		out->offset = storage->offset;
		if (op->kind == LEP_OP_ATTENTION && out->width / op->n_heads > graph->max_head)
			graph->max_head = out->width / op->n_heads;
		if (op->kind == LEP_OP_ATTENTION && op->place > 0 &&
			2 * graph->relations[op->place - 1].span > graph->max_places)
			graph->max_places = 2 * graph->relations[op->place - 1].span;
		if (op->kind == LEP_OP_SPARSE)
			choose_wide(graph, out->width);
	}
	return LEP_OK;
}

/* Append n * width * size bytes to a region; false on overflow. */
static bool
add_region(size_t n, size_t width, size_t size, size_t *start, size_t *total)
{
	size_t bytes;

	*start = *total;
	return lep_mul(n, width, &bytes) && lep_mul(bytes, size, &bytes) &&
		   lep_add(bytes, LEP_ALIGN - 1, &bytes) &&
		   lep_add(*total, bytes / LEP_ALIGN * LEP_ALIGN, total);
}

/* Widen *bytes to the largest block of narrowed rows of a stage's pieces; false on overflow. */
static bool
widen_narrow(const LepGraph *graph, const LepStage *stage, size_t rows, size_t *bytes)
{
	for (uint32_t i = stage->first; i < stage->end && rows > 0; i++)
	{
		const LepOp *op = &graph->ops[i];
		const LepNarrow *narrow = lep_op_narrow(graph, op);
		size_t size;

		if (narrow == NULL)
			continue;
		size = narrow->rows_size(rows, graph->slots[op->slots[0]].cols);
		if (size == 0)
			return false;
		*bytes = *bytes > size ? *bytes : size;
	}
	return true;
}

/* Lay out the arena for one batch; false on overflow. */
bool
lep_graph_regions(const LepGraph *graph, size_t n_tokens, size_t n_texts, size_t max_len,
				  LepRegions *regions)
{
	size_t local = 0;
	size_t most_rows = 0;
	size_t scratch = 0;
	size_t narrow = 0;
	size_t relations = 0;

	memset(regions, 0, sizeof(*regions));
	for (uint32_t i = 0; i < graph->n_stages; i++)
	{
		const LepStage *stage = &graph->stages[i];
		/* Picks are tokens; how many is not known here. */
		size_t all = stage->sequences || stage->rows != LEP_ROWS_TEXTS ? n_tokens : n_texts;
		size_t rows = stage->sequences && max_len > stage->panel ? max_len : stage->panel;
		size_t floats;

		if (rows > all)
			rows = all;
		if (!lep_mul(rows, stage->local_width, &floats))
			return false;
		if (local < floats)
			local = floats;
		if (most_rows < rows)
			most_rows = rows;
		if (!widen_narrow(graph, stage, rows, &narrow))
			return false;
	}
	for (uint32_t i = 0; i < graph->n_relations; i++)
	{
		size_t floats;

		if (!lep_relation_floats(&graph->relations[i], max_len, &floats) ||
			!lep_add(relations, floats, &relations))
			return false;
	}
	if (graph->max_head > 0 && graph->kernels != NULL && max_len > 0)
	{
		size_t (*half)(size_t, size_t) = graph->kernels->attention_half_scratch;
		size_t bytes = half != NULL ? half(max_len, graph->max_head) : 0;

		scratch = graph->kernels->attention_scratch(max_len, graph->max_head, graph->max_places);
		if (scratch == 0 || (half != NULL && bytes == 0))
			return false;
		scratch = scratch > bytes ? scratch : bytes;
	}
	for (int i = 0; i < LEP_ROWS_COUNT; i++)
	{
		if (!add_region(i == LEP_ROWS_TEXTS ? n_texts : n_tokens, graph->row_width[i],
						sizeof(float), &regions->rows[i], &regions->total))
			return false;
	}
	return add_region(graph->wide_rows, graph->wide, sizeof(float), &regions->wide,
					  &regions->total) &&
		   add_region(relations, 1, sizeof(float), &regions->relations, &regions->total) &&
		   add_region(local, 1, sizeof(float), &regions->local, &regions->total) &&
		   add_region(most_rows, 1, sizeof(int32_t), &regions->positions, &regions->total) &&
		   add_region(scratch, 1, 1, &regions->attention, &regions->total) &&
		   add_region(narrow, 1, 1, &regions->narrow, &regions->total);
}

/* Bytes of arena for a batch. */
size_t
lep_graph_arena_size(const LepGraph *graph, size_t n_tokens, size_t n_texts, size_t max_len)
{
	LepRegions regions;

	if (!lep_graph_regions(graph, n_tokens, n_texts, max_len, &regions))
		return 0;
	/* An empty batch needs no byte, but 0 means overflow. */
	return regions.total > 0 ? regions.total : LEP_ALIGN;
}
