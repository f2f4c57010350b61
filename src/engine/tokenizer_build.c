/*
 * tokenizer_build.c: reads tokenizer.json as it stands; refuses what the
 * `tokenizers` package refuses (LEP_BAD_FILE).  Folders without it are slow_build.c.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "json.h"
#include "tokenizer_model.h"

#define TOKENIZER_FILE "tokenizer.json"
#define QUOTED_SIZE	   272

/* Refuse a key of the file. */
static LepStatus
bad_key(const char *key, const char *detail, LepError *err)
{
	char quoted[QUOTED_SIZE];

	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" is malformed",
			  lep_error_quote(quoted, sizeof(quoted), key, strlen(key)), TOKENIZER_FILE);
	lep_error_detail(err, "%s", detail);
	return LEP_BAD_FILE;
}

/* Check the top level: known keys only, as in the library, and version 1.0. */
static LepStatus
check_top(const json_t *json, LepError *err)
{
	static const char *const known[] = {"version",		"truncation",	  "padding",
										"added_tokens", "normalizer",	  "pre_tokenizer",
										"model",		"post_processor", "decoder"};
	const json_t *version = json_object_get(json, "version");
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return bad_key("", "The file holds no object.", err);
	json_object_foreach((json_t *) json, key, value)
	{
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || strcmp(key, known[i]) == 0;
		if (!found)
			return bad_key(key, "No tokenizer has such a key.", err);
	}
	if (version != NULL &&
		(!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
		return bad_key("version", "Only version \"1.0\" is known.", err);
	return LEP_OK;
}

/* Is value one of the strings names[n]? */
static bool
is_name(const json_t *value, const char *const *names, size_t n)
{
	for (size_t i = 0; json_is_string(value) && i < n; i++)
		if (strcmp(json_string_value(value), names[i]) == 0)
			return true;
	return false;
}

/* Is value an integer from 0 up to max? */
static bool
is_count(const json_t *value, int64_t max)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
		   json_integer_value(value) <= max;
}

/* Read the direction of truncation; its length comes from elsewhere, padding is not done. */
static LepStatus
read_limits(LepTokenizerSpec *spec, const json_t *truncation, const json_t *padding, LepError *err)
{
	static const char *const directions[] = {"Right", "Left"};
	static const char *const strategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond"};
	const json_t *direction = json_object_get(truncation, "direction");

	if (truncation != NULL && !json_is_null(truncation))
	{
		if (!is_count(json_object_get(truncation, "max_length"), INT64_MAX) ||
			!is_count(json_object_get(truncation, "stride"), INT64_MAX) ||
			!is_name(json_object_get(truncation, "strategy"), strategies, 3) ||
			(direction != NULL && !is_name(direction, directions, 2)))
			return bad_key("truncation",
						   "It needs max_length, stride, strategy and a known direction.", err);
		spec->truncate_left =
			direction != NULL && strcmp(json_string_value(direction), "Left") == 0;
	}
	if (padding != NULL && !json_is_null(padding))
	{
		const json_t *strategy = json_object_get(padding, "strategy");
		const json_t *multiple = json_object_get(padding, "pad_to_multiple_of");

		if (!((json_is_string(strategy) &&
			   strcmp(json_string_value(strategy), "BatchLongest") == 0) ||
			  is_count(json_object_get(strategy, "Fixed"), INT64_MAX)) ||
			!is_name(json_object_get(padding, "direction"), directions, 2) ||
			!(multiple == NULL || json_is_null(multiple) || is_count(multiple, INT64_MAX)) ||
			!is_count(json_object_get(padding, "pad_id"), UINT32_MAX) ||
			!is_count(json_object_get(padding, "pad_type_id"), UINT32_MAX) ||
			!json_is_string(json_object_get(padding, "pad_token")))
			return bad_key("padding",
						   "It needs strategy, direction, pad_id, pad_type_id and pad_token.", err);
	}
	return LEP_OK;
}

/* Read one added token. */
static LepStatus
read_added(LepSpecAdded *added, const json_t *token, LepError *err)
{
	static const struct
	{
		const char *key;
		uint32_t flag;
	} keys[] = {
		{"single_word", LEP_ADDED_SINGLE},
		{"lstrip", LEP_ADDED_LSTRIP},
		{"rstrip", LEP_ADDED_RSTRIP},
		{"normalized", LEP_ADDED_NORMALIZED},
		{"special", 0},
	};
	const json_t *content = json_object_get(token, "content");

	if (!json_is_string(content) || !is_count(json_object_get(token, "id"), UINT32_MAX))
		return bad_key("added_tokens", "An entry lacks its content or its id.", err);
	added->content = json_string_value(content);
	added->len = json_string_length(content);
	added->flags = 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		const json_t *value = json_object_get(token, keys[i].key);

		if (!json_is_boolean(value))
			return bad_key("added_tokens",
						   "An entry lacks single_word, lstrip, rstrip, normalized or special.",
						   err);
		if (json_is_true(value))
			added->flags |= keys[i].flag;
		if (keys[i].flag == 0)
			added->special = json_is_true(value);
	}
	return LEP_OK;
}

