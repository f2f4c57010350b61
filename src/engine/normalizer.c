/*
 * normalizer.c: the normaliser's steps over characters with their origins, as
 * the NormalizedString of `tokenizers` does them; knows no tokens.
 *
 * A step replaces, inserts and removes characters.  What it writes takes its
 * origin by position, not by content: a replacing character takes that of the
 * next character of the input, an inserted one that of the character before
 * it.  After a reordering of marks an origin may thus be a neighbour's, and
 * must be, for the offsets to equal the library's.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "normalizer_parts.h"
#include "unicode.h"
#include "utf8.h"

#define SHORT_RUN	16 /* marks that insertion sort orders */
#define RANKS		256
#define CHARS_FIRST ((size_t) 256)
#define CHARS_MAX	((size_t) 1 << 28) /* steps can double a text again and again */

/* Start an empty buffer. */
void
lep_chars_init(LepCharBuffer *buffer, const LepAllocator *allocator)
{
	memset(buffer, 0, sizeof(*buffer));
	buffer->allocator = allocator;
	buffer->regex.allocator = allocator;
}

/* Give the buffer's memory back. */
void
lep_chars_free(LepCharBuffer *buffer)
{
	if (buffer->chars != NULL)
		buffer->allocator->free(buffer->allocator->ctx, buffer->chars);
	if (buffer->spare != NULL)
		buffer->allocator->free(buffer->allocator->ctx, buffer->spare);
	lep_regex_free(&buffer->regex);
	lep_chars_init(buffer, buffer->allocator);
}

