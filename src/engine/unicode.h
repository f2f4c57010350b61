/*
 * unicode.h: what the tokenizer asks about one code point.  The answers are
 * those of the `tokenizers` package and, where named so, of Python.
 * Every code point given must be at most U+10FFFF.
 */
#ifndef LEPTON_UNICODE_H
#define LEPTON_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of lep_char_flags; test/tools/make_unicode_tables.py has the same order. */
#define LEP_UC_REMOVED	 0x0001u /* clean_text drops it */
#define LEP_UC_BLANK	 0x0002u /* clean_text makes it a space */
#define LEP_UC_CJK		 0x0004u /* handle_chinese_chars puts spaces around it */
#define LEP_UC_MN		 0x0008u /* BertNormalizer's strip_accents drops it */
#define LEP_UC_MARK		 0x0010u /* StripAccents drops it */
#define LEP_UC_SPACE	 0x0020u /* pre-tokenizers split on it and drop it */
#define LEP_UC_PUNCT	 0x0040u /* BertPreTokenizer and Punctuation isolate it */
#define LEP_UC_WORD		 0x0080u /* \w of the regex crate */
#define LEP_UC_NFD		 0x0100u /* has a canonical decomposition, Hangul not counted */
#define LEP_UC_NFKD		 0x0200u /* has a compatibility decomposition of its own */
#define LEP_UC_LOWER_TWO 0x0400u /* lower case is two code points */

/* Order of the canonical combining class in what lep_char_flags returns, 0 for starters. */
#define LEP_UC_RANK(flags) ((flags) >> 16)

#define LEP_DECOMPOSED_MAX 18 /* code points that one decomposes to */
#define LEP_CANONICAL_MAX  4  /* the same for the canonical decomposition */
#define LEP_LOWER_MAX	   2  /* code points that one lower-cases to */

/* LEP_UC_ bits of c, its rank above them. */
uint32_t lep_char_flags(uint32_t c);
/* Is c a Hangul syllable, which decomposes without LEP_UC_NFD? */
bool lep_char_hangul(uint32_t c);
/* Write the lower case (Rust's char::to_lowercase) to out[LEP_LOWER_MAX]; how many. */
size_t lep_char_lower(uint32_t c, uint32_t *out);
/* Write the full canonical decomposition to out[LEP_DECOMPOSED_MAX]; how many. */
size_t lep_char_nfd(uint32_t c, uint32_t *out);
/* Write the full compatibility decomposition to out[LEP_DECOMPOSED_MAX]; how many. */
size_t lep_char_nfkd(uint32_t c, uint32_t *out);
/* The canonical composition of a and b, 0 when there is none. */
uint32_t lep_char_compose(uint32_t a, uint32_t b);

#endif
