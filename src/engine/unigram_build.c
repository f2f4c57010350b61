/*
 * unigram_build.c: reads Unigram vocabularies and packs the model's tables;
 * refuses what the library refuses.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer_model.h"
#include "unigram.h"
#include "unigram_tables.h"

#define UNK_PENALTY 10.0 /* what an unknown character scores below the least piece */
#define DIGITS_SURE 15	 /* significant digits that every double can keep */
#define DIGITS_MAX	17	 /* significant digits that tell every double from its neighbours */

/* The model between reading and packing. */
typedef struct UnigramSpec
{
	const double *scores; /* [n_scores] */
	size_t n_scores;
	double least;
	int32_t unk_id;
	bool byte_fallback;
} UnigramSpec;

/* Order vocabulary entries by their bytes, then by id. */
static int
compare_keys(const void *a, const void *b)
{
	const LepTrieKey *x = a;
	const LepTrieKey *y = b;
	size_t shorter = x->len < y->len ? x->len : y->len;
	int order = shorter > 0 ? memcmp(x->bytes, y->bytes, shorter) : 0;

	if (order != 0)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->value < y->value ? -1 : x->value > y->value;
}

/* Keep the last of the entries with equal bytes; the others go to doubles. */
static size_t
drop_doubles(LepTrieKey *keys, size_t n, LepTrieKey *doubles)
{
	size_t kept = 0;
	size_t dropped = 0;

	if (n > 1)
		qsort(keys, n, sizeof(LepTrieKey), compare_keys);
	for (size_t i = 0; i < n; i++)
	{
		if (kept > 0 && keys[kept - 1].len == keys[i].len &&
			memcmp(keys[kept - 1].bytes, keys[i].bytes, keys[i].len) == 0)
			doubles[dropped++] = keys[--kept];
		keys[kept++] = keys[i];
	}
	return kept;
}

/* Make pieces the spec's vocabulary. */
LepStatus
lep_spec_unigram(LepTokenizerSpec *spec, const LepUnigramPiece *pieces, size_t n, int64_t unk_id,
				 bool byte_fallback, LepError *err)
{
	UnigramSpec *own = lep_arena_alloc(spec->work, sizeof(*own));
	double *scores = lep_arena_array(spec->work, n, sizeof(double));

	spec->vocab = lep_arena_array(spec->work, n, sizeof(LepTrieKey));
	spec->doubles = lep_arena_array(spec->work, n, sizeof(LepTrieKey));
	if (own == NULL || scores == NULL || spec->vocab == NULL || spec->doubles == NULL ||
		n > INT32_MAX)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	if (unk_id >= (int64_t) n)
		return lep_model_malformed(spec, "Its unk_id is not below the size of its vocab.", err);
	own->least = INFINITY;
	for (size_t i = 0; i < n; i++)
	{
		spec->vocab[i].bytes = pieces[i].text;
		spec->vocab[i].len = pieces[i].len;
		spec->vocab[i].value = (int32_t) i;
		scores[i] = pieces[i].score;
		if (scores[i] < own->least)
			own->least = scores[i];
	}
	spec->n_vocab = drop_doubles(spec->vocab, n, spec->doubles);
	spec->n_doubles = n - spec->n_vocab;
	spec->n_model_ids = n;
	spec->model = LEP_MODEL_UNIGRAM;
	own->scores = scores;
	own->n_scores = n;
	own->unk_id = unk_id < 0 ? -1 : (int32_t) unk_id;
	own->byte_fallback = byte_fallback;
	spec->model_spec = own;
	return LEP_OK;
}

/*
 * Read a number as serde_json does: its digits as an integer, times or divided
 * by a power of ten, both rounded, where jansson rounds once.
 */
