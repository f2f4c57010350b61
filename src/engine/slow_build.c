/*
 * slow_build.c: a tokenizer from the files of a folder without tokenizer.json,
 * as transformers' AutoTokenizer makes one: settings, class, tokens,
 * vocabulary, parts, template, in this order.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "slow.h"

/* Refuse a key of a file. */
LepStatus
lep_slow_bad_key(const char *file, const char *key, const char *detail, LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];

	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" is malformed",
			  lep_error_quote(quoted, sizeof(quoted), key, strlen(key)), file);
	lep_error_detail(err, "%s", detail);
	return LEP_BAD_FILE;
}

/* Say that memory ran out. */
LepStatus
lep_slow_no_memory(const LepSlow *slow)
{
	return lep_error(slow->err, LEP_NO_MEMORY, "out of memory building a tokenizer");
}

/* Tell what Python counts as false. */
bool
lep_slow_falsy(const json_t *value)
{
	return value == NULL || json_is_null(value) || json_is_false(value) ||
		   (json_is_string(value) && json_string_length(value) == 0) ||
		   (json_is_array(value) && json_array_size(value) == 0) ||
		   (json_is_object(value) && json_object_size(value) == 0) ||
		   (json_is_number(value) && json_number_value(value) == 0);
}

/* Read the settings that every class has. */
static LepStatus
read_common(LepSlow *slow)
{
	const char *side;
	bool split;
	LepStatus status;

	status = lep_json_string(slow->settings, LEP_SLOW_CONFIG, "truncation_side", false, "right",
							 &side, slow->err);
	if (status == LEP_OK)
		status = lep_json_bool(slow->settings, LEP_SLOW_CONFIG, "split_special_tokens", false,
							   false, &split, slow->err);
	if (status != LEP_OK)
		return status;
	if (strcmp(side, "right") != 0 && strcmp(side, "left") != 0)
		return lep_slow_bad_key(LEP_SLOW_CONFIG, "truncation_side",
								"It is neither \"right\" nor \"left\".", slow->err);
	if (split)
	{
		lep_error(slow->err, LEP_UNSUPPORTED, "setting of file \"%s\" is not supported",
				  LEP_SLOW_CONFIG);
		lep_error_detail(slow->err, "It sets \"split_special_tokens\".");
		return LEP_UNSUPPORTED;
	}
	slow->spec->truncate_left = strcmp(side, "left") == 0;
	return LEP_OK;
}

/* Can the text of a token stand in transformers' template string? */
static bool
fits_template(const char *text)
{
	return text != NULL && text[0] != '\0' && text[0] != '$' && strchr(text, ' ') == NULL &&
		   strchr(text, ':') == NULL;
}

/* Which named token a letter of a template means. */
static LepSlowName
name_of(char letter)
{
	switch (letter)
	{
		case 'C':
			return LEP_SLOW_CLS;
		case 'S':
			return LEP_SLOW_SEP;
		case 'O':
			return LEP_SLOW_BOS;
		default:
			return LEP_SLOW_EOS;
	}
}

/* Check that a token of the template has a text that fits in and an id; *id is its id. */
static LepStatus
template_id(const LepSlow *slow, char letter, const char **text, json_int_t *id)
{
	static const char *const keys[LEP_SLOW_NAMES] = {
		[LEP_SLOW_CLS] = "cls_token",
		[LEP_SLOW_SEP] = "sep_token",
		[LEP_SLOW_BOS] = "bos_token",
		[LEP_SLOW_EOS] = "eos_token",
	};
	LepSlowName name = name_of(letter);
	const json_t *value;

	*text = slow->found[name].content;
	value = fits_template(*text) ? json_object_get(slow->ids, *text) : NULL;
	if (value == NULL)
		return lep_slow_bad_key(LEP_SLOW_CONFIG, keys[name],
								"It is null, or its text has no place in a template.", slow->err);
	*id = json_integer_value(value);
	return LEP_OK;
}

/* Append the pieces of a template to list and its special tokens to tokens. */
static LepStatus
make_pieces(LepSlow *slow, const char *letters, bool types, json_t *list, json_t *tokens)
{
	int type = 0;

	for (; *letters != '\0'; letters++)
	{
		json_t *piece;

		if (*letters == 'B')
			type = types;
		if (*letters == 'A' || *letters == 'B')
			piece = json_pack("{s:{s:s#,s:i}}", "Sequence", "id", letters, 1, "type_id", type);
		else
		{
			const char *text;
			json_int_t id;
			LepStatus status = template_id(slow, *letters, &text, &id);

			if (status != LEP_OK)
				return status;
			piece = json_pack("{s:{s:s,s:i}}", "SpecialToken", "id", text, "type_id", type);
			if (json_object_set_new(
					tokens, text,
					json_pack("{s:s,s:[I],s:[s]}", "id", text, "ids", id, "tokens", text)) != 0)
			{
				json_decref(piece);
				return lep_slow_no_memory(slow);
			}
		}
		if (json_array_append_new(list, piece) != 0)
			return lep_slow_no_memory(slow);
	}
	return LEP_OK;
}

