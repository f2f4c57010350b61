/*
 * regex_compile.c: the tree of a pattern to a program: code points fall into
 * classes that the pattern's sets tell apart, sets become tables of classes,
 * the tree a list of instructions.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdlib.h>
#include <string.h>

#include "regex_parts.h"

#define CLASSES	  256
#define SET_WORDS (LEP_REGEX_SETS / 64)
#define INS_FIRST ((size_t) 64) /* instructions for which there is room at first */
#define EMITS_MAX \
	((size_t) 64 * LEP_REGEX_CODE) /* of nodes: repeats of nothing add no instructions */

typedef struct Compiler
{
	LepPattern *p;
	LepRegexIns *ins; /* [n_ins] */
	size_t ins_capacity;
	size_t n_emits;
	size_t n_ins;
	uint8_t (*sets)[CLASSES]; /* [n_sets]: the pattern's, then those of splits */
	size_t n_sets;
	size_t sets_capacity;
	size_t n_classes;
	uint32_t n_memo;
	int in_not; /* within so many negative looks */
	int depth;
	uint16_t word_set, newline_set;
} Compiler;

static LepStatus emit(Compiler *c, const LepNode *node);

/* The number of a set that equals set. */
LepStatus
lep_regex_intern(LepPattern *p, const LepCharSet *set, uint32_t *number)
{
	for (size_t i = 0; i < p->n_sets; i++)
		if (p->sets[i].n == set->n && (set->n == 0 || memcmp(p->sets[i].ranges, set->ranges,
															 set->n * sizeof(LepCharRange)) == 0))
		{
			*number = (uint32_t) i;
			return LEP_OK;
		}
	if (p->n_sets == LEP_REGEX_SETS)
		return lep_regex_unsupported(p, "more than 256 different sets of characters");
	*number = (uint32_t) p->n_sets;
	p->sets[p->n_sets++] = *set;
	return LEP_OK;
}

/* Order numbers. */
static int
compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a;
	uint32_t y = *(const uint32_t *) b;

	return x < y ? -1 : x > y;
}

/* Which sets have a code point, as bits; at[n_sets] are the ranges that points before left behind. */
static void
signature_of(const LepPattern *p, uint32_t point, size_t *at, uint64_t *signature)
{
	memset(signature, 0, SET_WORDS * sizeof(uint64_t));
	for (size_t i = 0; i < p->n_sets; i++)
	{
		const LepCharSet *set = &p->sets[i];

		while (at[i] < set->n && set->ranges[at[i]].high < point)
			at[i]++;
		if (at[i] < set->n && set->ranges[at[i]].low <= point)
			signature[i / 64] |= UINT64_C(1) << i % 64;
	}
}

