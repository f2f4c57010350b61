/*
 * test_tasks.c: offsets, windows, entities and answers, against values worked
 * out by hand and by the definitions of transformers' pipelines.
 */
#define LEPTON_ENGINE_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/answer.h"
#include "../../src/engine/entities.h"
#include "testing.h"

/* A cursor agrees with counting from the start, wherever it comes from. */
static void
test_cursor(void)
{
	const char *text = "a\xC3\xA9\xE6\x9D\xB1\xF0\x9F\x98\x80z";
	const size_t starts[] = {0, 1, 3, 6, 10, 11};
	LepCursor cursor;

	lep_cursor_init(&cursor, text, strlen(text));
	for (size_t from = 0; from < 6; from++)
		for (size_t to = 0; to < 6; to++)
		{
			lep_cursor_to_character(&cursor, from);
			check(lep_cursor_to_character(&cursor, to) == starts[to], "character %zu from %zu", to,
				  from);
			lep_cursor_to_byte(&cursor, starts[from]);
			check(lep_cursor_to_byte(&cursor, starts[to]) == to, "byte %zu from %zu", starts[to],
				  starts[from]);
		}
	check(lep_cursor_to_byte(&cursor, 4) == 2, "a byte inside a character is the character's");
	check(lep_cursor_to_byte(&cursor, 100) == 5 && lep_cursor_to_character(&cursor, 100) == 11,
		  "behind the end is the end");
	lep_cursor_init(&cursor, "", 0);
	check(lep_cursor_to_byte(&cursor, 1) == 0 && lep_cursor_to_character(&cursor, 1) == 0,
		  "an empty text");
}

/* Windows cover all tokens, overlap by the stride, and end with the first that reaches the end. */
static void
test_windows(void)
{
	for (size_t n = 0; n < 30; n++)
		for (size_t size = 1; size < 9; size++)
			for (size_t stride = 0; stride < size; stride++)
				for (int left = 0; left < 2; left++)
				{
					LepWindow w, before = {0, 0};
					size_t i = 0;
					bool ok = true;

					for (; lep_window(n, size, stride, left, i, &w); i++)
					{
						size_t reached = left ? n - w.first : w.first + w.n;

						ok = ok && w.n <= size && w.first + w.n <= n && i <= n;
						if (i > 0)
							ok = ok && (left ? w.first + w.n - before.first
											 : before.first + before.n - w.first) == stride;
						before = w;
						if (reached == n)
							break;
					}
					ok = ok && !lep_window(n, size, stride, left, i + 1, &w);
					check(ok, "windows of %zu over %zu, stride %zu, left %d", size, n, stride,
						  left);
				}
}

#define N_LABELS 5

static const char *const labels[N_LABELS] = {"O", "B-PER", "I-PER", "MISC", "B-O"};

/* Entities of tokens whose best labels are best[n], spans 3 characters each; is_subword may be NULL */
static size_t
find_entities(LepAggregation aggregation, const int *best, const uint8_t *is_subword, size_t n,
			  LepEntity *out)
{
	float logits[16 * N_LABELS] = {0};
	float scratch[2 * N_LABELS];
	LepSpan spans[16];
	uint8_t special[16] = {0}, none[16] = {0};
	LepEntityWindow window = {.logits = logits,
							  .spans = spans,
							  .is_special = special,
							  .is_subword = is_subword != NULL ? is_subword : none,
							  .n = n,
							  .n_labels = N_LABELS,
							  .labels = labels};

	for (size_t i = 0; i < n; i++)
	{
		special[i] = best[i] < 0;
		spans[i] = (LepSpan){(uint32_t) (3 * i), (uint32_t) (3 * i + 2)};
		if (best[i] >= 0)
			logits[i * N_LABELS + best[i]] = 3 + (float) i;
	}
	return lep_entities_window(&window, aggregation, scratch, out);
}

/* Tell whether an entity is as expected. */
static bool
is_entity(const LepEntity *e, const char *label, uint32_t start, uint32_t end)
{
	return strcmp(e->label, label) == 0 && e->span.start == start && e->span.end == end &&
		   e->score > 0 && e->score <= 1;
}

/* Tags go together, B- begins anew, O and B-O are none, special tokens are passed over. */
static void
test_entities(void)
{
	const int best[] = {-1, 1, 2, 1, 2, 0, 3, 3, 2, 4, -1};
	const int words[] = {-1, 1, 3, 3, 0, 2, -1};
	const uint8_t subwords[] = {0, 0, 1, 1, 0, 1, 0};
	LepEntity out[16];
	size_t n = find_entities(LEP_AGGREGATE_SIMPLE, best, NULL, 11, out);

	check(n == 4 && is_entity(&out[0], "PER", 3, 8) && is_entity(&out[1], "PER", 9, 14) &&
			  is_entity(&out[2], "MISC", 18, 23) && is_entity(&out[3], "PER", 24, 26),
		  "simple: %zu entities", n);
	n = find_entities(LEP_AGGREGATE_NONE, best, NULL, 11, out);
	check(n == 8 && is_entity(&out[0], "B-PER", 3, 5) && is_entity(&out[7], "B-O", 27, 29),
		  "none: %zu entities", n);
	n = find_entities(LEP_AGGREGATE_FIRST, words, subwords, 7, out);
	check(n == 1 && is_entity(&out[0], "PER", 3, 11), "first: %zu entities", n);
	n = find_entities(LEP_AGGREGATE_MAX, words, subwords, 7, out);
	check(n == 2 && is_entity(&out[0], "MISC", 3, 11) && is_entity(&out[1], "PER", 12, 17),
		  "max: %zu entities", n);
	n = find_entities(LEP_AGGREGATE_AVERAGE, words, subwords, 7, out);
	check(n == 2 && is_entity(&out[0], "MISC", 3, 11), "average: %zu entities", n);
	check(find_entities(LEP_AGGREGATE_SIMPLE, best, NULL, 0, out) == 0, "no tokens");
}

