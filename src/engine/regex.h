/*
 * regex.h: regular expressions of tokenizer files, with the meaning that
 * Oniguruma (Ruby syntax, Unicode) gives them in the `tokenizers` package.
 *
 *		lep_regex_compile(pattern, len, "pre_tokenizer", arena, &program, &size, err);	-- at load
 *		lep_regex_start(&matcher, program, size, &scratch, chars, n, stop, err);		-- per text
 *		lep_regex_window(&matcher, from, to); while (lep_regex_next(&matcher, ...) ...
 *
 * A program is position independent and lies in a data area.  Code points are
 * mapped to a few classes that the pattern tells apart, so that matching looks
 * at one byte a character.  Time is linear in the text's length, whatever the
 * pattern: what failed once at a place is not tried there again.
 *
 * Not done, and refused by name: back references, \K, \G, \X, \R, conditions,
 * calls, look-behind of varying length, endless repeats of what may be empty,
 * ignored case beyond ASCII, properties other than categories, POSIX classes
 * and scripts.
 */
#ifndef LEPTON_REGEX_H
#define LEPTON_REGEX_H

#include "base.h"

struct LepChar;

/* Working memory; zero but for the allocator, freed with lep_regex_free. */
typedef struct LepRegexScratch
{
	const LepAllocator *allocator;
	uint8_t *classes; /* [n_classes] */
	size_t n_classes;
	struct LepRegexChoice *stack; /* [n_stack] */
	size_t n_stack;
	struct LepRegexSpan *spans; /* [n_spans] */
	size_t n_spans;
	uint64_t *memo; /* [n_memo] */
	size_t n_memo;
} LepRegexScratch;

void lep_regex_free(LepRegexScratch *scratch);

/* A search under way. */
typedef struct LepRegexMatcher
{
	const struct LepRegex *regex;
	LepRegexScratch *scratch;
	size_t from, to;   /* the window: a string of its own */
	size_t at;		   /* where the next search starts */
	size_t last_match; /* where the last match ended, or SIZE_MAX */
	size_t steps;	   /* of this search */
	size_t work;	   /* since stop was last asked */
	size_t memo_end;   /* places before have bits in the memo */
	bool memo_on;
	const LepStop *stop;
	LepError *err;
} LepRegexMatcher;

/*
 * Compile pattern[len]; the program comes from arena.  LEP_BAD_FILE and
 * LEP_UNSUPPORTED name file, part and pattern.
 */
LepStatus lep_regex_compile(const char *pattern, size_t len, const char *file, const char *part,
							LepArena *arena, void **program, size_t *size, LepError *err);

/* Is program[size] sound enough to run? */
bool lep_regex_fits(const void *program, size_t size);

/* Map chars[n] to the program's classes; program fits.  The window is all of them. */
LepStatus lep_regex_start(LepRegexMatcher *m, const void *program, LepRegexScratch *scratch,
						  const struct LepChar *chars, size_t n, const LepStop *stop,
						  LepError *err);

/* Look at characters [from, to) alone. */
void lep_regex_window(LepRegexMatcher *m, size_t from, size_t to);

/*
 * Find the next match, [*start, *end) of the characters; *found tells whether
 * there is one.  An empty match right behind the last match does not count.
 */
LepStatus lep_regex_next(LepRegexMatcher *m, size_t *start, size_t *end, bool *found);

/*
 * A map from code points to bytes, made from runs (start << 8 | value,
 * ascending, the first at 0); 0 above U+10FFFF.
 */
typedef struct LepCharMap
{
	uint16_t top[0x110000 >> 8]; /* code point >> 8 to a block of leaves */
	uint32_t n_blocks;
	uint32_t unused;
	/* uint8_t leaves[n_blocks][256] follow */
} LepCharMap;

LepStatus lep_char_map_build(const uint32_t *runs, size_t n_runs, LepArena *arena, void **map,
							 size_t *size, LepError *err);
bool lep_char_map_fits(const void *map, size_t size);

/* The byte of c, at most U+10FFFF. */
static inline uint8_t
lep_char_map_get(const LepCharMap *map, uint32_t c)
{
	const uint8_t *leaves = (const uint8_t *) (map + 1);

	return leaves[(size_t) map->top[c >> 8] << 8 | (c & 255)];
}

/* Maps of the pre-tokenizers: 1 for what Digits splits at; scripts as UnicodeScripts sees them. */
LepStatus lep_char_map_digits(LepArena *arena, void **map, size_t *size, LepError *err);
LepStatus lep_char_map_scripts(LepArena *arena, void **map, size_t *size, LepError *err);

#endif
