/*
 * compress_write.c: lays the files of a compressed model out: one file of
 * weights, "lepton.json", and what is taken over from the source.  Nothing is
 * copied: the new folder reads from memory and from the source's files.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compress_parts.h"
#include "json.h"

#define HEADER_ALIGN 8

/* Bytes of a file one behind the other. */
typedef struct Piece
{
	uint64_t offset, size;
	const void *memory;		 /* or NULL: ... */
	const LepTensor *tensor; /* ... a tensor of the source */
} Piece;

/* A file of the new folder. */
typedef struct NewFile
{
	int32_t source;		 /* the file of the source that it is, -1: ... */
	const Piece *pieces; /* ... made of these */
	size_t n_pieces;
} NewFile;

/* The new folder and what it reads from. */
typedef struct NewFolder
{
	LepFolder folder;
	const LepSource *source;
	NewFile *files;
} NewFolder;

/* The file of weights under construction. */
typedef struct Writer
{
	const LepPress *press;
	LepArena *arena;
	json_t *header, *schemes;
	Piece *pieces; /* [n_max], the header is the first */
	size_t n, n_max;
	uint64_t size; /* of the data */
	bool failed;
} Writer;

/* A tensor of the new file. */
typedef struct NewTensor
{
	const char *name, *suffix;
	const char *type;
	size_t width; /* bytes of a number */
	uint64_t dims[LEP_MAX_DIMS];
	uint32_t n_dims;
	const void *memory;
	const LepTensor *tensor;
} NewTensor;

/* Read a piece of a new file. */
static LepStatus
read_new(void *ctx, size_t number, uint64_t offset, void *dst, size_t len, LepError *err)
{
	const NewFolder *new = ctx;
	const NewFile *file = &new->files[number];
	const LepFolder *old = new->source->folder;
	char *to = dst;

	if (file->source >= 0)
		return old->read(old->ctx, (size_t) file->source, offset, dst, len, err);
	for (size_t i = 0; i < file->n_pieces && len > 0; i++)
	{
		const Piece *piece = &file->pieces[i];
		uint64_t skip;
		size_t n;
		LepStatus status = LEP_OK;

		if (offset >= piece->offset + piece->size)
			continue;
		skip = offset - piece->offset;
		n = piece->size - skip < len ? (size_t) (piece->size - skip) : len;
		if (piece->memory != NULL)
			memcpy(to, (const char *) piece->memory + skip, n);
		else
			status = lep_source_read_raw(new->source, piece->tensor, skip, n, to, err);
		if (status != LEP_OK)
			return status;
		to += n;
		offset += n;
		len -= n;
	}
	return len == 0 ? LEP_OK : lep_error(err, LEP_IO, "read behind the end of a new file");
}

/* Append a tensor; failures stick. */
static void
add_tensor(Writer *writer, const NewTensor *t)
{
	uint64_t size = t->width;
	json_t *shape = json_array();
	json_t *entry;
	size_t len = strlen(t->name) + strlen(t->suffix) + 1;
	char *name = malloc(len);

	for (uint32_t i = 0; i < t->n_dims; i++)
	{
		size *= t->dims[i];
		writer->failed |= json_array_append_new(shape, json_integer((json_int_t) t->dims[i])) != 0;
	}
	entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->type, "shape", shape, "data_offsets",
					  (json_int_t) writer->size, (json_int_t) (writer->size + size));
	if (name == NULL || entry == NULL || writer->n == writer->n_max)
	{
		writer->failed = true;
		json_decref(entry);
		free(name);
		return;
	}
	snprintf(name, len, "%s%s", t->name, t->suffix);
	writer->failed |= json_object_set_new(writer->header, name, entry) != 0;
	writer->pieces[writer->n++] = (Piece){writer->size, size, t->memory, t->tensor};
	writer->size += size;
	free(name);
}

/* Append a tensor as the source has it. */
static void
add_as_is(Writer *writer, const LepTensor *t)
{
	NewTensor new = {t->name, "", t->type_name, 0, {0}, t->n_dims, NULL, t};

	new.width = t->type == LEP_TENSOR_F32 ? 4 : 2;
	memcpy(new.dims, t->dims, sizeof(new.dims));
	add_tensor(writer, &new);
}

