/*
 * graph_build.c: the build pass: a family's recipe and the sentence
 * embedding modules become operators; every shape is checked here, so that
 * later passes and the run need not.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "families/family.h"
#include "graph_parts.h"

#define NAME_MAX_BYTES 256 /* a module's name in a recipe */

/* Record the first error of a recipe. */
static LepBuf
fail_no_memory(LepBuilder *b)
{
	b->status = lep_graph_no_memory(b->err);
	return LEP_NO_BUF;
}

/* Record a recipe's own refusal. */
LepStatus
lep_build_refuse(LepBuilder *b, LepStatus status, const char *message, ...)
{
	char text[sizeof(b->err->message)];
	va_list args;

	if (b->status != LEP_OK)
		return b->status;
	va_start(args, message);
	vsnprintf(text, sizeof(text), message, args);
	va_end(args);
	b->status = lep_error(b->err, status, "%s", text);
	return b->status;
}

/* What a recipe returns at its end. */
LepStatus
lep_build_status(const LepBuilder *b)
{
	return b->status;
}

/* Hash a tensor's name (FNV-1a). */
static uint32_t
hash_name(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char) *name) * 16777619u;
	return hash;
}

/* Append a slot. */
uint32_t
lep_build_slot(LepBuilder *b, const LepSlot *slot)
{
	uint32_t number;

	if (b->status != LEP_OK)
		return LEP_NO_SLOT;
	number = lep_graph_add_slot(b->graph, slot);
	if (number == LEP_NO_SLOT)
		fail_no_memory(b);
	return number;
}

/* Add a tensor to a slot's parts. */
void
lep_build_part(LepBuilder *b, LepSlot *slot, const char *tensor, uint64_t rows, uint64_t cols)
{
	LepPart *part = &slot->parts[slot->n_parts++];

	if (b->status != LEP_OK)
		return;
	part->module = b->module;
	part->rows = rows;
	part->cols = cols;
	part->tensor = lep_graph_text(b->graph, "%s", tensor);
	if (part->tensor == NULL)
		fail_no_memory(b);
	else
		part->hash = hash_name(part->tensor);
}

/* Append a slot of one tensor called name and suffix. */
static uint32_t
add_weight(LepBuilder *b, LepStore store, uint64_t rows, uint64_t cols, const char *name,
		   const char *suffix)
{
	char tensor[2 * NAME_MAX_BYTES];
	LepSlot slot;

	memset(&slot, 0, sizeof(slot));
	slot.store = store;
	slot.rows = rows;
	slot.cols = cols;
	snprintf(tensor, sizeof(tensor), "%s%s", name, suffix);
	lep_build_part(b, &slot, tensor, rows, store == LEP_STORE_VECTOR ? 0 : cols);
	return lep_build_slot(b, &slot);
}

/* Append an operator with its output of width; NULL after an error. */
LepOp *
lep_build_op(LepBuilder *b, LepOpKind kind, const char *name, const LepBuf *in, uint32_t n_in,
			 uint64_t width, LepRows rows)
{
	LepOp *op;
	LepBuf out;

	for (uint32_t i = 0; b->status == LEP_OK && i < n_in; i++)
	{
		if (in[i] >= b->graph->n_buffers)
			lep_build_refuse(b, LEP_UNSUPPORTED, "\"%s\" reads a buffer that is not there", name);
	}
	if (b->status != LEP_OK)
		return NULL;
	name = lep_graph_text(b->graph, "%s", name);
	out = lep_graph_add_buffer(b->graph, width, rows);
	op = lep_graph_add_op(b->graph, kind, name);
	if (name == NULL || out == LEP_NO_BUF || op == NULL)
	{
		fail_no_memory(b);
		return NULL;
	}
	for (uint32_t i = 0; i < n_in; i++)
		op->in[i].buf = in[i];
	op->n_in = n_in;
	op->out = out;
	return op;
}

/* Width of a buffer, 0 for one that an error left out. */
uint32_t
lep_build_width(const LepBuilder *b, LepBuf x)
{
	return x < b->graph->n_buffers ? b->graph->buffers[x].width : 0;
}

/* Rows of a buffer. */
static LepRows
rows_of(const LepBuilder *b, LepBuf x)
{
	return x < b->graph->n_buffers ? b->graph->buffers[x].rows : LEP_ROWS_TOKENS;
}

