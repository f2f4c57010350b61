/*
 * normalizer.h: a stretch of text as characters that know which bytes of the
 * original they came from, and the normaliser's steps over it.
 */
#ifndef LEPTON_NORMALIZER_H
#define LEPTON_NORMALIZER_H

#include "base.h"

/* A character and the bytes [start, end) of the original text behind it. */
typedef struct LepChar
{
	uint32_t c;
	uint32_t start, end;
} LepChar;

/* One step; a BertNormalizer is up to five of them.  Numbers are stored in blobs. */
typedef enum LepNormStep
{
	LEP_NORM_CLEAN = 1,	  /* drop control characters, make white space a space */
	LEP_NORM_CHINESE,	  /* put spaces around CJK ideographs */
	LEP_NORM_NFD,		  /* canonical decomposition */
	LEP_NORM_NFKD,		  /* compatibility decomposition */
	LEP_NORM_NFC,		  /* canonical composition */
	LEP_NORM_NFKC,		  /* compatibility decomposition, canonical composition */
	LEP_NORM_STRIP_MN,	  /* drop nonspacing marks (BertNormalizer) */
	LEP_NORM_STRIP_MARKS, /* drop all marks (StripAccents) */
	LEP_NORM_LOWER,		  /* lower case, character by character */
	LEP_NORM_LAST = LEP_NORM_LOWER
} LepNormStep;

/* Working memory: chars[n] is the text now, spare what the next step writes. */
typedef struct LepCharBuffer
{
	const LepAllocator *allocator;
	LepChar *chars; /* [capacity] */
	size_t n;
	size_t capacity;
	LepChar *spare; /* [spare_capacity] */
	size_t spare_capacity;
} LepCharBuffer;

void lep_chars_init(LepCharBuffer *buffer, const LepAllocator *allocator);
void lep_chars_free(LepCharBuffer *buffer);

/* Decode text[start, end) into chars; LEP_BAD_INPUT names the first byte that is not UTF-8. */
LepStatus lep_chars_load(LepCharBuffer *buffer, const char *text, size_t start, size_t end,
						 const LepStop *stop, LepError *err);

/* Apply steps[n_steps] (LepNormStep) to chars. */
LepStatus lep_chars_normalize(LepCharBuffer *buffer, const uint8_t *steps, size_t n_steps,
							  const LepStop *stop, LepError *err);

#endif
