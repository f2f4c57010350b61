/*
 * head.c: head models: a linear classifier on the embeddings of its parent.
 * Their two files are made here and read here: config.json (labels) and head.safetensors
 * (weight[n_labels, dims], bias[n_labels], F32).
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "../engine/json.h"
#include "../engine/safetensors.h"
#include "internal.h"

#define CONFIG_FILE	 "config.json"
#define WEIGHTS_FILE "head.safetensors"

/* Files in memory, as a folder. */
typedef struct MemoryFolder
{
	LepFolder folder;
	LepFile files[2];
	const char *bytes[2];
} MemoryFolder;

/* LepFolder.read over memory */
static LepStatus
memory_read(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	MemoryFolder *memory = ctx;

	if (offset > memory->files[file].size || len > memory->files[file].size - offset)
		return lep_error(err, LEP_BAD_FILE, "read behind the end of file \"%s\"",
						 memory->files[file].path);
	memcpy(dst, memory->bytes[file] + offset, len);
	return LEP_OK;
}

/* Text of config.json */
static void
write_config(StringInfo dst, const char *const *labels, int n_labels, int dims)
{
	appendStringInfo(dst, "{\n  \"model_type\": \"%s\",\n  \"hidden_size\": %d,\n  \"id2label\": {",
					 STORE_HEAD_FAMILY, dims);
	for (int i = 0; i < n_labels; i++)
	{
		appendStringInfo(dst, "%s\n    \"%d\": ", i ? "," : "", i);
		escape_json(dst, labels[i]);
	}
	appendStringInfoString(dst, "\n  }\n}\n");
}

/* Bytes of head.safetensors: 8 bytes of header length, header, weight, bias */
static void
write_weights(StringInfo dst, int n_labels, int dims, const float *w, const float *bias)
{
	StringInfoData header;
	size_t w_bytes = sizeof(float) * (size_t) n_labels * dims;
	size_t bias_bytes = sizeof(float) * (size_t) n_labels;

	initStringInfo(&header);
	appendStringInfo(&header,
					 "{\"weight\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[0,%zu]},"
					 "\"bias\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%zu,%zu]}}",
					 n_labels, dims, w_bytes, n_labels, w_bytes, w_bytes + bias_bytes);
	while (header.len % 8 != 0)
		appendStringInfoChar(&header, ' ');
	for (int i = 0; i < 8; i++)
		appendStringInfoCharMacro(dst, (char) ((uint64) header.len >> (8 * i)));
	appendBinaryStringInfo(dst, header.data, header.len);
	appendBinaryStringInfo(dst, (const char *) w, (int) w_bytes);
	appendBinaryStringInfo(dst, (const char *) bias, (int) bias_bytes);
}

/* Let nobody drop the parent until the transaction ends; raises when it is gone. SPI is connected */
static void
keep_parent(const StoreModel *parent)
{
	Oid types[] = {UUIDOID};
	Datum values[] = {UUIDPGetDatum(&parent->row.id)};

	if (store_sql("SELECT FROM " STORE_SCHEMA ".lepton_model"
				  " WHERE id OPERATOR(pg_catalog.=) $1 FOR KEY SHARE",
				  1, types, values, NULL) == 0)
		store_raise_undefined(NameStr(parent->row.name));
}

/* Make a head model */
void
store_model_create_head(const char *name, StoreModel *parent, const char **labels, int n_labels,
						int dims, const float *w, const float *bias, const char *recipe)
{
	MemoryContext old;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "lepton head", ALLOCSET_DEFAULT_SIZES);
	MemoryFolder memory = {0};
	StringInfoData config;
	StringInfoData weights;
	StoreNewRow row = {0};
	uint8 hash[LEP_HASH_BYTES];
	uint64 bytes;

	store_model_check_new_name(name);
	if (!(parent->row.tasks & STORE_TASK_BIT(STORE_TASK_EMBED)) || parent->head != NULL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("model \"%s\" does not embed", NameStr(parent->row.name))));
	old = MemoryContextSwitchTo(context);
	initStringInfo(&config);
	initStringInfo(&weights);
	write_config(&config, labels, n_labels, dims);
	write_weights(&weights, n_labels, dims, w, bias);
	memory.files[0] = (LepFile){CONFIG_FILE, (uint64_t) config.len, true};
	memory.files[1] = (LepFile){WEIGHTS_FILE, (uint64_t) weights.len, true};
	memory.bytes[0] = config.data;
	memory.bytes[1] = weights.data;
	memory.folder = (LepFolder){memory.files, 2, memory_read, &memory};

	row.name = name;
	row.task = STORE_TASK_CLASSIFY;
	row.tasks = STORE_TASK_BIT(STORE_TASK_CLASSIFY);
	row.parent = &parent->row.id;
	row.recipe = recipe;
	row.family = STORE_HEAD_FAMILY;
	row.precision = "f32";
	row.max_tokens = (int) parent->model->view.desc->max_tokens;
	row.labels = labels;
	row.n_labels = n_labels;
	row.parameters = (uint64) n_labels * dims + n_labels;
	MemoryContextSwitchTo(old);

	SPI_connect();
	keep_parent(parent);
	store_insert_row(&row);
	store_chunks_write(&row.id, &memory.folder, hash, &bytes);
	store_finish_row(&row, hash, bytes);
	SPI_finish();
	MemoryContextDelete(context);
}

