/*
 * folder_testing.h: images of model folders in memory, for tests that compare folders with
 * stored answers.
 */
#ifndef LEPTON_FOLDER_TESTING_H
#define LEPTON_FOLDER_TESTING_H

#include "../../src/engine/image.h"
#include "../../src/engine/source.h"
#include "../tools/dir_folder.h"
#include "testing.h"

/* An image under construction. */
typedef struct Memory
{
	char *bytes;
	size_t used;
} Memory;

/* Append to the image. */
static LepStatus
write_memory(void *ctx, const void *data, size_t len, LepError *err)
{
	Memory *memory = ctx;

	(void) err;
	memcpy(memory->bytes + memory->used, data, len);
	memory->used += len;
	return LEP_OK;
}

/* Make an image of a folder for a task in memory; NULL when that fails. */
static char *
make_image(const char *path, int task, const LepKernels *kernels, uint64_t *size, LepError *err)
{
	static DirFolder dir;
	static const uint8_t hash[LEP_HASH_BYTES];
	LepArena arena;
	LepSource *source;
	Memory memory = {NULL, 0};
	LepSink sink = {write_memory, &memory};
	bool ok;

	if (!dir_folder_open(&dir, path))
		return NULL;
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	ok = lep_source_open(&dir.folder, &arena, task, &source, NULL, err) == LEP_OK &&
		 lep_image_size(source, kernels, size, err) == LEP_OK;
	if (ok)
	{
		memory.bytes = aligned_alloc(4096, (*size + 4095) / 4096 * 4096);
		ok = lep_image_write(source, kernels, hash, &lep_malloc_allocator, &sink, NULL, err) ==
			 LEP_OK;
	}
	lep_arena_free(&arena);
	if (!ok)
	{
		free(memory.bytes);
		return NULL;
	}
	return memory.bytes;
}

#endif
