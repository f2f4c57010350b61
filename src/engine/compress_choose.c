/*
 * compress_choose.c: where a compressed model is not close enough to the original, gives
 * linears more bits: first those whose bits buy most, as measured on the sample.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "compress_parts.h"

#define ROUNDS	8 /* of upgrades when labels, not cosines, are to become better */
#define RETURNS 6 /* linears that may be tried with fewer bits again */

/* A linear that could have more bits. */
typedef struct Upgrade
{
	uint32_t op;		/* the first that uses it */
	LepPressed fewer;	/* as it is */
	LepPressed half;	/* in 16 bits */
	double error;		/* of its outputs in 16 bits ... */
	double fewer_error; /* ... and as it is */
	double gain;		/* of the mean cosine when it alone gets them */
	double price;		/* bytes that it then takes more */
	bool taken;
} Upgrade;

typedef struct Choice
{
	LepCompression *c;
	LepSampleRun trial;
	Upgrade *upgrades;
	size_t n;
} Choice;

/* Is this close enough? */
static bool
holds(const LepCompression *c, const LepFidelity *f)
{
	bool labels = c->press.source->view.desc->task == LEP_TASK_CLASSIFY;

	return f->mean >= c->options->min_cosine &&
		   (!labels || f->agreement >= c->options->min_agreement);
}

/* Compress a linear to 16 bits; its inputs are those of the trial. */
static LepStatus
make_half(Choice *choice, Upgrade *upgrade)
{
	static const LepScheme half[] = {LEP_SCHEME_F16};
	LepCompression *c = choice->c;
	const LepOp *op = &c->sample.graph->ops[upgrade->op];
	const LepSlot *slot = &c->sample.graph->slots[op->slots[0]];
	LepFit fit = {
		.w = c->w, .rows = slot->rows, .cols = slot->cols, .schemes = half, .n_schemes = 1};
	LepStatus status = lep_sample_weights(&c->sample, op->slots[0], c->w);

	fit.x = lep_sample_input(&c->sample, &choice->trial, op, &fit.ldx, &fit.n);
	if (status == LEP_OK)
		status = lep_fit_linear(&c->press, &fit, c->arena, &upgrade->half, &upgrade->error);
	return status;
}

/* List the linears that could get more bits and measure what each would gain. */
static LepStatus
measure_gains(Choice *choice, const LepFidelity *now)
{
	LepCompression *c = choice->c;
	const LepGraph *graph = c->sample.graph;
	LepStatus status = LEP_OK;
	bool *seen = lep_arena_array(&c->scratch, graph->n_slots, sizeof(bool));

	choice->upgrades = lep_arena_array(&c->scratch, graph->n_ops, sizeof(Upgrade));
	if (seen == NULL || choice->upgrades == NULL)
		return lep_press_no_memory(&c->press);
	for (uint32_t i = 0; i < graph->n_ops && status == LEP_OK; i++)
	{
		const LepOp *op = &graph->ops[i];
		LepPressed *stored = op->kind == LEP_OP_LINEAR ? &c->stored[op->slots[0]] : NULL;

		if (lep_compression_takes(c, i) && !seen[op->slots[0]])
		{
			Upgrade *upgrade = &choice->upgrades[choice->n++];

			seen[op->slots[0]] = true;
			upgrade->op = i;
			upgrade->fewer = *stored;
			upgrade->fewer_error = c->errors[op->slots[0]];
			choice->trial.tables = c->pressed.tables;
			memcpy(choice->trial.memory, c->pressed.memory, c->sample.regions.total);
			status = make_half(choice, upgrade);
			*stored = upgrade->half;
			if (status == LEP_OK)
				status = lep_compression_run(c, &choice->trial, i);
			upgrade->gain = lep_compression_compare(c, choice->trial.out).mean - now->mean;
			upgrade->price = (double) lep_pressed_bytes(&upgrade->half) -
							 (double) lep_pressed_bytes(&upgrade->fewer);
			*stored = upgrade->fewer;
			lep_compression_report(c, 1);
		}
		if (status == LEP_OK)
			status = lep_compression_step(c, &c->pressed, i, stored);
	}
	return status;
}

/* Order upgrades by what a byte buys, the best first. */
static void
order_upgrades(Choice *choice)
{
	for (size_t i = 1; i < choice->n; i++)
	{
		Upgrade upgrade = choice->upgrades[i];
		size_t at = i;

		for (; at > 0 && choice->upgrades[at - 1].gain / choice->upgrades[at - 1].price <
							 upgrade.gain / upgrade.price;
			 at--)
			choice->upgrades[at] = choice->upgrades[at - 1];
		choice->upgrades[at] = upgrade;
	}
}

