/*
 * safetensors.h: the directory of a safetensors file.  Reads the header only;
 * never maps or copies weights.
 */
#ifndef LEPTON_SAFETENSORS_H
#define LEPTON_SAFETENSORS_H

#include "folder.h"

#define LEP_MAX_DIMS 8

/* All dtypes the format knows; the integers are weights of compressed models alone. */
typedef enum LepTensorType
{
	LEP_TENSOR_F32 = 0,
	LEP_TENSOR_F16 = 1,
	LEP_TENSOR_BF16 = 2,
	LEP_TENSOR_I8 = 3,
	LEP_TENSOR_U8 = 4,
	LEP_TENSOR_OTHER = 5 /* F64, other integers, BOOL, F8_*: may be present, may not be used */
} LepTensorType;

typedef struct LepTensor
{
	const char *name;
	LepTensorType type;
	char type_name[12];
	uint32_t n_dims; /* any number; dims holds the first LEP_MAX_DIMS */
	uint64_t dims[LEP_MAX_DIMS];
	uint64_t offset; /* in the file */
	uint64_t size;	 /* bytes */
	uint32_t file;	 /* index in LepFolder.files */
} LepTensor;

/* A set of tensors found by name (hashed), over one or several files. */
typedef struct LepTensorSet LepTensorSet;

/*
 * Read the header of folder->files[file] into the set (*set NULL: a new one).
 * Checks all that the format demands: header length, JSON object, unique names,
 * contiguous data without hole or overlap, sizes that match shapes, no trailing bytes.
 * Headers above 16 MB are LEP_TOO_LARGE.  The file counts as used.
 */
LepStatus lep_safetensors_read(LepFolder *folder, size_t file, LepArena *arena, LepTensorSet **set,
							   const LepStop *stop, LepError *err);

const LepTensor *lep_tensor_find(const LepTensorSet *set, const char *name);
size_t lep_tensor_count(const LepTensorSet *set);
const LepTensor *lep_tensor_at(const LepTensorSet *set, size_t i);
/* The i of a tensor of this set; the count when it is of another. */
size_t lep_tensor_index(const LepTensorSet *set, const LepTensor *tensor);

#endif
