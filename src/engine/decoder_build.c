/*
 * decoder_build.c: the decoder of a tokenizer.json as a list of steps; what
 * the library refuses is LEP_BAD_FILE, what it knows and lepton does not do
 * (CTC) is LEP_UNSUPPORTED and named.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "decoder.h"
#include "json.h"
#include "utf8.h"

#define PART "decoder"

/* Append a step. */
static LepStatus
add_step(LepTokenizerSpec *spec, LepDecodeKind kind, uint32_t flags, const void *bytes, size_t len,
		 LepError *err)
{
	return lep_spec_step(spec, PART, spec->decoders, &spec->n_decoders, kind, flags, bytes, len,
						 err);
}

/* Read a string of one character; false when it is not. */
static bool
read_character(const json_t *json, uint32_t *c)
{
	const unsigned char *bytes = (const unsigned char *) json_string_value(json);
	size_t len = json_string_length(json);

	return bytes != NULL && len > 0 && lep_utf8_decode(bytes, len, c) == len;
}

/* Read a WordPiece. */
static LepStatus
read_wordpiece(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const json_t *prefix = json_object_get(json, "prefix");
	const json_t *cleanup = json_object_get(json, "cleanup");

	if (!json_is_string(prefix) || !json_is_boolean(cleanup))
		return lep_part_malformed(spec, PART, "WordPiece",
								  json_is_string(prefix) ? "cleanup" : "prefix", err);
	return add_step(spec, LEP_DECODE_WORDPIECE, json_is_true(cleanup), json_string_value(prefix),
					json_string_length(prefix), err);
}

/* Read a ByteLevel, whose settings concern the pre-tokenizer alone. */
static LepStatus
read_bytes(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	static const char *const keys[] = {"add_prefix_space", "trim_offsets"};

	for (size_t i = 0; i < 2; i++)
		if (!json_is_boolean(json_object_get(json, keys[i])))
			return lep_part_malformed(spec, PART, "ByteLevel", keys[i], err);
	return add_step(spec, LEP_DECODE_BYTES, 0, NULL, 0, err);
}

/* Read a Metaspace, in its old and new form. */
static LepStatus
read_metaspace(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	const json_t *scheme = json_object_get(json, "prepend_scheme");
	const json_t *prefix = json_object_get(json, "add_prefix_space");
	const char *name = scheme == NULL ? "always" : json_string_value(scheme);
	uint32_t c;

	if (!read_character(json_object_get(json, "replacement"), &c))
		return lep_part_malformed(spec, PART, "Metaspace", "replacement", err);
	if (name == NULL ||
		(strcmp(name, "always") != 0 && strcmp(name, "first") != 0 && strcmp(name, "never") != 0))
		return lep_part_malformed(spec, PART, "Metaspace", "prepend_scheme", err);
	/* The library takes "no prefix" only together with the scheme "never". */
	if ((prefix != NULL && !json_is_null(prefix) && !json_is_boolean(prefix)) ||
		(json_is_false(prefix) && strcmp(name, "never") != 0))
		return lep_part_malformed(spec, PART, "Metaspace", "add_prefix_space", err);
	return add_step(spec, LEP_DECODE_METASPACE, c << 1 | (strcmp(name, "never") != 0), NULL, 0,
					err);
}

/* Read a Strip. */
static LepStatus
read_strip(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	static const char *const keys[] = {"start", "stop"};
	uint64_t counts[2];
	uint32_t c;

	if (!read_character(json_object_get(json, "content"), &c))
		return lep_part_malformed(spec, PART, "Strip", "content", err);
	for (size_t i = 0; i < 2; i++)
	{
		const json_t *count = json_object_get(json, keys[i]);

		if (!json_is_integer(count) || json_integer_value(count) < 0)
			return lep_part_malformed(spec, PART, "Strip", keys[i], err);
		counts[i] = (uint64_t) json_integer_value(count);
	}
	return add_step(spec, LEP_DECODE_STRIP, c, counts, sizeof(counts), err);
}

