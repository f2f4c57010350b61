/*
 * families.c: the table of model families and the readers of config.json that
 * they share; knows no family's own keys.
 */
#define LEPTON_ENGINE_SOURCE
#include "family.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

/* Each file's models, which end at one without a model_type. */
static const LepFamily *const families[] = {
	/* clang-format off */
	lep_family_albert,
	lep_family_bert,
	lep_family_deberta_v2,
	lep_family_distilbert,
	lep_family_electra,
	lep_family_eurobert,
	lep_family_megatron_bert,
	lep_family_modernbert,
	lep_family_mpnet,
	lep_family_rembert,
	lep_family_roberta,
	lep_family_rotary,
	/* clang-format on */
};

#define N_FILES (sizeof(families) / sizeof(families[0]))

/* ACT2FN's names of the activations that kernels have. */
static const struct
{
	const char *name;
	LepAct act;
} acts[] = {
	{"gelu", LEP_ACT_GELU},
	{"gelu_accurate", LEP_ACT_GELU_TANH},
	{"gelu_fast", LEP_ACT_GELU_TANH},
	{"gelu_new", LEP_ACT_GELU_TANH},
	{"gelu_python", LEP_ACT_GELU},
	{"gelu_python_tanh", LEP_ACT_GELU_TANH},
	{"gelu_pytorch_tanh", LEP_ACT_GELU_TANH},
	{"leaky_relu", LEP_ACT_LEAKY_RELU},
	{"linear", LEP_ACT_NONE},
	{"mish", LEP_ACT_MISH},
	{"quick_gelu", LEP_ACT_QUICK_GELU},
	{"relu", LEP_ACT_RELU},
	{"relu2", LEP_ACT_RELU2},
	{"relu6", LEP_ACT_RELU6},
	{"sigmoid", LEP_ACT_SIGMOID},
	{"silu", LEP_ACT_SILU},
	{"swish", LEP_ACT_SILU},
	{"tanh", LEP_ACT_TANH},
};

/* Find the family of a model_type. */
const LepFamily *
lep_family_find(const char *model_type)
{
	for (size_t i = 0; i < N_FILES; i++)
	{
		for (const LepFamily *f = families[i]; f->model_type != NULL; f++)
		{
			if (strcmp(f->model_type, model_type) == 0)
				return f;
		}
	}
	return NULL;
}

/* List the known model types. */
const char *
lep_family_list(char *dst, size_t size)
{
	size_t used = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < N_FILES; i++)
	{
		for (const LepFamily *f = families[i]; f->model_type != NULL; f++)
		{
			int n = snprintf(dst + used, size - used, "%s%s", used > 0 ? ", " : "", f->model_type);

			if (n < 0 || (size_t) n >= size - used)
				return dst;
			used += (size_t) n;
		}
	}
	return dst;
}

/* Refuse an explicit null where a value must stand. */
static LepStatus
refuse_null(const json_t *config, const char *file, const char *key, const char *expected,
			LepError *err)
{
	if (!json_is_null(json_object_get(config, key)))
		return LEP_OK;
	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" is null", key, file);
	lep_error_detail(err, "Expected %s; leave the key out for its default.", expected);
	return LEP_BAD_FILE;
}

/* Read an integer. */
LepStatus
lep_config_int(const json_t *config, const char *file, const char *key, int64_t fallback,
			   int64_t min, int64_t max, int64_t *out, LepError *err)
{
	LepStatus status = refuse_null(config, file, key, "an integer", err);

	if (status != LEP_OK)
		return status;
	return lep_json_int(config, file, key, false, fallback, min, max, out, err);
}

/* Read a real number. */
LepStatus
lep_config_real(const json_t *config, const char *file, const char *key, double fallback,
				double min, double max, double *out, LepError *err)
{
	LepStatus status = refuse_null(config, file, key, "a number", err);

	if (status != LEP_OK)
		return status;
	return lep_json_real(config, file, key, false, fallback, min, max, out, err);
}

/* Read a truth value. */
LepStatus
lep_config_bool(const json_t *config, const char *file, const char *key, bool fallback, bool *out,
				LepError *err)
{
	LepStatus status = refuse_null(config, file, key, "true or false", err);

	if (status != LEP_OK)
		return status;
	return lep_json_bool(config, file, key, false, fallback, out, err);
}

/* Read sizes. */
LepStatus
lep_config_sizes(const json_t *config, const char *file, const LepConfigSize *sizes, size_t n,
				 LepError *err)
{
	for (size_t i = 0; i < n; i++)
	{
		int64_t value;
		LepStatus status = lep_config_int(config, file, sizes[i].key, sizes[i].fallback,
										  sizes[i].min, sizes[i].max, &value, err);

		if (status != LEP_OK)
			return status;
		*sizes[i].out = (uint32_t) value;
	}
	return LEP_OK;
}

