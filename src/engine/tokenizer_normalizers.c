/*
 * tokenizer_normalizers.c: the normalizer of a tokenizer.json as a list of
 * steps; what the library refuses is LEP_BAD_FILE, what it knows and lepton
 * does not do is LEP_UNSUPPORTED and named.
 */
#define LEPTON_ENGINE_SOURCE
#include "json.h"
#include <string.h>

#include "charsmap.h"
#include "tokenizer_tables.h"

#define PART "normalizer"
#define REPLACE_BYTES_MAX \
	((size_t) 1024) /* of a pattern or a content, so that matching stays linear */

/* Append a step. */
static LepStatus
add_data(LepTokenizerSpec *spec, LepNormKind kind, uint32_t flags, const void *bytes, size_t len,
		 LepError *err)
{
	return lep_spec_step(spec, PART, spec->norms, &spec->n_norms, kind, flags, bytes, len, err);
}

/* Append a step without data. */
static LepStatus
add_step(LepTokenizerSpec *spec, LepNormKind kind, LepError *err)
{
	return add_data(spec, kind, 0, NULL, 0, err);
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

/* Compile a regex; one that matches nothing at a text's start is refused, as its origin would be nowhere. */
static LepStatus
compile_regex(LepTokenizerSpec *spec, const char *part, const json_t *regex, const void **program,
			  size_t *size, LepError *err)
{
	static const LepChar samples[] = {{'a', 0, 1}, {' ', 0, 1}, {'\n', 0, 1}};
	LepRegexScratch scratch = {.allocator = spec->work->allocator};
	void *compiled;
	bool empty = false;
	LepStatus status = lep_regex_compile(json_string_value(regex), json_string_length(regex),
										 spec->file, part, spec->work, &compiled, size, err);

	*program = compiled;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]) && status == LEP_OK; i++)
	{
		LepRegexMatcher m;
		size_t start, end;
		bool found;

		status = lep_regex_start(&m, compiled, &scratch, &samples[i], 1, NULL, err);
		if (status == LEP_OK)
			status = lep_regex_next(&m, &start, &end, &found);
		empty = empty || (status == LEP_OK && found && end == 0);
	}
	lep_regex_free(&scratch);
	if (status == LEP_OK && empty)
		return lep_part_unsupported(spec, part, "Replace of nothing", err);
	return status;
}

/* Append a Replace: pattern and content behind a LepReplace. */
LepStatus
lep_spec_replace(LepTokenizerSpec *spec, const char *part, const json_t *json, LepStep *steps,
				 size_t *n_steps, uint32_t kind, LepError *err)
{
	const json_t *pattern = json_object_get(json, "pattern");
	const json_t *string = json_object_get(pattern, "String");
	const json_t *regex = json_object_get(pattern, "Regex");
	const json_t *content = json_object_get(json, "content");
	const void *what = json_string_value(string);
	size_t what_len = json_string_length(string);
	LepReplace head = {0};
	char *bytes;
	size_t size;
	LepStatus status = LEP_OK;

	if (json_object_size(pattern) != 1 || (!json_is_string(string) && !json_is_string(regex)))
		return lep_part_malformed(spec, part, "Replace", "pattern", err);
	if (!json_is_string(content))
		return lep_part_malformed(spec, part, "Replace", "content", err);
	if (json_string_length(regex) == 0 && what_len == 0)
		return lep_part_unsupported(spec, part, "Replace of nothing", err);
	if (what_len > REPLACE_BYTES_MAX || json_string_length(content) > REPLACE_BYTES_MAX)
		return lep_part_unsupported(spec, part, "Replace of more than 1024 bytes", err);
	if (regex != NULL)
		status = compile_regex(spec, part, regex, &what, &what_len, err);
	if (status != LEP_OK)
		return status;
	if (what_len > UINT32_MAX)
		return lep_part_unsupported(spec, part, "Replace of a large pattern", err);
	head.pattern_len = (uint32_t) what_len;
	head.content_len = (uint32_t) json_string_length(content);
	size = sizeof(head) + head.pattern_len + head.content_len;
	bytes = lep_arena_alloc(spec->work, size);
	if (bytes == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), what, head.pattern_len);
	memcpy(bytes + sizeof(head) + head.pattern_len, json_string_value(content), head.content_len);
	return lep_spec_step(spec, part, steps, n_steps, kind, regex != NULL, bytes, size, err);
}

/* Append a Precompiled. */
LepStatus
lep_spec_precompiled(LepTokenizerSpec *spec, const void *map, size_t len, LepError *err)
{
	LepCharsmap view;
	LepStatus status = lep_charsmap_open(spec->file, map, len, &view, err);

	return status == LEP_OK ? add_data(spec, LEP_NORM_PRECOMPILED, 0, map, len, err) : status;
}

/* Value of a character of base64, -1 when it is none. */
static int
base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int) (found - digits) : -1;
}

