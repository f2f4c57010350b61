/*
 * decoder.c: runs a decoder's steps over a list of tokens, as the decoders of
 * `tokenizers` do; where these would panic, a token is empty.
 */
#define LEPTON_ENGINE_SOURCE
#include "decoder.h"

#include <string.h>

#include "normalizer_parts.h"
#include "tokenizer_run.h"
#include "utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Tokens one after another: token i is bytes[ends[i - 1], ends[i]). */
typedef struct List
{
	unsigned char *bytes; /* [capacity] */
	size_t *ends;		  /* [n_capacity] */
	size_t n;
	size_t capacity, n_capacity;
	LepRunMemory bytes_use, ends_use;
} List;

/* The list as it is and the one that the step at work writes. */
typedef struct Decoding
{
	LepTokenRun *run;
	List *now, *next;
	size_t at; /* bytes in next */
	LepStatus status;
} Decoding;

/* Append bytes to the token at work; failures stay in status. */
static void
append(Decoding *d, const void *bytes, size_t len)
{
	List *list = d->next;
	size_t need;

	if (d->status != LEP_OK || len == 0)
		return;
	if (!lep_add(d->at, len, &need))
	{
		d->status = lep_run_no_memory(d->run);
		return;
	}
	if (need > list->capacity)
	{
		size_t capacity = need + need / 2 + 256;

		list->bytes = lep_run_memory(d->run->scratch, list->bytes_use, capacity, 1, d->at);
		list->capacity = list->bytes != NULL ? capacity : 0;
	}
	if (list->capacity == 0)
	{
		d->status = lep_run_no_memory(d->run);
		return;
	}
	memcpy(list->bytes + d->at, bytes, len);
	d->at = need;
	d->status = lep_run_worked(d->run, len);
}

/* End the token at work. */
static void
close_token(Decoding *d)
{
	List *list = d->next;

	if (d->status == LEP_OK && list->n == list->n_capacity)
	{
		size_t capacity = list->n + list->n / 2 + 64;

		list->ends = lep_run_memory(d->run->scratch, list->ends_use, capacity, sizeof(size_t),
									list->n * sizeof(size_t));
		list->n_capacity = list->ends != NULL ? capacity : 0;
		if (list->ends == NULL)
			d->status = lep_run_no_memory(d->run);
	}
	if (d->status != LEP_OK)
		return;
	list->ends[list->n++] = d->at;
	d->status = lep_run_worked(d->run, 1);
}

/* Make what was written the list, and start an empty one. */
static void
turn(Decoding *d)
{
	List *list = d->now;

	d->now = d->next;
	d->next = list;
	d->next->n = 0;
	d->at = 0;
}

/* Where token i starts. */
static size_t
start_of(const List *list, size_t i)
{
	return i > 0 ? list->ends[i - 1] : 0;
}

/* Does text[len] start with prefix? */
static bool
starts_with(const unsigned char *text, size_t len, const void *prefix, size_t prefix_len)
{
	return len >= prefix_len && (prefix_len == 0 || memcmp(text, prefix, prefix_len) == 0);
}

/* Length of the character of UTF-8 text that starts at p. */
static size_t
char_len(const unsigned char *p)
{
	return *p < 0x80 ? 1 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
}

/* Append text[len] with every pattern replaced; an empty pattern stands around every character. */
static void
append_replaced(Decoding *d, const unsigned char *text, size_t len, const void *pattern,
				size_t pattern_len, const void *content, size_t content_len)
{
	size_t at = 0;

	while (at < len && d->status == LEP_OK)
	{
		bool found = starts_with(text + at, len - at, pattern, pattern_len);
		size_t n = char_len(text + at);

		if (found)
			append(d, content, content_len);
		if (found && pattern_len > 0)
		{
			at += pattern_len;
			continue;
		}
		n = n < len - at ? n : len - at;
		append(d, text + at, n);
		at += n;
	}
	if (pattern_len == 0)
		append(d, content, content_len);
}

/* Replace pattern by content, which is no longer, in text[len]; the new length. */
static size_t
shorten(unsigned char *text, size_t len, const char *pattern, const char *content)
{
	size_t pattern_len = strlen(pattern);
	size_t content_len = strlen(content);
	size_t n = 0;

	for (size_t at = 0; at < len;)
	{
		if (text[at] == (unsigned char) pattern[0] &&
			starts_with(text + at, len - at, pattern, pattern_len))
		{
			memcpy(text + n, content, content_len);
			n += content_len;
			at += pattern_len;
		}
		else
			text[n++] = text[at++];
	}
	return n;
}