/* Look tokens up in the tables. */
LepBuf
lep_build_embed(LepBuilder *b, const LepEmbedTables *tables, uint32_t d)
{
	LepOp *op = lep_build_op(b, LEP_OP_EMBED, tables->word, NULL, 0, d, LEP_ROWS_TOKENS);
	LepGraph *graph = b->graph;
	uint32_t max_len = UINT32_MAX;

	if (op == NULL)
		return LEP_NO_BUF;
	if (tables->position != NULL)
	{
		if (tables->position_first >= tables->n_positions ||
			(tables->position_pad > 0 && tables->position_first == 0))
		{
			lep_build_refuse(b, LEP_BAD_FILE, "the model has %u positions, expected more than %u",
							 tables->n_positions, tables->position_first);
			return LEP_NO_BUF;
		}
		max_len = tables->n_positions - tables->position_first;
	}
	graph->vocab = tables->vocab;
	if (tables->type != NULL && graph->view.desc->plain_types == 0)
		graph->n_types = tables->n_types;
	graph->max_len = max_len;
	op->position_first = tables->position_first;
	op->position_pad = (int32_t) tables->position_pad - 1;
	op->n_slots = 5;
	op->slots[0] = add_weight(b, LEP_STORE_TABLE, tables->vocab, d, tables->word, "");
	if (tables->position != NULL)
		op->slots[1] = add_weight(b, LEP_STORE_TABLE, tables->n_positions, d, tables->position, "");
	if (tables->type != NULL)
		op->slots[2] = add_weight(b, LEP_STORE_TABLE, tables->n_types, d, tables->type, "");
	return op->out;
}

/* Multiply by a matrix. */
LepBuf
lep_build_linear(LepBuilder *b, LepBuf x, uint32_t d_out, bool bias, const char *name, ...)
{
	char text[NAME_MAX_BYTES];
	va_list args;
	LepOp *op;

	va_start(args, name);
	vsnprintf(text, sizeof(text), name, args);
	va_end(args);
	op = lep_build_op(b, LEP_OP_LINEAR, text, &x, 1, d_out, rows_of(b, x));
	if (op == NULL)
		return LEP_NO_BUF;
	op->act = LEP_ACT_NONE;
	op->n_slots = 2;
	op->slots[0] = add_weight(b, LEP_STORE_LINEAR, d_out, lep_build_width(b, x), text, ".weight");
	if (bias)
		op->slots[1] = add_weight(b, LEP_STORE_VECTOR, d_out, 1, text, ".bias");
	return op->out;
}

/* Multiply by a matrix of this name. */
LepBuf
lep_build_linear_of(LepBuilder *b, LepBuf x, uint32_t d_out, const char *weight, const char *bias)
{
	LepOp *op = lep_build_op(b, LEP_OP_LINEAR, weight, &x, 1, d_out, rows_of(b, x));

	if (op == NULL)
		return LEP_NO_BUF;
	op->act = LEP_ACT_NONE;
	op->n_slots = 2;
	op->slots[0] = add_weight(b, LEP_STORE_LINEAR, d_out, lep_build_width(b, x), weight, "");
	if (bias != NULL)
		op->slots[1] = add_weight(b, LEP_STORE_VECTOR, d_out, 1, bias, "");
	return op->out;
}

/* Append a norm. */
static LepBuf
build_norm(LepBuilder *b, LepBuf x, LepNormKind kind, float eps, const char *name)
{
	uint32_t width = lep_build_width(b, x);
	LepOp *op = lep_build_op(b, LEP_OP_NORM, name, &x, 1, width, rows_of(b, x));

	if (op == NULL)
		return LEP_NO_BUF;
	op->eps = eps;
	op->rms = kind == LEP_NORM_RMS;
	op->n_slots = 2;
	op->slots[0] = add_weight(b, LEP_STORE_VECTOR, width, 1, name, ".weight");
	if (kind == LEP_NORM_WITH_BIAS)
		op->slots[1] = add_weight(b, LEP_STORE_VECTOR, width, 1, name, ".bias");
	return op->out;
}

/* Normalise each row's mean and variance. */
LepBuf
lep_build_norm(LepBuilder *b, LepBuf x, float eps, const char *name, ...)
{
	char text[NAME_MAX_BYTES];
	va_list args;

	va_start(args, name);
	vsnprintf(text, sizeof(text), name, args);
	va_end(args);
	return build_norm(b, x, LEP_NORM_WITH_BIAS, eps, text);
}

