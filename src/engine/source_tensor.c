/*
 * source_tensor.c: finds an opened folder's tensors by name, type and shape
 * and reads their numbers, compressed ones as those that they stand for; decides nothing
 * about the model.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <string.h>

#include "source.h"

#define NAME_SIZE 512		/* bytes of a tensor's name built here */
#define PIECE	  (1 << 14) /* numbers that are widened at once */
#define I8_PIECE  4096		/* numbers of a compressed tensor that are read at once */

/* Find name as it stands, or as older files call it: gamma and beta of a LayerNorm. */
static const LepTensor *
find_either(const LepTensorSet *set, const char *name)
{
	static const char *const pairs[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
										   {"LayerNorm.bias", "LayerNorm.beta"}};
	const LepTensor *t = lep_tensor_find(set, name);
	size_t len = strlen(name);
	char older[NAME_SIZE];

	for (size_t i = 0; t == NULL && i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		size_t tail = strlen(pairs[i][0]);

		if (len < tail || strcmp(name + len - tail, pairs[i][0]) != 0)
			continue;
		snprintf(older, sizeof(older), "%.*s%s", (int) (len - tail), name, pairs[i][1]);
		t = lep_tensor_find(set, older);
	}
	return t;
}

/* Write a shape as "[2, 3]". */
static void
format_shape(char *dst, size_t size, const uint64_t *dims, uint32_t n_dims)
{
	size_t used = 0;

	for (uint32_t i = 0; i < n_dims && i < LEP_MAX_DIMS; i++)
		used += (size_t) snprintf(dst + used, size - used, "%s%llu", i == 0 ? "" : ", ",
								  (unsigned long long) dims[i]);
	snprintf(dst + used, size - used, "%s", n_dims > LEP_MAX_DIMS ? ", ..." : "");
}

/* Report a tensor that is not there. */
static LepStatus
missing(const LepSource *source, const LepTensorSet *set, const char *name, LepError *err)
{
	lep_error(err, LEP_MISSING, "tensor \"%.*s\" is missing", (int) strcspn(name, "|"), name);
	if (lep_tensor_count(set) > 0)
		lep_error_detail(err, "It is not in file \"%s\"%s.",
						 source->folder->files[lep_tensor_at(set, 0)->file].path,
						 lep_tensor_at(set, lep_tensor_count(set) - 1)->file !=
								 lep_tensor_at(set, 0)->file
							 ? " nor in the others"
							 : "");
	return LEP_MISSING;
}

/* Find a tensor of one name, with or without the prefix. */
static const LepTensor *
find_prefixed(const LepSource *source, const LepTensorSet *set, const char *name)
{
	const LepTensor *t = NULL;
	char full[NAME_SIZE + sizeof(source->prefix)];

	if (set == source->tensors && source->prefix[0] != '\0')
	{
		snprintf(full, sizeof(full), "%s%s", source->prefix, name);
		t = find_either(set, full);
	}
	return t != NULL ? t : find_either(set, name);
}

/* Find a tensor: the first that is there of the names, which '|' parts. */
const LepTensor *
lep_source_find(const LepSource *source, const LepTensorSet *set, const char *name)
{
	const LepTensor *t = NULL;
	char one[NAME_SIZE];

	while (t == NULL && *name != '\0')
	{
		int len = (int) strcspn(name, "|");

		snprintf(one, sizeof(one), "%.*s", len, name);
		t = find_prefixed(source, set, one);
		name += len + (name[len] == '|');
	}
	return t;
}

/* How a tensor is stored. */
const LepStored *
lep_source_stored(const LepSource *source, const LepTensor *tensor)
{
	size_t i;

	if (source->compressed == NULL)
		return NULL;
	i = lep_tensor_index(source->tensors, tensor);
	if (i == lep_tensor_count(source->tensors) || source->compressed[i].scheme == LEP_SCHEME_F32)
		return NULL;
	return &source->compressed[i];
}

/* The scheme of a tensor. */
LepScheme
lep_source_scheme(const LepSource *source, const LepTensor *tensor)
{
	const LepStored *stored = lep_source_stored(source, tensor);

	return stored == NULL ? LEP_SCHEME_F32 : stored->scheme;
}

