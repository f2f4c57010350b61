/*
 * pretokenizer.c: the splits of a composition, one after another over a list
 * of pieces, as the PreTokenizedString of `tokenizers` does them; the pieces
 * that are left go to the model.  The simple splits of WordPiece are stretch.c.
 */
#define LEPTON_ENGINE_SOURCE
#include "tokenizer_run.h"

#include <string.h>

#include "unicode.h"
#include "utf8.h"

#define NO_START SIZE_MAX

/* The pieces of a text between two splits, and what the split under way makes of them. */
typedef struct Pieces
{
	LepTokenRun *run;
	const LepChar *chars; /* [n_chars] */
	size_t n_chars;
	LepRange *in; /* [n_in] */
	size_t n_in;
	LepRange *out; /* [n_out] */
	size_t n_out;
	size_t out_capacity;
	LepRunMemory out_memory;
	/* The behavior of the split, and the piece that may still grow. */
	uint32_t behavior;
	LepRange pending;
	bool has_pending;
	bool pending_match;
} Pieces;

/* Append a piece unless it is empty. */
static LepStatus
emit(Pieces *p, size_t start, size_t end)
{
	if (start >= end)
		return LEP_OK;
	if (p->n_out == p->out_capacity)
	{
		size_t capacity = p->n_out + p->n_out / 2 + 64;

		p->out = lep_run_memory(p->run->scratch, p->out_memory, capacity, sizeof(LepRange),
								p->n_out * sizeof(LepRange));
		if (p->out == NULL)
			return lep_run_no_memory(p->run);
		p->out_capacity = capacity;
	}
	p->out[p->n_out].start = start;
	p->out[p->n_out++].end = end;
	return LEP_OK;
}

/* Emit the piece that may no longer grow. */
static LepStatus
settle(Pieces *p)
{
	if (!p->has_pending)
		return LEP_OK;
	p->has_pending = false;
	return emit(p, p->pending.start, p->pending.end);
}

/* Take the next part of a piece, a match or what lies between, as the behavior says. */
static LepStatus
feed(Pieces *p, size_t start, size_t end, bool match)
{
	LepRange now = {start, end};
	bool joins = false;
	LepStatus status = LEP_OK;

	if (p->behavior & LEP_BEHAVIOR_INVERT)
		match = !match;
	switch (p->behavior & LEP_BEHAVIOR_MASK)
	{
		case LEP_BEHAVIOR_REMOVED:
			return match ? LEP_OK : emit(p, start, end);
		case LEP_BEHAVIOR_ISOLATED:
			return emit(p, start, end);
		case LEP_BEHAVIOR_CONTIGUOUS:
			joins = match == p->pending_match;
			break;
		case LEP_BEHAVIOR_PREVIOUS:
			joins = match && !p->pending_match;
			break;
		default: /* LEP_BEHAVIOR_NEXT */
			joins = !match && p->pending_match;
			break;
	}
	if (joins && p->has_pending)
		p->pending.end = end;
	else
	{
		status = settle(p);
		p->pending = now;
		p->has_pending = true;
	}
	p->pending_match = match;
	return status;
}

/* Start the parts of a piece. */
static void
start_piece(Pieces *p, uint32_t behavior)
{
	p->behavior = behavior;
	p->has_pending = false;
	p->pending_match = false;
}

/* Which characters a split is about. */
typedef struct Wanted
{
	const LepCharMap *map; /* those that it maps to 1, or, without it, */
	uint32_t flags;		   /* those that have one of these LEP_UC_ bits, or, without any, */
	uint32_t c;			   /* this one */
} Wanted;

/* Is c wanted? */
static inline bool
is_wanted(Wanted wanted, uint32_t c)
{
	if (wanted.map != NULL)
		return lep_char_map_get(wanted.map, c) != 0;
	return wanted.flags != 0 ? (lep_char_flags(c) & wanted.flags) != 0 : c == wanted.c;
}

/* Split at every character that is wanted. */
static LepStatus
split_at(Pieces *p, LepRange piece, Wanted wanted, uint32_t behavior)
{
	size_t last = piece.start;
	LepStatus status = LEP_OK;

	start_piece(p, behavior);
	for (size_t i = piece.start; i < piece.end && status == LEP_OK; i++)
	{
		if (!is_wanted(wanted, p->chars[i].c))
			continue;
		if (last < i)
			status = feed(p, last, i, false);
		if (status == LEP_OK)
			status = feed(p, i, i + 1, true);
		last = i + 1;
	}
	if (status == LEP_OK && last < piece.end)
		status = feed(p, last, piece.end, false);
	return status == LEP_OK ? settle(p) : status;
}