/* Make room for need characters in *chars, whose content is lost. */
LepStatus
lep_chars_reserve(const LepAllocator *allocator, LepChar **chars, size_t *capacity, size_t need,
				  LepError *err)
{
	size_t bytes;
	size_t n = need > CHARS_FIRST ? need : CHARS_FIRST;

	if (need <= *capacity)
		return LEP_OK;
	if (need > CHARS_MAX)
		return lep_error(err, LEP_TOO_LARGE, "text is too long as the tokenizer rewrites it");
	if (*chars != NULL)
		allocator->free(allocator->ctx, *chars);
	*chars = NULL;
	*capacity = 0;
	if (lep_add(n, n / 2, &n) && lep_mul(n, sizeof(LepChar), &bytes))
		*chars = allocator->alloc(allocator->ctx, bytes);
	if (*chars == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory normalizing a text");
	*capacity = n;
	return LEP_OK;
}

/* Make spare, with n characters in it, the text. */
void
lep_chars_take_spare(LepCharBuffer *buffer, size_t n)
{
	LepChar *chars = buffer->chars;
	size_t capacity = buffer->capacity;

	buffer->chars = buffer->spare;
	buffer->capacity = buffer->spare_capacity;
	buffer->spare = chars;
	buffer->spare_capacity = capacity;
	buffer->n = n;
}

/* Ask stop now and then, as i counts characters. */
static bool
stopped(const LepStop *stop, size_t i)
{
	return (i & (LEP_CHARS_STOP_EVERY - 1)) == LEP_CHARS_STOP_EVERY - 1 && lep_stopped(stop);
}

/* Say that stop asked to stop. */
static LepStatus
cancelled(LepError *err)
{
	return lep_error(err, LEP_CANCELLED, "tokenizing was cancelled");
}

/* Ask stop now and then, as i counts characters. */
LepStatus
lep_chars_worked(const LepStop *stop, size_t i, LepError *err)
{
	return stopped(stop, i) ? cancelled(err) : LEP_OK;
}

/* Decode text[start, end). */
LepStatus
lep_chars_load(LepCharBuffer *buffer, const char *text, size_t start, size_t end,
			   const LepStop *stop, LepError *err)
{
	const unsigned char *bytes = (const unsigned char *) text;
	LepStatus status;
	size_t n = 0;
	size_t at = start;

	status =
		lep_chars_reserve(buffer->allocator, &buffer->chars, &buffer->capacity, end - start, err);
	if (status != LEP_OK)
		return status;
	while (at < end)
	{
		LepChar *now = &buffer->chars[n];
		size_t len = lep_utf8_decode(bytes + at, end - at, &now->c);

		if (len == 0)
		{
			lep_error(err, LEP_BAD_INPUT, "text is not valid UTF-8");
			lep_error_detail(err, "Byte 0x%02X at offset %zu starts no valid character.", bytes[at],
							 at);
			return LEP_BAD_INPUT;
		}
		now->start = (uint32_t) at;
		at += len;
		now->end = (uint32_t) at;
		if (stopped(stop, n++))
			return cancelled(err);
	}
	buffer->n = n;
	return LEP_OK;
}

/* Drop the characters that have one of flags; with blank, make white space a space. */
static LepStatus
drop(LepCharBuffer *buffer, uint32_t flags, bool blank, const LepStop *stop, LepError *err)
{
	LepChar *chars = buffer->chars;
	size_t n = 0;

	for (size_t i = 0; i < buffer->n; i++)
	{
		uint32_t has = lep_char_flags(chars[i].c);

		if (!(has & flags))
		{
			chars[n] = chars[i];
			if (blank && (has & LEP_UC_BLANK))
				chars[n].c = ' ';
			n++;
		}
		if (stopped(stop, i))
			return cancelled(err);
	}
	buffer->n = n;
	return LEP_OK;
}

/* Put a space before and behind every ideograph. */
static LepStatus
space_chinese(LepCharBuffer *buffer, const LepStop *stop, LepError *err)
{
	LepStatus status;
	size_t found = 0;
	size_t need;
	size_t n = 0;

	for (size_t i = 0; i < buffer->n; i++)
	{
		found += (lep_char_flags(buffer->chars[i].c) & LEP_UC_CJK) != 0;
		if (stopped(stop, i))
			return cancelled(err);
	}
	if (found == 0)
		return LEP_OK;
	if (!lep_mul(found, 2, &need) || !lep_add(need, buffer->n, &need))
		return lep_error(err, LEP_NO_MEMORY, "out of memory normalizing a text");
	status =
		lep_chars_reserve(buffer->allocator, &buffer->spare, &buffer->spare_capacity, need, err);
	if (status != LEP_OK)
		return status;
	for (size_t i = 0; i < buffer->n; i++)
	{
		LepChar now = buffer->chars[i];

		if (lep_char_flags(now.c) & LEP_UC_CJK)
		{
			LepChar space = {' ', now.start, now.end};

			buffer->spare[n++] = space;
			buffer->spare[n++] = now;
			buffer->spare[n++] = space;
		}
		else
			buffer->spare[n++] = now;
		if (stopped(stop, i))
			return cancelled(err);
	}
	lep_chars_take_spare(buffer, n);
	return LEP_OK;
}

/* Lower-case every character. */
static LepStatus
lower(LepCharBuffer *buffer, const LepStop *stop, LepError *err)
{
	uint32_t out[LEP_LOWER_MAX];
	LepStatus status;
	size_t twos = 0;
	size_t n = 0;

	for (size_t i = 0; i < buffer->n; i++)
	{
		if (lep_char_lower(buffer->chars[i].c, out) > 1)
			twos++;
		else
			buffer->chars[i].c = out[0];
		if (stopped(stop, i))
			return cancelled(err);
	}
	if (twos == 0)
		return LEP_OK;
	status = lep_chars_reserve(buffer->allocator, &buffer->spare, &buffer->spare_capacity,
							   buffer->n + twos, err);
	if (status != LEP_OK)
		return status;
	for (size_t i = 0; i < buffer->n; i++)
	{
		LepChar now = buffer->chars[i];
		size_t k = lep_char_lower(now.c, out);

		for (size_t j = 0; j < k; j++)
		{
			buffer->spare[n] = now;
			if (k > 1)
				buffer->spare[n].c = out[j];
			n++;
		}
	}
	lep_chars_take_spare(buffer, n);
	return LEP_OK;
}

/*
 * Order run[n] by combining class, keeping the order within a class.  While a
 * decomposition is under way, start of a character holds its change (0: it
 * replaces one of the input, 1: it is inserted) and end its rank.
 */
static LepStatus
order_marks(const LepAllocator *allocator, LepChar *run, size_t n, const LepStop *stop,
			LepError *err)
{
	size_t count[RANKS] = {0};
	size_t total = 0;
	size_t capacity = 0;
	LepChar *sorted = NULL;
	LepStatus status;

	if (n <= SHORT_RUN)
	{
		for (size_t i = 1; i < n; i++)
		{
			LepChar moving = run[i];
			size_t j = i;

			for (; j > 0 && run[j - 1].end > moving.end; j--)
				run[j] = run[j - 1];
			run[j] = moving;
		}
		return LEP_OK;
	}
	for (size_t i = 0; i < n; i++)
		count[run[i].end]++;
	for (size_t i = 0; i < RANKS; i++)
	{
		size_t k = count[i];

		count[i] = total;
		total += k;
	}
	status = lep_chars_reserve(allocator, &sorted, &capacity, n, err);
	for (size_t i = 0; i < n && status == LEP_OK; i++)
	{
		sorted[count[run[i].end]++] = run[i];
		if (stopped(stop, i))
			status = cancelled(err);
	}
	if (status == LEP_OK)
		memcpy(run, sorted, n * sizeof(LepChar));
	if (sorted != NULL)
		allocator->free(allocator->ctx, sorted);
	return status;
}

/* Write the decomposition of chars to spare, with changes and ranks; how many to *n_out. */
static LepStatus
decompose(LepCharBuffer *buffer, bool compatible, size_t *n_out, const LepStop *stop, LepError *err)
{
	uint32_t out[LEP_DECOMPOSED_MAX];
	LepStatus status;
	size_t need;
	size_t wide = 0;
	size_t n = 0;
	size_t run = 0;

	for (size_t i = 0; i < buffer->n; i++)
		wide += buffer->chars[i].c >= 0x80;
	if (!lep_mul(wide, compatible ? LEP_DECOMPOSED_MAX : LEP_CANONICAL_MAX, &need) ||
		!lep_add(need, buffer->n, &need))
		return lep_error(err, LEP_NO_MEMORY, "out of memory normalizing a text");
	status =
		lep_chars_reserve(buffer->allocator, &buffer->spare, &buffer->spare_capacity, need, err);
	for (size_t i = 0; i < buffer->n && status == LEP_OK; i++)
	{
		uint32_t c = buffer->chars[i].c;
		size_t k = compatible ? lep_char_nfkd(c, out) : lep_char_nfd(c, out);

		for (size_t j = 0; j < k && status == LEP_OK; j++)
		{
			LepChar now = {out[j], j > 0, LEP_UC_RANK(lep_char_flags(out[j]))};

			if (now.end == 0)
			{
				if (n - run > 1)
					status =
						order_marks(buffer->allocator, buffer->spare + run, n - run, stop, err);
				run = n;
			}
			buffer->spare[n++] = now;
		}
		if (stopped(stop, i))
			return cancelled(err);
	}
	if (status == LEP_OK && n - run > 1)
		status = order_marks(buffer->allocator, buffer->spare + run, n - run, stop, err);
	*n_out = n;
	return status;
}

/*
 * Compose spare[*n], a decomposition, in place.  A composition adds up the
 * changes of its parts less one, so that a negative change counts the
 * characters of the input that vanish behind it.
 */
static LepStatus
compose(LepChar *spare, size_t *n, const LepStop *stop, LepError *err)
{
	size_t out = 0;
	size_t starter = 0;
	bool has_starter = false;
	uint32_t last = 0; /* rank of the last mark kept behind the starter, 0 for none */

	for (size_t i = 0; i < *n; i++)
	{
		LepChar now = spare[i];
		uint32_t both = 0;

		if (stopped(stop, i))
			return cancelled(err);
		if (has_starter && (last == 0 || last < now.end))
			both = lep_char_compose(spare[starter].c, now.c);
		if (both != 0)
		{
			spare[starter].c = both;
			spare[starter].start += now.start - 1;
			continue;
		}
		if (now.end == 0)
		{
			starter = out;
			has_starter = true;
		}
		last = now.end;
		spare[out++] = now;
	}
	*n = out;
	return LEP_OK;
}

/* Give spare[n] the origins that its changes ask for and make it the text. */
LepStatus
lep_chars_settle(LepCharBuffer *buffer, size_t n, const LepStop *stop, LepError *err)
{
	size_t at = 0; /* the next character of the input to be replaced */

	for (size_t i = 0; i < n; i++)
	{
		int32_t change = (int32_t) buffer->spare[i].start;
		size_t from = change > 0 && at > 0 ? at - 1 : at;
		const LepChar *origin = &buffer->chars[from < buffer->n ? from : buffer->n - 1];

		buffer->spare[i].start = origin->start;
		buffer->spare[i].end = origin->end;
		if (change <= 0)
			at += 1 + (size_t) - (int64_t) change;
		if (stopped(stop, i))
			return cancelled(err);
	}
	lep_chars_take_spare(buffer, n);
	return LEP_OK;
}

/* Find the first character that decomposes or may have to be ordered; n when there is none. */
static LepStatus
find_undecomposed(const LepCharBuffer *buffer, bool compatible, size_t *at, const LepStop *stop,
				  LepError *err)
{
	uint32_t moving = LEP_UC_NFD | (compatible ? LEP_UC_NFKD : 0);

	for (*at = 0; *at < buffer->n; ++*at)
	{
		uint32_t c = buffer->chars[*at].c;
		uint32_t flags = c < 0x80 ? 0 : lep_char_flags(c);

		if ((flags & moving) || LEP_UC_RANK(flags) != 0 || lep_char_hangul(c))
			break;
		if (stopped(stop, *at))
			return cancelled(err);
	}
	return LEP_OK;
}

/* Decompose, and compose again if asked. */
static LepStatus
unicode_form(LepCharBuffer *buffer, bool compatible, bool composed, const LepStop *stop,
			 LepError *err)
{
	LepStatus status = LEP_OK;
	size_t n = 0;

	if (!composed)
		status = find_undecomposed(buffer, compatible, &n, stop, err);
	if (status != LEP_OK || n == buffer->n)
		return status;
	status = decompose(buffer, compatible, &n, stop, err);
	if (status == LEP_OK && composed)
		status = compose(buffer->spare, &n, stop, err);
	if (status == LEP_OK)
		status = lep_chars_settle(buffer, n, stop, err);
	return status;
}

/* The data of a step; NULL when it is not there. */
static const char *
step_data(LepData data, const LepStep *step, size_t min)
{
	if (step->len < min || step->offset > data.size || step->len > data.size - step->offset)
		return NULL;
	return (const char *) data.bytes + step->offset;
}

/* Say that the tables are damaged. */
static LepStatus
damaged(LepError *err)
{
	return lep_error(err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
}

/* Run a Replace. */
static LepStatus
replace(LepCharBuffer *buffer, LepData data, const LepStep *step, const LepStop *stop,
		LepError *err)
{
	LepReplacing what;

	if (!lep_replacing_view(data, step, &what))
		return damaged(err);
	return lep_chars_replace(buffer, &what, stop, err);
}

/* Run a step whose data a file gave. */
static LepStatus
rewrite(LepCharBuffer *buffer, LepData data, const LepStep *step, const LepStop *stop,
		LepError *err)
{
	const char *bytes = step_data(data, step, 1);
	LepCharsmap map;

	if (bytes == NULL)
		return damaged(err);
	if (step->kind == LEP_NORM_PREPEND)
		return lep_chars_prepend(buffer, bytes, step->len, stop, err);
	if (!lep_charsmap_view(bytes, step->len, &map))
		return damaged(err);
	return lep_chars_precompiled(buffer, &map, stop, err);
}

/* Apply steps[n_steps] to the text. */
LepStatus
lep_chars_normalize(LepCharBuffer *buffer, const LepStep *steps, size_t n_steps, LepData data,
					const LepStop *stop, LepError *err)
{
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < n_steps && status == LEP_OK; i++)
	{
		switch ((LepNormKind) steps[i].kind)
		{
			case LEP_NORM_CLEAN:
				status = drop(buffer, LEP_UC_REMOVED, true, stop, err);
				break;
			case LEP_NORM_CHINESE:
				status = space_chinese(buffer, stop, err);
				break;
			case LEP_NORM_NFD:
				status = unicode_form(buffer, false, false, stop, err);
				break;
			case LEP_NORM_NFKD:
				status = unicode_form(buffer, true, false, stop, err);
				break;
			case LEP_NORM_NFC:
				status = unicode_form(buffer, false, true, stop, err);
				break;
			case LEP_NORM_NFKC:
				status = unicode_form(buffer, true, true, stop, err);
				break;
			case LEP_NORM_STRIP_MN:
				status = drop(buffer, LEP_UC_MN, false, stop, err);
				break;
			case LEP_NORM_STRIP_MARKS:
				status = drop(buffer, LEP_UC_MARK, false, stop, err);
				break;
			case LEP_NORM_LOWER:
				status = lower(buffer, stop, err);
				break;
			case LEP_NORM_REPLACE:
				status = replace(buffer, data, &steps[i], stop, err);
				break;
			case LEP_NORM_PRECOMPILED:
			case LEP_NORM_PREPEND:
				status = rewrite(buffer, data, &steps[i], stop, err);
				break;
			case LEP_NORM_STRIP:
				status = lep_chars_strip(buffer, steps[i].flags & 1, steps[i].flags & 2, stop, err);
				break;
			case LEP_NORM_NMT:
				status = lep_chars_nmt(buffer, stop, err);
				break;
			case LEP_NORM_BYTES:
				status = lep_chars_bytes(buffer, stop, err);
				break;
		}
	}
	return status;
}
