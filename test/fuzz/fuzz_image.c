/*
 * fuzz_image.c: damaged images.  An input is a byte that picks a small valid image, two that
 * cut its end, then edits of four bytes: section, offset (2), new value.  The
 * checksum of the metadata is repaired afterwards, so that what lies behind it is
 * reached.  What is accepted is run: damaged weights may give any number, but no
 * bad access.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/image_format.h"
#include "../unit/narrow_bert.h"

#define N_BASES	  6
#define N_PLAIN	  4 /* bases that are not compressed; inputs from 6 on pick one of them */
#define EDIT_SIZE 4
#define RUN_FLOPS 20000000u /* of models that are run, roughly */

/* Does a section lie within size bytes? */
static int
inside(const LepImageSection *section, size_t size)
{
	return section->offset <= size && section->bytes <= size - section->offset;
}

/* Make the header agree with the bytes. */
static void
repair(char *image, size_t size)
{
	LepImageHeader header;

	if (size < sizeof(header))
		return;
	memcpy(&header, image, sizeof(header));
	header.length = size;
	if (inside(&header.desc, size) && inside(&header.tokens, size) && inside(&header.slots, size))
		header.crc = lep_image_crc(&header, image + header.desc.offset,
								   image + header.tokens.offset, image + header.slots.offset);
	memcpy(image, &header, sizeof(header));
}

/* Run one short text. */
static void
run(const LepModel *model)
{
	const LepDesc *desc = model->view.desc;
	const int32_t ids[] = {0, (int32_t) desc->vocab - 1, 0};
	const uint32_t starts[] = {0, desc->n_positions < 3 ? 1 : 3};
	LepBatch batch = {1, starts[1], ids, NULL, starts, NULL, 0};
	uint64_t flops = (uint64_t) desc->n_layers * desc->hidden * (desc->hidden + desc->intermediate);
	size_t size = lep_graph_arena_size(model->graph, batch.n_tokens, 1, batch.n_tokens);
	float *out = malloc(lep_desc_width(desc) * sizeof(float));
	void *arena;
	LepError err;

	if (flops < RUN_FLOPS && size > 0 && size < RUN_FLOPS)
	{
		arena = aligned_alloc(LEP_ALIGN, size);
		lep_graph_run(model->graph, &batch, arena, size, out, NULL, &err);
		free(arena);
	}
	free(out);
}

/* A valid image. */
typedef struct Base
{
	char *bytes;
	size_t size, room;
} Base;

static Base bases[N_BASES];

/* Append to an image. */
static LepStatus
keep(void *ctx, const void *data, size_t len, LepError *err)
{
	Base *base = ctx;

	(void) err;
	if (len > base->room - base->size)
	{
		base->room = (base->room + len) * 2;
		base->bytes = realloc(base->bytes, base->room);
	}
	memcpy(base->bytes + base->size, data, len);
	base->size += len;
	return LEP_OK;
}

/* Write the images that inputs damage. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const TinySpec specs[N_PLAIN] = {
		{.layers = 1,
		 .hidden = 8,
		 .heads = 2,
		 .inter = 16,
		 .vocab = 12,
		 .positions = 8,
		 .types = 1,
		 .act = "gelu",
		 .pools = "[\"mean\",\"cls\"]",
		 .dense = 4,
		 .norm = true,
		 .normalize = true,
		 .truncate_dim = 3},
		{.layers = 2,
		 .hidden = 8,
		 .heads = 1,
		 .inter = 8,
		 .vocab = 12,
		 .positions = 8,
		 .types = 2,
		 .act = "relu",
		 .labels = 2},
		{.layers = 1,
		 .hidden = 8,
		 .heads = 2,
		 .inter = 16,
		 .vocab = 12,
		 .positions = 8,
		 .types = 1,
		 .act = "gelu",
		 .dtype = LEP_F16,
		 .pools = "[\"lasttoken\"]"},
		{.layers = 1,
		 .hidden = 6,
		 .heads = 2,
		 .inter = 5,
		 .vocab = 9,
		 .positions = 4,
		 .types = 3,
		 .act = "silu",
		 .dtype = LEP_BF16,
		 .pools = "[\"max\",\"weightedmean\"]"},
	};
	static const NarrowSpec narrow[N_BASES - N_PLAIN] = {
		{.base = {.layers = 1,
				  .hidden = 8,
				  .heads = 2,
				  .inter = 6,
				  .vocab = 12,
				  .positions = 8,
				  .types = 1,
				  .act = "gelu",
				  .pools = "[\"mean\"]"},
		 .linears = "azs",
		 .tables = "88h",
		 .input_scale = true},
		{.base = {.layers = 1,
				  .hidden = 32,
				  .heads = 2,
				  .inter = 32,
				  .vocab = 9,
				  .positions = 4,
				  .types = 1,
				  .act = "relu",
				  .labels = 2},
		 .linears = "4b-h",
		 .tables = "b-8",
		 .input_scale = true},
	};
	static const uint8_t hash[LEP_HASH_BYTES];

	(void) argc;
	(void) argv;
	for (size_t i = 0; i < N_BASES; i++)
	{
		TinyModel *m = i < N_PLAIN ? tiny_make(&specs[i]) : narrow_make(&narrow[i - N_PLAIN], true);
		LepSink sink = {keep, &bases[i]};
		LepError err = {0};
		LepSource *source;
		LepArena arena;

		lep_arena_init(&arena, &lep_malloc_allocator, 0);
		if (lep_source_open(&m->folder, &arena, LEP_TASK_DEFAULT, &source, NULL, &err) != LEP_OK ||
			lep_image_write(source, lep_kernels_choose("portable"), hash, &lep_malloc_allocator,
							&sink, NULL, &err) != LEP_OK)
			abort();
		lep_arena_free(&arena);
		tiny_free(m);
	}
	return 0;
}

/* Where edits of a section begin. */
static uint64_t
section_start(const LepImageHeader *header, uint8_t section)
{
	switch (section % 5)
	{
		case 0:
			return 0;
		case 1:
			return header->desc.offset;
		case 2:
			return header->tokens.offset;
		case 3:
			return header->slots.offset;
		default:
			return header->weights.offset;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t hash[LEP_HASH_BYTES];
	const LepKernels *kernels = lep_kernels_choose("portable");
	LepImageHeader original;
	const Base *base;
	LepError err = {0};
	LepArena arena;
	LepModel model;
	LepStatus status;
	size_t length;
	char *image;

	if (size < 3)
		return 0;
	base = &bases[data[0] < N_BASES ? data[0] : data[0] % N_PLAIN];
	memcpy(&original, base->bytes, sizeof(original));
	length = data[1] == 0 ? base->size : base->size - (data[1] * 256u + data[2]) % base->size;
	image = aligned_alloc(LEP_ALIGN, (length + LEP_ALIGN - 1) / LEP_ALIGN * LEP_ALIGN);
	memcpy(image, base->bytes, length);
	for (size_t i = 3; i + EDIT_SIZE <= size; i += EDIT_SIZE)
	{
		uint64_t at = section_start(&original, data[i]) + (data[i + 1] * 256u + data[i + 2]);

		if (at < length)
			image[at] = (char) data[i + 3];
	}
	repair(image, length);
	lep_arena_init(&arena, &lep_malloc_allocator, (size_t) 64 << 20);
	status = lep_image_open(image, length, hash, kernels, &arena, &model, &err);
	if (status == LEP_OK)
		run(&model);
	else if (err.message[0] == '\0')
		abort();
	lep_arena_free(&arena);
	free(image);
	return 0;
}
