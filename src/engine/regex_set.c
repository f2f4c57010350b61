/*
 * regex_set.c: sets of code points, the properties that patterns name, and
 * maps from code points to bytes.
 */
#define LEPTON_ENGINE_SOURCE
#include "regex_parts.h"

#include <stdlib.h>
#include <string.h>

#include "regex_properties.inc"
#include "unicode.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define LAST_POINT	  (LEP_REGEX_POINTS - 1)
#define NAME_SIZE	  48
#define BLOCK		  256
#define CATEGORY_BITS 5

/* Categories in the order of their numbers; a group is all that begin with its letter. */
static const struct
{
	const char *name, *longer;
} categories[] = {
	{"lu", "uppercaseletter"},	  {"ll", "lowercaseletter"},  {"lt", "titlecaseletter"},
	{"lm", "modifierletter"},	  {"lo", "otherletter"},	  {"mn", "nonspacingmark"},
	{"mc", "spacingmark"},		  {"me", "enclosingmark"},	  {"nd", "decimalnumber"},
	{"nl", "letternumber"},		  {"no", "othernumber"},	  {"pc", "connectorpunctuation"},
	{"pd", "dashpunctuation"},	  {"ps", "openpunctuation"},  {"pe", "closepunctuation"},
	{"pi", "initialpunctuation"}, {"pf", "finalpunctuation"}, {"po", "otherpunctuation"},
	{"sm", "mathsymbol"},		  {"sc", "currencysymbol"},	  {"sk", "modifiersymbol"},
	{"so", "othersymbol"},		  {"zs", "spaceseparator"},	  {"zl", "lineseparator"},
	{"zp", "paragraphseparator"}, {"cc", "control"},		  {"cf", "format"},
	{"co", "privateuse"},		  {"cs", "surrogate"},		  {"cn", "unassigned"},
};

static const struct
{
	const char *name;
	char letter;
} groups[] = {
	{"l", 'l'},		 {"letter", 'l'}, {"m", 'm'},			{"mark", 'm'},	{"n", 'n'},
	{"number", 'n'}, {"p", 'p'},	  {"punctuation", 'p'}, {"punct", 'p'}, {"s", 's'},
	{"symbol", 's'}, {"z", 'z'},	  {"separator", 'z'},	{"c", 'c'},		{"other", 'c'},
};

static const struct
{
	const char *name;
	LepProperty property;
} properties[] = {
	{"word", LEP_PROPERTY_WORD},		{"alpha", LEP_PROPERTY_ALPHA},
	{"alphabetic", LEP_PROPERTY_ALPHA}, {"upper", LEP_PROPERTY_UPPER},
	{"uppercase", LEP_PROPERTY_UPPER},	{"lower", LEP_PROPERTY_LOWER},
	{"lowercase", LEP_PROPERTY_LOWER},	{"graph", LEP_PROPERTY_GRAPH},
	{"print", LEP_PROPERTY_PRINT},		{"blank", LEP_PROPERTY_BLANK},
	{"space", LEP_PROPERTY_SPACE},		{"whitespace", LEP_PROPERTY_SPACE},
};

/* Append a range. */
bool
lep_set_add(LepCharSet *set, uint32_t low, uint32_t high, LepArena *arena)
{
	if (set->n == set->capacity)
	{
		size_t capacity = set->capacity == 0 ? 16 : set->capacity * 2;
		LepCharRange *bigger = lep_arena_array(arena, capacity, sizeof(LepCharRange));

		if (bigger == NULL)
			return false;
		if (set->n > 0)
			memcpy(bigger, set->ranges, set->n * sizeof(LepCharRange));
		set->ranges = bigger;
		set->capacity = capacity;
	}
	set->ranges[set->n].low = low;
	set->ranges[set->n++].high = high;
	return true;
}

/* Append another set's ranges. */
bool
lep_set_add_all(LepCharSet *set, const LepCharSet *other, LepArena *arena)
{
	for (size_t i = 0; i < other->n; i++)
		if (!lep_set_add(set, other->ranges[i].low, other->ranges[i].high, arena))
			return false;
	return true;
}

