/*
 * desc.c: the model description's texts, width and self-check; reads no files.
 */
#define LEPTON_ENGINE_SOURCE
#include "desc.h"

#include <math.h>
#include <string.h>

/* Find text number i behind the description, "" when there are fewer. */
static const char *
text_at(const LepDescView *view, uint32_t i)
{
	const char *at = view->texts;
	const char *end = view->texts + view->desc->text_bytes;

	while (i > 0 && at < end)
	{
		at += strnlen(at, (size_t) (end - at)) + 1;
		i--;
	}
	return at < end ? at : "";
}

/* Label i of a view. */
const char *
lep_desc_label(const LepDescView *view, uint32_t i)
{
	return text_at(view, i);
}

/* The prompt put before every text. */
const char *
lep_desc_prompt(const LepDescView *view)
{
	return text_at(view, view->desc->n_labels);
}

/* Name of a prompt. */
const char *
lep_desc_prompt_name(const LepDescView *view, uint32_t i)
{
	return text_at(view, view->desc->n_labels + 1 + 2 * i);
}

/* Text of a prompt. */
const char *
lep_desc_prompt_text(const LepDescView *view, uint32_t i)
{
	return text_at(view, view->desc->n_labels + 2 + 2 * i);
}

/* How each weight slot is stored. */
const char *
lep_desc_precision(const LepDescView *view)
{
	return text_at(view, view->desc->n_labels + 1 + 2 * view->desc->n_prompts);
}

/* Count the modes that a pooling module concatenates. */
uint32_t
lep_desc_pool_count(const LepModule *module)
{
	uint32_t n = 0;

	while (n < LEP_MAX_POOLS && module->pools[n] != LEP_POOL_NONE)
		n++;
	return n;
}

/* Name a task. */
const char *
lep_task_name(LepTask task)
{
	static const char *const names[LEP_TASK_COUNT] = {
		[LEP_TASK_EMBED] = "embed",		  [LEP_TASK_CLASSIFY] = "classify",
		[LEP_TASK_ENTITIES] = "entities", [LEP_TASK_ANSWER] = "answer",
		[LEP_TASK_MASK] = "fill_mask",	  [LEP_TASK_SPARSE] = "sparse_embed",
	};

	return (unsigned) task < LEP_TASK_COUNT ? names[task] : "";
}

/* Most tokens that a text may have. */
uint32_t
lep_desc_places(const LepDesc *desc)
{
	return desc->n_positions > desc->position_first ? desc->n_positions - desc->position_first : 0;
}

/* Width of an output row. */
uint32_t
lep_desc_width(const LepDesc *desc)
{
	uint32_t width = desc->hidden;

	if (desc->task == LEP_TASK_CLASSIFY || desc->task == LEP_TASK_ENTITIES)
		return desc->n_labels;
	if (desc->task == LEP_TASK_ANSWER)
		return 2;
	if (desc->task == LEP_TASK_MASK || desc->task == LEP_TASK_SPARSE)
		return desc->vocab;
	if (desc->n_modules > 0 && desc->n_modules <= LEP_MAX_MODULES)
		width = desc->modules[desc->n_modules - 1].d_out;
	if (desc->truncate_dim > 0 && desc->truncate_dim < width)
		width = desc->truncate_dim;
	return width;
}

/* Report that a number of the description is outside [min, max]. */
static LepStatus
check_range(const char *name, uint64_t value, uint64_t min, uint64_t max, LepError *err)
{
	if (value >= min && value <= max)
		return LEP_OK;
	lep_error(err, LEP_BAD_IMAGE, "model description is damaged");
	lep_error_detail(err, "\"%s\" is %llu, expected %llu to %llu.", name,
					 (unsigned long long) value, (unsigned long long) min,
					 (unsigned long long) max);
	return LEP_BAD_IMAGE;
}

/* Report a contradiction inside the description. */
static LepStatus
damaged(const char *what, LepError *err)
{
	lep_error(err, LEP_BAD_IMAGE, "model description is damaged");
	lep_error_detail(err, "%s.", what);
	return LEP_BAD_IMAGE;
}

/* Check one module against the width that flows into it; advance width. */
static LepStatus
check_module(const LepDesc *desc, uint32_t i, uint32_t *width, LepError *err)
{
	const LepModule *m = &desc->modules[i];
	uint32_t n_pools = lep_desc_pool_count(m);
	LepStatus status;

	if (memchr(m->path, '\0', sizeof(m->path)) == NULL)
		return damaged("A module's path has no end", err);
	status = check_range("module kind", m->kind, LEP_MODULE_POOL, LEP_MODULE_NORMALIZE, err);
	if (status == LEP_OK)
		status = check_range("module input", m->d_in, *width, *width, err);
	if (status == LEP_OK)
		status = check_range("module output", m->d_out, 1, LEP_MAX_WIDTH, err);
	if (status == LEP_OK)
		status = check_range("module flags", m->has_bias | m->residual | m->skip_prompt, 0, 1, err);
	if (status == LEP_OK)
		status = check_range("module activation", m->act, 0, LEP_ACT_COUNT - 1, err);
	if (status != LEP_OK)
		return status;
	if ((m->kind == LEP_MODULE_POOL) != (i == 0))
		return damaged("Pooling must be the first module and no other", err);
	if (m->kind == LEP_MODULE_POOL && (n_pools == 0 || m->d_out != n_pools * m->d_in))
		return damaged("A pooling module's width does not follow from its modes", err);
	if ((m->kind == LEP_MODULE_NORM || m->kind == LEP_MODULE_NORMALIZE) && m->d_out != m->d_in)
		return damaged("A norm changes the width", err);
	for (uint32_t j = 0; j < LEP_MAX_POOLS; j++)
	{
		if (m->pools[j] >= LEP_POOL_COUNT || (j >= n_pools && m->pools[j] != LEP_POOL_NONE))
			return damaged("A pooling mode is unknown", err);
	}
	if (m->kind == LEP_MODULE_NORM && !(isfinite(m->eps) && m->eps >= 0))
		return damaged("A norm's epsilon is not a number", err);
	*width = m->d_out;
	return LEP_OK;
}

