/*
 * normalizer_rewrite.c: the normaliser's steps that rewrite text by what a
 * file says (Precompiled, Replace, Prepend) or by fixed lists (Strip, Nmt,
 * ByteLevel), with the origins that NormalizedString of `tokenizers` gives them.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "grapheme.h"
#include "normalizer_parts.h"
#include "unicode.h"
#include "utf8.h"

#define GRAPHEME_BYTES 6 /* graphemes of as many bytes are looked up by character */

/* Say that memory ran out. */
static LepStatus
no_memory(LepError *err)
{
	return lep_error(err, LEP_NO_MEMORY, "out of memory normalizing a text");
}

/* Make room for need characters in spare. */
static LepStatus
reserve_spare(LepCharBuffer *buffer, size_t need, LepError *err)
{
	return lep_chars_reserve(buffer->allocator, &buffer->spare, &buffer->spare_capacity, need, err);
}

/* Make room for more characters behind spare[n], keeping these. */
static LepStatus
grow_spare(LepCharBuffer *buffer, size_t n, size_t more, LepError *err)
{
	LepChar *bigger;
	size_t need;
	size_t bytes;

	if (!lep_add(n, more, &need))
		return no_memory(err);
	if (need <= buffer->spare_capacity)
		return LEP_OK;
	if (!lep_add(need, need / 2, &need) || !lep_mul(need, sizeof(LepChar), &bytes))
		return no_memory(err);
	bigger = buffer->allocator->alloc(buffer->allocator->ctx, bytes);
	if (bigger == NULL)
		return no_memory(err);
	if (n > 0)
		memcpy(bigger, buffer->spare, n * sizeof(LepChar));
	if (buffer->spare != NULL)
		buffer->allocator->free(buffer->allocator->ctx, buffer->spare);
	buffer->spare = bigger;
	buffer->spare_capacity = need;
	return LEP_OK;
}

/* What a Precompiled step has written so far. */
typedef struct Rewriting
{
	LepCharBuffer *buffer;
	const LepCharsmap *map;
	size_t n;	   /* characters in spare */
	bool modified; /* something was replaced */
} Rewriting;

/* Append the replacement text[len] of n_old characters, with changes as lep_chars_settle reads them. */
static void
append_replacement(Rewriting *r, size_t n_old, const char *text, size_t len)
{
	LepChar *spare = r->buffer->spare;
	size_t first = r->n;

	for (size_t at = 0; at < len;)
	{
		LepChar now = {0};
		size_t n = lep_utf8_decode((const unsigned char *) text + at, len - at, &now.c);

		if (n == 0)
			break;
		at += n;
		now.start = r->n - first >= n_old;
		spare[r->n++] = now;
	}
	/* The last character written takes what is removed along, wherever it came from. */
	if (r->n - first < n_old && r->n > 0)
		spare[r->n - 1].start -= (uint32_t) (n_old - (r->n - first));
	r->modified = true;
}

/* Replace chars[n], a grapheme or one character, if the map knows how; tell whether it did. */
static bool
replace_known(Rewriting *r, const LepChar *chars, size_t n)
{
	unsigned char bytes[GRAPHEME_BYTES + 4];
	size_t n_bytes = 0;
	size_t len;
	const char *text;

	for (size_t i = 0; i < n && n_bytes < GRAPHEME_BYTES; i++)
		n_bytes += lep_utf8_encode(chars[i].c, bytes + n_bytes);
	if (n > 1 && n_bytes >= GRAPHEME_BYTES)
		return false;
	text = lep_charsmap_find(r->map, bytes, n_bytes, &len);
	if (text == NULL)
		return false;
	append_replacement(r, n, text, len);
	return true;
}

/* Replace graphemes and characters by what the map says. */
LepStatus
lep_chars_precompiled(LepCharBuffer *buffer, const LepCharsmap *map, const LepStop *stop,
					  LepError *err)
{
	Rewriting r = {.buffer = buffer, .map = map};
	LepStatus status = LEP_OK;

	for (size_t at = 0; at < buffer->n;)
	{
		const LepChar *chars = buffer->chars;
		size_t end = lep_grapheme_end(chars, buffer->n, at);
		bool whole = end - at < GRAPHEME_BYTES;

		status = grow_spare(buffer, r.n, buffer->n - at + LEP_CHARSMAP_TEXT_MAX, err);
		if (status != LEP_OK)
			return status;
		whole = whole && replace_known(&r, chars + at, end - at);
		for (size_t i = at; i < end && !whole; i++)
		{
			LepChar now = {.c = chars[i].c};

			status = grow_spare(buffer, r.n, buffer->n - i + LEP_CHARSMAP_TEXT_MAX, err);
			if (status == LEP_OK)
				status = lep_chars_worked(stop, i, err);
			if (status != LEP_OK)
				return status;
			if (!replace_known(&r, chars + i, 1))
				buffer->spare[r.n++] = now;
		}
		status = lep_chars_worked(stop, at, err);
		if (status != LEP_OK)
			return status;
		at = end;
	}
	return r.modified ? lep_chars_settle(buffer, r.n, stop, err) : LEP_OK;
}

