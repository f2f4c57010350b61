/*
 * tokenizer_splits.c: the pre_tokenizer of a tokenizer.json as a list of
 * splits; what the library refuses is LEP_BAD_FILE, what it knows and lepton
 * does not do is LEP_UNSUPPORTED and named.
 */
#define LEPTON_ENGINE_SOURCE
#include "json.h"
#include <string.h>

#include "tokenizer_tables.h"
#include "utf8.h"

#define PART "pre_tokenizer"

/* The pattern of the byte-level split; that of GPT-2. */
#define BYTES_PATTERN \
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* Append a split. */
static LepStatus
add_split(LepTokenizerSpec *spec, LepPreKind kind, uint32_t flags, const void *bytes, size_t len,
		  LepError *err)
{
	return lep_spec_step(spec, PART, spec->split_steps, &spec->n_splits, kind, flags, bytes, len,
						 err);
}

/* Read a behavior into LEP_BEHAVIOR_; false when it is none. */
static bool
read_behavior(const json_t *json, uint32_t *behavior)
{
	static const struct
	{
		const char *name;
		uint32_t behavior;
	} names[] = {
		{"Removed", LEP_BEHAVIOR_REMOVED},
		{"Isolated", LEP_BEHAVIOR_ISOLATED},
		{"MergedWithPrevious", LEP_BEHAVIOR_PREVIOUS},
		{"MergedWithNext", LEP_BEHAVIOR_NEXT},
		{"Contiguous", LEP_BEHAVIOR_CONTIGUOUS},
	};

	for (size_t i = 0; json_is_string(json) && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(json_string_value(json), names[i].name) == 0)
		{
			*behavior = names[i].behavior;
			return true;
		}
	return false;
}

/* Read a string of one character; false when it is not. */
static bool
read_character(const json_t *json, uint32_t *c)
{
	const unsigned char *bytes = (const unsigned char *) json_string_value(json);
	size_t len = json_string_length(json);

	return bytes != NULL && len > 0 && lep_utf8_decode(bytes, len, c) == len;
}

/* Read key, a boolean that may be missing; false when it is something else. */
static bool
read_boolean(const json_t *json, const char *key, bool fallback, bool *value)
{
	const json_t *found = json_object_get(json, key);

	*value = found == NULL ? fallback : json_is_true(found);
	return found == NULL || json_is_boolean(found);
}

/* Append a split by a regular expression. */
static LepStatus
add_regex(LepTokenizerSpec *spec, LepPreKind kind, uint32_t flags, const char *pattern, size_t len,
		  LepError *err)
{
	void *program;
	size_t size;
	LepStatus status =
		lep_regex_compile(pattern, len, spec->file, PART, spec->work, &program, &size, err);

	return status == LEP_OK ? add_split(spec, kind, flags, program, size, err) : status;
}

/* Append a split by a map of characters. */
static LepStatus
add_map(LepTokenizerSpec *spec, LepPreKind kind, uint32_t flags, LepError *err)
{
	void *map;
	size_t size;
	LepStatus status = kind == LEP_PRE_DIGITS ? lep_char_map_digits(spec->work, &map, &size, err)
											  : lep_char_map_scripts(spec->work, &map, &size, err);

	return status == LEP_OK ? add_split(spec, kind, flags, map, size, err) : status;
}

/* Read a ByteLevel. */
static LepStatus
read_bytes(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const char *type = "ByteLevel";
	uint32_t flags;
	bool regex;

	if (!json_is_boolean(json_object_get(json, "add_prefix_space")))
		return lep_part_malformed(spec, PART, type, "add_prefix_space", err);
	if (!json_is_boolean(json_object_get(json, "trim_offsets")))
		return lep_part_malformed(spec, PART, type, "trim_offsets", err);
	if (!read_boolean(json, "use_regex", true, &regex))
		return lep_part_malformed(spec, PART, type, "use_regex", err);
	flags = json_is_true(json_object_get(json, "add_prefix_space")) ? LEP_BYTES_PREFIX : 0;
	if (!regex)
		return add_split(spec, LEP_PRE_BYTES, flags, NULL, 0, err);
	return add_regex(spec, LEP_PRE_BYTES, flags | LEP_BYTES_REGEX, BYTES_PATTERN,
					 strlen(BYTES_PATTERN), err);
}

/* Read a Metaspace, in its old and new form. */
static LepStatus
read_metaspace(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	static const struct
	{
		const char *name;
		uint32_t flag;
	} schemes[] = {{"always", LEP_META_ALWAYS}, {"first", LEP_META_FIRST}, {"never", 0}};
	const char *type = "Metaspace";
	const json_t *prefix = json_object_get(json, "add_prefix_space");
	const json_t *scheme = json_object_get(json, "prepend_scheme");
	const json_t *split = json_object_get(json, "split");
	uint32_t flags = LEP_META_ALWAYS;
	uint32_t c;

	if (!read_character(json_object_get(json, "replacement"), &c))
		return lep_part_malformed(spec, PART, type, "replacement", err);
	if (prefix != NULL && !json_is_null(prefix) && !json_is_boolean(prefix))
		return lep_part_malformed(spec, PART, type, "add_prefix_space", err);
	if (split != NULL && !json_is_null(split) && !json_is_boolean(split))
		return lep_part_malformed(spec, PART, type, "split", err);
	if (scheme != NULL)
	{
		size_t i = 0;

		while (i < 3 &&
			   (!json_is_string(scheme) || strcmp(json_string_value(scheme), schemes[i].name) != 0))
			i++;
		if (i == 3)
			return lep_part_malformed(spec, PART, type, "prepend_scheme", err);
		flags = schemes[i].flag;
	}
	/* The library takes "no prefix" only together with the scheme "never". */
	if (json_is_false(prefix) && flags != 0)
		return lep_part_malformed(spec, PART, type, "prepend_scheme", err);
	if (!json_is_false(split))
		flags |= LEP_META_SPLIT;
	return add_split(spec, LEP_PRE_METASPACE, flags | c << LEP_META_SHIFT, NULL, 0, err);
}

