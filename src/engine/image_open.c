/*
 * image_open.c: checks an image and binds it, without copying it.  It
 * believes no byte that it has not checked, and looks at no weight.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "image_format.h"

/* Report a damaged image. */
static LepStatus
bad_image(LepError *err, const char *detail)
{
	lep_error(err, LEP_BAD_IMAGE, "image is damaged or of another version");
	lep_error_detail(err, "%s", detail);
	return LEP_BAD_IMAGE;
}

/* Does a section lie within the image? */
static bool
inside(const LepImageSection *section, uint64_t length)
{
	return section->offset % LEP_IMAGE_PAGE == 0 && section->offset <= length &&
		   section->bytes <= length - section->offset;
}

/* Check what the header says about itself, then the sum of all metadata. */
static LepStatus
check_header(const char *image, uint64_t length, const uint8_t *hash, const LepKernels *kernels,
			 LepImageHeader *header, LepError *err)
{
	char layout[LEP_LAYOUT_MAX];
	const LepDesc *desc;

	if (length < sizeof(*header) || (uintptr_t) image % LEP_ALIGN != 0)
		return bad_image(err, "It is shorter than its header, or not aligned.");
	memcpy(header, image, sizeof(*header));
	if (memcmp(header->magic, LEP_IMAGE_MAGIC, sizeof(header->magic)) != 0)
		return bad_image(err, "It does not begin with the magic of an image.");
	if (header->version != LEP_IMAGE_VERSION)
		return bad_image(err, "It was written for another version.");
	if (header->length != length)
		return bad_image(err, "Its length is not the one that it was written with.");
	if (memcmp(header->hash, hash, LEP_HASH_BYTES) != 0)
		return bad_image(err, "It was written for another model.");
	if (!inside(&header->desc, length) || !inside(&header->tokens, length) ||
		!inside(&header->slots, length) || header->desc.bytes < sizeof(LepDesc) ||
		header->slots.bytes % sizeof(LepImageSlot) != 0)
		return bad_image(err, "A section lies outside of it.");
	desc = (const LepDesc *) (image + header->desc.offset);
	lep_image_layout(kernels, (LepTask) desc->task, layout);
	if (memcmp(header->layout, layout, LEP_LAYOUT_MAX) != 0)
		return bad_image(err, "It was written for another layout or task.");
	if (lep_image_crc(header, image + header->desc.offset, image + header->tokens.offset,
					  image + header->slots.offset) != header->crc)
		return bad_image(err, "The checksum of its metadata is wrong.");
	return LEP_OK;
}

/* Check that everything stands where a writer puts it, then bind the graph. */
static LepStatus
bind_slots(const char *image, const LepImageHeader *header, const LepKernels *kernels,
		   LepArena *arena, LepGraph *graph, LepError *err)
{
	const LepImageSlot *slots = (const LepImageSlot *) (image + header->slots.offset);
	LepImageHeader expected = *header;
	LepImageSlot *placed = lep_arena_array(arena, graph->n_slots, sizeof(LepImageSlot));
	LepBinding *bindings = lep_arena_array(arena, graph->n_slots, sizeof(LepBinding));

	if (placed == NULL || bindings == NULL)
		return lep_graph_no_memory(err);
	if (header->slots.bytes / sizeof(LepImageSlot) != graph->n_slots)
		return bad_image(err, "It has another number of weights than its model.");
	memcpy(placed, slots, (size_t) header->slots.bytes);
	if (!lep_image_place(&expected, placed, graph->n_slots) ||
		memcmp(&expected, header, sizeof(expected)) != 0 ||
		memcmp(placed, slots, (size_t) header->slots.bytes) != 0)
		return bad_image(err, "Its sections are not where they belong.");
	for (uint32_t i = 0; i < graph->n_slots; i++)
	{
		if (slots[i].zero != 0)
			return bad_image(err, "A weight's entry is not clean.");
		bindings[i].data = image + slots[i].offset;
		bindings[i].bytes = slots[i].bytes;
		bindings[i].dtype = (LepDtype) slots[i].dtype;
	}
	return lep_pass_bind(graph, kernels, bindings, err);
}

/* Open an image. */
LepStatus
lep_image_open(const void *image, uint64_t length, const uint8_t hash[LEP_HASH_BYTES],
			   const LepKernels *kernels, LepArena *arena, LepModel *model, LepError *err)
{
	const char *bytes = image;
	LepImageHeader header;
	LepStatus status = check_header(bytes, length, hash, kernels, &header, err);

	memset(model, 0, sizeof(*model));
	if (status != LEP_OK)
		return status;
	model->kernels = kernels;
	model->view.desc = (const LepDesc *) (bytes + header.desc.offset);
	model->view.texts = bytes + header.desc.offset + sizeof(LepDesc);
	if (header.desc.bytes - sizeof(LepDesc) != model->view.desc->text_bytes)
		return bad_image(err, "Its description has another length.");
	status = lep_desc_check(&model->view, err);
	if (status == LEP_OK)
		status = lep_tokenizer_open(bytes + header.tokens.offset, (size_t) header.tokens.bytes,
									&model->tokenizer, err);
	if (status == LEP_OK)
		status = lep_graph_build(&model->view, kernels, arena, &model->graph, err);
	if (status == LEP_OK)
		status = bind_slots(bytes, &header, kernels, arena, model->graph, err);
	if (status == LEP_OK || status == LEP_NO_MEMORY || status == LEP_BAD_IMAGE)
		return status;
	/* A description that no folder can give is damage too. */
	return bad_image(err, "Its description contradicts itself.");
}
