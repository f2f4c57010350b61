/*
 * charsmap.h: SentencePiece's precompiled character map, which a Unigram
 * tokenizer's Precompiled normalizer carries.
 *
 *		lep_charsmap_open(file, bytes, len, &map, err);	-- checks what can be checked at once
 *		lep_charsmap_find(&map, text, text_len, &len)
 *
 * The format (little endian): u32 size of the trie in bytes; the trie, a
 * double array of u32 units (darts-clone); texts that end with NUL, to which
 * the trie's values point.
 */
#ifndef LEPTON_CHARSMAP_H
#define LEPTON_CHARSMAP_H

#include "base.h"

#define LEP_CHARSMAP_TEXT_MAX 256 /* bytes of one replacement */

/* A view of a map's bytes, which must outlive it. */
typedef struct LepCharsmap
{
	const unsigned char *trie; /* [n_units][4] */
	size_t n_units;
	const char *texts; /* [n_texts] bytes */
	size_t n_texts;
} LepCharsmap;

/*
 * Check and view bytes[len] of file (named in errors).  LEP_BAD_FILE when the package could not read it,
 * LEP_UNSUPPORTED when a replacement is longer than LEP_CHARSMAP_TEXT_MAX.
 */
LepStatus lep_charsmap_open(const char *file, const void *bytes, size_t len, LepCharsmap *map,
							LepError *err);

/* View bytes that were checked once; false when their sizes do not fit together. */
bool lep_charsmap_view(const void *bytes, size_t len, LepCharsmap *map);

/*
 * The replacement of the shortest prefix of text[text_len] that the map knows,
 * *len bytes of UTF-8; NULL when it knows none.  Where a damaged map points
 * nowhere there is nothing; reads stay within the map whatever it holds.
 */
const char *lep_charsmap_find(const LepCharsmap *map, const unsigned char *text, size_t text_len,
							  size_t *len);

#endif