/* Normalise each row in some way. */
LepBuf
lep_build_norm_of(LepBuilder *b, LepBuf x, LepNormKind kind, float eps, const char *name, ...)
{
	char text[NAME_MAX_BYTES];
	va_list args;

	va_start(args, name);
	vsnprintf(text, sizeof(text), name, args);
	va_end(args);
	return build_norm(b, x, kind, eps, text);
}

/* Add two buffers. */
LepBuf
lep_build_add(LepBuilder *b, LepBuf x, LepBuf y)
{
	const LepBuf in[2] = {x, y};
	LepOp *op =
		lep_build_op(b, LEP_OP_ADD, "residual", in, 2, lep_build_width(b, x), rows_of(b, x));

	if (op == NULL)
		return LEP_NO_BUF;
	if (lep_build_width(b, x) != lep_build_width(b, y) || rows_of(b, x) != rows_of(b, y))
	{
		lep_build_refuse(b, LEP_BAD_FILE, "cannot add rows of %u and %u columns",
						 lep_build_width(b, x), lep_build_width(b, y));
		return LEP_NO_BUF;
	}
	return op->out;
}

/* Apply an activation. */
LepBuf
lep_build_activate(LepBuilder *b, LepBuf x, LepAct act)
{
	LepOp *op =
		lep_build_op(b, LEP_OP_ACTIVATE, "activation", &x, 1, lep_build_width(b, x), rows_of(b, x));

	if (op == NULL)
		return LEP_NO_BUF;
	op->act = act;
	return op->out;
}

/* Multiply the tokens around each one by a matrix. */
LepBuf
lep_build_convolution(LepBuilder *b, LepBuf x, uint32_t d_out, uint32_t n, const char *name)
{
	uint64_t width = (uint64_t) lep_build_width(b, x) * n;
	LepSlot slot = {.store = LEP_STORE_LINEAR, .rows = d_out, .cols = width};
	char weight[2 * NAME_MAX_BYTES];
	LepOp *op = lep_build_op(b, LEP_OP_UNFOLD, name, &x, 1, width, LEP_ROWS_TOKENS);
	LepBuf y;

	if (op == NULL)
		return LEP_NO_BUF;
	if (n == 0 || rows_of(b, x) != LEP_ROWS_TOKENS || width > LEP_MAX_WIDTH)
	{
		lep_build_refuse(b, LEP_UNSUPPORTED, "a convolution over %u tokens is not supported", n);
		return LEP_NO_BUF;
	}
	op->n_around = n;
	y = op->out;
	op = lep_build_op(b, LEP_OP_LINEAR, name, &y, 1, d_out, LEP_ROWS_TOKENS);
	if (op == NULL)
		return LEP_NO_BUF;
	op->act = LEP_ACT_NONE;
	op->n_slots = 2;
	snprintf(weight, sizeof(weight), "%s.weight", name);
	lep_build_part(b, &slot, weight, d_out, width);
	slot.parts[0].depth = n;
	op->slots[0] = lep_build_slot(b, &slot);
	op->slots[1] = add_weight(b, LEP_STORE_VECTOR, d_out, 1, name, ".bias");
	return op->out;
}

/* Multiply an activation by another input. */
LepBuf
lep_build_gate(LepBuilder *b, LepBuf x, LepBuf y, LepAct act)
{
	const LepBuf in[2] = {x, y};
	uint32_t width = x == y ? lep_build_width(b, x) / 2 : lep_build_width(b, x);
	LepOp *op = lep_build_op(b, LEP_OP_GATE, "gate", in, 2, width, rows_of(b, x));

	if (op == NULL)
		return LEP_NO_BUF;
	if (x == y ? lep_build_width(b, x) % 2 != 0
			   : lep_build_width(b, y) != width || rows_of(b, x) != rows_of(b, y))
	{
		lep_build_refuse(b, LEP_BAD_FILE, "cannot multiply rows of %u and %u columns",
						 lep_build_width(b, x), lep_build_width(b, y));
		return LEP_NO_BUF;
	}
	op->in[1].col = x == y ? width : 0;
	op->act = act;
	return op->out;
}

