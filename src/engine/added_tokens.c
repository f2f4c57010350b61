/*
 * added_tokens.c: cuts a text at the added tokens, first those looked for in
 * the text as it is, then those looked for in normalised stretches, as the
 * AddedVocabulary of `tokenizers` does; the leftmost match wins, and the
 * longest of these.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer_run.h"

#include "unicode.h"
#include "utf8.h"

/* Text looked through for added tokens before what was found free of them is worked on. */
#define WINDOW ((size_t) 16384)

/* The text [start, end) of an added token; positions are bytes or characters. */
typedef struct Match
{
	size_t start, end;
	const LepAdded *token;
} Match;

/* Find the first match that starts in [from, to) of the text. */
static bool
find_raw(const LepTokenRun *run, size_t from, size_t to, Match *match)
{
	const struct LepTokenizerTables *tables = run->tables;
	const unsigned char *text = (const unsigned char *) run->text;

	for (size_t at = from; at < to; at++)
	{
		uint32_t node = LEP_TRIE_ROOT;
		int32_t found = -1;

		if (!tables->first_raw[text[at]])
			continue;
		for (size_t i = at; i < run->len; i++)
		{
			node = lep_trie_step(run->raw, tables->raw.n, node, text[i]);
			if (node == LEP_TRIE_NONE)
				break;
			if (run->raw[node].value >= 0)
			{
				found = run->raw[node].value;
				match->end = i + 1;
			}
		}
		if (found >= 0 && (uint64_t) found < tables->added.n)
		{
			match->start = at;
			match->token = &run->added[found];
			return true;
		}
	}
	return false;
}

/* Find the first match that starts in chars[from, to) of chars[n]. */
static bool
find_normalized(const LepTokenRun *run, const LepChar *chars, size_t n, size_t from, size_t to,
				Match *match)
{
	const struct LepTokenizerTables *tables = run->tables;

	for (size_t at = from; at < to; at++)
	{
		uint32_t node = LEP_TRIE_ROOT;
		int32_t found = -1;

		for (size_t i = at; i < n && node != LEP_TRIE_NONE; i++)
		{
			unsigned char bytes[4];
			size_t len = lep_utf8_encode(chars[i].c, bytes);

			for (size_t j = 0; j < len && node != LEP_TRIE_NONE; j++)
				node = lep_trie_step(run->normal, run->n_normal, node, bytes[j]);
			if (node != LEP_TRIE_NONE && run->normal[node].value >= 0)
			{
				found = run->normal[node].value;
				match->end = i + 1;
			}
		}
		if (found >= 0 && (uint64_t) found < tables->added.n)
		{
			match->start = at;
			match->token = &run->added[found];
			return true;
		}
	}
	return false;
}

/* LEP_UC_ bits of the character of text[len] that ends at `at`, 0 at the start; its length. */
static uint32_t
flags_before(const LepTokenRun *run, size_t at, size_t *len)
{
	const unsigned char *text = (const unsigned char *) run->text;
	uint32_t c;

	*len = 1;
	while (*len < at && *len < 4 && (text[at - *len] & 0xC0) == 0x80)
		(*len)++;
	if (at == 0 || lep_utf8_decode(text + at - *len, *len, &c) != *len)
		return 0;
	return lep_char_flags(c);
}

/* LEP_UC_ bits of the character that starts at `at`, 0 at the end; its length. */
static uint32_t
flags_behind(const LepTokenRun *run, size_t at, size_t *len)
{
	uint32_t c;

	*len = lep_utf8_decode((const unsigned char *) run->text + at, run->len - at, &c);
	return *len == 0 ? 0 : lep_char_flags(c);
}

/* Widen a match in the text over white space, back to floor at most; spaces is the last run found. */
static void
strip_raw(const LepTokenRun *run, Match *match, size_t floor, LepSpan *spaces)
{
	size_t len;

	if (match->token->flags & LEP_ADDED_LSTRIP)
	{
		while (match->start > floor && (flags_before(run, match->start, &len) & LEP_UC_SPACE))
			match->start -= len;
		if (match->start < floor)
			match->start = floor;
	}
	if (match->token->flags & LEP_ADDED_RSTRIP)
	{
		size_t end = match->end;

		if (end >= spaces->start && end < spaces->end)
			end = spaces->end;
		else
		{
			spaces->start = (uint32_t) end;
			while (flags_behind(run, end, &len) & LEP_UC_SPACE)
				end += len;
			spaces->end = (uint32_t) end;
		}
		match->end = end;
	}
}

/* The same for a match in normalised characters chars[n]. */
static void
strip_normalized(const LepChar *chars, size_t n, Match *match, size_t floor, LepSpan *spaces)
{
	if (match->token->flags & LEP_ADDED_LSTRIP)
	{
		while (match->start > floor && (lep_char_flags(chars[match->start - 1].c) & LEP_UC_SPACE))
			match->start--;
		if (match->start < floor)
			match->start = floor;
	}
	if (match->token->flags & LEP_ADDED_RSTRIP)
	{
		size_t end = match->end;

		if (end >= spaces->start && end < spaces->end)
			end = spaces->end;
		else
		{
			spaces->start = (uint32_t) end;
			while (end < n && (lep_char_flags(chars[end].c) & LEP_UC_SPACE))
				end++;
			spaces->end = (uint32_t) end;
		}
		match->end = end;
	}
}

