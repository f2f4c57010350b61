/*
 * graph_relation.c: the tables that attention reads besides weights: angles of positions, biases and
 * places by distance.  They depend on no text, only on the length of the longest; each is linear in it.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>

#include "graph_run.h"

#define STOP_NUMBERS (1 << 16) /* made between two questions */

/* Floats of a relation's table. */
bool
lep_relation_floats(const LepRelation *relation, size_t n, size_t *floats)
{
	size_t distances;

	if (n == 0 || !lep_mul(n, 2, &distances))
	{
		*floats = 0;
		return n == 0;
	}
	*floats = distances - 1;
	if (relation->kind == LEP_RELATION_PLACE)
		return true;
	return lep_mul(relation->kind == LEP_RELATION_TURN ? distances : distances - 1, relation->width,
				   floats);
}

/*
 * cosine and sine [n, width] of position * theta^(-i / width) / factor.  The angle is rounded to f32, as models
 * are trained with.
 */
static LepStatus
make_turns(const LepRun *run, const LepRelation *relation, float *table)
{
	size_t n = run->max_len, width = relation->width;

	for (size_t i = 0; i < width; i++)
	{
		float power = powf(relation->theta, (float) (2 * i) / (float) (2 * width));
		float speed = 1.0f / power / relation->factor;

		for (size_t t = 0; t < n; t++)
		{
			float angle = (float) t * speed;

			if ((i * n + t) % STOP_NUMBERS == 0 && lep_stopped(run->stop))
				return LEP_CANCELLED;
			table[t * width + i] = cosf(angle);
			table[(n + t) * width + i] = sinf(angle);
		}
	}
	return LEP_OK;
}

/*
 * T5's bucket of a distance s - t (Raffel et al., arXiv:1910.10683): the upper half for s > t; in each, one for every distance of the
 * first half, then by the logarithm up to max.  In f32, where buckets begin as models are trained with.
 */
static uint32_t
bucket(const LepRelation *relation, ptrdiff_t distance)
{
	uint32_t half = relation->n_buckets / 2;
	uint32_t exact = half / 2;
	uint32_t first = distance > 0 ? half : 0;
	size_t far = (size_t) (distance < 0 ? -distance : distance);
	float rise;

	if (far < exact)
		return first + (uint32_t) far;
	rise = logf((float) far / (float) exact) /
		   (float) log((double) relation->max / (double) exact) * (float) (half - exact);
	if (!(rise < (float) (half - exact)))
		return first + half - 1;
	return first + exact + (uint32_t) rise;
}

/* bias[heads, distances] of the operators that read this relation. */
static LepStatus
make_biases(const LepRun *run, uint32_t number, float *table)
{
	const LepGraph *graph = run->graph;
	const LepRelation *relation = &graph->relations[number - 1];
	ptrdiff_t n = (ptrdiff_t) run->max_len;
	size_t heads = relation->width, distances = (size_t) (2 * n - 1);
	const float *weights = NULL;

	for (uint32_t i = 0; i < graph->n_ops && weights == NULL; i++)
	{
		if (graph->ops[i].kind == LEP_OP_ATTENTION && graph->ops[i].bias == number)
			weights = lep_run_weight(run, &graph->ops[i], 0);
	}
	for (ptrdiff_t d = 1 - n; d < n && weights != NULL; d++)
	{
		const float *row = weights + bucket(relation, d) * heads;

		if ((d + n) % (STOP_NUMBERS / 64) == 0 && lep_stopped(run->stop))
			return LEP_CANCELLED;
		for (size_t head = 0; head < heads; head++)
			table[head * distances + (size_t) (d + n - 1)] = row[head];
	}
	return LEP_OK;
}

/*
 * The row of relative positions for a distance s - t (He et al., arXiv:2006.03654): t - s from the middle on, far ones by the
 * logarithm where there are buckets, all that is farther the first and last row.
 */
static int32_t
place(const LepRelation *relation, ptrdiff_t distance)
{
	int64_t from = -(int64_t) distance;
	int64_t middle = relation->n_buckets / 2;
	int64_t far = from < 0 ? -from : from;
	int64_t row;

	if (relation->n_buckets > 0 && far > middle)
	{
		float rise = logf((float) far / (float) middle) /
					 logf((float) ((double) (relation->max - 1) / (double) middle)) *
					 (float) (middle - 1);

		far = rise < (float) relation->span ? (int64_t) ceilf(rise) + middle : relation->span;
		from = from < 0 ? -far : far;
	}
	row = from + relation->span;
	return (int32_t) (row < 0					  ? 0
					  : row >= 2 * relation->span ? 2 * (int64_t) relation->span - 1
												  : row);
}

/* place[distances] */
static LepStatus
make_places(const LepRun *run, const LepRelation *relation, int32_t *table)
{
	ptrdiff_t n = (ptrdiff_t) run->max_len;

	for (ptrdiff_t d = 1 - n; d < n; d++)
	{
		if ((d + n) % STOP_NUMBERS == 0 && lep_stopped(run->stop))
			return LEP_CANCELLED;
		table[d + n - 1] = place(relation, d);
	}
	return LEP_OK;
}

/* Make all tables. */
LepStatus
lep_run_relations(const LepRun *run)
{
	const LepGraph *graph = run->graph;
	LepStatus status = LEP_OK;
	float *table = run->relations;

	for (uint32_t i = 0; i < graph->n_relations && status == LEP_OK; i++)
	{
		const LepRelation *relation = &graph->relations[i];
		size_t floats = 0;

		switch (relation->kind)
		{
			case LEP_RELATION_TURN:
				status = make_turns(run, relation, table);
				break;
			case LEP_RELATION_BIAS:
				status = make_biases(run, i + 1, table);
				break;
			case LEP_RELATION_PLACE:
				status = make_places(run, relation, (int32_t *) table);
				break;
		}
		if (lep_relation_floats(relation, run->max_len, &floats))
			table += floats;
	}
	return status;
}

/* Find a table. */
const float *
lep_run_relation(const LepRun *run, uint32_t number)
{
	const float *table = run->relations;

	if (number == 0)
		return NULL;
	for (uint32_t i = 0; i + 1 < number; i++)
	{
		size_t floats = 0;

		if (lep_relation_floats(&run->graph->relations[i], run->max_len, &floats))
			table += floats;
	}
	return table;
}