/* Read the labels out of config.json */
static LepStatus
read_labels(LepFolder *folder, LepArena *arena, StoreHead *head, LepError *err)
{
	json_t *config = NULL;
	json_t *labels;
	char *text;
	size_t len;
	int64_t dims;
	LepStatus status = lep_folder_slurp(folder, CONFIG_FILE, arena, &text, &len, err);

	if (status == LEP_OK)
		status = lep_json_parse(CONFIG_FILE, text, len, &config, err);
	if (status != LEP_OK)
		return status;
	status =
		lep_json_int(config, CONFIG_FILE, "hidden_size", true, 0, 1, LEP_MAX_HIDDEN, &dims, err);
	labels = json_object_get(config, "id2label");
	if (status == LEP_OK && (!json_is_object(labels) || json_object_size(labels) < 1 ||
							 json_object_size(labels) > LEP_MAX_LABELS))
		status =
			lep_error(err, LEP_BAD_FILE, "file \"%s\" has no usable \"id2label\"", CONFIG_FILE);
	if (status == LEP_OK)
	{
		head->dims = (int) dims;
		head->n_labels = (int) json_object_size(labels);
		head->labels = lep_arena_array(arena, head->n_labels, sizeof(char *));
		if (head->labels == NULL)
			status = lep_error(err, LEP_NO_MEMORY, "out of memory");
	}
	for (int i = 0; status == LEP_OK && i < head->n_labels; i++)
	{
		char key[16];
		const char *label = NULL;

		snprintf(key, sizeof(key), "%d", i);
		status = lep_json_string(labels, CONFIG_FILE, key, true, NULL, &label, err);
		if (status == LEP_OK)
		{
			head->labels[i] = lep_arena_strndup(arena, label, strlen(label));
			if (head->labels[i] == NULL)
				status = lep_error(err, LEP_NO_MEMORY, "out of memory");
		}
	}
	lep_json_free(config);
	return status;
}

/* Read one F32 tensor of dims d0 (and d1, when not 0) */
static LepStatus
read_tensor(LepFolder *folder, const LepTensorSet *set, const char *name, uint64 d0, uint64 d1,
			LepArena *arena, const float **dst, LepError *err)
{
	const LepTensor *tensor = lep_tensor_find(set, name);
	void *data;

	if (tensor == NULL)
		return lep_error(err, LEP_MISSING, "file \"%s\" has no tensor \"%s\"", WEIGHTS_FILE, name);
	if (tensor->type != LEP_TENSOR_F32 || tensor->n_dims != (d1 ? 2 : 1) || tensor->dims[0] != d0 ||
		(d1 != 0 && tensor->dims[1] != d1))
		return lep_error(err, LEP_BAD_FILE, "tensor \"%s\" of file \"%s\" has another shape", name,
						 WEIGHTS_FILE);
	data = lep_arena_alloc(arena, tensor->size);
	if (data == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory");
	*dst = data;
	return folder->read(folder->ctx, tensor->file, tensor->offset, data, tensor->size, err);
}

/* Read a head; everything lands in the arena */
static LepStatus
read_head(LepFolder *folder, LepArena *arena, StoreHead *head, LepError *err)
{
	LepTensorSet *set = NULL;
	int file = lep_folder_find(folder, WEIGHTS_FILE);
	LepStatus status = read_labels(folder, arena, head, err);

	if (status == LEP_OK && file < 0)
		status = lep_error(err, LEP_MISSING, "file \"%s\" is not there", WEIGHTS_FILE);
	if (status == LEP_OK)
		status = lep_safetensors_read(folder, (size_t) file, arena, &set, lepton_stop(), err);
	if (status == LEP_OK)
		status =
			read_tensor(folder, set, "weight", head->n_labels, head->dims, arena, &head->w, err);
	if (status == LEP_OK)
		status = read_tensor(folder, set, "bias", head->n_labels, 0, arena, &head->bias, err);
	return status;
}

/* Read a head out of its chunks, checked against its hash; everything lands in the arena */
void
store_head_read(const StoreRow *row, LepArena *arena, StoreHead *head)
{
	StoreChunks *chunks = store_chunks_open(row);
	LepError err;

	store_chunks_verify(chunks, row);
	lepton_check(read_head(store_chunks_folder(chunks), arena, head, &err), &err);
}
