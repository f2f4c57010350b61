/*
 * regex.c: runs a program over characters, the way Oniguruma searches: the
 * first start that matches, the first alternative that leads to the end.
 *
 * What may be tried later is on a stack.  A span (a repeat of one set) is one
 * entry there, however long; a span that has failed at all its ends is not
 * tried again from a later start in the same run of characters.  When a search
 * takes more steps than a small multiple of the text, splits note where they
 * have been (the memo), so that the rest takes time linear in the text: what
 * follows a place depends on nothing but the instruction and the place.
 * Splits within negative looks are left out of it, because there a path that
 * was left may have been a success; a search that goes wild there is given up.
 */
#define LEPTON_ENGINE_SOURCE
#include "regex_parts.h"

#include <string.h>

#include "normalizer.h"

#define CLASSES		256
#define STACK_FIRST ((size_t) 64)
#define STEPS_FREE	((size_t) 4096) /* and so many for each character before the memo */
#define STEPS_EACH	((size_t) 32)
#define STEPS_MOST	((size_t) 32) /* for each character and instruction, before giving up */
#define STOP_EVERY	((size_t) 1 << 16)
#define MEMO_MAX	((size_t) 1 << 26) /* words */
#define NO_PLACE	SIZE_MAX

/* What an entry of the stack is. */
#define CHOICE_GO	0u /* go on at pc and at */
#define CHOICE_SPAN 1u /* the same, at, at - 1 ... low */
#define CHOICE_LAZY 2u /* the same, at, at + 1 ... low */
#define CHOICE_MARK 3u /* an open group; low: the mark before, at: where it began */
#define CHOICE_NOT	4u /* an open negative look: its failure goes on at pc and at */
#define CHOICE_DONE 5u /* a span whose last end is being tried */

typedef struct LepRegexChoice
{
	uint32_t pc;
	uint32_t kind;
	size_t at;
	size_t low;
	size_t end; /* where a span ended at first, or NO_PLACE when that is not worth to know */
} LepRegexChoice;

/* What is known of a span's instruction. */
typedef struct LepRegexSpan
{
	size_t run_start, run_end; /* characters of its set, up to one that is not */
	size_t dead_low, dead_end; /* ends from dead_low to dead_end have failed */
} LepRegexSpan;

/* Give the memory back. */
void
lep_regex_free(LepRegexScratch *scratch)
{
	void *blocks[4] = {scratch->classes, scratch->stack, scratch->spans, scratch->memo};
	const LepAllocator *allocator = scratch->allocator;

	for (int i = 0; i < 4; i++)
		if (blocks[i] != NULL)
			allocator->free(allocator->ctx, blocks[i]);
	memset(scratch, 0, sizeof(*scratch));
	scratch->allocator = allocator;
}

/* Make *block, of *capacity elements, hold need; keeps `keep` of them. */
static LepStatus
grow(LepRegexMatcher *m, void *block, size_t *capacity, size_t need, size_t keep, size_t size)
{
	const LepAllocator *allocator = m->scratch->allocator;
	void **old = block;
	void *bigger = NULL;
	size_t bytes;

	if (need <= *capacity)
		return LEP_OK;
	if (lep_add(need, need / 2 + STACK_FIRST, &need) && lep_mul(need, size, &bytes))
		bigger = allocator->alloc(allocator->ctx, bytes);
	if (bigger == NULL)
		return lep_error(m->err, LEP_NO_MEMORY, "out of memory tokenizing a text");
	if (*old != NULL)
	{
		memcpy(bigger, *old, keep * size);
		allocator->free(allocator->ctx, *old);
	}
	*old = bigger;
	*capacity = need;
	return LEP_OK;
}

/* Is a program sound? */
bool
lep_regex_fits(const void *program, size_t size)
{
	const LepRegex *r = program;
	const LepRegexIns *ins;

	if (r == NULL || size < sizeof(*r) || r->size != size || r->ins_at != sizeof(*r) ||
		r->n_ins == 0 || r->n_ins > LEP_REGEX_CODE || r->n_sets > 2 * LEP_REGEX_SETS ||
		r->sets_at != r->ins_at + r->n_ins * sizeof(LepRegexIns) || r->map_at > size ||
		r->map_at % 8 != 0 || r->map_at < r->sets_at + r->n_sets * CLASSES ||
		r->map_size != size - r->map_at ||
		!lep_char_map_fits((const char *) program + r->map_at, r->map_size))
		return false;
	ins = (const LepRegexIns *) (const void *) ((const char *) program + r->ins_at);
	if (ins[r->n_ins - 1].op != LEP_OP_MATCH)
		return false;
	for (uint32_t i = 0; i < r->n_ins; i++)
	{
		bool takes = ins[i].op == LEP_OP_SET || ins[i].op == LEP_OP_SPAN;
		bool jumps =
			ins[i].op == LEP_OP_SPLIT || ins[i].op == LEP_OP_JUMP || ins[i].op == LEP_OP_OPEN;

		if (ins[i].op < LEP_OP_MATCH || ins[i].op > LEP_OP_CLOSE ||
			(ins[i].set >= r->n_sets && (takes || ins[i].set != LEP_SET_NONE)) ||
			(jumps && ins[i].x >= r->n_ins) ||
			(ins[i].op == LEP_OP_SPLIT && ins[i].y >= r->n_ins) ||
			(ins[i].memo != UINT32_MAX && ins[i].memo >= r->n_memo) ||
			(ins[i].op == LEP_OP_ASSERT &&
			 (r->word_set >= r->n_sets || r->newline_set >= r->n_sets)))
			return false;
	}
	return true;
}

