/*
 * wordpiece.c: a stretch of text without added tokens to word pieces:
 * normaliser, pre-tokenizer and greedy longest match in the vocabulary.
 *
 * ASCII words, which the tables know byte by byte, go straight from the text
 * to the vocabulary; a word with anything else in it, up to the next white
 * space, goes through the normaliser.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer_run.h"

#include "unicode.h"
#include "utf8.h"

/* A stretch longer than this is cut at other white space or between ideographs, if it can be. */
#define LONG_STRETCH ((size_t) 4096)

/* Make the tokens since first one unknown token for text[start, end). */
static void
push_unknown(LepTokenRun *run, size_t first, size_t start, size_t end)
{
	run->n = first;
	lep_run_push(run, run->tables->unk_id, start, end);
}

/* Look up the ASCII word text[start, end). */
static LepStatus
ascii_word(LepTokenRun *run, size_t start, size_t end)
{
	const struct LepTokenizerTables *tables = run->tables;
	const unsigned char *text = (const unsigned char *) run->text;
	const LepTrieUnit *words = run->words;
	size_t n_words = tables->words.n;
	size_t first = run->n;
	size_t steps = end - start;
	uint32_t node = LEP_TRIE_ROOT;
	LepStatus status;

	status = lep_run_reserve(run, end - start <= tables->max_chars ? end - start : 1);
	if (status != LEP_OK)
		return status;
	if (end - start > tables->max_chars)
	{
		push_unknown(run, first, start, end);
		return lep_run_worked(run, steps);
	}
	for (size_t at = start; at < end;)
	{
		int32_t found = -1;
		size_t found_end = at;
		size_t i = at;

		for (; i < end && node != LEP_TRIE_NONE; i++)
		{
			node = lep_trie_step(words, n_words, node, tables->fold[text[i]]);
			if (node != LEP_TRIE_NONE && words[node].value >= 0)
			{
				found = words[node].value;
				found_end = i + 1;
			}
		}
		steps += i - at;
		if (found < 0)
		{
			push_unknown(run, first, start, end);
			break;
		}
		lep_run_push(run, found, at, found_end);
		at = found_end;
		node = tables->continuing;
	}
	return lep_run_worked(run, steps);
}

/* Walk from node over the UTF-8 form of c. */
static uint32_t
step_char(const LepTrieUnit *units, size_t n_units, uint32_t node, uint32_t c)
{
	unsigned char bytes[4];
	size_t len = lep_utf8_encode(c, bytes);

	for (size_t i = 0; i < len && node != LEP_TRIE_NONE; i++)
		node = lep_trie_step(units, n_units, node, bytes[i]);
	return node;
}

/* Look up the word of chars[n]. */
static LepStatus
char_word(LepTokenRun *run, const LepChar *chars, size_t n)
{
	const struct LepTokenizerTables *tables = run->tables;
	size_t first = run->n;
	size_t steps = n;
	uint32_t node = LEP_TRIE_ROOT;
	LepStatus status;

	status = lep_run_reserve(run, n <= tables->max_chars ? n : 1);
	if (status != LEP_OK)
		return status;
	if (n > tables->max_chars)
	{
		push_unknown(run, first, chars[0].start, chars[n - 1].end);
		return lep_run_worked(run, steps);
	}
	for (size_t at = 0; at < n;)
	{
		int32_t found = -1;
		size_t found_end = at;
		size_t i = at;

		for (; i < n && node != LEP_TRIE_NONE; i++)
		{
			node = step_char(run->words, tables->words.n, node, chars[i].c);
			if (node != LEP_TRIE_NONE && run->words[node].value >= 0)
			{
				found = run->words[node].value;
				found_end = i + 1;
			}
		}
		steps += i - at;
		if (found < 0)
		{
			push_unknown(run, first, chars[0].start, chars[n - 1].end);
			break;
		}
		lep_run_push(run, found, chars[at].start, chars[found_end - 1].end);
		at = found_end;
		node = tables->continuing;
	}
	return lep_run_worked(run, steps);
}

/* Does a word end between a character with flags a and the next one with flags b? */
static inline bool
splits_between(uint32_t splits, uint32_t a, uint32_t b)
{
	uint32_t both = a | b;
	uint32_t differ = a ^ b;

	return ((splits & (LEP_SPLIT_SPACE | LEP_SPLIT_WORDS)) && (both & LEP_UC_SPACE)) ||
		   ((splits & LEP_SPLIT_PUNCT) && (both & LEP_UC_PUNCT)) ||
		   ((splits & LEP_SPLIT_WORDS) && (differ & LEP_UC_WORD));
}

