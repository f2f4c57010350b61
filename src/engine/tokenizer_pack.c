/*
 * tokenizer_pack.c: packs what the files say (LepTokenizerSpec) into a blob:
 * tries, byte tables, names, templates; knows neither JSON nor vocab.txt.
 *
 * Added tokens get their ids here by the rules of the AddedVocabulary of
 * `tokenizers`: that of the vocabulary's entry, else the next free one,
 * whatever the file claims.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdlib.h>
#include <string.h>

#include "tokenizer_model.h"
#include "unicode.h"
#include "utf8.h"

#define BLOB_ALIGN	((size_t) 64)
#define QUOTED_SIZE LEP_QUOTE_SIZE
#define NAME_MAX	(((size_t) 1 << 24) - 1) /* bytes of a token's name */

/* An added token that stayed, with the text it is looked for by. */
typedef struct Kept
{
	int64_t id;
	const LepSpecAdded *token;
	const char *pattern; /* [pattern_len] */
	size_t pattern_len;
	const char *name; /* [name_len] what its id is turned back into: its normalized form */
	size_t name_len;
} Kept;

typedef struct Packer
{
	LepTokenizerSpec *spec;
	size_t vocab_size;
	LepArena work;		 /* freed at the end */
	LepCharBuffer chars; /* freed at the end */
	Kept *kept;			 /* [n_kept] */
	json_t *specials;	 /* set of the contents of special tokens */
	size_t n_kept;
	LepTrieUnit *words, *raw, *normal, *lowered;
	size_t n_words, n_raw, n_normal, n_lowered;
	LepName *names; /* [n_names] */
	size_t n_names;
	char *name_bytes; /* [n_name_bytes] */
	size_t n_name_bytes;
	LepBlanks *blanks; /* [n_blanks] */
	size_t n_blanks;
	struct LepTokenizerTables head;
	LepError *err;
} Packer;

/* Say that memory ran out. */
static LepStatus
no_memory(LepError *err)
{
	return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
}

/* Check that a producible id is a row of the embedding. */
static LepStatus
check_id(const Packer *p, int64_t id, const char *token, size_t len)
{
	char quoted[QUOTED_SIZE];

	if (id >= 0 && (uint64_t) id < p->vocab_size)
		return LEP_OK;
	lep_error(p->err, LEP_BAD_FILE, "token of file \"%s\" has no row in the embedding",
			  p->spec->file);
	lep_error_detail(p->err, "Token \"%s\" has id %lld; the embedding has %zu rows.",
					 lep_error_quote(quoted, sizeof(quoted), token, len), (long long) id,
					 p->vocab_size);
	return LEP_BAD_FILE;
}

