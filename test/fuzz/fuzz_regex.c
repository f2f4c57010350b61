/*
 * fuzz_regex.c: regular expressions: any pattern, compiled, checked and run
 * over any text.
 *
 * The first byte chooses: bit 0, whether the pattern is bytes or follows a
 * grammar; bit 1, whether tables are damaged by what follows the text; bits 2
 * and 3, one allocation that fails.  The second is the pattern's length in bytes or choices.
 * Checked: what compiles is sound, matches lie in the window, in order, and
 * are the same when searched again.
 */
#define LEPTON_ENGINE_SOURCE
#include "../../src/engine/normalizer.h"
#include "../../src/engine/regex.h"
#include "grammar.h"

#define PATTERN_MAX	  2000
#define TEXT_MAX	  400
#define QUESTIONS_MAX 100 /* of the stop callback: some milliseconds */

static const Rule rules[] = {
	RULE('E', "$T", "$T$T", "$T$T$T", "$T|$E", "$T$E", "^$E", "$E\\z", "\\b$E", "$T|$T|$T", ""),
	RULE('T', "$A", "$A$Q", "$A$Q$K", "($E)", "(?:$E)$Q", "(?:$E)$Q$K", "(?>$E)", "(?=$E)",
		 "(?!$E)", "(?<=$L)", "(?<!$L)", "(?i:$E)", "(?i)$E", "(?<n>$E)", "(?#x)", "(?=$E)$Q",
		 "(?m:$E)"),
	RULE('L', "a", "ab|c", "\\s", "[^a]", "$A", "$A$A", "a|$A", "$E"),
	RULE('A', "a", "b", ".", "\\s", "\\p{L}", "\\p{N}", "\\d", "\\w", "\\S", "\\W", "[$C]", "[^$C]",
		 "\\p{Lu}", "\\P{L}", "\\p{^N}", "\\n", "\\x41", "\\x{e9}", "\xC3\xA9", "'", " ",
		 "\\p{Han}", "[[:alpha:]]", "\\h", "\\B", "$", "^", "\\A", "\\Z", "s", "K", "\\u0041",
		 "\\R", "\\X", "\xE2\x96\x81", "\\p{Greek}", "\\r", "1", "\xF0\x9F\x98\x80", "\\p{M}"),
	RULE('C', "a", "a-c", "$C$C", "\\s", "\\p{L}", "^a", "a-c&&b", "[$C]", "&&$C", "\\d",
		 "$C&&[^$C]", "\xC3\xA9-\xC3\xBC", "\\x{4e00}-\\x{9fff}", "[:^punct:]", "]", "-", "\\-",
		 "$C-", "\\p{^Lu}", " ", "\\n", "\\w", "^", "\\b"),
	RULE('Q', "*", "+", "?", "{1,3}", "{2}", "{0,}", "{,2}", "{3,1}", "{0}", "{1000}", "{2,4}", ""),
	RULE('K', "?", "+", "*", "{2}", ""),
	{0, NULL},
};

/* Texts that match now and then. */
static const char *const pieces[] = {
	"a",
	"b",
	"c",
	"ab",
	"aaaa",
	" ",
	"  ",
	"\n",
	"\r\n",
	"'s",
	"A",
	"1",
	"12",
	".",
	"-",
	"\xC3\xA9",
	"S",
	"\xC5\xBF",
	"\xE2\x84\xAA",
	"\xE4\xB8\xAD",
	"\xCE\xA3",
	"K",
	"_",
	"\t",
	"\xCC\x81",
	"\xF0\x9F\x98\x80",
	"\xE2\x96\x81",
	"\xC2\xA0",
	"abcabcabc",
	"\xE2\x80\xA8",
};

/* Count a question; there is no time for more than so many. */
static bool
count(void *arg)
{
	return ++*(int *) arg >= QUESTIONS_MAX;
}

/* Make characters of the choices. */
static size_t
make_text(Choices *c, LepChar *chars)
{
	size_t n = 0;

	while (c->at < c->size && n < TEXT_MAX)
	{
		const unsigned char *at =
			(const unsigned char *) pieces[choose(c, sizeof(pieces) / sizeof(pieces[0]))];

		for (; *at != '\0' && n < TEXT_MAX; n++)
		{
			uint32_t size = *at < 0x80 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
			uint32_t point = size == 1 ? *at : *at & (0x7Fu >> size);

			for (uint32_t i = 1; i < size; i++)
				point = point << 6 | (at[i] & 63u);
			chars[n] = (LepChar){point, (uint32_t) n, (uint32_t) n + 1};
			at += size;
		}
	}
	return n;
}