/* Map the characters to classes. */
LepStatus
lep_regex_start(LepRegexMatcher *m, const void *program, LepRegexScratch *scratch,
				const LepChar *chars, size_t n, const LepStop *stop, LepError *err)
{
	const LepRegex *regex = program;
	const LepCharMap *map =
		(const LepCharMap *) (const void *) ((const char *) program + regex->map_at);
	LepStatus status;

	memset(m, 0, sizeof(*m));
	m->regex = regex;
	m->scratch = scratch;
	m->stop = stop;
	m->err = err;
	status = grow(m, &scratch->classes, &scratch->n_classes, n + 1, 0, 1);
	if (status == LEP_OK)
		status = grow(m, &scratch->spans, &scratch->n_spans, regex->n_ins, 0, sizeof(LepRegexSpan));
	if (status != LEP_OK)
		return status;
	for (size_t i = 0; i < n; i++)
	{
		scratch->classes[i] = lep_char_map_get(map, chars[i].c);
		if ((i & (STOP_EVERY - 1)) == STOP_EVERY - 1 && lep_stopped(stop))
			return lep_error(err, LEP_CANCELLED, "tokenizing was cancelled");
	}
	lep_regex_window(m, 0, n);
	return LEP_OK;
}

/* Look at a part of the characters. */
void
lep_regex_window(LepRegexMatcher *m, size_t from, size_t to)
{
	m->from = from;
	m->to = to;
	m->at = from;
	m->last_match = NO_PLACE;
	m->memo_end = from;
	m->memo_on = false;
	for (uint32_t i = 0; i < m->regex->n_ins; i++)
	{
		m->scratch->spans[i].run_end = 0;
		m->scratch->spans[i].dead_end = NO_PLACE;
	}
}

/* The table of a set. */
static inline const uint8_t *
set_of(const LepRegex *regex, uint32_t set)
{
	return (const uint8_t *) regex + regex->sets_at + (size_t) set * CLASSES;
}

/* Does an assertion hold at a place? */
static bool
holds(const LepRegexMatcher *m, LepAssert kind, size_t at)
{
	const uint8_t *classes = m->scratch->classes;
	const uint8_t *newline = set_of(m->regex, m->regex->newline_set);
	const uint8_t *word = set_of(m->regex, m->regex->word_set);
	bool before, behind;

	switch (kind)
	{
		case LEP_ASSERT_LINE_START:
			return at == m->from || (at < m->to && newline[classes[at - 1]]);
		case LEP_ASSERT_LINE_END:
			return at == m->to || newline[classes[at]];
		case LEP_ASSERT_START:
			return at == m->from;
		case LEP_ASSERT_END:
			return at == m->to;
		case LEP_ASSERT_LAST_END:
			return at == m->to || (at + 1 == m->to && newline[classes[at]]);
		case LEP_ASSERT_WORD:
		case LEP_ASSERT_NO_WORD:
			before = at > m->from && word[classes[at - 1]];
			behind = at < m->to && word[classes[at]];
			return (before != behind) == (kind == LEP_ASSERT_WORD);
	}
	return false;
}

/* Ask stop now and then. */
static LepStatus
worked(LepRegexMatcher *m, size_t steps)
{
	m->work += steps;
	if (m->work < STOP_EVERY)
		return LEP_OK;
	m->work = 0;
	if (lep_stopped(m->stop))
		return lep_error(m->err, LEP_CANCELLED, "tokenizing was cancelled");
	return LEP_OK;
}

