/*
 * slow_classes.c: transformers' tokenizer classes as they make a tokenizer
 * from vocabulary files; classes that are not listed are refused by name.
 */
#define LEPTON_ENGINE_SOURCE
#include <stdio.h>
#include <string.h>

#include "slow.h"
#include "spm_model.h"
#include "tokenizer_model.h"
#include "unicode.h"
#include "unigram.h"
#include "utf8.h"

#define VOCAB_FILE "vocab.txt"

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

/* Make slow->ids, texts with their ids, the spec's vocabulary. */
static LepStatus
give_vocab(LepSlow *slow)
{
	LepTokenizerSpec *spec = slow->spec;
	const char *word;
	size_t word_len;
	json_t *id;

	spec->vocab = lep_arena_array(spec->work, json_object_size(slow->ids), sizeof(LepTrieKey));
	if (spec->vocab == NULL)
		return lep_slow_no_memory(slow);
	json_object_keylen_foreach(slow->ids, word, word_len, id)
	{
		LepTrieKey *key = &spec->vocab[spec->n_vocab];

		/* Added tokens will go into ids, where these must stay as they are. */
		key->bytes = lep_arena_strndup(spec->work, word, word_len);
		key->len = word_len;
		key->value = (int32_t) json_integer_value(id);
		if (key->bytes == NULL)
			return lep_slow_no_memory(slow);
		spec->n_vocab++;
	}
	return LEP_OK;
}

/* Read the lines of vocab.txt; a word's last line is its id, as in the library. */
static LepStatus
read_lines(LepSlow *slow)
{
	const char *vocab = slow->files->text[LEP_SLOW_VOCAB_TXT];
	size_t len = slow->files->len[LEP_SLOW_VOCAB_TXT];
	size_t line = 0;

	slow->spec->file = VOCAB_FILE;
	slow->spec->prefix = "##";
	slow->spec->max_chars = 100;
	for (size_t at = 0; at < len; line++)
	{
		const char *newline = memchr(vocab + at, '\n', len - at);
		size_t line_len = newline != NULL ? (size_t) (newline - vocab) - at : len - at;
		size_t keep = trimmed(vocab + at, line_len);

		if (keep == SIZE_MAX || line >= INT32_MAX)
		{
			lep_error(slow->err, LEP_BAD_FILE, "file \"%s\" is not valid UTF-8", VOCAB_FILE);
			lep_error_detail(slow->err, "Line %zu holds an invalid byte.", line + 1);
			return LEP_BAD_FILE;
		}
		if (json_object_setn_new(slow->ids, vocab + at, keep, json_integer((json_int_t) line)) != 0)
			return lep_slow_no_memory(slow);
		at += line_len + 1;
	}
	return give_vocab(slow);
}

/* Append the pairs of merges.txt to list. */
static LepStatus
read_merges(LepSlow *slow, json_t *list)
{
	static const char version[] = "#version";
	const char *text = slow->files->text[LEP_SLOW_MERGES];
	size_t len = slow->files->len[LEP_SLOW_MERGES];
	size_t line = 0;

	for (size_t at = 0; at < len;)
	{
		const char *start = text + at;
		const char *newline = memchr(start, '\n', len - at);
		size_t n = newline != NULL ? (size_t) (newline - start) : len - at;
		const char *space;

		at += n + 1;
		line++;
		if (newline != NULL && n > 0 && start[n - 1] == '\r')
			n--;
		if (n >= sizeof(version) - 1 && memcmp(start, version, sizeof(version) - 1) == 0)
			continue;
		space = memchr(start, ' ', n);
		if (space == NULL || memchr(space + 1, ' ', n - (size_t) (space + 1 - start)) != NULL)
		{
			lep_error(slow->err, LEP_BAD_FILE, "file \"merges.txt\" is malformed");
			lep_error_detail(slow->err, "Line %zu is not two words with a space between them.",
							 line);
			return LEP_BAD_FILE;
		}
		/* jansson checks that both are UTF-8. */
		if (json_array_append_new(list,
								  json_pack("[s#,s#]", start, (int) (space - start), space + 1,
											(int) (n - (size_t) (space + 1 - start)))) != 0)
		{
			lep_error(slow->err, LEP_BAD_FILE, "file \"merges.txt\" is malformed");
			lep_error_detail(slow->err, "Line %zu is not valid UTF-8.", line);
			return LEP_BAD_FILE;
		}
	}
	return LEP_OK;
}

