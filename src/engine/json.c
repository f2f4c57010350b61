/*
 * json.c: JSON text to jansson values, and typed access to an object's keys;
 * refuses duplicate keys, NUL characters, trailing text and deep nesting.
 */
#define LEPTON_ENGINE_SOURCE
#include "json.h"

#include <stdlib.h>
#include <string.h>

#define JSON_DEPTH_MAX	64
#define JSON_INT_DIGITS 18	/* an integer of so many digits always fits int64_t */
#define QUOTED_SIZE		272 /* 64 quoted characters of up to 4 bytes, dots and the end */

/* What the first look over the text found. */
typedef struct Prescan
{
	size_t deep_line, deep_column; /* where depth passes the limit; line 0 = nowhere */
	size_t n_big;				   /* integers that int64_t may not hold */
} Prescan;

/* Is c part of a JSON number? */
static bool
is_number_char(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Measure the number at text[at]: its end, and whether it is an integer too large for int64_t. */
static size_t
number_end(const char *text, size_t len, size_t at, bool *big)
{
	size_t start = at;
	bool whole = true;

	if (text[at] == '-')
		start = ++at;
	for (; at < len && is_number_char(text[at]); at++)
		whole = whole && text[at] >= '0' && text[at] <= '9';
	*big = false;
	if (whole && at - start > JSON_INT_DIGITS && text[start] != '0')
		*big = at - start > 19 || memcmp(text + start, "9223372036854775807", 19) > 0;
	return at;
}

/* Walk over text[len]: find deep nesting, count big integers; copy to out, if given, as reals. */
static void
prescan(const char *text, size_t len, char *out, Prescan *found)
{
	size_t depth = 0;
	size_t line = 1;
	size_t line_start = 0;
	size_t at = 0;

	memset(found, 0, sizeof(*found));
	while (at < len)
	{
		size_t start = at;
		char c = text[at++];
		bool big = false;

		if (c == '"')
		{
			while (at < len && text[at] != '"' && text[at] != '\n')
				at += text[at] == '\\' && at + 1 < len ? 2 : 1;
			if (at < len && text[at] == '"')
				at++;
		}
		else if (c == '\n')
		{
			line++;
			line_start = at;
		}
		else if (c == '[' || c == '{')
		{
			if (++depth > JSON_DEPTH_MAX)
			{
				found->deep_line = line;
				found->deep_column = at - line_start;
				return;
			}
		}
		else if (c == ']' || c == '}')
			depth -= depth > 0 ? 1 : 0;
		else if (c == '-' || (c >= '0' && c <= '9'))
			at = number_end(text, len, start, &big);
		if (out != NULL)
		{
			memcpy(out, text + start, at - start);
			out += at - start;
			if (big)
			{
				memcpy(out, "e0", 2);
				out += 2;
			}
		}
		found->n_big += big;
	}
}

/* Parse text[len] of file; integers beyond int64_t become reals. */
LepStatus
lep_json_parse(const char *file, const char *text, size_t len, json_t **out, LepError *err)
{
	char quoted[QUOTED_SIZE];
	char reason[QUOTED_SIZE];
	json_error_t error;
	Prescan found;
	char *copy = NULL;
	size_t extra;
	size_t size;

	*out = NULL;
	lep_error_quote(quoted, sizeof(quoted), file, strlen(file));
	prescan(text, len, NULL, &found);
	if (found.deep_line != 0)
	{
		lep_error(err, LEP_BAD_FILE, "file \"%s\" is nested too deeply", quoted);
		lep_error_detail(err, "Line %zu, column %zu opens level %d; at most %d are allowed.",
						 found.deep_line, found.deep_column, JSON_DEPTH_MAX + 1, JSON_DEPTH_MAX);
		return LEP_BAD_FILE;
	}
	if (found.n_big > 0)
	{
		if (!lep_mul(found.n_big, 2, &extra) || !lep_add(len, extra, &size) ||
			(copy = malloc(size)) == NULL)
			return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", quoted);
		prescan(text, len, copy, &found);
		text = copy;
		len = size;
	}
	*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	free(copy);
	if (*out != NULL)
		return LEP_OK;
	if (json_error_code(&error) == json_error_out_of_memory)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", quoted);
	lep_error_quote(reason, sizeof(reason), error.text, strlen(error.text));
	lep_error(err, LEP_BAD_FILE, "file \"%s\" is not valid JSON", quoted);
	lep_error_detail(err, "Line %d, column %d: %s.", error.line, error.column, reason);
	return LEP_BAD_FILE;
}

/* Free what lep_json_parse gave; NULL is fine. */
void
lep_json_free(json_t *json)
{
	json_decref(json);
}

/* Name the type of value for messages. */
static const char *
type_name(const json_t *value)
{
	switch (json_typeof(value))
	{
		case JSON_OBJECT:
			return "an object";
		case JSON_ARRAY:
			return "an array";
		case JSON_STRING:
			return "a string";
		case JSON_INTEGER:
			return "an integer";
		case JSON_REAL:
			return "a real number";
		case JSON_TRUE:
		case JSON_FALSE:
			return "a boolean";
		case JSON_NULL:
			break;
	}
	return "null";
}

/* Report that key of file has another type than wanted. */
static LepStatus
wrong_type(const json_t *value, const char *file, const char *key, const char *wanted,
		   LepError *err)
{
	char quoted[QUOTED_SIZE];

	lep_error_quote(quoted, sizeof(quoted), file, strlen(file));
	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" has the wrong type", key, quoted);
	lep_error_detail(err, "Found %s, expected %s.", type_name(value), wanted);
	return LEP_BAD_FILE;
}

