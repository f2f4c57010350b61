/*
 * compress.c: compresses a model in one walk through its graph: the sample goes
 * along as it is and as the compressed model sees it, every linear is compressed for the inputs that
 * it will get, and in the end both outputs are compared.  It knows neither catalog nor texts.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "compress_parts.h"

#define RUN_FLOATS (44u << 20) /* of a run's buffers: more tokens of the sample are left out */
#define RUN_TOKENS 16384	   /* of the sample that are used */

static const LepScheme all_i8[] = {LEP_SCHEME_I8_ASYMMETRIC, LEP_SCHEME_I8_SYMMETRIC,
								   LEP_SCHEME_I8_FULL};

/* The schemes of linears and tables that a precision stands for. */
static LepStatus
read_precision(const LepCompression *c, const LepScheme **schemes, size_t *n, LepScheme *table)
{
	static const LepScheme single[] = {LEP_SCHEME_F16, LEP_SCHEME_BF16, LEP_SCHEME_I4};
	const char *name = c->options->precision;
	char quoted[LEP_QUOTE_SIZE];
	bool automatic = strcmp(name, "auto") == 0;

	*schemes = all_i8;
	*n = automatic ? sizeof(all_i8) / sizeof(all_i8[0]) : 1;
	*table = LEP_SCHEME_I8;
	if (automatic || strcmp(name, "i8") == 0)
		return LEP_OK;
	for (size_t i = 0; i < sizeof(all_i8) / sizeof(all_i8[0]); i++)
	{
		*schemes = &all_i8[i];
		if (strcmp(name, lep_scheme_name(all_i8[i])) == 0)
			return LEP_OK;
	}
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
	{
		*schemes = &single[i];
		if (single[i] != LEP_SCHEME_I4)
			*table = single[i];
		else
			*table = LEP_SCHEME_I8;
		if (strcmp(name, lep_scheme_name(single[i])) == 0)
			return LEP_OK;
	}
	lep_error(c->press.err, LEP_BAD_INPUT, "precision \"%s\" is unknown",
			  lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
	lep_error_hint(c->press.err, "Use auto, i8, i8_symmetric, i8_asymmetric, i8_full, i4, f16 or "
								 "bf16.");
	return LEP_BAD_INPUT;
}

/* Tell how far the work is. */
void
lep_compression_report(LepCompression *c, uint64_t more)
{
	c->done += more;
	if (c->done > c->total)
		c->total = c->done;
	if (c->progress != NULL && c->progress->report != NULL)
		c->progress->report(c->progress->ctx, c->done, c->total);
}

/* Choose texts of the sample that together are not too many. */
static LepStatus
cut_sample(LepCompression *c, const LepCompressSample *all, size_t most, LepCompressSample *some)
{
	size_t stride = most > 0 ? (all->n_tokens + most - 1) / most : 1;
	int32_t *ids;
	uint32_t *starts;

	*some = *all;
	if (stride <= 1)
		return LEP_OK;
	ids = lep_arena_array(&c->scratch, all->n_tokens, sizeof(int32_t));
	starts = lep_arena_array(&c->scratch, all->n_texts + 1, sizeof(uint32_t));
	if (ids == NULL || starts == NULL)
		return lep_press_no_memory(&c->press);
	*some = (LepCompressSample){.ids = ids, .starts = starts};
	for (size_t i = 0; i < all->n_texts; i += stride)
	{
		size_t n = all->starts[i + 1] - all->starts[i];

		if (some->n_texts > 0 && some->n_tokens + n > most)
			continue;
		memcpy(ids + some->n_tokens, all->ids + all->starts[i], n * sizeof(int32_t));
		some->n_tokens += n;
		starts[++some->n_texts] = (uint32_t) some->n_tokens;
	}
	return LEP_OK;
}

/* Check the source and the sample, and prepare the walk. */
static LepStatus
prepare(LepCompression *c, const LepCompressSample *all)
{
	const LepSource *source = c->press.source;
	const LepDesc *desc = source->view.desc;
	size_t most = RUN_FLOATS / (3 * (size_t) desc->hidden + desc->intermediate);
	size_t widest = 1;
	size_t largest = 1;
	LepCompressSample sample;
	LepStatus status;
	LepGraph *graph;

	if (source->compressed != NULL)
		return lep_error(c->press.err, LEP_BAD_INPUT, "the model is compressed already");
	if (all->n_texts == 0)
		return lep_error(c->press.err, LEP_BAD_INPUT, "the sample has no texts");
	status = cut_sample(c, all, most < RUN_TOKENS ? most : RUN_TOKENS, &sample);
	if (status == LEP_OK)
		status = lep_sample_graph(&c->press, &c->scratch, &sample, &c->sample);
	if (status == LEP_OK)
		status = lep_sample_run(&c->sample, &c->plain);
	if (status == LEP_OK)
		status = lep_sample_run(&c->sample, &c->pressed);
	if (status != LEP_OK)
		return status;
	graph = c->sample.graph;
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];
		const LepSlot *slot = op->slots[0] != LEP_NO_SLOT ? &graph->slots[op->slots[0]] : NULL;

		if (op->kind == LEP_OP_NORM && slot->parts[0].module < 0)
			c->last_norm = i;
		if (op->kind != LEP_OP_LINEAR)
			continue;
		widest = slot->cols > widest ? slot->cols : widest;
		largest = slot->rows * slot->cols > largest ? slot->rows * slot->cols : largest;
		c->total++;
	}
	c->w = lep_arena_array(&c->scratch, largest, sizeof(float));
	c->room = lep_arena_array(&c->scratch, LEP_RUN_ROWS * widest, sizeof(float));
	c->stored = lep_arena_array(&c->scratch, graph->n_slots, sizeof(LepPressed));
	c->vectors = lep_arena_array(&c->scratch, graph->n_slots, sizeof(float *));
	c->errors = lep_arena_array(&c->scratch, graph->n_slots, sizeof(double));
	if (c->w == NULL || c->room == NULL || c->stored == NULL || c->vectors == NULL ||
		c->errors == NULL)
		return lep_press_no_memory(&c->press);
	return LEP_OK;
}

