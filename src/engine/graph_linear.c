/*
 * graph_linear.c: runs linears over a piece of rows: in f32, or on rows that are narrowed to 8 or
 * 16 bits first; and the norm before a linear, which can narrow in passing.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <string.h>

#include "graph_run.h"

#define CALL_STEP	 84 /* rows of a call cut short: whole tiles of all kernels */
#define STOP_LOGITS	 8	/* rows of a vocabulary between two questions */
#define NARROW_FLOPS 32 /* a number's narrowing costs about as much as so many operations */

/* Show the linear's input to the tap. */
static LepStatus
show(const LepRun *run, const LepOp *op, const float *x, size_t ldx, size_t n_rows)
{
	if (run->tap == NULL)
		return LEP_OK;
	return run->tap->rows(run->tap->ctx, op, x, ldx, n_rows, run->err);
}

/* out[n_rows, d_out] = act(x[n_rows, d_in] * w[d_out, d_in]^T + bias[d_out]) + residual, all in f32 */
static LepStatus
run_plain(const LepRun *run, LepLinear *args, size_t n_rows)
{
	size_t share = lep_run_share(run, n_rows, 2 * (uint64_t) args->d_out * args->d_in, CALL_STEP);

	for (size_t done = 0; done < n_rows; done += args->n_rows)
	{
		args->n_rows = n_rows - done < share ? n_rows - done : share;
		if (lep_stopped(run->stop))
			return LEP_CANCELLED;
		run->kernels->linear(args);
		args->x += args->n_rows * args->ldx;
		args->out += args->n_rows * args->ldo;
		if (args->residual != NULL)
			args->residual += args->n_rows * args->ldr;
	}
	return LEP_OK;
}

/* Narrow x[n_rows, d_in] into the block, unless the norm before has done so. */
static LepStatus
narrow_rows(LepRun *run, const LepOp *op, const LepNarrow *narrow, const LepLinear *args,
			size_t n_rows)
{
	size_t share = lep_run_share(run, n_rows, NARROW_FLOPS * args->d_in, CALL_STEP);

	if (run->narrowed == op)
		return LEP_OK;
	for (size_t done = 0; done < n_rows; done += share)
	{
		if (lep_stopped(run->stop))
			return LEP_CANCELLED;
		narrow->rows(args->x + done * args->ldx, args->ldx,
					 n_rows - done < share ? n_rows - done : share, args->d_in, args->w, n_rows,
					 done, run->narrow);
	}
	return LEP_OK;
}

/* The same on narrowed rows. */
static LepStatus
run_narrow(LepRun *run, const LepOp *op, const LepNarrow *narrow, const LepLinear *plain,
		   size_t n_rows)
{
	const LepArg to = {op->out, 0};
	bool half = run->graph->buffers[op->out].half;
	char *out = half ? (char *) lep_run_halves(run, to) : (char *) plain->out;
	size_t width = half ? sizeof(uint16_t) : sizeof(float);
	size_t share = lep_run_share(run, n_rows, 2 * (uint64_t) plain->d_out * plain->d_in, CALL_STEP);
	LepNarrowLinear args = {
		.rows = run->narrow,
		.n_block = n_rows,
		.w = plain->w,
		.bias = plain->bias,
		.residual = plain->residual,
		.ldr = plain->ldr,
		.ldo = plain->ldo,
		.out_half = half,
		.d_out = plain->d_out,
		.d_in = plain->d_in,
		.act = plain->act,
	};
	LepStatus status = narrow_rows(run, op, narrow, plain, n_rows);

	run->narrowed = NULL;
	for (size_t done = 0; done < n_rows && status == LEP_OK; done += args.n_rows)
	{
		args.first = done;
		args.n_rows = n_rows - done < share ? n_rows - done : share;
		args.out = out + done * args.ldo * width;
		if (plain->residual != NULL)
			args.residual = plain->residual + done * args.ldr;
		if (lep_stopped(run->stop))
			return LEP_CANCELLED;
		narrow->linear(&args);
	}
	return status;
}

/* Run a linear over the piece. */
LepStatus
lep_run_linear(LepRun *run, const LepOp *op)
{
	const LepArg out = {op->out, 0};
	const LepSlot *w = lep_run_slot(run, op, 0);
	const LepNarrow *narrow = lep_op_narrow(run->graph, op);
	LepStatus status;
	size_t n_rows;
	LepLinear args;

	memset(&args, 0, sizeof(args));
	args.x = lep_run_rows(run, op->in[0], &n_rows);
	args.ldx = run->graph->buffers[op->in[0].buf].width;
	args.w = w->data;
	args.bias = lep_run_weight(run, op, 1);
	if (op->n_in > 1)
	{
		args.residual = lep_run_rows(run, op->in[1], &n_rows);
		args.ldr = run->graph->buffers[op->in[1].buf].width;
	}
	args.out = lep_run_rows(run, out, &n_rows);
	args.ldo = run->graph->buffers[op->out].width;
	args.d_out = w->rows;
	args.d_in = w->cols;
	args.act = op->act;
	status = show(run, op, args.x, args.ldx, n_rows);
	if (status != LEP_OK)
		return status;
	return narrow == NULL ? run_plain(run, &args, n_rows)
						  : run_narrow(run, op, narrow, &args, n_rows);
}

