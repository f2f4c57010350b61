/*
 * tokenizer_parts.c: normalizer, pre_tokenizer and post_processor of a
 * tokenizer.json; what the library refuses is LEP_BAD_FILE, what it knows and
 * lepton does not do is LEP_UNSUPPORTED and named.
 *
 * Like the library, a part whose "type" is missing or not known is
 * recognised by its other keys, where it has any.
 */
#define LEPTON_ENGINE_SOURCE
#include "json.h"
#include <string.h>

#include "tokenizer_tables.h"

#define PART_DEPTH_MAX 16 /* sequences within sequences */
#define QUOTED_SIZE	   272

/* Is name one of names, which end with NULL? */
static bool
is_one_of(const char *name, const char *const *names)
{
	for (; name != NULL && *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* Refuse a part that lepton does not do. */
static LepStatus
unsupported(const LepTokenizerSpec *spec, const char *part, const char *name, LepError *err)
{
	lep_error(err, LEP_UNSUPPORTED, "%s of file \"%s\" is not supported", part, spec->file);
	lep_error_detail(err, "It asks for \"%s\".", name);
	return LEP_UNSUPPORTED;
}

/* Refuse a part that does not follow the format. */
static LepStatus
malformed(const LepTokenizerSpec *spec, const char *part, const char *type, const char *key,
		  LepError *err)
{
	char quoted[QUOTED_SIZE];

	lep_error(err, LEP_BAD_FILE, "%s of file \"%s\" is malformed", part, spec->file);
	if (key != NULL)
		lep_error_detail(err, "Key \"%s\" is missing or has the wrong type.", key);
	else if (type != NULL)
		lep_error_detail(err, "Its type \"%s\" is not known.",
						 lep_error_quote(quoted, sizeof(quoted), type, strlen(type)));
	else
		lep_error_detail(err, "Its type is missing.");
	return LEP_BAD_FILE;
}

/* Append one step of the normaliser. */
static LepStatus
add_step(LepTokenizerSpec *spec, LepNormStep step, LepError *err)
{
	if (spec->n_steps == LEP_NORM_STEPS_MAX)
	{
		lep_error(err, LEP_UNSUPPORTED, "normalizer of file \"%s\" is not supported", spec->file);
		lep_error_detail(err, "It has more than %d steps.", LEP_NORM_STEPS_MAX);
		return LEP_UNSUPPORTED;
	}
	spec->steps[spec->n_steps++] = (uint8_t) step;
	return LEP_OK;
}

/* Append a BertNormalizer's steps. */
LepStatus
lep_spec_bert_normalizer(LepTokenizerSpec *spec, bool clean, bool chinese, bool strip_accents,
						 bool lower, LepError *err)
{
	LepStatus status = LEP_OK;

	if (clean)
		status = add_step(spec, LEP_NORM_CLEAN, err);
	if (status == LEP_OK && chinese)
		status = add_step(spec, LEP_NORM_CHINESE, err);
	if (status == LEP_OK && strip_accents)
		status = add_step(spec, LEP_NORM_NFD, err);
	if (status == LEP_OK && strip_accents)
		status = add_step(spec, LEP_NORM_STRIP_MN, err);
	if (status == LEP_OK && lower)
		status = add_step(spec, LEP_NORM_LOWER, err);
	return status;
}

/* Has object keys first and second, both booleans? */
static bool
has_booleans(const json_t *object, const char *first, const char *second)
{
	return json_is_boolean(json_object_get(object, first)) &&
		   json_is_boolean(json_object_get(object, second));
}

/* Read a BertNormalizer; *matches tells whether it is one. */
static LepStatus
read_bert_normalizer(LepTokenizerSpec *spec, const json_t *json, bool *matches, LepError *err)
{
	const json_t *strip = json_object_get(json, "strip_accents");
	bool lower = json_is_true(json_object_get(json, "lowercase"));

	*matches = has_booleans(json, "clean_text", "handle_chinese_chars") &&
			   json_is_boolean(json_object_get(json, "lowercase")) &&
			   (strip == NULL || json_is_null(strip) || json_is_boolean(strip));
	if (!*matches)
		return LEP_OK;
	return lep_spec_bert_normalizer(spec, json_is_true(json_object_get(json, "clean_text")),
									json_is_true(json_object_get(json, "handle_chinese_chars")),
									json_is_boolean(strip) ? json_is_true(strip) : lower, lower,
									err);
}

/* Read the normalizers of a sequence. */
static LepStatus
read_normalizers(LepTokenizerSpec *spec, const json_t *list, int depth, LepError *err)
{
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < json_array_size(list) && status == LEP_OK; i++)
	{
		const json_t *item = json_array_get(list, i);

		if (json_is_null(item))
			return malformed(spec, "normalizer", NULL, NULL, err);
		status = lep_spec_normalizer(spec, item, depth + 1, err);
	}
	return status;
}

/* Read a normalizer, or nothing when json is NULL or null. */
LepStatus
lep_spec_normalizer(LepTokenizerSpec *spec, const json_t *json, int depth, LepError *err)
{
	static const struct
	{
		const char *name;
		LepNormStep step;
	} simple[] = {
		{"StripAccents", LEP_NORM_STRIP_MARKS},
		{"NFC", LEP_NORM_NFC},
		{"NFD", LEP_NORM_NFD},
		{"NFKC", LEP_NORM_NFKC},
		{"NFKD", LEP_NORM_NFKD},
		{"Lowercase", LEP_NORM_LOWER},
	};
	static const char *const others[] = {"Strip",	"Nmt",		 "Precompiled", "Replace",
										 "Prepend", "ByteLevel", NULL};
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *list = json_object_get(json, "normalizers");
	bool matches;
	LepStatus status;

	if (json == NULL || json_is_null(json))
		return LEP_OK;
	if (!json_is_object(json) || depth > PART_DEPTH_MAX)
		return malformed(spec, "normalizer", NULL, NULL, err);
	for (size_t i = 0; type != NULL && i < sizeof(simple) / sizeof(simple[0]); i++)
		if (strcmp(type, simple[i].name) == 0)
			return add_step(spec, simple[i].step, err);
	if (is_one_of(type, others))
		return unsupported(spec, "normalizer", type, err);
	if (type == NULL || strcmp(type, "Sequence") != 0)
	{
		status = read_bert_normalizer(spec, json, &matches, err);
		if (matches)
			return status;
		if (type != NULL && strncmp(type, "Bert", 4) == 0)
			return malformed(spec, "normalizer", type, "clean_text", err);
		if (has_booleans(json, "strip_left", "strip_right"))
			return unsupported(spec, "normalizer", "Strip", err);
	}
	if (json_is_array(list))
		return read_normalizers(spec, list, depth, err);
	if (type != NULL && strcmp(type, "Sequence") == 0)
		return malformed(spec, "normalizer", type, "normalizers", err);
	if (json_object_get(json, "pattern") != NULL && json_object_get(json, "content") != NULL)
		return unsupported(spec, "normalizer", "Replace", err);
	if (json_object_get(json, "prepend") != NULL)
		return unsupported(spec, "normalizer", "Prepend", err);
	return malformed(spec, "normalizer", type, NULL, err);
}

/* Read a pre_tokenizer, or nothing when json is NULL or null. */
LepStatus
lep_spec_pre_tokenizer(LepTokenizerSpec *spec, const json_t *json, int depth, LepError *err)
{
	static const struct
	{
		const char *name;
		uint32_t splits;
	} simple[] = {
		{"BertPreTokenizer", LEP_SPLIT_SPACE | LEP_SPLIT_PUNCT},
		{"WhitespaceSplit", LEP_SPLIT_SPACE},
		{"Whitespace", LEP_SPLIT_WORDS},
	};
	static const char *const others[] = {"ByteLevel",	"Delimiter",	  "CharDelimiterSplit",
										 "Metaspace",	"Split",		  "Digits",
										 "FixedLength", "UnicodeScripts", NULL};
	const char *type = json_string_value(json_object_get(json, "type"));
	LepStatus status = LEP_OK;

	if (json == NULL || json_is_null(json))
		return LEP_OK;
	if (!json_is_object(json) || type == NULL || depth > PART_DEPTH_MAX)
		return malformed(spec, "pre_tokenizer", NULL, NULL, err);
	for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
		if (strcmp(type, simple[i].name) == 0)
		{
			spec->splits |= simple[i].splits;
			return LEP_OK;
		}
	if (strcmp(type, "Punctuation") == 0)
	{
		const json_t *behavior = json_object_get(json, "behavior");

		if (behavior != NULL && !json_is_string(behavior))
			return malformed(spec, "pre_tokenizer", type, "behavior", err);
		if (behavior != NULL && strcmp(json_string_value(behavior), "Isolated") != 0)
			return unsupported(spec, "pre_tokenizer", "Punctuation that is not Isolated", err);
		spec->splits |= LEP_SPLIT_PUNCT;
		return LEP_OK;
	}
	if (strcmp(type, "Sequence") == 0)
	{
		const json_t *list = json_object_get(json, "pretokenizers");

		if (!json_is_array(list))
			return malformed(spec, "pre_tokenizer", type, "pretokenizers", err);
		for (size_t i = 0; i < json_array_size(list) && status == LEP_OK; i++)
		{
			const json_t *item = json_array_get(list, i);

			if (json_is_null(item))
				return malformed(spec, "pre_tokenizer", NULL, NULL, err);
			status = lep_spec_pre_tokenizer(spec, item, depth + 1, err);
		}
		return status;
	}
	if (is_one_of(type, others))
		return unsupported(spec, "pre_tokenizer", type, err);
	return malformed(spec, "pre_tokenizer", type, NULL, err);
}

/* Make room for n pieces of the template. */
static LepStatus
start_pieces(LepTokenizerSpec *spec, size_t n, LepArena *arena, LepError *err)
{
	spec->n_pieces = 0;
	spec->pieces = lep_arena_array(arena, n, sizeof(LepPiece));
	if (spec->pieces == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	return LEP_OK;
}

/* Append a piece of the template. */
static void
add_piece(LepTokenizerSpec *spec, int32_t id, int32_t type)
{
	spec->pieces[spec->n_pieces].id = id;
	spec->pieces[spec->n_pieces++].type = type;
}

/* Is value an integer that u32 holds? */
static bool
is_u32(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
		   json_integer_value(value) <= UINT32_MAX;
}

/* An integer clipped to int32_t; what is above is refused as an id without a row. */
static int32_t
clip_id(const json_t *value)
{
	return json_integer_value(value) < INT32_MAX ? (int32_t) json_integer_value(value) : INT32_MAX;
}

/* Is value a ["token", id] pair? */
static bool
is_pair(const json_t *value)
{
	return json_array_size(value) == 2 && json_is_string(json_array_get(value, 0)) &&
		   is_u32(json_array_get(value, 1));
}

/* Read BertProcessing: [CLS] text [SEP]. */
static LepStatus
read_bert_processing(LepTokenizerSpec *spec, const json_t *sep, const json_t *cls, LepArena *arena,
					 LepError *err)
{
	LepStatus status;

	if (!is_pair(sep) || !is_pair(cls))
		return malformed(spec, "post_processor", "BertProcessing", is_pair(sep) ? "cls" : "sep",
						 err);
	status = start_pieces(spec, 3, arena, err);
	if (status != LEP_OK)
		return status;
	add_piece(spec, clip_id(json_array_get(cls, 1)), 0);
	add_piece(spec, LEP_PIECE_TEXT, 0);
	add_piece(spec, clip_id(json_array_get(sep, 1)), 0);
	return LEP_OK;
}

/* Check the form of a template (single or pair). */
static bool
is_template(const json_t *list)
{
	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
	{
		const json_t *item = json_array_get(list, i);
		const json_t *text = json_object_get(item, "Sequence");
		const json_t *special = json_object_get(item, "SpecialToken");
		const json_t *piece = text != NULL ? text : special;
		const char *id = json_string_value(json_object_get(piece, "id"));

		if (json_object_size(item) != 1 || id == NULL ||
			!is_u32(json_object_get(piece, "type_id")) ||
			(text != NULL && strcmp(id, "A") != 0 && strcmp(id, "B") != 0))
			return false;
	}
	return true;
}

/* Check the form of a template's special tokens and count their ids. */
static bool
are_special_tokens(const json_t *tokens)
{
	const char *name;
	json_t *token;

	if (!json_is_object(tokens))
		return false;
	json_object_foreach((json_t *) tokens, name, token)
	{
		const json_t *ids = json_object_get(token, "ids");
		const json_t *texts = json_object_get(token, "tokens");

		if (!json_is_string(json_object_get(token, "id")) || !json_is_array(ids) ||
			!json_is_array(texts))
			return false;
		for (size_t i = 0; i < json_array_size(ids); i++)
			if (!is_u32(json_array_get(ids, i)))
				return false;
		for (size_t i = 0; i < json_array_size(texts); i++)
			if (!json_is_string(json_array_get(texts, i)))
				return false;
	}
	return true;
}

/* Ids of the special token that a piece of a template names, NULL when it is not defined. */
static const json_t *
piece_ids(const json_t *tokens, const json_t *special)
{
	const char *id = json_string_value(json_object_get(special, "id"));

	return json_object_get(json_object_get(tokens, id), "ids");
}

/* Read the template for one text. */
static LepStatus
read_template(LepTokenizerSpec *spec, const json_t *json, LepArena *arena, LepError *err)
{
	const json_t *single = json_object_get(json, "single");
	const json_t *tokens = json_object_get(json, "special_tokens");
	size_t n = 0;
	LepStatus status;

	if (!is_template(single) || !is_template(json_object_get(json, "pair")) ||
		!are_special_tokens(tokens))
		return malformed(spec, "post_processor", "TemplateProcessing",
						 !is_template(single)		   ? "single"
						 : !are_special_tokens(tokens) ? "special_tokens"
													   : "pair",
						 err);
	for (size_t i = 0; i < json_array_size(single); i++)
	{
		const json_t *special = json_object_get(json_array_get(single, i), "SpecialToken");

		n += special == NULL ? 1 : json_array_size(piece_ids(tokens, special));
	}
	status = start_pieces(spec, n, arena, err);
	for (size_t i = 0; i < json_array_size(single) && status == LEP_OK; i++)
	{
		const json_t *text = json_object_get(json_array_get(single, i), "Sequence");
		const json_t *special = json_object_get(json_array_get(single, i), "SpecialToken");
		int32_t type = clip_id(json_object_get(text != NULL ? text : special, "type_id"));
		const json_t *ids = special != NULL ? piece_ids(tokens, special) : NULL;

		if (text != NULL ? strcmp(json_string_value(json_object_get(text, "id")), "A") != 0
						 : ids == NULL)
		{
			lep_error(err, LEP_BAD_FILE, "post_processor of file \"%s\" is malformed", spec->file);
			lep_error_detail(
				err, text != NULL ? "Its template for one text uses a second one."
								  : "Its template uses a special token that it does not define.");
			return LEP_BAD_FILE;
		}
		if (text != NULL)
			add_piece(spec, LEP_PIECE_TEXT, type);
		for (size_t j = 0; j < json_array_size(ids); j++)
			add_piece(spec, clip_id(json_array_get(ids, j)), type);
	}
	return status;
}

/* Read a post_processor; nothing (json NULL or null) is the bare text. */
LepStatus
lep_spec_post_processor(LepTokenizerSpec *spec, const json_t *json, LepArena *arena, LepError *err)
{
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *sep = json_object_get(json, "sep");
	const json_t *cls = json_object_get(json, "cls");
	const json_t *list = json_object_get(json, "processors");
	LepStatus status;

	if (json == NULL || json_is_null(json))
	{
		status = start_pieces(spec, 1, arena, err);
		if (status == LEP_OK)
			add_piece(spec, LEP_PIECE_TEXT, 0);
		return status;
	}
	if (!json_is_object(json))
		return malformed(spec, "post_processor", NULL, NULL, err);
	/* The library goes by the keys and asks for the type only where there are none. */
	if (sep != NULL && cls != NULL && has_booleans(json, "trim_offsets", "add_prefix_space"))
		return unsupported(spec, "post_processor", "RobertaProcessing", err);
	if (sep != NULL && cls != NULL)
		return read_bert_processing(spec, sep, cls, arena, err);
	if (type != NULL && strcmp(type, "ByteLevel") == 0)
		return unsupported(spec, "post_processor", type, err);
	if (json_object_get(json, "single") != NULL)
		return read_template(spec, json, arena, err);
	if (type != NULL && strcmp(type, "Sequence") == 0 && json_is_array(list))
	{
		const json_t *first = json_array_get(list, 0);

		if (json_array_size(list) > 1)
			return unsupported(spec, "post_processor", "Sequence of several", err);
		if (first != NULL && !json_is_object(first))
			return malformed(spec, "post_processor", NULL, NULL, err);
		return lep_spec_post_processor(spec, first, arena, err);
	}
	return malformed(spec, "post_processor", type, NULL, err);
}
