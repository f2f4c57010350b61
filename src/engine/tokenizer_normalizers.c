/*
 * tokenizer_normalizers.c: the normalizer of a tokenizer.json as a list of
 * steps; what the library refuses is LEP_BAD_FILE, what it knows and lepton
 * does not do is LEP_UNSUPPORTED and named.
 */
#define LEPTON_ENGINE_SOURCE
#include "json.h"
#include <string.h>

#include "tokenizer_tables.h"

/* Is name one of names, which end with NULL? */
static bool
is_one_of(const char *name, const char *const *names)
{
	for (; name != NULL && *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* Append a step without data. */
static LepStatus
add_step(LepTokenizerSpec *spec, LepNormKind kind, LepError *err)
{
	return lep_spec_step(spec, "normalizer", spec->norms, &spec->n_norms, kind, 0, NULL, 0, err);
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
			return lep_part_malformed(spec, "normalizer", NULL, NULL, err);
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
	};
	static const char *const others[] = {"Strip",	"Nmt",		 "Precompiled", "Replace",
										 "Prepend", "ByteLevel", NULL};
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *list = json_object_get(json, "normalizers");
	bool matches;
	LepStatus status;

	if (json == NULL || json_is_null(json))
		return LEP_OK;
	if (!json_is_object(json) || depth > LEP_PART_DEPTH_MAX)
		return lep_part_malformed(spec, "normalizer", NULL, NULL, err);
	for (size_t i = 0; type != NULL && i < sizeof(simple) / sizeof(simple[0]); i++)
		if (strcmp(type, simple[i].name) == 0)
			return add_step(spec, simple[i].step, err);
	if (is_one_of(type, others))
		return lep_part_unsupported(spec, "normalizer", type, err);
	if (type == NULL || strcmp(type, "Sequence") != 0)
	{
		status = read_bert_normalizer(spec, json, &matches, err);
		if (matches)
			return status;
		if (type != NULL && strncmp(type, "Bert", 4) == 0)
			return lep_part_malformed(spec, "normalizer", type, "clean_text", err);
		if (has_booleans(json, "strip_left", "strip_right"))
			return lep_part_unsupported(spec, "normalizer", "Strip", err);
	}
	if (json_is_array(list))
		return read_normalizers(spec, list, depth, err);
	if (type != NULL && strcmp(type, "Sequence") == 0)
		return lep_part_malformed(spec, "normalizer", type, "normalizers", err);
	if (json_object_get(json, "pattern") != NULL && json_object_get(json, "content") != NULL)
		return lep_part_unsupported(spec, "normalizer", "Replace", err);
	if (json_object_get(json, "prepend") != NULL)
		return lep_part_unsupported(spec, "normalizer", "Prepend", err);
	return lep_part_malformed(spec, "normalizer", type, NULL, err);
}