/* Append the token of a match, chars[n] of normalised text. */
static LepStatus
push_added(LepTokenRun *run, const LepAdded *token, const LepChar *chars, size_t n)
{
	LepStatus status = lep_run_reserve(run, 1);

	if (status != LEP_OK)
		return status;
	run->word++;
	lep_run_push(run, token->id, chars[0].start, chars[n - 1].end);
	return lep_run_mark(run, chars, n);
}

/* The same for bytes [start, end) of the text. */
static LepStatus
push_raw(LepTokenRun *run, const LepAdded *token, size_t start, size_t end)
{
	LepCharBuffer *chars = &run->scratch->chars;
	LepStatus status = lep_run_reserve(run, 1);

	if (status != LEP_OK)
		return status;
	run->word++;
	lep_run_push(run, token->id, start, end);
	if (run->tables->n_trims == 0)
		return LEP_OK;
	status = lep_chars_load(chars, run->text, start, end, run->stop, run->err);
	return status == LEP_OK ? lep_run_mark(run, chars->chars, chars->n) : status;
}

/* Tokenize text[*done, up_to), where no match starts, as far as it may be cut; move *done. */
static LepStatus
work_off(LepTokenRun *run, size_t *done, size_t up_to)
{
	const unsigned char *text = (const unsigned char *) run->text;
	size_t cut = up_to;
	LepStatus status;

	while (cut > *done && run->tables->kind[text[cut - 1]] != LEP_BYTE_SPACE)
		cut--;
	if (cut <= *done)
		return LEP_OK;
	status = lep_run_stretch(run, *done, cut - 1);
	*done = cut - 1;
	return status;
}

/* Tokenize the whole text. */
LepStatus
lep_run_text(LepTokenRun *run)
{
	size_t scan = 0;  /* matches are looked for from here */
	size_t floor = 0; /* end of the last match */
	size_t done = 0;  /* text before is tokenized */
	size_t window = WINDOW;
	LepSpan spaces = {0, 0};
	LepStatus status = LEP_OK;

	if (run->tables->raw.n == 0)
		return lep_run_stretch(run, 0, run->len);
	while (status == LEP_OK && run->n <= run->limit)
	{
		size_t to = run->len;
		Match match = {0};
		size_t matched_end;
		size_t len;

		if (run->len - scan > window)
			to = scan + window;
		if (!find_raw(run, scan, to, &match))
		{
			if (to == run->len)
				break;
			scan = to;
			len = done;
			status = lep_run_worked(run, window);
			if (status == LEP_OK && run->tables->streaming)
				status = work_off(run, &done, scan);
			/* Where nothing could be cut, look further before trying again. */
			window = done == len ? window * 2 : WINDOW;
			continue;
		}
		matched_end = match.end;
		scan = matched_end;
		if ((match.token->flags & LEP_ADDED_SINGLE) &&
			((flags_before(run, match.start, &len) & LEP_UC_WORD) ||
			 (flags_behind(run, match.end, &len) & LEP_UC_WORD)))
			continue;
		strip_raw(run, &match, floor, &spaces);
		if (match.end < match.start)
			match.end = match.start;
		if (done < match.start)
			status = lep_run_stretch(run, done, match.start);
		if (status == LEP_OK && run->n <= run->limit && match.end > match.start)
			status = push_raw(run, match.token, match.start, match.end);
		floor = done = match.end;
	}
	if (status == LEP_OK && run->n <= run->limit && done < run->len)
		status = lep_run_stretch(run, done, run->len);
	return status;
}

/* Split chars[n] at added tokens of the normalised text; tokenize the rest. */
LepStatus
lep_run_normalized(LepTokenRun *run, const LepChar *chars, size_t n)
{
	size_t scan = 0;
	size_t floor = 0;
	LepSpan spaces = {0, 0};
	LepStatus status = LEP_OK;
	Match match = {0};

	if (run->n_normal == 0)
		return lep_run_words(run, chars, n);
	while (status == LEP_OK && run->n <= run->limit && scan < n)
	{
		size_t to = n - scan > WINDOW ? scan + WINDOW : n;

		if (!find_normalized(run, chars, n, scan, to, &match))
		{
			status = lep_run_worked(run, to - scan);
			scan = to;
			continue;
		}
		scan = match.end;
		if ((match.token->flags & LEP_ADDED_SINGLE) &&
			((match.start > 0 && (lep_char_flags(chars[match.start - 1].c) & LEP_UC_WORD)) ||
			 (match.end < n && (lep_char_flags(chars[match.end].c) & LEP_UC_WORD))))
			continue;
		strip_normalized(chars, n, &match, floor, &spaces);
		if (match.end < match.start)
			match.end = match.start;
		if (floor < match.start)
			status = lep_run_words(run, chars + floor, match.start - floor);
		if (status == LEP_OK && run->n <= run->limit && match.end > match.start)
			status = push_added(run, match.token, chars + match.start, match.end - match.start);
		floor = match.end;
	}
	if (status == LEP_OK && run->n <= run->limit && floor < n)
		status = lep_run_words(run, chars + floor, n - floor);
	return status;
}