/* Look key up: *value is NULL when it is absent or null and may be. */
static LepStatus
find(const json_t *object, const char *file, const char *key, bool required, const json_t **value,
	 LepError *err)
{
	char quoted[QUOTED_SIZE];

	*value = NULL;
	lep_error_quote(quoted, sizeof(quoted), file, strlen(file));
	if (!json_is_object(object))
	{
		lep_error(err, LEP_BAD_FILE, "no object holds key \"%s\" in file \"%s\"", key, quoted);
		if (object != NULL)
			lep_error_detail(err, "Found %s, expected an object.", type_name(object));
		return LEP_BAD_FILE;
	}
	*value = json_object_get(object, key);
	if (json_is_null(*value))
		*value = NULL;
	if (*value == NULL && required)
		return lep_error(err, LEP_MISSING, "key \"%s\" is missing in file \"%s\"", key, quoted);
	return LEP_OK;
}

/* Fetch an integer of [min, max]. */
LepStatus
lep_json_int(const json_t *object, const char *file, const char *key, bool required,
			 int64_t fallback, int64_t min, int64_t max, int64_t *out, LepError *err)
{
	char quoted[QUOTED_SIZE];
	const json_t *value;
	LepStatus status = find(object, file, key, required, &value, err);

	*out = fallback;
	if (status != LEP_OK || value == NULL)
		return status;
	if (!json_is_integer(value))
		return wrong_type(value, file, key, "an integer", err);
	*out = json_integer_value(value);
	if (*out >= min && *out <= max)
		return LEP_OK;
	lep_error_quote(quoted, sizeof(quoted), file, strlen(file));
	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" is out of range", key, quoted);
	lep_error_detail(err, "Found %lld, expected %lld to %lld.", (long long) *out, (long long) min,
					 (long long) max);
	*out = fallback;
	return LEP_BAD_FILE;
}

/* Fetch a number of [min, max], integers included. */
LepStatus
lep_json_real(const json_t *object, const char *file, const char *key, bool required,
			  double fallback, double min, double max, double *out, LepError *err)
{
	char quoted[QUOTED_SIZE];
	const json_t *value;
	LepStatus status = find(object, file, key, required, &value, err);

	*out = fallback;
	if (status != LEP_OK || value == NULL)
		return status;
	if (!json_is_number(value))
		return wrong_type(value, file, key, "a number", err);
	*out = json_number_value(value);
	if (*out >= min && *out <= max)
		return LEP_OK;
	lep_error_quote(quoted, sizeof(quoted), file, strlen(file));
	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" is out of range", key, quoted);
	lep_error_detail(err, "Found %g, expected %g to %g.", *out, min, max);
	*out = fallback;
	return LEP_BAD_FILE;
}

/* Fetch true or false. */
LepStatus
lep_json_bool(const json_t *object, const char *file, const char *key, bool required, bool fallback,
			  bool *out, LepError *err)
{
	const json_t *value;
	LepStatus status = find(object, file, key, required, &value, err);

	*out = fallback;
	if (status != LEP_OK || value == NULL)
		return status;
	if (!json_is_boolean(value))
		return wrong_type(value, file, key, "a boolean", err);
	*out = json_is_true(value);
	return LEP_OK;
}

/* Fetch a string; *out points into object. */
LepStatus
lep_json_string(const json_t *object, const char *file, const char *key, bool required,
				const char *fallback, const char **out, LepError *err)
{
	const json_t *value;
	LepStatus status = find(object, file, key, required, &value, err);

	*out = fallback;
	if (status != LEP_OK || value == NULL)
		return status;
	if (!json_is_string(value))
		return wrong_type(value, file, key, "a string", err);
	*out = json_string_value(value);
	return LEP_OK;
}
