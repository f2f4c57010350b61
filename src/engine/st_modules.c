/*
 * st_modules.c: the modules behind the encoder: Pooling, Dense, LayerNorm,
 * Normalize and Dropout as sentence-transformers' release 6 reads them; any other is
 * LEP_UNSUPPORTED by name.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <string.h>

#include "st_parts.h"

/* Where a module's settings are read from. */
typedef struct Place
{
	LepFolder *folder;
	LepArena *arena;
	const char *file; /* path of the settings */
	LepError *err;
} Place;

/* Find a pooling mode by its name. */
static LepStatus
read_mode(const char *file, const json_t *mode, uint8_t *pool, LepError *err)
{
	static const char *const names[LEP_POOL_COUNT] = {
		[LEP_POOL_CLS] = "cls",
		[LEP_POOL_MAX] = "max",
		[LEP_POOL_MEAN] = "mean",
		[LEP_POOL_MEAN_SQRT_LEN] = "mean_sqrt_len_tokens",
		[LEP_POOL_WEIGHTED_MEAN] = "weightedmean",
		[LEP_POOL_LAST_TOKEN] = "lasttoken",
	};
	char quoted[LEP_QUOTE_SIZE];

	if (!json_is_string(mode))
		return lep_st_wrong_type(file, "pooling_mode", "a mode's name or a list of them", err);
	for (uint8_t i = LEP_POOL_NONE + 1; i < LEP_POOL_COUNT; i++)
	{
		if (strcmp(names[i], json_string_value(mode)) == 0)
		{
			*pool = i;
			return LEP_OK;
		}
	}
	lep_error(
		err, LEP_BAD_FILE, "pooling mode \"%s\" is not known",
		lep_error_quote(quoted, sizeof(quoted), json_string_value(mode), json_string_length(mode)));
	lep_error_detail(err, "Key \"pooling_mode\" of file \"%s\" has it.", file);
	return LEP_BAD_FILE;
}

/* Read a pooling module's modes: the new key, or else the older truth values. */
static LepStatus
read_modes(const json_t *config, const char *file, LepModule *m, LepError *err)
{
	static const char *const older[LEP_POOL_COUNT] = {
		[LEP_POOL_CLS] = "pooling_mode_cls_token",
		[LEP_POOL_MAX] = "pooling_mode_max_tokens",
		[LEP_POOL_MEAN] = "pooling_mode_mean_tokens",
		[LEP_POOL_MEAN_SQRT_LEN] = "pooling_mode_mean_sqrt_len_tokens",
		[LEP_POOL_WEIGHTED_MEAN] = "pooling_mode_weightedmean_tokens",
		[LEP_POOL_LAST_TOKEN] = "pooling_mode_lasttoken",
	};
	const json_t *modes = json_object_get(config, "pooling_mode");
	LepStatus status = LEP_OK;
	size_t n = 0;

	if (modes != NULL)
	{
		n = json_is_array(modes) ? json_array_size(modes) : 1;
		if (n == 0)
			return lep_error(err, LEP_BAD_FILE, "key \"pooling_mode\" of file \"%s\" is empty",
							 file);
		if (n > LEP_MAX_POOLS)
			return lep_error(err, LEP_TOO_LARGE,
							 "key \"pooling_mode\" of file \"%s\" has too many modes", file);
		for (size_t i = 0; status == LEP_OK && i < n; i++)
			status = read_mode(file, json_is_array(modes) ? json_array_get(modes, i) : modes,
							   &m->pools[i], err);
		return status;
	}
	for (uint8_t i = LEP_POOL_NONE + 1; i < LEP_POOL_COUNT; i++)
	{
		bool set;

		status = lep_json_bool(config, file, older[i], false, false, &set, err);
		if (status != LEP_OK)
			return status;
		if (set)
			m->pools[n++] = i;
	}
	if (n == 0)
		m->pools[0] = LEP_POOL_MEAN;
	return LEP_OK;
}