/* Search all matches in chars[n]; a sum over their places. */
static uint64_t
search(const void *program, const LepChar *chars, size_t n, size_t from, size_t to, bool whole,
	   bool scarce)
{
	int questions = 0;
	LepStop stop = {count, &questions};
	LepRegexScratch scratch = {.allocator = &fuzz_allocator};
	LepRegexMatcher m;
	LepError err = {0};
	uint64_t sum = 1;
	size_t last = from;
	size_t start, end;
	bool found = true;
	LepStatus status = lep_regex_start(&m, program, &scratch, chars, n, &stop, &err);

	if (status == LEP_OK)
		lep_regex_window(&m, from, to);
	while (status == LEP_OK && found)
	{
		status = lep_regex_next(&m, &start, &end, &found);
		if (status != LEP_OK || !found)
			break;
		require(!whole || (start >= last && start <= end && end <= to));
		require(!whole || sum == 1 || end > start || start > last);
		last = end;
		sum = (sum * 31 + start) * 31 + end;
	}
	require(status == LEP_OK || !whole || status == LEP_TOO_LARGE || status == LEP_CANCELLED ||
			(scarce && status == LEP_NO_MEMORY));
	require(status == LEP_OK || err.message[0] != '\0' || !whole);
	lep_regex_free(&scratch);
	return status == LEP_OK ? sum : 0;
}

/* Compile a pattern and run it over a text. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static LepChar text[TEXT_MAX];
	static char pattern[PATTERN_MAX];
	Choices c = {data, size, 2};
	Written out = {pattern, 0, sizeof(pattern)};
	LepArena arena;
	LepError err = {0};
	LepStatus status;
	void *program;
	unsigned char *copy;
	LepChar *chars;
	size_t program_size, n, n_pattern;
	bool scarce;

	if (size < 2)
		return 0;
	n_pattern = data[1] < size - 2 ? data[1] : size - 2;
	if (data[0] & 1)
	{
		Choices own = {data + 2, n_pattern, 0};

		write_rule(&out, rules, 'E', &own, 0);
	}
	else
		write_bytes(&out, (const char *) data + 2, n_pattern);
	c.at = 2 + n_pattern;
	if (getenv("FUZZ_SHOW") != NULL)
		fprintf(stderr, "pattern %zu: %.*s\n", out.len, (int) out.len, out.text);
	scarce = (data[0] & 12) == 12;
	if (scarce)
		fuzz_scarce(choose(&c, 32));
	lep_arena_init(&arena, &fuzz_allocator, (size_t) 64 << 20);
	status = lep_regex_compile(out.text, out.len, "f", "p", &arena, &program, &program_size, &err);
	if (status != LEP_OK)
	{
		require(err.status == status && err.message[0] != '\0');
		require(status == LEP_BAD_FILE || status == LEP_UNSUPPORTED || status == LEP_TOO_LARGE ||
				(scarce && status == LEP_NO_MEMORY));
	}
	else
	{
		copy = fuzz_copy(program, program_size);
		require(lep_regex_fits(copy, program_size));
		if (data[0] & 2)
		{
			for (int i = 0; i < 3; i++)
			{
				size_t at = choose_byte(&c) | (size_t) choose_byte(&c) << 8;

				copy[at % program_size] = choose_byte(&c);
			}
		}
		n = make_text(&c, text);
		chars = fuzz_copy(text, n * sizeof(LepChar));
		if (lep_regex_fits(copy, program_size))
		{
			bool whole = (data[0] & 2) == 0;
			size_t from = n > 0 && (data[0] & 16) ? data[1] % n : 0;
			uint64_t first = search(copy, chars, n, from, n, whole, scarce);

			if (whole && !scarce)
				require(search(copy, chars, n, from, n, whole, scarce) == first);
		}
		fuzz_free(NULL, chars);
		fuzz_free(NULL, copy);
	}
	fuzz_scarce(FUZZ_NEVER);
	lep_arena_free(&arena);
	return 0;
}
