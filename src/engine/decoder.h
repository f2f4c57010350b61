/*
 * decoder.h: from token ids back to text: the decoder of a tokenizer.json as a
 * list of steps; private to the tokenizer's sources.
 */
#ifndef LEPTON_DECODER_H
#define LEPTON_DECODER_H

#include "tokenizer_tables.h"

/* Kinds of steps.  Numbers are stored in blobs. */
typedef enum LepDecodeKind
{
	LEP_DECODE_WORDPIECE = 1, /* data: the prefix of continuing pieces; flags: 1 cleans up */
	LEP_DECODE_BYTES,		  /* ByteLevel */
	LEP_DECODE_METASPACE,	  /* flags: the character << 1 | it is dropped from the first token */
	LEP_DECODE_SUFFIX,		  /* BPEDecoder; data: the suffix of last pieces */
	LEP_DECODE_FALLBACK,	  /* ByteFallback */
	LEP_DECODE_FUSE,
	LEP_DECODE_STRIP,  /* flags: the character; data: two uint64_t, how many at the start and end */
	LEP_DECODE_REPLACE /* data: as LEP_NORM_REPLACE; flags: 1 is a regex */
} LepDecodeKind;

#endif