/* Read vocab.json and merges.txt. */
static LepStatus
read_bpe(LepSlow *slow)
{
	static const char file[] = "vocab.json";
	json_t *vocab;
	json_t *merges;
	const char *word;
	json_t *id;
	void *next;
	LepStatus status;

	slow->spec->file = file;
	slow->spec->model = LEP_MODEL_BPE;
	if (slow->files->text[LEP_SLOW_MERGES] == NULL)
		return lep_error(slow->err, LEP_MISSING, "file \"merges.txt\" is missing");
	status = lep_json_parse(file, slow->files->text[LEP_SLOW_VOCAB_JSON],
							slow->files->len[LEP_SLOW_VOCAB_JSON], &vocab, slow->err);
	if (status != LEP_OK)
		return status;
	merges = json_array();
	slow->model = json_pack("{s:o,s:o}", "vocab", vocab, "merges", merges);
	if (slow->model == NULL)
		return lep_slow_no_memory(slow);
	if (!json_is_object(vocab))
		return lep_slow_bad_key(file, "", "The file holds no object.", slow->err);
	/* The library passes over values that are no numbers. */
	json_object_foreach_safe(vocab, next, word, id)
	{
		if (!json_is_number(id))
			json_object_del(vocab, word);
	}
	status = read_merges(slow, merges);
	if (status == LEP_OK && lep_models[LEP_MODEL_BPE] == NULL)
		return lep_part_unsupported(slow->spec, "model", "BPE", slow->err);
	if (status == LEP_OK)
		status = lep_models[LEP_MODEL_BPE]->read(slow->spec, slow->model, slow->err);
	if (status == LEP_OK && json_object_update(slow->ids, vocab) != 0)
		status = lep_slow_no_memory(slow);
	return status;
}

/* How a class changes the vocabulary of a SentencePiece model. */
typedef struct Change
{
	LepUnigramPiece head[5]; /* put in front */
	size_t n_head;
	size_t drop;	  /* pieces of the model that these stand for */
	const char *tail; /* put at the end, or NULL */
	int64_t extra;	  /* <extra_id_...> put at the end, the last number first */
} Change;

/* A piece of a class's own; text NULL (a token that is null) is what Python writes for it. */
static LepUnigramPiece
own_piece(const char *text, double score)
{
	LepUnigramPiece piece = {text != NULL ? text : "None", 0, score};

	piece.len = strlen(piece.text);
	return piece;
}

/* Note the model's control and user-defined pieces, which are added tokens. */
static LepStatus
note_own(LepSlow *slow, const LepSpmModel *model)
{
	LepStatus status = LEP_OK;

	slow->has_own = true;
	for (size_t i = 0; i < model->n_pieces && status == LEP_OK; i++)
	{
		const LepSpmPiece *piece = &model->pieces[i];
		LepSlowToken token = {.special = piece->type == LEP_SPM_CONTROL};

		if (piece->type != LEP_SPM_CONTROL && piece->type != LEP_SPM_USER)
			continue;
		token.content = lep_arena_strndup(slow->spec->work, piece->text, piece->len);
		if (token.content == NULL)
			return lep_slow_no_memory(slow);
		if (strlen(token.content) != piece->len)
			return lep_slow_bad_key(slow->spec->file, "pieces", "A token has a NUL in its text.",
									slow->err);
		status = lep_slow_append(slow, &slow->own, token);
	}
	return status;
}

