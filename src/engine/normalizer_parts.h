/*
 * normalizer_parts.h: what the normaliser's steps share; private to
 * normalizer.c and normalizer_rewrite.c.
 */
#ifndef LEPTON_NORMALIZER_PARTS_H
#define LEPTON_NORMALIZER_PARTS_H

#include "charsmap.h"
#include "normalizer.h"

/* Characters between two looks at stop. */
#define LEP_CHARS_STOP_EVERY ((size_t) 1 << 16)

/* Make spare, with n characters in it, the text. */
void lep_chars_take_spare(LepCharBuffer *buffer, size_t n);

/*
 * Give spare[n] origins and make it the text.  Until then start of each holds
 * its change: 0 replaces the next character of the input, 1 is inserted, and
 * a negative one replaces and takes that many more characters of the input with it.
 */
LepStatus lep_chars_settle(LepCharBuffer *buffer, size_t n, const LepStop *stop, LepError *err);

/* Ask stop now and then, as i counts characters; LEP_CANCELLED when it asks to stop. */
LepStatus lep_chars_worked(const LepStop *stop, size_t i, LepError *err);

/* Replace graphemes and characters by what the map says. */
LepStatus lep_chars_precompiled(LepCharBuffer *buffer, const LepCharsmap *map, const LepStop *stop,
								LepError *err);

/* What a Replace, normalizer or decoder, looks for and writes. */
typedef struct LepReplacing
{
	const char *pattern; /* [pattern_len] UTF-8, not empty, or a regex's program */
	size_t pattern_len;
	const char *content; /* [content_len] UTF-8 */
	size_t content_len;
	bool regex;
} LepReplacing;

/* View the data of a step; false when it is damaged, the program of a regex not looked at. */
bool lep_replacing_view(LepData data, const LepStep *step, LepReplacing *what);

/* Replace every match. */
LepStatus lep_chars_replace(LepCharBuffer *buffer, const LepReplacing *what, const LepStop *stop,
							LepError *err);

/* Put prefix[len], UTF-8 and not empty, before a text that is not empty. */
LepStatus lep_chars_prepend(LepCharBuffer *buffer, const char *prefix, size_t len,
							const LepStop *stop, LepError *err);

/* Drop white space at the text's start, its end or both. */
LepStatus lep_chars_strip(LepCharBuffer *buffer, bool left, bool right, const LepStop *stop,
						  LepError *err);

/* Drop control characters and make the white space of SentencePiece's rule "nmt" spaces. */
LepStatus lep_chars_nmt(LepCharBuffer *buffer, const LepStop *stop, LepError *err);

/* Write each character as its UTF-8 bytes, a byte as the character that GPT-2 writes for it. */
LepStatus lep_chars_bytes(LepCharBuffer *buffer, const LepStop *stop, LepError *err);

/* The character that stands for a byte in byte-level vocabularies, and back (-1: none). */
uint32_t lep_byte_char(unsigned char byte);
int lep_char_byte(uint32_t c);

#endif