/* Is a tensor of the type that its scheme asks for?  *expected names it. */
static bool
right_type(const LepTensor *t, LepScheme scheme, const char **expected)
{
	switch (scheme)
	{
		case LEP_SCHEME_F16:
			*expected = "F16";
			return t->type == LEP_TENSOR_F16;
		case LEP_SCHEME_BF16:
			*expected = "BF16";
			return t->type == LEP_TENSOR_BF16;
		case LEP_SCHEME_I8_SYMMETRIC:
		case LEP_SCHEME_I8_ASYMMETRIC:
		case LEP_SCHEME_I8_FULL:
		case LEP_SCHEME_I8:
			*expected = "I8";
			return t->type == LEP_TENSOR_I8;
		case LEP_SCHEME_I4:
			*expected = "U8";
			return t->type == LEP_TENSOR_U8;
		case LEP_SCHEME_F32:
		case LEP_SCHEME_COUNT:
			break;
	}
	*expected = "F32, F16 or BF16";
	return t->type <= LEP_TENSOR_BF16;
}

/* Find a tensor and check its type and shape. */
LepStatus
lep_source_tensor(const LepSource *source, const LepTensorSet *set, const char *name,
				  uint32_t n_dims, const uint64_t *shape, const LepTensor **tensor, LepError *err)
{
	uint64_t dims[3] = {shape[0], n_dims > 1 ? shape[1] : 0, n_dims > 2 ? shape[2] : 0};
	bool same;
	char found[LEP_MAX_DIMS * 22 + 8];
	char expected[80];
	const LepTensor *t = lep_source_find(source, set, name);
	const char *type;
	const char *file;
	LepScheme scheme;

	*tensor = NULL;
	if (t == NULL)
		return missing(source, set, name, err);
	scheme = lep_source_scheme(source, t);
	/* What is compressed has two dimensions. */
	if (n_dims == 3 && scheme != LEP_SCHEME_F32)
	{
		dims[1] *= dims[2];
		n_dims = 2;
	}
	if (scheme == LEP_SCHEME_I4)
		dims[1] /= 2;
	same = t->n_dims == n_dims;
	for (uint32_t i = 0; i < n_dims; i++)
		same = same && t->dims[i] == dims[i];
	file = source->folder->files[t->file].path;
	if (!same)
	{
		format_shape(found, sizeof(found), t->dims, t->n_dims);
		format_shape(expected, sizeof(expected), dims, n_dims);
		lep_error(err, LEP_BAD_FILE, "tensor \"%s\" of file \"%s\" has the wrong shape", t->name,
				  file);
		lep_error_detail(err, "Found [%s], expected [%s].", found, expected);
		return LEP_BAD_FILE;
	}
	if (!right_type(t, scheme, &type))
	{
		lep_error(err, LEP_UNSUPPORTED, "tensor \"%s\" of file \"%s\" has the wrong dtype", t->name,
				  file);
		lep_error_detail(err, "Found %s, expected %s.", t->type_name, type);
		return LEP_UNSUPPORTED;
	}
	*tensor = t;
	return LEP_OK;
}

/* Read raw bytes of a tensor's data. */
LepStatus
lep_source_read_raw(const LepSource *source, const LepTensor *tensor, uint64_t offset, size_t len,
					void *dst, LepError *err)
{
	if (offset > tensor->size || len > tensor->size - offset)
	{
		lep_error(err, LEP_BAD_INPUT, "read outside of tensor \"%s\"", tensor->name);
		return LEP_BAD_INPUT;
	}
	if (len == 0)
		return LEP_OK;
	return source->folder->read(source->folder->ctx, tensor->file, tensor->offset + offset, dst,
								len, err);
}

/* What a piece of a compressed tensor is made of. */
typedef struct Piece
{
	unsigned char q[I8_PIECE + 1]; /* as stored */
	float scale[I8_PIECE], zero[I8_PIECE], input_scale[I8_PIECE];
} Piece;

/* Read numbers [first, first + n) of a tensor of f32, or fill in what stands for none. */
static LepStatus
read_beside(const LepSource *source, const LepTensor *tensor, uint64_t first, size_t n, float none,
			float *dst, LepError *err)
{
	if (tensor != NULL)
		return lep_source_read_raw(source, tensor, first * sizeof(float), n * sizeof(float), dst,
								   err);
	for (size_t i = 0; i < n; i++)
		dst[i] = none;
	return LEP_OK;
}

