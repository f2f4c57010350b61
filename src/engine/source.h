/*
 * source.h: an opened Hugging Face folder: description, tokenizer tables and
 * the directory of tensors.  It decides which files make up the model.
 *
 * Use:
 *		lep_source_open(&folder, &arena, LEP_TASK_DEFAULT, &source, stop, err);
 *		... source->view, source->tokenizer ...
 *		lep_source_read_f32(source, tensor, first, n, dst, err);
 * Everything lives in the arena.
 */
#ifndef LEPTON_SOURCE_H
#define LEPTON_SOURCE_H

#include "desc.h"
#include "folder.h"
#include "safetensors.h"

/*
 * How "lepton.json" says that a tensor T of the transformer is stored.  Beside it stand, in f32,
 * scale ("T.scale"), zero ("T.zero") and input_scale ("T.input_scale"), NULL where there is none:
 *		F16, BF16	T is of that type
 *		I8_...		T is I8 [out, in], scale [out], zero [out] (required for I8_FULL), input_scale [in]
 *		I4			T is U8 [out, in / 2], the lower half of a byte first; scale and zero
 *					[out, in / LEP_I4_GROUP], no zero means 8 everywhere; input_scale [in]
 *		I8			a table: T is I8 [rows, d], scale [rows]
 * The weight is scale * (T - zero) * input_scale: its input is multiplied by input_scale
 * before it is narrowed to 8 bits, and scale * (T - zero) has been divided by it.
 * Scales are finite and not negative, input scales above 0, zeroes whole and at most LEP_ZERO_MAX away from 0.
 */
typedef struct LepStored
{
	LepScheme scheme;
	const LepTensor *scale, *zero, *input_scale;
} LepStored;

#define LEP_ZERO_MAX	  1024	/* farthest zero point */
#define LEP_I8_INPUTS_MAX 65536 /* of a linear in int8: more could overflow its sums */

typedef struct LepSource
{
	LepFolder *folder;
	LepDescView view;
	void *tokenizer; /* blob of tokenizer.h */
	size_t tokenizer_size;
	LepTensorSet *tensors;						   /* of the transformer */
	LepTensorSet *module_tensors[LEP_MAX_MODULES]; /* NULL where a module has no weights */
	uint32_t tasks;	 /* bit 1 << LepTask for each task for which the folder could be opened */
	char prefix[32]; /* what may stand before the encoder's tensor names: "", "bert." ... */
	char stored[8];	 /* dtype of most weights, for people: "f32", "f16", "bf16", "i8", "i4" */
	LepStored
		*compressed; /* [transformer's tensors] F32 where nothing is said; NULL: no "lepton.json" */
} LepSource;

/*
 * Read and check everything but the weights themselves, mark the files used.  wanted is a LepTask, or
 * LEP_TASK_DEFAULT for the one that the folder is made for: a sentence embedding, what its head
 * does, or for an encoder and its decoder of masked tokens EMBED.  Another task than source->tasks
 * has is LEP_UNSUPPORTED.
 * Afterwards building an image can fail only for lack of memory, disk or a failing read.
 */
LepStatus lep_source_open(LepFolder *folder, LepArena *arena, int wanted, LepSource **source,
						  const LepStop *stop, LepError *err);

/*
 * Build the graph that the source's weights give for a task of source->tasks without its modules, for
 * looking at its slots; everything in the arena.
 */
struct LepGraph;
LepStatus lep_source_task_graph(const LepSource *source, LepTask task, LepArena *arena,
								struct LepGraph **graph, LepError *err);

/*
 * Find a tensor, for the transformer's with or without the source's prefix in front, under its
 * own or its older name (LayerNorm.gamma and beta), of names "a|b" the first that is there, and check its type and shape, for compressed
 * tensors those of LepStored (dims[n_dims] are the weight's, not those of what is stored, which has two where there are three); err
 * names the tensor, what was found and what was expected.  n_dims is 1 to 3.
 */
LepStatus lep_source_tensor(const LepSource *source, const LepTensorSet *set, const char *name,
							uint32_t n_dims, const uint64_t *dims, const LepTensor **tensor,
							LepError *err);

/* Find a tensor as lep_source_tensor does, without a check; NULL when it is not there. */
const LepTensor *lep_source_find(const LepSource *source, const LepTensorSet *set,
								 const char *name);

/* How "lepton.json" says that a tensor is stored; NULL when it says nothing. */
const LepStored *lep_source_stored(const LepSource *source, const LepTensor *tensor);
/* Its scheme; LEP_SCHEME_F32 when nothing is said, whatever the tensor's type. */
LepScheme lep_source_scheme(const LepSource *source, const LepTensor *tensor);

/*
 * Read elements [first, first + n) of a tensor's weights as f32: 16-bit floats widened, int8 and
 * int4 as the numbers that they stand for.
 */
LepStatus lep_source_read_f32(const LepSource *source, const LepTensor *tensor, uint64_t first,
							  uint64_t n, float *dst, LepError *err);
/* Read raw bytes [offset, offset + len) of a tensor's data. */
LepStatus lep_source_read_raw(const LepSource *source, const LepTensor *tensor, uint64_t offset,
							  size_t len, void *dst, LepError *err);

#endif