/* Read a Split. */
static LepStatus
read_split(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const char *type = "Split";
	const json_t *pattern = json_object_get(json, "pattern");
	const json_t *string = json_object_get(pattern, "String");
	const json_t *regex = json_object_get(pattern, "Regex");
	uint32_t flags;

	if (json_object_size(pattern) != 1 || (!json_is_string(string) && !json_is_string(regex)))
		return lep_part_malformed(spec, PART, type, "pattern", err);
	if (!read_behavior(json_object_get(json, "behavior"), &flags))
		return lep_part_malformed(spec, PART, type, "behavior", err);
	if (!json_is_boolean(json_object_get(json, "invert")))
		return lep_part_malformed(spec, PART, type, "invert", err);
	if (json_is_true(json_object_get(json, "invert")))
		flags |= LEP_BEHAVIOR_INVERT;
	if (string != NULL)
		return add_split(spec, LEP_PRE_STRING, flags, json_string_value(string),
						 json_string_length(string), err);
	return add_regex(spec, LEP_PRE_REGEX, flags, json_string_value(regex),
					 json_string_length(regex), err);
}

/* Read a pre_tokenizer that has settings of its own; *matches tells whether type is one. */
static LepStatus
read_with_settings(LepTokenizerSpec *spec, const json_t *json, const char *type, bool *matches,
				   LepError *err)
{
	const json_t *behavior = json_object_get(json, "behavior");
	const json_t *length = json_object_get(json, "length");
	uint32_t flags = LEP_BEHAVIOR_ISOLATED;
	bool single;

	*matches = true;
	if (strcmp(type, "ByteLevel") == 0)
		return read_bytes(spec, json, err);
	if (strcmp(type, "Metaspace") == 0)
		return read_metaspace(spec, json, err);
	if (strcmp(type, "Split") == 0)
		return read_split(spec, json, err);
	if (strcmp(type, "Punctuation") == 0)
	{
		if (behavior != NULL && !read_behavior(behavior, &flags))
			return lep_part_malformed(spec, PART, type, "behavior", err);
		return add_split(spec, LEP_PRE_PUNCTUATION, flags, NULL, 0, err);
	}
	if (strcmp(type, "Digits") == 0)
	{
		if (json_object_get(json, "individual_digits") == NULL ||
			!read_boolean(json, "individual_digits", false, &single))
			return lep_part_malformed(spec, PART, type, "individual_digits", err);
		return add_map(spec, LEP_PRE_DIGITS,
					   single ? LEP_BEHAVIOR_ISOLATED : LEP_BEHAVIOR_CONTIGUOUS, err);
	}
	if (strcmp(type, "CharDelimiterSplit") == 0)
	{
		if (!read_character(json_object_get(json, "delimiter"), &flags))
			return lep_part_malformed(spec, PART, type, "delimiter", err);
		return add_split(spec, LEP_PRE_CHAR, flags, NULL, 0, err);
	}
	if (strcmp(type, "FixedLength") == 0)
	{
		if (!json_is_integer(length) || json_integer_value(length) < 1)
			return lep_part_malformed(spec, PART, type, "length", err);
		return add_split(spec, LEP_PRE_FIXED,
						 json_integer_value(length) < UINT32_MAX
							 ? (uint32_t) json_integer_value(length)
							 : UINT32_MAX,
						 NULL, 0, err);
	}
	*matches = false;
	return LEP_OK;
}

/* Read a pre_tokenizer, or nothing when json is NULL or null. */
LepStatus
lep_spec_pre_tokenizer(LepTokenizerSpec *spec, const json_t *json, int depth, LepError *err)
{
	static const struct
	{
		const char *name;
		LepPreKind kind;
	} simple[] = {
		{"BertPreTokenizer", LEP_PRE_BERT},
		{"WhitespaceSplit", LEP_PRE_SPACE},
		{"Whitespace", LEP_PRE_WORDS},
	};
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *list = json_object_get(json, "pretokenizers");
	bool matches;
	LepStatus status;

	if (json == NULL || json_is_null(json))
		return LEP_OK;
	if (!json_is_object(json) || type == NULL || depth > LEP_PART_DEPTH_MAX)
		return lep_part_malformed(spec, PART, NULL, NULL, err);
	for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
		if (strcmp(type, simple[i].name) == 0)
			return add_split(spec, simple[i].kind, 0, NULL, 0, err);
	status = read_with_settings(spec, json, type, &matches, err);
	if (matches)
		return status;
	if (strcmp(type, "UnicodeScripts") == 0)
		return add_map(spec, LEP_PRE_SCRIPTS, 0, err);
	if (strcmp(type, "Sequence") != 0)
		return lep_part_malformed(spec, PART, type, NULL, err);
	if (!json_is_array(list))
		return lep_part_malformed(spec, PART, type, "pretokenizers", err);
	for (size_t i = 0; i < json_array_size(list) && status == LEP_OK; i++)
	{
		const json_t *item = json_array_get(list, i);

		if (json_is_null(item))
			return lep_part_malformed(spec, PART, NULL, NULL, err);
		status = lep_spec_pre_tokenizer(spec, item, depth + 1, err);
	}
	return status;
}
