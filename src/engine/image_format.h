/*
 * image_format.h: the bytes of an image's header, shared by the side that
 * writes and the side that opens; nobody else includes it.
 *
 * All sections stand where lep_image_place puts them: an image with the same content has
 * the same bytes, and a reader accepts no other arrangement.
 */
#ifndef LEPTON_IMAGE_FORMAT_H
#define LEPTON_IMAGE_FORMAT_H

#include "graph_parts.h"
#include "image.h"

#define LEP_IMAGE_MAGIC	  "LEPIMG01"
#define LEP_IMAGE_VERSION 3u /* raise it whenever LepDesc, the tokenizer's or these tables change */
#define LEP_IMAGE_PAGE	  4096 /* bytes; sections begin on pages */

typedef struct LepImageSection
{
	uint64_t offset, bytes;
} LepImageSection;

typedef struct LepImageHeader
{
	char magic[8];
	uint32_t version;
	uint32_t crc; /* CRC-32 of this header with crc = 0, then of desc, tokens and slots */
	char layout[LEP_LAYOUT_MAX];
	uint64_t length;
	uint8_t hash[LEP_HASH_BYTES];
	LepImageSection desc, tokens, slots, weights;
} LepImageHeader;

typedef struct LepImageSlot
{
	uint64_t offset, bytes; /* from the image's start */
	uint32_t dtype;			/* LepDtype */
	uint32_t zero;
} LepImageSlot;

/*
 * Place n_slots slots and all sections, whose bytes are set in header (desc, tokens)
 * and slots; sets their offsets and header's length.  False on overflow.
 */
bool lep_image_place(LepImageHeader *header, LepImageSlot *slots, uint32_t n_slots);

/* CRC-32 of the metadata; the sections are those that header names. */
uint32_t lep_image_crc(const LepImageHeader *header, const void *desc, const void *tokens,
					   const void *slots);

#endif