/* Check that a module's width is that of what flows into it. */
static LepStatus
check_width(const Place *p, const char *key, int64_t found, uint32_t expected)
{
	if (found == expected)
		return LEP_OK;
	lep_error(p->err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" does not fit the module before", key,
			  p->file);
	lep_error_detail(p->err, "Found %lld, expected %u.", (long long) found, expected);
	return LEP_BAD_FILE;
}

/* Read Pooling. */
static LepStatus
read_pooling(const Place *p, json_t *config, LepModule *m)
{
	static const char *const known[] = {"embedding_dimension",
										"include_prompt",
										"pooling_mode",
										"pooling_mode_cls_token",
										"pooling_mode_lasttoken",
										"pooling_mode_max_tokens",
										"pooling_mode_mean_sqrt_len_tokens",
										"pooling_mode_mean_tokens",
										"pooling_mode_weightedmean_tokens",
										"word_embedding_dimension",
										NULL};
	const char *key = json_object_get(config, "embedding_dimension") != NULL
						  ? "embedding_dimension"
						  : "word_embedding_dimension";
	int64_t width;
	bool include;
	LepStatus status = lep_st_check_keys(config, p->file, known, p->err);

	if (status == LEP_OK)
		status = lep_json_int(config, p->file, key, true, 0, 1, LEP_MAX_WIDTH, &width, p->err);
	if (status == LEP_OK)
		status = check_width(p, key, width, m->d_in);
	if (status == LEP_OK)
		status = read_modes(config, p->file, m, p->err);
	if (status == LEP_OK)
		status = lep_json_bool(config, p->file, "include_prompt", false, true, &include, p->err);
	if (status != LEP_OK)
		return status;
	m->kind = LEP_MODULE_POOL;
	m->d_out = m->d_in * lep_desc_pool_count(m);
	m->skip_prompt = !include;
	return LEP_OK;
}

/* Find an activation by its class in torch.nn; all are made without arguments. */
static LepStatus
read_torch_act(const Place *p, const char *name, uint32_t *act)
{
	static const struct
	{
		const char *name;
		LepAct act;
	} acts[] = {
		{"GELU", LEP_ACT_GELU}, {"Identity", LEP_ACT_NONE},	  {"LeakyReLU", LEP_ACT_LEAKY_RELU},
		{"Mish", LEP_ACT_MISH}, {"ReLU", LEP_ACT_RELU},		  {"ReLU6", LEP_ACT_RELU6},
		{"SiLU", LEP_ACT_SILU}, {"Sigmoid", LEP_ACT_SIGMOID}, {"Tanh", LEP_ACT_TANH},
	};
	char quoted[LEP_QUOTE_SIZE];
	const char *class = strrchr(name, '.');

	if (class != NULL && strncmp(name, "torch.nn.", strlen("torch.nn.")) == 0)
	{
		for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		{
			if (strcmp(acts[i].name, class + 1) == 0)
			{
				*act = acts[i].act;
				return LEP_OK;
			}
		}
	}
	lep_error(p->err, LEP_UNSUPPORTED, "activation \"%s\" is not supported",
			  lep_error_quote(quoted, sizeof(quoted), name, strlen(name)));
	lep_error_detail(p->err, "Key \"activation_function\" of file \"%s\" asks for it.", p->file);
	return LEP_UNSUPPORTED;
}

