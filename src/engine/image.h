/*
 * image.h: the image: one immutable byte range that holds a model ready to
 * run: header, description, tokenizer tables, weights packed for one layout.
 *
 * Layout (all little-endian, offsets from the start, sections 4096-byte aligned):
 *		header	 magic "LEPIMG01", version, layout id, length, content hash,
 *				 CRC-32 of header, description, tokenizer and slots; section table
 *		desc	 LepDesc and texts
 *		tokens	 tokenizer blob
 *		slots	 offset, size and dtype of each weight slot
 *		weights	 the slots in order, each 64-byte aligned
 *
 * Write side:  lep_image_write streams it to a sink in order, so that a file
 * needs no seek.  Read side: lep_image_open checks and binds, no copy.
 */
#ifndef LEPTON_IMAGE_H
#define LEPTON_IMAGE_H

#include "graph.h"
#include "tokenizer.h"

#define LEP_HASH_BYTES 32
#define LEP_LAYOUT_MAX 48

/* Takes the image piece by piece; returns LEP_OK or LEP_IO / LEP_CANCELLED. */
typedef struct LepSink
{
	LepStatus (*write)(void *ctx, const void *data, size_t len, LepError *err);
	void *ctx;
} LepSink;

/*
 * The id in an image's name: image version, kernel layout, the narrow products that there are and
 * the task, e.g. "3-f32p32-i8-bf16-embed"; dst has LEP_LAYOUT_MAX bytes.
 */
void lep_image_layout(const LepKernels *kernels, LepTask task, char *dst);

/* Length of the image that lep_image_write would write; for disk space and progress. */
LepStatus lep_image_size(const LepSource *source, const LepKernels *kernels, uint64_t *size,
						 LepError *err);

/*
 * Pack source for kernels and stream it to the sink.  Needs memory for one weight
 * at a time, from the arena's allocator; nothing stays allocated.
 */
LepStatus lep_image_write(const LepSource *source, const LepKernels *kernels,
						  const uint8_t hash[LEP_HASH_BYTES], const LepAllocator *allocator,
						  const LepSink *sink, const LepStop *stop, LepError *err);

/* A model ready to run; everything points into the image or lives in the arena. */
typedef struct LepModel
{
	LepDescView view;
	LepTokenizer tokenizer;
	LepGraph *graph; /* bound */
	const LepKernels *kernels;
} LepModel;

/*
 * Check the image against hash, length and layout of kernels, build and bind
 * the graph.  The bytes must outlive the model.
 */
LepStatus lep_image_open(const void *image, uint64_t length, const uint8_t hash[LEP_HASH_BYTES],
						 const LepKernels *kernels, LepArena *arena, LepModel *model,
						 LepError *err);

#endif