/* Split into runs of \w and of others, and drop white space. */
static LepStatus
split_words(Pieces *p, LepRange piece)
{
	LepStatus status = LEP_OK;

	for (size_t i = piece.start; i < piece.end && status == LEP_OK;)
	{
		uint32_t flags = lep_char_flags(p->chars[i].c);
		size_t start = i++;

		if (flags & LEP_UC_SPACE)
			continue;
		while (i < piece.end)
		{
			uint32_t next = lep_char_flags(p->chars[i].c);

			if ((next & LEP_UC_SPACE) || ((next ^ flags) & LEP_UC_WORD))
				break;
			i++;
		}
		status = emit(p, start, i);
	}
	return status;
}

/* Split at a string. */
static LepStatus
split_string(Pieces *p, LepRange piece, const LepStep *step)
{
	const unsigned char *bytes = p->run->data.bytes + step->offset;
	size_t last = piece.start;
	size_t i = piece.start;
	LepStatus status = LEP_OK;

	start_piece(p, step->flags);
	while (i <= piece.end && status == LEP_OK)
	{
		size_t at = 0;
		size_t j = i;

		while (at < step->len && j < piece.end)
		{
			uint32_t c;
			size_t len = lep_utf8_decode(bytes + at, step->len - at, &c);

			if (len == 0 || c != p->chars[j].c)
				break;
			at += len;
			j++;
		}
		if (at < step->len)
		{
			i++;
			continue;
		}
		if (last < i)
			status = feed(p, last, i, false);
		if (status == LEP_OK)
			status = feed(p, i, j, true);
		last = j;
		/* An empty string is found before every character and at the end. */
		i = j > i ? j : i + 1;
	}
	if (status == LEP_OK && last < piece.end)
		status = feed(p, last, piece.end, false);
	return status == LEP_OK ? settle(p) : status;
}

/* Split where the script changes; white space at a piece's start vanishes, as in the library. */
static LepStatus
split_scripts(Pieces *p, LepRange piece, const LepCharMap *map)
{
	size_t start = NO_START;
	uint8_t last = 0;
	LepStatus status = LEP_OK;

	for (size_t i = piece.start; i < piece.end && status == LEP_OK; i++)
	{
		uint8_t script = lep_char_map_get(map, p->chars[i].c);

		if (script == 0)
			continue;
		if (script != last)
		{
			if (start != NO_START)
				status = emit(p, start, i);
			start = i;
		}
		last = script;
	}
	return status == LEP_OK && start != NO_START ? emit(p, start, piece.end) : status;
}

/* Split at the matches of a regular expression, which m was started with. */
static LepStatus
split_regex(Pieces *p, LepRange piece, LepRegexMatcher *m, uint32_t behavior)
{
	size_t last = piece.start;
	size_t start, end;
	bool found;
	LepStatus status;

	start_piece(p, behavior);
	lep_regex_window(m, piece.start, piece.end);
	while ((status = lep_regex_next(m, &start, &end, &found)) == LEP_OK && found)
	{
		if (last != start)
			status = feed(p, last, start, false);
		if (status == LEP_OK)
			status = feed(p, start, end, true);
		if (status != LEP_OK)
			return status;
		last = end;
	}
	if (status == LEP_OK && last < piece.end)
		status = feed(p, last, piece.end, false);
	return status == LEP_OK ? settle(p) : status;
}

/* Split into pieces of length characters. */
static LepStatus
split_fixed(Pieces *p, LepRange piece, uint32_t length)
{
	LepStatus status = LEP_OK;

	for (size_t i = piece.start; i < piece.end && status == LEP_OK;)
	{
		size_t end = piece.end - i > length ? i + length : piece.end;

		status = emit(p, i, end);
		i = end;
	}
	return status;
}

