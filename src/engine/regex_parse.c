/*
 * regex_parse.c: a pattern in Oniguruma's Ruby syntax to a tree; refuses by
 * name what lepton does not do.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "regex_parts.h"
#include "utf8.h"

#define REPEAT_MAX 1000 /* of a counted repeat */

#define N_KINDS 6 /* of groups whose start says it all */

#define OPTION_CASE	  1u /* (?i) */
#define OPTION_LINES  2u /* (?m): a dot takes line feeds */
#define OPTION_SPACED 4u /* (?x) */

/* Where the reader stands. */
typedef struct Parser
{
	LepPattern *p;
	size_t at;
	uint32_t options; /* OPTION_ */
	int depth;
	/* The last character read outside sets with its case ignored, for sequences that equal one. */
	uint32_t last;
	size_t last_end;
} Parser;

static LepStatus parse_alternatives(Parser *r, LepNode **out);

/* Say that memory ran out. */
LepStatus
lep_regex_no_memory(const LepPattern *p)
{
	return lep_error(p->err, LEP_NO_MEMORY, "out of memory building a tokenizer");
}

/* Refuse something that lepton does not do. */
LepStatus
lep_regex_unsupported(const LepPattern *p, const char *what)
{
	char quoted[LEP_QUOTE_SIZE];

	lep_error(p->err, LEP_UNSUPPORTED, "regular expression of file \"%s\" is not supported",
			  p->file);
	lep_error_detail(p->err, "The %s has %s in \"%s\".", p->part, what,
					 lep_error_quote(quoted, sizeof(quoted), (const char *) p->text, p->len));
	return LEP_UNSUPPORTED;
}

/* Refuse a pattern that is none. */
static LepStatus
malformed(const LepPattern *p, const char *what)
{
	char quoted[LEP_QUOTE_SIZE];

	lep_error(p->err, LEP_BAD_FILE, "regular expression of file \"%s\" is malformed", p->file);
	lep_error_detail(p->err, "The %s has %s in \"%s\".", p->part, what,
					 lep_error_quote(quoted, sizeof(quoted), (const char *) p->text, p->len));
	return LEP_BAD_FILE;
}

/* Is text next? */
static bool
is_next(const Parser *r, const char *text)
{
	size_t len = strlen(text);

	return r->p->len - r->at >= len && memcmp(r->p->text + r->at, text, len) == 0;
}

/* Is there nothing left? */
static bool
is_end(const Parser *r)
{
	return r->at >= r->p->len;
}

/* Make a node; NULL without memory. */
static LepNode *
new_node(Parser *r, LepNodeKind kind, LepNode *first)
{
	LepNode *node = lep_arena_alloc(r->p->arena, sizeof(LepNode));

	if (node != NULL)
	{
		node->kind = kind;
		node->first = first;
	}
	return node;
}

/* Make a node of a tidy set. */
static LepStatus
set_node(Parser *r, const LepCharSet *set, LepNode **out)
{
	*out = new_node(r, LEP_NODE_SET, NULL);
	return *out == NULL ? lep_regex_no_memory(r->p) : lep_regex_intern(r->p, set, &(*out)->flags);
}

/* Read the next character of the pattern. */
static LepStatus
next_char(Parser *r, uint32_t *c)
{
	size_t len = lep_utf8_decode(r->p->text + r->at, r->p->len - r->at, c);

	r->at += len;
	return len == 0 ? malformed(r->p, "an incomplete end") : LEP_OK;
}

/* Read up to max hexadecimal digits. */
static uint32_t
read_hex(Parser *r, int max, int *n)
{
	uint32_t value = 0;

	for (*n = 0; *n < max && !is_end(r); ++*n, r->at++)
	{
		unsigned char c = r->p->text[r->at];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint32_t) (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value << 4 | (uint32_t) ((c | 0x20) - 'a' + 10);
		else
			break;
	}
	return value;
}

