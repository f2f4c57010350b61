/*
 * token_testing.h: comparing a tokenizer with stored answers.
 */
#ifndef LEPTON_TOKEN_TESTING_H
#define LEPTON_TOKEN_TESTING_H

#include <jansson.h>

#include "../../src/engine/tokenizer.h"
#include "testing.h"

/*
 * Compare what a text becomes with lists of ids, segment ids and spans (start and end of each in one list); types may
 * be NULL.
 */
static void
check_tokens(const LepTokenizer *tok, LepTokenScratch *scratch, const LepTokenizeOptions *options,
			 const char *name, const json_t *text, const json_t *ids, const json_t *types,
			 const json_t *spans)
{
	LepTokens tokens;
	LepError err = {0};
	LepStatus status = lep_tokenize(tok, scratch, json_string_value(text), json_string_length(text),
									options, &tokens, NULL, &err);
	bool same = status == LEP_OK && tokens.n == json_array_size(ids);

	for (size_t i = 0; same && i < tokens.n; i++)
		same = tokens.ids[i] == json_integer_value(json_array_get(ids, i)) &&
			   (types == NULL || tokens.types[i] == json_integer_value(json_array_get(types, i))) &&
			   tokens.spans[i].start == json_integer_value(json_array_get(spans, 2 * i)) &&
			   tokens.spans[i].end == json_integer_value(json_array_get(spans, 2 * i + 1));
	check(same, "%s: \"%s\" differs (status %d)", name, json_string_value(text), status);
}

#endif