/* Multiply the first half of a buffer by the activation of its second half. */
LepBuf
lep_build_gate_behind(LepBuilder *b, LepBuf x, LepAct act)
{
	LepBuf y = lep_build_gate(b, x, x, act);

	if (y != LEP_NO_BUF)
	{
		LepOp *op = &b->graph->ops[b->graph->n_ops - 1];

		op->in[0].col = op->in[1].col;
		op->in[1].col = 0;
	}
	return y;
}

/* Make one row of each text. */
LepBuf
lep_build_pool(LepBuilder *b, LepBuf x, const uint8_t *modes, uint32_t n_modes, uint32_t skip)
{
	uint64_t width = (uint64_t) lep_build_width(b, x) * n_modes;
	LepOp *op = lep_build_op(b, LEP_OP_POOL, "pool", &x, 1, width, LEP_ROWS_TEXTS);

	if (op == NULL)
		return LEP_NO_BUF;
	if (n_modes == 0 || n_modes > LEP_MAX_POOLS || rows_of(b, x) != LEP_ROWS_TOKENS)
	{
		lep_build_refuse(b, LEP_BAD_FILE, "pooling needs a mode and one row per token");
		return LEP_NO_BUF;
	}
	memcpy(op->modes, modes, n_modes);
	op->n_modes = n_modes;
	op->skip = skip;
	return op->out;
}

/* Keep the picked rows. */
LepBuf
lep_build_pick(LepBuilder *b, LepBuf x)
{
	LepOp *op = lep_build_op(b, LEP_OP_PICK, "pick", &x, 1, lep_build_width(b, x), LEP_ROWS_PICKS);

	return op == NULL ? LEP_NO_BUF : op->out;
}

/* Pool a linear's outputs as sparse weights. */
LepBuf
lep_build_sparse(LepBuilder *b, LepBuf x, uint32_t d_out, const char *weight, const char *bias,
				 LepSparse sparse, uint32_t n_logs)
{
	LepOp *op = lep_build_op(b, LEP_OP_SPARSE, weight, &x, 1, d_out, LEP_ROWS_TEXTS);

	if (op == NULL)
		return LEP_NO_BUF;
	op->n_slots = 2;
	op->slots[0] = add_weight(b, LEP_STORE_LINEAR, d_out, lep_build_width(b, x), weight, "");
	if (bias != NULL)
		op->slots[1] = add_weight(b, LEP_STORE_VECTOR, d_out, 1, bias, "");
	op->sparse = sparse;
	op->n_logs = n_logs;
	return op->out;
}

/* Scale each row to unit length. */
LepBuf
lep_build_normalize(LepBuilder *b, LepBuf x)
{
	LepOp *op =
		lep_build_op(b, LEP_OP_NORMALIZE, "normalize", &x, 1, lep_build_width(b, x), rows_of(b, x));

	return op == NULL ? LEP_NO_BUF : op->out;
}

/* Keep the first columns. */
LepBuf
lep_build_cut(LepBuilder *b, LepBuf x, uint32_t d)
{
	LepOp *op = lep_build_op(b, LEP_OP_CUT, "cut", &x, 1, d, rows_of(b, x));

	if (op == NULL)
		return LEP_NO_BUF;
	if (d > lep_build_width(b, x))
	{
		lep_build_refuse(b, LEP_BAD_FILE, "cannot keep %u of %u columns", d, lep_build_width(b, x));
		return LEP_NO_BUF;
	}
	return op->out;
}

/* act(x * weight^T + bias), plus x itself or x * residual^T where the module says so */
static LepBuf
build_dense(LepBuilder *b, LepBuf x, const LepModule *module)
{
	LepBuf y = lep_build_linear(b, x, module->d_out, module->has_bias, "linear");

	if (module->act != LEP_ACT_NONE)
		y = lep_build_activate(b, y, (LepAct) module->act);
	if (module->residual && module->d_in != module->d_out)
		x = lep_build_linear(b, x, module->d_out, false, "residual");
	return module->residual ? lep_build_add(b, y, x) : y;
}