/* Does chars[n] start with pattern[len]?  *n_chars tells how many characters that is. */
static bool
starts_with(const LepChar *chars, size_t n, const char *pattern, size_t len, size_t *n_chars)
{
	size_t i = 0;

	for (size_t at = 0; at < len; i++)
	{
		uint32_t c = 0;
		size_t k = lep_utf8_decode((const unsigned char *) pattern + at, len - at, &c);

		if (k == 0 || i == n || chars[i].c != c)
			return false;
		at += k;
	}
	*n_chars = i;
	return true;
}

/* Write text[len] to out with one origin; how many characters. */
static size_t
write_text(LepChar *out, const char *text, size_t len, const LepChar *origin)
{
	size_t n = 0;

	for (size_t at = 0; at < len; n++)
	{
		size_t k = lep_utf8_decode((const unsigned char *) text + at, len - at, &out[n].c);

		if (k == 0)
			break;
		out[n].start = origin->start;
		out[n].end = origin->end;
		at += k;
	}
	return n;
}

/* Find the next match of what is replaced, from `from` on; *found tells whether there is one. */
static LepStatus
next_match(const LepCharBuffer *buffer, const LepReplacing *what, LepRegexMatcher *m, size_t from,
		   size_t *start, size_t *end, bool *found, const LepStop *stop, LepError *err)
{
	size_t n = 0;

	if (what->regex)
		return lep_regex_next(m, start, end, found);
	for (*start = from; *start < buffer->n; ++*start)
	{
		LepStatus status = lep_chars_worked(stop, *start, err);

		if (status != LEP_OK)
			return status;
		*found = starts_with(buffer->chars + *start, buffer->n - *start, what->pattern,
							 what->pattern_len, &n);
		*end = *start + n;
		if (*found)
			return LEP_OK;
	}
	*found = false;
	return LEP_OK;
}

/* Append chars[from, to) to spare[*n]. */
static LepStatus
copy_chars(LepCharBuffer *buffer, size_t from, size_t to, size_t *n, LepError *err)
{
	LepStatus status = grow_spare(buffer, *n, to - from, err);

	if (status == LEP_OK && to > from)
		memcpy(buffer->spare + *n, buffer->chars + from, (to - from) * sizeof(LepChar));
	*n += to - from;
	return status;
}

/* Replace every match by a text, whose characters come from the last one replaced or before it. */
LepStatus
lep_chars_replace(LepCharBuffer *buffer, const LepReplacing *what, const LepStop *stop,
				  LepError *err)
{
	LepRegexMatcher m;
	size_t last = 0;
	size_t n = 0;
	size_t start, end;
	bool found;
	bool modified = false;
	LepStatus status = LEP_OK;

	if (buffer->n == 0)
		return LEP_OK;
	if (what->regex)
		status =
			lep_regex_start(&m, what->pattern, &buffer->regex, buffer->chars, buffer->n, stop, err);
	while (status == LEP_OK)
	{
		LepChar origin;

		status = next_match(buffer, what, &m, last, &start, &end, &found, stop, err);
		if (status != LEP_OK || !found)
			break;
		status = copy_chars(buffer, last, start, &n, err);
		if (status == LEP_OK)
			status = grow_spare(buffer, n, what->content_len, err);
		if (status != LEP_OK)
			break;
		origin = buffer->chars[end > 0 ? end - 1 : 0];
		if (end == 0)
			origin.end = origin.start;
		if (what->content_len > 0)
			n += write_text(buffer->spare + n, what->content, what->content_len, &origin);
		last = end;
		modified = true;
	}
	if (status != LEP_OK || !modified)
		return status;
	status = copy_chars(buffer, last, buffer->n, &n, err);
	if (status == LEP_OK)
		lep_chars_take_spare(buffer, n);
	return status;
}

