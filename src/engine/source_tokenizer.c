/*
 * source_tokenizer.c: the part of opening a folder that concerns texts: the
 * tokenizer's files, how long a text may be, how many tokens the prompt has.
 * Ids are those of tokenizer.json as it stands; lengths and prompts those of
 * sentence-transformers and of transformers' pipeline.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "source_opening.h"
#include "tokenizer.h"

#define UNLIMITED INT64_MAX

/* Slurp an optional file of the transformer; *text stays NULL when it is not there. */
static LepStatus
slurp_optional(LepOpening *o, const char *name, char **text, size_t *len)
{
	char path[LEP_OPENING_PATH];

	*text = NULL;
	*len = 0;
	if (lep_folder_find(o->folder, lep_opening_path(o, path, name)) < 0)
		return LEP_OK;
	return lep_folder_slurp(o->folder, path, o->arena, text, len, o->err);
}

/* What tokenizer_config.json says about long texts. */
typedef struct Limits
{
	int64_t max;	  /* tokens; UNLIMITED without model_max_length */
	const char *side; /* where to cut: "left", "right"; NULL when it does not say */
	bool typed;		  /* the model gets the types of tokens */
} Limits;

/* Does the model get the types of tokens?  transformers hands on the names that the tokenizer's class has. */
static LepStatus
read_typed(const LepOpening *o, const json_t *config, const char *file, bool *typed)
{
	static const char *const classes[] = {"BertTokenizer",	  "ConvBertTokenizer",
										  "DebertaTokenizer", "DebertaV2Tokenizer",
										  "ElectraTokenizer", "MobileBertTokenizer"};
	const json_t *names = json_object_get(config, "model_input_names");
	const char *class;
	size_t len;
	LepStatus status;

	if (names != NULL && !json_is_array(names))
		return lep_error(o->err, LEP_BAD_FILE,
						 "key \"model_input_names\" of file \"%s\" is not a list", file);
	status = lep_json_string(config, file, "tokenizer_class", false, NULL, &class, o->err);
	if (status != LEP_OK || (names == NULL && class == NULL))
		return status;
	*typed = false;
	for (size_t i = 0; i < json_array_size(names); i++)
	{
		const char *name = json_string_value(json_array_get(names, i));

		*typed = *typed || (name != NULL && strcmp(name, "token_type_ids") == 0);
	}
	if (names != NULL)
		return LEP_OK;
	len = strlen(class);
	len -= len > 4 && strcmp(class + len - 4, "Fast") == 0 ? 4 : 0;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		*typed = *typed || (strlen(classes[i]) == len && strncmp(classes[i], class, len) == 0);
	return LEP_OK;
}

/* Read the limits as transformers does. */
static LepStatus
read_limits(const LepOpening *o, const json_t *config, const char *file, Limits *limits)
{
	const char *key = "model_max_length";
	const json_t *value;
	LepStatus status = LEP_OK;

	if (json_object_get(config, key) == NULL)
		key = "max_len";
	value = json_object_get(config, key);
	/* Numbers beyond 2^63 come as reals; the libraries write 1e30 for "no limit". */
	if (!json_is_real(value) || json_real_value(value) < 9e18)
		status =
			lep_json_int(config, file, key, false, UNLIMITED, 1, INT64_MAX, &limits->max, o->err);
	if (status == LEP_OK)
		status =
			lep_json_string(config, file, "truncation_side", false, NULL, &limits->side, o->err);
	if (status == LEP_OK)
		status = read_typed(o, config, file, &limits->typed);
	if (status != LEP_OK || limits->side == NULL)
		return status;
	if (strcmp(limits->side, "left") == 0)
		limits->side = "left";
	else if (strcmp(limits->side, "right") == 0)
		limits->side = "right";
	else
	{
		lep_error(o->err, LEP_BAD_FILE, "key \"truncation_side\" of file \"%s\" is not a side",
				  file);
		lep_error_detail(o->err, "Expected \"left\" or \"right\".");
		return LEP_BAD_FILE;
	}
	return LEP_OK;
}

/* Does the normaliser of a tokenizer.json lower-case by a Lowercase of its own? */
static bool
has_lowercase(const json_t *tokenizer)
{
	const json_t *normalizer = json_object_get(tokenizer, "normalizer");
	const json_t *list = json_object_get(normalizer, "normalizers");
	const json_t *type = json_object_get(normalizer, "type");
	size_t n = json_array_size(list);

	for (size_t i = 0; i <= n; i++)
	{
		if (json_is_string(type) && strcmp(json_string_value(type), "Lowercase") == 0)
			return true;
		type = json_object_get(json_array_get(list, i), "type");
	}
	return false;
}

/* Decide the truncation limit, as the library that serves the task does. */
static LepStatus
choose_max_tokens(LepOpening *o, int64_t tokenizer_max, const LepTokenizer *tok)
{
	int64_t max = tokenizer_max;
	size_t n_special = lep_tokenizer_special_count(tok);

	if (lep_opening_sentences(o))
	{
		if (o->st->call_max_length > 0)
			max = o->st->call_max_length;
		else if (o->st->model_max_length > 0)
			max = o->st->model_max_length;
		else if (o->st->max_seq_length > 0)
			max = o->st->max_seq_length;
	}
	if (max > lep_desc_places(o->desc))
		max = lep_desc_places(o->desc);
	if ((uint64_t) max < n_special || max < 1)
	{
		lep_error(o->err, LEP_BAD_FILE, "maximal length of a text is too small");
		lep_error_detail(o->err, "It is %lld tokens; the tokenizer adds %zu special ones.",
						 (long long) max, n_special);
		return LEP_BAD_FILE;
	}
	o->desc->max_tokens = (uint32_t) max;
	return LEP_OK;
}

