/*
 * fuzz_image.c: any bytes as an image.  The checksum of the metadata is
 * repaired first, so that what lies behind it is reached.  What is accepted is run
 * once where that is cheap: damaged weights may give any number, but no bad access.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/image_format.h"

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
	LepBatch batch = {1, starts[1], ids, NULL, starts};
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const LepKernels *kernels = lep_kernels_choose("portable");
	size_t room = (size + LEP_ALIGN - 1) / LEP_ALIGN * LEP_ALIGN;
	char *image = aligned_alloc(LEP_ALIGN, room > 0 ? room : LEP_ALIGN);
	uint8_t hash[LEP_HASH_BYTES] = {0};
	LepError err = {0};
	LepArena arena;
	LepModel model;
	LepStatus status;

	if (size > 0)
		memcpy(image, data, size);
	repair(image, size);
	if (size >= sizeof(LepImageHeader))
		memcpy(hash, ((const LepImageHeader *) image)->hash, sizeof(hash));
	lep_arena_init(&arena, &lep_malloc_allocator, (size_t) 64 << 20);
	status = lep_image_open(image, size, hash, kernels, &arena, &model, &err);
	if (status == LEP_OK)
		run(&model);
	else if (err.message[0] == '\0')
		abort();
	lep_arena_free(&arena);
	free(image);
	return 0;
}
