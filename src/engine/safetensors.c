/*
 * safetensors.c: the directory of safetensors files: reads and checks headers,
 * finds tensors by name; never reads weights.
 *
 * Format: 8 bytes little-endian header length N, N bytes of JSON, then the data
 * up to the file's end.  Every rule of the format is checked; in two points this
 * reader is stricter than the reference one: the header starts with '{', as the
 * format's description says, and no name occurs twice.
 */
#define LEPTON_ENGINE_SOURCE
#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

#define HEADER_FORMAT_MAX 100000000	 /* bytes, the format's own limit */
#define HEADER_MAX		  (16 << 20) /* bytes, ours: about 200,000 tensors */
#define STOP_STEP		  4096		 /* tensors between two looks at the stop callback */

/* The format's dtypes. */
static const struct
{
	const char *name;
	uint32_t bits;
	LepTensorType type;
} dtypes[] = {
	{"F32", 32, LEP_TENSOR_F32},
	{"F16", 16, LEP_TENSOR_F16},
	{"BF16", 16, LEP_TENSOR_BF16},
	{"I64", 64, LEP_TENSOR_OTHER},
	{"F64", 64, LEP_TENSOR_OTHER},
	{"U64", 64, LEP_TENSOR_OTHER},
	{"C64", 64, LEP_TENSOR_OTHER},
	{"I32", 32, LEP_TENSOR_OTHER},
	{"U32", 32, LEP_TENSOR_OTHER},
	{"I16", 16, LEP_TENSOR_OTHER},
	{"U16", 16, LEP_TENSOR_OTHER},
	{"I8", 8, LEP_TENSOR_I8},
	{"U8", 8, LEP_TENSOR_U8},
	{"BOOL", 8, LEP_TENSOR_OTHER},
	{"F8_E4M3", 8, LEP_TENSOR_OTHER},
	{"F8_E5M2", 8, LEP_TENSOR_OTHER},
	{"F8_E8M0", 8, LEP_TENSOR_OTHER},
	{"F8_E4M3FNUZ", 8, LEP_TENSOR_OTHER},
	{"F8_E5M2FNUZ", 8, LEP_TENSOR_OTHER},
	{"F6_E2M3", 6, LEP_TENSOR_OTHER},
	{"F6_E3M2", 6, LEP_TENSOR_OTHER},
	{"F4", 4, LEP_TENSOR_OTHER},
};

/*
 * Tensors in the order of their addition and an open-addressed table of their
 * numbers plus one.  The table's size is a power of two and at least twice the
 * number of tensors.
 */
struct LepTensorSet
{
	LepTensor *tensors; /* [n_tensors] of room for capacity */
	size_t n_tensors, capacity;
	uint32_t *slots; /* [n_slots], 0 = free */
	size_t n_slots;
	uint64_t seed; /* so that no file can aim at collisions */
};

/* Hash name with the set's seed. */
static uint64_t
hash_name(const LepTensorSet *set, const char *name)
{
	uint64_t h = set->seed;

	for (; *name != '\0'; name++)
	{
		h = (h ^ (unsigned char) *name) * UINT64_C(0x9E3779B97F4A7C15);
		h ^= h >> 29;
	}
	return h ^ h >> 32;
}

/* The slot that holds name, or the free one where it belongs. */
static uint32_t *
find_slot(const LepTensorSet *set, const char *name)
{
	size_t at = (size_t) hash_name(set, name) & (set->n_slots - 1);

	while (set->slots[at] != 0 && strcmp(set->tensors[set->slots[at] - 1].name, name) != 0)
		at = (at + 1) & (set->n_slots - 1);
	return &set->slots[at];
}

/* Make room for extra more tensors. */
static bool
reserve(LepTensorSet *set, LepArena *arena, size_t extra)
{
	size_t need = set->n_tensors + extra;
	size_t n_slots = 16;

	if (need > UINT32_MAX / 2)
		return false;
	if (need > set->capacity)
	{
		size_t capacity = need > 2 * set->capacity ? need : 2 * set->capacity;
		LepTensor *tensors = lep_arena_array(arena, capacity, sizeof(LepTensor));

		if (tensors == NULL)
			return false;
		if (set->n_tensors > 0)
			memcpy(tensors, set->tensors, set->n_tensors * sizeof(LepTensor));
		set->tensors = tensors;
		set->capacity = capacity;
	}
	while (n_slots < 2 * need)
		n_slots *= 2;
	if (n_slots > set->n_slots)
	{
		set->slots = lep_arena_array(arena, n_slots, sizeof(uint32_t));
		if (set->slots == NULL)
			return false;
		set->n_slots = n_slots;
		for (size_t i = 0; i < set->n_tensors; i++)
			*find_slot(set, set->tensors[i].name) = (uint32_t) i + 1;
	}
	return true;
}