/* Make what the split under way gave its successor's input. */
static void
swap_pieces(Pieces *p)
{
	p->in = p->out;
	p->n_in = p->n_out;
	p->out_memory = p->out_memory == LEP_MEMORY_PIECES ? LEP_MEMORY_PIECES2 : LEP_MEMORY_PIECES;
	p->out = p->run->scratch->blocks[p->out_memory].bytes;
	p->out_capacity = p->run->scratch->blocks[p->out_memory].size / sizeof(LepRange);
	p->n_out = 0;
}

/* Make buffer->spare, with n characters in it, the text. */
static void
take_chars(Pieces *p, size_t n)
{
	LepCharBuffer *buffer = &p->run->scratch->split_chars;
	LepChar *chars = buffer->spare;
	size_t capacity = buffer->spare_capacity;

	buffer->spare = buffer->chars;
	buffer->spare_capacity = buffer->capacity;
	buffer->chars = chars;
	buffer->capacity = capacity;
	p->chars = chars;
	p->n_chars = n;
}

/* Room for n characters, which may be none, in the buffer's spare. */
static LepStatus
spare_chars(Pieces *p, size_t n, LepChar **chars)
{
	LepCharBuffer *buffer = &p->run->scratch->split_chars;
	LepStatus status = lep_chars_reserve(buffer->allocator, &buffer->spare, &buffer->spare_capacity,
										 n > 0 ? n : 1, p->run->err);

	*chars = buffer->spare;
	return status;
}

/*
 * Rewrite the text: from (0: none) becomes c, and c stands in front of every
 * piece that prefix asks for and that does not begin with it.
 */
static LepStatus
rewrite(Pieces *p, uint32_t from, uint32_t c, uint32_t prefix)
{
	LepChar *chars;
	size_t n = 0;
	LepStatus status = spare_chars(p, p->n_chars + p->n_in, &chars);

	if (status != LEP_OK)
		return status;
	for (size_t i = 0; i < p->n_in; i++)
	{
		LepRange piece = p->in[i];
		LepChar first = p->chars[piece.start];

		p->in[i].start = n;
		if (from != 0 && first.c == from)
			first.c = c;
		if (first.c != c &&
			((prefix & LEP_META_ALWAYS) || ((prefix & LEP_META_FIRST) && first.start == 0)))
		{
			chars[n] = first;
			chars[n++].c = c;
		}
		for (size_t j = piece.start; j < piece.end; j++)
		{
			chars[n] = p->chars[j];
			if (from != 0 && chars[n].c == from)
				chars[n].c = c;
			n++;
		}
		p->in[i].end = n;
	}
	take_chars(p, n);
	return lep_run_worked(p->run, n);
}

/* The character that stands for a byte in byte-level tokenizers. */
static uint32_t
byte_char(unsigned char b)
{
	if (b <= 0x20)
		return 0x100u + b;
	if (b >= 0x7F && b <= 0xA0)
		return 0x121u + (b - 0x7Fu);
	return b == 0xAD ? 0x143u : b;
}

/* Replace every character by the characters of its bytes. */
static LepStatus
spell_bytes(Pieces *p)
{
	LepChar *chars;
	size_t need = 0;
	size_t n = 0;
	LepStatus status;

	for (size_t i = 0; i < p->n_in; i++)
		for (size_t j = p->in[i].start; j < p->in[i].end; j++)
			need += lep_utf8_length(p->chars[j].c);
	status = spare_chars(p, need, &chars);
	if (status != LEP_OK)
		return status;
	for (size_t i = 0; i < p->n_in; i++)
	{
		LepRange piece = p->in[i];

		p->in[i].start = n;
		for (size_t j = piece.start; j < piece.end; j++)
		{
			unsigned char bytes[4];
			size_t len = lep_utf8_encode(p->chars[j].c, bytes);

			for (size_t k = 0; k < len; k++)
			{
				chars[n] = p->chars[j];
				chars[n++].c = byte_char(bytes[k]);
			}
		}
		p->in[i].end = n;
	}
	take_chars(p, n);
	return lep_run_worked(p->run, n);
}

