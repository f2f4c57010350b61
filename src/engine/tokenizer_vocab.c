/*
 * tokenizer_vocab.c: a tokenizer from vocab.txt and its neighbours
 * (tokenizer_config.json, special_tokens_map.json, added_tokens.json), as
 * BertTokenizer of transformers makes one; refuses other tokenizer classes.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tokenizer_tables.h"
#include "unicode.h"
#include "utf8.h"

#define VOCAB_FILE		 "vocab.txt"
#define CONFIG_FILE		 "tokenizer_config.json"
#define SPECIAL_MAP_FILE "special_tokens_map.json"
#define ADDED_FILE		 "added_tokens.json"
#define QUOTED_SIZE		 272
#define EXTRA			 "extra_special_tokens"
#define ADDITIONAL		 "additional_special_tokens"
#define NAMED_COUNT		 7

/* The named special tokens, in the order in which they are added. */
static const char *const named[NAMED_COUNT] = {"bos_token", "eos_token", "unk_token", "sep_token",
											   "pad_token", "cls_token", "mask_token"};

/* BertTokenizer's defaults for them. */
static const char *const defaults[NAMED_COUNT] = {NULL,	   NULL,	"[UNK]", "[SEP]",
												  "[PAD]", "[CLS]", "[MASK]"};

/* A special or added token: a plain string, or one with settings. */
typedef struct Token
{
	const char *content; /* NUL terminated, in JSON */
	bool plain;
	bool special;
	int normalized; /* -1 when not said: the contrary of special */
	uint32_t flags; /* LEP_ADDED_, without LEP_ADDED_NORMALIZED */
	int64_t index;	/* of added_tokens_decoder, for the order */
	size_t order;	/* as read, where the index is the same */
} Token;

typedef struct TokenList
{
	Token *tokens; /* [n] */
	size_t n;
	size_t capacity;
} TokenList;

/* What is read on the way. */
typedef struct Reader
{
	LepTokenizerSpec *spec;
	LepArena *work;
	json_t *settings;		/* tokenizer_config.json as it changes */
	json_t *specific;		/* model-specific special tokens, in order */
	json_t *specials;		/* set of the texts of the settings' special tokens */
	json_t *declared_texts; /* set of the declared tokens' texts */
	json_t *wanted_keys;	/* set of the special tokens in wanted */
	TokenList declared;		/* added_tokens_decoder or added_tokens.json */
	TokenList wanted;		/* all tokens to be added, in order */
	LepError *err;
} Reader;

/* Say that memory ran out. */
static LepStatus
no_memory(LepError *err)
{
	return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
}

/* Refuse a key of a file. */
static LepStatus
bad_key(const char *file, const char *key, const char *detail, LepError *err)
{
	char quoted[QUOTED_SIZE];

	lep_error(err, LEP_BAD_FILE, "key \"%s\" of file \"%s\" is malformed",
			  lep_error_quote(quoted, sizeof(quoted), key, strlen(key)), file);
	lep_error_detail(err, "%s", detail);
	return LEP_BAD_FILE;
}

/* Append a token to a list. */
static LepStatus
append(Reader *r, TokenList *list, Token token)
{
	if (list->n == list->capacity)
	{
		size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
		Token *bigger = lep_arena_array(r->work, capacity, sizeof(Token));

		if (bigger == NULL)
			return no_memory(r->err);
		if (list->n > 0)
			memcpy(bigger, list->tokens, list->n * sizeof(Token));
		list->tokens = bigger;
		list->capacity = capacity;
	}
	list->tokens[list->n++] = token;
	return LEP_OK;
}

/* Read a token with settings, an object. */
static LepStatus
read_token(const json_t *object, const char *file, const char *key, Token *token, LepError *err)
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
		return bad_key(file, key, "The content of a token is not a string.", err);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		const json_t *value = json_object_get(object, keys[i].key);

		if (value == NULL)
			continue;
		if (!json_is_boolean(value))
			return bad_key(file, key, "A setting of a token is not a boolean.", err);
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
read_special(const json_t *value, const char *key, Token *token, LepError *err)
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
		return bad_key(CONFIG_FILE, key, "It is neither a string nor an added token.", err);
	return read_token(value, CONFIG_FILE, key, token, err);
}