/* Set the post-processor [sep] and [cls] of RoBERTa, which trims spans. */
static LepStatus
set_roberta(LepSlow *slow)
{
	const char *cls, *sep;
	json_int_t cls_id, sep_id;
	bool trim, prefix;
	json_t *json;
	LepStatus status = template_id(slow, 'C', &cls, &cls_id);

	if (status == LEP_OK)
		status = template_id(slow, 'S', &sep, &sep_id);
	if (status == LEP_OK)
		status = lep_json_bool(slow->settings, LEP_SLOW_CONFIG, "trim_offsets", false, true, &trim,
							   slow->err);
	if (status == LEP_OK)
		status = lep_json_bool(slow->settings, LEP_SLOW_CONFIG, "add_prefix_space", false, false,
							   &prefix, slow->err);
	if (status != LEP_OK)
		return status;
	/* MPNet's class takes neither setting. */
	if (slow->class->vocabulary == LEP_SLOW_VOCAB_TXT)
	{
		trim = true;
		prefix = false;
	}
	json = json_pack("{s:s,s:[s,I],s:[s,I],s:b,s:b}", "type", "RobertaProcessing", "sep", sep,
					 sep_id, "cls", cls, cls_id, "trim_offsets", trim, "add_prefix_space", prefix);
	if (json == NULL)
		return lep_slow_no_memory(slow);
	status = lep_spec_post_processor(slow->spec, json, slow->err);
	json_decref(json);
	return status;
}

/* Set the class's template. */
static LepStatus
set_template(LepSlow *slow)
{
	json_t *single, *pair, *tokens, *json;
	LepStatus status;

	if (strcmp(slow->class->single, "roberta") == 0)
		return set_roberta(slow);
	single = json_array();
	pair = json_array();
	tokens = json_object();
	status = make_pieces(slow, slow->class->single, false, single, tokens);
	if (status == LEP_OK)
		status = make_pieces(slow, slow->class->pair, slow->class->pair_types, pair, tokens);
	json = json_pack("{s:s,s:o,s:o,s:o}", "type", "TemplateProcessing", "single", single, "pair",
					 pair, "special_tokens", tokens);
	if (status == LEP_OK && json == NULL)
		status = lep_slow_no_memory(slow);
	if (status == LEP_OK)
		status = lep_spec_post_processor(slow->spec, json, slow->err);
	json_decref(json);
	return status;
}

/* Read everything into the spec; the JSON must stay until it is packed. */
static LepStatus
read_files(LepSlow *slow, const json_t *config, const json_t *special_map, const json_t *added)
{
	const char *unk;
	LepStatus status;

	if (slow->settings == NULL || slow->specific == NULL || slow->specials == NULL ||
		slow->declared_texts == NULL || slow->wanted_keys == NULL || slow->ids == NULL)
		return lep_slow_no_memory(slow);
	if (!json_is_object(slow->settings))
		return lep_slow_bad_key(LEP_SLOW_CONFIG, "", "The file holds no object.", slow->err);
	status = lep_slow_class(slow, config);
	if (status == LEP_OK)
		status = read_common(slow);
	if (status == LEP_OK)
		status = slow->class->parts(slow);
	if (status == LEP_OK)
		status = lep_slow_declare(slow, special_map, added);
	if (status == LEP_OK)
		status = slow->class->read(slow);
	if (status == LEP_OK)
		status = lep_slow_collect(slow);
	unk = slow->found[LEP_SLOW_UNK].content;
	if (status == LEP_OK && slow->spec->model == LEP_MODEL_WORDPIECE && unk == NULL)
		return lep_slow_bad_key(LEP_SLOW_CONFIG, "unk_token", "It is null, expected a token.",
								slow->err);
	if (status == LEP_OK && slow->spec->model == LEP_MODEL_WORDPIECE)
	{
		slow->spec->unk_token = unk;
		slow->spec->unk_len = strlen(unk);
	}
	return status == LEP_OK ? set_template(slow) : status;
}

/* Parse a file that may be absent; *json stays NULL then. */
static LepStatus
parse_optional(const LepSlowFiles *files, LepSlowFile file, json_t **json, LepError *err)
{
	*json = NULL;
	return files->text[file] == NULL ? LEP_OK
									 : lep_json_parse(lep_slow_file_names[file], files->text[file],
													  files->len[file], json, err);
}

/* Build the tables from the files of a folder without tokenizer.json. */
LepStatus
lep_tokenizer_build_slow(const LepSlowFiles *files, size_t vocab_size, LepArena *arena, void **blob,
						 size_t *blob_size, LepError *err)
{
	LepArena work;
	LepTokenizerSpec spec = {.work = &work};
	LepSlow slow = {.spec = &spec, .files = files, .err = err};
	json_t *settings, *map = NULL, *tokens = NULL, *config = NULL;
	LepStatus status;

	*blob = NULL;
	*blob_size = 0;
	lep_arena_init(&work, arena->allocator, 0);
	status = parse_optional(files, LEP_SLOW_SETTINGS, &settings, err);
	if (status == LEP_OK)
		status = parse_optional(files, LEP_SLOW_SPECIAL_MAP, &map, err);
	if (status == LEP_OK)
		status = parse_optional(files, LEP_SLOW_ADDED, &tokens, err);
	if (status == LEP_OK)
		status = parse_optional(files, LEP_SLOW_MODEL, &config, err);
	slow.settings = settings != NULL ? settings : json_object();
	slow.specific = json_object();
	slow.specials = json_object();
	slow.declared_texts = json_object();
	slow.wanted_keys = json_object();
	slow.ids = json_object();
	if (status == LEP_OK)
		status = read_files(&slow, config, map, tokens);
	if (status == LEP_OK)
		status = lep_tokenizer_pack(&spec, vocab_size, arena, blob, blob_size, err);
	lep_arena_free(&work);
	json_decref(slow.settings);
	json_decref(slow.specific);
	json_decref(slow.specials);
	json_decref(slow.declared_texts);
	json_decref(slow.wanted_keys);
	json_decref(slow.ids);
	json_decref(slow.model);
	json_decref(map);
	json_decref(config);
	json_decref(tokens);
	return status;
}
