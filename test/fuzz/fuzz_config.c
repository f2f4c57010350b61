/*
 * fuzz_config.c: any texts in the small files of a folder whose weights are
 * valid, through lep_source_open for any task.
 *
 * Input: files one after another, "name\n", two bytes of length, little-endian,
 * then so many bytes.  They replace or join those of a sentence-transformers
 * model, a classifier, an encoder in shards, or a compressed encoder, as the first byte says.
 */
#include <stdint.h>

#include "../unit/tiny_model.h"

/* The models to start from, made once. */
static MemFolder models[4];

/* Make the models. */
static void
make_models(void)
{
	tiny_sentence(&models[0]);
	tiny_classifier(&models[1]);
	tiny_encoder(&models[2]);
	mem_text(&models[2], "model.safetensors.index.json",
			 "{\"weight_map\":{\"pooler.dense.bias\":\"model.safetensors\"}}");
	tiny_compressed(&models[3]);
}

/* A model's files with those of the input before them. */
typedef struct Mix
{
	LepFile files[2 * MEM_FILES_MAX];
	const uint8_t *data[2 * MEM_FILES_MAX];
	char names[MEM_FILES_MAX][64];
	size_t n;
} Mix;

/* Read a file of the mix. */
static LepStatus
read_mix(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	const Mix *mix = ctx;

	(void) err;
	if (file >= mix->n || offset > mix->files[file].size || len > mix->files[file].size - offset)
		abort();
	memcpy(dst, mix->data[file] + offset, len);
	return LEP_OK;
}

/* Take the input's files; *data and *size move behind them. */
static void
take_files(Mix *mix, const uint8_t *data, size_t size)
{
	while (mix->n < MEM_FILES_MAX && size > 0)
	{
		const uint8_t *end = memchr(data, '\n', size < 64 ? size : 64);
		size_t n_name = end == NULL ? 0 : (size_t) (end - data);
		size_t len;

		if (end == NULL || size - n_name < 3)
			return;
		memcpy(mix->names[mix->n], data, n_name);
		mix->names[mix->n][n_name] = '\0';
		len = (size_t) end[1] | (size_t) end[2] << 8;
		size -= n_name + 3;
		len = len < size ? len : size;
		/* The tokenizer's file has a fuzzer of its own. */
		if (lep_folder_wants(mix->names[mix->n]) &&
			strstr(mix->names[mix->n], "tokenizer.json") == NULL)
		{
			mix->data[mix->n] = end + 3;
			mix->files[mix->n] = (LepFile){.path = mix->names[mix->n], .size = len};
			mix->n++;
		}
		data = end + 3 + len;
		size -= len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Mix mix;
	const MemFolder *model;
	LepFolder folder = {.files = mix.files, .read = read_mix, .ctx = &mix};
	LepSource *source;
	LepArena arena;
	LepError err = {0};

	if (models[0].folder.n_files == 0)
		make_models();
	mix.n = 0;
	if (size == 0)
		return 0;
	model = &models[data[0] == 3 ? 3 : data[0] % 3];
	take_files(&mix, data + 1, size - 1);
	for (size_t i = 0; i < model->folder.n_files; i++)
	{
		mix.data[mix.n] = model->data[i];
		mix.files[mix.n] = model->files[i];
		mix.files[mix.n++].path = model->paths[i];
	}
	folder.n_files = mix.n;
	lep_arena_init(&arena, &lep_malloc_allocator, 256 << 20);
	if (lep_source_open(&folder, &arena, (data[0] >> 5) - 1, &source, NULL, &err) == LEP_OK)
	{
		const LepDesc *desc = source->view.desc;

		if (lep_desc_check(&source->view, &err) != LEP_OK || lep_desc_width(desc) == 0 ||
			desc->max_tokens > desc->n_positions)
			abort();
		for (uint32_t i = 0; i < desc->n_labels; i++)
			(void) strlen(lep_desc_label(&source->view, i));
	}
	else if (err.status == LEP_OK || err.message[0] == '\0' || err.status == LEP_BAD_IMAGE)
		abort();
	lep_arena_free(&arena);
	return 0;
}
