/*
 * graph_attention.c: runs attention over the whole texts of a piece, in calls of bounded work; in
 * 16-bit floats where its inputs are.  The arithmetic is the kernels'.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "graph_run.h"

#define QUERIES_STEP 84 /* queries of a call cut short: whole tiles of all kernels */

/* out[text's tokens, heads * d_head] = attention on 16-bit floats; args is of f32 but for q, k and v. */
static void
attend_half(const LepRun *run, const LepOp *op, const LepAttention *args, size_t at)
{
	LepAttentionHalf half = {
		.q = lep_run_halves(run, op->in[0]) + at,
		.k = lep_run_halves(run, op->in[1]) + at,
		.v = lep_run_halves(run, op->in[2]) + at,
		.ldq = args->ldq,
		.out = args->out,
		.ldo = args->ldo,
		.n_tokens = args->n_tokens,
		.n_heads = args->n_heads,
		.d_head = args->d_head,
		.scale = args->scale,
		.scratch = args->scratch,
	};

	run->kernels->attention_half(&half);
}

/* Point args at the relations of heads from head on; args has n_tokens and d_head. */
static void
set_relations(const LepRun *run, const LepOp *op, size_t head, LepAttention *args)
{
	size_t n = run->max_len;
	const float *turn = lep_run_relation(run, op->turn);
	const float *bias = lep_run_relation(run, op->bias);
	const float *place = lep_run_relation(run, op->place);
	const float *keys = lep_run_weight(run, op, 1);
	const float *queries = lep_run_weight(run, op, 2);

	args->local = op->local;
	args->cosine = turn;
	args->sine = turn != NULL ? turn + n * (args->d_head / 2) : NULL;
	args->ldb = 2 * n - 1;
	args->bias = bias != NULL ? bias + head * args->ldb + n - 1 : NULL;
	args->place = place != NULL ? (const int32_t *) place + n - 1 : NULL;
	args->ldp = op->n_heads * args->d_head;
	args->place_key = place != NULL && keys != NULL ? keys + head * args->d_head : NULL;
	args->place_query = place != NULL && queries != NULL ? queries + head * args->d_head : NULL;
}

/* Attend in calls of some queries each, where one head is too much for one call. */
static LepStatus
attend_head(const LepRun *run, LepAttention *args, uint64_t query_flops)
{
	size_t share = lep_run_share(run, args->n_tokens, query_flops, QUERIES_STEP);

	for (size_t done = 0; done < args->n_tokens; done += share)
	{
		args->first_query = done;
		args->n_queries = args->n_tokens - done < share ? args->n_tokens - done : share;
		if (lep_stopped(run->stop))
			return LEP_CANCELLED;
		run->kernels->attention(args);
	}
	args->first_query = args->n_queries = 0;
	return LEP_OK;
}

/* Attend over one text, whose rows begin at row of the piece; args has what all texts share. */
static LepStatus
attend_text(const LepRun *run, const LepOp *op, const LepAttention *all, size_t row)
{
	uint64_t n = all->n_tokens;
	uint64_t seen = op->local > 0 && 2 * (uint64_t) op->local < n ? 2 * (uint64_t) op->local : n;
	uint64_t query_flops = (op->place > 0 ? 8 : 4) * seen * all->d_head;
	size_t share = lep_run_share(run, op->n_heads, n * query_flops, op->n_group);
	bool whole = share > op->n_group || op->n_group * n * query_flops <= run->graph->call_flops;
	bool half = run->graph->buffers[op->in[0].buf].half;
	LepAttention args = *all;
	LepStatus status = LEP_OK;

	/* Heads that share keys stay together. */
	share = share < op->n_group ? op->n_group : share;
	for (size_t head = 0; head < op->n_heads && status == LEP_OK; head += args.n_heads)
	{
		size_t left = op->n_heads - head;
		size_t at = row * args.ldq + head * args.d_head;
		size_t key = row * args.ldq + head / op->n_group * args.d_head;

		args.n_heads = left < share ? left : share;
		args.q = all->q + at;
		args.k = all->k + key;
		args.v = all->v + key;
		args.out = all->out + row * args.ldo + head * args.d_head;
		set_relations(run, op, head, &args);
		if (lep_stopped(run->stop))
			return LEP_CANCELLED;
		if (half)
			attend_half(run, op, &args, at);
		else if (whole)
			run->kernels->attention(&args);
		else
			status = attend_head(run, &args, op->n_group * query_flops);
	}
	return status;
}

/* Attend over each text of the group. */
LepStatus
lep_run_attention(LepRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	const uint32_t *starts = run->batch->starts;
	LepStatus status = LEP_OK;
	LepAttention args;
	size_t n_rows;

	memset(&args, 0, sizeof(args));
	args.q = lep_run_rows(run, op->in[0], &n_rows);
	args.k = lep_run_rows(run, op->in[1], &n_rows);
	args.v = lep_run_rows(run, op->in[2], &n_rows);
	args.out = lep_run_rows(run, to, &n_rows);
	args.ldq = run->graph->buffers[op->in[0].buf].width;
	args.ldo = run->graph->buffers[op->out].width;
	args.d_head = run->graph->buffers[op->out].width / op->n_heads;
	args.n_group = op->n_group;
	args.scale = op->scale;
	args.scratch = run->attention;
	for (size_t text = run->text; text < run->text + run->n_texts && status == LEP_OK; text++)
	{
		args.n_tokens = starts[text + 1] - starts[text];
		status = attend_text(run, op, &args, starts[text] - run->row);
	}
	return status;
}