/* Append the pieces <extra_id_...> to pieces; as tokens unless the model has them itself. */
static LepStatus
add_extra(LepSlow *slow, int64_t extra, LepUnigramPiece *pieces)
{
	size_t present = 0;
	char **texts = lep_arena_array(slow->spec->work, (size_t) extra, sizeof(char *));
	LepStatus status = LEP_OK;

	if (texts == NULL)
		return lep_slow_no_memory(slow);
	for (size_t i = 0; i < slow->own.n; i++)
		present += strstr(slow->own.tokens[i].content, "<extra_id_") != NULL;
	if (present > 0 && extra > 0 && present != (size_t) extra)
		return lep_slow_bad_key(LEP_SLOW_CONFIG, "extra_ids",
								"The model has another number of such tokens.", slow->err);
	for (int64_t i = 0; i < extra && status == LEP_OK; i++)
	{
		LepSlowToken token = {.plain = true, .special = true, .normalized = -1};

		texts[i] = lep_arena_alloc(slow->spec->work, 32);
		if (texts[i] == NULL)
			return lep_slow_no_memory(slow);
		snprintf(texts[i], 32, "<extra_id_%d>", (int) i);
		pieces[extra - 1 - i] = own_piece(texts[i], 0.0);
		token.content = texts[i];
		if (present == 0)
			status = lep_slow_append(slow, &slow->own, token);
	}
	return status;
}

/* Make the model's pieces, changed, the spec's vocabulary; unk_id -1 looks for the unknown token. */
static LepStatus
use_pieces(LepSlow *slow, const LepSpmModel *model, const Change *change, int64_t unk_id)
{
	size_t drop = change->drop < model->n_pieces ? change->drop : model->n_pieces;
	size_t n =
		change->n_head + model->n_pieces - drop + (change->tail != NULL) + (size_t) change->extra;
	LepUnigramPiece *pieces = lep_arena_array(slow->spec->work, n, sizeof(*pieces));
	const char *unk = lep_slow_text(slow, LEP_SLOW_UNK);
	size_t at = change->n_head;
	LepStatus status = LEP_OK;

	if (pieces == NULL)
		return lep_slow_no_memory(slow);
	memcpy(pieces, change->head, change->n_head * sizeof(*pieces));
	for (size_t i = drop; i < model->n_pieces; i++, at++)
	{
		pieces[at].text = model->pieces[i].text;
		pieces[at].len = model->pieces[i].len;
		pieces[at].score = (double) model->pieces[i].score;
	}
	if (change->tail != NULL)
		pieces[at++] = own_piece(change->tail, 0.0);
	if (change->extra > 0)
		status = add_extra(slow, change->extra, pieces + at);
	for (size_t i = 0; i < n && status == LEP_OK; i++)
	{
		bool is_unk = unk != NULL && pieces[i].len == strlen(unk) &&
					  memcmp(pieces[i].text, unk, pieces[i].len) == 0;

		if (unk_id < 0 && is_unk && (pieces[i].score == 0.0 || change->n_head > 0))
			unk_id = (int64_t) i;
		if (json_object_setn_new(slow->ids, pieces[i].text, pieces[i].len,
								 json_integer((json_int_t) i)) != 0)
			status = lep_slow_no_memory(slow);
	}
	if (status != LEP_OK)
		return status;
	if (unk_id < 0)
		unk_id = change->n_head > 0 ? 0 : model->unk_id;
	return lep_spec_unigram(slow->spec, pieces, n, unk_id < 0 ? (int64_t) n : unk_id, false,
							slow->err);
}

/* Read the SentencePiece model and note its added tokens. */
static LepStatus
read_spm(LepSlow *slow, LepSpmModel *model)
{
	LepSlowFile file = slow->class->vocabulary;
	LepStatus status;

	slow->spec->file = lep_slow_file_names[file];
	status = lep_spm_read(slow->spec->file, slow->files->text[file], slow->files->len[file],
						  slow->spec->work, model, slow->err);
	return status == LEP_OK ? note_own(slow, model) : status;
}

/* Append the model's character map, if it has one, to the normalizer. */
static LepStatus
add_charsmap(LepSlow *slow, const LepSpmModel *model)
{
	if (model->charsmap == NULL)
		return LEP_OK;
	return lep_spec_precompiled(slow->spec, model->charsmap, model->charsmap_len, slow->err);
}

/* Read an XLM-RoBERTa vocabulary: four tokens for the first three pieces, the mask at the end. */
static LepStatus
read_xlm_roberta(LepSlow *slow)
{
	static const LepSlowName names[4] = {LEP_SLOW_BOS, LEP_SLOW_PAD, LEP_SLOW_EOS, LEP_SLOW_UNK};
	LepSpmModel model;
	Change change = {.n_head = 4, .drop = 3};
	LepStatus status = read_spm(slow, &model);

	for (size_t i = 0; i < 4; i++)
		change.head[i] = own_piece(lep_slow_text(slow, names[i]), 0.0);
	change.tail = own_piece(lep_slow_text(slow, LEP_SLOW_MASK), 0.0).text;
	if (status == LEP_OK)
		status = use_pieces(slow, &model, &change, 3);
	return status == LEP_OK ? add_charsmap(slow, &model) : status;
}

