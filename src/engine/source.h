/*
 * source.h: an opened Hugging Face folder: description, tokenizer tables and
 * the directory of tensors.  It decides which files make up the model.
 *
 * Use:
 *		lep_source_open(&folder, &arena, &source, stop, err);
 *		... source->view, source->tokenizer ...
 *		lep_source_read_f32(source, tensor, first, n, dst, err);
 * Everything lives in the arena.
 */
#ifndef LEPTON_SOURCE_H
#define LEPTON_SOURCE_H

#include "desc.h"
#include "folder.h"
#include "safetensors.h"

typedef struct LepSource
{
	LepFolder *folder;
	LepDescView view;
	void *tokenizer; /* blob of tokenizer.h */
	size_t tokenizer_size;
	LepTensorSet *tensors;						   /* of the transformer */
	LepTensorSet *module_tensors[LEP_MAX_MODULES]; /* NULL where a module has no weights */
	char prefix[32]; /* what may stand before the encoder's tensor names: "", "bert." ... */
	char stored[8];	 /* dtype of most weights, for people: "f32", "f16", "bf16" */
} LepSource;

/*
 * Read and check everything but the weights themselves, mark the files used.
 * Afterwards building an image can fail only for lack of memory, disk or a failing read.
 */
LepStatus lep_source_open(LepFolder *folder, LepArena *arena, LepSource **source,
						  const LepStop *stop, LepError *err);

/*
 * Find a tensor, for the transformer's with or without the source's prefix in front, under its
 * own or its older name (LayerNorm.gamma and beta), and check its type and shape; err names
 * the tensor, what was found and what was expected.  n_dims 1 or 2; d1 is ignored for 1.
 */
LepStatus lep_source_tensor(const LepSource *source, const LepTensorSet *set, const char *name,
							uint32_t n_dims, uint64_t d0, uint64_t d1, const LepTensor **tensor,
							LepError *err);

/* Read elements [first, first + n) of a tensor, widened to f32.  scratch-free: reads in pieces. */
LepStatus lep_source_read_f32(const LepSource *source, const LepTensor *tensor, uint64_t first,
							  uint64_t n, float *dst, LepError *err);
/* Read raw bytes [offset, offset + len) of a tensor's data. */
LepStatus lep_source_read_raw(const LepSource *source, const LepTensor *tensor, uint64_t offset,
							  size_t len, void *dst, LepError *err);

#endif
