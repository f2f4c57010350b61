/*
 * memory_image.h: a model's image in memory, for programs that run a folder
 * without a server.
 */
#ifndef LEPTON_MEMORY_IMAGE_H
#define LEPTON_MEMORY_IMAGE_H

#include <stdlib.h>
#include <string.h>

#include "../../src/engine/image.h"
#include "../../src/engine/source.h"

/* The hash of every image here. */
static const uint8_t memory_image_hash[LEP_HASH_BYTES];

/* Append to the image; ctx points to its end. */
static LepStatus
append_to_memory(void *ctx, const void *data, size_t len, LepError *err)
{
	char **end = ctx;

	(void) err;
	memcpy(*end, data, len);
	*end += len;
	return LEP_OK;
}

/* Write the image of a source; NULL, and why in err, when that fails.  free() it. */
static char *
memory_image(const LepSource *source, const LepKernels *kernels, uint64_t *size, LepError *err)
{
	char *image, *end;
	LepSink sink = {append_to_memory, &end};

	if (lep_image_size(source, kernels, size, err) != LEP_OK)
		return NULL;
	image = end = aligned_alloc(4096, (*size + 4095) / 4096 * 4096);
	if (image != NULL && lep_image_write(source, kernels, memory_image_hash, &lep_malloc_allocator,
										 &sink, NULL, err) == LEP_OK)
		return image;
	free(image);
	return NULL;
}

#endif