/* Read a CamemBERT vocabulary: five tokens for the first piece, the mask at the end. */
static LepStatus
read_camembert(LepSlow *slow)
{
	LepSpmModel model;
	Change change = {.n_head = 5, .drop = 1};
	LepStatus status = read_spm(slow, &model);

	if (status == LEP_OK && model.type != LEP_SPM_UNIGRAM)
		return lep_part_unsupported(slow->spec, "model", "a type other than unigram", slow->err);
	change.head[0] = own_piece("<s>NOTUSED", 0.0);
	change.head[1] = own_piece(lep_slow_text(slow, LEP_SLOW_PAD), 0.0);
	change.head[2] = own_piece("</s>NOTUSED", 0.0);
	change.head[3] = own_piece(lep_slow_text(slow, LEP_SLOW_UNK), 0.0);
	change.head[4] = own_piece("<unk>NOTUSED", -100.0);
	change.tail = own_piece(lep_slow_text(slow, LEP_SLOW_MASK), 0.0).text;
	if (status == LEP_OK)
		status = use_pieces(slow, &model, &change, -1);
	return status == LEP_OK ? add_charsmap(slow, &model) : status;
}

/* Read an ALBERT vocabulary: as it is, the second piece unknown. */
static LepStatus
read_albert(LepSlow *slow)
{
	static const LepSlowName names[2] = {LEP_SLOW_CLS, LEP_SLOW_SEP};
	LepSpmModel model;
	Change change = {0};
	LepStatus status = read_spm(slow, &model);

	if (status == LEP_OK)
		status = use_pieces(slow, &model, &change, 1);
	/* The template is made before tokens are added. */
	for (size_t i = 0; i < 2 && status == LEP_OK; i++)
	{
		const char *text = lep_slow_text(slow, names[i]);

		if (text == NULL || json_object_get(slow->ids, text) == NULL)
			return lep_slow_bad_key(LEP_SLOW_CONFIG, i == 0 ? "cls_token" : "sep_token",
									"The vocabulary lacks this token.", slow->err);
	}
	return status == LEP_OK ? add_charsmap(slow, &model) : status;
}

/* Read a DeBERTa-v2 vocabulary: as it is; the character map is not used. */
static LepStatus
read_deberta_v2(LepSlow *slow)
{
	LepSpmModel model;
	Change change = {0};
	LepStatus status = read_spm(slow, &model);

	return status == LEP_OK ? use_pieces(slow, &model, &change, -1) : status;
}

/* Read a T5 vocabulary: as it is with sentinels at the end, the third piece unknown. */
static LepStatus
read_t5(LepSlow *slow)
{
	LepSpmModel model;
	Change change = {0};
	LepStatus status = read_spm(slow, &model);

	if (status == LEP_OK)
		status = lep_json_int(slow->settings, LEP_SLOW_CONFIG, "extra_ids", false, 100, 0, 100000,
							  &change.extra, slow->err);
	if (status == LEP_OK)
		status = use_pieces(slow, &model, &change, 2);
	return status == LEP_OK ? add_charsmap(slow, &model) : status;
}

/* Read a boolean setting; null is refused where the library hands it on, else it counts as false. */
static LepStatus
setting(LepSlow *slow, const char *key, bool handed_on, bool fallback, bool *value)
{
	if (json_is_null(json_object_get(slow->settings, key)))
	{
		*value = false;
		return handed_on ? lep_slow_bad_key(LEP_SLOW_CONFIG, key, "It is null, expected a boolean.",
											slow->err)
						 : LEP_OK;
	}
	return lep_json_bool(slow->settings, LEP_SLOW_CONFIG, key, false, fallback, value, slow->err);
}