/* Is operator i a linear that may be compressed? */
bool
lep_compression_takes(const LepCompression *c, uint32_t i)
{
	const LepGraph *graph = c->sample.graph;
	const LepOp *op = &graph->ops[i];

	return op->kind == LEP_OP_LINEAR && i < c->last_norm &&
		   graph->slots[op->slots[0]].parts[0].module < 0 &&
		   graph->slots[op->slots[0]].cols <= LEP_I8_INPUTS_MAX;
}

/*
 * Compress the tables of an embedding.  Rounding errors of the small ones, whose rows are added to many
 * tokens, do not average out, so these keep 16 bits.
 */
LepStatus
lep_compression_tables(LepCompression *c, const LepOp *op, LepScheme scheme)
{
	LepStatus status = LEP_OK;

	if (c->plain.tables.word != NULL)
		return LEP_OK;
	for (uint32_t i = 0; i < 3 && status == LEP_OK; i++)
		if (op->slots[i] != LEP_NO_SLOT)
			status = lep_sample_table(
				&c->sample, op, i, i > 0 && scheme == LEP_SCHEME_I8 ? LEP_SCHEME_F16 : scheme,
				c->arena, &c->plain.tables, &c->pressed.tables, &c->stored[op->slots[i]]);
	return status;
}

/* Compress a linear for the inputs that it gets in the compressed run. */
static LepStatus
press_linear(LepCompression *c, const LepOp *op, const LepScheme *schemes, size_t n_schemes)
{
	static const LepScheme instead[] = {LEP_SCHEME_I8_ASYMMETRIC};
	const LepSlot *slot = &c->sample.graph->slots[op->slots[0]];
	LepPressed *stored = &c->stored[op->slots[0]];
	LepFit fit = {.w = c->w, .rows = slot->rows, .cols = slot->cols};
	LepStatus status;

	if (stored->scheme != LEP_SCHEME_F32)
		return LEP_OK; /* layers share it */
	fit.x = lep_sample_input(&c->sample, &c->pressed, op, &fit.ldx, &fit.n);
	if (c->shared[op->slots[0]].n > 0)
	{
		fit.x = c->shared[op->slots[0]].x;
		fit.ldx = slot->cols;
		fit.n = c->shared[op->slots[0]].n;
	}
	fit.schemes = schemes;
	fit.n_schemes = n_schemes;
	if (schemes[0] == LEP_SCHEME_I4 && slot->cols % LEP_I4_GROUP != 0)
		fit.schemes = instead;
	if (op->slots[1] != LEP_NO_SLOT)
		fit.bias = c->sample.graph->slots[op->slots[1]].data;
	status = lep_fit_linear(&c->press, &fit, c->arena, stored, &c->errors[op->slots[0]]);
	if (status == LEP_OK && stored->bias != NULL)
		c->vectors[op->slots[1]] = stored->bias;
	return status;
}

