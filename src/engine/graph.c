/*
 * graph.c: a graph's lists of operators, buffers and slots, and the
 * bookkeeping that every pass needs; it knows no family and runs nothing.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph_parts.h"

#define FIRST_ROOM 64  /* entries of a list when it begins */
#define TEXT_MAX   512 /* bytes of a name */

/* Report that the arena is exhausted. */
LepStatus
lep_graph_no_memory(LepError *err)
{
	return lep_error(err, LEP_NO_MEMORY, "out of memory while building a graph");
}

/* Make room for one more entry of a list; false when out of memory. */
static bool
grow(LepArena *arena, void **list, uint32_t n, uint32_t *max, size_t size)
{
	uint32_t room = *max == 0 ? FIRST_ROOM : *max * 2;
	void *bigger;

	if (n < *max)
		return true;
	bigger = lep_arena_array(arena, room, size);
	if (bigger == NULL)
		return false;
	if (n > 0)
		memcpy(bigger, *list, n * size);
	*list = bigger;
	*max = room;
	return true;
}

/* Append an operator without inputs, output and weights. */
LepOp *
lep_graph_add_op(LepGraph *graph, LepOpKind kind, const char *name)
{
	LepOp *op;

	if (!grow(graph->arena, (void **) &graph->ops, graph->n_ops, &graph->max_ops, sizeof(LepOp)))
		return NULL;
	op = &graph->ops[graph->n_ops++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->name = name;
	op->out = LEP_NO_BUF;
	for (uint32_t i = 0; i < LEP_MAX_SLOTS; i++)
		op->slots[i] = LEP_NO_SLOT;
	return op;
}

/* Append a buffer. */
uint32_t
lep_graph_add_buffer(LepGraph *graph, uint64_t width, LepRows rows)
{
	LepBuffer *buffer;

	if (width > UINT32_MAX || !grow(graph->arena, (void **) &graph->buffers, graph->n_buffers,
									&graph->max_buffers, sizeof(LepBuffer)))
		return LEP_NO_BUF;
	buffer = &graph->buffers[graph->n_buffers];
	memset(buffer, 0, sizeof(*buffer));
	buffer->width = (uint32_t) width;
	buffer->rows = rows;
	return graph->n_buffers++;
}

/* Are two slots made of the same tensors? */
static bool
same_slot(const LepSlot *a, const LepSlot *b)
{
	if (a->store != b->store || a->projected != b->projected || a->eps != b->eps ||
		a->n_parts != b->n_parts || a->rows != b->rows || a->cols != b->cols)
		return false;
	for (uint32_t i = 0; i < a->n_parts; i++)
	{
		const LepPart *x = &a->parts[i];
		const LepPart *y = &b->parts[i];

		if (x->hash != y->hash || x->module != y->module || x->rows != y->rows ||
			strcmp(x->tensor, y->tensor) != 0)
			return false;
	}
	return true;
}

/* Append a slot unless there is one of the same parts. */
uint32_t
lep_graph_add_slot(LepGraph *graph, const LepSlot *slot)
{
	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		if (same_slot(&graph->slots[i], slot))
			return i;
	}
	if (!grow(graph->arena, (void **) &graph->slots, graph->n_slots, &graph->max_slots,
			  sizeof(LepSlot)))
		return LEP_NO_SLOT;
	graph->slots[graph->n_slots] = *slot;
	return graph->n_slots++;
}

/* Are two relations the same table? */
static bool
same_relation(const LepRelation *a, const LepRelation *b)
{
	return a->kind == b->kind && a->width == b->width && a->theta == b->theta &&
		   a->factor == b->factor && a->n_buckets == b->n_buckets && a->max == b->max &&
		   a->span == b->span &&
		   (a->name == NULL || b->name == NULL ? a->name == b->name
											   : strcmp(a->name, b->name) == 0);
}

/* Append a relation unless there is the same. */
uint32_t
lep_graph_add_relation(LepGraph *graph, const LepRelation *relation)
{
	LepRelation *added;

	for (uint32_t i = 0; i < graph->n_relations; i++)
	{
		if (same_relation(&graph->relations[i], relation))
			return i + 1;
	}
	if (!grow(graph->arena, (void **) &graph->relations, graph->n_relations, &graph->max_relations,
			  sizeof(LepRelation)))
		return 0;
	added = &graph->relations[graph->n_relations];
	*added = *relation;
	if (relation->name != NULL)
	{
		added->name = lep_graph_text(graph, "%s", relation->name);
		if (added->name == NULL)
			return 0;
	}
	return ++graph->n_relations;
}

/* Recount makers and uses of all buffers. */
void
lep_graph_index(LepGraph *graph)
{
	for (uint32_t i = 0; i < graph->n_buffers; i++)
	{
		graph->buffers[i].maker = LEP_NO_BUF;
		graph->buffers[i].n_uses = 0;
		graph->buffers[i].last_use = 0;
	}
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];

		if (op->dead)
			continue;
		for (uint32_t j = 0; j < op->n_in; j++)
		{
			graph->buffers[op->in[j].buf].n_uses++;
			graph->buffers[op->in[j].buf].last_use = i;
		}
		graph->buffers[op->out].maker = i;
	}
}

/* Drop dead operators and unused slots, number slots by first use. */
LepStatus
lep_graph_compact(LepGraph *graph, LepError *err)
{
	uint32_t *number = lep_arena_array(graph->arena, graph->n_slots, sizeof(uint32_t));
	LepSlot *slots = lep_arena_array(graph->arena, graph->n_slots, sizeof(LepSlot));
	uint32_t n_ops = 0;
	uint32_t n_slots = 0;

	if (number == NULL || slots == NULL)
		return lep_graph_no_memory(err);
	for (uint32_t i = 0; i < graph->n_slots; i++)
		number[i] = LEP_NO_SLOT;
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		LepOp *op = &graph->ops[i];

		if (op->dead)
			continue;
		for (uint32_t j = 0; j < op->n_slots; j++)
		{
			uint32_t old = op->slots[j];

			if (old == LEP_NO_SLOT)
				continue;
			if (number[old] == LEP_NO_SLOT)
			{
				slots[n_slots] = graph->slots[old];
				number[old] = n_slots++;
			}
			op->slots[j] = number[old];
		}
		if (n_ops != i)
			graph->ops[n_ops] = *op;
		n_ops++;
	}
	graph->max_slots = graph->n_slots;
	graph->slots = slots;
	graph->n_slots = n_slots;
	graph->n_ops = n_ops;
	lep_graph_index(graph);
	return LEP_OK;
}

/* Format into the graph's arena. */
const char *
lep_graph_text(LepGraph *graph, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0)
		return NULL;
	return lep_arena_strndup(graph->arena, text, strlen(text));
}

/* Does a row of the output depend on the same rows of the inputs alone? */
bool
lep_op_row_wise(const LepOp *op)
{
	return op->kind != LEP_OP_ATTENTION && op->kind != LEP_OP_POOL && op->kind != LEP_OP_PICK &&
		   op->kind != LEP_OP_UNFOLD && op->kind != LEP_OP_SPARSE;
}

/* Does an attention compute scores of q and k alone, over all tokens? */
bool
lep_op_plain(const LepOp *op)
{
	return op->n_group == 1 && op->local == 0 && op->turn == 0 && op->bias == 0 && op->place == 0;
}

/* Count the slots. */
size_t
lep_graph_slot_count(const LepGraph *graph)
{
	return graph->n_slots;
}

/* Count the operators. */
size_t
lep_graph_op_count(const LepGraph *graph)
{
	return graph->n_ops;
}