/* Read the number of an escape like \x41; the letter x or u is read. */
static LepStatus
hex_escape(Parser *r, unsigned char letter, uint32_t *c)
{
	int n;

	if (letter == 'x' && is_next(r, "{"))
	{
		r->at++;
		*c = read_hex(r, 8, &n);
		if (n == 0 || !is_next(r, "}"))
			return lep_regex_unsupported(r->p, "an unusual \\x{...}");
		r->at++;
	}
	else
	{
		*c = read_hex(r, letter == 'x' ? 2 : 4, &n);
		if (n != (letter == 'x' ? 2 : 4))
			return lep_regex_unsupported(r->p, "an unusual \\x or \\u");
		if (letter == 'x' && *c >= 0x80)
			return lep_regex_unsupported(r->p, "a byte that is no character");
	}
	if (*c >= LEP_REGEX_POINTS || (*c >= 0xD800 && *c < 0xE000))
		return malformed(r->p, "a number that is no character");
	return LEP_OK;
}

/* Read a property behind \p or \P, from its brace on. */
static LepStatus
read_property(Parser *r, bool negate, bool within, LepCharSet *set)
{
	const unsigned char *name;
	const unsigned char *end;
	bool known;

	r->at++;
	if (is_next(r, "^"))
	{
		negate = !negate;
		r->at++;
	}
	name = r->p->text + r->at;
	end = memchr(name, '}', r->p->len - r->at);
	if (end == NULL)
		return malformed(r->p, "a property without end");
	r->at += (size_t) (end - name) + 1;
	if (!lep_set_named(set, (const char *) name, (size_t) (end - name), &known, r->p->arena) ||
		(within && end - name == 4 && (name[0] | 0x20) == 'w' && (name[1] | 0x20) == 'o' &&
		 (name[2] | 0x20) == 'r' && (name[3] | 0x20) == 'd' &&
		 !lep_set_word_within(set, r->p->arena)))
		return lep_regex_no_memory(r->p);
	if (!known)
		return lep_regex_unsupported(r->p, "an unknown property");
	if (negate && !lep_set_negate(set, r->p->arena))
		return lep_regex_no_memory(r->p);
	return LEP_OK;
}

/* The set of \d, \w, \s, \h (letter in lower case), within a set or by itself. */
static bool
letter_set(Parser *r, unsigned char letter, bool within, LepCharSet *set)
{
	LepArena *arena = r->p->arena;

	switch (letter)
	{
		case 'd':
			return lep_set_digits(set, arena);
		case 'w':
			return lep_set_property(set, LEP_PROPERTY_WORD, arena) &&
				   (!within || lep_set_word_within(set, arena));
		case 's':
			return lep_set_property(set, LEP_PROPERTY_SPACE, arena);
		default:
			return lep_set_add(set, '0', '9', arena) && lep_set_add(set, 'A', 'F', arena) &&
				   lep_set_add(set, 'a', 'f', arena);
	}
}

/*
 * Read an escape behind its backslash that means a character (*c) or a set
 * (*is_set); what means neither is left for the caller (*other).
 */
