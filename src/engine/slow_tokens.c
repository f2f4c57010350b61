/*
 * slow_tokens.c: the special and added tokens of a folder without
 * tokenizer.json, from tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json, in the order in which transformers adds them.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdlib.h>
#include <string.h>

#include "slow.h"

#define SPECIAL_MAP_FILE "special_tokens_map.json"
#define ADDED_FILE		 "added_tokens.json"
#define EXTRA			 "extra_special_tokens"
#define ADDITIONAL		 "additional_special_tokens"

/* The keys of LepSlowName. */
static const char *const named[LEP_SLOW_NAMES] = {
	"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/* Append a token to a list. */
LepStatus
lep_slow_append(LepSlow *slow, LepSlowList *list, LepSlowToken token)
{
	if (list->n == list->capacity)
	{
		size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
		LepSlowToken *bigger = lep_arena_array(slow->spec->work, capacity, sizeof(LepSlowToken));

		if (bigger == NULL)
			return lep_slow_no_memory(slow);
		if (list->n > 0)
			memcpy(bigger, list->tokens, list->n * sizeof(LepSlowToken));
		list->tokens = bigger;
		list->capacity = capacity;
	}
	list->tokens[list->n++] = token;
	return LEP_OK;
}

/* Read a token with settings, an object. */
static LepStatus
read_token(const json_t *object, const char *file, const char *key, LepSlowToken *token,
		   LepError *err)
{
	static const struct
	{
		const char *key;
		uint32_t flag;
	} keys[] = {{"single_word", LEP_ADDED_SINGLE},
				{"lstrip", LEP_ADDED_LSTRIP},
				{"rstrip", LEP_ADDED_RSTRIP},
				{"normalized", LEP_ADDED_NORMALIZED},
				{"special", 0}};
	const json_t *content = json_object_get(object, "content");

	memset(token, 0, sizeof(*token));
	token->content = content == NULL ? "" : json_string_value(content);
	token->normalized = -1;
	if (token->content == NULL)
		return lep_slow_bad_key(file, key, "The content of a token is not a string.", err);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		const json_t *value = json_object_get(object, keys[i].key);

		if (value == NULL)
			continue;
		if (!json_is_boolean(value))
			return lep_slow_bad_key(file, key, "A setting of a token is not a boolean.", err);
		if (keys[i].flag == LEP_ADDED_NORMALIZED)
			token->normalized = json_is_true(value);
		else if (keys[i].flag == 0)
			token->special = json_is_true(value);
		else if (json_is_true(value))
			token->flags |= keys[i].flag;
	}
	return LEP_OK;
}

/* Read a special token: a string, or an object marked as an added token. */
static LepStatus
read_special(const json_t *value, const char *key, LepSlowToken *token, LepError *err)
{
	const char *type = json_string_value(json_object_get(value, "__type"));

	memset(token, 0, sizeof(*token));
	if (json_is_string(value))
	{
		token->content = json_string_value(value);
		token->plain = true;
		token->special = true;
		token->normalized = -1;
		return LEP_OK;
	}
	if (type == NULL || strcmp(type, "AddedToken") != 0)
		return lep_slow_bad_key(LEP_SLOW_CONFIG, key, "It is neither a string nor an added token.",
								err);
	return read_token(value, LEP_SLOW_CONFIG, key, token, err);
}

/* Is key one of the named special tokens? */
static bool
is_named(const char *key)
{
	for (size_t i = 0; i < LEP_SLOW_NAMES; i++)
		if (strcmp(key, named[i]) == 0)
			return true;
	return false;
}

/* Is key the name of a special token of the model's own, "..._token"? */
static bool
is_specific(const char *key)
{
	size_t len = strlen(key);

	return !is_named(key) && len >= 6 && strcmp(key + len - 6, "_token") == 0;
}

/* Move the model's own special tokens out of the settings. */
static LepStatus
take_specific(LepSlow *slow)
{
	json_t *extra = json_object_get(slow->settings, EXTRA);
	const char *key;
	json_t *value;
	void *next;

	if (json_object_get(slow->settings, ADDITIONAL) != NULL && lep_slow_falsy(extra))
	{
		if (json_object_set(slow->settings, EXTRA, json_object_get(slow->settings, ADDITIONAL)) !=
			0)
			return lep_slow_no_memory(slow);
		json_object_del(slow->settings, ADDITIONAL);
	}
	json_object_foreach_safe(slow->settings, next, key, value)
	{
		if (!is_specific(key) || !json_is_string(value))
			continue;
		if (json_object_set(slow->specific, key, value) != 0)
			return lep_slow_no_memory(slow);
		json_object_del(slow->settings, key);
	}
	extra = json_object_get(slow->settings, EXTRA);
	if (json_is_object(extra))
	{
		if (json_object_update(slow->specific, extra) != 0)
			return lep_slow_no_memory(slow);
		json_object_del(slow->settings, EXTRA);
	}
	return LEP_OK;
}