/* Append the numbers of a compressed weight's rows [first, first + n) as tensor name. */
static void
add_numbers(Writer *writer, const LepPressed *stored, const char *name, uint64_t first, uint64_t n)
{
	bool four = stored->scheme == LEP_SCHEME_I4;
	bool half = stored->scheme == LEP_SCHEME_F16 || stored->scheme == LEP_SCHEME_BF16;
	uint64_t cols = four ? stored->cols / 2 : stored->cols;
	NewTensor new = {name, "", "I8", half ? 2 : 1, {n, cols}, 2, NULL, NULL};

	if (half)
		new.type = stored->scheme == LEP_SCHEME_F16 ? "F16" : "BF16";
	else if (four)
		new.type = "U8";
	new.memory = (const char *) stored->data + first *cols *new.width;
	add_tensor(writer, &new);
}

/* Append the scales and zeroes of a compressed weight's rows [first, first + n). */
static void
add_scales(Writer *writer, const LepPressed *stored, const char *name, uint64_t first, uint64_t n)
{
	uint64_t groups = stored->scheme == LEP_SCHEME_I4 ? stored->cols / LEP_I4_GROUP : 1;
	NewTensor new = {name, ".scale", "F32", 4, {n, groups}, groups > 1 ? 2 : 1, NULL, NULL};

	if (stored->scale == NULL)
		return;
	if (stored->scheme == LEP_SCHEME_I4)
		new.n_dims = 2;
	new.memory = stored->scale + first *groups;
	add_tensor(writer, &new);
	if (stored->zero != NULL)
	{
		new.suffix = ".zero";
		new.memory = stored->zero + first;
		add_tensor(writer, &new);
	}
	if (stored->input_scale != NULL)
	{
		new.suffix = ".input_scale";
		new.dims[0] = stored->cols;
		new.n_dims = 1;
		new.memory = stored->input_scale;
		add_tensor(writer, &new);
	}
}

/* Append what one part of a slot contributes among numbers of width bytes. */
static void
add_part(Writer *writer, const LepSlot *slot, const LepPart *part, const LepTensor *t,
		 const LepPressed *stored, const float *vector, uint64_t first, size_t width)
{
	bool whole = stored->scheme != LEP_SCHEME_F32;
	bool half = stored->scheme == LEP_SCHEME_F16 || stored->scheme == LEP_SCHEME_BF16;

	if (slot->store == LEP_STORE_VECTOR && vector != NULL)
	{
		const NewTensor new = {t->name, "", "F32", 4, {part->rows}, 1, vector + first, NULL};

		if (width == 4)
			add_tensor(writer, &new);
	}
	else if (!whole)
	{
		if (width == (t->type == LEP_TENSOR_F32 ? 4u : 2u))
			add_as_is(writer, t);
	}
	else if (width == 4)
	{
		add_scales(writer, stored, t->name, first, part->rows);
		writer->failed |= json_object_set_new(writer->schemes, part->tensor,
											  json_string(lep_scheme_name(stored->scheme))) != 0;
	}
	else if (width == (half ? 2u : 1u))
		add_numbers(writer, stored, t->name, first, part->rows);
}

/* Append all tensors of the transformer whose numbers have width bytes. */
static LepStatus
add_all(Writer *writer, const LepGraph *graph, const LepPressed *stored, float *const *vectors,
		bool *done, size_t width)
{
	const LepSource *source = writer->press->source;

	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		const LepSlot *slot = &graph->slots[i];
		const LepTensor *tensors[LEP_MAX_PARTS];
		uint64_t first = 0;
		LepDtype dtype;
		LepStatus status = lep_slot_resolve(graph, i, source, tensors, &dtype, writer->press->err);

		if (status != LEP_OK)
			return status;
		for (uint32_t j = 0; j < slot->n_parts; j++)
		{
			size_t at = lep_tensor_index(source->tensors, tensors[j]);

			if (slot->parts[j].module < 0 && !done[at * 3 + width / 2])
			{
				add_part(writer, slot, &slot->parts[j], tensors[j], &stored[i], vectors[i], first,
						 width);
				done[at * 3 + width / 2] = true;
			}
			first += slot->parts[j].rows;
		}
	}
	return LEP_OK;
}