/* Note that a split is passed at a place; *again tells whether it was before. */
static LepStatus
remember(LepRegexMatcher *m, uint32_t split, size_t at, bool *again)
{
	size_t each = (m->regex->n_memo + 63) / 64;
	size_t word;
	LepStatus status;

	*again = false;
	if (at >= m->memo_end)
	{
		size_t start = (m->memo_end - m->from) * each;
		size_t end = (at + 1 - m->from) * each;

		if (end > MEMO_MAX)
			return lep_error(m->err, LEP_TOO_LARGE,
							 "text is too long for the tokenizer's regular expression");
		/* Made for the whole window at once: it grows towards its end. */
		status = grow(m, &m->scratch->memo, &m->scratch->n_memo, end, start, sizeof(uint64_t));
		if (status != LEP_OK)
			return status;
		memset(m->scratch->memo + start, 0, (end - start) * sizeof(uint64_t));
		m->memo_end = at + 1;
	}
	word = (at - m->from) * each + split / 64;
	*again = m->scratch->memo[word] >> split % 64 & 1;
	m->scratch->memo[word] |= UINT64_C(1) << split % 64;
	return LEP_OK;
}

/* Push an entry. */
static LepStatus
push(LepRegexMatcher *m, size_t *depth, uint32_t kind, uint32_t pc, size_t at, size_t low)
{
	LepRegexChoice choice = {pc, kind, at, low, NO_PLACE};

	if (*depth == m->scratch->n_stack)
	{
		LepStatus status = grow(m, &m->scratch->stack, &m->scratch->n_stack, *depth + 1, *depth,
								sizeof(LepRegexChoice));

		if (status != LEP_OK)
			return status;
	}
	m->scratch->stack[(*depth)++] = choice;
	return LEP_OK;
}

/* The end of the longest run of a span from at, at most y characters. */
static size_t
span_end(LepRegexMatcher *m, uint32_t pc, const LepRegexIns *ins, size_t at)
{
	const uint8_t *set = set_of(m->regex, ins->set);
	const uint8_t *classes = m->scratch->classes;
	LepRegexSpan *span = &m->scratch->spans[pc];
	size_t limit = m->to;
	size_t end = at;

	if (ins->y != LEP_REGEX_ENDLESS)
	{
		if (m->to - at > ins->y)
			limit = at + ins->y;
		while (end < limit && set[classes[end]])
			end++;
		return end;
	}
	if (at >= span->run_start && at < span->run_end)
		return span->run_end;
	while (end < limit && set[classes[end]])
		end++;
	span->run_start = at;
	span->run_end = end;
	m->steps += end - at;
	return end;
}

/* Take a span at *at; false in *ok when there are too few characters. */
static LepStatus
take_span(LepRegexMatcher *m, size_t *depth, uint32_t pc, const LepRegexIns *ins, size_t *at,
		  bool *ok)
{
	LepRegexSpan *span = &m->scratch->spans[pc];
	size_t end = span_end(m, pc, ins, *at);
	size_t low = *at + ins->x;
	LepStatus status;

	*ok = end >= low;
	if (!*ok)
		return LEP_OK;
	if (ins->flags == LEP_REPEAT_LAZY)
	{
		*at = low;
		return low < end ? push(m, depth, CHOICE_LAZY, pc, low + 1, end) : LEP_OK;
	}
	*at = end;
	if (ins->flags != LEP_REPEAT_GREEDY)
		return LEP_OK;
	if (end == span->dead_end && end >= span->dead_low)
	{
		*ok = low < span->dead_low;
		if (!*ok)
			return LEP_OK;
		*at = span->dead_low - 1;
	}
	if (*at == low)
		return LEP_OK;
	status = push(m, depth, CHOICE_SPAN, pc, *at - 1, low);
	if (status == LEP_OK && ins->y == LEP_REGEX_ENDLESS)
		m->scratch->stack[*depth - 1].end = end;
	return status;
}

/* Go back to the last choice; *pc UINT32_MAX when there is none. */
static void
go_back(LepRegexMatcher *m, size_t *depth, size_t *mark, uint32_t *pc, size_t *at)
{
	while (*depth > 0)
	{
		LepRegexChoice *choice = &m->scratch->stack[*depth - 1];
		LepRegexSpan *span;

		switch (choice->kind)
		{
			case CHOICE_GO:
				*pc = choice->pc;
				*at = choice->at;
				--*depth;
				return;
			case CHOICE_SPAN:
				span = &m->scratch->spans[choice->pc];
				/* What failed meanwhile, from a later start in the same run. */
				if (choice->end != NO_PLACE && choice->end == span->dead_end &&
					choice->at >= span->dead_low)
				{
					if (choice->low >= span->dead_low)
					{
						--*depth;
						break;
					}
					choice->at = span->dead_low - 1;
				}
				*pc = choice->pc + 1;
				*at = choice->at;
				if (choice->at > choice->low)
					choice->at--;
				else
					choice->kind = CHOICE_DONE;
				return;
			case CHOICE_LAZY:
				*pc = choice->pc + 1;
				*at = choice->at;
				if (choice->at++ == choice->low)
					--*depth;
				return;
			case CHOICE_MARK:
				*mark = choice->low;
				--*depth;
				break;
			case CHOICE_NOT:
				*mark = choice->low;
				*pc = choice->pc;
				*at = choice->at;
				--*depth;
				return;
			default: /* CHOICE_DONE: all ends have failed */
				span = &m->scratch->spans[choice->pc];
				if (choice->end != NO_PLACE)
				{
					span->dead_low = choice->low;
					span->dead_end = choice->end;
				}
				--*depth;
				break;
		}
	}
	*pc = UINT32_MAX;
}