/* Order declared tokens by index. */
static int
compare_index(const void *a, const void *b)
{
	const LepSlowToken *x = a;
	const LepSlowToken *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Read added_tokens_decoder: index to token. */
static LepStatus
read_decoder(LepSlow *slow, const json_t *decoder)
{
	const char *key;
	json_t *value;
	LepStatus status = LEP_OK;

	if (!json_is_object(decoder))
		return lep_slow_bad_key(LEP_SLOW_CONFIG, "added_tokens_decoder", "It is not an object.",
								slow->err);
	json_object_foreach((json_t *) decoder, key, value)
	{
		LepSlowToken token;
		char *end;
		long long index = strtoll(key, &end, 10);

		if (end == key || *end != '\0' || !json_is_object(value))
			return lep_slow_bad_key(LEP_SLOW_CONFIG, "added_tokens_decoder",
									"An entry is not an index with an object.", slow->err);
		status = read_token(value, LEP_SLOW_CONFIG, "added_tokens_decoder", &token, slow->err);
		token.index = index;
		token.order = slow->declared.n;
		if (status == LEP_OK)
			status = lep_slow_append(slow, &slow->declared, token);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Merge special_tokens_map.json into the settings. */
static LepStatus
merge_special_map(LepSlow *slow, const json_t *map)
{
	const char *key;
	json_t *value;

	if (!json_is_object(map))
		return lep_slow_bad_key(SPECIAL_MAP_FILE, "", "The file holds no object.", slow->err);
	json_object_foreach((json_t *) map, key, value)
	{
		json_t *copy;

		if (strcmp(key, EXTRA) == 0 && json_is_array(value) &&
			!lep_slow_falsy(json_object_get(slow->settings, EXTRA)))
		{
			lep_error(slow->err, LEP_UNSUPPORTED, "special tokens of two files are not supported");
			lep_error_detail(slow->err, "Both \"%s\" and \"%s\" have \"%s\".", LEP_SLOW_CONFIG,
							 SPECIAL_MAP_FILE, EXTRA);
			return LEP_UNSUPPORTED;
		}
		copy = json_deep_copy(value);
		if (json_is_object(copy) && strcmp(key, EXTRA) != 0 &&
			(json_object_set_new(copy, "__type", json_string("AddedToken")) != 0 ||
			 json_object_set_new(copy, "special", json_true()) != 0))
		{
			json_decref(copy);
			return lep_slow_no_memory(slow);
		}
		for (size_t i = 0; strcmp(key, EXTRA) == 0 && i < json_array_size(copy); i++)
		{
			json_t *item = json_array_get(copy, i);

			if (json_is_object(item) &&
				(json_object_set_new(item, "__type", json_string("AddedToken")) != 0 ||
				 json_object_set_new(item, "special", json_true()) != 0))
			{
				json_decref(copy);
				return lep_slow_no_memory(slow);
			}
		}
		if (json_object_set_new(slow->settings, key, copy) != 0)
			return lep_slow_no_memory(slow);
	}
	value = json_object_get(slow->settings, EXTRA);
	if (json_is_object(value))
	{
		if (json_object_update(slow->specific, value) != 0)
			return lep_slow_no_memory(slow);
		json_object_del(slow->settings, EXTRA);
	}
	return LEP_OK;
}

/* Text of a special token, string or object; NULL for others. */
static const char *
text_of(const json_t *value)
{
	return json_is_string(value) ? json_string_value(value)
								 : json_string_value(json_object_get(value, "content"));
}

/* Note the texts of the special tokens that the settings name. */
static LepStatus
note_specials(LepSlow *slow)
{
	const json_t *extra = json_object_get(slow->settings, EXTRA);
	size_t n_extra = json_array_size(extra);

	for (size_t i = 0; i < LEP_SLOW_NAMES + n_extra; i++)
	{
		const char *text = text_of(i < LEP_SLOW_NAMES ? json_object_get(slow->settings, named[i])
													  : json_array_get(extra, i - LEP_SLOW_NAMES));

		if (text != NULL && json_object_set_new(slow->specials, text, json_true()) != 0)
			return lep_slow_no_memory(slow);
	}
	return LEP_OK;
}

/* Read added_tokens.json: token to index. */
static LepStatus
read_added_file(LepSlow *slow, const json_t *map)
{
	const char *key;
	json_t *value;
	LepStatus status = note_specials(slow);

	if (status != LEP_OK)
		return status;
	if (!json_is_object(map))
		return lep_slow_bad_key(ADDED_FILE, "", "The file holds no object.", slow->err);
	json_object_foreach((json_t *) map, key, value)
	{
		LepSlowToken token = {.content = key, .order = slow->declared.n};

		if (!json_is_integer(value))
			return lep_slow_bad_key(ADDED_FILE, key, "Its index is not an integer.", slow->err);
		token.index = json_integer_value(value);
		token.special = json_object_get(slow->specials, key) != NULL;
		token.normalized = !token.special;
		status = lep_slow_append(slow, &slow->declared, token);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Is normalized what a token ends up with? */
static bool
is_normalized(const LepSlowToken *token)
{
	return token->normalized < 0 ? !token->special : token->normalized;
}

/* Add a special token unless its text is declared or the same token is already wanted. */
static LepStatus
want_special(LepSlow *slow, LepSlowToken token)
{
	size_t len = strlen(token.content);
	char *key;

	if (json_object_get(slow->declared_texts, token.content) != NULL)
		return LEP_OK;
	/* A string equals a string of its text, a token one with its settings too. */
	key = lep_arena_alloc(slow->spec->work, len + 3);
	if (key == NULL)
		return lep_slow_no_memory(slow);
	key[0] = token.plain ? 'p'
						 : (char) ('0' + (token.special ? 1 : 0) + (is_normalized(&token) ? 2 : 0));
	key[1] = (char) ('0' + token.flags);
	memcpy(key + 2, token.content, len);
	if (json_object_get(slow->wanted_keys, key) != NULL)
		return LEP_OK;
	if (json_object_set_new(slow->wanted_keys, key, json_true()) != 0)
		return lep_slow_no_memory(slow);
	return lep_slow_append(slow, &slow->wanted, token);
}

/* Do to a plain string what the class does. */
static void
wrap(const LepSlowClass *class, size_t name, LepSlowToken *token)
{
	bool mask = name == LEP_SLOW_MASK;

	if (class->flags & LEP_SLOW_WRAPS)
	{
		token->plain = token->special = false;
		if (mask && (class->flags & LEP_SLOW_LSTRIPS_MASK))
			token->flags |= LEP_ADDED_LSTRIP;
	}
	else if (mask && (class->flags & LEP_SLOW_WRAPS_MASK))
	{
		token->plain = false;
		token->flags |= LEP_ADDED_LSTRIP;
	}
}

/* The token that key names; its default, or none (*present false). */
static LepStatus
named_token(const LepSlow *slow, size_t i, LepSlowToken *token, bool *present)
{
	const json_t *value = json_object_get(slow->settings, named[i]);
	LepStatus status = LEP_OK;

	*present = value != NULL ? !json_is_null(value) : slow->class->defaults[i] != NULL;
	if (value == NULL && *present)
	{
		LepSlowToken fallback = {
			.content = slow->class->defaults[i], .plain = true, .special = true, .normalized = -1};

		*token = fallback;
	}
	else if (*present)
		status = read_special(value, named[i], token, slow->err);
	/* A declared token of the same text stands for it. */
	for (size_t j = slow->declared.n; value != NULL && *present && status == LEP_OK && j-- > 0;)
		if (strcmp(slow->declared.tokens[j].content, token->content) == 0)
		{
			*token = slow->declared.tokens[j];
			break;
		}
	if (*present && status == LEP_OK && token->plain)
		wrap(slow->class, i, token);
	return status;
}

/* Append the tokens to be added: declared ones by index, named, the model's own, extra ones. */
static LepStatus
collect(LepSlow *slow)
{
	const char *key;
	json_t *value;
	const json_t *extra;
	LepSlowToken token;
	LepStatus status = LEP_OK;

	if (slow->declared.n > 1)
		qsort(slow->declared.tokens, slow->declared.n, sizeof(LepSlowToken), compare_index);
	for (size_t i = 0; i < slow->declared.n && status == LEP_OK; i++)
	{
		status = lep_slow_append(slow, &slow->wanted, slow->declared.tokens[i]);
		if (json_object_set_new(slow->declared_texts, slow->declared.tokens[i].content,
								json_true()) != 0)
			return lep_slow_no_memory(slow);
	}
	for (size_t i = 0; i < LEP_SLOW_NAMES && status == LEP_OK; i++)
	{
		bool present;

		status = named_token(slow, i, &slow->found[i], &present);
		if (status == LEP_OK && present)
			status = want_special(slow, slow->found[i]);
		else
			slow->found[i].content = NULL;
	}
	/* Those that special_tokens_map.json brought come before those of the settings. */
	json_object_foreach(slow->settings, key, value)
	{
		if (status != LEP_OK || !is_specific(key) || json_object_get(slow->specific, key) != NULL ||
			read_special(value, key, &token, NULL) != LEP_OK)
			continue;
		status = want_special(slow, token);
	}
	json_object_foreach(slow->specific, key, value)
	{
		if (status == LEP_OK)
			status = read_special(value, key, &token, slow->err);
		if (status == LEP_OK)
			status = want_special(slow, token);
	}
	extra = json_object_get(slow->settings, EXTRA);
	for (size_t i = 0; extra == NULL && i < slow->own.n && status == LEP_OK; i++)
		status = want_special(slow, slow->own.tokens[i]);
	if (extra == NULL && !slow->has_own)
		extra = json_object_get(slow->settings, ADDITIONAL);
	if (status == LEP_OK && extra != NULL && !json_is_null(extra) && !json_is_array(extra))
		return lep_slow_bad_key(LEP_SLOW_CONFIG, EXTRA, "It is not an array.", slow->err);
	for (size_t i = 0; i < json_array_size(extra) && status == LEP_OK; i++)
	{
		status = read_special(json_array_get(extra, i), EXTRA, &token, slow->err);
		if (status == LEP_OK)
			status = want_special(slow, token);
	}
	return status;
}

/* Hand the wanted tokens to the spec; give those that the vocabulary lacks the next ids. */
static LepStatus
give_added(LepSlow *slow)
{
	LepTokenizerSpec *spec = slow->spec;
	json_int_t next = (json_int_t) (spec->n_model_ids > 0 ? spec->n_model_ids : spec->n_vocab);

	spec->n_added = slow->wanted.n;
	spec->added = lep_arena_array(spec->work, slow->wanted.n, sizeof(LepSpecAdded));
	if (spec->added == NULL)
		return lep_slow_no_memory(slow);
	for (size_t i = 0; i < slow->wanted.n; i++)
	{
		LepSlowToken token = slow->wanted.tokens[i];

		for (size_t j = 0; j < LEP_SLOW_NAMES; j++)
			if (slow->found[j].content != NULL &&
				strcmp(slow->found[j].content, token.content) == 0)
				token.special = true;
		spec->added[i].content = token.content;
		spec->added[i].len = strlen(token.content);
		spec->added[i].special = token.special;
		spec->added[i].flags = token.flags | (is_normalized(&token) ? LEP_ADDED_NORMALIZED : 0);
		if (token.content[0] != '\0' && json_object_get(slow->ids, token.content) == NULL &&
			json_object_set_new(slow->ids, token.content, json_integer(next++)) != 0)
			return lep_slow_no_memory(slow);
	}
	return LEP_OK;
}

/* Take the special and added tokens out of the settings and their files. */
LepStatus
lep_slow_declare(LepSlow *slow, const json_t *special_map, const json_t *added)
{
	const json_t *decoder;
	LepStatus status = take_specific(slow);

	decoder = json_object_get(slow->settings, "added_tokens_decoder");
	if (status == LEP_OK && decoder != NULL)
		return read_decoder(slow, decoder);
	if (status == LEP_OK && special_map != NULL)
		status = merge_special_map(slow, special_map);
	if (status == LEP_OK && added != NULL)
		status = read_added_file(slow, added);
	return status;
}

/* Collect the tokens to be added. */
LepStatus
lep_slow_collect(LepSlow *slow)
{
	LepStatus status = collect(slow);

	return status == LEP_OK ? give_added(slow) : status;
}

/* Text of a named special token. */
const char *
lep_slow_text(const LepSlow *slow, LepSlowName name)
{
	const json_t *value = json_object_get(slow->settings, named[name]);

	return value == NULL ? slow->class->defaults[name] : text_of(value);
}