/* Append what other tasks of the model need besides, among numbers of width bytes. */
static LepStatus
add_others(Writer *writer, const LepGraph *graph, bool *done, size_t width)
{
	const LepSource *source = writer->press->source;

	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		const LepTensor *tensors[LEP_MAX_PARTS];
		LepDtype dtype;
		LepStatus status = lep_slot_resolve(graph, i, source, tensors, &dtype, writer->press->err);

		if (status != LEP_OK)
			return status;
		for (uint32_t j = 0; j < graph->slots[i].n_parts; j++)
		{
			size_t at = lep_tensor_index(source->tensors, tensors[j]);

			if (!done[at * 3 + width / 2] &&
				width == (tensors[j]->type == LEP_TENSOR_F32 ? 4u : 2u))
				add_as_is(writer, tensors[j]);
			done[at * 3 + width / 2] = true;
		}
	}
	return LEP_OK;
}

/* Append all tensors of the model and of its other tasks. */
static LepStatus
add_tasks(Writer *writer, const LepGraph *graph, const LepPressed *stored, float *const *vectors,
		  bool *done)
{
	const LepSource *source = writer->press->source;
	LepGraph *others[LEP_TASK_COUNT] = {NULL};
	LepStatus status = LEP_OK;

	for (uint32_t task = LEP_TASK_MASK; task <= LEP_TASK_SPARSE && status == LEP_OK; task++)
	{
		if ((source->tasks >> task & 1) != 0 && task != source->view.desc->task)
			status = lep_source_task_graph(source, (LepTask) task, writer->arena, &others[task],
										   writer->press->err);
	}
	for (size_t width = 4; width > 0 && status == LEP_OK; width /= 2)
	{
		status = add_all(writer, graph, stored, vectors, done, width);
		for (uint32_t task = 0; task < LEP_TASK_COUNT && status == LEP_OK; task++)
		{
			if (others[task] != NULL)
				status = add_others(writer, others[task], done, width);
		}
	}
	return status;
}