/* x[n] = log1p(max(x[n], 0)), with log1p applied n_logs times */
static void
log_weights(float *x, size_t n, uint32_t n_logs)
{
	for (size_t i = 0; i < n; i++)
	{
		/* Most are 0; what is no number stays as it is. */
		if (x[i] <= 0)
			x[i] = 0;
		else
			x[i] = n_logs == 1 ? log1pf(x[i]) : log1pf(log1pf(x[i]));
	}
}

/* out[texts, d_out] += the weights of rows [row, row + n) of the piece, whose logits are in run->wide */
static LepStatus
pool_logits(const LepRun *run, const LepOp *op, size_t row, size_t n, size_t d_out, size_t *text,
			float *out)
{
	const uint32_t *starts = run->batch->starts;

	for (size_t i = 0; i < n; i++)
	{
		float *logits = run->wide + i * d_out;

		if (i % STOP_LOGITS == 0 && lep_stopped(run->stop))
			return LEP_CANCELLED;
		while (starts[run->text + *text + 1] <= run->row + row + i)
			(*text)++;
		/* The maximum's logarithms are taken at the end. */
		if (op->sparse == LEP_SPARSE_MAX)
		{
			run->kernels->max(out + *text * d_out, logits, d_out);
			continue;
		}
		log_weights(logits, d_out, op->n_logs);
		run->kernels->add_scaled(out + *text * d_out, logits, 1.0f, d_out);
	}
	return LEP_OK;
}

/* Weigh the vocabulary for each text of the piece, a few rows of logits at a time. */
LepStatus
lep_run_sparse(LepRun *run, const LepOp *op)
{
	const LepArg to = {op->out, 0};
	const LepSlot *w = lep_run_slot(run, op, 0);
	size_t d_out = w->rows;
	size_t n_texts;
	size_t n_rows;
	const float *x = lep_run_rows(run, op->in[0], &n_rows);
	size_t ldx = run->graph->buffers[op->in[0].buf].width;
	float *out = lep_run_rows(run, to, &n_texts);
	LepStatus status = LEP_OK;
	size_t text = 0;

	memset(out, 0, n_texts * d_out * sizeof(float));
	for (size_t row = 0; row < n_rows && status == LEP_OK; row += run->graph->wide_rows)
	{
		size_t n = n_rows - row < run->graph->wide_rows ? n_rows - row : run->graph->wide_rows;
		LepLinear args = {
			.x = x + row * ldx,
			.ldx = ldx,
			.w = w->data,
			.bias = lep_run_weight(run, op, 1),
			.out = run->wide,
			.ldo = d_out,
			.d_out = d_out,
			.d_in = w->cols,
			.act = LEP_ACT_NONE,
		};

		status = run_plain(run, &args, n);
		if (status == LEP_OK)
			status = pool_logits(run, op, row, n, d_out, &text, out);
	}
	for (size_t i = 0; i < n_texts && op->sparse == LEP_SPARSE_MAX && status == LEP_OK; i++)
	{
		if (lep_stopped(run->stop))
			return LEP_CANCELLED;
		log_weights(out + i * d_out, d_out, op->n_logs);
	}
	return status;
}

/* Normalise the piece's rows; narrow them for the next linear where it reads them so. */
LepStatus
lep_run_norm(LepRun *run, const LepOp *op, const LepOp *next)
{
	const LepArg to = {op->out, 0};
	const LepNarrow *narrow = next != NULL ? lep_op_narrow(run->graph, next) : NULL;
	size_t d = run->graph->buffers[op->out].width;
	size_t n_rows;
	const float *x = lep_run_rows(run, op->in[0], &n_rows);
	float *out = lep_run_rows(run, to, &n_rows);
	const float *gamma = lep_run_weight(run, op, 0);
	const float *beta = lep_run_weight(run, op, 1);
	size_t share = lep_run_share(run, n_rows, 2 * NARROW_FLOPS * d, CALL_STEP);

	if (beta == NULL)
		beta = run->graph->zeroes;
	if (op->rms || (narrow != NULL && (next->in[0].buf != op->out || next->in[0].col != 0)))
		narrow = NULL;
	for (size_t done = 0; done < n_rows; done += share)
	{
		size_t rows = n_rows - done < share ? n_rows - done : share;

		if (lep_stopped(run->stop))
			return LEP_CANCELLED;
		if (op->rms)
			run->kernels->rms_norm(x + done * d, gamma, op->eps, out + done * d, rows, d);
		else if (narrow == NULL)
			run->kernels->norm(x + done * d, gamma, beta, op->eps, out + done * d, rows, d);
		else
			narrow->norm_rows(x + done * d, gamma, beta, op->eps, out + done * d, rows, d,
							  lep_run_weight(run, next, 0), n_rows, done, run->narrow);
	}
	if (narrow != NULL)
		run->narrowed = next;
	return LEP_OK;
}
