/*
 * graph_build_attention.c: the builders of attention and of what it adds to scores: the relations and
 * weights that a recipe asks for.  Shapes are checked here; nothing is computed.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph_parts.h"

#define NAME_MAX_BYTES 256		 /* a module's name in a recipe */
#define DISTANCE_MAX   (1 << 24) /* exact in f32, and in sums of int32 */

/* Append a relation; 0 after an error. */
static uint32_t
add_relation(LepBuilder *b, const LepRelation *relation)
{
	uint32_t number;

	if (b->status != LEP_OK)
		return 0;
	number = lep_graph_add_relation(b->graph, relation);
	if (number == 0)
		b->status = lep_graph_no_memory(b->err);
	return number;
}

/* Turn q and k by their positions. */
static void
add_turn(LepBuilder *b, LepOp *op, const LepRelations *r, uint32_t d_head)
{
	const LepRelation turn = {
		.kind = LEP_RELATION_TURN, .width = d_head / 2, .theta = r->theta, .factor = r->factor};

	if (d_head % 2 != 0 || !(r->theta > 0) || !(r->factor > 0))
		lep_build_refuse(b, LEP_BAD_FILE, "attention heads of %u columns cannot be turned", d_head);
	op->turn = add_relation(b, &turn);
}

/* Add a bias by buckets of distance. */
static void
add_bias(LepBuilder *b, LepOp *op, const LepRelations *r)
{
	const LepRelation bias = {.kind = LEP_RELATION_BIAS,
							  .width = op->n_heads,
							  .name = r->bias,
							  .n_buckets = r->n_buckets,
							  .max = r->bias_max};
	LepSlot slot = {.store = LEP_STORE_VECTOR, .rows = r->n_rows, .cols = op->n_heads};

	if (r->n_rows < r->n_buckets || r->n_buckets < 4 || r->n_buckets % 4 != 0 ||
		r->bias_max <= r->n_buckets / 4 || r->bias_max > DISTANCE_MAX)
		lep_build_refuse(b, LEP_BAD_FILE, "%u buckets cannot divide distances up to %u",
						 r->n_buckets, r->bias_max);
	lep_build_part(b, &slot, r->bias, slot.rows, slot.cols);
	op->slots[0] = lep_build_slot(b, &slot);
	op->bias = add_relation(b, &bias);
}

/* The places that one linear makes of the table. */
static uint32_t
add_projection(LepBuilder *b, const LepRelations *r, uint32_t width, const char *weight,
			   const char *bias)
{
	LepSlot slot = {.store = LEP_STORE_VECTOR, .projected = true, .eps = r->norm_eps};

	if (weight == NULL)
		return LEP_NO_SLOT;
	slot.rows = 2 * (uint64_t) r->span;
	slot.cols = width;
	lep_build_part(b, &slot, r->table, slot.rows, width);
	lep_build_part(b, &slot, weight, width, width);
	if (r->norm_weight != NULL)
	{
		lep_build_part(b, &slot, r->norm_weight, width, 0);
		lep_build_part(b, &slot, r->norm_bias, width, 0);
	}
	if (bias != NULL)
		lep_build_part(b, &slot, bias, width, 0);
	return lep_build_slot(b, &slot);
}

/* Add what places give. */
static void
add_places(LepBuilder *b, LepOp *op, const LepRelations *r, uint32_t width)
{
	const LepRelation place = {
		.kind = LEP_RELATION_PLACE, .n_buckets = r->n_log, .max = r->place_max, .span = r->span};

	if (r->span == 0 || r->span > LEP_MAX_POSITIONS ||
		(r->n_log > 0 && (r->n_log < 2 || r->n_log > DISTANCE_MAX ||
						  r->place_max <= r->n_log / 2 + 1 || r->place_max > DISTANCE_MAX)))
		lep_build_refuse(b, LEP_BAD_FILE,
						 "%u places in %u buckets cannot divide distances up to %u", r->span,
						 r->n_log, r->place_max);
	op->slots[1] = add_projection(b, r, width, r->key_weight, r->key_bias);
	op->slots[2] = add_projection(b, r, width, r->query_weight, r->query_bias);
	op->place = add_relation(b, &place);
}

/* Attend within each text. */
static LepBuf
build_attention(LepBuilder *b, LepBuf q, LepBuf k, LepBuf v, uint32_t n_heads, float scale,
				const LepRelations *relations, const char *name)
{
	const LepBuf in[3] = {q, k, v};
	bool joined = q == k && k == v;
	uint32_t width = lep_build_width(b, q) / (joined ? 3 : 1);
	uint32_t shared = joined ? width : lep_build_width(b, k);
	LepOp *op = lep_build_op(b, LEP_OP_ATTENTION, name, in, 3, width, LEP_ROWS_TOKENS);

	if (op == NULL)
		return LEP_NO_BUF;
	if (n_heads == 0 || width == 0 || width % n_heads != 0 ||
		(joined ? lep_build_width(b, q) % 3 != 0
				: shared == 0 || width % shared != 0 || n_heads % (width / shared) != 0 ||
					  lep_build_width(b, v) != shared))
	{
		lep_build_refuse(b, LEP_BAD_FILE, "%u columns cannot be shared by %u attention heads",
						 lep_build_width(b, q), n_heads);
		return LEP_NO_BUF;
	}
	for (uint32_t i = 0; i < 3 && joined; i++)
		op->in[i].col = i * width;
	op->n_heads = n_heads;
	op->n_group = width / shared;
	op->scale = scale;
	if (relations == NULL)
		return op->out;
	op->n_slots = 3;
	op->local = relations->local;
	if (relations->theta != 0)
		add_turn(b, op, relations, width / n_heads);
	if (relations->bias != NULL)
		add_bias(b, op, relations);
	if (relations->table != NULL)
		add_places(b, op, relations, width);
	return b->status == LEP_OK ? op->out : LEP_NO_BUF;
}

/* Attend within each text. */
LepBuf
lep_build_attention(LepBuilder *b, LepBuf q, LepBuf k, LepBuf v, uint32_t n_heads, float scale,
					const char *name, ...)
{
	char text[NAME_MAX_BYTES];
	va_list args;

	va_start(args, name);
	vsnprintf(text, sizeof(text), name, args);
	va_end(args);
	return build_attention(b, q, k, v, n_heads, scale, NULL, text);
}

/* Attend within each text, with relations. */
LepBuf
lep_build_attention_with(LepBuilder *b, LepBuf q, LepBuf k, LepBuf v, uint32_t n_heads, float scale,
						 const LepRelations *relations, const char *name, ...)
{
	char text[NAME_MAX_BYTES];
	va_list args;

	va_start(args, name);
	vsnprintf(text, sizeof(text), name, args);
	va_end(args);
	return build_attention(b, q, k, v, n_heads, scale, relations, text);
}
