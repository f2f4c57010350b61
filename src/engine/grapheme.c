/*
 * grapheme.c: the rules GB3 to GB11 of UAX #29 over generated classes; knows
 * no text beyond the grapheme it is in.
 */
#define LEPTON_ENGINE_SOURCE
#include "grapheme.h"

#include "grapheme.inc"

/* What the rules tell apart; the generator of grapheme.inc has the same order. */
typedef enum GraphemeClass
{
	OTHER,
	CONTROL,
	CR,
	LF,
	EXTEND,
	ZWJ,
	SPACING,
	PREPEND,
	HANGUL_L,
	HANGUL_V,
	HANGUL_T,
	HANGUL_LV,
	HANGUL_LVT,
	PICTURE,
	CONSONANT,
	INDIC_EXTEND, /* EXTEND that a conjunct goes on over */
	INDIC_LINKER  /* EXTEND that joins consonants */
} GraphemeClass;

/* What came before in the grapheme, for the rules that look further back than one character. */
typedef struct Context
{
	bool picture;	/* a picture and EXTENDs, nothing since (GB11) */
	bool joiner;	/* the same and one ZWJ */
	bool consonant; /* a consonant and INDIC_s, nothing since (GB9c) */
	bool linked;	/* with a linker among these */
} Context;

/* Find the class of c. */
static GraphemeClass
class_of(uint32_t c)
{
	size_t low = 0;
	size_t high = sizeof(runs) / sizeof(runs[0]);

	if (c >= 0x20 && c < 0x7F)
		return OTHER;
	while (high - low > 1)
	{
		size_t middle = low + (high - low) / 2;

		if (runs[middle] >> 8 <= c)
			low = middle;
		else
			high = middle;
	}
	return (GraphemeClass) (runs[low] & 0xFF);
}

/* Does a character that sticks to the one before it have this class? */
static bool
extends(GraphemeClass k)
{
	return k == EXTEND || k == ZWJ || k == INDIC_EXTEND || k == INDIC_LINKER;
}

/* Is there no boundary between characters of these classes? */
static bool
joins(GraphemeClass before, GraphemeClass after, const Context *context)
{
	if (before == CR && after == LF)
		return true;
	if (before == CONTROL || before == CR || before == LF || after == CONTROL || after == CR ||
		after == LF)
		return false;
	if (extends(after) || after == SPACING || before == PREPEND)
		return true;
	switch (after)
	{
		case HANGUL_L:
		case HANGUL_LV:
		case HANGUL_LVT:
			return before == HANGUL_L;
		case HANGUL_V:
			return before == HANGUL_L || before == HANGUL_LV || before == HANGUL_V;
		case HANGUL_T:
			return before == HANGUL_LV || before == HANGUL_V || before == HANGUL_LVT ||
				   before == HANGUL_T;
		case CONSONANT:
			return context->consonant && context->linked;
		case PICTURE:
			return context->joiner;
		default:
			return false;
	}
}

/* Take a character of class k into the context. */
static void
remember(Context *context, GraphemeClass k)
{
	bool indic = k == INDIC_EXTEND || k == INDIC_LINKER || k == ZWJ;

	context->joiner = k == ZWJ && context->picture;
	context->picture = k == PICTURE || (context->picture && extends(k) && k != ZWJ);
	if (k == CONSONANT)
		context->linked = false;
	context->consonant = k == CONSONANT || (context->consonant && indic);
	context->linked = context->consonant && (context->linked || k == INDIC_LINKER);
}

/* Find the end of a grapheme. */
size_t
lep_grapheme_end(const LepChar *chars, size_t n, size_t at)
{
	Context context = {0};
	GraphemeClass before = class_of(chars[at].c);

	/* Nothing sticks to ASCII before ASCII but a line feed to a carriage return. */
	if (chars[at].c < 0x80 && at + 1 < n && chars[at + 1].c < 0x80)
		return at + (chars[at].c == '\r' && chars[at + 1].c == '\n' ? 2 : 1);
	remember(&context, before);
	for (at++; at < n; at++)
	{
		GraphemeClass now = class_of(chars[at].c);

		if (!joins(before, now, &context))
			break;
		remember(&context, now);
		before = now;
	}
	return at;
}
