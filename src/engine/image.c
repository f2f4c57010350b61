/*
 * image.c: writes images: places the sections, converts and packs one weight
 * at a time and streams everything in order.  It never seeks and keeps nothing.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "image_format.h"

#define COPY_BYTES ((size_t) 1 << 20) /* of a table that stand in memory */

/* The writer's state: how far the sink has come. */
typedef struct Writer
{
	const LepSource *source;
	const LepKernels *kernels;
	LepGraph *graph;
	const LepAllocator *allocator;
	const LepSink *sink;
	const LepStop *stop;
	LepError *err;
	uint64_t at;
} Writer;

/* Write the id that stands in an image's name. */
void
lep_image_layout(const LepKernels *kernels, LepTask task, char *dst)
{
	memset(dst, 0, LEP_LAYOUT_MAX);
	snprintf(dst, LEP_LAYOUT_MAX, "%u-%s%s%s%s%s-%s", LEP_IMAGE_VERSION, kernels->layout,
			 kernels->i8 != NULL ? "-" : "", kernels->i8 != NULL ? kernels->i8->name : "",
			 kernels->half != NULL ? "-" : "", kernels->half != NULL ? kernels->half->name : "",
			 lep_task_name(task));
}

/* Put a section at the next multiple of align; false on overflow. */
static bool
place(uint64_t *at, uint64_t align, uint64_t bytes, uint64_t *offset)
{
	if (__builtin_add_overflow(*at, align - 1, at))
		return false;
	*at -= *at % align;
	*offset = *at;
	return !__builtin_add_overflow(*at, bytes, at);
}

/* Place all sections and slots. */
bool
lep_image_place(LepImageHeader *header, LepImageSlot *slots, uint32_t n_slots)
{
	uint64_t at = sizeof(*header);
	bool fits = true;

	header->slots.bytes = (uint64_t) n_slots * sizeof(LepImageSlot);
	fits &= place(&at, LEP_IMAGE_PAGE, header->desc.bytes, &header->desc.offset);
	fits &= place(&at, LEP_IMAGE_PAGE, header->tokens.bytes, &header->tokens.offset);
	fits &= place(&at, LEP_IMAGE_PAGE, header->slots.bytes, &header->slots.offset);
	fits &= place(&at, LEP_IMAGE_PAGE, 0, &header->weights.offset);
	for (uint32_t i = 0; i < n_slots && fits; i++)
		fits &= place(&at, LEP_ALIGN, slots[i].bytes, &slots[i].offset);
	header->weights.bytes = at - header->weights.offset;
	header->length = at;
	return fits && at < INT64_MAX;
}

/* CRC-32 of the metadata. */
uint32_t
lep_image_crc(const LepImageHeader *header, const void *desc, const void *tokens, const void *slots)
{
	LepImageHeader copy = *header;
	uLong crc;

	copy.crc = 0;
	crc = crc32_z(0, (const Bytef *) &copy, sizeof(copy));
	crc = crc32_z(crc, desc, header->desc.bytes);
	crc = crc32_z(crc, tokens, header->tokens.bytes);
	return (uint32_t) crc32_z(crc, slots, header->slots.bytes);
}

/* Hand bytes to the sink. */
static LepStatus
put(Writer *writer, const void *data, size_t len)
{
	if (lep_stopped(writer->stop))
		return lep_error(writer->err, LEP_CANCELLED, "cancelled while writing an image");
	writer->at += len;
	return writer->sink->write(writer->sink->ctx, data, len, writer->err);
}

/* Fill with zeroes up to an offset, less than a page away. */
static LepStatus
pad_to(Writer *writer, uint64_t offset)
{
	static const char zeroes[LEP_IMAGE_PAGE];

	if (offset == writer->at)
		return LEP_OK;
	return put(writer, zeroes, (size_t) (offset - writer->at));
}

/* Copy a tensor as the file has it, piece by piece. */
static LepStatus
put_tensor(Writer *writer, const LepTensor *tensor, void *buffer)
{
	LepStatus status = LEP_OK;

	for (uint64_t done = 0; done < tensor->size && status == LEP_OK; done += COPY_BYTES)
	{
		uint64_t left = tensor->size - done;
		size_t len = left < COPY_BYTES ? (size_t) left : COPY_BYTES;

		status = lep_source_read_raw(writer->source, tensor, done, len, buffer, writer->err);
		if (status == LEP_OK)
			status = put(writer, buffer, len);
	}
	return status;
}

/* Copy a table as the file has it; of int8, its scales first. */
static LepStatus
put_table(Writer *writer, const LepTensor *tensor, void *buffer)
{
	const LepStored *stored = lep_source_stored(writer->source, tensor);
	LepStatus status = LEP_OK;

	if (stored != NULL && stored->scheme == LEP_SCHEME_I8)
		status = put_tensor(writer, stored->scale, buffer);
	return status == LEP_OK ? put_tensor(writer, tensor, buffer) : status;
}

