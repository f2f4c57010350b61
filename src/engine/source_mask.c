/*
 * source_mask.c: finds the tokenizer's mask token, in the place of which a
 * model fills in others.
 */
#define LEPTON_ENGINE_SOURCE

#include "source_opening.h"

#include <string.h>

#include "json.h"
#include "tokenizer.h"

/* Find the id of a token by its vocabulary string */
static bool
find_id(const LepOpening *o, const LepTokenizer *tok, const char *content)
{
	size_t len = strlen(content);

	for (uint32_t i = 0; i < o->desc->vocab; i++)
	{
		const char *text;
		size_t text_len;

		if (lep_token_text(tok, (int32_t) i, &text, &text_len) && text_len == len &&
			memcmp(text, content, len) == 0)
		{
			o->desc->mask_token = i + 1;
			return true;
		}
	}
	return false;
}

/* Look for key "mask_token" in a file, if there is one: a text or an object with the key "content" */
static LepStatus
read_file(LepOpening *o, const char *name, const LepTokenizer *tok, bool *found)
{
	char path[LEP_OPENING_PATH];
	const json_t *value;
	json_t *json;
	LepStatus status;

	if (lep_folder_find(o->folder, lep_opening_path(o, path, name)) < 0)
		return LEP_OK;
	status = lep_folder_json(o->folder, path, o->arena, &json, o->err);
	if (status != LEP_OK)
		return status;
	value = json_object_get(json, "mask_token");
	if (json_is_object(value))
		value = json_object_get(value, "content");
	if (json_is_string(value))
		*found = find_id(o, tok, json_string_value(value));
	lep_json_free(json);
	return LEP_OK;
}

/* Find the mask token: as the files name it, else as tokenizers usually do */
LepStatus
lep_opening_mask(LepOpening *o, const LepTokenizer *tok)
{
	static const char *const usual[] = {"[MASK]", "<mask>"};
	bool found = false;
	LepStatus status = LEP_OK;

	if (o->desc->task != LEP_TASK_MASK)
		return LEP_OK;
	status = read_file(o, "tokenizer_config.json", tok, &found);
	if (status == LEP_OK && !found)
		status = read_file(o, "special_tokens_map.json", tok, &found);
	for (size_t i = 0; i < 2 && status == LEP_OK && !found; i++)
		found = find_id(o, tok, usual[i]);
	return status;
}