/* Undo the spaces in front of punctuation and contractions in the token at work, from `start`. */
static void
clean_up(Decoding *d, size_t start)
{
	static const char *const rules[][2] = {
		{" .", "."},   {" ?", "?"},		{" !", "!"},	 {" ,", ","},
		{" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},	 {" do not", " don't"},
		{" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && d->status == LEP_OK && d->at > start;
		 i++)
	{
		size_t len = d->at - start;

		d->at = start + shorten(d->next->bytes + start, len, rules[i][0], rules[i][1]);
		d->status = lep_run_worked(d->run, len);
	}
}

/* WordPiece: join continuing pieces, put a space before others. */
static void
decode_wordpiece(Decoding *d, const LepStep *step, const void *prefix)
{
	for (size_t i = 0; i < d->now->n; i++)
	{
		size_t from = start_of(d->now, i);
		const unsigned char *text = d->now->bytes + from;
		size_t len = d->now->ends[i] - from;
		size_t start = d->at;

		if (i > 0 && starts_with(text, len, prefix, step->len))
			append(d, text + step->len, len - step->len);
		else
		{
			if (i > 0)
				append(d, " ", 1);
			append(d, text, len);
		}
		if (step->flags & 1)
			clean_up(d, start);
		close_token(d);
	}
}

/* Length of the valid character at p[left], or of the longest start of one that is broken off (*valid false). */
static size_t
valid_part(const unsigned char *p, size_t left, bool *valid)
{
	uint32_t c;
	size_t n = lep_utf8_decode(p, left, &c);
	size_t want = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;

	*valid = n > 0;
	if (n > 0)
		return n;
	if (p[0] < 0xC2 || p[0] > 0xF4 || left < 2 || (p[1] & 0xC0) != 0x80 ||
		(p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
		(p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 1;
	for (n = 2; n < want && n < left && (p[n] & 0xC0) == 0x80;)
		n++;
	return n;
}

/* ByteLevel: the bytes that characters stand for, as one token of valid UTF-8. */
static void
decode_bytes(Decoding *d)
{
	List *raw;
	size_t n_raw;

	for (size_t i = 0; i < d->now->n; i++)
	{
		size_t from = start_of(d->now, i);
		size_t start = d->at;

		for (size_t at = from; at < d->now->ends[i] && d->status == LEP_OK;)
		{
			uint32_t c = 0;
			size_t n = lep_utf8_decode(d->now->bytes + at, d->now->ends[i] - at, &c);
			int value = n > 0 ? lep_char_byte(c) : -1;
			unsigned char byte = (unsigned char) value;

			/* One character that stands for no byte, and the token is what it is. */
			if (value < 0)
			{
				d->at = start;
				append(d, d->now->bytes + from, d->now->ends[i] - from);
				break;
			}
			append(d, &byte, 1);
			at += n;
		}
	}
	n_raw = d->at;
	turn(d);
	raw = d->now;
	for (size_t at = 0; at < n_raw && d->status == LEP_OK;)
	{
		bool valid;
		size_t n = valid_part(raw->bytes + at, n_raw - at, &valid);

		if (valid)
			append(d, raw->bytes + at, n);
		else
			append(d, REPLACEMENT, strlen(REPLACEMENT));
		at += n;
	}
	close_token(d);
}

/* Metaspace: its character is a space, and nothing in the first token. */
static void
decode_metaspace(Decoding *d, const LepStep *step)
{
	unsigned char mark[4];
	size_t mark_len = lep_utf8_encode(step->flags >> 1, mark);

	for (size_t i = 0; i < d->now->n; i++)
	{
		size_t from = start_of(d->now, i);

		append_replaced(d, d->now->bytes + from, d->now->ends[i] - from, mark, mark_len, " ",
						i == 0 && (step->flags & 1) ? 0 : 1);
		close_token(d);
	}
}

/* BPEDecoder: the suffix is a space, and nothing in the last token. */
static void
decode_suffix(Decoding *d, const LepStep *step, const void *suffix)
{
	for (size_t i = 0; i < d->now->n; i++)
	{
		size_t from = start_of(d->now, i);

		append_replaced(d, d->now->bytes + from, d->now->ends[i] - from, suffix, step->len, " ",
						i + 1 < d->now->n ? 1 : 0);
		close_token(d);
	}
}

/* Value of a hexadecimal digit, -1 when it is none. */
static int
hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that a token like "<0x0A>" stands for, -1 for others. */
static int
byte_token(const unsigned char *text, size_t len)
{
	int high;
	int low;

	if (len != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
		return -1;
	high = text[3] == '+' ? 0 : hex_digit(text[3]);
	low = hex_digit(text[4]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Make the bytes written since `start` one token, or one replacement character for each. */
static void
close_bytes(Decoding *d, size_t start)
{
	size_t n = d->at - start;
	bool valid = true;

	if (n == 0 || d->status != LEP_OK)
		return;
	for (size_t at = start; at < d->at && valid;)
		at += valid_part(d->next->bytes + at, d->at - at, &valid);
	if (valid)
	{
		close_token(d);
		return;
	}
	d->at = start;
	for (size_t i = 0; i < n; i++)
	{
		append(d, REPLACEMENT, strlen(REPLACEMENT));
		close_token(d);
	}
}

/* ByteFallback: runs of byte tokens are the text that they spell. */
static void
decode_fallback(Decoding *d)
{
	size_t start = d->at;

	for (size_t i = 0; i < d->now->n && d->status == LEP_OK; i++)
	{
		size_t from = start_of(d->now, i);
		const unsigned char *text = d->now->bytes + from;
		size_t len = d->now->ends[i] - from;
		int value = byte_token(text, len);
		unsigned char byte = (unsigned char) value;

		if (value >= 0)
		{
			append(d, &byte, 1);
			continue;
		}
		close_bytes(d, start);
		append(d, text, len);
		close_token(d);
		start = d->at;
	}
	close_bytes(d, start);
}

/* Fuse: all tokens are one. */
static void
decode_fuse(Decoding *d)
{
	if (d->now->n > 0)
		append(d, d->now->bytes, d->now->ends[d->now->n - 1]);
	close_token(d);
}

/* Strip: up to so many of a character off the ends of each token. */
static void
decode_strip(Decoding *d, const LepStep *step, const uint64_t *counts)
{
	unsigned char mark[4];
	size_t mark_len = lep_utf8_encode(step->flags, mark);

	for (size_t i = 0; i < d->now->n; i++)
	{
		size_t start = start_of(d->now, i);
		size_t end = d->now->ends[i];
		const unsigned char *bytes = d->now->bytes;

		for (uint64_t k = 0;
			 k < counts[0] && starts_with(bytes + start, end - start, mark, mark_len); k++)
			start += mark_len;
		for (uint64_t k = 0; k < counts[1] && end - start >= mark_len &&
							 memcmp(bytes + end - mark_len, mark, mark_len) == 0;
			 k++)
			end -= mark_len;
		append(d, bytes + start, end - start);
		close_token(d);
	}
}

/* Replace every match of a regex in text[len], which is written to the token at work. */
static void
append_matched(Decoding *d, const unsigned char *text, size_t len, const LepReplacing *what)
{
	LepTokenRun *run = d->run;
	LepCharBuffer *chars = &run->scratch->chars;
	LepRegexMatcher m;
	size_t last = 0;
	size_t start, end;
	bool found = len > 0;

	if (found)
		d->status = lep_chars_load(chars, (const char *) text, 0, len, run->stop, run->err);
	if (found && d->status == LEP_OK)
		d->status = lep_regex_start(&m, what->pattern, &chars->regex, chars->chars, chars->n,
									run->stop, run->err);
	while (found && d->status == LEP_OK)
	{
		d->status = lep_regex_next(&m, &start, &end, &found);
		if (d->status != LEP_OK || !found)
			break;
		start = start < chars->n ? chars->chars[start].start : len;
		append(d, text + last, start - last);
		append(d, what->content, what->content_len);
		last = end < chars->n ? chars->chars[end].start : len;
	}
	append(d, text + last, len - last);
}

/* Replace: every match of a text or a regex by a text. */
static void
decode_replace(Decoding *d, const LepStep *step)
{
	LepReplacing what;

	if (!lep_replacing_view(d->run->data, step, &what))
	{
		d->status = lep_error(d->run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		return;
	}
	for (size_t i = 0; i < d->now->n && d->status == LEP_OK; i++)
	{
		size_t from = start_of(d->now, i);
		const unsigned char *text = d->now->bytes + from;

		if (what.regex)
			append_matched(d, text, d->now->ends[i] - from, &what);
		else
			append_replaced(d, text, d->now->ends[i] - from, what.pattern, what.pattern_len,
							what.content, what.content_len);
		close_token(d);
	}
}

/* Bytes of data that a step of some kind has at least. */
static size_t
least_data(uint32_t kind)
{
	return kind == LEP_DECODE_STRIP ? 2 * sizeof(uint64_t) : 0;
}

/* Run one step. */
static void
decode_step(Decoding *d, const LepStep *step)
{
	LepData area = d->run->data;
	const char *data = (const char *) area.bytes + step->offset;
	uint64_t counts[2];

	if (step->offset > area.size || step->len > area.size - step->offset ||
		step->len < least_data(step->kind))
	{
		d->status = lep_error(d->run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		return;
	}
	switch ((LepDecodeKind) step->kind)
	{
		case LEP_DECODE_WORDPIECE:
			decode_wordpiece(d, step, data);
			break;
		case LEP_DECODE_BYTES:
			decode_bytes(d);
			break;
		case LEP_DECODE_METASPACE:
			decode_metaspace(d, step);
			break;
		case LEP_DECODE_SUFFIX:
			decode_suffix(d, step, data);
			break;
		case LEP_DECODE_FALLBACK:
			decode_fallback(d);
			break;
		case LEP_DECODE_FUSE:
			decode_fuse(d);
			break;
		case LEP_DECODE_STRIP:
			memcpy(counts, data, sizeof(counts));
			decode_strip(d, step, counts);
			break;
		case LEP_DECODE_REPLACE:
			decode_replace(d, step);
			break;
	}
	turn(d);
}

/* The name of an id; false when it has none. */
static bool
name_of(const LepTokenizer *tok, int32_t id, LepName *name, const char **text)
{
	const struct LepTokenizerTables *tables = tok->tables;
	const char *blob = tok->blob;

	if (id < 0 || (uint64_t) id >= tables->names.n)
		return false;
	*name = ((const LepName *) (const void *) (blob + tables->names.offset))[id];
	*text = blob + tables->name_bytes.offset + name->start;
	return (name->flags & LEP_NAME_KNOWN) && name->start <= tables->name_bytes.n &&
		   name->len <= tables->name_bytes.n - name->start;
}

/* Tell the vocabulary string of an id. */
bool
lep_token_text(const LepTokenizer *tok, int32_t id, const char **text, size_t *len)
{
	LepName name;

	*text = "";
	*len = 0;
	if (!name_of(tok, id, &name, text))
		return false;
	*len = name.len;
	return true;
}

/* Turn ids back into text. */
LepStatus
lep_token_decode(const LepTokenizer *tok, LepTokenScratch *scratch, const int32_t *ids, size_t n,
				 bool skip_special, const char **text, size_t *len, const LepStop *stop,
				 LepError *err)
{
	const struct LepTokenizerTables *tables = tok->tables;
	LepTokenRun run = {.tables = tables, .scratch = scratch, .stop = stop, .err = err};
	unsigned char nothing[1] = {0};
	/* A list of empty tokens has no bytes of its own. */
	List lists[2] = {
		{.bytes = nothing, .bytes_use = LEP_MEMORY_MODEL, .ends_use = LEP_MEMORY_MODEL2},
		{.bytes = nothing, .bytes_use = LEP_MEMORY_MODEL3, .ends_use = LEP_MEMORY_MODEL4}};
	Decoding d = {.run = &run, .now = &lists[0], .next = &lists[1]};
	bool first = true;

	run.data.bytes = (const unsigned char *) tok->blob + tables->data.offset;
	run.data.size = (size_t) tables->data.n;
	*text = "";
	*len = 0;
	for (size_t i = 0; i < n && d.status == LEP_OK; i++)
	{
		LepName name;
		const char *string;

		if (!name_of(tok, ids[i], &name, &string) ||
			(skip_special && (name.flags & LEP_NAME_SPECIAL)))
			continue;
		if (!first && !tables->has_decoder)
			append(&d, " ", 1);
		append(&d, string, name.len);
		close_token(&d);
		first = false;
	}
	turn(&d);
	for (size_t i = 0; i < tables->n_decoders && d.status == LEP_OK; i++)
		decode_step(&d, &tables->decoders[i]);
	if (d.status == LEP_OK && d.now->n > 0 && d.now->ends[d.now->n - 1] > 0)
	{
		*text = (const char *) d.now->bytes;
		*len = d.now->ends[d.now->n - 1];
	}
	return d.status;
}