/* View the data of a Replace. */
bool
lep_replacing_view(LepData data, const LepStep *step, LepReplacing *what)
{
	const char *bytes = (const char *) data.bytes + step->offset;
	LepReplace head;

	if (step->offset % 64 != 0 || step->offset > data.size ||
		step->len > data.size - step->offset || step->len < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	what->regex = step->flags & 1;
	what->pattern = bytes + sizeof(head);
	what->pattern_len = head.pattern_len;
	what->content = what->pattern + head.pattern_len;
	what->content_len = head.content_len;
	return head.pattern_len > 0 &&
		   (uint64_t) head.pattern_len + head.content_len == step->len - sizeof(head);
}

/* Put a text before the first character, with its origin. */
LepStatus
lep_chars_prepend(LepCharBuffer *buffer, const char *prefix, size_t len, const LepStop *stop,
				  LepError *err)
{
	size_t need;
	size_t n;
	LepStatus status;

	if (buffer->n == 0)
		return LEP_OK;
	if (!lep_add(buffer->n, len, &need))
		return no_memory(err);
	status = reserve_spare(buffer, need, err);
	if (status == LEP_OK)
		status = lep_chars_worked(stop, LEP_CHARS_STOP_EVERY - 1, err);
	if (status != LEP_OK)
		return status;
	n = write_text(buffer->spare, prefix, len, &buffer->chars[0]);
	memcpy(buffer->spare + n, buffer->chars, buffer->n * sizeof(LepChar));
	lep_chars_take_spare(buffer, n + buffer->n);
	return LEP_OK;
}

/* Drop white space at the ends. */
LepStatus
lep_chars_strip(LepCharBuffer *buffer, bool left, bool right, const LepStop *stop, LepError *err)
{
	size_t first = 0;
	LepStatus status = LEP_OK;

	while (right && status == LEP_OK && buffer->n > 0 &&
		   (lep_char_flags(buffer->chars[buffer->n - 1].c) & LEP_UC_SPACE))
		status = lep_chars_worked(stop, --buffer->n, err);
	while (left && status == LEP_OK && first < buffer->n &&
		   (lep_char_flags(buffer->chars[first].c) & LEP_UC_SPACE))
		status = lep_chars_worked(stop, first++, err);
	if (status == LEP_OK && first > 0)
	{
		buffer->n -= first;
		memmove(buffer->chars, buffer->chars + first, buffer->n * sizeof(LepChar));
	}
	return status;
}

/* Is c a control character that the rule "nmt" drops? */
static bool
nmt_drops(uint32_t c)
{
	return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
		   c == 0x8F || c == 0x9F;
}

/* Is c white space to the rule "nmt"? */
static bool
nmt_blanks(uint32_t c)
{
	return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
		   (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
		   c == 0xFEFF || c == 0xFFFD;
}

/* Drop control characters, make white space a space. */
LepStatus
lep_chars_nmt(LepCharBuffer *buffer, const LepStop *stop, LepError *err)
{
	size_t n = 0;
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < buffer->n && status == LEP_OK; i++)
	{
		LepChar now = buffer->chars[i];

		if (nmt_blanks(now.c))
			now.c = ' ';
		if (!nmt_drops(now.c))
			buffer->chars[n++] = now;
		status = lep_chars_worked(stop, i, err);
	}
	buffer->n = n;
	return status;
}

/* Is a byte its own character in byte-level vocabularies? */
static bool
is_visible(unsigned char byte)
{
	return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

/* The character that stands for a byte: itself, or the next of 256, 257 ... */
uint32_t
lep_byte_char(unsigned char byte)
{
	if (is_visible(byte))
		return byte;
	if (byte <= ' ')
		return 0x100u + byte;
	return byte == 0xAD ? 0x143u : 0x121u + (byte - 0x7Fu);
}

/* The byte that a character stands for. */
int
lep_char_byte(uint32_t c)
{
	if (c < 0x100)
		return is_visible((unsigned char) c) ? (int) c : -1;
	if (c <= 0x120)
		return (int) (c - 0x100);
	if (c <= 0x142)
		return (int) (c - 0x121 + 0x7F);
	return c == 0x143 ? 0xAD : -1;
}

/* Write characters as the characters of their bytes. */
LepStatus
lep_chars_bytes(LepCharBuffer *buffer, const LepStop *stop, LepError *err)
{
	size_t need = 0;
	size_t n = 0;
	unsigned char bytes[4];
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < buffer->n; i++)
		if (!lep_add(need, lep_utf8_encode(buffer->chars[i].c, bytes), &need))
			return no_memory(err);
	status = reserve_spare(buffer, need, err);
	for (size_t i = 0; i < buffer->n && status == LEP_OK; i++)
	{
		size_t k = lep_utf8_encode(buffer->chars[i].c, bytes);

		for (size_t j = 0; j < k; j++)
		{
			buffer->spare[n] = buffer->chars[i];
			buffer->spare[n++].c = lep_byte_char(bytes[j]);
		}
		status = lep_chars_worked(stop, i, err);
	}
	if (status == LEP_OK)
		lep_chars_take_spare(buffer, n);
	return status;
}