/* Put the header before the pieces; *file gets the whole. */
static LepStatus
finish(Writer *writer, NewFile *file, uint64_t *size)
{
	char *json = writer->failed ? NULL : json_dumps(writer->header, JSON_COMPACT);
	size_t len = json != NULL ? strlen(json) : 0;
	size_t padded = (len + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
	unsigned char *header = json != NULL ? lep_arena_alloc(writer->arena, padded + 8) : NULL;

	if (header == NULL)
	{
		free(json);
		return lep_press_no_memory(writer->press);
	}
	for (int i = 0; i < 8; i++)
		header[i] = (unsigned char) ((uint64_t) padded >> (8 * i));
	memset(header + 8, ' ', padded);
	memcpy(header + 8, json, len);
	free(json);
	writer->pieces[0] = (Piece){0, padded + 8, header, NULL};
	for (size_t i = 1; i < writer->n; i++)
		writer->pieces[i].offset += padded + 8;
	*file = (NewFile){-1, writer->pieces, writer->n};
	*size = writer->size + padded + 8;
	return LEP_OK;
}

/* Write "lepton.json". */
static LepStatus
describe(Writer *writer, NewFile *file, uint64_t *size)
{
	json_t *all = json_pack("{s:i, s:o}", "format", 1, "weights", json_incref(writer->schemes));
	char *text = all != NULL ? json_dumps(all, JSON_INDENT(1)) : NULL;
	Piece *piece = lep_arena_alloc(writer->arena, sizeof(Piece));
	char *copy = text != NULL ? lep_arena_strndup(writer->arena, text, strlen(text)) : NULL;

	json_decref(all);
	free(text);
	if (copy == NULL || piece == NULL)
		return lep_press_no_memory(writer->press);
	*piece = (Piece){0, strlen(copy), copy, NULL};
	*file = (NewFile){-1, piece, 1};
	*size = piece->size;
	return LEP_OK;
}

/* Append a file to the new folder. */
static bool
add_file(NewFolder *new, LepArena *arena, const char *dir, int dir_len, const char *name,
		 uint64_t size)
{
	size_t len = (size_t) dir_len + strlen(name) + 1;
	char *path = lep_arena_alloc(arena, len);

	if (path == NULL)
		return false;
	snprintf(path, len, "%.*s%s", dir_len, dir, name);
	new->folder.files[new->folder.n_files++] = (LepFile){path, size, true};
	return true;
}

/* Is file i of the source one of the transformer's weights, or their index? */
static bool
is_replaced(const LepSource *source, size_t i, const char *dir, int dir_len)
{
	const char *path = source->folder->files[i].path;

	for (size_t j = 0; j < lep_tensor_count(source->tensors); j++)
		if (lep_tensor_at(source->tensors, j)->file == i)
			return true;
	return strncmp(path, dir, (size_t) dir_len) == 0 &&
		   strcmp(path + dir_len, "model.safetensors.index.json") == 0;
}

/* Fill the new folder's list: weights, "lepton.json", then what is taken over. */
static LepStatus
list_files(Writer *writer, NewFolder *new)
{
	const LepSource *source = writer->press->source;
	const char *dir = source->folder->files[lep_tensor_at(source->tensors, 0)->file].path;
	const char *slash = strrchr(dir, '/');
	int dir_len = slash != NULL ? (int) (slash + 1 - dir) : 0;
	uint64_t size = 0;
	LepStatus status = finish(writer, &new->files[0], &size);

	if (status == LEP_OK && !add_file(new, writer->arena, dir, dir_len, "model.safetensors", size))
		status = lep_press_no_memory(writer->press);
	if (status == LEP_OK)
		status = describe(writer, &new->files[1], &size);
	if (status == LEP_OK && !add_file(new, writer->arena, "", 0, "lepton.json", size))
		status = lep_press_no_memory(writer->press);
	for (size_t i = 0; i < source->folder->n_files && status == LEP_OK; i++)
	{
		const LepFile *file = &source->folder->files[i];

		if (!file->used || is_replaced(source, i, dir, dir_len))
			continue;
		new->files[new->folder.n_files] = (NewFile){(int32_t) i, NULL, 0};
		if (!add_file(new, writer->arena, "", 0, file->path, file->size))
			status = lep_press_no_memory(writer->press);
	}
	return status;
}

/* Make the new folder. */
LepStatus
lep_press_folder(const LepPress *press, const LepGraph *graph, const LepPressed *stored,
				 float *const *vectors, LepArena *arena, LepFolder **folder)
{
	const LepSource *source = press->source;
	size_t n_tensors = lep_tensor_count(source->tensors);
	size_t n_files = source->folder->n_files + 2;
	Writer writer = {.press = press, .arena = arena, .n = 1, .n_max = 4 * n_tensors + 1};
	NewFolder *new = lep_arena_alloc(arena, sizeof(NewFolder));
	bool *done = lep_arena_array(arena, 3 * n_tensors, sizeof(bool));
	LepStatus status = LEP_OK;

	*folder = NULL;
	writer.pieces = lep_arena_array(arena, writer.n_max, sizeof(Piece));
	if (new == NULL || done == NULL || writer.pieces == NULL)
		return lep_press_no_memory(press);
	new->source = source;
	new->files = lep_arena_array(arena, n_files, sizeof(NewFile));
	new->folder.files = lep_arena_array(arena, n_files, sizeof(LepFile));
	new->folder.read = read_new;
	new->folder.ctx = new;
	writer.header = json_object();
	writer.schemes = json_object();
	if (new->files == NULL || new->folder.files == NULL || writer.header == NULL ||
		writer.schemes == NULL)
		status = lep_press_no_memory(press);
	if (status == LEP_OK)
		status = add_tasks(&writer, graph, stored, vectors, done);
	if (status == LEP_OK)
		status = list_files(&writer, new);
	json_decref(writer.header);
	json_decref(writer.schemes);
	if (status == LEP_OK)
		*folder = &new->folder;
	return status;
}

/* Bytes of a stored weight. */
uint64_t
lep_pressed_bytes(const LepPressed *stored)
{
	uint64_t numbers = stored->rows * stored->cols;
	uint64_t floats = stored->input_scale != NULL ? stored->cols : 0;

	floats += stored->zero != NULL ? stored->rows : 0;
	switch (stored->scheme)
	{
		case LEP_SCHEME_F32:
			return 0;
		case LEP_SCHEME_F16:
		case LEP_SCHEME_BF16:
			return 2 * numbers;
		case LEP_SCHEME_I4:
			return numbers / 2 + 4 * (floats + numbers / LEP_I4_GROUP);
		default:
			return numbers + 4 * (floats + stored->rows);
	}
}