/* Set one part from what a tokenizer.json would say; takes json. */
static LepStatus
set_part(LepSlow *slow, LepStatus (*reader)(LepTokenizerSpec *, const json_t *, int, LepError *),
		 json_t *json)
{
	LepStatus status =
		json != NULL ? reader(slow->spec, json, 0, slow->err) : lep_slow_no_memory(slow);

	json_decref(json);
	return status;
}

/* Set the parts of BERT and those like it. */
static LepStatus
bert_parts(LepSlow *slow)
{
	bool lower, chinese, strip;
	LepStatus status = setting(slow, "do_lower_case", true, true, &lower);

	if (status == LEP_OK)
		status = setting(slow, "tokenize_chinese_chars", true, true, &chinese);
	if (status == LEP_OK)
		status = lep_json_bool(slow->settings, LEP_SLOW_CONFIG, "strip_accents", false, lower,
							   &strip, slow->err);
	if (status == LEP_OK)
		status = lep_spec_bert_normalizer(slow->spec, true, chinese, strip, lower, slow->err);
	if (status == LEP_OK)
		status =
			set_part(slow, lep_spec_pre_tokenizer, json_pack("{s:s}", "type", "BertPreTokenizer"));
	if (status == LEP_OK)
		status =
			set_part(slow, lep_spec_decoder,
					 json_pack("{s:s,s:s,s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1));
	return status;
}

/* Set the parts of byte-level BPE. */
static LepStatus
bytes_parts(LepSlow *slow)
{
	bool prefix;
	LepStatus status = setting(slow, "add_prefix_space", true, false, &prefix);

	if (status == LEP_OK)
		status = set_part(slow, lep_spec_pre_tokenizer,
						  json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space",
									prefix, "trim_offsets", 1, "use_regex", 1));
	if (status == LEP_OK)
		status = set_part(slow, lep_spec_decoder,
						  json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 1,
									"trim_offsets", 1, "use_regex", 1));
	return status;
}

/* A Metaspace as pre-tokenizer and decoder. */
static json_t *
metaspace(const char *scheme)
{
	return json_pack("{s:s,s:s,s:s,s:b}", "type", "Metaspace", "replacement", "\xE2\x96\x81",
					 "prepend_scheme", scheme, "split", 1);
}

/* Set WhitespaceSplit and Metaspace, and the decoder Metaspace. */
static LepStatus
spaces_parts(LepSlow *slow)
{
	bool prefix;
	const char *scheme;
	LepStatus status = setting(slow, "add_prefix_space", false, true, &prefix);

	if (status != LEP_OK)
		return status;
	scheme = prefix ? "always" : "never";
	status = set_part(slow, lep_spec_pre_tokenizer,
					  json_pack("{s:s,s:[{s:s},o]}", "type", "Sequence", "pretokenizers", "type",
								"WhitespaceSplit", metaspace(scheme)));
	if (status == LEP_OK)
		status = set_part(slow, lep_spec_decoder, metaspace(scheme));
	return status;
}

/* Set the parts of T5, which has no setting. */
static LepStatus
t5_parts(LepSlow *slow)
{
	LepStatus status = set_part(slow, lep_spec_pre_tokenizer,
								json_pack("{s:s,s:[{s:s},o]}", "type", "Sequence", "pretokenizers",
										  "type", "WhitespaceSplit", metaspace("always")));

	return status == LEP_OK ? set_part(slow, lep_spec_decoder, metaspace("always")) : status;
}

/* Set the parts of ALBERT. */
static LepStatus
albert_parts(LepSlow *slow)
{
	bool lower, accents;
	json_t *list = json_array();
	LepStatus status = setting(slow, "do_lower_case", false, true, &lower);

	if (status == LEP_OK)
		status = setting(slow, "keep_accents", false, false, &accents);
	if (status != LEP_OK || list == NULL)
	{
		json_decref(list);
		return status != LEP_OK ? status : lep_slow_no_memory(slow);
	}
	json_array_append_new(list, json_pack("{s:s,s:{s:s},s:s}", "type", "Replace", "pattern",
										  "String", "``", "content", "\""));
	json_array_append_new(list, json_pack("{s:s,s:{s:s},s:s}", "type", "Replace", "pattern",
										  "String", "''", "content", "\""));
	if (!accents)
		json_array_append_new(list, json_pack("{s:s}", "type", "NFKD"));
	if (!accents)
		json_array_append_new(list, json_pack("{s:s}", "type", "StripAccents"));
	if (lower)
		json_array_append_new(list, json_pack("{s:s}", "type", "Lowercase"));
	if (json_array_size(list) != (size_t) 2 + (accents ? 0 : 2) + lower)
	{
		json_decref(list);
		return lep_slow_no_memory(slow);
	}
	status = set_part(slow, lep_spec_normalizer,
					  json_pack("{s:s,s:o}", "type", "Sequence", "normalizers", list));
	return status == LEP_OK ? spaces_parts(slow) : status;
}