/* Accept a module that reads and writes the text's embedding, nothing else. */
static LepStatus
check_names(const Place *p, const json_t *config)
{
	static const char *const keys[] = {"module_input_name", "module_output_name"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		const char *name;
		LepStatus status =
			lep_json_string(config, p->file, keys[i], false, "sentence_embedding", &name, p->err);

		if (status == LEP_OK && strcmp(name, "sentence_embedding") != 0)
			status = lep_st_unsupported(p->file, keys[i], "\"sentence_embedding\"", p->err);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Read Dense. */
static LepStatus
read_dense(const Place *p, json_t *config, LepModule *m)
{
	const char *act = "torch.nn.modules.activation.Tanh";
	const json_t *act_value = json_object_get(config, "activation_function");
	int64_t d_in;
	int64_t d_out;
	bool bias;
	bool residual;
	LepStatus status =
		lep_json_int(config, p->file, "in_features", true, 0, 1, LEP_MAX_WIDTH, &d_in, p->err);

	if (status == LEP_OK)
		status = check_width(p, "in_features", d_in, m->d_in);
	if (status == LEP_OK)
		status = lep_json_int(config, p->file, "out_features", true, 0, 1, LEP_MAX_WIDTH, &d_out,
							  p->err);
	if (status == LEP_OK)
		status = lep_json_bool(config, p->file, "bias", false, true, &bias, p->err);
	if (status == LEP_OK && act_value != NULL && !json_is_string(act_value))
		status = lep_st_wrong_type(p->file, "activation_function", "the name of a class", p->err);
	if (status == LEP_OK)
		status = lep_json_string(config, p->file, "activation_function", false, act, &act, p->err);
	if (status == LEP_OK)
		status = read_torch_act(p, act, &m->act);
	if (status == LEP_OK)
		status = check_names(p, config);
	if (status == LEP_OK)
		status = lep_json_bool(config, p->file, "use_residual", false, false, &residual, p->err);
	if (status != LEP_OK)
		return status;
	m->kind = LEP_MODULE_DENSE;
	m->d_out = (uint32_t) d_out;
	m->has_bias = bias;
	m->residual = residual;
	return LEP_OK;
}

/* Read LayerNorm. */
static LepStatus
read_layer_norm(const Place *p, json_t *config, LepModule *m)
{
	int64_t width;
	LepStatus status =
		lep_json_int(config, p->file, "dimension", true, 0, 1, LEP_MAX_WIDTH, &width, p->err);

	if (status == LEP_OK)
		status = check_width(p, "dimension", width, m->d_in);
	m->kind = LEP_MODULE_NORM;
	m->d_out = m->d_in;
	m->eps = 1e-5f;
	return status;
}

/* Read Normalize, whose settings may be absent. */
static LepStatus
read_normalize(const Place *p, json_t *config, LepModule *m)
{
	m->kind = LEP_MODULE_NORMALIZE;
	m->d_out = m->d_in;
	return config == NULL ? LEP_OK : check_names(p, config);
}

/* Read one module behind the transformer into m; *skip: it does nothing when a model is used. */
static LepStatus
read_module(const Place *p, const LepStEntry *entry, LepModule *m, bool *skip)
{
	static const struct
	{
		const char *type;
		LepStatus (*read)(const Place *p, json_t *config, LepModule *m);
		bool needs_config;
	} readers[] = {
		{"Pooling", read_pooling, true},
		{"Dense", read_dense, true},
		{"LayerNorm", read_layer_norm, true},
		{"Normalize", read_normalize, false},
	};
	char quoted[LEP_QUOTE_SIZE];
	json_t *config = NULL;
	LepStatus status = LEP_OK;

	*skip = strcmp(entry->type, "Dropout") == 0;
	if (*skip)
		return LEP_OK;
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
	{
		if (strcmp(readers[i].type, entry->type) != 0)
			continue;
		if (readers[i].needs_config || lep_folder_find(p->folder, p->file) >= 0)
			status = lep_folder_json(p->folder, p->file, p->arena, &config, p->err);
		if (status == LEP_OK)
			status = readers[i].read(p, config, m);
		lep_json_free(config);
		return status;
	}
	lep_error(p->err, LEP_UNSUPPORTED, "module \"%s\" is not supported",
			  lep_error_quote(quoted, sizeof(quoted), entry->type, strlen(entry->type)));
	lep_error_detail(p->err, "File \"modules.json\" lists it; supported are Pooling, Dense, "
							 "LayerNorm, Normalize and Dropout behind one Transformer.");
	return LEP_UNSUPPORTED;
}

/* Read SpladePooling's keys. */
static LepStatus
read_sparse(const Place *p, json_t *config, LepDesc *desc)
{
	static const char *const known[] = {"activation_function",		"chunk_size",
										"embedding_dimension",		"pooling_strategy",
										"word_embedding_dimension", NULL};
	const char *pooling;
	const char *act;
	LepStatus status = lep_st_check_keys(config, p->file, known, p->err);

	if (status == LEP_OK)
		status =
			lep_json_string(config, p->file, "pooling_strategy", false, "max", &pooling, p->err);
	if (status == LEP_OK)
		status =
			lep_json_string(config, p->file, "activation_function", false, "relu", &act, p->err);
	if (status != LEP_OK)
		return status;
	if (strcmp(pooling, "max") != 0 && strcmp(pooling, "sum") != 0)
		return lep_st_unsupported(p->file, "pooling_strategy", "\"max\" or \"sum\"", p->err);
	if (strcmp(act, "relu") != 0 && strcmp(act, "log1p_relu") != 0)
		return lep_st_unsupported(p->file, "activation_function", "\"relu\" or \"log1p_relu\"",
								  p->err);
	desc->sparse = strcmp(pooling, "max") == 0 ? LEP_SPARSE_MAX : LEP_SPARSE_SUM;
	desc->sparse_logs = strcmp(act, "relu") == 0 ? 1 : 2;
	return LEP_OK;
}

/* Read the settings of SpladePooling. */
LepStatus
lep_st_sparse(LepFolder *folder, LepArena *arena, const LepStModules *st, LepDesc *desc,
			  LepError *err)
{
	char file[LEP_NAME_MAX + 16];
	Place place = {folder, arena, file, err};
	json_t *config = NULL;
	LepStatus status;

	if (st->n_entries > 2)
	{
		lep_error(err, LEP_UNSUPPORTED, "module \"%s\" is not supported in this place",
				  st->entries[2].type);
		lep_error_detail(err, "File \"modules.json\" lists it behind \"SpladePooling\".");
		return LEP_UNSUPPORTED;
	}
	snprintf(file, sizeof(file), "%sconfig.json", st->entries[1].path);
	status = lep_folder_json(folder, file, arena, &config, err);
	if (status == LEP_OK)
		status = read_sparse(&place, config, desc);
	desc->sparse_most = st->sparse_most;
	lep_json_free(config);
	return status;
}

/* Read the modules behind the transformer. */
LepStatus
lep_st_modules(LepFolder *folder, LepArena *arena, const LepStModules *st, LepDesc *desc,
			   LepError *err)
{
	char file[LEP_NAME_MAX + 16];
	Place place = {folder, arena, file, err};
	uint32_t width = desc->hidden;

	for (size_t i = 1; i < st->n_entries; i++)
	{
		const LepStEntry *entry = &st->entries[i];
		LepModule m = {.d_in = width};
		bool skip;
		LepStatus status;

		snprintf(file, sizeof(file), "%sconfig.json", entry->path);
		status = read_module(&place, entry, &m, &skip);
		if (status != LEP_OK)
			return status;
		if (skip)
			continue;
		if ((m.kind == LEP_MODULE_POOL) != (desc->n_modules == 0))
		{
			lep_error(err, LEP_UNSUPPORTED, "module \"%s\" is not supported in this place",
					  entry->type);
			lep_error_detail(err, "File \"modules.json\" must list one Pooling, directly behind "
								  "the Transformer.");
			return LEP_UNSUPPORTED;
		}
		if (desc->n_modules == LEP_MAX_MODULES)
		{
			lep_error(err, LEP_TOO_LARGE, "file \"modules.json\" lists too many modules");
			lep_error_detail(err, "At most %d may follow the Transformer.", LEP_MAX_MODULES);
			return LEP_TOO_LARGE;
		}
		memcpy(m.path, entry->path, strlen(entry->path) + 1);
		desc->modules[desc->n_modules++] = m;
		width = m.d_out;
	}
	if (desc->n_modules == 0)
	{
		lep_error(err, LEP_UNSUPPORTED, "file \"modules.json\" lists no Pooling");
		lep_error_detail(err, "Embeddings of single tokens are not supported.");
		return LEP_UNSUPPORTED;
	}
	if (st->truncate_dim > 0 && st->truncate_dim < width)
		desc->truncate_dim = st->truncate_dim;
	return LEP_OK;
}
