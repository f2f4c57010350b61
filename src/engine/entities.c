/*
 * entities.c: scores of tokens, words out of tokens, entities out of words,
 * and one list out of several windows.
 */
#define LEPTON_ENGINE_SOURCE

#include "entities.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Name of an aggregation */
const char *
lep_aggregation_name(LepAggregation aggregation)
{
	static const char *const names[LEP_AGGREGATE_COUNT] = {"none", "simple", "first", "average",
														   "max"};

	return names[aggregation];
}

/* Softmax: out[n] of x[n] */
static void
softmax(const float *x, size_t n, float *out)
{
	float top = x[0];
	float sum = 0;

	for (size_t i = 1; i < n; i++)
		if (x[i] > top)
			top = x[i];
	for (size_t i = 0; i < n; i++)
	{
		out[i] = expf(x[i] - top);
		sum += out[i];
	}
	for (size_t i = 0; i < n; i++)
		out[i] /= sum;
}

/* Index of the largest, the first of equals */
static size_t
best_of(const float *scores, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (scores[i] > scores[best])
			best = i;
	return best;
}

/* Make the entity of a word: its tokens are [first, end), those of the template apart */
static LepEntity
make_word(const LepEntityWindow *w, LepAggregation aggregation, size_t first, size_t end,
		  float *scratch)
{
	LepEntity word = {0};
	float *scores = scratch, *sum = scratch + w->n_labels;
	size_t n = 0, best;

	memset(sum, 0, w->n_labels * sizeof(float));
	for (size_t i = first; i < end; i++)
	{
		if (w->is_special[i])
			continue;
		word.span.end = w->spans[i].end;
		n++;
		if (aggregation == LEP_AGGREGATE_FIRST && n > 1)
			continue;
		softmax(w->logits + i * w->n_labels, w->n_labels, scores);
		best = best_of(scores, w->n_labels);
		for (size_t j = 0; j < w->n_labels && aggregation == LEP_AGGREGATE_AVERAGE; j++)
			sum[j] += scores[j];
		if (n == 1)
			word.span.start = w->spans[i].start;
		if (n == 1 || scores[best] > word.score)
		{
			word.number = (uint32_t) best;
			word.score = scores[best];
		}
	}
	if (aggregation == LEP_AGGREGATE_AVERAGE)
	{
		for (size_t j = 0; j < w->n_labels; j++)
			sum[j] /= (float) n;
		word.number = (uint32_t) best_of(sum, w->n_labels);
		word.score = sum[word.number];
	}
	return word;
}

/* The words of a window, or its tokens where they are not put together */
static size_t
make_words(const LepEntityWindow *w, LepAggregation aggregation, float *scratch, LepEntity *out)
{
	bool has_words = aggregation >= LEP_AGGREGATE_FIRST;
	size_t n = 0;

	for (size_t i = 0, end; i < w->n; i = end)
	{
		end = i + 1;
		if (w->is_special[i])
			continue;
		while (has_words && end < w->n && (w->is_special[end] || w->is_subword[end]))
			end++;
		out[n++] = make_word(w, aggregation, i, end, scratch);
	}
	return n;
}

/* Tell whether a label has a prefix B- or I-, and find what stands behind it */
static const char *
tag_of(const char *label, bool *begins)
{
	*begins = strncmp(label, "B-", 2) == 0;
	return *begins || strncmp(label, "I-", 2) == 0 ? label + 2 : label;
}

/* Name of a group: what stands behind the first hyphen of a label */
static const char *
group_name(const char *label)
{
	const char *hyphen = strchr(label, '-');

	return hyphen != NULL ? hyphen + 1 : label;
}

/* Put neighbours of one tag together, in place */
static size_t
group_words(const LepEntityWindow *w, LepEntity *words, size_t n_words)
{
	size_t n = 0;

	for (size_t first = 0, end; first < n_words; first = end)
	{
		LepEntity group = words[first];
		float sum = group.score;
		bool begins;
		const char *tag = tag_of(w->labels[group.number], &begins);

		for (end = first + 1; end < n_words; end++)
		{
			const char *next = tag_of(w->labels[words[end].number], &begins);

			if (begins || strcmp(next, tag) != 0)
				break;
			sum += words[end].score;
			group.span.end = words[end].span.end;
		}
		group.score = sum / (float) (end - first);
		group.label = group_name(w->labels[group.number]);
		if (strcmp(group.label, "O") != 0)
			words[n++] = group;
	}
	return n;
}

/* The entities of a window */
size_t
lep_entities_window(const LepEntityWindow *w, LepAggregation aggregation, float *scratch,
					LepEntity *out)
{
	size_t n_words = make_words(w, aggregation, scratch, out);
	size_t n = 0;

	if (aggregation != LEP_AGGREGATE_NONE)
		return group_words(w, out, n_words);
	for (size_t i = 0; i < n_words; i++)
	{
		out[i].label = w->labels[out[i].number];
		if (strcmp(out[i].label, "O") != 0)
			out[n++] = out[i];
	}
	return n;
}

/* Order by start, then as they came */
static int
compare_start(const void *a, const void *b)
{
	const LepEntity *x = a;
	const LepEntity *y = b;

	if (x->span.start != y->span.start)
		return x->span.start < y->span.start ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/*
 * Put the entities of several windows into one list
 *
 * As the pipeline does it, to the letter: an empty entity that stands first is given twice.
 */
size_t
lep_entities_merge(LepEntity *list, size_t n, LepEntity *sorted)
{
	LepEntity kept;
	size_t n_sorted = 0;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		list[i].number = (uint32_t) i;
	qsort(list, n, sizeof(LepEntity), compare_start);
	kept = list[0];
	for (size_t i = 0; i < n; i++)
	{
		uint32_t length = list[i].span.end - list[i].span.start;
		uint32_t kept_length = kept.span.end - kept.span.start;

		if (list[i].span.start >= kept.span.end)
		{
			sorted[n_sorted++] = kept;
			kept = list[i];
		}
		else if (length > kept_length || (length == kept_length && list[i].score > kept.score))
			kept = list[i];
	}
	sorted[n_sorted++] = kept;
	return n_sorted;
}