/* What the reading of one file needs. */
typedef struct Reader
{
	const char *file; /* quoted path */
	uint64_t data;	  /* offset of the data in the file */
	uint64_t n_data;  /* bytes of data */
	LepError *err;
} Reader;

/* Report a defect of the header as a whole. */
static LepStatus
bad_header(const Reader *r, const char *what)
{
	return lep_error(r->err, LEP_BAD_FILE, "safetensors file \"%s\" %s", r->file, what);
}

/* Report a defect of one tensor's entry. */
static LepStatus
bad_tensor(const Reader *r, const char *name, const char *what)
{
	char quoted[LEP_QUOTE_SIZE];

	return lep_error(r->err, LEP_BAD_FILE, "tensor \"%s\" of file \"%s\" %s",
					 lep_error_quote(quoted, sizeof(quoted), name, strlen(name)), r->file, what);
}

/* Check __metadata__: absent, null, or an object of strings. */
static LepStatus
check_metadata(const Reader *r, json_t *metadata)
{
	const char *key;
	json_t *value;

	if (metadata == NULL || json_is_null(metadata))
		return LEP_OK;
	if (!json_is_object(metadata))
		return bad_header(r, "has a \"__metadata__\" that is not an object");
	json_object_foreach(metadata, key, value)
	{
		if (!json_is_string(value))
			return bad_header(r, "has a \"__metadata__\" value that is not a string");
	}
	return LEP_OK;
}

/* Read an entry's dtype into t; *bits is the size of an element. */
static LepStatus
read_dtype(const Reader *r, const json_t *dtype, LepTensor *t, uint32_t *bits)
{
	char quoted[LEP_QUOTE_SIZE];

	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
	{
		if (strcmp(dtypes[i].name, json_string_value(dtype)) == 0)
		{
			t->type = dtypes[i].type;
			*bits = dtypes[i].bits;
			memcpy(t->type_name, dtypes[i].name, strlen(dtypes[i].name) + 1);
			return LEP_OK;
		}
	}
	bad_tensor(r, t->name, "has an unknown dtype");
	lep_error_detail(r->err, "Found \"%s\".",
					 lep_error_quote(quoted, sizeof(quoted), json_string_value(dtype),
									 json_string_length(dtype)));
	return LEP_BAD_FILE;
}

/* Read an entry's shape into t and compute its size from elements of so many bits. */
static LepStatus
read_shape(const Reader *r, const json_t *shape, uint32_t bits, LepTensor *t)
{
	size_t size = 1;
	bool fits = true;

	t->n_dims = (uint32_t) json_array_size(shape);
	for (size_t i = 0; i < t->n_dims; i++)
	{
		const json_t *dim = json_array_get(shape, i);

		if (!json_is_integer(dim) || json_integer_value(dim) < 0)
			return bad_tensor(r, t->name, "has a shape that is not made of whole numbers");
		if (i < LEP_MAX_DIMS)
			t->dims[i] = (uint64_t) json_integer_value(dim);
		fits = fits && lep_mul(size, (size_t) json_integer_value(dim), &size);
	}
	if (!fits || !lep_mul(size, bits, &size))
		return bad_tensor(r, t->name, "has a shape whose size overflows");
	if (size % 8 != 0)
		return bad_tensor(r, t->name, "does not end at a byte");
	t->size = size / 8;
	return LEP_OK;
}

/* Read an entry's place in the data, which must agree with t's size. */
static LepStatus
read_place(const Reader *r, const json_t *offsets, LepTensor *t)
{
	uint64_t at[2];

	for (size_t i = 0; i < 2; i++)
	{
		const json_t *offset = json_array_get(offsets, i);

		if (!json_is_integer(offset) || json_integer_value(offset) < 0)
			return bad_tensor(r, t->name, "has data_offsets that are not whole numbers");
		at[i] = (uint64_t) json_integer_value(offset);
	}
	if (at[0] > at[1] || at[1] > r->n_data)
	{
		bad_tensor(r, t->name, "lies outside of the file");
		lep_error_detail(
			r->err, "Its data_offsets are %llu and %llu; the file has %llu bytes of data.",
			(unsigned long long) at[0], (unsigned long long) at[1], (unsigned long long) r->n_data);
		return LEP_BAD_FILE;
	}
	if (at[1] - at[0] != t->size)
	{
		bad_tensor(r, t->name, "has a size that does not follow from its shape");
		lep_error_detail(r->err, "Found %llu bytes, expected %llu.",
						 (unsigned long long) (at[1] - at[0]), (unsigned long long) t->size);
		return LEP_BAD_FILE;
	}
	t->offset = r->data + at[0];
	return LEP_OK;
}