double
lep_unigram_score(double x)
{
	char text[40];
	char power[16];
	unsigned long long digits = 0;
	int exponent;
	const char *c;
	double y;

	if (x == 0.0 || !isfinite(x))
		return x;
	/* The shortest digits that give x back are those that writers put into files; 15 may have zeros at their end. */
	for (int n = DIGITS_SURE; n <= DIGITS_MAX; n++)
	{
		snprintf(text, sizeof(text), "%.*e", n - 1, fabs(x));
		if (n == DIGITS_MAX || strtod(text, NULL) == fabs(x))
			break;
	}
	exponent = (int) strtol(strchr(text, 'e') + 1, NULL, 10);
	for (c = text; *c != 'e'; c++)
	{
		if (*c < '0' || *c > '9')
			continue;
		digits = digits * 10 + (unsigned long long) (*c - '0');
		exponent -= c > text;
	}
	for (; digits > 0 && digits % 10 == 0; digits /= 10)
		exponent++;
	/* Writers put all digits of an integer down, so that nothing is multiplied. */
	if (exponent >= 0)
		return x;
	y = (double) digits;
	if (exponent < -308)
	{
		y /= 1e308;
		exponent += 308;
	}
	snprintf(power, sizeof(power), "1e%d", -exponent);
	y /= strtod(power, NULL);
	return x < 0 ? -y : y;
}

/* Read the vocabulary, an array of [piece, score]. */
static LepStatus
read_pieces(LepTokenizerSpec *spec, const json_t *vocab, LepUnigramPiece **pieces, LepError *err)
{
	size_t n = json_array_size(vocab);

	*pieces = lep_arena_array(spec->work, n, sizeof(LepUnigramPiece));
	if (*pieces == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	for (size_t i = 0; i < n; i++)
	{
		const json_t *pair = json_array_get(vocab, i);
		const json_t *text = json_array_get(pair, 0);
		const json_t *score = json_array_get(pair, 1);

		if (json_array_size(pair) != 2 || !json_is_string(text) || !json_is_number(score))
			return lep_model_malformed(spec, "An entry of its vocab is not a string and a score.",
									   err);
		(*pieces)[i].text = json_string_value(text);
		(*pieces)[i].len = json_string_length(text);
		(*pieces)[i].score = json_is_integer(score) ? (double) json_integer_value(score)
													: lep_unigram_score(json_real_value(score));
	}
	return LEP_OK;
}

/* Read the model of a tokenizer.json. */
LepStatus
lep_unigram_read(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const json_t *vocab = json_object_get(json, "vocab");
	const json_t *unk = json_object_get(json, "unk_id");
	const json_t *fallback = json_object_get(json, "byte_fallback");
	LepUnigramPiece *pieces;
	LepStatus status;

	if (!json_is_array(vocab))
		return lep_model_malformed(spec, "Its vocab is not an array.", err);
	if (unk != NULL && !json_is_null(unk) && (!json_is_integer(unk) || json_integer_value(unk) < 0))
		return lep_model_malformed(spec, "Its unk_id is no index of its vocab.", err);
	if (fallback != NULL && !json_is_boolean(fallback))
		return lep_model_malformed(spec, "Its byte_fallback is not a boolean.", err);
	status = read_pieces(spec, vocab, &pieces, err);
	if (status != LEP_OK)
		return status;
	return lep_spec_unigram(spec, pieces, json_array_size(vocab),
							json_is_integer(unk) ? json_integer_value(unk) : -1,
							json_is_true(fallback), err);
}

/* Append the model's tables. */
LepStatus
lep_unigram_pack(LepTokenizerSpec *spec, const LepTrieUnit *words, size_t n_words, LepError *err)
{
	const UnigramSpec *own = spec->model_spec;
	LepUnigramTables head = {.n_scores = own->n_scores,
							 .unk_score = own->least - UNK_PENALTY,
							 .unk_id = own->unk_id,
							 .byte_fallback = own->byte_fallback};
	int32_t bytes[256];
	LepStatus status =
		lep_spec_data(spec, own->scores, own->n_scores * sizeof(double), &head.scores_at, err);

	(void) words;
	(void) n_words;
	for (unsigned i = 0; i < 256; i++)
	{
		char text[8];
		const LepTrieKey *key;

		snprintf(text, sizeof(text), "<0x%02X>", i);
		key = lep_spec_word(spec, text, strlen(text));
		bytes[i] = key != NULL ? key->value : -1;
	}
	if (status == LEP_OK && own->byte_fallback)
		status = lep_spec_data(spec, bytes, sizeof(bytes), &head.bytes_at, err);
	if (status == LEP_OK)
		status = lep_spec_data(spec, &head, sizeof(head), &spec->model_at, err);
	return status;
}