/* Tokenize two texts: to check the segment types, and to measure the prompt. */
static LepStatus
try_tokenizer(LepOpening *o, const LepTokenizer *tok, LepTokenScratch *scratch)
{
	const char *prompt = lep_desc_prompt(&o->s->view);
	LepTokenizeOptions options = {.max_tokens = o->desc->max_tokens,
								  .add_special = true,
								  .lower_first = o->desc->lower_first};
	LepTokens tokens;
	LepStatus status = lep_tokenize(tok, scratch, "a", 1, &options, &tokens, o->stop, o->err);

	for (size_t i = 0; status == LEP_OK && i < tokens.n; i++)
	{
		if (o->desc->n_types == 0 || o->desc->plain_types == 1 ||
			(tokens.types[i] >= 0 && (uint32_t) tokens.types[i] < o->desc->n_types))
			continue;
		lep_error(o->err, LEP_BAD_FILE, "tokenizer and model do not fit together");
		lep_error_detail(o->err, "The post-processor gives type id %d; \"type_vocab_size\" is %u.",
						 tokens.types[i], o->desc->n_types);
		return LEP_BAD_FILE;
	}
	if (status != LEP_OK || prompt[0] == '\0')
		return status;
	status = lep_tokenize(tok, scratch, prompt, strlen(prompt), &options, &tokens, o->stop, o->err);
	if (status != LEP_OK)
		return status;
	/* A closing special token is not the prompt's. */
	if (tokens.n > 0 && lep_tokenizer_special_count(tok) > 0 && tokens.spans[tokens.n - 1].end == 0)
		tokens.n--;
	o->desc->prompt_tokens = (uint32_t) tokens.n;
	return LEP_OK;
}

/* Build the tables from tokenizer.json; decide whether lower case comes first. */
static LepStatus
build_from_json(LepOpening *o, const char *text, size_t len)
{
	char path[LEP_OPENING_PATH];
	json_t *json;
	LepStatus status = lep_tokenizer_build(text, len, o->desc->vocab, o->arena, &o->s->tokenizer,
										   &o->s->tokenizer_size, o->err);

	if (status != LEP_OK || !o->desc->lower_first)
		return status;
	status = lep_json_parse(lep_opening_path(o, path, "tokenizer.json"), text, len, &json, o->err);
	if (status == LEP_OK)
		o->desc->lower_first = !has_lowercase(json);
	lep_json_free(json);
	return status;
}

/* Build the tables from the vocabulary files that are there. */
static LepStatus
build_from_vocabulary(LepOpening *o)
{
	LepSlowFiles files = {{NULL}, {0}};
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < LEP_SLOW_FILES && status == LEP_OK; i++)
	{
		char *text;

		status = slurp_optional(o, lep_slow_file_names[i], &text, &files.len[i]);
		files.text[i] = text;
	}
	if (status != LEP_OK)
		return status;
	return lep_tokenizer_build_slow(&files, o->desc->vocab, o->arena, &o->s->tokenizer,
									&o->s->tokenizer_size, o->err);
}

/* Read the tokenizer's files: tokenizer.json before vocabulary files. */
static LepStatus
build_tokenizer(LepOpening *o, Limits *limits)
{
	char path[LEP_OPENING_PATH];
	char *config;
	size_t config_len;
	char *text;
	size_t len;
	json_t *json = NULL;
	LepStatus status = slurp_optional(o, "tokenizer_config.json", &config, &config_len);

	lep_opening_path(o, path, "tokenizer_config.json");
	if (status == LEP_OK && config != NULL)
	{
		status = lep_json_parse(path, config, config_len, &json, o->err);
		if (status == LEP_OK)
			status = read_limits(o, json, path, limits);
		lep_json_free(json);
	}
	if (status == LEP_OK)
		status = slurp_optional(o, "tokenizer.json", &text, &len);
	if (status != LEP_OK)
		return status;
	status = text != NULL ? build_from_json(o, text, len) : build_from_vocabulary(o);
	if (status == LEP_OK && limits->side != NULL)
		lep_tokenizer_set_side(o->s->tokenizer, strcmp(limits->side, "left") == 0);
	return status;
}

/* Read the tokenizer and all that depends on it. */
LepStatus
lep_opening_tokenizer(LepOpening *o)
{
	Limits limits = {UNLIMITED, NULL, o->family->typed_pairs};
	LepTokenScratch *scratch;
	LepTokenizer tok;
	LepStatus status;

	o->desc->lower_first = lep_opening_sentences(o) && o->st->lower_first;
	status = build_tokenizer(o, &limits);
	o->desc->plain_types = !limits.typed;
	if (status == LEP_OK)
		status = lep_tokenizer_open(o->s->tokenizer, o->s->tokenizer_size, &tok, o->err);
	if (status == LEP_OK)
		status = choose_max_tokens(o, limits.max, &tok);
	if (status == LEP_OK)
		status = lep_opening_mask(o, &tok);
	if (status != LEP_OK)
		return status;
	scratch = lep_token_scratch_new(o->arena->allocator);
	if (scratch == NULL)
		return lep_opening_no_memory(o);
	status = try_tokenizer(o, &tok, scratch);
	lep_token_scratch_free(scratch);
	return status;
}
