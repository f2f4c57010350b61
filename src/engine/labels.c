/*
 * labels.c: labels and problem type out of config.json; refuses labels that
 * are missing, numbered twice or no texts.
 */
#define LEPTON_ENGINE_SOURCE
#include "labels.h"

#include <stdio.h>
#include <string.h>

/* Read a key of id2label, a decimal number without ornaments; -1 when it is none. */
static int64_t
label_number(const char *key)
{
	size_t len = strlen(key);
	int64_t number = 0;

	if (len == 0 || len > 9 || (key[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		if (key[i] < '0' || key[i] > '9')
			return -1;
		number = 10 * number + (key[i] - '0');
	}
	return number;
}

/* Take the n labels of an id2label object, which must be numbered 0 to n - 1. */
static LepStatus
take_labels(json_t *id2label, const char *file, LepArena *arena, const char **labels, size_t n,
			LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];
	char digits[32];
	const char *text;
	const char *key;
	json_t *value;

	json_object_foreach(id2label, key, value)
	{
		int64_t number = label_number(key);

		lep_error_quote(quoted, sizeof(quoted), key, strlen(key));
		if (number < 0 || (uint64_t) number >= n)
		{
			lep_error(err, LEP_BAD_FILE, "label number \"%s\" in file \"%s\" is not allowed",
					  quoted, file);
			lep_error_detail(err,
							 "Key \"id2label\" has %zu labels; their numbers must be 0 to "
							 "%zu.",
							 n, n - 1);
			return LEP_BAD_FILE;
		}
		if (!json_is_string(value) && !json_is_integer(value))
			return lep_error(err, LEP_BAD_FILE,
							 "label \"%s\" of key \"id2label\" in file \"%s\" is not a text",
							 quoted, file);
		snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = json_is_string(value) ? json_string_value(value) : digits;
		labels[number] = lep_arena_strndup(arena, text, strlen(text));
		if (labels[number] == NULL)
			return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	}
	return LEP_OK;
}

/* Name n labels as transformers does when the file has no names: LABEL_0 ... */
static LepStatus
make_labels(const char *file, LepArena *arena, const char **labels, size_t n, LepError *err)
{
	char *text = lep_arena_array(arena, n, sizeof("LABEL_65535"));

	if (text == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	for (size_t i = 0; i < n; i++)
	{
		labels[i] = text;
		text += snprintf(text, sizeof("LABEL_65535"), "LABEL_%u", (unsigned) i) + 1;
	}
	return LEP_OK;
}

/* Read problem_type as the pipeline reads it: it decides what is applied to n logits. */
static LepStatus
read_problem(const json_t *config, const char *file, size_t n, uint32_t *problem, LepError *err)
{
	const char *type;
	char quoted[LEP_QUOTE_SIZE];
	LepStatus status = lep_json_string(config, file, "problem_type", false, NULL, &type, err);

	if (status != LEP_OK)
		return status;
	*problem = n == 1 ? LEP_PROBLEM_MULTI_LABEL : LEP_PROBLEM_SINGLE_LABEL;
	if (type == NULL)
		return LEP_OK;
	if (strcmp(type, "regression") == 0)
		*problem = LEP_PROBLEM_REGRESSION;
	else if (strcmp(type, "multi_label_classification") == 0)
		*problem = LEP_PROBLEM_MULTI_LABEL;
	else if (strcmp(type, "single_label_classification") != 0)
	{
		lep_error(err, LEP_UNSUPPORTED, "problem type \"%s\" is not supported",
				  lep_error_quote(quoted, sizeof(quoted), type, strlen(type)));
		lep_error_detail(err,
						 "Key \"problem_type\" of file \"%s\" may be \"regression\", "
						 "\"single_label_classification\" or \"multi_label_classification\".",
						 file);
		return LEP_UNSUPPORTED;
	}
	else if (n == 1)
	{
		lep_error(err, LEP_BAD_FILE, "key \"problem_type\" of file \"%s\" does not fit one label",
				  file);
		lep_error_detail(err, "\"single_label_classification\" needs two labels or more.");
		return LEP_BAD_FILE;
	}
	return LEP_OK;
}

/* Read labels and problem type. */
LepStatus
lep_labels_read(const json_t *config, const char *file, LepArena *arena, LepDesc *desc,
				const char ***labels, LepError *err)
{
	json_t *id2label = json_object_get(config, "id2label");
	const json_t *num_labels = json_object_get(config, "num_labels");
	bool named = id2label != NULL && !json_is_null(id2label);
	int64_t n = 2;
	LepStatus status;

	if (named && !json_is_object(id2label))
		return lep_error(err, LEP_BAD_FILE, "key \"id2label\" of file \"%s\" is not an object",
						 file);
	if (named)
		n = (int64_t) json_object_size(id2label);
	if (json_is_null(num_labels))
		return lep_error(err, LEP_BAD_FILE, "key \"num_labels\" of file \"%s\" is null", file);
	if (num_labels != NULL)
	{
		int64_t given;

		status = lep_json_int(config, file, "num_labels", true, 0, 1, LEP_MAX_LABELS, &given, err);
		if (status != LEP_OK)
			return status;
		/* Where the two differ, transformers drops the names. */
		named = named && n == given;
		n = given;
	}
	if (n < 1 || n > LEP_MAX_LABELS)
	{
		lep_error(err, LEP_BAD_FILE, "key \"id2label\" of file \"%s\" has no proper labels", file);
		lep_error_detail(err, "Found %lld labels, expected 1 to %d.", (long long) n,
						 LEP_MAX_LABELS);
		return LEP_BAD_FILE;
	}
	*labels = lep_arena_array(arena, (size_t) n, sizeof(**labels));
	if (*labels == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	desc->n_labels = (uint32_t) n;
	status = named ? take_labels(id2label, file, arena, *labels, (size_t) n, err)
				   : make_labels(file, arena, *labels, (size_t) n, err);
	/* A token has one label, whatever the file says of texts. */
	desc->problem = LEP_PROBLEM_SINGLE_LABEL;
	if (status == LEP_OK && desc->task == LEP_TASK_CLASSIFY)
		status = read_problem(config, file, (size_t) n, &desc->problem, err);
	return status;
}