/* Run operator i of a run, its weight stored in this way. */
LepStatus
lep_compression_step(LepCompression *c, LepSampleRun *run, uint32_t i, const LepPressed *stored)
{
	const LepOp *op = &c->sample.graph->ops[i];
	LepStatus status = LEP_OK;

	if (op->kind == LEP_OP_LINEAR && (stored == NULL || stored->scheme == LEP_SCHEME_F32))
		status = lep_sample_weights(&c->sample, op->slots[0], c->w);
	else if (op->kind == LEP_OP_LINEAR)
		lep_pressed_value(&c->press, stored, c->w);
	if (status == LEP_OK)
		status = lep_sample_step(&c->sample, run, i, c->w, stored, c->room);
	return status;
}

/* Run operators from first on as they are stored now. */
LepStatus
lep_compression_run(LepCompression *c, LepSampleRun *run, uint32_t first)
{
	const LepGraph *graph = c->sample.graph;
	LepStatus status = LEP_OK;

	for (uint32_t i = first; i < graph->n_ops && status == LEP_OK; i++)
		status = lep_compression_step(
			c, run, i,
			graph->ops[i].kind == LEP_OP_LINEAR ? &c->stored[graph->ops[i].slots[0]] : NULL);
	return status;
}

/* Walk through the graph with both runs and compress on the way. */
static LepStatus
walk(LepCompression *c, const LepScheme *schemes, size_t n_schemes, LepScheme table)
{
	const LepGraph *graph = c->sample.graph;
	LepStatus status = LEP_OK;

	for (uint32_t i = 0; i < graph->n_ops && status == LEP_OK; i++)
	{
		const LepOp *op = &graph->ops[i];
		const LepPressed *stored = op->kind == LEP_OP_LINEAR ? &c->stored[op->slots[0]] : NULL;

		if (op->kind == LEP_OP_EMBED)
			status = lep_compression_tables(c, op, table);
		/* The plain run leaves the weights where press_linear() looks for them. */
		if (status == LEP_OK)
			status = lep_compression_step(c, &c->plain, i, NULL);
		if (status == LEP_OK && lep_compression_takes(c, i))
			status = press_linear(c, op, schemes, n_schemes);
		if (status == LEP_OK)
			status = lep_compression_step(c, &c->pressed, i, stored);
		if (op->kind == LEP_OP_LINEAR)
			lep_compression_report(c, 1);
	}
	return status;
}

/* Does a classifier give the same label for logits a[n] and b[n]? */
static bool
same_label(LepProblem problem, const float *a, const float *b, size_t n)
{
	size_t best_a = 0;
	size_t best_b = 0;

	for (size_t i = 0; i < n; i++)
	{
		best_a = a[i] > a[best_a] ? i : best_a;
		best_b = b[i] > b[best_b] ? i : best_b;
		if (problem == LEP_PROBLEM_MULTI_LABEL && (a[i] > 0) != (b[i] > 0))
			return false;
	}
	return problem != LEP_PROBLEM_SINGLE_LABEL || best_a == best_b;
}

/* Compare outputs with the plain run. */
LepFidelity
lep_compression_compare(const LepCompression *c, const float *out)
{
	const LepDesc *desc = c->press.source->view.desc;
	size_t width = lep_desc_width(desc);
	size_t n = lep_graph_out_rows(c->sample.graph, &c->sample.batch);
	bool labels = desc->task != LEP_TASK_EMBED && desc->task != LEP_TASK_SPARSE;
	double all_ab = 0, all_aa = 0, all_bb = 0;
	LepFidelity f = {0, 1, 0};

	for (size_t row = 0; row < n; row++)
	{
		const float *a = c->plain.out + row * width;
		const float *b = out + row * width;
		double ab = 0, aa = 0, bb = 0;
		double cosine;

		for (size_t i = 0; i < width; i++)
		{
			ab += (double) a[i] * b[i];
			aa += (double) a[i] * a[i];
			bb += (double) b[i] * b[i];
		}
		cosine = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : aa == bb;
		cosine = cosine < 1 ? cosine : 1;
		f.mean += cosine / (double) n;
		all_ab += ab;
		all_aa += aa;
		all_bb += bb;
		f.least = cosine < f.least ? cosine : f.least;
		f.agreement += same_label((LepProblem) desc->problem, a, b, width) ? 1 : 0;
	}
	f.agreement /= (double) n;
	/* Few logits close to 0 turn far by little; taken together they show what is lost. */
	if (labels && all_aa > 0 && all_bb > 0)
		f.mean = all_ab / sqrt(all_aa * all_bb);
	return f;
}

