/*
 * grammar.h: texts from choices: every rule is a letter and its alternatives,
 * in which "$x" stands for rule x, and "$" at the end for itself.  Beyond a depth, and behind the input's end,
 * the first alternative is taken.
 */
#ifndef LEPTON_GRAMMAR_H
#define LEPTON_GRAMMAR_H

#include "fuzzing.h"

#define GRAMMAR_DEPTH 24

typedef struct Rule
{
	char name;
	const char *const *alternatives; /* up to NULL */
} Rule;

#define RULE(letter, ...)             \
	{                                 \
		letter, (const char *const[]) \
		{                             \
			__VA_ARGS__, NULL         \
		}                             \
	}

/* A text under construction. */
typedef struct Written
{
	char *text; /* [room] */
	size_t len, room;
} Written;

/* Append len bytes, or nothing when there is no room. */
static inline void
write_bytes(Written *out, const char *bytes, size_t len)
{
	if (len > out->room - out->len)
		return;
	memcpy(out->text + out->len, bytes, len);
	out->len += len;
}

/* Append what rule name of rules (up to name 0) gives. */
static inline void
write_rule(Written *out, const Rule *rules, char name, Choices *c, int depth)
{
	const Rule *rule = rules;
	const char *at;
	size_t n = 0;

	while (rule->name != name)
		require((rule++)->name != 0);
	while (rule->alternatives[n] != NULL)
		n++;
	at = rule->alternatives[n > 1 && depth < GRAMMAR_DEPTH ? choose(c, n) : 0];
	for (; *at != '\0'; at++)
	{
		if (*at == '$' && at[1] != '\0')
			write_rule(out, rules, *++at, c, depth + 1);
		else
			write_bytes(out, at, 1);
	}
}

#endif
