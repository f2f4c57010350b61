/*
 * wordlevel.c: the model WordLevel: a piece is in the vocabulary or unknown.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer_model.h"

/* Read the model. */
static LepStatus
read_wordlevel(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const json_t *unk = json_object_get(json, "unk_token");

	if (!json_is_string(unk))
		return lep_model_malformed(spec, "It needs unk_token.", err);
	spec->unk_token = json_string_value(unk);
	spec->unk_len = json_string_length(unk);
	return lep_spec_vocab(spec, json_object_get(json, "vocab"), err);
}

/* Check what a run relies on. */
static bool
wordlevel_fits(const struct LepTokenizerTables *tables, LepData data)
{
	(void) data;
	(void) tables;
	return true;
}

/* Look up chars[n]. */
static LepStatus
wordlevel(LepTokenRun *run, const LepChar *chars, size_t n)
{
	uint32_t node = LEP_TRIE_ROOT;
	int32_t id = -1;
	LepStatus status = lep_run_reserve(run, 1);

	if (status != LEP_OK)
		return status;
	for (size_t i = 0; i < n && node != LEP_TRIE_NONE; i++)
		node = lep_trie_step_char(run->words, run->tables->words.n, node, chars[i].c);
	if (node != LEP_TRIE_NONE)
		id = run->words[node].value;
	if (id < 0)
		id = run->tables->unk_id;
	if (id < 0)
		return lep_error(
			run->err, LEP_BAD_INPUT,
			"text has a word that the vocabulary lacks, and so it does the unknown token");
	lep_run_push(run, id, chars[0].start, chars[n - 1].end);
	return lep_run_worked(run, n);
}

const LepModelKind lep_model_wordlevel = {"WordLevel", read_wordlevel, NULL, wordlevel_fits,
										  wordlevel};