/* Read the added tokens. */
static LepStatus
read_all_added(LepTokenizerSpec *spec, const json_t *list, LepError *err)
{
	LepStatus status = LEP_OK;

	if (list == NULL)
		return LEP_OK;
	if (!json_is_array(list))
		return bad_key("added_tokens", "It is not an array.", err);
	spec->n_added = json_array_size(list);
	spec->added = lep_arena_array(spec->work, spec->n_added, sizeof(LepSpecAdded));
	if (spec->added == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	for (size_t i = 0; i < spec->n_added && status == LEP_OK; i++)
		status = read_added(&spec->added[i], json_array_get(list, i), err);
	return status;
}

/*
 * The model of a file without "type": the library tries BPE, WordPiece,
 * WordLevel and Unigram and takes the first whose keys are there.
 */
static LepModelType
guess_model(const json_t *model)
{
	if (json_object_get(model, "merges") != NULL)
		return LEP_MODEL_BPE;
	if (json_object_get(model, "continuing_subword_prefix") != NULL)
		return LEP_MODEL_WORDPIECE;
	return json_is_array(json_object_get(model, "vocab")) ? LEP_MODEL_UNIGRAM : LEP_MODEL_WORDLEVEL;
}

/* Read the model. */
static LepStatus
read_model(LepTokenizerSpec *spec, const json_t *model, LepError *err)
{
	static const char *const names[LEP_MODEL_COUNT] = {
		[LEP_MODEL_WORDPIECE] = "WordPiece",
		[LEP_MODEL_BPE] = "BPE",
		[LEP_MODEL_UNIGRAM] = "Unigram",
		[LEP_MODEL_WORDLEVEL] = "WordLevel",
	};
	const json_t *type = json_object_get(model, "type");

	if (!json_is_object(model))
		return bad_key("model", "It is missing or not an object.", err);
	spec->model = guess_model(model);
	if (type != NULL)
	{
		if (!is_name(type, names, LEP_MODEL_COUNT))
			return bad_key("model", "Its type is not known.", err);
		for (int i = 0; i < LEP_MODEL_COUNT; i++)
			if (strcmp(json_string_value(type), names[i]) == 0)
				spec->model = (LepModelType) i;
	}
	if (lep_models[spec->model] == NULL)
	{
		lep_error(err, LEP_UNSUPPORTED, "tokenizer model of file \"%s\" is not supported",
				  TOKENIZER_FILE);
		lep_error_detail(err, "Found a model of type \"%s\".", names[spec->model]);
		return LEP_UNSUPPORTED;
	}
	return lep_models[spec->model]->read(spec, model, err);
}

/* Build the tables from tokenizer.json. */
LepStatus
lep_tokenizer_build(const char *json, size_t json_len, size_t vocab_size, LepArena *arena,
					void **blob, size_t *blob_size, LepError *err)
{
	LepArena work;
	LepTokenizerSpec spec = {.file = TOKENIZER_FILE, .work = &work};
	json_t *file;
	LepStatus status;

	*blob = NULL;
	*blob_size = 0;
	status = lep_json_parse(TOKENIZER_FILE, json, json_len, &file, err);
	if (status != LEP_OK)
		return status;
	lep_arena_init(&work, arena->allocator, 0);
	status = check_top(file, err);
	if (status == LEP_OK)
		status = read_limits(&spec, json_object_get(file, "truncation"),
							 json_object_get(file, "padding"), err);
	if (status == LEP_OK)
		status = read_model(&spec, json_object_get(file, "model"), err);
	if (status == LEP_OK)
		status = lep_spec_normalizer(&spec, json_object_get(file, "normalizer"), 0, err);
	if (status == LEP_OK)
		status = lep_spec_pre_tokenizer(&spec, json_object_get(file, "pre_tokenizer"), 0, err);
	if (status == LEP_OK)
		status = lep_spec_post_processor(&spec, json_object_get(file, "post_processor"), err);
	if (status == LEP_OK)
		status = lep_spec_decoder(&spec, json_object_get(file, "decoder"), 0, err);
	if (status == LEP_OK)
		status = read_all_added(&spec, json_object_get(file, "added_tokens"), err);
	if (status == LEP_OK)
		status = lep_tokenizer_pack(&spec, vocab_size, arena, blob, blob_size, err);
	lep_arena_free(&work);
	lep_json_free(file);
	return status;
}