/* Bytes of an operator's weights in the source's files. */
static LepStatus
bytes_before(const LepCompression *c, const LepOp *op, uint32_t which, uint64_t *bytes)
{
	const LepTensor *tensors[LEP_MAX_PARTS];
	LepDtype dtype;
	LepStatus status;

	*bytes = 0;
	if (op->slots[which] == LEP_NO_SLOT)
		return LEP_OK;
	status = lep_slot_resolve(c->sample.graph, op->slots[which], c->press.source, tensors, &dtype,
							  c->press.err);
	for (uint32_t j = 0; status == LEP_OK && j < c->sample.graph->slots[op->slots[which]].n_parts;
		 j++)
		*bytes += tensors[j]->size;
	return status;
}

/* Fill the report: one line for the embedding and each linear. */
static LepStatus
describe(const LepCompression *c, LepCompressResult *result)
{
	const LepGraph *graph = c->sample.graph;
	LepCompressLayer *layers = lep_arena_array(c->arena, graph->n_ops, sizeof(LepCompressLayer));

	if (layers == NULL)
		return lep_press_no_memory(&c->press);
	result->layers = layers;
	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		const LepOp *op = &graph->ops[i];
		LepCompressLayer *layer = &layers[result->n_layers];
		uint32_t n = op->kind == LEP_OP_EMBED ? 3 : op->kind == LEP_OP_LINEAR ? 2 : 0;

		if (n == 0)
			continue;
		layer->name = lep_arena_strndup(c->arena, op->name, strlen(op->name));
		if (layer->name == NULL)
			return lep_press_no_memory(&c->press);
		layer->scheme = c->stored[op->slots[0]].scheme;
		layer->error = c->errors[op->slots[0]];
		for (uint32_t j = 0; j < n; j++)
		{
			const LepPressed *stored =
				op->slots[j] != LEP_NO_SLOT ? &c->stored[op->slots[j]] : NULL;
			uint64_t before;
			LepStatus status = bytes_before(c, op, j, &before);

			if (status != LEP_OK)
				return status;
			layer->bytes_before += before;
			layer->bytes += stored != NULL && stored->scheme != LEP_SCHEME_F32
								? lep_pressed_bytes(stored)
								: before;
		}
		result->n_layers++;
	}
	return LEP_OK;
}

/* Name the whole for people. */
static const char *
name_whole(const LepCompression *c)
{
	const LepGraph *graph = c->sample.graph;
	const char *name = NULL;

	for (uint32_t i = 0; i < graph->n_ops; i++)
	{
		LepScheme scheme;
		const char *own;

		if (!lep_compression_takes(c, i))
			continue;
		scheme = c->stored[graph->ops[i].slots[0]].scheme;
		own = scheme == LEP_SCHEME_I8_SYMMETRIC || scheme == LEP_SCHEME_I8_ASYMMETRIC ||
					  scheme == LEP_SCHEME_I8_FULL
				  ? "i8"
				  : lep_scheme_name(scheme);
		if (name != NULL && strcmp(name, own) != 0)
			return "mixed";
		name = own;
	}
	return name != NULL ? name : "f32";
}

/* Compress a prepared model. */
static LepStatus
compress(LepCompression *c, const LepCompressSample *sample, LepCompressResult *result)
{
	const LepScheme *schemes;
	size_t n_schemes;
	LepScheme table;
	LepFidelity fidelity;
	LepStatus status = read_precision(c, &schemes, &n_schemes, &table);

	if (status == LEP_OK)
		status = prepare(c, sample);
	if (status == LEP_OK)
		status = lep_compression_gather(c, table);
	if (status == LEP_OK)
		status = walk(c, schemes, n_schemes, table);
	if (status != LEP_OK)
		return status;
	fidelity = lep_compression_compare(c, c->pressed.out);
	if (n_schemes > 1)
		status = lep_compression_improve(c, &fidelity);
	if (status == LEP_OK)
		status = lep_press_folder(&c->press, c->sample.graph, c->stored, c->vectors, c->arena,
								  &result->folder);
	if (status == LEP_OK)
		status = describe(c, result);
	result->cosine_mean = fidelity.mean;
	result->cosine_min = fidelity.least;
	result->agreement = fidelity.agreement;
	result->precision = name_whole(c);
	return status;
}

/* Compress a model. */
LepStatus
lep_compress(const LepSource *source, const LepCompressOptions *options,
			 const LepCompressSample *sample, const LepKernels *kernels, LepArena *arena,
			 LepCompressResult *result, const LepCompressProgress *progress, const LepStop *stop,
			 LepError *err)
{
	LepCompression c = {.options = options, .arena = arena, .progress = progress};
	LepStatus status;

	memset(result, 0, sizeof(*result));
	c.press = (LepPress){source, kernels, arena->allocator, 0, stop, err};
	lep_arena_init(&c.scratch, arena->allocator, 0);
	status = compress(&c, sample, result);
	lep_arena_free(&c.scratch);
	return status;
}
