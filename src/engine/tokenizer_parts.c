/*
 * tokenizer_parts.c: what the readers of tokenizer.json's parts share: their
 * refusals and the growing lists of the spec.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "tokenizer_tables.h"

#define DATA_FIRST ((size_t) 4096)

/* Refuse a part that lepton does not do. */
LepStatus
lep_part_unsupported(const LepTokenizerSpec *spec, const char *part, const char *name,
					 LepError *err)
{
	lep_error(err, LEP_UNSUPPORTED, "%s of file \"%s\" is not supported", part, spec->file);
	lep_error_detail(err, "It asks for \"%s\".", name);
	return LEP_UNSUPPORTED;
}

/* Refuse a part that does not follow the format. */
LepStatus
lep_part_malformed(const LepTokenizerSpec *spec, const char *part, const char *type,
				   const char *key, LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];

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

/* Append bytes to the data area. */
LepStatus
lep_spec_data(LepTokenizerSpec *spec, const void *bytes, size_t len, uint64_t *offset,
			  LepError *err)
{
	size_t start, end;

	*offset = 0;
	if (!lep_add(spec->data_size, LEP_DATA_ALIGN - 1, &start) ||
		!lep_add(start & ~(LEP_DATA_ALIGN - 1), len, &end))
		return lep_error(err, LEP_TOO_LARGE, "tokenizer of file \"%s\" is too large", spec->file);
	start &= ~(LEP_DATA_ALIGN - 1);
	if (end > spec->data_capacity)
	{
		size_t capacity = end > DATA_FIRST ? end : DATA_FIRST;
		unsigned char *bigger = NULL;

		if (lep_add(capacity, capacity, &capacity))
			bigger = lep_arena_alloc(spec->work, capacity);
		if (bigger == NULL)
			return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
		if (spec->data_size > 0)
			memcpy(bigger, spec->data, spec->data_size);
		spec->data = bigger;
		spec->data_capacity = capacity;
	}
	if (bytes != NULL && len > 0)
		memcpy(spec->data + start, bytes, len);
	spec->data_size = end;
	*offset = start;
	return LEP_OK;
}

/* Append a step to a list of them. */
LepStatus
lep_spec_step(LepTokenizerSpec *spec, const char *part, LepStep *steps, size_t *n_steps,
			  uint32_t kind, uint32_t flags, const void *bytes, size_t len, LepError *err)
{
	LepStep step = {.kind = kind, .flags = flags, .len = len};
	LepStatus status;

	if (*n_steps == LEP_STEPS_MAX)
	{
		lep_error(err, LEP_UNSUPPORTED, "%s of file \"%s\" is not supported", part, spec->file);
		lep_error_detail(err, "It has more than %d steps.", LEP_STEPS_MAX);
		return LEP_UNSUPPORTED;
	}
	status = lep_spec_data(spec, bytes, len, &step.offset, err);
	if (status == LEP_OK)
		steps[(*n_steps)++] = step;
	return status;
}