/* Read the decoders of a sequence. */
static LepStatus
read_sequence(LepTokenizerSpec *spec, const json_t *json, int depth, LepError *err)
{
	const json_t *list = json_object_get(json, "decoders");
	LepStatus status = LEP_OK;

	if (!json_is_array(list))
		return lep_part_malformed(spec, PART, "Sequence", "decoders", err);
	for (size_t i = 0; i < json_array_size(list) && status == LEP_OK; i++)
	{
		const json_t *item = json_array_get(list, i);

		if (!json_is_object(item))
			return lep_part_malformed(spec, PART, NULL, NULL, err);
		status = lep_spec_decoder(spec, item, depth + 1, err);
	}
	return status;
}

/* The type of a decoder; of one without or with an unknown one, what its keys say, else NULL. */
static const char *
type_of(const json_t *json)
{
	static const char *const names[] = {"BPEDecoder", "ByteLevel",	 "WordPiece", "Metaspace",
										"CTC",		  "Sequence",	 "Replace",	  "Fuse",
										"Strip",	  "ByteFallback"};
	const char *type = json_string_value(json_object_get(json, "type"));

	for (size_t i = 0; type != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(type, names[i]) == 0)
			return names[i];
	if (json_is_string(json_object_get(json, "suffix")))
		return "BPEDecoder";
	if (json_is_string(json_object_get(json, "prefix")) &&
		json_is_boolean(json_object_get(json, "cleanup")))
		return "WordPiece";
	if (json_object_get(json, "word_delimiter_token") != NULL)
		return "CTC";
	if (json_object_get(json, "pattern") != NULL)
		return "Replace";
	if (json_object_get(json, "start") != NULL && json_object_get(json, "stop") != NULL)
		return "Strip";
	return NULL;
}

/* Read a decoder. */
LepStatus
lep_spec_decoder(LepTokenizerSpec *spec, const json_t *json, int depth, LepError *err)
{
	const json_t *suffix = json_object_get(json, "suffix");
	const char *type;

	if (json == NULL || json_is_null(json))
		return LEP_OK;
	if (!json_is_object(json) || depth > LEP_PART_DEPTH_MAX)
		return lep_part_malformed(spec, PART, NULL, NULL, err);
	spec->has_decoder = true;
	type = type_of(json);
	if (type == NULL)
		return lep_part_malformed(spec, PART, json_string_value(json_object_get(json, "type")),
								  NULL, err);
	if (strcmp(type, "Sequence") == 0)
		return read_sequence(spec, json, depth, err);
	if (strcmp(type, "WordPiece") == 0)
		return read_wordpiece(spec, json, err);
	if (strcmp(type, "ByteLevel") == 0)
		return read_bytes(spec, json, err);
	if (strcmp(type, "Metaspace") == 0)
		return read_metaspace(spec, json, err);
	if (strcmp(type, "Strip") == 0)
		return read_strip(spec, json, err);
	if (strcmp(type, "ByteFallback") == 0)
		return add_step(spec, LEP_DECODE_FALLBACK, 0, NULL, 0, err);
	if (strcmp(type, "Fuse") == 0)
		return add_step(spec, LEP_DECODE_FUSE, 0, NULL, 0, err);
	if (strcmp(type, "Replace") == 0)
		return lep_spec_replace(spec, PART, json, spec->decoders, &spec->n_decoders,
								LEP_DECODE_REPLACE, err);
	if (strcmp(type, "BPEDecoder") == 0 && json_is_string(suffix))
		return add_step(spec, LEP_DECODE_SUFFIX, 0, json_string_value(suffix),
						json_string_length(suffix), err);
	if (strcmp(type, "BPEDecoder") == 0)
		return lep_part_malformed(spec, PART, type, "suffix", err);
	return lep_part_unsupported(spec, PART, type, err);
}