/* Match from a start; *end NO_PLACE when it does not. */
static LepStatus
match_at(LepRegexMatcher *m, size_t start, size_t *end)
{
	const LepRegex *regex = m->regex;
	const LepRegexIns *all =
		(const LepRegexIns *) (const void *) ((const char *) regex + regex->ins_at);
	const uint8_t *classes = m->scratch->classes;
	size_t allowed = STEPS_FREE + STEPS_EACH * (m->to - m->from);
	size_t depth = 0;
	size_t mark = NO_PLACE; /* the entry of the innermost open group */
	size_t at = start;
	uint32_t pc = 0;
	LepStatus status = LEP_OK;

	*end = NO_PLACE;
	while (pc != UINT32_MAX && status == LEP_OK)
	{
		const LepRegexIns *ins = &all[pc];
		LepRegexChoice *open;
		bool ok = true;
		bool again = false;

		if ((++m->steps & 1023) == 0)
		{
			status = worked(m, 1024);
			m->memo_on = m->memo_on || m->steps > allowed;
			if (m->steps > allowed + STEPS_MOST * (m->to - m->from + 1) * regex->n_ins)
				status = lep_error(m->err, LEP_TOO_LARGE,
								   "text takes the tokenizer's regular expression too long");
			if (status != LEP_OK)
				break;
		}
		switch ((LepRegexOp) ins->op)
		{
			case LEP_OP_MATCH:
				*end = at;
				return LEP_OK;
			case LEP_OP_SET:
				ok = at < m->to && set_of(regex, ins->set)[classes[at]];
				at++;
				pc++;
				break;
			case LEP_OP_SPAN:
				status = take_span(m, &depth, pc, ins, &at, &ok);
				pc++;
				break;
			case LEP_OP_SPLIT:
				if (m->memo_on && ins->memo != UINT32_MAX)
					status = remember(m, ins->memo, at, &again);
				ok = !again;
				if (status != LEP_OK || !ok)
					break;
				if (ins->set != LEP_SET_NONE &&
					(at >= m->to || !set_of(regex, ins->set)[classes[at]]))
					pc = ins->y;
				else
				{
					status = push(m, &depth, CHOICE_GO, ins->y, at, 0);
					pc = ins->x;
				}
				break;
			case LEP_OP_JUMP:
				pc = ins->x;
				break;
			case LEP_OP_ASSERT:
				ok = holds(m, (LepAssert) ins->x, at);
				pc++;
				break;
			case LEP_OP_BACK:
				ok = at - m->from >= ins->x;
				at -= ok ? ins->x : 0;
				pc++;
				break;
			case LEP_OP_OPEN:
				status = push(m, &depth, ins->flags == LEP_OPEN_NOT ? CHOICE_NOT : CHOICE_MARK,
							  ins->x, at, mark);
				mark = depth - 1;
				pc++;
				break;
			case LEP_OP_CLOSE:
				if (mark >= depth)
					return lep_error(m->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
				open = &m->scratch->stack[mark];
				depth = mark;
				mark = open->low;
				if (ins->flags != LEP_OPEN_ATOMIC)
					at = open->at;
				ok = ins->flags != LEP_OPEN_NOT;
				pc++;
				break;
		}
		if (!ok)
			go_back(m, &depth, &mark, &pc, &at);
	}
	return status;
}

/* Find the next match. */
LepStatus
lep_regex_next(LepRegexMatcher *m, size_t *start, size_t *end, bool *found)
{
	LepStatus status = LEP_OK;

	*found = false;
	m->steps = 0;
	/* The way to the last match was no failure. */
	m->memo_end = m->from;
	m->memo_on = false;
	while (m->at <= m->to && status == LEP_OK)
	{
		status = match_at(m, m->at, end);
		if (status != LEP_OK)
			break;
		if (*end == NO_PLACE)
		{
			m->at++;
			continue;
		}
		*start = m->at;
		if (*end < *start)
			return lep_error(m->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
		if (*end == *start && m->last_match == *end)
		{
			/* An empty match where the last one ended; the search goes on behind it. */
			m->at++;
			m->memo_end = m->from;
			m->memo_on = false;
			continue;
		}
		m->at = *end;
		m->last_match = *end;
		*found = true;
		break;
	}
	return status;
}