/* Is value what Python counts as false? */
static bool
is_falsy(const json_t *value)
{
	return value == NULL || json_is_null(value) || json_is_false(value) ||
		   (json_is_string(value) && json_string_length(value) == 0) ||
		   (json_is_array(value) && json_array_size(value) == 0) ||
		   (json_is_object(value) && json_object_size(value) == 0) ||
		   (json_is_number(value) && json_number_value(value) == 0);
}

/* Is key one of the named special tokens? */
static bool
is_named(const char *key)
{
	for (size_t i = 0; i < NAMED_COUNT; i++)
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
take_specific(Reader *r)
{
	json_t *extra = json_object_get(r->settings, EXTRA);
	const char *key;
	json_t *value;
	void *next;

	if (json_object_get(r->settings, ADDITIONAL) != NULL && is_falsy(extra))
	{
		if (json_object_set(r->settings, EXTRA, json_object_get(r->settings, ADDITIONAL)) != 0)
			return no_memory(r->err);
		json_object_del(r->settings, ADDITIONAL);
	}
	json_object_foreach_safe(r->settings, next, key, value)
	{
		if (!is_specific(key) || !json_is_string(value))
			continue;
		if (json_object_set(r->specific, key, value) != 0)
			return no_memory(r->err);
		json_object_del(r->settings, key);
	}
	extra = json_object_get(r->settings, EXTRA);
	if (json_is_object(extra))
	{
		if (json_object_update(r->specific, extra) != 0)
			return no_memory(r->err);
		json_object_del(r->settings, EXTRA);
	}
	return LEP_OK;
}

/* Order declared tokens by index. */
static int
compare_index(const void *a, const void *b)
{
	const Token *x = a;
	const Token *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Read added_tokens_decoder: index to token. */
static LepStatus
read_decoder(Reader *r, const json_t *decoder)
{
	const char *key;
	json_t *value;
	LepStatus status = LEP_OK;

	if (!json_is_object(decoder))
		return bad_key(CONFIG_FILE, "added_tokens_decoder", "It is not an object.", r->err);
	json_object_foreach((json_t *) decoder, key, value)
	{
		Token token;
		char *end;
		long long index = strtoll(key, &end, 10);

		if (end == key || *end != '\0' || !json_is_object(value))
			return bad_key(CONFIG_FILE, "added_tokens_decoder",
						   "An entry is not an index with an object.", r->err);
		status = read_token(value, CONFIG_FILE, "added_tokens_decoder", &token, r->err);
		token.index = index;
		token.order = r->declared.n;
		if (status == LEP_OK)
			status = append(r, &r->declared, token);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Merge special_tokens_map.json into the settings. */
static LepStatus
merge_special_map(Reader *r, const json_t *map)
{
	const char *key;
	json_t *value;

	if (!json_is_object(map))
		return bad_key(SPECIAL_MAP_FILE, "", "The file holds no object.", r->err);
	json_object_foreach((json_t *) map, key, value)
	{
		json_t *copy;

		if (strcmp(key, EXTRA) == 0 && json_is_array(value) &&
			!is_falsy(json_object_get(r->settings, EXTRA)))
		{
			lep_error(r->err, LEP_UNSUPPORTED, "special tokens of two files are not supported");
			lep_error_detail(r->err, "Both \"%s\" and \"%s\" have \"%s\".", CONFIG_FILE,
							 SPECIAL_MAP_FILE, EXTRA);
			return LEP_UNSUPPORTED;
		}
		copy = json_deep_copy(value);
		if (json_is_object(copy) && strcmp(key, EXTRA) != 0 &&
			(json_object_set_new(copy, "__type", json_string("AddedToken")) != 0 ||
			 json_object_set_new(copy, "special", json_true()) != 0))
		{
			json_decref(copy);
			return no_memory(r->err);
		}
		for (size_t i = 0; strcmp(key, EXTRA) == 0 && i < json_array_size(copy); i++)
		{
			json_t *item = json_array_get(copy, i);

			if (json_is_object(item) &&
				(json_object_set_new(item, "__type", json_string("AddedToken")) != 0 ||
				 json_object_set_new(item, "special", json_true()) != 0))
			{
				json_decref(copy);
				return no_memory(r->err);
			}
		}
		if (json_object_set_new(r->settings, key, copy) != 0)
			return no_memory(r->err);
	}
	value = json_object_get(r->settings, EXTRA);
	if (json_is_object(value))
	{
		if (json_object_update(r->specific, value) != 0)
			return no_memory(r->err);
		json_object_del(r->settings, EXTRA);
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
note_specials(Reader *r)
{
	const json_t *extra = json_object_get(r->settings, EXTRA);
	size_t n_extra = json_array_size(extra);

	for (size_t i = 0; i < NAMED_COUNT + n_extra; i++)
	{
		const char *text = text_of(i < NAMED_COUNT ? json_object_get(r->settings, named[i])
												   : json_array_get(extra, i - NAMED_COUNT));

		if (text != NULL && json_object_set_new(r->specials, text, json_true()) != 0)
			return no_memory(r->err);
	}
	return LEP_OK;
}

/* Read added_tokens.json: token to index. */
static LepStatus
read_added_file(Reader *r, const json_t *map)
{
	const char *key;
	json_t *value;
	LepStatus status = note_specials(r);

	if (status != LEP_OK)
		return status;
	if (!json_is_object(map))
		return bad_key(ADDED_FILE, "", "The file holds no object.", r->err);
	json_object_foreach((json_t *) map, key, value)
	{
		Token token = {.content = key, .order = r->declared.n};

		if (!json_is_integer(value))
			return bad_key(ADDED_FILE, key, "Its index is not an integer.", r->err);
		token.index = json_integer_value(value);
		token.special = json_object_get(r->specials, key) != NULL;
		token.normalized = !token.special;
		status = append(r, &r->declared, token);
		if (status != LEP_OK)
			return status;
	}
	return LEP_OK;
}

/* Is normalized what a token ends up with? */
static bool
is_normalized(const Token *token)
{
	return token->normalized < 0 ? !token->special : token->normalized;
}

/* Add a special token unless its text is declared or the same token is already wanted. */
static LepStatus
want_special(Reader *r, Token token)
{
	size_t len = strlen(token.content);
	char *key;

	if (json_object_get(r->declared_texts, token.content) != NULL)
		return LEP_OK;
	/* A string equals a string of its text, a token one with its settings too. */
	key = lep_arena_alloc(r->work, len + 3);
	if (key == NULL)
		return no_memory(r->err);
	key[0] = token.plain ? 'p'
						 : (char) ('0' + (token.special ? 1 : 0) + (is_normalized(&token) ? 2 : 0));
	key[1] = (char) ('0' + token.flags);
	memcpy(key + 2, token.content, len);
	if (json_object_get(r->wanted_keys, key) != NULL)
		return LEP_OK;
	if (json_object_set_new(r->wanted_keys, key, json_true()) != 0)
		return no_memory(r->err);
	return append(r, &r->wanted, token);
}

/* The token that key names; its default, or none (*present false). */
static LepStatus
named_token(const Reader *r, size_t i, Token *token, bool *present)
{
	const json_t *value = json_object_get(r->settings, named[i]);
	LepStatus status = LEP_OK;

	*present = value != NULL ? !json_is_null(value) : defaults[i] != NULL;
	if (value == NULL && *present)
	{
		Token fallback = {.content = defaults[i], .plain = true, .special = true, .normalized = -1};

		*token = fallback;
	}
	else if (*present)
		status = read_special(value, named[i], token, r->err);
	/* A declared token of the same text stands for it. */
	for (size_t j = r->declared.n; value != NULL && *present && status == LEP_OK && j-- > 0;)
		if (strcmp(r->declared.tokens[j].content, token->content) == 0)
		{
			*token = r->declared.tokens[j];
			break;
		}
	return status;
}

/* Append the tokens to be added: declared ones by index, named, the model's own, extra ones. */
static LepStatus
collect(Reader *r, Token *found)
{
	const char *key;
	json_t *value;
	const json_t *extra;
	Token token;
	LepStatus status = LEP_OK;

	if (r->declared.n > 1)
		qsort(r->declared.tokens, r->declared.n, sizeof(Token), compare_index);
	for (size_t i = 0; i < r->declared.n && status == LEP_OK; i++)
	{
		status = append(r, &r->wanted, r->declared.tokens[i]);
		if (json_object_set_new(r->declared_texts, r->declared.tokens[i].content, json_true()) != 0)
			return no_memory(r->err);
	}
	for (size_t i = 0; i < NAMED_COUNT && status == LEP_OK; i++)
	{
		bool present;

		status = named_token(r, i, &found[i], &present);
		if (status == LEP_OK && present)
			status = want_special(r, found[i]);
		else
			found[i].content = NULL;
	}
	/* Those that special_tokens_map.json brought come before those of the settings. */
	json_object_foreach(r->settings, key, value)
	{
		if (status != LEP_OK || !is_specific(key) || json_object_get(r->specific, key) != NULL ||
			read_special(value, key, &token, NULL) != LEP_OK)
			continue;
		status = want_special(r, token);
	}
	json_object_foreach(r->specific, key, value)
	{
		if (status == LEP_OK)
			status = read_special(value, key, &token, r->err);
		if (status == LEP_OK)
			status = want_special(r, token);
	}
	extra = json_object_get(r->settings, EXTRA);
	if (extra == NULL)
		extra = json_object_get(r->settings, ADDITIONAL);
	if (status == LEP_OK && extra != NULL && !json_is_null(extra) && !json_is_array(extra))
		return bad_key(CONFIG_FILE, EXTRA, "It is not an array.", r->err);
	for (size_t i = 0; i < json_array_size(extra) && status == LEP_OK; i++)
	{
		status = read_special(json_array_get(extra, i), EXTRA, &token, r->err);
		if (status == LEP_OK)
			status = want_special(r, token);
	}
	return status;
}

/* Hand the wanted tokens to the spec. */
static LepStatus
give_added(Reader *r, const Token *found)
{
	LepTokenizerSpec *spec = r->spec;

	spec->n_added = r->wanted.n;
	spec->added = lep_arena_array(r->work, r->wanted.n, sizeof(LepSpecAdded));
	if (spec->added == NULL)
		return no_memory(r->err);
	for (size_t i = 0; i < r->wanted.n; i++)
	{
		Token token = r->wanted.tokens[i];

		for (size_t j = 0; j < NAMED_COUNT; j++)
			if (found[j].content != NULL && strcmp(found[j].content, token.content) == 0)
				token.special = true;
		spec->added[i].content = token.content;
		spec->added[i].len = strlen(token.content);
		spec->added[i].special = token.special;
		spec->added[i].flags = token.flags | (is_normalized(&token) ? LEP_ADDED_NORMALIZED : 0);
	}
	return LEP_OK;
}

/* Read the settings that are not tokens. */
static LepStatus
read_settings(Reader *r)
{
	static const char *const classes[] = {"BertTokenizer", "DistilBertTokenizer",
										  "ElectraTokenizer"};
	const json_t *s = r->settings;
	const char *class;
	const char *side;
	bool lower, chinese, split, strip, known = false;
	const json_t *inputs = json_object_get(s, "init_inputs");
	const json_t *case_key = json_object_get(s, "do_lower_case");
	const json_t *chinese_key = json_object_get(s, "tokenize_chinese_chars");
	LepStatus status;

	status = lep_json_string(s, CONFIG_FILE, "tokenizer_class", false, NULL, &class, r->err);
	for (size_t i = 0; class != NULL && i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		size_t len = strlen(classes[i]);

		if (strncmp(class, classes[i], len) == 0 &&
			(class[len] == '\0' || strcmp(class + len, "Fast") == 0))
			known = true;
	}
	if (status == LEP_OK && ((class != NULL && !known) || !is_falsy(inputs)))
	{
		char quoted[QUOTED_SIZE];

		lep_error(r->err, LEP_UNSUPPORTED, "tokenizer of file \"%s\" is not supported",
				  CONFIG_FILE);
		lep_error_detail(
			r->err, "Found \"%s\", expected \"BertTokenizer\" without init_inputs.",
			lep_error_quote(quoted, sizeof(quoted), class ? class : "", class ? strlen(class) : 0));
		return LEP_UNSUPPORTED;
	}
	if (status == LEP_OK)
		status = lep_json_string(s, CONFIG_FILE, "truncation_side", false, "right", &side, r->err);
	if (status == LEP_OK)
		status = lep_json_bool(s, CONFIG_FILE, "do_lower_case", false, true, &lower, r->err);
	if (status == LEP_OK)
		status =
			lep_json_bool(s, CONFIG_FILE, "tokenize_chinese_chars", false, true, &chinese, r->err);
	if (status == LEP_OK)
		status = lep_json_bool(s, CONFIG_FILE, "strip_accents", false, lower, &strip, r->err);
	if (status == LEP_OK)
		status =
			lep_json_bool(s, CONFIG_FILE, "split_special_tokens", false, false, &split, r->err);
	if (status != LEP_OK)
		return status;
	if (json_is_null(case_key) || json_is_null(chinese_key))
		return bad_key(CONFIG_FILE,
					   json_is_null(case_key) ? "do_lower_case" : "tokenize_chinese_chars",
					   "It is null, expected a boolean.", r->err);
	if (strcmp(side, "right") != 0 && strcmp(side, "left") != 0)
		return bad_key(CONFIG_FILE, "truncation_side", "It is neither \"right\" nor \"left\".",
					   r->err);
	if (split)
	{
		lep_error(r->err, LEP_UNSUPPORTED, "setting of file \"%s\" is not supported", CONFIG_FILE);
		lep_error_detail(r->err, "It sets \"split_special_tokens\".");
		return LEP_UNSUPPORTED;
	}
	r->spec->truncate_left = strcmp(side, "left") == 0;
	status = lep_spec_step(r->spec, "pre_tokenizer", r->spec->split_steps, &r->spec->n_splits,
						   LEP_PRE_BERT, 0, NULL, 0, r->err);
	return status != LEP_OK
			   ? status
			   : lep_spec_bert_normalizer(r->spec, true, chinese, strip, lower, r->err);
}

/* Can the text of cls_token or sep_token stand in transformers' template string? */
static bool
fits_template(const char *text)
{
	return text != NULL && text[0] != '\0' && text[0] != '$' && strchr(text, ' ') == NULL &&
		   strchr(text, ':') == NULL;
}

/* Make the templates [CLS] text [SEP] and [CLS] text [SEP] text [SEP]; the ids are known once the tokens are added. */
static LepStatus
make_template(Reader *r, const Token *found)
{
	LepTokenizerSpec *spec = r->spec;
	const char *cls = found[5].content;
	const char *sep = found[3].content;

	if (!fits_template(cls) || !fits_template(sep))
		return bad_key(CONFIG_FILE, fits_template(cls) ? "sep_token" : "cls_token",
					   "It is null, or its text has no place in a template.", r->err);
	spec->n_pieces = 3;
	spec->n_pair = 5;
	spec->pieces = lep_arena_array(r->work, 3, sizeof(LepPiece));
	spec->piece_names = lep_arena_array(r->work, 3, sizeof(char *));
	spec->pair = lep_arena_array(r->work, 5, sizeof(LepPiece));
	spec->pair_names = lep_arena_array(r->work, 5, sizeof(char *));
	if (spec->pieces == NULL || spec->piece_names == NULL || spec->pair == NULL ||
		spec->pair_names == NULL)
		return no_memory(r->err);
	spec->pieces[1].id = spec->pair[1].id = LEP_PIECE_TEXT;
	spec->pair[3].id = LEP_PIECE_SECOND;
	spec->pair[3].type = spec->pair[4].type = 1;
	spec->piece_names[0] = spec->pair_names[0] = cls;
	spec->piece_names[2] = spec->pair_names[2] = spec->pair_names[4] = sep;
	return LEP_OK;
}

/* Length of text[len] without white space at its end; SIZE_MAX when it is not UTF-8. */
static size_t
trimmed(const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *) text;
	size_t end = 0;
	size_t at = 0;

	while (at < len)
	{
		uint32_t c;
		size_t n = lep_utf8_decode(bytes + at, len - at, &c);

		if (n == 0)
			return SIZE_MAX;
		at += n;
		if (!(lep_char_flags(c) & LEP_UC_SPACE))
			end = at;
	}
	return end;
}

/* Read the lines of vocab.txt; ids maps each word to its last line, as the library does. */
static LepStatus
read_vocab(Reader *r, const char *vocab, size_t len, json_t *ids)
{
	LepTokenizerSpec *spec = r->spec;
	const char *word;
	size_t word_len;
	json_t *id;
	size_t line = 0;

	for (size_t at = 0; at < len; line++)
	{
		const char *newline = memchr(vocab + at, '\n', len - at);
		size_t line_len = newline != NULL ? (size_t) (newline - vocab) - at : len - at;
		size_t keep = trimmed(vocab + at, line_len);

		if (keep == SIZE_MAX || line >= INT32_MAX)
		{
			lep_error(r->err, LEP_BAD_FILE, "file \"%s\" is not valid UTF-8", VOCAB_FILE);
			lep_error_detail(r->err, "Line %zu holds an invalid byte.", line + 1);
			return LEP_BAD_FILE;
		}
		if (json_object_setn_new(ids, vocab + at, keep, json_integer((json_int_t) line)) != 0)
			return no_memory(r->err);
		at += line_len + 1;
	}
	spec->vocab = lep_arena_array(r->work, json_object_size(ids), sizeof(LepTrieKey));
	if (spec->vocab == NULL)
		return no_memory(r->err);
	json_object_keylen_foreach(ids, word, word_len, id)
	{
		LepTrieKey *key = &spec->vocab[spec->n_vocab++];

		key->bytes = word;
		key->len = word_len;
		key->value = (int32_t) json_integer_value(id);
	}
	return LEP_OK;
}

/* Parse a file that may be absent; *json stays NULL then. */
static LepStatus
parse_optional(const char *file, const char *text, size_t len, json_t **json, LepError *err)
{
	*json = NULL;
	return text == NULL ? LEP_OK : lep_json_parse(file, text, len, json, err);
}

/* Read everything into r->spec; the JSON must stay until it is packed. */
static LepStatus
read_files(Reader *r, const json_t *special_map, const json_t *added, const char *vocab,
		   size_t vocab_len, json_t *ids)
{
	Token found[NAMED_COUNT] = {{0}};
	LepStatus status;

	if (r->settings == NULL || r->specific == NULL || r->specials == NULL ||
		r->declared_texts == NULL || r->wanted_keys == NULL || ids == NULL)
		return no_memory(r->err);
	if (!json_is_object(r->settings))
		return bad_key(CONFIG_FILE, "", "The file holds no object.", r->err);
	status = read_settings(r);
	if (status == LEP_OK)
		status = take_specific(r);
	if (status == LEP_OK && json_object_get(r->settings, "added_tokens_decoder") != NULL)
		status = read_decoder(r, json_object_get(r->settings, "added_tokens_decoder"));
	else
	{
		if (status == LEP_OK && special_map != NULL)
			status = merge_special_map(r, special_map);
		if (status == LEP_OK && added != NULL)
			status = read_added_file(r, added);
	}
	if (status == LEP_OK)
		status = read_vocab(r, vocab, vocab_len, ids);
	if (status == LEP_OK)
		status = collect(r, found);
	if (status == LEP_OK && found[2].content == NULL)
		return bad_key(CONFIG_FILE, "unk_token", "It is null, expected a token.", r->err);
	if (status == LEP_OK)
		status = give_added(r, found);
	if (status == LEP_OK)
		status = make_template(r, found);
	r->spec->unk_token = found[2].content;
	r->spec->unk_len = found[2].content != NULL ? strlen(found[2].content) : 0;
	return status;
}

/* Build the tables from vocab.txt and its neighbours. */
LepStatus
lep_tokenizer_build_vocab(const char *vocab, size_t vocab_len, const char *config,
						  size_t config_len, const char *special_map, size_t special_map_len,
						  const char *added, size_t added_len, size_t vocab_size, LepArena *arena,
						  void **blob, size_t *blob_size, LepError *err)
{
	LepArena work;
	LepTokenizerSpec spec = {.file = VOCAB_FILE, .work = &work, .prefix = "##", .max_chars = 100};
	Reader r = {.spec = &spec, .work = &work, .err = err};
	json_t *settings = NULL;
	json_t *map = NULL;
	json_t *tokens = NULL;
	json_t *ids = json_object();
	LepStatus status;

	*blob = NULL;
	*blob_size = 0;
	lep_arena_init(&work, arena->allocator, 0);
	status = parse_optional(CONFIG_FILE, config, config_len, &settings, err);
	if (status == LEP_OK)
		status = parse_optional(SPECIAL_MAP_FILE, special_map, special_map_len, &map, err);
	if (status == LEP_OK)
		status = parse_optional(ADDED_FILE, added, added_len, &tokens, err);
	r.settings = settings != NULL ? settings : json_object();
	r.specific = json_object();
	r.specials = json_object();
	r.declared_texts = json_object();
	r.wanted_keys = json_object();
	if (status == LEP_OK)
		status = read_files(&r, map, tokens, vocab, vocab_len, ids);
	if (status == LEP_OK)
		status = lep_tokenizer_pack(&spec, vocab_size, arena, blob, blob_size, err);
	lep_arena_free(&work);
	json_decref(r.settings);
	json_decref(r.specific);
	json_decref(r.specials);
	json_decref(r.declared_texts);
	json_decref(r.wanted_keys);
	json_decref(map);
	json_decref(tokens);
	json_decref(ids);
	return status;
}