/* Read entry's dtype, shape and offsets into t, whose name is set. */
static LepStatus
read_tensor(const Reader *r, const json_t *entry, LepTensor *t)
{
	const json_t *dtype = json_object_get(entry, "dtype");
	const json_t *shape = json_object_get(entry, "shape");
	const json_t *offsets = json_object_get(entry, "data_offsets");
	uint32_t bits;
	LepStatus status;

	if (!json_is_object(entry))
		return bad_tensor(r, t->name, "is not described by an object");
	if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets) ||
		json_array_size(offsets) != 2)
	{
		bad_tensor(r, t->name, "lacks a proper dtype, shape or data_offsets");
		lep_error_detail(r->err, "Expected a string \"dtype\", an array \"shape\" and an array "
								 "\"data_offsets\" of two integers.");
		return LEP_BAD_FILE;
	}
	status = read_dtype(r, dtype, t, &bits);
	if (status == LEP_OK)
		status = read_shape(r, shape, bits, t);
	if (status == LEP_OK)
		status = read_place(r, offsets, t);
	return status;
}

/* Order tensors by their place in the file, empty ones first. */
static int
compare_places(const void *a, const void *b)
{
	const LepTensor *x = *(const LepTensor *const *) a;
	const LepTensor *y = *(const LepTensor *const *) b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

/* Check that tensors[n] cover the data exactly; order[n] is working space. */
static LepStatus
check_cover(const Reader *r, const LepTensor *tensors, size_t n, const LepTensor **order)
{
	uint64_t at = r->data;

	for (size_t i = 0; i < n; i++)
		order[i] = &tensors[i];
	if (n > 0)
		qsort(order, n, sizeof(*order), compare_places);
	for (size_t i = 0; i < n; i++)
	{
		if (order[i]->offset != at)
		{
			bad_tensor(r, order[i]->name,
					   order[i]->offset < at ? "overlaps another one" : "follows a hole");
			lep_error_detail(r->err, "It starts at %llu, expected %llu.",
							 (unsigned long long) (order[i]->offset - r->data),
							 (unsigned long long) (at - r->data));
			return LEP_BAD_FILE;
		}
		at += order[i]->size;
	}
	if (at != r->data + r->n_data)
	{
		bad_header(r, "has bytes that belong to no tensor");
		lep_error_detail(r->err, "Its tensors take %llu bytes of %llu.",
						 (unsigned long long) (at - r->data), (unsigned long long) r->n_data);
		return LEP_BAD_FILE;
	}
	return LEP_OK;
}

/* Add the tensors of a parsed header to the set. */
static LepStatus
add_tensors(const Reader *r, json_t *header, size_t file, LepArena *arena, LepTensorSet *set,
			const LepStop *stop)
{
	size_t first = set->n_tensors;
	size_t n_names = 0;
	size_t n = 0;
	const char *key;
	json_t *value;
	char *names;
	const LepTensor **order;
	LepStatus status;

	json_object_foreach(header, key, value)
	{
		if (strcmp(key, "__metadata__") != 0)
		{
			n++;
			n_names += strlen(key) + 1;
		}
	}
	if (n == 0)
		return check_cover(r, NULL, 0, NULL);
	names = lep_arena_alloc(arena, n_names);
	order = lep_arena_array(arena, n, sizeof(*order));
	if (names == NULL || order == NULL || !reserve(set, arena, n))
		return lep_error(r->err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", r->file);
	json_object_foreach(header, key, value)
	{
		LepTensor *t = &set->tensors[set->n_tensors];
		uint32_t *slot;

		if (strcmp(key, "__metadata__") == 0)
			continue;
		if (set->n_tensors % STOP_STEP == 0 && lep_stopped(stop))
			return lep_error(r->err, LEP_CANCELLED, "reading of file \"%s\" was cancelled",
							 r->file);
		memset(t, 0, sizeof(*t));
		memcpy(names, key, strlen(key) + 1);
		t->name = names;
		t->file = (uint32_t) file;
		names += strlen(key) + 1;
		status = read_tensor(r, value, t);
		if (status != LEP_OK)
			return status;
		slot = find_slot(set, t->name);
		if (*slot != 0)
			return bad_tensor(r, t->name, "is in another file too");
		*slot = (uint32_t) ++set->n_tensors;
	}
	return check_cover(r, set->tensors + first, n, order);
}

/* Read the header of folder->files[file] into buffer[size]. */
static LepStatus
read_header(LepFolder *folder, size_t file, char *buffer, size_t size, json_t **header,
			const Reader *r)
{
	LepStatus status = folder->read(folder->ctx, file, 8, buffer, size, r->err);

	if (status != LEP_OK)
		return status;
	if (size == 0 || buffer[0] != '{')
		return bad_header(r, "has a header that does not start with \"{\"");
	status = lep_json_parse(folder->files[file].path, buffer, size, header, r->err);
	if (status == LEP_OK && !json_is_object(*header))
		status = bad_header(r, "has a header that is not an object");
	return status;
}

/* Read a file's header into the set. */
LepStatus
lep_safetensors_read(LepFolder *folder, size_t file, LepArena *arena, LepTensorSet **set,
					 const LepStop *stop, LepError *err)
{
	const LepFile *f = &folder->files[file];
	const LepAllocator *allocator = arena->allocator;
	unsigned char head[8];
	char quoted[LEP_QUOTE_SIZE];
	Reader r = {.err = err};
	json_t *header = NULL;
	uint64_t size = 0;
	char *buffer;
	LepStatus status;

	r.file = lep_error_quote(quoted, sizeof(quoted), f->path, strlen(f->path));
	if (f->size < sizeof(head))
	{
		bad_header(&r, "is truncated");
		lep_error_detail(err, "It has %llu bytes, expected at least 8.",
						 (unsigned long long) f->size);
		return LEP_BAD_FILE;
	}
	status = folder->read(folder->ctx, file, 0, head, sizeof(head), err);
	if (status != LEP_OK)
		return status;
	for (int i = 7; i >= 0; i--)
		size = size << 8 | head[i];
	if (size > HEADER_FORMAT_MAX || size > f->size - sizeof(head))
	{
		bad_header(&r, size > HEADER_FORMAT_MAX ? "announces too long a header" : "is truncated");
		lep_error_detail(err, "Its header has %llu bytes; the format allows %d, the file has %llu.",
						 (unsigned long long) size, HEADER_FORMAT_MAX,
						 (unsigned long long) f->size);
		return LEP_BAD_FILE;
	}
	if (size > HEADER_MAX)
	{
		lep_error(err, LEP_TOO_LARGE, "header of safetensors file \"%s\" is too large", r.file);
		lep_error_detail(err, "It has %llu bytes; at most %d are allowed.",
						 (unsigned long long) size, HEADER_MAX);
		return LEP_TOO_LARGE;
	}
	if (*set == NULL)
	{
		*set = lep_arena_alloc(arena, sizeof(LepTensorSet));
		if (*set != NULL)
			(*set)->seed = ((uint64_t) (uintptr_t) *set ^ (uint64_t) (uintptr_t) &status) *
						   UINT64_C(0xD6E8FEB86659FD93);
	}
	buffer = *set != NULL ? allocator->alloc(allocator->ctx, (size_t) size + 1) : NULL;
	if (buffer == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", r.file);
	r.data = sizeof(head) + size;
	r.n_data = f->size - r.data;
	status = read_header(folder, file, buffer, (size_t) size, &header, &r);
	allocator->free(allocator->ctx, buffer);
	if (status == LEP_OK)
		status = check_metadata(&r, json_object_get(header, "__metadata__"));
	if (status == LEP_OK)
		status = add_tensors(&r, header, file, arena, *set, stop);
	lep_json_free(header);
	if (status == LEP_OK)
		folder->files[file].used = true;
	return status;
}

/* Find a tensor by name. */
const LepTensor *
lep_tensor_find(const LepTensorSet *set, const char *name)
{
	uint32_t slot;

	if (set == NULL || set->n_slots == 0)
		return NULL;
	slot = *find_slot(set, name);
	return slot != 0 ? &set->tensors[slot - 1] : NULL;
}

/* Number of tensors. */
size_t
lep_tensor_count(const LepTensorSet *set)
{
	return set != NULL ? set->n_tensors : 0;
}

/* Tensor i, in the order of files and names. */
const LepTensor *
lep_tensor_at(const LepTensorSet *set, size_t i)
{
	return &set->tensors[i];
}

/* Place of a tensor in the set. */
size_t
lep_tensor_index(const LepTensorSet *set, const LepTensor *tensor)
{
	size_t n = lep_tensor_count(set);

	if (n == 0 || tensor < set->tensors || tensor >= set->tensors + n)
		return n;
	return (size_t) (tensor - set->tensors);
}