/* Order ranges. */
static int
compare_ranges(const void *a, const void *b)
{
	const LepCharRange *x = a;
	const LepCharRange *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

/* Sort and join the ranges. */
void
lep_set_tidy(LepCharSet *set)
{
	size_t n = 0;
	bool mixed = false;

	for (size_t i = 1; i < set->n && !mixed; i++)
		mixed = set->ranges[i].low < set->ranges[i - 1].low;
	if (mixed)
		qsort(set->ranges, set->n, sizeof(LepCharRange), compare_ranges);
	for (size_t i = 0; i < set->n; i++)
	{
		LepCharRange now = set->ranges[i];

		if (n > 0 && now.low <= set->ranges[n - 1].high + 1)
		{
			if (now.high > set->ranges[n - 1].high)
				set->ranges[n - 1].high = now.high;
		}
		else
			set->ranges[n++] = now;
	}
	set->n = n;
}

/* Make the set what it lacked. */
bool
lep_set_negate(LepCharSet *set, LepArena *arena)
{
	LepCharSet out = {0};
	uint32_t low = 0;

	lep_set_tidy(set);
	for (size_t i = 0; i < set->n; i++)
	{
		if (set->ranges[i].low > low && !lep_set_add(&out, low, set->ranges[i].low - 1, arena))
			return false;
		low = set->ranges[i].high + 1;
	}
	if (low <= LAST_POINT && !lep_set_add(&out, low, LAST_POINT, arena))
		return false;
	*set = out;
	return true;
}

/* Keep what both sets have. */
bool
lep_set_intersect(LepCharSet *set, const LepCharSet *other, LepArena *arena)
{
	LepCharSet missing = {0};

	if (!lep_set_add_all(&missing, other, arena) || !lep_set_negate(&missing, arena) ||
		!lep_set_negate(set, arena) || !lep_set_add_all(set, &missing, arena))
		return false;
	return lep_set_negate(set, arena);
}

/* Is c in a tidy set? */
bool
lep_set_has(const LepCharSet *set, uint32_t c)
{
	size_t low = 0;
	size_t high = set->n;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].high < c)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->n && set->ranges[low].low <= c;
}

/* Append the runs whose kind has one of the categories or the class bits. */
static bool
add_kinds(LepCharSet *set, uint32_t wanted, uint32_t classes, LepArena *arena)
{
	size_t first = set->n;

	for (size_t i = 0; i < COUNT(kind_runs); i++)
	{
		uint32_t bits = kind_bits[kind_runs[i] & 255];
		uint32_t end = i + 1 < COUNT(kind_runs) ? kind_runs[i + 1] >> 8 : LEP_REGEX_POINTS;

		if ((wanted >> (bits & 31) & 1) == 0 && (bits >> CATEGORY_BITS & classes) == 0)
			continue;
		if (set->n > first && set->ranges[set->n - 1].high + 1 == kind_runs[i] >> 8)
			set->ranges[set->n - 1].high = end - 1;
		else if (!lep_set_add(set, kind_runs[i] >> 8, end - 1, arena))
			return false;
	}
	lep_set_tidy(set);
	return true;
}

/* Append what has a property. */
bool
lep_set_property(LepCharSet *set, LepProperty property, LepArena *arena)
{
	return add_kinds(set, 0, 1u << property, arena);
}

/* Append the decimal digits. */
bool
lep_set_digits(LepCharSet *set, LepArena *arena)
{
	return add_kinds(set, 1u << 8, 0, arena);
}

/* Copy a property's name as it is compared: lower case, letters and digits alone. */
static void
plain_name(char *out, const char *name, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < NAME_SIZE; i++)
		if (name[i] != ' ' && name[i] != '_' && name[i] != '-')
			out[n++] = name[i] >= 'A' && name[i] <= 'Z' ? (char) (name[i] | 0x20) : name[i];
	out[n] = '\0';
}

/* Append the script called name (plain); *known tells whether there is one. */
static bool
add_script(LepCharSet *set, const char *name, bool *known, LepArena *arena)
{
	char script[NAME_SIZE];
	uint32_t number = 0;

	for (uint32_t i = 0; i < COUNT(script_names); i++)
	{
		plain_name(script, script_names[i], strlen(script_names[i]));
		if (strcmp(script, name) == 0)
			number = i + 1;
	}
	*known = number != 0;
	for (size_t i = 0; *known && i < COUNT(script_runs); i++)
	{
		uint32_t end = i + 1 < COUNT(script_runs) ? script_runs[i + 1] >> 8 : LEP_REGEX_POINTS;

		if ((script_runs[i] & 255) == number &&
			!lep_set_add(set, script_runs[i] >> 8, end - 1, arena))
			return false;
	}
	lep_set_tidy(set);
	return true;
}

