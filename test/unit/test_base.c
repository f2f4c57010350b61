/*
 * test_base.c: the error record, quoting, the arena and checked JSON.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdlib.h>
#include <string.h>

#include "../../src/engine/json.h"
#include "../../src/engine/utf8.h"
#include "testing.h"

/* Is text valid UTF-8? */
static bool
is_utf8(const char *text)
{
	size_t len = strlen(text);

	for (size_t at = 0; at < len;)
	{
		uint32_t c;
		size_t n = lep_utf8_decode((const unsigned char *) text + at, len - at, &c);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

/* Messages are cut at whole characters and cleared by the next one. */
static void
test_errors(void)
{
	char text[600];
	LepError err;

	for (size_t at = 240; at < 256; at++)
	{
		memset(text, 'x', sizeof(text));
		memcpy(text + at, "\xE4\xB8\xAD\xF0\x9F\x98\x80\xC3\xA9", 9);
		text[sizeof(text) - 1] = '\0';
		check(lep_error(&err, LEP_IO, "%s", text) == LEP_IO && err.status == LEP_IO,
			  "status of an error");
		check(is_utf8(err.message), "message cut at %zu is not UTF-8", at);
	}
	lep_error_detail(&err, "d %d", 1);
	lep_error_hint(&err, "h %d", 2);
	check(strcmp(err.detail, "d 1") == 0 && strcmp(err.hint, "h 2") == 0, "detail and hint");
	lep_error(&err, LEP_MISSING, "next");
	check(err.detail[0] == '\0' && err.hint[0] == '\0', "an older detail stayed");
	check(lep_error(NULL, LEP_IO, "x") == LEP_IO, "no record");
	lep_error_detail(NULL, "x");
	lep_error_hint(NULL, "x");
}

/* Quotes are short, printable and valid, whatever the room. */
static void
test_quotes(void)
{
	static const char input[] = "a\x01\xC3\xA9\xFF\xE2\x80\xA8"
								"bcdefghij\xF0\x9F\x98\x80klmnop";
	char long_text[300];
	char out[300];

	for (size_t room = 1; room < 60; room++)
	{
		lep_error_quote(out, room, input, sizeof(input) - 1);
		check(strlen(out) < room && is_utf8(out), "room %zu gives \"%s\"", room, out);
	}
	lep_error_quote(out, sizeof(out), input, 9);
	check(strcmp(out, "a?\xC3\xA9??bc") == 0 || strcmp(out, "a?\xC3\xA9??b") == 0,
		  "quoted as \"%s\"", out);
	memset(long_text, 'y', sizeof(long_text));
	lep_error_quote(out, sizeof(out), long_text, sizeof(long_text));
	check(strlen(out) == 67 && strcmp(out + 64, "...") == 0, "a long text is cut");
}

/* Arena: aligned, zeroed, limited, refuses overflow. */
static void
test_arena(void)
{
	LepArena arena;
	size_t taken = 0;
	char *copy;

	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	for (size_t size = 0; size < 300000; size = size * 3 + 1)
	{
		unsigned char *bytes = lep_arena_alloc(&arena, size);
		bool zero = bytes != NULL && (uintptr_t) bytes % 64 == 0;

		for (size_t i = 0; zero && i < size; i++)
			zero = bytes[i] == 0;
		check(zero, "%zu bytes", size);
		if (bytes != NULL)
			memset(bytes, 0xAA, size);
	}
	check(lep_arena_array(&arena, (size_t) 1 << 40, (size_t) 1 << 40) == NULL, "overflow");
	check(lep_arena_alloc(&arena, SIZE_MAX) == NULL, "all of memory");
	copy = lep_arena_strndup(&arena, "abcdef", 3);
	check(copy != NULL && strcmp(copy, "abc") == 0, "a copied string");
	lep_arena_free(&arena);
	check(arena.used == 0, "memory after freeing");
	lep_arena_init(&arena, &lep_malloc_allocator, 100000);
	while (lep_arena_alloc(&arena, 1000) != NULL)
		taken += 1000;
	check(taken > 50000 && arena.used <= 100000, "limit of 100000 gave %zu", taken);
	lep_arena_free(&arena);
}

/* Texts that are no JSON for us; the error says where. */
static void
test_refused_json(void)
{
	static const char *const bad[] = {"",
									  "{",
									  "{\"a\":1,\"a\":2}",
									  "{\"a\":1} x",
									  "{\"\\u0000\":1}",
									  "{\"a\":\"\\u0000\"}",
									  "{\"a\":1e400}",
									  "{\"a\":\"\xFF\"}",
									  "\"text\"",
									  "{\"a\":01}",
									  "{\"a\":NaN}",
									  "[1,]",
									  "{\"a\":\"\\ud800\"}"};
	char deep[200];
	json_t *json;
	LepError err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		check(lep_json_parse("x.json", bad[i], strlen(bad[i]), &json, &err) == LEP_BAD_FILE &&
				  json == NULL && strstr(err.message, "x.json") != NULL &&
				  strncmp(err.detail, "Line ", 5) == 0,
			  "\"%s\": \"%s\", \"%s\"", bad[i], err.message, err.detail);
	}
	for (size_t depth = 60; depth < 70; depth++)
	{
		LepStatus status;

		memset(deep, '[', depth);
		memset(deep + depth, ']', depth);
		status = lep_json_parse("x.json", deep, 2 * depth, &json, &err);
		check((status == LEP_OK) == (depth <= 64), "depth %zu: status %d", depth, status);
		lep_json_free(json);
	}
}

/* Typed access. */
static void
test_json_access(void)
{
	static const char text[] =
		"{\"i\":7,\"r\":1.5,\"b\":true,\"s\":\"x\",\"n\":null,\"huge\":1000000000000000019884624838656,"
		"\"max\":9223372036854775807,\"[[[\":\"]]]\",\"neg\":-9223372036854775808}";
	json_t *json;
	LepError err;
	int64_t i;
	double r;
	bool b;
	const char *s;

	if (!check(lep_json_parse("x.json", text, sizeof(text) - 1, &json, &err) == LEP_OK, "%s: %s",
			   err.message, err.detail))
		return;
	check(lep_json_int(json, "x", "i", true, 0, 0, 10, &i, &err) == LEP_OK && i == 7, "integer");
	check(lep_json_int(json, "x", "i", true, 3, 0, 6, &i, &err) == LEP_BAD_FILE && i == 3,
		  "integer out of range");
	check(lep_json_int(json, "x", "r", false, 3, 0, 6, &i, &err) == LEP_BAD_FILE,
		  "real as integer");
	check(lep_json_int(json, "x", "n", false, 3, 0, 6, &i, &err) == LEP_OK && i == 3, "null");
	check(lep_json_int(json, "x", "n", true, 3, 0, 6, &i, &err) == LEP_MISSING, "null, required");
	check(lep_json_int(json, "x", "z", true, 3, 0, 6, &i, &err) == LEP_MISSING, "missing");
	check(lep_json_int(json, "x", "max", true, 0, 0, INT64_MAX, &i, &err) == LEP_OK &&
			  i == INT64_MAX,
		  "largest integer");
	check(lep_json_int(json, "x", "huge", true, 0, 0, INT64_MAX, &i, &err) == LEP_BAD_FILE,
		  "huge integer");
	check(lep_json_real(json, "x", "huge", true, 0, 0, 1e31, &r, &err) == LEP_OK && r > 9e29,
		  "huge integer as real");
	check(lep_json_real(json, "x", "i", true, 0, 0, 10, &r, &err) == LEP_OK && r == 7,
		  "integer as real");
	check(lep_json_real(json, "x", "r", true, 0, 2, 10, &r, &err) == LEP_BAD_FILE,
		  "real out of range");
	check(lep_json_bool(json, "x", "b", true, false, &b, &err) == LEP_OK && b, "boolean");
	check(lep_json_bool(json, "x", "i", true, false, &b, &err) == LEP_BAD_FILE,
		  "integer as boolean");
	check(lep_json_string(json, "x", "s", true, NULL, &s, &err) == LEP_OK && strcmp(s, "x") == 0,
		  "string");
	check(lep_json_string(json, "x", "q", false, "f", &s, &err) == LEP_OK && strcmp(s, "f") == 0,
		  "missing string");
	check(lep_json_string(json_object_get(json, "i"), "x", "q", false, "f", &s, &err) ==
			  LEP_BAD_FILE,
		  "key of no object");
	lep_json_free(json);
}

int
main(void)
{
	test_errors();
	test_quotes();
	test_arena();
	test_refused_json();
	test_json_access();
	return test_done();
}
