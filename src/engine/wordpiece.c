/*
 * wordpiece.c: the model WordPiece: greedy longest match of a word in the
 * vocabulary, characters or plain ASCII bytes.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer_model.h"

#include <string.h>

/* Make the tokens since first one unknown token for text[start, end). */
static void
push_unknown(LepTokenRun *run, size_t first, size_t start, size_t end)
{
	run->n = first;
	lep_run_push(run, run->tables->unk_id, start, end);
}

/* Look up the ASCII word text[start, end). */
LepStatus
lep_wordpiece_ascii(LepTokenRun *run, size_t start, size_t end)
{
	const struct LepTokenizerTables *tables = run->tables;
	const unsigned char *text = (const unsigned char *) run->text;
	const LepTrieUnit *words = run->words;
	size_t n_words = tables->words.n;
	size_t first = run->n;
	size_t steps = end - start;
	uint32_t node = LEP_TRIE_ROOT;
	LepStatus status;

	status = lep_run_reserve(run, end - start <= tables->max_chars ? end - start : 1);
	if (status != LEP_OK)
		return status;
	if (end - start > tables->max_chars)
	{
		push_unknown(run, first, start, end);
		return lep_run_worked(run, steps);
	}
	for (size_t at = start; at < end;)
	{
		int32_t found = -1;
		size_t found_end = at;
		size_t i = at;

		for (; i < end && node != LEP_TRIE_NONE; i++)
		{
			node = lep_trie_step(words, n_words, node, tables->fold[text[i]]);
			if (node != LEP_TRIE_NONE && words[node].value >= 0)
			{
				found = words[node].value;
				found_end = i + 1;
			}
		}
		steps += i - at;
		if (found < 0)
		{
			push_unknown(run, first, start, end);
			break;
		}
		lep_run_push(run, found, at, found_end);
		at = found_end;
		node = tables->continuing;
	}
	return lep_run_worked(run, steps);
}

/* Look up the word of chars[n]. */
static LepStatus
wordpiece(LepTokenRun *run, const LepChar *chars, size_t n)
{
	const struct LepTokenizerTables *tables = run->tables;
	size_t first = run->n;
	size_t steps = n;
	uint32_t node = LEP_TRIE_ROOT;
	LepStatus status;

	status = lep_run_reserve(run, n <= tables->max_chars ? n : 1);
	if (status != LEP_OK)
		return status;
	if (n > tables->max_chars)
	{
		push_unknown(run, first, chars[0].start, chars[n - 1].end);
		return lep_run_worked(run, steps);
	}
	for (size_t at = 0; at < n;)
	{
		int32_t found = -1;
		size_t found_end = at;
		size_t i = at;

		for (; i < n && node != LEP_TRIE_NONE; i++)
		{
			node = lep_trie_step_char(run->words, tables->words.n, node, chars[i].c);
			if (node != LEP_TRIE_NONE && run->words[node].value >= 0)
			{
				found = run->words[node].value;
				found_end = i + 1;
			}
		}
		steps += i - at;
		if (found < 0)
		{
			push_unknown(run, first, chars[0].start, chars[n - 1].end);
			break;
		}
		lep_run_push(run, found, chars[at].start, chars[found_end - 1].end);
		at = found_end;
		node = tables->continuing;
	}
	return lep_run_worked(run, steps);
}

/* Read the model. */
static LepStatus
read_wordpiece(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const json_t *unk = json_object_get(json, "unk_token");
	const json_t *prefix = json_object_get(json, "continuing_subword_prefix");
	const json_t *max = json_object_get(json, "max_input_chars_per_word");

	if (!json_is_string(unk) || !json_is_string(prefix) || !json_is_integer(max) ||
		json_integer_value(max) < 0)
		return lep_model_malformed(
			spec, "It needs unk_token, continuing_subword_prefix and max_input_chars_per_word.",
			err);
	spec->unk_token = json_string_value(unk);
	spec->unk_len = json_string_length(unk);
	spec->prefix = json_string_value(prefix);
	spec->max_chars = (uint64_t) json_integer_value(max);
	return lep_spec_vocab(spec, json_object_get(json, "vocab"), err);
}

/* Check what a run relies on. */
static bool
wordpiece_fits(const struct LepTokenizerTables *tables, LepData data)
{
	(void) data;
	return tables->unk_id >= 0 &&
		   (tables->continuing == LEP_TRIE_NONE || tables->continuing < tables->words.n);
}

const LepModelKind lep_model_wordpiece = {"WordPiece", read_wordpiece, NULL, wordpiece_fits,
										  wordpiece};