/* Append what \p{name} means. */
bool
lep_set_named(LepCharSet *set, const char *name, size_t len, bool *known, LepArena *arena)
{
	char plain[NAME_SIZE];
	uint32_t wanted = 0;

	*known = true;
	plain_name(plain, name, len);
	if (strcmp(plain, "any") == 0)
		return lep_set_add(set, 0, LAST_POINT, arena);
	if (strcmp(plain, "ascii") == 0)
		return lep_set_add(set, 0, 0x7F, arena);
	if (strcmp(plain, "xdigit") == 0)
		return lep_set_add(set, '0', '9', arena) && lep_set_add(set, 'A', 'F', arena) &&
			   lep_set_add(set, 'a', 'f', arena);
	if (strcmp(plain, "alnum") == 0)
		return add_kinds(set, 1u << 8, 1u << LEP_PROPERTY_ALPHA, arena);
	if (strcmp(plain, "digit") == 0)
		return lep_set_digits(set, arena);
	if (strcmp(plain, "cntrl") == 0)
		return add_kinds(set, 1u << 25, 0, arena);
	for (size_t i = 0; i < COUNT(properties); i++)
		if (strcmp(plain, properties[i].name) == 0)
			return lep_set_property(set, properties[i].property, arena);
	for (size_t i = 0; i < COUNT(categories); i++)
	{
		if (strcmp(plain, categories[i].name) == 0 || strcmp(plain, categories[i].longer) == 0)
			wanted |= 1u << i;
		for (size_t j = 0; j < COUNT(groups); j++)
			if (strcmp(plain, groups[j].name) == 0 && categories[i].name[0] == groups[j].letter)
				wanted |= 1u << i;
	}
	if (wanted != 0)
		return add_kinds(set, wanted, 0, arena);
	return add_script(set, plain, known, arena);
}

/* Take out the superscripts and fractions of Latin-1, words by themselves but not within a set. */
bool
lep_set_word_within(LepCharSet *set, LepArena *arena)
{
	LepCharSet others = {0};

	return lep_set_add(&others, 0xB2, 0xB3, arena) && lep_set_add(&others, 0xB9, 0xB9, arena) &&
		   lep_set_add(&others, 0xBC, 0xBE, arena) && lep_set_negate(&others, arena) &&
		   lep_set_intersect(set, &others, arena);
}

/* Are all of the tidy set `some` in the tidy set `all`? */
static bool
contains(const LepCharSet *all, const LepCharSet *some)
{
	for (size_t i = 0; i < some->n; i++)
	{
		size_t j = 0;

		while (j < all->n && all->ranges[j].high < some->ranges[i].low)
			j++;
		if (j == all->n || all->ranges[j].low > some->ranges[i].low ||
			all->ranges[j].high < some->ranges[i].high)
			return false;
	}
	return true;
}

/* Add what the members of a tidy set equal when case is ignored. */
bool
lep_set_fold(LepCharSet *set, bool negated, bool *known, LepArena *arena)
{
	static const char letter[] = "l";
	LepCharSet cased = {0};
	LepCharSet letters = {0};
	LepCharSet out = {0};
	bool ascii, all, found;

	*known = true;
	if (!lep_set_add_all(&out, set, arena))
		return false;
	ascii = set->n == 0 || set->ranges[set->n - 1].high < 0x80;
	if (!ascii &&
		(!lep_set_property(&cased, LEP_PROPERTY_UPPER, arena) ||
		 !lep_set_property(&cased, LEP_PROPERTY_LOWER, arena) ||
		 !lep_set_add(&cased, 0x1C5, 0x1F2, arena) || !lep_set_add(&cased, 0x345, 0x345, arena) ||
		 !lep_set_named(&letters, letter, 1, &found, arena)))
		return false;
	lep_set_tidy(&cased);
	all = !ascii && contains(set, &letters);
	for (uint32_t c = 'a'; c <= 'z'; c++)
	{
		uint32_t odd = c == 's' ? 0x17F : c == 'k' ? 0x212A : c;

		if (!lep_set_has(set, c) && !lep_set_has(set, c - 0x20) && !lep_set_has(set, odd))
			continue;
		if (!lep_set_add(&out, c, c, arena) || !lep_set_add(&out, c - 0x20, c - 0x20, arena) ||
			!lep_set_add(&out, odd, odd, arena))
			return false;
	}
	/* The one mark that equals letters. */
	if (all && !lep_set_add(&out, 0x345, 0x345, arena))
		return false;
	lep_set_tidy(&out);
	/* Beyond ASCII: all letters or none, and the other case of what else has case. */
	for (size_t i = 0; i < cased.n && *known; i++)
		for (uint32_t c = cased.ranges[i].low; c <= cased.ranges[i].high && *known; c++)
		{
			uint32_t lower[LEP_LOWER_MAX];

			if (c < 0x80 || c == 0x17F || c == 0x212A)
				continue;
			if (!all || !negated)
				*known = !lep_set_has(&out, c);
			else if (lep_char_lower(c, lower) == 1)
				*known = lep_set_has(&out, c) == lep_set_has(&out, lower[0]);
		}
	*set = out;
	return true;
}

