/*
 * bpe_build.c: the model BPE of a tokenizer.json to its tables; refuses
 * dropout, which is random.  Running it is bpe.c.
 */
#define LEPTON_ENGINE_SOURCE
#include "bpe.h"

#include <stdio.h>
#include <string.h>

#define LEAST_SHIFT 1u	/* a table of at most 2^31 entries */
#define FIRST_SHIFT 28u /* and of at least 16 */

/* A text in the file. */
typedef struct Text
{
	const char *bytes; /* [len] */
	size_t len;
} Text;

typedef struct Pair
{
	Text left, right;
} Pair;

/* What is read and kept for packing. */
typedef struct BpeSpec
{
	uint32_t flags; /* LEP_BPE_ */
	Text prefix;	/* of symbols that are not the first of a piece */
	Text suffix;	/* of the last one */
	Pair *pairs;	/* [n_pairs] in the order of their ranks */
	size_t n_pairs;
} BpeSpec;

/* Read an optional string; false when it is something else. */
static bool
read_text(const json_t *json, const char *key, Text *text)
{
	const json_t *value = json_object_get(json, key);

	text->bytes = json_is_string(value) ? json_string_value(value) : "";
	text->len = json_string_length(value);
	return value == NULL || json_is_null(value) || json_is_string(value);
}

/* Read an optional flag; false when it is something else. */
static bool
read_flag(const json_t *json, const char *key, uint32_t flag, uint32_t *flags)
{
	const json_t *value = json_object_get(json, key);

	if (json_is_true(value))
		*flags |= flag;
	return value == NULL || json_is_null(value) || json_is_boolean(value);
}

/* Read a merge: "left right" or ["left", "right"]; false when it is neither. */
static bool
read_pair(const json_t *json, bool strings, Pair *pair)
{
	const json_t *left = json_array_get(json, 0);
	const json_t *right = json_array_get(json, 1);
	const char *space;

	if (!strings)
	{
		if (json_array_size(json) != 2 || !json_is_string(left) || !json_is_string(right))
			return false;
		pair->left.bytes = json_string_value(left);
		pair->left.len = json_string_length(left);
		pair->right.bytes = json_string_value(right);
		pair->right.len = json_string_length(right);
		return true;
	}
	if (!json_is_string(json))
		return false;
	pair->left.bytes = json_string_value(json);
	space = strchr(pair->left.bytes, ' ');
	if (space == NULL || strchr(space + 1, ' ') != NULL)
		return false;
	pair->left.len = (size_t) (space - pair->left.bytes);
	pair->right.bytes = space + 1;
	pair->right.len = json_string_length(json) - pair->left.len - 1;
	return true;
}