/* Split one piece, by a split that rewrites nothing; m is started where it is by a regex. */
static LepStatus
split_piece(Pieces *p, LepRange piece, const LepStep *step, LepRegexMatcher *m)
{
	const LepCharMap *map = (const void *) (p->run->data.bytes + step->offset);
	Wanted space = {NULL, LEP_UC_SPACE, 0};
	Wanted punctuation = {NULL, LEP_UC_PUNCT, 0};
	Wanted character = {NULL, 0, step->flags};
	Wanted digit = {map, 0, 0};

	switch ((LepPreKind) step->kind)
	{
		case LEP_PRE_SPACE:
		case LEP_PRE_BERT:
			return split_at(p, piece, space, LEP_BEHAVIOR_REMOVED);
		case LEP_PRE_WORDS:
			return split_words(p, piece);
		case LEP_PRE_PUNCTUATION:
			return split_at(p, piece, punctuation, step->flags);
		case LEP_PRE_CHAR:
			return split_at(p, piece, character, LEP_BEHAVIOR_REMOVED);
		case LEP_PRE_FIXED:
			return split_fixed(p, piece, step->flags);
		case LEP_PRE_METASPACE:
			character.c = LEP_META_CHAR(step->flags);
			return split_at(p, piece, character, LEP_BEHAVIOR_NEXT);
		case LEP_PRE_STRING:
			return split_string(p, piece, step);
		case LEP_PRE_DIGITS:
			return split_at(p, piece, digit, step->flags);
		case LEP_PRE_SCRIPTS:
			return split_scripts(p, piece, map);
		case LEP_PRE_BYTES:
			return split_regex(p, piece, m, LEP_BEHAVIOR_ISOLATED);
		case LEP_PRE_REGEX:
			return split_regex(p, piece, m, step->flags);
	}
	return emit(p, piece.start, piece.end);
}

/* Split all pieces. */
static LepStatus
split_all(Pieces *p, const LepStep *step)
{
	LepRegexMatcher m;
	LepStatus status = LEP_OK;

	if (step->kind == LEP_PRE_REGEX || step->kind == LEP_PRE_BYTES)
		status = lep_regex_start(&m, p->run->data.bytes + step->offset,
								 &p->run->scratch->split_chars.regex, p->chars, p->n_chars,
								 p->run->stop, p->run->err);
	for (size_t i = 0; i < p->n_in && status == LEP_OK; i++)
	{
		status = split_piece(p, p->in[i], step, &m);
		if (status == LEP_OK)
			status = lep_run_worked(p->run, p->in[i].end - p->in[i].start);
	}
	swap_pieces(p);
	return status;
}

/* Apply one split to all pieces. */
static LepStatus
apply(Pieces *p, const LepStep *step)
{
	static const LepStep punctuation = {.kind = LEP_PRE_PUNCTUATION,
										.flags = LEP_BEHAVIOR_ISOLATED};
	LepStatus status = LEP_OK;

	switch ((LepPreKind) step->kind)
	{
		case LEP_PRE_BERT:
			status = split_all(p, step);
			return status == LEP_OK ? split_all(p, &punctuation) : status;
		case LEP_PRE_METASPACE:
			status = rewrite(p, ' ', LEP_META_CHAR(step->flags), step->flags);
			return status == LEP_OK && (step->flags & LEP_META_SPLIT) ? split_all(p, step) : status;
		case LEP_PRE_BYTES:
			if (step->flags & LEP_BYTES_PREFIX)
				status = rewrite(p, 0, ' ', LEP_META_ALWAYS);
			if (status == LEP_OK && (step->flags & LEP_BYTES_REGEX))
				status = split_all(p, step);
			return status == LEP_OK ? spell_bytes(p) : status;
		default:
			return split_all(p, step);
	}
}

/* Split chars[n] and tokenize the pieces. */
LepStatus
lep_run_splits(LepTokenRun *run, const LepChar *chars, size_t n)
{
	Pieces p = {.run = run, .chars = chars, .n_chars = n, .out_memory = LEP_MEMORY_PIECES2};
	LepStatus status;

	p.out_capacity = run->scratch->blocks[p.out_memory].size / sizeof(LepRange);
	p.out = run->scratch->blocks[p.out_memory].bytes;
	status = emit(&p, 0, n);
	if (status != LEP_OK)
		return status;
	swap_pieces(&p);
	for (uint32_t i = 0; i < run->tables->n_splits && status == LEP_OK; i++)
		status = apply(&p, &run->tables->split_steps[i]);
	for (size_t i = 0; i < p.n_in && status == LEP_OK && run->n <= run->limit; i++)
	{
		run->word++;
		status = run->piece(run, p.chars + p.in[i].start, p.in[i].end - p.in[i].start);
	}
	return status;
}
