/*
 * utf8.h: reading and writing one code point of UTF-8; refuses overlong
 * forms, surrogates and everything above U+10FFFF.
 */
#ifndef LEPTON_UTF8_H
#define LEPTON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Decode the code point at p[left] into *c; its length in bytes, or 0 when it is not valid. */
static inline size_t
lep_utf8_decode(const unsigned char *p, size_t left, uint32_t *c)
{
	if (left == 0)
		return 0;
	if (p[0] < 0x80)
	{
		*c = p[0];
		return 1;
	}
	if (p[0] < 0xC2)
		return 0;
	if (p[0] < 0xE0)
	{
		if (left < 2 || (p[1] & 0xC0) != 0x80)
			return 0;
		*c = (uint32_t) (p[0] & 0x1F) << 6 | (p[1] & 0x3F);
		return 2;
	}
	if (p[0] < 0xF0)
	{
		if (left < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
			return 0;
		*c = (uint32_t) (p[0] & 0x0F) << 12 | (uint32_t) (p[1] & 0x3F) << 6 | (p[2] & 0x3F);
		return *c < 0x800 || (*c >= 0xD800 && *c < 0xE000) ? 0 : 3;
	}
	if (p[0] > 0xF4 || left < 4 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 ||
		(p[3] & 0xC0) != 0x80)
		return 0;
	*c = (uint32_t) (p[0] & 0x07) << 18 | (uint32_t) (p[1] & 0x3F) << 12 |
		 (uint32_t) (p[2] & 0x3F) << 6 | (p[3] & 0x3F);
	return *c < 0x10000 || *c > 0x10FFFF ? 0 : 4;
}

/* Bytes of code point c (valid). */
static inline size_t
lep_utf8_length(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* Write code point c (valid) to dst[4]; its length in bytes. */
static inline size_t
lep_utf8_encode(uint32_t c, unsigned char *dst)
{
	if (c < 0x80)
	{
		dst[0] = (unsigned char) c;
		return 1;
	}
	if (c < 0x800)
	{
		dst[0] = (unsigned char) (0xC0 | c >> 6);
		dst[1] = (unsigned char) (0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000)
	{
		dst[0] = (unsigned char) (0xE0 | c >> 12);
		dst[1] = (unsigned char) (0x80 | (c >> 6 & 0x3F));
		dst[2] = (unsigned char) (0x80 | (c & 0x3F));
		return 3;
	}
	dst[0] = (unsigned char) (0xF0 | c >> 18);
	dst[1] = (unsigned char) (0x80 | (c >> 12 & 0x3F));
	dst[2] = (unsigned char) (0x80 | (c >> 6 & 0x3F));
	dst[3] = (unsigned char) (0x80 | (c & 0x3F));
	return 4;
}

#endif