static LepStatus
read_escape(Parser *r, bool within, uint32_t *c, LepCharSet *set, bool *is_set,
			unsigned char *other)
{
	static const char from[] = "tnrfvae";
	static const char to[] = "\t\n\r\f\v\a\x1B";
	unsigned char letter;
	LepStatus status;

	*is_set = false;
	*other = 0;
	if (is_end(r))
		return malformed(r->p, "a backslash at its end");
	letter = r->p->text[r->at];
	if (letter >= 0x80)
		return next_char(r, c);
	r->at++;
	*c = letter;
	if (strchr("dwsh", letter | 0x20) != NULL && letter >= 'A')
	{
		*is_set = true;
		if (!letter_set(r, letter | 0x20, within, set) ||
			(letter < 'a' && !lep_set_negate(set, r->p->arena)))
			return lep_regex_no_memory(r->p);
		lep_set_tidy(set);
		return LEP_OK;
	}
	if ((letter == 'p' || letter == 'P') && is_next(r, "{"))
	{
		*is_set = true;
		status = read_property(r, letter == 'P', within, set);
		lep_set_tidy(set);
		return status;
	}
	if (letter == 'x' || letter == 'u')
		return hex_escape(r, letter, c);
	if (letter != '\0' && strchr(from, letter) != NULL)
	{
		*c = (unsigned char) to[strchr(from, letter) - from];
		return LEP_OK;
	}
	if ((letter >= '0' && letter <= '9') || ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z'))
		*other = letter;
	return LEP_OK;
}

/* Read [:name:] inside a set, behind its first bracket; *is_one tells whether it is one. */
static LepStatus
read_posix(Parser *r, LepCharSet *set, bool *is_one)
{
	LepCharSet named = {0};
	bool negate = is_next(r, ":^");
	size_t start = r->at + (negate ? 2 : 1);
	size_t end = start;
	bool known;

	while (end < r->p->len && r->p->text[end] >= 'a' && r->p->text[end] <= 'z')
		end++;
	*is_one = is_next(r, ":") && r->p->len - end >= 2 && memcmp(r->p->text + end, ":]", 2) == 0;
	if (!*is_one)
		return LEP_OK;
	known = true;
	if (end - start == 5 && memcmp(r->p->text + start, "punct", 5) == 0)
	{
		if (!lep_set_property(&named, LEP_PROPERTY_PUNCT, r->p->arena))
			return lep_regex_no_memory(r->p);
	}
	else if (!lep_set_named(&named, (const char *) r->p->text + start, end - start, &known,
							r->p->arena) ||
			 (end - start == 4 && memcmp(r->p->text + start, "word", 4) == 0 &&
			  !lep_set_word_within(&named, r->p->arena)))
		return lep_regex_no_memory(r->p);
	if (!known)
		return malformed(r->p, "an unknown class");
	r->at = end + 2;
	if ((negate && !lep_set_negate(&named, r->p->arena)) ||
		!lep_set_add_all(set, &named, r->p->arena))
		return lep_regex_no_memory(r->p);
	return LEP_OK;
}

static LepStatus parse_set(Parser *r, bool outer, LepCharSet *out);

/* Read one item of a set: a character (*c) or a set (*is_set). */
static LepStatus
set_item(Parser *r, uint32_t *c, LepCharSet *set, bool *is_set)
{
	unsigned char other;
	bool posix;
	LepStatus status;

	*is_set = false;
	memset(set, 0, sizeof(*set));
	if (is_next(r, "["))
	{
		r->at++;
		status = read_posix(r, set, &posix);
		*is_set = true;
		return status != LEP_OK || posix ? status : parse_set(r, false, set);
	}
	if (!is_next(r, "\\"))
		return next_char(r, c);
	r->at++;
	status = read_escape(r, true, c, set, is_set, &other);
	if (status != LEP_OK || other == 0)
		return status;
	if (other == 'b')
		*c = '\b';
	else if ((other >= '0' && other <= '9') || strchr("cCMRXkKgG", other) != NULL)
		return lep_regex_unsupported(r->p, "an unusual escape in a set");
	return LEP_OK;
}

/* Add a character or a range that begins with it. */
static LepStatus
add_range(Parser *r, LepCharSet *set, uint32_t low)
{
	uint32_t high = low;

	/* A hyphen before the end is itself. */
	if (is_next(r, "-") && !is_next(r, "-]") && !is_next(r, "-&&"))
	{
		LepCharSet unwanted;
		bool is_set;
		LepStatus status;

		r->at++;
		if (is_next(r, "["))
			return lep_regex_unsupported(r->p, "a range up to a set");
		status = set_item(r, &high, &unwanted, &is_set);
		if (status != LEP_OK)
			return status;
		if (is_set)
			return lep_regex_unsupported(r->p, "a range up to a set");
		if (high < low)
			return malformed(r->p, "an empty range");
	}
	return lep_set_add(set, low, high, r->p->arena) ? LEP_OK : lep_regex_no_memory(r->p);
}

/* Read the part of a set up to "&&" or its end. */
static LepStatus
set_part(Parser *r, LepCharSet *part, bool first)
{
	LepStatus status = LEP_OK;

	while (status == LEP_OK && !is_end(r) && (first || !is_next(r, "]")) && !is_next(r, "&&"))
	{
		LepCharSet set;
		uint32_t c = 0;
		bool is_set;

		first = false;
		status = set_item(r, &c, &set, &is_set);
		if (status != LEP_OK)
			break;
		if (!is_set)
			status = add_range(r, part, c);
		else if (!lep_set_add_all(part, &set, r->p->arena))
			status = lep_regex_no_memory(r->p);
		else if (is_next(r, "-") && !is_next(r, "-]"))
			status = lep_regex_unsupported(r->p, "a range from a set");
	}
	lep_set_tidy(part);
	return status;
}

/* Ignore case in a set, if that is asked for. */
static LepStatus
fold(Parser *r, LepCharSet *set, bool negated)
{
	bool known;

	if (!(r->options & OPTION_CASE))
		return LEP_OK;
	lep_set_tidy(set);
	if (!lep_set_fold(set, negated, &known, r->p->arena))
		return lep_regex_no_memory(r->p);
	return known ? LEP_OK : lep_regex_unsupported(r->p, "ignored case beyond ASCII");
}

/* Read a set behind its opening bracket; outer: it stands in no other set. */
static LepStatus
parse_set(Parser *r, bool outer, LepCharSet *out)
{
	bool negate = is_next(r, "^");
	LepCharSet set = {0};
	LepStatus status;

	if (++r->depth > LEP_REGEX_DEPTH)
		return lep_regex_unsupported(r->p, "too many sets within sets");
	r->at += negate;
	/* A closing bracket at the start is itself. */
	status = set_part(r, &set, is_next(r, "]"));
	while (status == LEP_OK && is_next(r, "&&"))
	{
		LepCharSet part = {0};

		r->at += 2;
		status = set_part(r, &part, false);
		if (status == LEP_OK && !lep_set_intersect(&set, &part, r->p->arena))
			status = lep_regex_no_memory(r->p);
	}
	if (status != LEP_OK)
		return status;
	if (is_end(r))
		return malformed(r->p, "a set without end");
	r->at++;
	r->depth--;
	status = outer ? fold(r, &set, negate) : LEP_OK;
	if (status != LEP_OK)
		return status;
	if (negate && !lep_set_negate(&set, r->p->arena))
		return lep_regex_no_memory(r->p);
	*out = set;
	return LEP_OK;
}

/* Make a node of one character. */
static LepStatus
char_node(Parser *r, uint32_t c, size_t start, LepNode **out)
{
	static const char *const ligatures[] = {"ss", "ff", "fi", "fl", "st"};
	LepCharSet set = {0};
	LepStatus status;

	if (!lep_set_add(&set, c, c, r->p->arena))
		return lep_regex_no_memory(r->p);
	for (size_t i = 0; (r->options & OPTION_CASE) && i < 5; i++)
		if (r->last_end == start && (r->last | 0x20) == (unsigned char) ligatures[i][0] &&
			(c | 0x20) == (unsigned char) ligatures[i][1])
			return lep_regex_unsupported(r->p,
										 "letters that equal a ligature when case is ignored");
	r->last = c;
	r->last_end = r->at;
	status = fold(r, &set, false);
	return status == LEP_OK ? set_node(r, &set, out) : status;
}

/* Make a node of an assertion. */
static LepStatus
assert_node(Parser *r, LepAssert kind, LepNode **out)
{
	*out = new_node(r, LEP_NODE_ASSERT, NULL);
	if (*out == NULL)
		return lep_regex_no_memory(r->p);
	(*out)->flags = kind;
	return LEP_OK;
}

/* Read an escape outside a set. */
static LepStatus
parse_escape(Parser *r, LepNode **out)
{
	static const struct
	{
		unsigned char letter;
		LepAssert kind;
	} asserts[] = {
		{'A', LEP_ASSERT_START}, {'z', LEP_ASSERT_END},		{'Z', LEP_ASSERT_LAST_END},
		{'b', LEP_ASSERT_WORD},	 {'B', LEP_ASSERT_NO_WORD},
	};
	LepCharSet set = {0};
	size_t start = r->at++;
	unsigned char other;
	uint32_t c;
	bool is_set;
	LepStatus status = read_escape(r, false, &c, &set, &is_set, &other);

	if (status != LEP_OK)
		return status;
	/* These are not subject to case. */
	if (is_set)
		return set_node(r, &set, out);
	for (size_t i = 0; i < sizeof(asserts) / sizeof(asserts[0]); i++)
		if (other == asserts[i].letter)
			return assert_node(r, asserts[i].kind, out);
	if ((other >= '0' && other <= '9') || (other != 0 && strchr("cCMRXkKgGNOyY", other) != NULL))
	{
		char what[] = "the escape \\?";

		what[sizeof(what) - 2] = (char) other;
		return lep_regex_unsupported(r->p, what);
	}
	return char_node(r, c, start, out);
}

/* Read the options of (?imx-imx; the rest of the group follows. */
static LepStatus
parse_options(Parser *r, LepNode **out)
{
	uint32_t before = r->options;
	bool on = true;
	LepStatus status;

	for (; !is_end(r) && !is_next(r, ":") && !is_next(r, ")"); r->at++)
	{
		unsigned char letter = r->p->text[r->at];
		uint32_t option = letter == 'i'	  ? OPTION_CASE
						  : letter == 'm' ? OPTION_LINES
						  : letter == 'x' ? OPTION_SPACED
										  : 0;

		if (letter == '-')
			on = false;
		else if (option == 0)
			return lep_regex_unsupported(r->p, "an unknown option");
		r->options = on ? r->options | option : r->options & ~option;
	}
	if (is_end(r))
		return malformed(r->p, "a group without end");
	/* Without a colon they hold up to the end of the group around, alternatives and all. */
	if (r->p->text[r->at++] == ')')
	{
		status = parse_alternatives(r, out);
		r->options = before;
		return status;
	}
	status = parse_alternatives(r, out);
	r->options = before;
	if (status == LEP_OK && is_end(r))
		return malformed(r->p, "a group without end");
	r->at++;
	return status;
}

/* Read the group behind its opening parenthesis. */
static LepStatus
parse_group(Parser *r, LepNode **out)
{
	static const struct
	{
		const char *start;
		LepNodeKind kind;
		uint32_t flags;
	} kinds[N_KINDS] = {
		{"?:", LEP_NODE_CAT, 0},
		{"?>", LEP_NODE_ATOMIC, 0},
		{"?=", LEP_NODE_LOOK, 0},
		{"?!", LEP_NODE_LOOK, LEP_LOOK_NOT},
		{"?<=", LEP_NODE_LOOK, LEP_LOOK_BEHIND},
		{"?<!", LEP_NODE_LOOK, LEP_LOOK_BEHIND | LEP_LOOK_NOT},
	};
	uint32_t options = r->options;
	LepNodeKind kind = LEP_NODE_CAT;
	uint32_t flags = 0;
	LepNode *inner;
	size_t i = 0;
	LepStatus status;

	while (i < N_KINDS && !is_next(r, kinds[i].start))
		i++;
	if (i < N_KINDS)
	{
		kind = kinds[i].kind;
		flags = kinds[i].flags;
		r->at += strlen(kinds[i].start);
	}
	else if (is_next(r, "?<") || is_next(r, "?'"))
	{
		const unsigned char *name = r->p->text + r->at + 2;
		char close = r->p->text[r->at + 1] == '<' ? '>' : '\'';
		const unsigned char *end = memchr(name, close, r->p->len - r->at - 2);

		if (end == NULL)
			return malformed(r->p, "a group without name");
		r->at += (size_t) (end - name) + 3;
	}
	else if (is_next(r, "?#"))
		return lep_regex_unsupported(r->p, "a comment");
	else if (is_next(r, "?"))
	{
		r->at++;
		return parse_options(r, out);
	}
	else if (is_next(r, "*"))
		return lep_regex_unsupported(r->p, "a verb");
	status = parse_alternatives(r, &inner);
	r->options = options;
	if (status != LEP_OK)
		return status;
	if (is_end(r))
		return malformed(r->p, "a group without end");
	r->at++;
	r->last_end = SIZE_MAX;
	*out = new_node(r, kind, inner);
	if (*out == NULL)
		return lep_regex_no_memory(r->p);
	(*out)->flags = flags;
	return LEP_OK;
}

/* Skip what (?x) makes invisible. */
static void
skip_invisible(Parser *r)
{
	while ((r->options & OPTION_SPACED) && !is_end(r))
	{
		unsigned char c = r->p->text[r->at];

		if (c == '#')
			while (!is_end(r) && r->p->text[r->at] != '\n')
				r->at++;
		else if (c == ' ' || (c >= '\t' && c <= '\r'))
			r->at++;
		else
			return;
	}
}

/* Read one item without its repeats. */
static LepStatus
parse_item(Parser *r, LepNode **out)
{
	LepCharSet set = {0};
	size_t start = r->at;
	uint32_t c;
	LepStatus status;

	switch (r->p->text[r->at])
	{
		case '(':
			r->at++;
			if (++r->depth > LEP_REGEX_DEPTH)
				return lep_regex_unsupported(r->p, "too many groups within groups");
			status = parse_group(r, out);
			r->depth--;
			return status;
		case '[':
			r->at++;
			status = parse_set(r, true, &set);
			lep_set_tidy(&set);
			return status == LEP_OK ? set_node(r, &set, out) : status;
		case '\\':
			return parse_escape(r, out);
		case '^':
			r->at++;
			return assert_node(r, LEP_ASSERT_LINE_START, out);
		case '$':
			r->at++;
			return assert_node(r, LEP_ASSERT_LINE_END, out);
		case '.':
			r->at++;
			if (!(r->options & OPTION_LINES) && !lep_set_add(&set, '\n', '\n', r->p->arena))
				return lep_regex_no_memory(r->p);
			if (!lep_set_negate(&set, r->p->arena))
				return lep_regex_no_memory(r->p);
			return set_node(r, &set, out);
		case '*':
		case '+':
		case '?':
			return malformed(r->p, "a repeat of nothing");
		default:
			status = next_char(r, &c);
			return status == LEP_OK ? char_node(r, c, start, out) : status;
	}
}

/* Read a number of at most five digits; false when there is none. */
static bool
read_count(Parser *r, size_t *at, uint32_t *n)
{
	size_t start = *at;

	for (*n = 0; *at < r->p->len && r->p->text[*at] >= '0' && r->p->text[*at] <= '9'; ++*at)
		if (*n < 100000)
			*n = *n * 10 + (uint32_t) (r->p->text[*at] - '0');
	return *at > start;
}

/* Read {n,m} at the brace; false when it is none, and then it is text. */
static bool
read_braces(Parser *r, uint32_t *min, uint32_t *max)
{
	size_t at = r->at + 1;
	bool has_min = read_count(r, &at, min);
	bool has_max;

	if (at < r->p->len && r->p->text[at] == ',')
	{
		at++;
		has_max = read_count(r, &at, max);
		if (!has_max)
			*max = LEP_REGEX_ENDLESS;
		if (!has_min && !has_max)
			return false;
	}
	else
	{
		*max = *min;
		if (!has_min)
			return false;
	}
	if (at >= r->p->len || r->p->text[at] != '}')
		return false;
	r->at = at + 1;
	return true;
}

/* Read the repeats behind an item. */
static LepStatus
parse_repeats(Parser *r, LepNode **item)
{
	for (;;)
	{
		unsigned char c;
		uint32_t min = 0;
		uint32_t max = LEP_REGEX_ENDLESS;
		uint32_t flags = LEP_REPEAT_GREEDY;
		bool braces = false;

		skip_invisible(r);
		if (is_end(r))
			return LEP_OK;
		c = r->p->text[r->at];
		if (c == '{')
		{
			if (!read_braces(r, &min, &max))
				return LEP_OK;
			braces = true;
		}
		else if (c == '*' || c == '+' || c == '?')
		{
			min = c == '+';
			max = c == '?' ? 1 : LEP_REGEX_ENDLESS;
			r->at++;
		}
		else
			return LEP_OK;
		if (min > REPEAT_MAX || (max > REPEAT_MAX && max != LEP_REGEX_ENDLESS))
			return lep_regex_unsupported(r->p, "a repeat of more than 1000 times");
		if (min > max)
			return lep_regex_unsupported(r->p, "a repeat whose bounds are swapped");
		if (is_next(r, "?"))
		{
			/* Ruby reads {n}? as "n times or not at all". */
			if (!(braces && min == max))
			{
				flags = LEP_REPEAT_LAZY;
				r->at++;
			}
		}
		else if (is_next(r, "+") && !braces)
		{
			flags = LEP_REPEAT_POSSESSIVE;
			r->at++;
		}
		*item = new_node(r, LEP_NODE_REPEAT, *item);
		if (*item == NULL)
			return lep_regex_no_memory(r->p);
		(*item)->min = min;
		(*item)->max = max;
		(*item)->flags = flags;
		r->last_end = SIZE_MAX;
	}
}

/* Read a sequence, up to "|", ")" or the end. */
static LepStatus
parse_sequence(Parser *r, LepNode **out)
{
	LepNode **tail;
	LepStatus status = LEP_OK;

	*out = new_node(r, LEP_NODE_CAT, NULL);
	if (*out == NULL)
		return lep_regex_no_memory(r->p);
	tail = &(*out)->first;
	for (;;)
	{
		skip_invisible(r);
		if (is_end(r) || is_next(r, "|") || is_next(r, ")"))
			return LEP_OK;
		status = parse_item(r, tail);
		if (status == LEP_OK)
			status = parse_repeats(r, tail);
		if (status != LEP_OK)
			return status;
		/* A node's siblings are those of this sequence from here on. */
		*tail = new_node(r, LEP_NODE_CAT, *tail);
		if (*tail == NULL)
			return lep_regex_no_memory(r->p);
		tail = &(*tail)->next;
	}
}

/* Read alternatives, up to ")" or the end. */
static LepStatus
parse_alternatives(Parser *r, LepNode **out)
{
	LepNode **tail;
	LepNode *first;
	LepStatus status;

	if (++r->depth > 2 * LEP_REGEX_DEPTH)
		return lep_regex_unsupported(r->p, "too many groups within groups");
	r->last_end = SIZE_MAX;
	status = parse_sequence(r, &first);
	*out = first;
	if (first == NULL)
		return status;
	if (status == LEP_OK && is_next(r, "|"))
	{
		*out = new_node(r, LEP_NODE_ALT, first);
		if (*out == NULL)
			return lep_regex_no_memory(r->p);
	}
	tail = &first->next;
	while (status == LEP_OK && is_next(r, "|"))
	{
		r->at++;
		r->last_end = SIZE_MAX;
		status = parse_sequence(r, tail);
		if (status == LEP_OK)
			tail = &(*tail)->next;
	}
	r->depth--;
	return status;
}

/* Read the whole pattern into p->root. */
LepStatus
lep_regex_parse(LepPattern *p)
{
	Parser r = {.p = p, .last_end = SIZE_MAX};
	LepStatus status = parse_alternatives(&r, &p->root);

	if (status == LEP_OK && !is_end(&r))
		return malformed(p, "a group that ends without a start");
	return status;
}