/* Of entities that overlap the longest stays, of equals the surest. */
static void
test_merge(void)
{
	LepEntity list[] = {{{4, 9}, 0.5f, 0, "A"},	  {{0, 3}, 0.5f, 0, "B"},
						{{4, 9}, 0.6f, 0, "C"},	  {{5, 12}, 0.1f, 0, "D"},
						{{11, 13}, 0.9f, 0, "E"}, {{13, 14}, 0.9f, 0, "F"}};
	LepEntity sorted[7];
	size_t n = lep_entities_merge(list, 6, sorted);

	check(n == 3 && strcmp(sorted[0].label, "B") == 0 && strcmp(sorted[1].label, "D") == 0 &&
			  strcmp(sorted[2].label, "F") == 0,
		  "%zu merged entities", n);
	check(lep_entities_merge(list, 0, sorted) == 0, "nothing to merge");
}

/* Answers of one window over "Ab ab cd": tokens of 2 characters, logits high at the numbers given */
static size_t
find_answers(size_t top_k, size_t most, bool has_null, const uint32_t *words, LepAnswer *out)
{
	/* token 0 is the class, 1 the question, 2 .. 4 the context, 5 a separator */
	const float logits[12] = {1, 1, 9, 9, 5, 5, 4.5f, 4.5f, 3, 6, 9, 9};
	const LepSpan spans[3] = {{0, 2}, {3, 5}, {6, 8}};
	const LepAnswerOptions options = {top_k, most, has_null};
	const LepAnswerWindow window = {logits, 6, 2, 3, true, spans, words};
	LepAnswers *answers = lep_answers_new(&lep_malloc_allocator, "Ab ab cd", 8, &options);
	size_t n;

	check(lep_answers_add(answers, &window, NULL, NULL) == LEP_OK, "window is taken");
	n = lep_answers_finish(answers, out);
	lep_answers_free(answers);
	return n;
}

/* Scores are products of probabilities; equal texts add up; words are not cut; lengths are limited. */
static void
test_answers(void)
{
	const uint32_t apart[3] = {1, 2, 3}, together[3] = {1, 1, 2};
	double from = exp(1) + exp(5) + exp(4.5) + exp(3);
	double to = exp(1) + exp(5) + exp(4.5) + exp(6);
	LepAnswer out[LEP_ANSWERS_MAX];
	size_t n = find_answers(1, 15, false, apart, out);
	double same = (exp(5) * exp(5) + exp(4.5) * exp(4.5)) / (from * to);

	check(n == 1 && out[0].span.start == 0 && out[0].span.end == 8 &&
			  fabs(out[0].score - exp(5) * exp(6) / (from * to)) < 1e-5,
		  "the best answer, score %g", out[0].score);
	n = find_answers(10, 1, false, apart, out);
	check(n == 2 && out[0].span.start == 0 && out[0].span.end == 2 &&
			  fabs(out[0].score - same) < 1e-5 && out[1].span.start == 6,
		  "equal texts add up, %zu answers, score %g", n, out[0].score);
	n = find_answers(10, 1, true, apart, out);
	check(n == 3 && out[2].span.end == 0 && fabs(out[2].score - exp(2) / (from * to)) < 1e-6,
		  "no answer may be an answer");
	n = find_answers(10, 1, false, together, out);
	check(n == 2 && out[0].span.start == 0 && out[0].span.end == 5, "words are whole");
}

/* A context without tokens has the empty answer. */
static void
test_no_answer(void)
{
	const float logits[4] = {1, 2, 3, 4};
	const LepAnswerOptions options = {3, 15, false};
	const LepAnswerWindow window = {logits, 2, 2, 0, true, NULL, NULL};
	LepAnswers *answers = lep_answers_new(&lep_malloc_allocator, "", 0, &options);
	LepAnswer out[3];

	check(lep_answers_add(answers, &window, NULL, NULL) == LEP_OK &&
			  lep_answers_finish(answers, out) == 1 && out[0].span.end == 0 && out[0].score == 0,
		  "no tokens, no answer");
	lep_answers_free(answers);
}

/* Many windows: the table grows, and top_k are given in order. */
static void
test_many_windows(void)
{
	const LepAnswerOptions options = {50, 3, false};
	char text[400];
	LepAnswers *answers;
	LepAnswer out[50];
	size_t n;
	bool ok = true;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char) ('a' + i * i % 23);
	answers = lep_answers_new(&lep_malloc_allocator, text, sizeof(text), &options);
	for (uint32_t at = 0; at + 10 <= sizeof(text); at += 5)
	{
		float logits[24] = {0};
		LepSpan spans[10];
		uint32_t words[10];
		LepAnswerWindow window = {logits, 12, 1, 10, true, spans, words};

		for (uint32_t i = 0; i < 10; i++)
		{
			spans[i] = (LepSpan){at + i, at + i + 1};
			words[i] = i;
			logits[2 * (i + 1)] = (float) ((at + i) * 7 % 11);
			logits[2 * (i + 1) + 1] = (float) ((at + i) * 5 % 13);
		}
		ok = ok && lep_answers_add(answers, &window, NULL, NULL) == LEP_OK;
	}
	n = lep_answers_finish(answers, out);
	for (size_t i = 1; i < n; i++)
		ok = ok && out[i].score <= out[i - 1].score;
	check(ok && n == 50, "%zu answers in order", n);
	lep_answers_free(answers);
}

int
main(void)
{
	test_cursor();
	test_windows();
	test_entities();
	test_merge();
	test_answers();
	test_no_answer();
	test_many_windows();
	return test_done();
}