/* Split chars[n] into words and look these up. */
LepStatus
lep_run_words(LepTokenRun *run, const LepChar *chars, size_t n)
{
	uint32_t splits = run->tables->splits;
	bool drops = (splits & (LEP_SPLIT_SPACE | LEP_SPLIT_WORDS)) != 0;
	size_t at = 0;
	LepStatus status = LEP_OK;

	while (at < n && status == LEP_OK && run->n <= run->limit)
	{
		uint32_t flags = lep_char_flags(chars[at].c);
		size_t start = at++;

		if (drops && (flags & LEP_UC_SPACE))
		{
			status = lep_run_worked(run, 1);
			continue;
		}
		while (at < n)
		{
			uint32_t next = lep_char_flags(chars[at].c);

			if (splits_between(splits, flags, next))
				break;
			flags = next;
			at++;
		}
		status = char_word(run, chars + start, at - start);
	}
	return status;
}

/* Tokenize text[start, end) by way of the normaliser. */
static LepStatus
slow_stretch(LepTokenRun *run, size_t start, size_t end)
{
	static const uint8_t lower = LEP_NORM_LOWER;
	LepCharBuffer *chars = &run->scratch->chars;
	LepStatus status;

	status = lep_chars_load(chars, run->text, start, end, run->stop, run->err);
	if (status == LEP_OK && run->lower_first)
		status = lep_chars_normalize(chars, &lower, 1, run->stop, run->err);
	if (status == LEP_OK)
		status = lep_chars_normalize(chars, run->tables->steps, run->tables->n_steps, run->stop,
									 run->err);
	if (status != LEP_OK)
		return status;
	return lep_run_normalized(run, chars->chars, chars->n);
}

/*
 * May a streaming tokenizer's text be cut in front of c?  White space is
 * dropped whatever stands beside it, and an ideograph between spaces is too;
 * neither takes part in a composition with what stands before it.
 */
static bool
cuts_before(const LepTokenRun *run, uint32_t c)
{
	uint32_t flags = lep_char_flags(c);

	if (LEP_UC_RANK(flags) != 0 || (flags & LEP_UC_REMOVED))
		return false;
	if (flags & LEP_UC_SPACE)
		return true;
	if (!(flags & LEP_UC_CJK))
		return false;
	for (size_t i = 0; i < run->tables->n_steps; i++)
		if (run->tables->steps[i] == LEP_NORM_CHINESE)
			return true;
	return false;
}

/* Find the end of what must go through the normaliser together with text[start]. */
static size_t
slow_end(const LepTokenRun *run, size_t start, size_t end)
{
	const unsigned char *text = (const unsigned char *) run->text;
	size_t at = start;

	while (at < end && run->tables->kind[text[at]] != LEP_BYTE_SPACE)
	{
		uint32_t c;
		size_t len = text[at] < 0x80 ? 1 : lep_utf8_decode(text + at, end - at, &c);

		if (len == 0)
			return end; /* the decoder that follows says where */
		if (len > 1 && at - start >= LONG_STRETCH && cuts_before(run, c))
			return at;
		at += len;
	}
	return at;
}

/* Tokenize text[start, end), ASCII words at once and others through the normaliser. */
static LepStatus
fast_stretch(LepTokenRun *run, size_t start, size_t end)
{
	const unsigned char *text = (const unsigned char *) run->text;
	const uint8_t *kind = run->tables->kind;
	size_t at = start;
	LepStatus status = LEP_OK;

	while (at < end && status == LEP_OK && run->n <= run->limit)
	{
		uint8_t now = kind[text[at]];
		size_t word = at;

		if (now == LEP_BYTE_SPACE)
		{
			while (at < end && kind[text[at]] == LEP_BYTE_SPACE)
				at++;
			status = lep_run_worked(run, at - word);
			continue;
		}
		if (now != LEP_BYTE_SLOW)
			at++;
		if (now == LEP_BYTE_WORD)
			while (at < end && kind[text[at]] == LEP_BYTE_WORD)
				at++;
		if (now != LEP_BYTE_SLOW && (at == end || kind[text[at]] != LEP_BYTE_SLOW))
			status = ascii_word(run, word, at);
		else
		{
			at = slow_end(run, word, end);
			status = slow_stretch(run, word, at);
		}
	}
	return status;
}

/* Tokenize text[start, end). */
LepStatus
lep_run_stretch(LepTokenRun *run, size_t start, size_t end)
{
	LepStatus status = LEP_OK;

	/* The byte table knows lower case only where the normaliser makes it. */
	if (run->tables->fast && (!run->lower_first || run->tables->fold['A'] == 'a'))
		return fast_stretch(run, start, end);
	if (!run->tables->streaming)
		return start < end ? slow_stretch(run, start, end) : LEP_OK;
	while (start < end && status == LEP_OK && run->n <= run->limit)
	{
		size_t at = slow_end(run, start, end);

		if (at == start)
			at++; /* white space goes with nothing */
		else
			status = slow_stretch(run, start, at);
		start = at;
	}
	return status;
}