/* Are two signatures of n_sets sets the same? */
static bool
same_signature(const uint64_t *a, const uint64_t *b, size_t n_sets)
{
	for (size_t i = 0; i * 64 < n_sets; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* Divide the code points into classes; write the runs of classes and the sets as tables. */
static LepStatus
divide(Compiler *c, uint32_t **runs, size_t *n_runs)
{
	LepPattern *p = c->p;
	uint64_t(*signatures)[SET_WORDS] =
		lep_arena_array(p->arena, CLASSES, sizeof(uint64_t[SET_WORDS]));
	size_t at[LEP_REGEX_SETS] = {0};
	size_t n = 1;
	uint32_t *starts;

	for (size_t i = 0; i < p->n_sets; i++)
		n += 2 * p->sets[i].n;
	starts = lep_arena_array(p->arena, n, sizeof(uint32_t));
	*runs = lep_arena_array(p->arena, n, sizeof(uint32_t));
	if (signatures == NULL || starts == NULL || *runs == NULL)
		return lep_regex_no_memory(p);
	n = 1;
	for (size_t i = 0; i < p->n_sets; i++)
		for (size_t j = 0; j < p->sets[i].n; j++)
		{
			starts[n++] = p->sets[i].ranges[j].low;
			starts[n++] = p->sets[i].ranges[j].high + 1;
		}
	qsort(starts, n, sizeof(uint32_t), compare_numbers);
	*n_runs = 0;
	for (size_t i = 0; i < n; i++)
	{
		uint64_t signature[SET_WORDS];
		size_t class = 0;

		if (starts[i] >= LEP_REGEX_POINTS || (i > 0 && starts[i] == starts[i - 1]))
			continue;
		signature_of(p, starts[i], at, signature);
		while (class < c->n_classes && !same_signature(signatures[class], signature, p->n_sets))
			class ++;
		if (class == CLASSES)
			return lep_regex_unsupported(p, "more than 256 kinds of characters");
		if (class == c->n_classes)
		{
			memcpy(signatures[class], signature, sizeof(signature));
			for (size_t j = 0; j < p->n_sets; j++)
				c->sets[j][class] = signature[j / 64] >> j % 64 & 1;
			c->n_classes++;
		}
		(*runs)[(*n_runs)++] = starts[i] << 8 | (uint32_t) class;
	}
	return LEP_OK;
}

/* Append an instruction; its place in *at (which may be NULL). */
static LepStatus
add(Compiler *c, LepRegexOp op, uint32_t flags, uint32_t set, uint32_t x, uint32_t y, size_t *at)
{
	LepRegexIns *ins;

	if (at != NULL)
		*at = c->n_ins;
	if (c->n_ins == LEP_REGEX_CODE)
		return lep_regex_unsupported(c->p, "too many repeats");
	if (c->n_ins == c->ins_capacity)
	{
		size_t capacity = c->ins_capacity == 0 ? INS_FIRST : 2 * c->ins_capacity;

		ins = lep_arena_array(c->p->arena, capacity, sizeof(LepRegexIns));
		if (ins == NULL)
			return lep_regex_no_memory(c->p);
		if (c->n_ins > 0)
			memcpy(ins, c->ins, c->n_ins * sizeof(LepRegexIns));
		c->ins = ins;
		c->ins_capacity = capacity;
	}
	ins = &c->ins[c->n_ins];
	ins->op = (uint8_t) op;
	ins->flags = (uint8_t) flags;
	ins->set = (uint16_t) set;
	ins->x = x;
	ins->y = y;
	ins->memo = UINT32_MAX;
	if (op == LEP_OP_SPLIT && c->in_not == 0)
		ins->memo = c->n_memo++;
	c->n_ins++;
	return LEP_OK;
}

/* Add the classes that a node can begin with to first; false when it can be empty. */
static bool
first_classes(const Compiler *c, const LepNode *node, uint8_t *first)
{
	bool needs = false;

	switch (node->kind)
	{
		case LEP_NODE_EMPTY:
		case LEP_NODE_LOOK:
		case LEP_NODE_ASSERT:
			return false;
		case LEP_NODE_SET:
			for (size_t i = 0; i < c->n_classes; i++)
				first[i] |= c->sets[node->flags][i];
			return true;
		case LEP_NODE_CAT:
			for (const LepNode *child = node->first; child != NULL && !needs; child = child->next)
				needs = first_classes(c, child, first);
			return needs;
		case LEP_NODE_ALT:
			needs = true;
			for (const LepNode *child = node->first; child != NULL; child = child->next)
				needs = first_classes(c, child, first) && needs;
			return needs;
		case LEP_NODE_REPEAT:
			needs = first_classes(c, node->first, first);
			return needs && node->min > 0;
		case LEP_NODE_ATOMIC:
			return first_classes(c, node->first, first);
	}
	return false;
}

/* The table of what a node begins with, or LEP_SET_NONE when it can be empty. */
static LepStatus
first_set(Compiler *c, const LepNode *node, uint32_t *number)
{
	uint8_t first[CLASSES] = {0};

	*number = LEP_SET_NONE;
	if (!first_classes(c, node, first))
		return LEP_OK;
	for (size_t i = 0; i < c->n_sets; i++)
		if (memcmp(c->sets[i], first, CLASSES) == 0)
		{
			*number = (uint32_t) i;
			return LEP_OK;
		}
	if (c->n_sets == c->sets_capacity)
		return LEP_OK;
	memcpy(c->sets[c->n_sets], first, CLASSES);
	*number = (uint32_t) c->n_sets++;
	return LEP_OK;
}

/* Can a node match nothing? */
static bool
can_be_empty(const LepNode *node)
{
	bool empty = false;

	switch (node->kind)
	{
		case LEP_NODE_EMPTY:
		case LEP_NODE_LOOK:
		case LEP_NODE_ASSERT:
			return true;
		case LEP_NODE_SET:
			return false;
		case LEP_NODE_CAT:
			for (const LepNode *child = node->first; child != NULL; child = child->next)
				if (!can_be_empty(child))
					return false;
			return true;
		case LEP_NODE_ALT:
			for (const LepNode *child = node->first; child != NULL; child = child->next)
				empty = empty || can_be_empty(child);
			return empty;
		case LEP_NODE_REPEAT:
			return node->min == 0 || can_be_empty(node->first);
		case LEP_NODE_ATOMIC:
			return can_be_empty(node->first);
	}
	return true;
}

/* Characters that a node takes, always the same; false when they vary. */
static bool
fixed_length(const LepNode *node, uint32_t *n)
{
	uint32_t each;

	*n = 0;
	switch (node->kind)
	{
		case LEP_NODE_EMPTY:
		case LEP_NODE_LOOK:
		case LEP_NODE_ASSERT:
			return true;
		case LEP_NODE_SET:
			*n = 1;
			return true;
		case LEP_NODE_CAT:
			for (const LepNode *child = node->first; child != NULL; child = child->next)
			{
				if (!fixed_length(child, &each) || each > LEP_REGEX_CODE || *n > LEP_REGEX_CODE)
					return false;
				*n += each;
			}
			return true;
		case LEP_NODE_ALT:
			for (const LepNode *child = node->first; child != NULL; child = child->next)
			{
				if (!fixed_length(child, &each) || (child != node->first && each != *n))
					return false;
				*n = each;
			}
			return true;
		case LEP_NODE_REPEAT:
			if (node->min != node->max || !fixed_length(node->first, &each) ||
				each > LEP_REGEX_CODE)
				return false;
			*n = each * node->min;
			return true;
		case LEP_NODE_ATOMIC:
			return fixed_length(node->first, n);
	}
	return false;
}

/* A node that stands for one set; NULL when it does not. */
static const LepNode *
single_set(const LepNode *node)
{
	while ((node->kind == LEP_NODE_CAT || node->kind == LEP_NODE_ATOMIC) && node->first != NULL &&
		   node->first->next == NULL)
		node = node->first;
	return node->kind == LEP_NODE_SET ? node : NULL;
}

/* Emit alternatives, each behind a split but the last. */
static LepStatus
emit_alternatives(Compiler *c, const LepNode *node)
{
	const LepNode *child = node->first;
	size_t jumps = SIZE_MAX; /* the jumps to the end, linked by their x */
	LepStatus status = LEP_OK;

	for (; child->next != NULL && status == LEP_OK; child = child->next)
	{
		size_t split = 0;
		size_t jump = 0;
		uint32_t set;

		status = first_set(c, child, &set);
		if (status == LEP_OK)
			status = add(c, LEP_OP_SPLIT, 0, set, (uint32_t) c->n_ins + 1, 0, &split);
		if (status == LEP_OK)
			status = emit(c, child);
		if (status == LEP_OK)
			status = add(c, LEP_OP_JUMP, 0, LEP_SET_NONE, (uint32_t) jumps, 0, &jump);
		if (status != LEP_OK)
			return status;
		jumps = jump;
		c->ins[split].y = (uint32_t) c->n_ins;
	}
	if (status == LEP_OK)
		status = emit(c, child);
	while (status == LEP_OK && jumps != SIZE_MAX)
	{
		uint32_t next = c->ins[jumps].x;

		c->ins[jumps].x = (uint32_t) c->n_ins;
		jumps = next == UINT32_MAX ? SIZE_MAX : next;
	}
	return status;
}

/* Emit one round of an optional or endless repeat: a split around the body. */
static LepStatus
emit_round(Compiler *c, const LepNode *node, bool endless)
{
	bool lazy = node->flags == LEP_REPEAT_LAZY;
	uint32_t set = LEP_SET_NONE;
	size_t split = 0;
	LepStatus status = LEP_OK;

	if (!lazy)
		status = first_set(c, node->first, &set);
	if (status == LEP_OK)
		status = add(c, LEP_OP_SPLIT, 0, set, 0, 0, &split);
	if (status == LEP_OK)
		status = emit(c, node->first);
	if (status == LEP_OK && endless)
		status = add(c, LEP_OP_JUMP, 0, LEP_SET_NONE, (uint32_t) split, 0, NULL);
	if (status != LEP_OK)
		return status;
	c->ins[split].x = lazy ? (uint32_t) c->n_ins : (uint32_t) split + 1;
	c->ins[split].y = lazy ? (uint32_t) split + 1 : (uint32_t) c->n_ins;
	return LEP_OK;
}

/* Emit up to `left` optional rounds, each within the one before. */
static LepStatus
emit_rounds(Compiler *c, const LepNode *node, uint32_t left)
{
	size_t first = c->n_ins;
	LepStatus status = LEP_OK;

	for (uint32_t i = 0; i < left && status == LEP_OK; i++)
		status = emit_round(c, node, false);
	/* Who leaves one round leaves all. */
	for (size_t i = first; i < c->n_ins && status == LEP_OK && left > 0;)
	{
		size_t rounds = (c->n_ins - first) / left;
		uint32_t end = (uint32_t) c->n_ins;

		if (node->flags == LEP_REPEAT_LAZY)
			c->ins[i].x = end;
		else
			c->ins[i].y = end;
		i += rounds;
	}
	return status;
}

/* Emit a repeat. */
static LepStatus
emit_repeat(Compiler *c, const LepNode *node)
{
	const LepNode *set = single_set(node->first);
	size_t open = SIZE_MAX;
	LepStatus status = LEP_OK;

	if (set != NULL)
		return add(c, LEP_OP_SPAN, node->flags, set->flags, node->min, node->max, NULL);
	if (node->max == LEP_REGEX_ENDLESS && can_be_empty(node->first))
		return lep_regex_unsupported(c->p, "an endless repeat of what may be empty");
	if (node->flags == LEP_REPEAT_POSSESSIVE)
		status = add(c, LEP_OP_OPEN, LEP_OPEN_ATOMIC, LEP_SET_NONE, 0, 0, &open);
	for (uint32_t i = 0; i < node->min && status == LEP_OK; i++)
		status = emit(c, node->first);
	if (status == LEP_OK && node->max == LEP_REGEX_ENDLESS)
		status = emit_round(c, node, true);
	else if (status == LEP_OK)
		status = emit_rounds(c, node, node->max - node->min);
	if (status == LEP_OK && open != SIZE_MAX)
	{
		status = add(c, LEP_OP_CLOSE, LEP_OPEN_ATOMIC, LEP_SET_NONE, 0, 0, NULL);
		c->ins[open].x = (uint32_t) c->n_ins;
	}
	return status;
}

/* Emit a look at the body, one alternative of a look-behind or the whole of another. */
static LepStatus
emit_look(Compiler *c, const LepNode *body, uint32_t flags)
{
	uint32_t how = flags & LEP_LOOK_NOT ? LEP_OPEN_NOT : LEP_OPEN_LOOK;
	uint32_t length;
	size_t open = 0;
	LepStatus status = add(c, LEP_OP_OPEN, how, LEP_SET_NONE, 0, 0, &open);

	c->in_not += how == LEP_OPEN_NOT;
	if (status == LEP_OK && (flags & LEP_LOOK_BEHIND))
		status = fixed_length(body, &length)
					 ? add(c, LEP_OP_BACK, 0, LEP_SET_NONE, length, 0, NULL)
					 : lep_regex_unsupported(c->p, "a look-behind of varying length");
	if (status == LEP_OK)
		status = emit(c, body);
	if (status == LEP_OK)
		status = add(c, LEP_OP_CLOSE, how, LEP_SET_NONE, 0, 0, NULL);
	c->in_not -= how == LEP_OPEN_NOT;
	if (status == LEP_OK)
		c->ins[open].x = (uint32_t) c->n_ins;
	return status;
}

/* Emit a look-around; a look-behind's alternatives may have lengths of their own. */
static LepStatus
emit_look_around(Compiler *c, const LepNode *node)
{
	const LepNode *body = node->first;
	LepNode choice = {.kind = LEP_NODE_ALT};
	LepNode **tail = &choice.first;
	LepStatus status = LEP_OK;

	while (body->kind == LEP_NODE_CAT && body->first != NULL && body->first->next == NULL)
		body = body->first;
	if (!(node->flags & LEP_LOOK_BEHIND) || body->kind != LEP_NODE_ALT)
		return emit_look(c, body, node->flags);
	/* None of the alternatives, or one of them. */
	for (const LepNode *child = body->first; child != NULL && status == LEP_OK; child = child->next)
	{
		LepNode *look;

		if (node->flags & LEP_LOOK_NOT)
		{
			status = emit_look(c, child, node->flags);
			continue;
		}
		look = lep_arena_array(c->p->arena, 2, sizeof(LepNode));
		if (look == NULL)
			return lep_regex_no_memory(c->p);
		look[0].kind = LEP_NODE_LOOK;
		look[0].flags = node->flags;
		look[0].first = &look[1];
		look[1] = *child;
		look[1].next = NULL;
		*tail = &look[0];
		tail = &look[0].next;
	}
	return status == LEP_OK && choice.first != NULL ? emit_alternatives(c, &choice) : status;
}

/* Emit a node. */
static LepStatus
emit(Compiler *c, const LepNode *node)
{
	size_t open = 0;
	LepStatus status = LEP_OK;

	if (++c->n_emits > EMITS_MAX)
		return lep_regex_unsupported(c->p, "too many repeats");
	if (++c->depth > 8 * LEP_REGEX_DEPTH)
		return lep_regex_unsupported(c->p, "too many groups within groups");
	switch (node->kind)
	{
		case LEP_NODE_EMPTY:
			break;
		case LEP_NODE_SET:
			status = add(c, LEP_OP_SET, 0, node->flags, 0, 0, NULL);
			break;
		case LEP_NODE_CAT:
			for (const LepNode *child = node->first; child != NULL && status == LEP_OK;
				 child = child->next)
				status = emit(c, child);
			break;
		case LEP_NODE_ALT:
			status = emit_alternatives(c, node);
			break;
		case LEP_NODE_REPEAT:
			status = emit_repeat(c, node);
			break;
		case LEP_NODE_ATOMIC:
			status = add(c, LEP_OP_OPEN, LEP_OPEN_ATOMIC, LEP_SET_NONE, 0, 0, &open);
			if (status == LEP_OK)
				status = emit(c, node->first);
			if (status == LEP_OK)
				status = add(c, LEP_OP_CLOSE, LEP_OPEN_ATOMIC, LEP_SET_NONE, 0, 0, NULL);
			if (status == LEP_OK)
				c->ins[open].x = (uint32_t) c->n_ins;
			break;
		case LEP_NODE_LOOK:
			status = emit_look_around(c, node);
			break;
		case LEP_NODE_ASSERT:
			status = add(c, LEP_OP_ASSERT, 0, LEP_SET_NONE, node->flags, 0, NULL);
			break;
	}
	c->depth--;
	return status;
}

/* Write header, instructions, sets and map into one block. */
static LepStatus
write_program(Compiler *c, const void *map, size_t map_size, void **program, size_t *size)
{
	LepRegex head = {
		.n_ins = (uint32_t) c->n_ins,
		.n_sets = (uint32_t) c->n_sets,
		.n_memo = c->n_memo,
		.word_set = c->word_set,
		.newline_set = c->newline_set,
	};
	unsigned char *bytes;

	head.ins_at = (uint32_t) sizeof(head);
	head.sets_at = head.ins_at + (uint32_t) (c->n_ins * sizeof(LepRegexIns));
	head.map_at = head.sets_at + (uint32_t) (c->n_sets * CLASSES);
	head.map_at = (head.map_at + 7) & ~7u;
	head.map_size = (uint32_t) map_size;
	head.size = head.map_at + head.map_size;
	bytes = lep_arena_alloc(c->p->arena, head.size);
	if (bytes == NULL)
		return lep_regex_no_memory(c->p);
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + head.ins_at, c->ins, c->n_ins * sizeof(LepRegexIns));
	memcpy(bytes + head.sets_at, c->sets, c->n_sets * CLASSES);
	memcpy(bytes + head.map_at, map, map_size);
	*program = bytes;
	*size = head.size;
	return LEP_OK;
}

/* Make the sets that assertions ask for. */
static LepStatus
assertion_sets(Compiler *c)
{
	LepCharSet word = {0};
	LepCharSet newline = {0};
	uint32_t number;
	LepStatus status;

	if (!lep_set_property(&word, LEP_PROPERTY_WORD, c->p->arena) ||
		!lep_set_add(&newline, '\n', '\n', c->p->arena))
		return lep_regex_no_memory(c->p);
	status = lep_regex_intern(c->p, &word, &number);
	c->word_set = (uint16_t) number;
	if (status == LEP_OK)
		status = lep_regex_intern(c->p, &newline, &number);
	c->newline_set = (uint16_t) number;
	return status;
}

/* Is there an assertion in the tree? */
static bool
has_assertion(const LepNode *node)
{
	for (; node != NULL; node = node->next)
		if (node->kind == LEP_NODE_ASSERT || has_assertion(node->first))
			return true;
	return false;
}

/* Compile a pattern. */
LepStatus
lep_regex_compile(const char *pattern, size_t len, const char *file, const char *part,
				  LepArena *arena, void **program, size_t *size, LepError *err)
{
	LepPattern *p = lep_arena_alloc(arena, sizeof(LepPattern));
	Compiler c = {.p = p, .word_set = LEP_SET_NONE, .newline_set = LEP_SET_NONE};
	uint32_t *runs = NULL;
	size_t n_runs = 0;
	size_t map_size = 0;
	void *map;
	LepStatus status;

	*program = NULL;
	*size = 0;
	if (p == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	p->file = file;
	p->part = part;
	p->text = (const unsigned char *) pattern;
	p->len = len;
	p->arena = arena;
	p->err = err;
	status = lep_regex_parse(p);
	if (status == LEP_OK && has_assertion(p->root))
		status = assertion_sets(&c);
	if (status != LEP_OK)
		return status;
	c.n_sets = p->n_sets;
	c.sets_capacity = 2 * LEP_REGEX_SETS;
	c.sets = lep_arena_array(arena, c.sets_capacity, CLASSES);
	if (c.sets == NULL)
		return lep_regex_no_memory(p);
	status = divide(&c, &runs, &n_runs);
	if (status == LEP_OK)
		status = emit(&c, p->root);
	if (status == LEP_OK)
		status = add(&c, LEP_OP_MATCH, 0, LEP_SET_NONE, 0, 0, NULL);
	if (status == LEP_OK)
		status = lep_char_map_build(runs, n_runs, arena, &map, &map_size, err);
	return status == LEP_OK ? write_program(&c, map, map_size, program, size) : status;
}