/* Set the parts of DeBERTa-v2. */
static LepStatus
deberta_v2_parts(LepSlow *slow)
{
	bool lower, punct, prefix = true;
	const char *scheme;
	LepStatus status = setting(slow, "do_lower_case", false, false, &lower);

	if (status == LEP_OK)
		status = setting(slow, "split_by_punct", false, false, &punct);
	if (status == LEP_OK)
		status = setting(slow, "add_prefix_space", false, true, &prefix);
	if (status == LEP_OK && lower)
		status = set_part(slow, lep_spec_normalizer, json_pack("{s:s}", "type", "Lowercase"));
	if (status == LEP_OK)
		status = set_part(slow, lep_spec_normalizer,
						  json_pack("{s:s,s:[{s:s,s:{s:s},s:s},{s:s},{s:s,s:b,s:b}]}", "type",
									"Sequence", "normalizers", "type", "Replace", "pattern",
									"Regex", "\\s{2,}|[\\n\\r\\t]", "content", " ", "type", "NFC",
									"type", "Strip", "strip_left", 0, "strip_right", 1));
	if (status == LEP_OK && punct)
		status = set_part(slow, lep_spec_pre_tokenizer,
						  json_pack("{s:s,s:s}", "type", "Punctuation", "behavior", "Isolated"));
	scheme = prefix ? "always" : "first";
	if (status == LEP_OK)
		status = set_part(slow, lep_spec_pre_tokenizer, metaspace(scheme));
	if (status == LEP_OK)
		status = set_part(slow, lep_spec_decoder, metaspace(scheme));
	return status;
}

/* Names of the files by LepSlowFile. */
const char *const lep_slow_file_names[LEP_SLOW_FILES] = {
	[LEP_SLOW_SETTINGS] = LEP_SLOW_CONFIG,
	[LEP_SLOW_SPECIAL_MAP] = "special_tokens_map.json",
	[LEP_SLOW_ADDED] = "added_tokens.json",
	[LEP_SLOW_VOCAB_TXT] = VOCAB_FILE,
	[LEP_SLOW_MODEL] = "config.json",
	[LEP_SLOW_VOCAB_JSON] = "vocab.json",
	[LEP_SLOW_MERGES] = "merges.txt",
	[LEP_SLOW_SPIECE] = "spiece.model",
	[LEP_SLOW_SPM_BPE] = "sentencepiece.bpe.model",
	[LEP_SLOW_SPM] = "spm.model",
};

