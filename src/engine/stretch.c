/*
 * stretch.c: a stretch of text without added tokens to pieces for the model:
 * normaliser and the simple splits.
 *
 * ASCII words, which the tables know byte by byte, go straight from the text
 * to the vocabulary of a WordPiece; a word with anything else in it, up to the
 * next white space, goes through the normaliser.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer_run.h"

#include "unicode.h"
#include "utf8.h"

/* A stretch longer than this is cut at other white space or between ideographs, if it can be. */
#define LONG_STRETCH ((size_t) 4096)

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

	if (run->tables->n_splits > 0)
		return lep_run_splits(run, chars, n);
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
		run->word++;
		status = run->piece(run, chars + start, at - start);
	}
	return status;
}

/* Tokenize text[start, end) by way of the normaliser. */
static LepStatus
slow_stretch(LepTokenRun *run, size_t start, size_t end)
{
	static const LepStep lower = {.kind = LEP_NORM_LOWER};
	LepCharBuffer *chars = &run->scratch->chars;
	LepStatus status;

	status = lep_chars_load(chars, run->text, start, end, run->stop, run->err);
	if (status == LEP_OK && run->lower_first)
		status = lep_chars_normalize(chars, &lower, 1, run->data, run->stop, run->err);
	if (status == LEP_OK)
		status = lep_chars_normalize(chars, run->tables->norms, run->tables->n_norms, run->data,
									 run->stop, run->err);
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
	for (size_t i = 0; i < run->tables->n_norms; i++)
		if (run->tables->norms[i].kind == LEP_NORM_CHINESE)
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
		{
			run->word++;
			status = lep_wordpiece_ascii(run, word, at);
		}
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
