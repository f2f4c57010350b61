/*
 * regex_parts.h: the syntax tree and the program of a regular expression;
 * private to regex*.c.
 *
 *		regex_parse.c	   -- pattern to tree
 *		regex_set.c		   -- sets of code points, properties, maps
 *		regex_compile.c	   -- tree to program
 *		regex.c			   -- runs programs
 */
#ifndef LEPTON_REGEX_PARTS_H
#define LEPTON_REGEX_PARTS_H

#include "regex.h"

#define LEP_REGEX_POINTS  0x110000u
#define LEP_REGEX_SETS	  256 /* different sets in a pattern */
#define LEP_REGEX_DEPTH	  64  /* groups within groups */
#define LEP_REGEX_CODE	  ((size_t) 16384)
#define LEP_REGEX_ENDLESS UINT32_MAX

/* A set of code points: sorted ranges [low, high] that do not touch. */
typedef struct LepCharRange
{
	uint32_t low, high;
} LepCharRange;

typedef struct LepCharSet
{
	LepCharRange *ranges; /* [n] */
	size_t n;
	size_t capacity;
} LepCharSet;

/* Bits of kinds behind the category's five; test/tools/make_regex_tables.py has the same order. */
typedef enum LepProperty
{
	LEP_PROPERTY_WORD,
	LEP_PROPERTY_ALPHA,
	LEP_PROPERTY_UPPER,
	LEP_PROPERTY_LOWER,
	LEP_PROPERTY_PUNCT,
	LEP_PROPERTY_GRAPH,
	LEP_PROPERTY_PRINT,
	LEP_PROPERTY_BLANK,
	LEP_PROPERTY_SPACE
} LepProperty;

/* All functions give false without memory; sets live in arena. */
bool lep_set_add(LepCharSet *set, uint32_t low, uint32_t high, LepArena *arena);
bool lep_set_add_all(LepCharSet *set, const LepCharSet *other, LepArena *arena);
bool lep_set_negate(LepCharSet *set, LepArena *arena);
bool lep_set_intersect(LepCharSet *set, const LepCharSet *other, LepArena *arena);
/* Sort and join the ranges. */
void lep_set_tidy(LepCharSet *set);
bool lep_set_has(const LepCharSet *set, uint32_t c);
bool lep_set_property(LepCharSet *set, LepProperty property, LepArena *arena);
/* Categories by bits 1 << number; see regex_set.c. */
bool lep_set_digits(LepCharSet *set, LepArena *arena);
/* The set that \p{name[len]} means; *known tells whether it is known. */
bool lep_set_named(LepCharSet *set, const char *name, size_t len, bool *known, LepArena *arena);
/*
 * Add to a tidy set what its members equal when case is ignored; *known false:
 * lepton does not know it all.  A set that is negated afterwards equals no
 * sequences of characters.
 */
bool lep_set_fold(LepCharSet *set, bool negated, bool *known, LepArena *arena);
/* Take out what \w has by itself but not within a set. */
bool lep_set_word_within(LepCharSet *set, LepArena *arena);

typedef enum LepNodeKind
{
	LEP_NODE_EMPTY,
	LEP_NODE_SET,
	LEP_NODE_CAT,	 /* first, then its siblings */
	LEP_NODE_ALT,	 /* first, or its siblings */
	LEP_NODE_REPEAT, /* of first */
	LEP_NODE_ATOMIC, /* first, without going back into it */
	LEP_NODE_LOOK,	 /* first, without taking it */
	LEP_NODE_ASSERT
} LepNodeKind;

typedef enum LepAssert
{
	LEP_ASSERT_LINE_START,
	LEP_ASSERT_LINE_END,
	LEP_ASSERT_START,
	LEP_ASSERT_END,
	LEP_ASSERT_LAST_END, /* the end, or the last line feed before it */
	LEP_ASSERT_WORD,
	LEP_ASSERT_NO_WORD
} LepAssert;

#define LEP_LOOK_BEHIND 1u
#define LEP_LOOK_NOT	2u

#define LEP_REPEAT_GREEDY	  0u
#define LEP_REPEAT_LAZY		  1u
#define LEP_REPEAT_POSSESSIVE 2u

typedef struct LepNode
{
	LepNodeKind kind;
	uint32_t flags; /* LEP_LOOK_, LEP_REPEAT_, LepAssert, or a set's number */
	uint32_t min, max;
	struct LepNode *first, *next;
} LepNode;

/* A pattern as it is read. */
typedef struct LepPattern
{
	const char *file, *part;
	const unsigned char *text; /* [len] */
	size_t len;
	LepArena *arena;
	LepCharSet sets[LEP_REGEX_SETS];
	size_t n_sets;
	LepNode *root;
	LepError *err;
} LepPattern;

LepStatus lep_regex_parse(LepPattern *p);
/* The number of a set that equals set; LEP_UNSUPPORTED when there are too many. */
LepStatus lep_regex_intern(LepPattern *p, const LepCharSet *set, uint32_t *number);
LepStatus lep_regex_unsupported(const LepPattern *p, const char *what);
LepStatus lep_regex_no_memory(const LepPattern *p);

typedef enum LepRegexOp
{
	LEP_OP_MATCH = 1,
	LEP_OP_SET,	   /* take a character of the set */
	LEP_OP_SPAN,   /* take x to y characters of the set; flags: LEP_REPEAT_ */
	LEP_OP_SPLIT,  /* go on at x, and if that fails at y */
	LEP_OP_JUMP,   /* go on at x */
	LEP_OP_ASSERT, /* x: LepAssert */
	LEP_OP_BACK,   /* go x characters back */
	LEP_OP_OPEN,   /* atomic group or look; flags: LEP_OPEN_; x: behind its close */
	LEP_OP_CLOSE,  /* of the same flags */
} LepRegexOp;

#define LEP_OPEN_ATOMIC 0u
#define LEP_OPEN_LOOK	1u
#define LEP_OPEN_NOT	2u

#define LEP_INS_PLAIN 1u /* more: a split that the memo leaves alone */
#define LEP_SET_NONE  UINT16_MAX

typedef struct LepRegexIns
{
	uint8_t op;
	uint8_t flags;
	uint16_t set; /* LEP_OP_SPLIT: x begins with one of these, or LEP_SET_NONE */
	uint32_t x, y;
	uint32_t memo; /* LEP_OP_SPLIT: its number in the memo, or UINT32_MAX */
} LepRegexIns;

/* Header of a program; offsets are bytes from here, 8-byte aligned. */
typedef struct LepRegex
{
	uint32_t size;
	uint32_t n_ins;
	uint32_t n_sets;
	uint32_t n_memo;
	uint32_t ins_at;  /* LepRegexIns[n_ins] */
	uint32_t sets_at; /* uint8_t[n_sets][256]: is a class in the set? */
	uint32_t map_at;  /* LepCharMap: code points to classes */
	uint32_t map_size;
	uint16_t word_set, newline_set; /* for assertions, or LEP_SET_NONE */
	uint32_t unused;
} LepRegex;

#endif