/* Find word in the sorted vocabulary; NULL when it is not there. */
const LepTrieKey *
lep_spec_word(const LepTokenizerSpec *spec, const char *word, size_t len)
{
	size_t low = 0;
	size_t high = spec->n_vocab;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;
		const LepTrieKey *key = &spec->vocab[middle];
		size_t shorter = key->len < len ? key->len : len;
		int order = shorter > 0 ? memcmp(key->bytes, word, shorter) : 0;

		if (order == 0 && key->len == len)
			return key;
		if (order < 0 || (order == 0 && key->len < len))
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The data area of a spec. */
static LepData
spec_data(const LepTokenizerSpec *spec)
{
	LepData data = {spec->data, spec->data_size};

	return data;
}

/* Normalise content[len] with the spec's steps into p->chars. */
static LepStatus
normalize_content(Packer *p, const char *content, size_t len)
{
	LepStatus status = lep_chars_load(&p->chars, content, 0, len, NULL, p->err);

	if (status == LEP_OK)
		status = lep_chars_normalize(&p->chars, p->spec->norms, p->spec->n_norms,
									 spec_data(p->spec), NULL, p->err);
	return status;
}

/* The same as UTF-8 in the arena. */
static LepStatus
normalized_form(Packer *p, const char *content, size_t len, const char **out, size_t *out_len)
{
	LepStatus status = normalize_content(p, content, len);
	char *bytes;
	size_t n = 0;

	if (status != LEP_OK)
		return status;
	bytes = lep_arena_array(&p->work, p->chars.n + 1, 4);
	if (bytes == NULL)
		return no_memory(p->err);
	for (size_t i = 0; i < p->chars.n; i++)
		n += lep_utf8_encode(p->chars.chars[i].c, (unsigned char *) bytes + n);
	*out = bytes;
	*out_len = n;
	return LEP_OK;
}

/* Refuse an added token that lepton does not look for. */
static LepStatus
refuse_added(const Packer *p, const LepSpecAdded *token, const char *why)
{
	char quoted[QUOTED_SIZE];

	lep_error(p->err, LEP_UNSUPPORTED, "added token of file \"%s\" is not supported",
			  p->spec->file);
	lep_error_detail(p->err, "Token \"%s\" %s.",
					 lep_error_quote(quoted, sizeof(quoted), token->content, token->len), why);
	return LEP_UNSUPPORTED;
}

/* Do two added tokens ask for the same? */
static bool
same_token(const LepSpecAdded *a, const LepSpecAdded *b)
{
	return a->flags == b->flags && a->len == b->len && memcmp(a->content, b->content, a->len) == 0;
}

/*
 * Add the tokens one after another.  by_content maps a content to its id,
 * by_id an id (in decimal) to its place in kept: as the library's two maps do.
 */
static LepStatus
add_tokens(Packer *p, json_t *by_content, json_t *by_id)
{
	LepTokenizerSpec *spec = p->spec;
	int64_t next_id = (int64_t) (spec->n_model_ids > 0 ? spec->n_model_ids : spec->n_vocab);

	p->kept = lep_arena_array(&p->work, spec->n_added + 1, sizeof(Kept));
	if (p->kept == NULL)
		return no_memory(p->err);
	for (size_t i = 0; i < spec->n_added; i++)
	{
		const LepSpecAdded *token = &spec->added[i];
		const json_t *known = json_object_getn(by_content, token->content, token->len);
		const LepTrieKey *word = lep_spec_word(spec, token->content, token->len);
		char key[24];
		const json_t *place;
		Kept *kept;
		int64_t id;
		LepStatus status;

		if (token->len == 0)
			continue;
		if (known != NULL)
			id = json_integer_value(known);
		else
			id = word != NULL ? word->value : next_id++;
		snprintf(key, sizeof(key), "%lld", (long long) id);
		place = json_object_get(by_id, key);
		if (place == NULL)
		{
			kept = &p->kept[p->n_kept];
			if (json_object_set_new(by_id, key, json_integer((json_int_t) p->n_kept++)) != 0)
				return no_memory(p->err);
		}
		else
			kept = &p->kept[json_integer_value(place)];
		if (known != NULL && kept->token != NULL && same_token(kept->token, token))
			continue;
		kept->id = id;
		kept->token = token;
		if (json_object_setn_new(by_content, token->content, token->len, json_integer(id)) != 0 ||
			(token->special &&
			 json_object_setn_new(p->specials, token->content, token->len, json_true()) != 0))
			return no_memory(p->err);
		status = check_id(p, id, token->content, token->len);
		if (status != LEP_OK)
			return status;
		/* A form that normalising gave once stays with the id, even for a later content. */
		if (token->flags & LEP_ADDED_NORMALIZED)
		{
			const char *form = "";
			size_t form_len = 0;

			status = normalized_form(p, token->content, token->len, &form, &form_len);
			if (status != LEP_OK)
				return status;
			if (form_len != token->len || memcmp(form, token->content, form_len) != 0)
			{
				kept->pattern = form;
				kept->pattern_len = form_len;
			}
		}
		kept->name = kept->pattern != NULL ? kept->pattern : token->content;
		kept->name_len = kept->pattern != NULL ? kept->pattern_len : token->len;
	}
	return LEP_OK;
}

/* Give the pieces of a template that are named the ids of these added tokens. */
static LepStatus
resolve_pieces(Packer *p, LepPiece *pieces, const char *const *names, size_t n,
			   const json_t *by_content)
{
	for (size_t i = 0; names != NULL && i < n; i++)
	{
		const json_t *id;

		if (names[i] == NULL)
			continue;
		id = json_object_get(by_content, names[i]);
		if (id == NULL)
			return lep_error(p->err, LEP_BAD_FILE, "special token of file \"%s\" is missing",
							 p->spec->file);
		pieces[i].id = (int32_t) json_integer_value(id);
	}
	return LEP_OK;
}

/* Build the trie of the kept tokens that are normalized or are not. */
static LepStatus
build_added(Packer *p, bool normalized, LepTrieUnit **units, size_t *n_units)
{
	LepTrieKey *keys = lep_arena_array(&p->work, p->n_kept + 1, sizeof(LepTrieKey));
	size_t n = 0;

	*n_units = 0;
	if (keys == NULL)
		return no_memory(p->err);
	for (size_t i = 0; i < p->n_kept; i++)
	{
		const Kept *kept = &p->kept[i];
		bool by_form = normalized && kept->pattern != NULL;

		if (((kept->token->flags & LEP_ADDED_NORMALIZED) != 0) != normalized)
			continue;
		keys[n].bytes = by_form ? kept->pattern : kept->token->content;
		keys[n].len = by_form ? kept->pattern_len : kept->token->len;
		keys[n].value = (int32_t) i;
		if (keys[n].len == 0)
			return refuse_added(p, kept->token, "is empty once normalized");
		if (keys[n].len > LEP_ADDED_BYTES_MAX)
			return refuse_added(p, kept->token, "is longer than 256 bytes");
		n++;
	}
	if (n == 0)
		return LEP_OK;
	lep_trie_sort(keys, n);
	for (size_t i = 1; i < n; i++)
		if (keys[i].len == keys[i - 1].len &&
			memcmp(keys[i].bytes, keys[i - 1].bytes, keys[i].len) == 0)
			return refuse_added(p, p->kept[keys[i].value].token,
								"reads as another added token once normalized");
	return lep_trie_build(keys, n, &p->work, units, n_units, p->err);
}

/* Build the vocabulary's trie; find the unknown token and where continuing pieces start. */
static LepStatus
build_words(Packer *p)
{
	LepTokenizerSpec *spec = p->spec;
	const LepTrieKey *unknown;
	uint32_t node = LEP_TRIE_ROOT;
	LepStatus status;

	for (size_t i = 0; i < spec->n_vocab; i++)
	{
		status = check_id(p, spec->vocab[i].value, spec->vocab[i].bytes, spec->vocab[i].len);
		if (status != LEP_OK)
			return status;
	}
	lep_trie_sort(spec->vocab, spec->n_vocab);
	p->head.unk_id = -1;
	p->head.continuing = LEP_TRIE_NONE;
	status = lep_trie_build(spec->vocab, spec->n_vocab, &p->work, &p->words, &p->n_words, p->err);
	if (status != LEP_OK || spec->unk_token == NULL)
		return status;
	unknown = lep_spec_word(spec, spec->unk_token, spec->unk_len);
	/* BPE and WordLevel miss it only when a text needs it. */
	if (unknown == NULL && (spec->model == LEP_MODEL_BPE || spec->model == LEP_MODEL_WORDLEVEL))
		return LEP_OK;
	if (unknown == NULL)
	{
		char quoted[QUOTED_SIZE];

		lep_error(p->err, LEP_BAD_FILE, "vocabulary of file \"%s\" lacks the unknown token",
				  spec->file);
		lep_error_detail(p->err, "None of its %zu entries is \"%s\".", spec->n_vocab,
						 lep_error_quote(quoted, sizeof(quoted), spec->unk_token, spec->unk_len));
		return LEP_BAD_FILE;
	}
	p->head.unk_id = unknown->value;
	if (spec->model != LEP_MODEL_WORDPIECE)
		return LEP_OK;
	for (const char *c = spec->prefix; *c != '\0' && node != LEP_TRIE_NONE; c++)
		node = lep_trie_step(p->words, p->n_words, node, (unsigned char) *c);
	p->head.continuing = node;
	return LEP_OK;
}

/* Build the trie of the normalized tokens as they read with a lower-casing step in front. */
static LepStatus
build_lowered(Packer *p)
{
	LepTokenizerSpec *spec = p->spec;
	LepTokenizerSpec lowered = *spec;
	LepStatus status = LEP_OK;

	if (p->n_normal == 0)
		return LEP_OK;
	if (spec->n_norms == LEP_STEPS_MAX)
	{
		p->head.no_lower_first = 1;
		return LEP_OK;
	}
	memset(&lowered.norms[0], 0, sizeof(LepStep));
	lowered.norms[0].kind = LEP_NORM_LOWER;
	memcpy(lowered.norms + 1, spec->norms, spec->n_norms * sizeof(LepStep));
	lowered.n_norms++;
	p->spec = &lowered;
	for (size_t i = 0; i < p->n_kept && status == LEP_OK; i++)
		if (p->kept[i].token->flags & LEP_ADDED_NORMALIZED)
			status = normalized_form(p, p->kept[i].token->content, p->kept[i].token->len,
									 &p->kept[i].pattern, &p->kept[i].pattern_len);
	if (status == LEP_OK)
		status = build_added(p, true, &p->lowered, &p->n_lowered);
	p->spec = spec;
	if (status != LEP_UNSUPPORTED)
		return status;
	p->head.no_lower_first = 1;
	p->n_lowered = 0;
	return LEP_OK;
}

/*
 * Say by LEP_SPLIT_ bits what the splits do, if bits can: white space dropped,
 * punctuation alone, \w against the rest.  Their order does not matter then.
 */
static void
simplify_splits(Packer *p)
{
	const LepTokenizerSpec *spec = p->spec;
	uint32_t splits = 0;

	for (size_t i = 0; i < spec->n_splits; i++)
	{
		const LepStep *step = &spec->split_steps[i];

		if (step->kind == LEP_PRE_BERT)
			splits |= LEP_SPLIT_SPACE | LEP_SPLIT_PUNCT;
		else if (step->kind == LEP_PRE_SPACE)
			splits |= LEP_SPLIT_SPACE;
		else if (step->kind == LEP_PRE_WORDS)
			splits |= LEP_SPLIT_WORDS;
		else if (step->kind == LEP_PRE_PUNCTUATION && step->flags == LEP_BEHAVIOR_ISOLATED)
			splits |= LEP_SPLIT_PUNCT;
		else
		{
			memcpy(p->head.split_steps, spec->split_steps, sizeof(p->head.split_steps));
			p->head.n_splits = (uint32_t) spec->n_splits;
			return;
		}
	}
	p->head.splits = splits;
}

/* Ask the normaliser and the splits what each ASCII byte is by itself. */
static LepStatus
classify_bytes(Packer *p)
{
	LepTokenizerSpec *spec = p->spec;
	uint32_t splits = p->head.splits;
	bool drops = (splits & (LEP_SPLIT_SPACE | LEP_SPLIT_WORDS)) != 0;

	p->head.streaming = drops && p->n_normal == 0;
	for (size_t i = 0; i < spec->n_norms; i++)
		if (spec->norms[i].kind > LEP_NORM_LOCAL_LAST)
			p->head.streaming = 0;
	p->head.fast =
		p->head.streaming && !(splits & LEP_SPLIT_WORDS) && spec->model == LEP_MODEL_WORDPIECE;
	/* A composition can turn punctuation into a letter, so that a word goes on. */
	for (size_t i = 0; i < spec->n_norms; i++)
		if (spec->norms[i].kind == LEP_NORM_NFC || spec->norms[i].kind == LEP_NORM_NFKC)
			p->head.fast = 0;
	for (unsigned b = 0; b < 0x80; b++)
	{
		char byte = (char) b;
		uint32_t flags;
		LepStatus status = normalize_content(p, &byte, 1);

		if (status != LEP_OK)
			return status;
		if (p->chars.n != 1 || p->chars.chars[0].c >= 0x80)
			continue;
		flags = lep_char_flags(p->chars.chars[0].c);
		p->head.fold[b] = (uint8_t) p->chars.chars[0].c;
		if (drops && (flags & LEP_UC_SPACE))
			p->head.kind[b] = LEP_BYTE_SPACE;
		else if ((splits & LEP_SPLIT_PUNCT) && (flags & LEP_UC_PUNCT))
			p->head.kind[b] = LEP_BYTE_ALONE;
		else
			p->head.kind[b] = LEP_BYTE_WORD;
	}
	return LEP_OK;
}

/* Reserve an aligned section of n elements of size bytes behind *size bytes of blob. */
static bool
place(LepSection *section, size_t n, size_t element, size_t *size)
{
	size_t bytes;

	section->offset = *size;
	section->n = n;
	return lep_mul(n, element, &bytes) && lep_add(*size, bytes, size) &&
		   lep_add(*size, BLOB_ALIGN - 1, size) && (*size &= ~(BLOB_ALIGN - 1), true);
}

/* Copy a section's content into the blob. */
static void
fill(char *blob, LepSection section, const void *content, size_t element)
{
	if (section.n > 0)
		memcpy(blob + section.offset, content, section.n * element);
}

/* Count the white space at both ends of a token's name, as the byte-level post-processor does. */
static LepBlanks
blanks_of(const char *name, size_t len)
{
	const unsigned char *bytes = (const unsigned char *) name;
	LepBlanks blanks = {0, 0};
	bool leading = true;

	for (size_t at = 0; at < len;)
	{
		uint32_t c;
		size_t n = lep_utf8_decode(bytes + at, len - at, &c);

		if (n == 0)
			break;
		at += n;
		if (lep_blank_char(c))
		{
			blanks.lead += leading;
			blanks.trail++;
		}
		else
		{
			leading = false;
			blanks.trail = 0;
		}
	}
	return blanks;
}

/* Set the name of an id. */
static LepStatus
set_name(Packer *p, int64_t id, const char *name, size_t len, uint32_t flags, size_t *at)
{
	LepName *slot = &p->names[id];

	if (len > NAME_MAX)
	{
		lep_error(p->err, LEP_TOO_LARGE, "token of file \"%s\" is too long", p->spec->file);
		lep_error_detail(p->err, "It has %zu bytes, at most %zu are allowed.", len, NAME_MAX);
		return LEP_TOO_LARGE;
	}
	memcpy(p->name_bytes + *at, name, len);
	slot->start = (uint32_t) *at;
	slot->len = (uint32_t) len & 0xFFFFFF;
	slot->flags = flags & 0xFF;
	*at += len;
	if (p->n_blanks > 0)
		p->blanks[id] = blanks_of(name, len);
	return LEP_OK;
}

/* Is text[len] the content of a special token?  Like the library, go by texts, not by ids. */
static bool
is_special(const Packer *p, const char *text, size_t len)
{
	return json_object_getn(p->specials, text, len) != NULL;
}

/* Write down the names of all ids. */
static LepStatus
build_names(Packer *p)
{
	LepTokenizerSpec *spec = p->spec;
	size_t size = 0;
	size_t at = 0;
	LepStatus status = LEP_OK;
	bool fits = true;

	for (size_t i = 0; i < spec->n_vocab; i++)
	{
		fits = fits && lep_add(size, spec->vocab[i].len, &size);
		if ((size_t) spec->vocab[i].value >= p->n_names)
			p->n_names = (size_t) spec->vocab[i].value + 1;
	}
	for (size_t i = 0; i < spec->n_doubles; i++)
	{
		fits = fits && lep_add(size, spec->doubles[i].len, &size);
		if ((size_t) spec->doubles[i].value >= p->n_names)
			p->n_names = (size_t) spec->doubles[i].value + 1;
	}
	for (size_t i = 0; i < p->n_kept; i++)
	{
		fits = fits && lep_add(size, p->kept[i].name_len, &size);
		if ((size_t) p->kept[i].id >= p->n_names)
			p->n_names = (size_t) p->kept[i].id + 1;
	}
	if (!fits || size > UINT32_MAX)
		return lep_error(p->err, LEP_TOO_LARGE, "vocabulary is too large");
	p->n_blanks = spec->n_trims > 0 ? p->n_names : 0;
	p->names = lep_arena_array(&p->work, p->n_names, sizeof(LepName));
	p->name_bytes = lep_arena_alloc(&p->work, size);
	p->blanks = lep_arena_array(&p->work, p->n_blanks, sizeof(LepBlanks));
	if (p->names == NULL || p->name_bytes == NULL || p->blanks == NULL)
		return no_memory(p->err);
	p->n_name_bytes = size;
	for (size_t i = 0; i < spec->n_vocab && status == LEP_OK; i++)
		status = set_name(p, spec->vocab[i].value, spec->vocab[i].bytes, spec->vocab[i].len,
						  LEP_NAME_KNOWN, &at);
	for (size_t i = 0; i < spec->n_doubles && status == LEP_OK; i++)
		status =
			set_name(p, spec->doubles[i].value, spec->doubles[i].bytes, spec->doubles[i].len,
					 LEP_NAME_KNOWN | (is_special(p, spec->doubles[i].bytes, spec->doubles[i].len)
										   ? LEP_NAME_SPECIAL
										   : 0),
					 &at);
	for (size_t i = 0; i < p->n_kept && status == LEP_OK; i++)
		status = set_name(
			p, p->kept[i].id, p->kept[i].name, p->kept[i].name_len,
			LEP_NAME_KNOWN | LEP_NAME_ADDED |
				(is_special(p, p->kept[i].name, p->kept[i].name_len) ? LEP_NAME_SPECIAL : 0),
			&at);
	return status;
}

/* Check a template; count its special tokens and find its largest type. */
static LepStatus
check_template(Packer *p, const LepPiece *pieces, size_t n, uint32_t *special, uint32_t *max_type)
{
	LepStatus status = LEP_OK;

	for (size_t i = 0; i < n && status == LEP_OK; i++)
	{
		if ((uint32_t) pieces[i].type > *max_type)
			*max_type = (uint32_t) pieces[i].type;
		if (pieces[i].id == LEP_PIECE_TEXT || pieces[i].id == LEP_PIECE_SECOND)
			continue;
		++*special;
		status = check_id(p, pieces[i].id, "(template)", 10);
	}
	return status;
}

/* Check the template and write header and sections. */
static LepStatus
write_blob(Packer *p, LepArena *arena, void **blob, size_t *blob_size)
{
	LepTokenizerSpec *spec = p->spec;
	struct LepTokenizerTables *head = &p->head;
	size_t size = (sizeof(*head) + BLOB_ALIGN - 1) & ~(BLOB_ALIGN - 1);
	LepAdded *added;
	LepStatus status;

	status = check_template(p, spec->pieces, spec->n_pieces, &head->special[0], &head->max_type);
	if (status == LEP_OK)
		status =
			check_template(p, spec->pair, spec->n_pair, &head->special[1], &head->pair_max_type);
	if (status != LEP_OK)
		return status;
	if (!place(&head->words, p->n_words, sizeof(LepTrieUnit), &size) ||
		!place(&head->raw, p->n_raw, sizeof(LepTrieUnit), &size) ||
		!place(&head->normal, p->n_normal, sizeof(LepTrieUnit), &size) ||
		!place(&head->lowered, p->n_lowered, sizeof(LepTrieUnit), &size) ||
		!place(&head->added, p->n_kept, sizeof(LepAdded), &size) ||
		!place(&head->pieces, spec->n_pieces, sizeof(LepPiece), &size) ||
		!place(&head->pair, spec->n_pair, sizeof(LepPiece), &size) ||
		!place(&head->names, p->n_names, sizeof(LepName), &size) ||
		!place(&head->name_bytes, p->n_name_bytes, 1, &size) ||
		!place(&head->blanks, p->n_blanks, sizeof(LepBlanks), &size) ||
		!place(&head->data, spec->data_size, 1, &size))
		return no_memory(p->err);
	head->magic = LEP_TOKENIZER_MAGIC;
	head->version = LEP_TOKENIZER_VERSION;
	head->size = size;
	head->model = spec->model;
	head->model_at = spec->model_at;
	head->n_norms = (uint32_t) spec->n_norms;
	memcpy(head->norms, spec->norms, sizeof(head->norms));
	head->n_decoders = (uint32_t) spec->n_decoders;
	head->has_decoder = spec->has_decoder;
	memcpy(head->decoders, spec->decoders, sizeof(head->decoders));
	head->n_trims = (uint32_t) spec->n_trims;
	memcpy(head->trims, spec->trims, sizeof(head->trims));
	head->truncate_left = spec->truncate_left;
	head->max_chars = spec->max_chars < UINT32_MAX ? (uint32_t) spec->max_chars : UINT32_MAX;
	head->n_ids = p->vocab_size < INT32_MAX ? (uint32_t) p->vocab_size : INT32_MAX;
	added = lep_arena_array(&p->work, p->n_kept + 1, sizeof(LepAdded));
	*blob = lep_arena_alloc(arena, size);
	if (*blob == NULL || added == NULL)
		return no_memory(p->err);
	for (size_t i = 0; i < p->n_kept; i++)
	{
		added[i].id = (int32_t) p->kept[i].id;
		added[i].flags = p->kept[i].token->flags;
		if (!(added[i].flags & LEP_ADDED_NORMALIZED))
			head->first_raw[(unsigned char) p->kept[i].token->content[0]] = 1;
	}
	memcpy(*blob, head, sizeof(*head));
	fill(*blob, head->words, p->words, sizeof(LepTrieUnit));
	fill(*blob, head->raw, p->raw, sizeof(LepTrieUnit));
	fill(*blob, head->normal, p->normal, sizeof(LepTrieUnit));
	fill(*blob, head->lowered, p->lowered, sizeof(LepTrieUnit));
	fill(*blob, head->added, added, sizeof(LepAdded));
	fill(*blob, head->pieces, spec->pieces, sizeof(LepPiece));
	fill(*blob, head->pair, spec->pair, sizeof(LepPiece));
	fill(*blob, head->names, p->names, sizeof(LepName));
	fill(*blob, head->name_bytes, p->name_bytes, 1);
	fill(*blob, head->blanks, p->blanks, sizeof(LepBlanks));
	fill(*blob, head->data, spec->data, 1);
	*blob_size = size;
	return LEP_OK;
}

/* Pack spec into a blob. */
LepStatus
lep_tokenizer_pack(LepTokenizerSpec *spec, size_t vocab_size, LepArena *arena, void **blob,
				   size_t *blob_size, LepError *err)
{
	Packer p = {.spec = spec, .err = err};
	json_t *by_content = json_object();
	json_t *by_id = json_object();
	LepStatus status;

	p.specials = json_object();
	*blob = NULL;
	*blob_size = 0;
	p.vocab_size = vocab_size < INT32_MAX ? vocab_size : INT32_MAX;
	lep_arena_init(&p.work, arena->allocator, 0);
	lep_chars_init(&p.chars, arena->allocator);
	status = by_content != NULL && by_id != NULL && p.specials != NULL ? build_words(&p)
																	   : no_memory(err);
	if (status == LEP_OK)
		status = add_tokens(&p, by_content, by_id);
	if (status == LEP_OK)
		status = resolve_pieces(&p, spec->pieces, spec->piece_names, spec->n_pieces, by_content);
	if (status == LEP_OK)
		status = resolve_pieces(&p, spec->pair, spec->pair_names, spec->n_pair, by_content);
	if (status == LEP_OK)
		status = build_added(&p, false, &p.raw, &p.n_raw);
	if (status == LEP_OK)
		status = build_added(&p, true, &p.normal, &p.n_normal);
	if (status == LEP_OK)
		status = build_lowered(&p);
	if (status == LEP_OK)
	{
		simplify_splits(&p);
		status = classify_bytes(&p);
	}
	if (status == LEP_OK)
		status = build_names(&p);
	if (status == LEP_OK && lep_models[spec->model]->pack != NULL)
		status = lep_models[spec->model]->pack(spec, p.words, p.n_words, err);
	if (status == LEP_OK)
		status = write_blob(&p, arena, blob, blob_size);
	json_decref(by_content);
	json_decref(by_id);
	json_decref(p.specials);
	lep_chars_free(&p.chars);
	lep_arena_free(&p.work);
	return status;
}