/* Read the merges. */
static LepStatus
read_pairs(LepTokenizerSpec *spec, BpeSpec *bpe, const json_t *list, LepError *err)
{
	bool strings = json_is_string(json_array_get(list, 0));

	if (!json_is_array(list))
		return lep_model_malformed(spec, "It needs merges.", err);
	bpe->pairs = lep_arena_array(spec->work, json_array_size(list), sizeof(Pair));
	if (bpe->pairs == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	for (size_t i = 0; i < json_array_size(list); i++)
	{
		const json_t *item = json_array_get(list, i);

		/* The first line of merges.txt, where it was taken over. */
		if (strings && json_is_string(item) && strncmp(json_string_value(item), "#version", 8) == 0)
			continue;
		if (!read_pair(item, strings, &bpe->pairs[bpe->n_pairs++]))
			return lep_model_malformed(spec, "A merge is neither \"left right\" nor a pair.", err);
	}
	return LEP_OK;
}

/* Read the model. */
LepStatus
lep_bpe_read(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	BpeSpec *bpe = lep_arena_alloc(spec->work, sizeof(BpeSpec));
	const json_t *dropout = json_object_get(json, "dropout");
	Text unknown;
	LepStatus status;

	if (bpe == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	spec->model_spec = bpe;
	if (dropout != NULL && !json_is_null(dropout) &&
		(!json_is_number(dropout) || json_number_value(dropout) < 0 ||
		 json_number_value(dropout) > 1))
		return lep_model_malformed(spec, "Its dropout is no number from 0 to 1.", err);
	if (json_is_number(dropout) && json_number_value(dropout) > 0)
		return lep_part_unsupported(spec, "model", "dropout, which makes it random", err);
	if (!read_text(json, "unk_token", &unknown) ||
		!read_text(json, "continuing_subword_prefix", &bpe->prefix) ||
		!read_text(json, "end_of_word_suffix", &bpe->suffix) ||
		!read_flag(json, "fuse_unk", LEP_BPE_FUSE, &bpe->flags) ||
		!read_flag(json, "byte_fallback", LEP_BPE_BYTES, &bpe->flags) ||
		!read_flag(json, "ignore_merges", LEP_BPE_WHOLE, &bpe->flags))
		return lep_model_malformed(
			spec,
			"One of unk_token, continuing_subword_prefix, end_of_word_suffix, fuse_unk, "
			"byte_fallback and ignore_merges has the wrong type.",
			err);
	if ((bpe->flags & LEP_BPE_BYTES) && bpe->prefix.len + bpe->suffix.len > 0)
		return lep_part_unsupported(spec, "model", "byte_fallback with prefix or suffix", err);
	if (json_is_string(json_object_get(json, "unk_token")))
	{
		bpe->flags |= LEP_BPE_UNKNOWN;
		spec->unk_token = unknown.bytes;
		spec->unk_len = unknown.len;
	}
	status = lep_spec_vocab(spec, json_object_get(json, "vocab"), err);
	return status == LEP_OK ? read_pairs(spec, bpe, json_object_get(json, "merges"), err) : status;
}

/* Say that the vocabulary lacks a part or the result of a merge. */
static LepStatus
missing_token(const LepTokenizerSpec *spec, Text token, LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];

	lep_error(err, LEP_BAD_FILE, "merge of file \"%s\" has no token in the vocabulary", spec->file);
	lep_error_detail(err, "Token \"%s\" is missing.",
					 lep_error_quote(quoted, sizeof(quoted), token.bytes, token.len));
	return LEP_BAD_FILE;
}

/* Find the ids of a merge: its two parts and what they become. */
static LepStatus
find_ids(LepTokenizerSpec *spec, const BpeSpec *bpe, const Pair *pair, int32_t *ids, LepError *err)
{
	Text parts[3] = {pair->left, pair->right};
	size_t skip = bpe->prefix.len;
	size_t len;
	char *whole;

	if (pair->right.len < skip || !lep_add(pair->left.len, pair->right.len - skip, &len))
		return missing_token(spec, pair->right, err);
	whole = lep_arena_alloc(spec->work, len + 1);
	if (whole == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	memcpy(whole, pair->left.bytes, pair->left.len);
	memcpy(whole + pair->left.len, pair->right.bytes + skip, pair->right.len - skip);
	parts[2].bytes = whole;
	parts[2].len = len;
	for (int i = 0; i < 3; i++)
	{
		const LepTrieKey *word = lep_spec_word(spec, parts[i].bytes, parts[i].len);

		if (word == NULL)
			return missing_token(spec, parts[i], err);
		ids[i] = word->value;
	}
	return LEP_OK;
}

/* Enter the merges into the hash table merges and what they become into merged. */
static LepStatus
fill_merges(LepTokenizerSpec *spec, const LepBpe *tables, LepBpeMerge *merges, int32_t *merged,
			LepError *err)
{
	const BpeSpec *bpe = spec->model_spec;

	for (uint32_t i = 0; i < tables->n_slots; i++)
		merges[i].left = -1;
	for (size_t i = 0; i < bpe->n_pairs; i++)
	{
		int32_t ids[3];
		uint32_t slot;
		LepStatus status = find_ids(spec, bpe, &bpe->pairs[i], ids, err);

		if (status != LEP_OK)
			return status;
		slot = lep_bpe_hash((uint32_t) ids[0], (uint32_t) ids[1], tables->shift);
		while (merges[slot].left >= 0 &&
			   (merges[slot].left != ids[0] || merges[slot].right != ids[1]))
			slot = (slot + 1) & (tables->n_slots - 1);
		/* Of two merges of the same pair the last one counts. */
		merges[slot].left = ids[0];
		merges[slot].right = ids[1];
		merges[slot].rank = (uint32_t) i;
		merged[i] = ids[2];
	}
	return LEP_OK;
}

/* Find the tokens of single bytes and of the first characters. */
static void
fill_ids(const LepTokenizerSpec *spec, LepBpe *tables)
{
	for (unsigned b = 0; b < 256; b++)
	{
		char name[8];
		int len = snprintf(name, sizeof(name), "<0x%02X>", b);
		const LepTrieKey *word = lep_spec_word(spec, name, (size_t) len);

		tables->byte_ids[b] = word != NULL ? word->value : -1;
	}
	for (uint32_t c = 0; c < LEP_BPE_DIRECT; c++)
	{
		unsigned char bytes[4];
		size_t len = lep_utf8_encode(c, bytes);
		const LepTrieKey *word = lep_spec_word(spec, (const char *) bytes, len);

		tables->direct[c] = word != NULL ? word->value : -1;
	}
}

/* Append the model's tables. */
LepStatus
lep_bpe_pack(LepTokenizerSpec *spec, const LepTrieUnit *words, size_t n_words, LepError *err)
{
	const BpeSpec *bpe = spec->model_spec;
	LepBpe tables = {.flags = bpe->flags, .shift = FIRST_SHIFT, .prefix_node = LEP_TRIE_ROOT};
	LepBpeMerge *merges;
	int32_t *merged;
	LepStatus status;

	if (bpe->n_pairs >= UINT32_MAX / 4)
		return lep_error(err, LEP_TOO_LARGE, "merges of file \"%s\" are too many", spec->file);
	while (((size_t) 1 << (32 - tables.shift)) < 2 * bpe->n_pairs + 1 && tables.shift > LEAST_SHIFT)
		tables.shift--;
	tables.n_slots = (uint32_t) 1 << (32 - tables.shift);
	tables.n_ranks = (uint32_t) bpe->n_pairs;
	merges = lep_arena_array(spec->work, tables.n_slots, sizeof(LepBpeMerge));
	merged = lep_arena_array(spec->work, tables.n_ranks, sizeof(int32_t));
	if (merges == NULL || merged == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	for (size_t i = 0; i < bpe->prefix.len && tables.prefix_node != LEP_TRIE_NONE; i++)
		tables.prefix_node =
			lep_trie_step(words, n_words, tables.prefix_node, (unsigned char) bpe->prefix.bytes[i]);
	fill_ids(spec, &tables);
	tables.suffix.len = bpe->suffix.len;
	status = fill_merges(spec, &tables, merges, merged, err);
	if (status == LEP_OK)
		status = lep_spec_data(spec, merges, tables.n_slots * sizeof(LepBpeMerge),
							   &tables.merges_at, err);
	if (status == LEP_OK)
		status =
			lep_spec_data(spec, merged, tables.n_ranks * sizeof(int32_t), &tables.merged_at, err);
	if (status == LEP_OK)
		status =
			lep_spec_data(spec, bpe->suffix.bytes, bpe->suffix.len, &tables.suffix.offset, err);
	return status == LEP_OK ? lep_spec_data(spec, &tables, sizeof(tables), &spec->model_at, err)
							: status;
}