/* Check the texts behind the struct: all ended, as many as there must be. */
static LepStatus
check_texts(const LepDescView *view, LepError *err)
{
	const LepDesc *desc = view->desc;
	uint64_t expected;
	uint32_t n = 0;
	LepScheme scheme;
	LepStatus status;

	for (uint32_t i = 0; i < desc->text_bytes; i++)
		n += view->texts[i] == '\0';
	if (desc->text_bytes == 0 || view->texts[desc->text_bytes - 1] != '\0')
		return damaged("The texts have no end", err);
	expected = (uint64_t) desc->n_labels + 2 + 2 * (uint64_t) desc->n_prompts;
	status = check_range("texts", n, expected, expected, err);
	if (status != LEP_OK)
		return status;
	for (const char *letter = lep_desc_precision(view); *letter != '\0'; letter++)
	{
		if (*letter != LEP_VECTOR_LETTER && !lep_scheme_of_letter(*letter, &scheme))
			return damaged("A weight is stored in an unknown way", err);
	}
	return LEP_OK;
}

/* Check every number of the description against its limits and the others. */
LepStatus
lep_desc_check(const LepDescView *view, LepError *err)
{
	const LepDesc *d = view->desc;
	bool labels = d->task == LEP_TASK_CLASSIFY || d->task == LEP_TASK_ENTITIES;
	const struct
	{
		const char *name;
		uint64_t value, min, max;
	} ranges[] = {
		{"task", d->task, LEP_TASK_EMBED, LEP_TASK_COUNT - 1},
		{"layers", d->n_layers, 1, LEP_MAX_LAYERS},
		{"hidden size", d->hidden, 1, LEP_MAX_HIDDEN},
		{"heads", d->n_heads, 1, LEP_MAX_HIDDEN},
		{"intermediate size", d->intermediate, 1, LEP_MAX_WIDTH},
		{"vocabulary", d->vocab, 1, LEP_MAX_VOCAB},
		{"positions", d->n_positions, 1, LEP_MAX_POSITIONS},
		{"first position", d->position_first, 0, LEP_MAX_POSITIONS - 1},
		{"token without a position", d->position_pad, 0, LEP_MAX_VOCAB},
		{"types", d->n_types, 0, LEP_MAX_VOCAB},
		{"embedding size", d->embedding, 1, LEP_MAX_HIDDEN},
		{"activation", d->act, 0, LEP_ACT_COUNT - 1},
		{"max_tokens", d->max_tokens, 1, lep_desc_places(d)},
		{"prompt tokens", d->prompt_tokens, 0, d->max_tokens},
		{"lower_first", d->lower_first, 0, 1},
		{"plain types", d->plain_types, 0, 1},
		{"labels", d->n_labels, labels ? 1 : 0, labels ? LEP_MAX_LABELS : 0},
		{"problem", d->problem, labels ? 1 : 0, labels ? LEP_PROBLEM_REGRESSION : 0},
		{"activation of a rank", d->rank_act, 0, LEP_ACT_COUNT - 1},
		{"mask", d->mask_token, 0, d->vocab},
		{"tied decoder", d->tied, 0, 1},
		{"sparse pooling", d->sparse, LEP_SPARSE_MAX, LEP_SPARSE_SUM},
		{"sparse weights", d->sparse_most, 0, INT32_MAX},
		{"sparse logarithms", d->sparse_logs, d->task == LEP_TASK_SPARSE ? 1 : 0,
		 d->task == LEP_TASK_SPARSE ? 2 : 0},
		{"modules", d->n_modules, d->task == LEP_TASK_EMBED ? 1 : 0,
		 d->task == LEP_TASK_EMBED ? LEP_MAX_MODULES : 0},
	};
	uint32_t width = d->hidden;
	LepStatus status;

	if (memchr(d->family, '\0', sizeof(d->family)) == NULL)
		return damaged("The family's name has no end", err);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
	{
		status = check_range(ranges[i].name, ranges[i].value, ranges[i].min, ranges[i].max, err);
		if (status != LEP_OK)
			return status;
	}
	if (d->hidden % d->n_heads != 0)
		return damaged("The hidden size is not a multiple of the heads", err);
	if (!(isfinite(d->norm_eps) && d->norm_eps >= 0))
		return damaged("The norm's epsilon is not a number", err);
	for (uint32_t i = 0; i < d->n_modules; i++)
	{
		status = check_module(d, i, &width, err);
		if (status != LEP_OK)
			return status;
	}
	status = check_range("truncate_dim", d->truncate_dim, 0, width, err);
	return status != LEP_OK ? status : check_texts(view, err);
}