/* Append the modules that stand behind an embedding model's encoder. */
static void
build_modules(LepBuilder *b, const LepDesc *desc)
{
	LepBuf x = b->graph->n_buffers - 1;

	for (uint32_t i = 0; i < desc->n_modules && b->status == LEP_OK; i++)
	{
		const LepModule *module = &desc->modules[i];

		if (module->d_in != lep_build_width(b, x))
			lep_build_refuse(b, LEP_BAD_FILE, "module %u expects rows of %u columns, found %u", i,
							 module->d_in, lep_build_width(b, x));
		b->module = (int32_t) i;
		switch ((LepModuleKind) module->kind)
		{
			case LEP_MODULE_POOL:
				x = lep_build_pool(b, x, module->pools, lep_desc_pool_count(module),
								   module->skip_prompt ? desc->prompt_tokens : 0);
				break;
			case LEP_MODULE_DENSE:
				x = build_dense(b, x, module);
				break;
			case LEP_MODULE_NORM:
				x = lep_build_norm(b, x, module->eps, "norm");
				break;
			case LEP_MODULE_NORMALIZE:
				x = lep_build_normalize(b, x);
				break;
			default:
				lep_build_refuse(b, LEP_UNSUPPORTED, "module %u has unknown kind %u", i,
								 module->kind);
		}
		if (b->status == LEP_OK && lep_build_width(b, x) != module->d_out)
			lep_build_refuse(b, LEP_BAD_FILE, "module %u gives rows of %u columns, expected %u", i,
							 lep_build_width(b, x), module->d_out);
	}
	b->module = -1;
	if (b->status == LEP_OK && lep_desc_width(desc) < lep_build_width(b, x))
		lep_build_cut(b, x, lep_desc_width(desc));
}

/* Check that the last operator gives rows of the task's kind and the description's width. */
static LepStatus
check_output(LepBuilder *b, const LepDesc *desc)
{
	static const LepRows rows[LEP_TASK_COUNT] = {
		[LEP_TASK_EMBED] = LEP_ROWS_TEXTS,	   [LEP_TASK_CLASSIFY] = LEP_ROWS_TEXTS,
		[LEP_TASK_ENTITIES] = LEP_ROWS_TOKENS, [LEP_TASK_ANSWER] = LEP_ROWS_TOKENS,
		[LEP_TASK_MASK] = LEP_ROWS_PICKS,	   [LEP_TASK_SPARSE] = LEP_ROWS_TEXTS,
	};
	LepBuf out = b->graph->n_buffers - 1;

	if (b->graph->n_ops == 0 || b->graph->ops[b->graph->n_ops - 1].out != out ||
		rows_of(b, out) != rows[desc->task])
		return lep_build_refuse(b, LEP_UNSUPPORTED, "the model does not give the rows of its task");
	if (lep_build_width(b, out) != lep_desc_width(desc))
		return lep_build_refuse(b, LEP_BAD_FILE, "the model gives rows of %u columns, expected %u",
								lep_build_width(b, out), lep_desc_width(desc));
	return LEP_OK;
}

/* Build a description's graph and run the passes. */
LepStatus
lep_graph_build(const LepDescView *view, const LepKernels *kernels, LepArena *arena,
				LepGraph **graph, LepError *err)
{
	const LepFamily *family = lep_family_find(view->desc->family);
	LepBuilder b = {NULL, err, LEP_OK, -1};
	LepStatus status;

	*graph = NULL;
	if (family == NULL)
	{
		lep_error(err, LEP_UNSUPPORTED, "model family is not supported");
		return LEP_UNSUPPORTED;
	}
	b.graph = lep_arena_alloc(arena, sizeof(LepGraph));
	if (b.graph == NULL)
		return lep_graph_no_memory(err);
	b.graph->view = *view;
	b.graph->kernels = kernels;
	b.graph->arena = arena;
	status = family->build(&b, view->desc, err);
	if (status == LEP_OK && view->desc->task == LEP_TASK_EMBED)
		build_modules(&b, view->desc);
	if (status == LEP_OK)
		status = b.status;
	if (status == LEP_OK)
		status = check_output(&b, view->desc);
	if (status == LEP_OK)
		status = lep_pass_fuse(b.graph, err);
	if (status == LEP_OK)
		status = lep_pass_pick(b.graph, err);
	if (status == LEP_OK)
		status = lep_pass_precision(b.graph, err);
	if (status == LEP_OK)
		status = lep_pass_memory(b.graph, err);
	if (status == LEP_OK)
		*graph = b.graph;
	return status;
}