/* Read a real number that is at least 0. */
LepStatus
lep_config_f32(const json_t *config, const char *file, const char *key, double fallback, float *out,
			   LepError *err)
{
	double value;
	LepStatus status = lep_config_real(config, file, key, fallback, 0, FLT_MAX, &value, err);

	if (status == LEP_OK)
		*out = (float) value;
	return status;
}

/* Refuse a hidden size that the attention heads cannot share. */
LepStatus
lep_config_heads(const LepDesc *desc, const char *file, LepError *err)
{
	if (desc->hidden % desc->n_heads == 0)
		return LEP_OK;
	lep_error(err, LEP_BAD_FILE, "hidden size is not a multiple of the number of heads");
	lep_error_detail(err, "File \"%s\" has hidden size %u and %u attention heads.", file,
					 desc->hidden, desc->n_heads);
	return LEP_BAD_FILE;
}

/* Read rotary positions. */
LepStatus
lep_config_rotary(const json_t *own, const json_t *scaling, const char *file, double fallback,
				  float *theta, float *factor, LepError *err)
{
	const json_t *const from[] = {scaling, own};
	const char *type = NULL;
	const char *older = NULL;
	char quoted[LEP_QUOTE_SIZE];
	double number = fallback;
	double stretch = 1;
	bool stretched = false;
	LepStatus status = LEP_OK;

	/* What the older key says goes before the newer one's. */
	for (size_t i = 0; i < 2 && status == LEP_OK; i++)
	{
		const json_t *value = from[1 - i];

		if (value == NULL || json_is_null(value))
			continue;
		if (!json_is_object(value))
			return lep_error(err, LEP_BAD_FILE, "rotary positions of file \"%s\" are not an object",
							 file);
		status = lep_json_real(value, file, "rope_theta", false, number, 0, FLT_MAX, &number, err);
		if (status == LEP_OK)
			status =
				lep_json_real(value, file, "factor", false, stretch, 0, FLT_MAX, &stretch, err);
		if (status == LEP_OK && json_is_string(json_object_get(value, "rope_type")))
			type = json_string_value(json_object_get(value, "rope_type"));
		if (status == LEP_OK && json_is_string(json_object_get(value, "type")))
			older = json_string_value(json_object_get(value, "type"));
		stretched =
			stretched || json_number_value(json_object_get(value, "partial_rotary_factor")) != 0;
	}
	if (status != LEP_OK)
		return status;
	/* "type" is asked where there is no "rope_type". */
	if (type == NULL)
		type = older;
	if (stretched || (type != NULL && strcmp(type, "default") != 0 && strcmp(type, "linear") != 0))
	{
		lep_error(err, LEP_UNSUPPORTED, "rotary positions of type \"%s\" are not supported",
				  stretched ? "partial"
							: lep_error_quote(quoted, sizeof(quoted), type, strlen(type)));
		lep_error_detail(
			err, "File \"%s\" asks for them; \"default\" and \"linear\" are supported.", file);
		return LEP_UNSUPPORTED;
	}
	*theta = (float) number;
	*factor = type != NULL && strcmp(type, "linear") == 0 ? (float) stretch : 1.0f;
	if (*theta > 0 && *factor > 0)
		return LEP_OK;
	lep_error(err, LEP_BAD_FILE, "rotary positions of file \"%s\" do not turn", file);
	lep_error_detail(err, "Their theta is %g and their factor %g, expected more than 0.", number,
					 stretch);
	return LEP_BAD_FILE;
}

/* Read an activation. */
LepStatus
lep_config_act(const json_t *config, const char *file, const char *key, const char *fallback,
			   uint32_t *act, LepError *err)
{
	const char *name;
	char quoted[300];
	LepStatus status = refuse_null(config, file, key, "the name of an activation", err);

	if (status == LEP_OK)
		status = lep_json_string(config, file, key, false, fallback, &name, err);
	if (status != LEP_OK)
		return status;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
	{
		if (strcmp(acts[i].name, name) == 0)
		{
			*act = acts[i].act;
			return LEP_OK;
		}
	}
	lep_error(err, LEP_UNSUPPORTED, "activation \"%s\" is not supported",
			  lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
	lep_error_detail(err, "Key \"%s\" of file \"%s\" asks for it.", key, file);
	return LEP_UNSUPPORTED;
}

/* Refuse what no family here has. */
LepStatus
lep_config_refuse(const json_t *config, const char *file, LepError *err)
{
	static const char *const keys[] = {"quantization_config", "per_layer_config", "pruned_heads"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		const json_t *value = json_object_get(config, keys[i]);

		if (value == NULL || json_is_null(value) ||
			(json_is_object(value) && json_object_size(value) == 0))
			continue;
		lep_error(err, LEP_UNSUPPORTED, "key \"%s\" is not supported", keys[i]);
		lep_error_detail(err, "File \"%s\" has it.", file);
		if (i == 0)
			lep_error_hint(err, "Load the model's unquantized folder.");
		return LEP_UNSUPPORTED;
	}
	return LEP_OK;
}