/* Give a linear 16 bits, all of its own, or 8 again. */
static void
set(Choice *choice, Upgrade *upgrade, LepScheme scheme)
{
	LepCompression *c = choice->c;
	const LepOp *op = &c->sample.graph->ops[upgrade->op];
	LepPressed *stored = &c->stored[op->slots[0]];

	c->errors[op->slots[0]] = scheme == LEP_SCHEME_F16	 ? upgrade->error
							  : scheme == LEP_SCHEME_F32 ? 0
														 : upgrade->fewer_error;
	if (scheme == LEP_SCHEME_F16)
	{
		*stored = upgrade->half;
		upgrade->taken = true;
	}
	else if (scheme == LEP_SCHEME_F32)
		stored->scheme = LEP_SCHEME_F32;
	else
	{
		*stored = upgrade->fewer;
		upgrade->taken = false;
	}
	if (op->slots[1] != LEP_NO_SLOT)
		c->vectors[op->slots[1]] =
			scheme == LEP_SCHEME_F16 || scheme == LEP_SCHEME_F32 ? NULL : upgrade->fewer.bias;
}

/* Measure the whole as it is now. */
static LepStatus
verify(LepCompression *c, LepFidelity *fidelity)
{
	LepStatus status = lep_compression_run(c, &c->pressed, 0);

	*fidelity = lep_compression_compare(c, c->pressed.out);
	lep_compression_report(c, 1);
	return status;
}

/* Upgrade linears, one by one or as many as should do, until the whole is close enough. */
static LepStatus
upgrade_all(Choice *choice, LepScheme scheme, LepFidelity *fidelity)
{
	LepCompression *c = choice->c;
	LepStatus status = LEP_OK;
	size_t at = 0;

	while (at < choice->n && status == LEP_OK && !holds(c, fidelity))
	{
		double missing = c->options->min_cosine - fidelity->mean;
		size_t least = at + (missing > 0 ? 1 : (choice->n + ROUNDS - 1) / ROUNDS);

		while (at < choice->n && (at < least || missing > 0))
		{
			missing -= choice->upgrades[at].gain;
			set(choice, &choice->upgrades[at++], scheme);
		}
		status = verify(c, fidelity);
	}
	return status;
}

/* Try whether some upgrades, those that bought least first, were not needed. */
static LepStatus
give_back(Choice *choice, LepFidelity *fidelity)
{
	LepCompression *c = choice->c;
	LepStatus status = LEP_OK;
	int tries = 0;

	for (size_t i = choice->n; i-- > 0 && tries < RETURNS && status == LEP_OK;)
	{
		LepFidelity without;

		if (!choice->upgrades[i].taken)
			continue;
		tries++;
		set(choice, &choice->upgrades[i], LEP_SCHEME_I8);
		status = verify(c, &without);
		if (holds(c, &without))
			*fidelity = without;
		else
			set(choice, &choice->upgrades[i], LEP_SCHEME_F16);
	}
	return status;
}

/* Leave the tables as they are. */
static LepStatus
restore_tables(LepCompression *c, LepFidelity *fidelity)
{
	const LepGraph *graph = c->sample.graph;

	for (uint32_t i = 0; i < graph->n_slots; i++)
		if (graph->slots[i].store == LEP_STORE_TABLE)
			c->stored[i].scheme = LEP_SCHEME_F32;
	c->pressed.tables = c->plain.tables;
	return verify(c, fidelity);
}

/* Give linears more bits until the outputs are as close as was asked for. */
LepStatus
lep_compression_improve(LepCompression *c, LepFidelity *fidelity)
{
	Choice choice = {.c = c};
	LepStatus status;

	if (holds(c, fidelity))
		return LEP_OK;
	status = lep_sample_run(&c->sample, &choice.trial);
	if (status == LEP_OK)
		status = measure_gains(&choice, fidelity);
	if (status != LEP_OK)
		return status;
	order_upgrades(&choice);
	status = upgrade_all(&choice, LEP_SCHEME_F16, fidelity);
	if (status == LEP_OK && holds(c, fidelity))
		return give_back(&choice, fidelity);
	if (status == LEP_OK)
		status = restore_tables(c, fidelity);
	if (status == LEP_OK)
		status = upgrade_all(&choice, LEP_SCHEME_F32, fidelity);
	return status;
}