/* Decode base64 text[len], with padding, into bytes; false when it is malformed. */
static bool
decode_base64(const char *text, size_t len, unsigned char *bytes, size_t *n)
{
	size_t padding = 0;
	uint32_t bits = 0;

	*n = 0;
	if (len % 4 != 0)
		return false;
	while (padding < 2 && len > 0 && text[len - 1] == '=')
	{
		padding++;
		len--;
	}
	for (size_t i = 0; i < len; i++)
	{
		int value = base64_value(text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
		if (i % 4 == 0)
			continue;
		bytes[(*n)++] = (unsigned char) (bits >> (6 - 2 * (i % 4)));
	}
	/* Bits that padding leaves over are zeros. */
	return padding == 0 || (bits & (padding == 1 ? 3u : 15u)) == 0;
}

/* Read a Precompiled. */
static LepStatus
read_precompiled(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const json_t *map = json_object_get(json, "precompiled_charsmap");
	unsigned char *bytes;
	size_t len;

	if (!json_is_string(map))
		return lep_part_malformed(spec, PART, "Precompiled", "precompiled_charsmap", err);
	bytes = lep_arena_alloc(spec->work, json_string_length(map));
	if (bytes == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	if (!decode_base64(json_string_value(map), json_string_length(map), bytes, &len))
		return lep_part_malformed(spec, PART, "Precompiled", "precompiled_charsmap", err);
	return lep_spec_precompiled(spec, bytes, len, err);
}

/* Read a Prepend. */
static LepStatus
read_prepend(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const json_t *prefix = json_object_get(json, "prepend");

	if (!json_is_string(prefix))
		return lep_part_malformed(spec, PART, "Prepend", "prepend", err);
	if (json_string_length(prefix) == 0)
		return lep_part_unsupported(spec, PART, "Prepend of nothing", err);
	return add_data(spec, LEP_NORM_PREPEND, 0, json_string_value(prefix),
					json_string_length(prefix), err);
}

/* Read a Strip. */
static LepStatus
read_strip(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	uint32_t left = json_is_true(json_object_get(json, "strip_left")) ? 1 : 0;
	uint32_t right = json_is_true(json_object_get(json, "strip_right")) ? 2 : 0;

	if (!has_booleans(json, "strip_left", "strip_right"))
		return lep_part_malformed(spec, PART, "Strip", "strip_left", err);
	return add_data(spec, LEP_NORM_STRIP, left | right, NULL, 0, err);
}

/* Read a normalizer that has settings of its own; *matches tells whether json is one. */
static LepStatus
read_with_settings(LepTokenizerSpec *spec, const json_t *json, bool *matches, LepError *err)
{
	const char *type = json_string_value(json_object_get(json, "type"));

	*matches = true;
	if (type != NULL && strcmp(type, "Strip") == 0)
		return read_strip(spec, json, err);
	if (type != NULL && strcmp(type, "Precompiled") == 0)
		return read_precompiled(spec, json, err);
	if (type != NULL && strcmp(type, "Prepend") == 0)
		return read_prepend(spec, json, err);
	if (type != NULL && strcmp(type, "Replace") == 0)
		return lep_spec_replace(spec, PART, json, spec->norms, &spec->n_norms, LEP_NORM_REPLACE,
								err);
	*matches = false;
	return LEP_OK;
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
			return lep_part_malformed(spec, PART, NULL, NULL, err);
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
		LepNormKind step;
	} simple[] = {
		{"StripAccents", LEP_NORM_STRIP_MARKS},
		{"NFC", LEP_NORM_NFC},
		{"NFD", LEP_NORM_NFD},
		{"NFKC", LEP_NORM_NFKC},
		{"NFKD", LEP_NORM_NFKD},
		{"Lowercase", LEP_NORM_LOWER},
		{"Nmt", LEP_NORM_NMT},
		{"ByteLevel", LEP_NORM_BYTES},
	};
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *list = json_object_get(json, "normalizers");
	bool matches;
	LepStatus status;

	if (json == NULL || json_is_null(json))
		return LEP_OK;
	if (!json_is_object(json) || depth > LEP_PART_DEPTH_MAX)
		return lep_part_malformed(spec, PART, NULL, NULL, err);
	for (size_t i = 0; type != NULL && i < sizeof(simple) / sizeof(simple[0]); i++)
		if (strcmp(type, simple[i].name) == 0)
			return add_step(spec, simple[i].step, err);
	status = read_with_settings(spec, json, &matches, err);
	if (matches)
		return status;
	if (type == NULL || strcmp(type, "Sequence") != 0)
	{
		status = read_bert_normalizer(spec, json, &matches, err);
		if (matches)
			return status;
		if (type != NULL && strncmp(type, "Bert", 4) == 0)
			return lep_part_malformed(spec, PART, type, "clean_text", err);
		if (has_booleans(json, "strip_left", "strip_right"))
			return read_strip(spec, json, err);
	}
	if (json_is_array(list))
		return read_normalizers(spec, list, depth, err);
	if (type != NULL && strcmp(type, "Sequence") == 0)
		return lep_part_malformed(spec, PART, type, "normalizers", err);
	if (json_object_get(json, "precompiled_charsmap") != NULL)
		return read_precompiled(spec, json, err);
	if (json_object_get(json, "pattern") != NULL && json_object_get(json, "content") != NULL)
		return lep_spec_replace(spec, PART, json, spec->norms, &spec->n_norms, LEP_NORM_REPLACE,
								err);
	if (json_object_get(json, "prepend") != NULL)
		return read_prepend(spec, json, err);
	return lep_part_malformed(spec, PART, type, NULL, err);
}