/* The number of a block among the leaves of map, where it is appended when it is new; hashes[n_blocks]. */
static uint16_t
enter_block(LepCharMap *map, uint32_t *hashes, const uint8_t *block)
{
	uint8_t *leaves = (uint8_t *) (map + 1);
	uint32_t hash = 2166136261u;
	uint32_t i = 0;

	for (size_t j = 0; j < BLOCK; j += sizeof(uint64_t))
	{
		uint64_t eight;

		memcpy(&eight, block + j, sizeof(eight));
		hash = (hash ^ (uint32_t) (eight >> 32) ^ (uint32_t) eight * 5) * 16777619u;
	}
	while (i < map->n_blocks &&
		   (hashes[i] != hash || memcmp(leaves + (size_t) i * BLOCK, block, BLOCK) != 0))
		i++;
	if (i == map->n_blocks)
	{
		hashes[i] = hash;
		memcpy(leaves + (size_t) map->n_blocks++ * BLOCK, block, BLOCK);
	}
	return (uint16_t) i;
}

/* Make a map of runs. */
LepStatus
lep_char_map_build(const uint32_t *runs, size_t n_runs, LepArena *arena, void **map, size_t *size,
				   LepError *err)
{
	size_t blocks = LEP_REGEX_POINTS / BLOCK;
	/* A block is of one value, or a run starts in it. */
	size_t most = n_runs + 256 < blocks ? n_runs + 256 : blocks;
	LepCharMap *built = lep_arena_alloc(arena, sizeof(LepCharMap) + most * BLOCK);
	uint32_t *hashes = lep_arena_array(arena, most, sizeof(uint32_t));
	uint16_t plain[256]; /* 1 + the block that is this value alone; 0: none yet */
	size_t run = 0;

	*map = built;
	if (built == NULL || hashes == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	memset(plain, 0, sizeof(plain));
	for (size_t i = 0; i < blocks; i++)
	{
		uint8_t block[BLOCK];
		uint8_t first = (uint8_t) (runs[run] & 255);
		size_t at = 0;
		bool mixed = false;

		while (at < BLOCK)
		{
			size_t next = run + 1 < n_runs ? runs[run + 1] >> 8 : LEP_REGEX_POINTS;
			size_t end = next < (i + 1) * BLOCK ? next - i * BLOCK : BLOCK;

			mixed = mixed || at > 0;
			if (mixed || end < BLOCK || plain[first] == 0)
				memset(block + at, (int) (runs[run] & 255), end - at);
			at = end;
			run += next <= (i + 1) * BLOCK && run + 1 < n_runs;
		}
		if (mixed || plain[first] == 0)
			built->top[i] = enter_block(built, hashes, block);
		if (!mixed && plain[first] == 0)
			plain[first] = (uint16_t) (built->top[i] + 1);
		else if (!mixed)
			built->top[i] = (uint16_t) (plain[first] - 1);
	}
	*size = sizeof(LepCharMap) + (size_t) built->n_blocks * BLOCK;
	return LEP_OK;
}

/* Does a map stay within its size? */
bool
lep_char_map_fits(const void *map, size_t size)
{
	const LepCharMap *m = map;

	if (m == NULL || size < sizeof(*m) || m->n_blocks > (size - sizeof(*m)) / BLOCK)
		return false;
	for (size_t i = 0; i < COUNT(m->top); i++)
		if (m->top[i] >= m->n_blocks)
			return false;
	return true;
}

/* Map what Digits splits at. */
LepStatus
lep_char_map_digits(LepArena *arena, void **map, size_t *size, LepError *err)
{
	return lep_char_map_build(digit_runs, COUNT(digit_runs), arena, map, size, err);
}

/* Map the scripts of UnicodeScripts. */
LepStatus
lep_char_map_scripts(LepArena *arena, void **map, size_t *size, LepError *err)
{
	return lep_char_map_build(splitting_runs, COUNT(splitting_runs), arena, map, size, err);
}
