/*
 * normalizer.h: a stretch of text as characters that know which bytes of the
 * original they came from, and the normaliser's steps over it.
 */
#ifndef LEPTON_NORMALIZER_H
#define LEPTON_NORMALIZER_H

#include "base.h"
#include "regex.h"

/* A character and the bytes [start, end) of the original text behind it. */
typedef struct LepChar
{
	uint32_t c;
	uint32_t start, end;
} LepChar;

/* A step of a composition; what it needs beyond flags lies in a data area. */
typedef struct LepStep
{
	uint32_t kind;
	uint32_t flags;
	uint64_t offset; /* bytes from the start of the data area */
	uint64_t len;	 /* bytes */
} LepStep;

/* A data area, data[size], 64-byte aligned. */
typedef struct LepData
{
	const unsigned char *bytes;
	size_t size;
} LepData;

/*
 * Kinds of steps; a BertNormalizer is up to five of them.  Numbers are stored
 * in blobs.  Those up to LEP_NORM_LOCAL_LAST can be applied to a text that is
 * cut at white space: they treat every part as they treat the whole.
 */
typedef enum LepNormKind
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
	LEP_NORM_LOCAL_LAST = LEP_NORM_LOWER,
	LEP_NORM_PRECOMPILED, /* data: SentencePiece's character map */
	LEP_NORM_REPLACE,	  /* data: a LepReplace and its bytes; flags: 1 is a regex */
	LEP_NORM_PREPEND,	  /* data: the text */
	LEP_NORM_STRIP,		  /* flags: 1 left, 2 right */
	LEP_NORM_NMT,		  /* SentencePiece's rule "nmt" */
	LEP_NORM_BYTES		  /* ByteLevel */
} LepNormKind;

/* What LEP_NORM_REPLACE looks for and writes: at the start of its data, followed by both, UTF-8. */
typedef struct LepReplace
{
	uint32_t pattern_len; /* bytes */
	uint32_t content_len; /* bytes */
	uint8_t unused[56];	  /* so that the pattern is aligned, which may be a regex's program */
} LepReplace;

/* Working memory: chars[n] is the text now, spare what the next step writes. */
typedef struct LepCharBuffer
{
	const LepAllocator *allocator;
	LepChar *chars; /* [capacity] */
	size_t n;
	size_t capacity;
	LepChar *spare; /* [spare_capacity] */
	size_t spare_capacity;
	LepRegexScratch regex;
} LepCharBuffer;

void lep_chars_init(LepCharBuffer *buffer, const LepAllocator *allocator);
void lep_chars_free(LepCharBuffer *buffer);

/* Decode text[start, end) into chars; LEP_BAD_INPUT names the first byte that is not UTF-8. */
LepStatus lep_chars_load(LepCharBuffer *buffer, const char *text, size_t start, size_t end,
						 const LepStop *stop, LepError *err);

/* Apply steps[n_steps] (LEP_NORM_) with their data to chars. */
LepStatus lep_chars_normalize(LepCharBuffer *buffer, const LepStep *steps, size_t n_steps,
							  LepData data, const LepStop *stop, LepError *err);

/* Make room for need characters in *chars (of capacity), whose content is lost. */
LepStatus lep_chars_reserve(const LepAllocator *allocator, LepChar **chars, size_t *capacity,
							size_t need, LepError *err);

#endif
