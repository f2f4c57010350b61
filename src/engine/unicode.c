/*
 * unicode.c: look-ups in the generated character tables; knows no strings.
 */
#define LEPTON_ENGINE_SOURCE
#include "unicode.h"

#include "unicode_canonical.inc"
#include "unicode_classes.inc"
#include "unicode_compatible.inc"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Hangul syllables are computed (Unicode Standard, section 3.12). */
#define HANGUL_S   0xAC00u
#define HANGUL_L   0x1100u
#define HANGUL_V   0x1161u
#define HANGUL_T   0x11A7u
#define HANGUL_N_L 19u
#define HANGUL_N_V 21u
#define HANGUL_N_T 28u
#define HANGUL_N_S (HANGUL_N_L * HANGUL_N_V * HANGUL_N_T)

/* Find c's class. */
static inline size_t
class_of(uint32_t c)
{
	size_t block = (size_t) class_top[c >> 12] << 6 | (c >> 6 & 63);

	return class_leaf[(size_t) class_middle[block] << 6 | (c & 63)];
}

/* Tell c's LEP_UC_ bits and rank. */
uint32_t
lep_char_flags(uint32_t c)
{
	size_t k = class_of(c);

	return class_flags[k] | (uint32_t) class_rank[k] << 16;
}

/* Find c among keys[n], ascending; n when it is not there. */
static size_t
find_key(const uint32_t *keys, size_t n, uint32_t c)
{
	size_t low = 0;
	size_t high = n;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (keys[middle] < c)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && keys[low] == c ? low : n;
}

/* Copy the sequence of keys[n]'s entry at index; how many. */
static size_t
copy_sequence(const uint16_t *starts, const uint32_t *pool, size_t index, uint32_t *out)
{
	size_t n = (size_t) starts[index + 1] - starts[index];

	for (size_t i = 0; i < n; i++)
		out[i] = pool[starts[index] + i];
	return n;
}

/* Tell whether c is a Hangul syllable. */
bool
lep_char_hangul(uint32_t c)
{
	return c - HANGUL_S < HANGUL_N_S;
}

/* Write the lower case of c. */
size_t
lep_char_lower(uint32_t c, uint32_t *out)
{
	size_t k = class_of(c);

	if (class_flags[k] & LEP_UC_LOWER_TWO)
	{
		/* Only U+0130, the dotted capital I. */
		out[0] = 'i';
		out[1] = 0x307;
		return 2;
	}
	out[0] = c + (uint32_t) class_lower[k];
	return 1;
}

/* Write the full canonical decomposition of c. */
size_t
lep_char_nfd(uint32_t c, uint32_t *out)
{
	uint32_t s = c - HANGUL_S;

	if (s < HANGUL_N_S)
	{
		out[0] = HANGUL_L + s / (HANGUL_N_V * HANGUL_N_T);
		out[1] = HANGUL_V + s % (HANGUL_N_V * HANGUL_N_T) / HANGUL_N_T;
		out[2] = HANGUL_T + s % HANGUL_N_T;
		return s % HANGUL_N_T == 0 ? 2 : 3;
	}
	if (lep_char_flags(c) & LEP_UC_NFD)
		return copy_sequence(nfd_starts, nfd_pool, find_key(nfd_keys, COUNT(nfd_keys), c), out);
	out[0] = c;
	return 1;
}

/* Write the full compatibility decomposition of c. */
size_t
lep_char_nfkd(uint32_t c, uint32_t *out)
{
	if (lep_char_flags(c) & LEP_UC_NFKD)
		return copy_sequence(nfkd_starts, nfkd_pool, find_key(nfkd_keys, COUNT(nfkd_keys), c), out);
	return lep_char_nfd(c, out);
}

/* Compose a and b, 0 when they do not compose. */
uint32_t
lep_char_compose(uint32_t a, uint32_t b)
{
	size_t low = 0;
	size_t high = COUNT(compose_first);

	if (a - HANGUL_L < HANGUL_N_L && b - HANGUL_V < HANGUL_N_V)
		return HANGUL_S + ((a - HANGUL_L) * HANGUL_N_V + (b - HANGUL_V)) * HANGUL_N_T;
	if (a - HANGUL_S < HANGUL_N_S && (a - HANGUL_S) % HANGUL_N_T == 0 && b > HANGUL_T &&
		b < HANGUL_T + HANGUL_N_T)
		return a + (b - HANGUL_T);
	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (compose_first[middle] < a || (compose_first[middle] == a && compose_second[middle] < b))
			low = middle + 1;
		else
			high = middle;
	}
	return low < COUNT(compose_first) && compose_first[low] == a && compose_second[low] == b
			   ? compose_result[low]
			   : 0;
}