/* Read n <= I8_PIECE numbers from first on, whole rows of [cols] or columns of one row. */
static LepStatus
read_piece(const LepSource *source, const LepTensor *tensor, const LepStored *stored, uint64_t cols,
		   uint64_t first, size_t n, Piece *p, float *dst, LepError *err)
{
	bool i4 = stored->scheme == LEP_SCHEME_I4;
	uint64_t unit = i4 ? LEP_I4_GROUP : cols; /* numbers that share a scale */
	uint64_t row = first / unit;
	size_t n_rows = (size_t) ((first + n - 1) / unit - row + 1);
	uint64_t byte = i4 ? first / 2 : first;
	size_t n_cols = n < cols ? n : (size_t) cols;
	LepStatus status = lep_source_read_raw(
		source, tensor, byte, (size_t) ((i4 ? (first + n + 1) / 2 : first + n) - byte), p->q, err);

	if (status == LEP_OK)
		status = read_beside(source, stored->scale, row, n_rows, 1, p->scale, err);
	if (status == LEP_OK)
		status = read_beside(source, stored->zero, row, n_rows, i4 ? 8 : 0, p->zero, err);
	if (status == LEP_OK)
		status =
			read_beside(source, stored->input_scale, first % cols, n_cols, 1, p->input_scale, err);
	for (size_t i = 0; i < n && status == LEP_OK; i++)
	{
		size_t of = (size_t) ((first + i) / unit - row);
		unsigned char b = p->q[i4 ? (first + i) / 2 - byte : i];
		int q = !i4 ? (signed char) b : (first + i) % 2 == 0 ? b & 15 : b >> 4;

		dst[i] = ((float) q - p->zero[of]) * p->scale[of] * p->input_scale[i % n_cols];
	}
	return status;
}

/* Read numbers of a compressed tensor. */
static LepStatus
read_compressed(const LepSource *source, const LepTensor *tensor, const LepStored *stored,
				uint64_t first, uint64_t n, float *dst, LepError *err)
{
	uint64_t cols = tensor->dims[1] * (stored->scheme == LEP_SCHEME_I4 ? 2 : 1);
	Piece piece;

	if (first > tensor->dims[0] * cols || n > tensor->dims[0] * cols - first)
		return lep_error(err, LEP_BAD_INPUT, "read outside of tensor \"%s\"", tensor->name);
	while (n > 0)
	{
		uint64_t now = cols - first % cols;
		LepStatus status;

		if (now == cols && cols <= I8_PIECE / 2)
			now = I8_PIECE / cols * cols;
		now = now < I8_PIECE ? now : I8_PIECE;
		if (now > n)
			now = n > cols ? n / cols * cols : n;
		status = read_piece(source, tensor, stored, cols, first, (size_t) now, &piece, dst, err);
		if (status != LEP_OK)
			return status;
		first += now;
		dst += now;
		n -= now;
	}
	return LEP_OK;
}

/* Read numbers of a tensor as f32. */
LepStatus
lep_source_read_f32(const LepSource *source, const LepTensor *tensor, uint64_t first, uint64_t n,
					float *dst, LepError *err)
{
	uint16_t piece[PIECE];
	size_t width = tensor->type == LEP_TENSOR_F32 ? sizeof(float) : sizeof(uint16_t);
	uint64_t n_all = tensor->size / width;
	const LepStored *stored = lep_source_stored(source, tensor);
	const LepKernels *kernels;

	if (stored != NULL && stored->scheme > LEP_SCHEME_BF16)
		return read_compressed(source, tensor, stored, first, n, dst, err);
	if (tensor->type > LEP_TENSOR_BF16 || first > n_all || n > n_all - first)
		return lep_error(err, LEP_BAD_INPUT, "read outside of tensor \"%s\"", tensor->name);
	if (tensor->type == LEP_TENSOR_F32)
		return lep_source_read_raw(source, tensor, first * width, (size_t) n * width, dst, err);
	kernels = lep_kernels_choose("auto");
	while (n > 0)
	{
		size_t now = n < PIECE ? (size_t) n : PIECE;
		LepStatus status =
			lep_source_read_raw(source, tensor, first * width, now * width, piece, err);

		if (status != LEP_OK)
			return status;
		kernels->widen(piece, (LepDtype) tensor->type, dst, now);
		first += now;
		dst += now;
		n -= now;
	}
	return LEP_OK;
}
