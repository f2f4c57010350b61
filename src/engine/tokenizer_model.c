/*
 * tokenizer_model.c: the list of models and what their readers share.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer_model.h"

#include <string.h>

const LepModelKind *const lep_models[LEP_MODEL_COUNT] = {
	[LEP_MODEL_WORDPIECE] = &lep_model_wordpiece,
	[LEP_MODEL_UNIGRAM] = &lep_model_unigram,
	[LEP_MODEL_BPE] = &lep_model_bpe,
	[LEP_MODEL_WORDLEVEL] = &lep_model_wordlevel,
};

/* Refuse the model as malformed. */
LepStatus
lep_model_malformed(const LepTokenizerSpec *spec, const char *detail, LepError *err)
{
	lep_error(err, LEP_BAD_FILE, "key \"model\" of file \"%s\" is malformed", spec->file);
	lep_error_detail(err, "%s", detail);
	return LEP_BAD_FILE;
}

/* Read a vocabulary of strings and ids. */
LepStatus
lep_spec_vocab(LepTokenizerSpec *spec, const json_t *vocab, LepError *err)
{
	const char *word;
	size_t len;
	json_t *id;

	if (!json_is_object(vocab))
		return lep_model_malformed(spec, "Its vocab is not an object.", err);
	spec->vocab = lep_arena_array(spec->work, json_object_size(vocab), sizeof(LepTrieKey));
	if (spec->vocab == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	json_object_keylen_foreach((json_t *) vocab, word, len, id)
	{
		LepTrieKey *key = &spec->vocab[spec->n_vocab++];

		if (!json_is_integer(id) || json_integer_value(id) < 0 ||
			json_integer_value(id) > UINT32_MAX)
			return lep_model_malformed(
				spec, "Its vocab holds an id that is no integer from 0 to 4294967295.", err);
		key->bytes = word;
		key->len = len;
		key->value =
			json_integer_value(id) < INT32_MAX ? (int32_t) json_integer_value(id) : INT32_MAX;
	}
	return LEP_OK;
}