/* The classes; tokens in the order of LepSlowName. */
static const LepSlowClass classes[] = {
	{"BertTokenizer",
	 {NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
	 0,
	 LEP_SLOW_VOCAB_TXT,
	 read_lines,
	 bert_parts,
	 "CAS",
	 "CASBS",
	 true},
	{"MPNetTokenizer",
	 {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"},
	 LEP_SLOW_WRAPS | LEP_SLOW_LSTRIPS_MASK,
	 LEP_SLOW_VOCAB_TXT,
	 read_lines,
	 bert_parts,
	 "roberta",
	 NULL,
	 false},
	{"RobertaTokenizer",
	 {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
	 0,
	 LEP_SLOW_VOCAB_JSON,
	 read_bpe,
	 bytes_parts,
	 "roberta",
	 NULL,
	 false},
	{"DebertaTokenizer",
	 {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
	 0,
	 LEP_SLOW_VOCAB_JSON,
	 read_bpe,
	 bytes_parts,
	 "CAS",
	 "CASSBS",
	 false},
	{"XLMRobertaTokenizer",
	 {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
	 0,
	 LEP_SLOW_SPM_BPE,
	 read_xlm_roberta,
	 spaces_parts,
	 "OAE",
	 "OAEEBE",
	 false},
	{"CamembertTokenizer",
	 {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
	 LEP_SLOW_WRAPS_MASK,
	 LEP_SLOW_SPM_BPE,
	 read_camembert,
	 spaces_parts,
	 "OAE",
	 "OAEEBE",
	 false},
	{"AlbertTokenizer",
	 {"[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"},
	 0,
	 LEP_SLOW_SPIECE,
	 read_albert,
	 albert_parts,
	 "CAS",
	 "CASBS",
	 true},
	{"DebertaV2Tokenizer",
	 {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
	 0,
	 LEP_SLOW_SPM,
	 read_deberta_v2,
	 deberta_v2_parts,
	 "CAS",
	 "CASBS",
	 true},
	{"T5Tokenizer",
	 {NULL, "</s>", "<unk>", NULL, "<pad>", NULL, NULL},
	 0,
	 LEP_SLOW_SPIECE,
	 read_t5,
	 t5_parts,
	 "AE",
	 "AEBE",
	 false},
};

/* Other names of classes, and the class of a model whose files name none. */
static const char *const aliases[][2] = {
	{"DistilBertTokenizer", "BertTokenizer"},
	{"ElectraTokenizer", "BertTokenizer"},
	{"MobileBertTokenizer", "BertTokenizer"},
	{"SqueezeBertTokenizer", "BertTokenizer"},
	{"LongformerTokenizer", "RobertaTokenizer"},
	{"BartTokenizer", "RobertaTokenizer"},
	{"mpnet", "MPNetTokenizer"},
	{"roberta", "RobertaTokenizer"},
	{"deberta", "DebertaTokenizer"},
	{"xlm-roberta", "XLMRobertaTokenizer"},
	{"camembert", "CamembertTokenizer"},
	{"albert", "AlbertTokenizer"},
	{"deberta-v2", "DebertaV2Tokenizer"},
	{"t5", "T5Tokenizer"},
	{"mt5", "T5Tokenizer"},
};

/* Find a class by its name or another one of len characters; NULL when there is none. */
static const LepSlowClass *
find_class(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strlen(aliases[i][0]) == len && memcmp(aliases[i][0], name, len) == 0)
			return find_class(aliases[i][1], strlen(aliases[i][1]));
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == len && memcmp(classes[i].name, name, len) == 0)
			return &classes[i];
	return NULL;
}

/* Find the class that the files name. */
LepStatus
lep_slow_class(LepSlow *slow, const json_t *config)
{
	const char *type = json_string_value(json_object_get(config, "model_type"));
	const char *name;
	size_t len;
	LepStatus status = lep_json_string(slow->settings, LEP_SLOW_CONFIG, "tokenizer_class", false,
									   NULL, &name, slow->err);

	if (status != LEP_OK)
		return status;
	if (name == NULL)
		name = json_string_value(json_object_get(config, "tokenizer_class"));
	if (name == NULL)
		name = type != NULL && find_class(type, strlen(type)) != NULL ? type : "BertTokenizer";
	len = strlen(name);
	if (len > 4 && strcmp(name + len - 4, "Fast") == 0)
		len -= 4;
	slow->class = find_class(name, len);
	if (slow->class == NULL || !lep_slow_falsy(json_object_get(slow->settings, "init_inputs")))
	{
		char quoted[LEP_QUOTE_SIZE];

		lep_error(slow->err, LEP_UNSUPPORTED, "tokenizer of file \"%s\" is not supported",
				  LEP_SLOW_CONFIG);
		lep_error_detail(slow->err, "Without \"tokenizer.json\", lepton does not make a \"%s\"%s.",
						 lep_error_quote(quoted, sizeof(quoted), name, len),
						 slow->class != NULL ? " with init_inputs" : "");
		return LEP_UNSUPPORTED;
	}
	if (slow->files->text[slow->class->vocabulary] == NULL)
	{
		lep_error(slow->err, LEP_MISSING, "file \"tokenizer.json\" is missing");
		lep_error_detail(slow->err, "Without it, \"%s\" needs \"%s\".", slow->class->name,
						 lep_slow_file_names[slow->class->vocabulary]);
		return LEP_MISSING;
	}
	return LEP_OK;
}
