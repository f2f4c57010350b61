/*
 * charsmap.c: look-ups in SentencePiece's precompiled character map; knows
 * neither graphemes nor where a text came from.  Every read is checked
 * against the map's size, for the map comes from a file.
 */
#define LEPTON_ENGINE_SOURCE
#include "charsmap.h"

#include <string.h>

#include "utf8.h"

#define HEADER_BYTES ((size_t) 4)
#define UNIT_BYTES	 ((size_t) 4)

/* Read a little-endian number. */
static uint32_t
read_u32(const unsigned char *p)
{
	return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

/* Refuse a map. */
static LepStatus
malformed(const char *file, LepError *err, const char *detail, size_t number)
{
	lep_error(err, LEP_BAD_FILE, "precompiled character map of file \"%s\" is malformed", file);
	lep_error_detail(err, detail, number);
	return LEP_BAD_FILE;
}

/* View a map. */
bool
lep_charsmap_view(const void *bytes, size_t len, LepCharsmap *map)
{
	const unsigned char *p = bytes;
	size_t trie_bytes = len < HEADER_BYTES ? 0 : read_u32(p) & ~(UNIT_BYTES - 1);

	memset(map, 0, sizeof(*map));
	if (trie_bytes == 0 || trie_bytes > len - HEADER_BYTES)
		return false;
	map->trie = p + HEADER_BYTES;
	map->n_units = trie_bytes / UNIT_BYTES;
	map->texts = (const char *) p + HEADER_BYTES + trie_bytes;
	map->n_texts = len - HEADER_BYTES - trie_bytes;
	return true;
}

/* Check and view a map. */
LepStatus
lep_charsmap_open(const char *file, const void *bytes, size_t len, LepCharsmap *map, LepError *err)
{
	const unsigned char *texts;
	size_t start = 0;

	if (!lep_charsmap_view(bytes, len, map))
		return malformed(file, err, "Its trie is not within its %zu bytes.", len);
	texts = (const unsigned char *) map->texts;
	for (size_t at = 0; at < map->n_texts;)
	{
		uint32_t c;
		size_t n = lep_utf8_decode(texts + at, map->n_texts - at, &c);

		if (n == 0)
			return malformed(file, err, "Byte %zu of its texts starts no valid character.", at);
		at += n;
		if (c == 0)
			start = at;
		if (at - start > LEP_CHARSMAP_TEXT_MAX)
		{
			lep_error(err, LEP_UNSUPPORTED,
					  "precompiled character map of file \"%s\" is not supported", file);
			lep_error_detail(err, "A replacement is longer than %d bytes.", LEP_CHARSMAP_TEXT_MAX);
			return LEP_UNSUPPORTED;
		}
	}
	return LEP_OK;
}

/* Where a unit's children are, relative to its own place. */
static size_t
offset_of(uint32_t unit)
{
	return (size_t) (unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* View the text that starts at byte `start`. */
static const char *
text_at(const LepCharsmap *map, size_t start, size_t *len)
{
	const char *text = map->texts + start;
	const char *end;

	/* Offsets into the middle of a character are damage. */
	if (start > map->n_texts || (start < map->n_texts && ((unsigned char) *text & 0xC0) == 0x80))
		return NULL;
	end = start < map->n_texts ? memchr(text, '\0', map->n_texts - start) : NULL;
	*len = end != NULL ? (size_t) (end - text) : map->n_texts - start;
	return *len <= LEP_CHARSMAP_TEXT_MAX ? text : NULL;
}

/* Find the replacement of the shortest known prefix. */
const char *
lep_charsmap_find(const LepCharsmap *map, const unsigned char *text, size_t text_len, size_t *len)
{
	size_t at = offset_of(read_u32(map->trie));

	for (size_t i = 0; i < text_len && text[i] != 0; i++)
	{
		uint32_t unit;

		at ^= text[i];
		if (at >= map->n_units)
			return NULL;
		unit = read_u32(map->trie + at * UNIT_BYTES);
		if ((unit & (1u << 31 | 0xFF)) != text[i])
			return NULL;
		at ^= offset_of(unit);
		if (unit & 1u << 8)
		{
			if (at >= map->n_units)
				return NULL;
			return text_at(map, read_u32(map->trie + at * UNIT_BYTES) & 0x7FFFFFFF, len);
		}
	}
	return NULL;
}