/* Convert, pack and write one slot; its memory is given back before the next. */
static LepStatus
put_slot(Writer *writer, uint32_t number, uint64_t bytes)
{
	const LepSlot *slot = &writer->graph->slots[number];
	const LepTensor *tensors[LEP_MAX_PARTS];
	LepArena arena;
	LepDtype dtype;
	LepStatus status;
	char *packed;

	status = lep_slot_resolve(writer->graph, number, writer->source, tensors, &dtype, writer->err);
	if (status != LEP_OK)
		return status;
	lep_arena_init(&arena, writer->allocator, 0);
	packed = lep_arena_alloc(&arena, slot->store == LEP_STORE_TABLE ? COPY_BYTES : (size_t) bytes);
	if (packed == NULL)
		status = lep_graph_no_memory(writer->err);
	else if (slot->store == LEP_STORE_TABLE)
		status = put_table(writer, tensors[0], packed);
	else
	{
		status = slot->store == LEP_STORE_LINEAR
					 ? lep_slot_pack(slot, writer->source, tensors, writer->kernels, &arena, packed,
									 writer->stop, writer->err)
					 : lep_slot_read(slot, writer->source, tensors, writer->kernels, &arena,
									 (float *) packed, writer->stop, writer->err);
		for (uint64_t done = 0; done < bytes && status == LEP_OK; done += COPY_BYTES)
			status = put(writer, packed + done,
						 bytes - done < COPY_BYTES ? (size_t) (bytes - done) : COPY_BYTES);
	}
	lep_arena_free(&arena);
	return status;
}

/* Build the graph of a source and place its image. */
static LepStatus
plan_image(const LepSource *source, const LepKernels *kernels, LepArena *arena, LepGraph **graph,
		   LepImageHeader *header, LepImageSlot **slots, LepError *err)
{
	LepStatus status = lep_graph_build(&source->view, kernels, arena, graph, err);

	if (status != LEP_OK)
		return status;
	*slots = lep_arena_array(arena, (*graph)->n_slots, sizeof(LepImageSlot));
	if (*slots == NULL)
		return lep_graph_no_memory(err);
	for (uint32_t i = 0; i < (*graph)->n_slots; i++)
	{
		const LepTensor *tensors[LEP_MAX_PARTS];
		LepDtype dtype;

		status = lep_slot_resolve(*graph, i, source, tensors, &dtype, err);
		if (status != LEP_OK)
			return status;
		(*slots)[i].dtype = dtype;
		(*slots)[i].bytes = lep_slot_bytes(&(*graph)->slots[i], kernels, dtype);
		if ((*slots)[i].bytes == 0)
			return lep_error(err, LEP_TOO_LARGE, "tensor \"%s\" is too large", tensors[0]->name);
	}
	memset(header, 0, sizeof(*header));
	header->desc.bytes = sizeof(LepDesc) + source->view.desc->text_bytes;
	header->tokens.bytes = source->tokenizer_size;
	if (!lep_image_place(header, *slots, (*graph)->n_slots))
		return lep_error(err, LEP_TOO_LARGE, "model is too large for an image");
	return LEP_OK;
}

/* Length of the image that would be written. */
LepStatus
lep_image_size(const LepSource *source, const LepKernels *kernels, uint64_t *size, LepError *err)
{
	LepImageHeader header;
	LepImageSlot *slots;
	LepGraph *graph;
	LepArena arena;
	LepStatus status;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = plan_image(source, kernels, &arena, &graph, &header, &slots, err);
	if (status == LEP_OK)
		*size = header.length;
	lep_arena_free(&arena);
	return status;
}

/* Write header and metadata, then the slots. */
static LepStatus
put_image(Writer *writer, const LepImageHeader *header, const void *desc, const LepImageSlot *slots)
{
	LepStatus status = put(writer, header, sizeof(*header));

	if (status == LEP_OK)
		status = pad_to(writer, header->desc.offset);
	if (status == LEP_OK)
		status = put(writer, desc, (size_t) header->desc.bytes);
	if (status == LEP_OK)
		status = pad_to(writer, header->tokens.offset);
	if (status == LEP_OK)
		status = put(writer, writer->source->tokenizer, writer->source->tokenizer_size);
	if (status == LEP_OK)
		status = pad_to(writer, header->slots.offset);
	if (status == LEP_OK)
		status = put(writer, slots, (size_t) header->slots.bytes);
	if (status == LEP_OK)
		status = pad_to(writer, header->weights.offset);
	for (uint32_t i = 0; i < writer->graph->n_slots && status == LEP_OK; i++)
	{
		status = pad_to(writer, slots[i].offset);
		if (status == LEP_OK)
			status = put_slot(writer, i, slots[i].bytes);
	}
	return status;
}

/* Pack a source and stream its image. */
LepStatus
lep_image_write(const LepSource *source, const LepKernels *kernels,
				const uint8_t hash[LEP_HASH_BYTES], const LepAllocator *allocator,
				const LepSink *sink, const LepStop *stop, LepError *err)
{
	Writer writer = {source, kernels, NULL, allocator, sink, stop, err, 0};
	LepImageHeader header;
	LepImageSlot *slots;
	LepArena arena;
	LepStatus status;
	char *desc;

	lep_arena_init(&arena, allocator, 0);
	status = plan_image(source, kernels, &arena, &writer.graph, &header, &slots, err);
	if (status == LEP_OK)
	{
		desc = lep_arena_alloc(&arena, (size_t) header.desc.bytes);
		if (desc == NULL)
			status = lep_graph_no_memory(err);
	}
	if (status == LEP_OK)
	{
		memcpy(desc, source->view.desc, sizeof(LepDesc));
		memcpy(desc + sizeof(LepDesc), source->view.texts, source->view.desc->text_bytes);
		memcpy(header.magic, LEP_IMAGE_MAGIC, sizeof(header.magic));
		header.version = LEP_IMAGE_VERSION;
		lep_image_layout(kernels, (LepTask) source->view.desc->task, header.layout);
		memcpy(header.hash, hash, LEP_HASH_BYTES);
		header.crc = lep_image_crc(&header, desc, source->tokenizer, slots);
		status = put_image(&writer, &header, desc, slots);
	}
	lep_arena_free(&arena);
	return status;
}
