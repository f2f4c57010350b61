/*
 * fuzz_composition.c: tokenizers of every composition, built and used: the
 * choices of the input write a tokenizer.json by a grammar and a text for it.
 *
 * The first two bytes are settings: a failing allocation, the truncation, how
 * the text is made; the third is the number of choices for the file.  Checked:
 * what is built opens, ids and spans are in range, results do not depend on
 * the scratch that was used before, truncation cuts the end off or what the
 * file says, pairs and windows work, decoding gives UTF-8.
 */
#define LEPTON_ENGINE_SOURCE
#include <jansson.h>

#include "../../src/engine/tokenizer.h"
#include "../../src/engine/utf8.h"
#include "grammar.h"

#define IDS		   64
#define FILE_MAX   16000
#define TEXT_MAX   600
#define TOKENS_MAX ((size_t) 1 << 20)
#define U		   "\\u2581"

static const Rule rules[] = {
	RULE('b', "false", "true"),
	/* the file */
	RULE('F', "{\"truncation\":$t,\"padding\":null,\"added_tokens\":[$a],\"normalizer\":$N,"
			  "\"pre_tokenizer\":$P,\"post_processor\":$O,\"decoder\":$D,\"model\":"),
	RULE('t', "null",
		 "{\"direction\":\"Left\",\"max_length\":9,\"strategy\":\"LongestFirst\",\"stride\":0}",
		 "{\"direction\":\"Right\",\"max_length\":3,\"strategy\":\"OnlyFirst\",\"stride\":1}"),
	/* added tokens */
	RULE('a', "", "$x", "$x,$x", "$x,$x,$x,$x"),
	RULE('x', "{\"id\":$i,\"content\":\"$c\",\"single_word\":$b,\"lstrip\":$b,\"rstrip\":$b,"
			  "\"normalized\":$b,\"special\":$b}"),
	RULE('i', "0", "1", "2", "3", "4", "5", "60", "61", "62", "63", "64", "7"),
	RULE('c', "[CLS]", "<s>", "</s>", "[MASK]", "a", "ab", "A", " a", "a ", "b a", U, "\\u00e9c",
		 " ", "1", "##", "<0x41>", "e\\u0301", ".", "\\u4e2d", "", "abcabcabcabc", "s"),
	/* normalizers */
	RULE('N', "null", "$n", "{\"type\":\"Sequence\",\"normalizers\":[$n,$n]}",
		 "{\"type\":\"Sequence\",\"normalizers\":[$n,$n,$n,$n]}",
		 "{\"type\":\"Sequence\",\"normalizers\":[]}",
		 "{\"type\":\"Sequence\",\"normalizers\":[$n,$N]}"),
	RULE('n', "{\"type\":\"NFC\"}", "{\"type\":\"NFD\"}", "{\"type\":\"NFKC\"}",
		 "{\"type\":\"NFKD\"}", "{\"type\":\"Lowercase\"}", "{\"type\":\"StripAccents\"}",
		 "{\"type\":\"Nmt\"}", "{\"type\":\"ByteLevel\"}",
		 "{\"type\":\"BertNormalizer\",\"clean_text\":$b,\"handle_chinese_chars\":$b,"
		 "\"strip_accents\":$b,\"lowercase\":$b}",
		 "{\"type\":\"BertNormalizer\",\"clean_text\":$b,\"handle_chinese_chars\":$b,"
		 "\"strip_accents\":null,\"lowercase\":$b}",
		 "{\"type\":\"Strip\",\"strip_left\":$b,\"strip_right\":$b}",
		 "{\"type\":\"Prepend\",\"prepend\":\"$s\"}",
		 "{\"type\":\"Replace\",\"pattern\":$p,\"content\":\"$s\"}",
		 "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"$m\"}"),
	RULE('p', "{\"String\":\"$s\"}", "{\"String\":\"$s\"}", "{\"Regex\":\"$E\"}"),
	RULE('s', "a", "b", " ", "", U, "ab", "aa", "\\u0301", "\\u00e9", "xyz", "\\n", "$s$s",
		 "\\ud83d\\ude00", "1", "."),
	/* a becomes xyz; U+0301 behind e */
	RULE('m', "", "AAAAAA==", "BAAAAAAAAAA=", "CAAAAAABAAAAAgAA", "BAAAAHh5egA="),
	/* regular expressions, with the backslashes that JSON wants */
	RULE(
		'E', "$T", "$T$T", "$T|$T", "$T$E", "$T|$E", " ?$T+|$T+", "\\\\s+(?!\\\\S)|$E",
		"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+"),
	RULE('T', "$A", "$A+", "$A*", "$A?", "$A{1,3}", "($E)", "(?:$E)+", "(?>$E)", "(?=$A)", "(?!$A)",
		 "(?<=$A)", "(?<!$A)", "$A+?", "$A++", "^", "\\\\b"),
	RULE('A', "a", "b", "c", " ", ".", "\\\\s", "\\\\S", "\\\\d", "\\\\p{L}", "\\\\p{N}", "\\\\w",
		 "[ab]", "[^a]", "[^\\\\s\\\\p{L}]", "[a-c&&[^b]]", "'", "\\\\n", U, "1", "\\\\p{P}"),
	/* pre-tokenizers */
	RULE('P', "null", "$q", "{\"type\":\"Sequence\",\"pretokenizers\":[$q,$q]}",
		 "{\"type\":\"Sequence\",\"pretokenizers\":[$q,$q,$q]}",
		 "{\"type\":\"Sequence\",\"pretokenizers\":[$q,$P]}"),
	RULE('q', "{\"type\":\"BertPreTokenizer\"}", "{\"type\":\"Whitespace\"}",
		 "{\"type\":\"WhitespaceSplit\"}",
		 "{\"type\":\"ByteLevel\",\"add_prefix_space\":$b,\"trim_offsets\":$b,\"use_regex\":$b}",
		 "{\"type\":\"Metaspace\",\"replacement\":\"$r\",\"prepend_scheme\":\"$h\",\"split\":$b}",
		 "{\"type\":\"Split\",\"pattern\":$p,\"behavior\":\"$v\",\"invert\":$b}",
		 "{\"type\":\"Punctuation\",\"behavior\":\"$v\"}",
		 "{\"type\":\"Digits\",\"individual_digits\":$b}",
		 "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"$r\"}", "{\"type\":\"UnicodeScripts\"}",
		 "{\"type\":\"FixedLength\",\"length\":$l}"),
	RULE('l', "1", "2", "3", "5", "99999999999"),
	RULE('r', U, " ", "a", "_", "\\u4e2d", "\\ud83d\\ude00"),
	RULE('h', "always", "first", "never"),
	RULE('v', "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"),
	/* post-processors */
	RULE('O', "null", "$o", "{\"type\":\"Sequence\",\"processors\":[$o,$o]}",
		 "{\"type\":\"Sequence\",\"processors\":[$o,$O]}"),
	RULE(
		'o',
		"{\"type\":\"ByteLevel\",\"add_prefix_space\":$b,\"trim_offsets\":$b,\"use_regex\":$b}",
		"{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",$i],\"cls\":[\"<s>\",$i]}",
		"{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",$i],\"cls\":[\"<s>\",$i],\"trim_offsets\":$b,"
		"\"add_prefix_space\":$b}",
		"{\"type\":\"TemplateProcessing\",\"single\":[$e],\"pair\":[$y],\"special_tokens\":{\"x\":{"
		"\"id\":\"x\",\"ids\":[$i],\"tokens\":[\"x\"]},\"y\":{\"id\":\"y\",\"ids\":[$i,$i],\"tokens\":[]}}}"),
	RULE('z', "0", "1", "2", "4294967295"),
	RULE('w', "{\"SpecialToken\":{\"id\":\"x\",\"type_id\":$z}}",
		 "{\"SpecialToken\":{\"id\":\"y\",\"type_id\":$z}}"),
	RULE('1', "{\"Sequence\":{\"id\":\"A\",\"type_id\":$z}}"),
	RULE('2', "{\"Sequence\":{\"id\":\"B\",\"type_id\":$z}}"),
	RULE('e', "$1", "$w,$1", "$1,$w", "$w,$1,$w", "$w", "$1,$1", "$e,$w", "$2"),
	RULE('y', "$1,$2", "$w,$1,$w,$2,$w", "$w,$2,$w,$1", "$1,$w,$2", "$y,$w", "$1", "$2,$1,$2",
		 "$w,$w"),
	/* decoders */
	RULE('D', "null", "$d", "{\"type\":\"Sequence\",\"decoders\":[$d,$d]}",
		 "{\"type\":\"Sequence\",\"decoders\":[$d,$d,$d,$d]}",
		 "{\"type\":\"Sequence\",\"decoders\":[$d,$D]}"),
	RULE('d', "{\"type\":\"WordPiece\",\"prefix\":\"$k\",\"cleanup\":$b}",
		 "{\"type\":\"ByteLevel\",\"add_prefix_space\":$b,\"trim_offsets\":$b}",
		 "{\"type\":\"Metaspace\",\"replacement\":\"$r\",\"prepend_scheme\":\"$h\",\"split\":$b}",
		 "{\"type\":\"BPEDecoder\",\"suffix\":\"$k\"}", "{\"type\":\"ByteFallback\"}",
		 "{\"type\":\"Fuse\"}", "{\"type\":\"Strip\",\"content\":\"$r\",\"start\":$l,\"stop\":$l}",
		 "{\"type\":\"Replace\",\"pattern\":$p,\"content\":\"$s\"}"),
	RULE('k', "##", "", "</w>", "a", "@@", U),
	/* settings of models */
	RULE('W', "{\"type\":\"WordPiece\",\"unk_token\":\"$u\",\"continuing_subword_prefix\":\"$k\","
			  "\"max_input_chars_per_word\":$l,\"vocab\":{"),
	RULE('L', "{\"type\":\"WordLevel\",\"unk_token\":\"$u\",\"vocab\":{"),
	RULE(
		'B',
		"{\"type\":\"BPE\",\"unk_token\":$j,\"continuing_subword_prefix\":\"$k\",\"end_of_word_suffix\":"
		"\"$k\",\"fuse_unk\":$b,\"byte_fallback\":false,\"ignore_merges\":$b,\"vocab\":{",
		"{\"type\":\"BPE\",\"unk_token\":$j,\"fuse_unk\":$b,\"byte_fallback\":$b,\"ignore_merges\":$b,"
		"\"vocab\":{"),
	RULE('G', "{\"type\":\"Unigram\",\"unk_id\":$g,\"byte_fallback\":$b,\"vocab\":["),
	RULE('u', "a", "[UNK]", "zz", ""),
	RULE('j', "null", "\"[UNK]\"", "\"a\"", "\"zz\""),
	RULE('g', "0", "1", "null", "63"),
	RULE('f', "0", "-1", "-2", "-3.5", "-90", "1e3", "-0.1", "-1e300"),
	{0, NULL},
};

/* Vocabularies are made of these, as JSON and in merges. */
static const char *const words[] = {
	"[UNK]",	"a",	   "b",		  "c",		"ab",	  "abc",	 "bc",	   "A",
	"1",		".",	   " ",		  U,		U "a",	  U "ab",	 U U,	   "##a",
	"##b",		"##c",	   "##bc",	  "c</w>",	"bc</w>", "abc</w>", "a</w>",  "\\u00e9",
	"e",		"\\u0301", "\\u4e2d", "<0x41>", "<0xC3>", "<0xA9>",	 "<0xE4>", "\\u0120",
	"\\u0120a", "\\u00c3", "\\u00a9", "aa",		"aaaa",	  "'",		 "s",	   "\\ud83d\\ude00",
};

static const char *const merges[] = {
	"a b",	 "ab c",  "b c",   "a a",	  "aa aa",	 U " a",	 "\\u0120 a", "\\u00c3 \\u00a9",
	U "a b", U " " U, "a ##b", "##b ##c", "b c</w>", "ab c</w>", "a bc",
};

static const char *const pieces[] = {
	"a",
	"b",
	"c",
	"ab",
	"abc",
	" ",
	"  ",
	"\n",
	".",
	",",
	"A",
	"1",
	"12",
	"[CLS]",
	"<s>",
	"[MASK]",
	"\xE2\x96\x81",
	"\xC3\xA9",
	"e\xCC\x81",
	"\xCC\x81",
	"'s",
	"xyz",
	"_",
	"##a",
	"</w>",
	"\xE4\xB8\xAD",
	"\xF0\x9F\x98\x80",
	"\xEF\xAC\x81",
	"\xC4\xB0",
	"\xE1\x84\x80\xE1\x85\xA1",
	"\xEA\xB0\x80",
	"\xC2\xA0",
	"\x01",
	"\xE2\x80\x8B",
	"aaaaaaaa",
	"\xCE\xA3",
	"\xF0\x9D\x92\x9C",
	"<0x41>",
	"\t",
	"\r\n",
	"\xCC\xA3",
	"\xE2\x80\xA8",
	"\xF3\xA0\x80\xA1",
	"\xC5\xBF",
};

#define N_WORDS	 (sizeof(words) / sizeof(words[0]))
#define N_MERGES (sizeof(merges) / sizeof(merges[0]))
#define N_PIECES (sizeof(pieces) / sizeof(pieces[0]))

/* Append a string. */
static void
put(Written *out, const char *text)
{
	write_bytes(out, text, strlen(text));
}

/* Write the words that eight bytes choose, with ids or scores. */
static void
write_vocabulary(Written *out, Choices *c, bool scores)
{
	uint8_t mask[5];
	int32_t id = 0;
	char number[16];
	bool all = choose(c, 4) != 1;

	for (size_t i = 0; i < sizeof(mask); i++)
		mask[i] = all ? 255 : choose_byte(c);
	for (size_t i = 0; i < N_WORDS; i++)
	{
		if ((mask[i / 8] >> i % 8 & 1) == 0)
			continue;
		if (id > 0)
			put(out, ",");
		put(out, scores ? "[\"" : "\"");
		put(out, words[i]);
		put(out, scores ? "\"," : "\":");
		snprintf(number, sizeof(number), "%d", id++);
		if (scores)
			write_rule(out, rules, 'f', c, 0);
		else
			put(out, number);
		put(out, scores ? "]" : "");
	}
}

/* Write the merges, some as pairs. */
static void
write_merges(Written *out, Choices *c)
{
	uint32_t mask = choose_byte(c) | (uint32_t) choose_byte(c) << 8;
	size_t shift = choose(c, N_MERGES);
	bool first = true;

	put(out, ",\"merges\":[");
	for (size_t i = 0; i < N_MERGES; i++)
	{
		if ((mask >> i & 1) == 0)
			continue;
		put(out, first ? "\"" : ",\"");
		put(out, merges[(i + shift) % N_MERGES]);
		put(out, "\"");
		first = false;
	}
	put(out, "]");
}

/* Write a tokenizer.json. */
static void
write_file(Written *out, Choices *c)
{
	static const char models[] = "WBGLBG";
	char model = models[choose(c, sizeof(models) - 1)];

	write_rule(out, rules, 'F', c, 0);
	write_rule(out, rules, model, c, 0);
	write_vocabulary(out, c, model == 'G');
	put(out, model == 'G' ? "]" : "}");
	if (model == 'B')
		write_merges(out, c);
	put(out, "}}");
}

/* Does a character of text[len] begin or end at `at`? */
static bool
is_boundary(const char *text, size_t len, size_t at)
{
	return at == len || ((unsigned char) text[at] & 0xC0) != 0x80;
}

/* Is text[len] UTF-8? */
static bool
is_utf8(const char *text, size_t len)
{
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

/* Check ids, spans and texts of a result; a sum over it. */
static uint64_t
check(const LepTokens *tokens, const char *const *texts, const size_t *lens)
{
	uint64_t sum = tokens->truncated;

	require(tokens->n < TOKENS_MAX);
	for (size_t i = 0; i < tokens->n; i++)
	{
		LepSpan span = tokens->spans[i];
		size_t which = tokens->sequence[i] == 1;

		require(tokens->ids[i] >= 0 && tokens->ids[i] < IDS && tokens->types[i] >= 0);
		require(tokens->sequence[i] <= 1 || tokens->sequence[i] == LEP_SEQUENCE_NONE);
		require(span.start <= span.end && span.end <= lens[which]);
		require(is_boundary(texts[which], lens[which], span.start) &&
				is_boundary(texts[which], lens[which], span.end));
		sum = ((sum * 31 + (uint32_t) tokens->ids[i]) * 31 + span.start) * 31 + span.end;
	}
	return sum;
}

/* May a call give this status? */
static bool
may_be(LepStatus status, bool scarce)
{
	bool may = status == LEP_OK || status == LEP_BAD_INPUT || status == LEP_TOO_LARGE ||
			   (scarce && status == LEP_NO_MEMORY);

	if (!may && status != LEP_UNSUPPORTED)
		fprintf(stderr, "status %d\n", status);
	return may;
}

/* What one use of a tokenizer is about. */
typedef struct Use
{
	LepTokenizer tok;
	LepTokenScratch *scratch;
	const char *texts[2];
	size_t lens[2];
	bool repeats; /* the template has the first text more or less than once */
	bool scarce;
} Use;

/* Decode a result. */
static void
decode(const Use *use, const LepTokens *tokens, int32_t *ids)
{
	const char *text;
	size_t len;
	LepError err;
	LepStatus status;

	for (size_t i = 0; i < tokens->n; i++)
		ids[i] = tokens->ids[i];
	status = lep_token_decode(&use->tok, use->scratch, ids, tokens->n, tokens->n & 1, &text, &len,
							  NULL, &err);
	require(may_be(status, use->scarce));
	require(status != LEP_OK || is_utf8(text, len));
}

/* Tokenize the first text with a limit: must be a part of the whole. */
static void
truncate_text(const Use *use, size_t limit, const int32_t *whole, size_t n_whole)
{
	LepTokenizeOptions options = {.max_tokens = limit};
	LepTokens tokens;
	LepError err;
	LepStatus status = lep_tokenize(&use->tok, use->scratch, use->texts[0], use->lens[0], &options,
									&tokens, NULL, &err);
	size_t skip = lep_tokenizer_cuts_left(&use->tok) && n_whole > limit ? n_whole - limit : 0;

	require(may_be(status, use->scarce));
	if (status != LEP_OK)
		return;
	check(&tokens, use->texts, use->lens);
	require(tokens.n == (n_whole < limit ? n_whole : limit));
	require(tokens.truncated == (n_whole > limit));
	for (size_t i = 0; i < tokens.n; i++)
		require(tokens.ids[i] == whole[skip + i]);
}

/* Put the template around a window of the first text, and around both texts. */
static void
frame(const Use *use, size_t limit)
{
	LepTokenizeOptions options = {0};
	LepTokenScratch *other = lep_token_scratch_new(&fuzz_allocator);
	LepTokens first, second, part, framed;
	LepError err;

	require(other != NULL || use->scarce);
	if (other != NULL &&
		lep_tokenize(&use->tok, use->scratch, use->texts[0], use->lens[0], &options, &first, NULL,
					 &err) == LEP_OK &&
		lep_tokenize(&use->tok, other, use->texts[1], use->lens[1], &options, &second, NULL,
					 &err) == LEP_OK)
	{
		size_t from = first.n > 0 ? limit % first.n : 0;
		LepStatus status;

		part = lep_tokens_slice(&first, from, first.n - from < limit ? first.n - from : limit);
		status = lep_tokens_frame(&use->tok, use->scratch, &part, NULL, &framed, &err);
		require(may_be(status, use->scarce) || status == LEP_UNSUPPORTED);
		if (status == LEP_OK)
			check(&framed, use->texts, use->lens);
		status = lep_tokens_frame(&use->tok, use->scratch, &part, &second, &framed, &err);
		require(may_be(status, use->scarce) || status == LEP_UNSUPPORTED);
		if (status == LEP_OK)
			check(&framed, use->texts, use->lens);
	}
	if (other != NULL)
		lep_token_scratch_free(other);
}

/* Use a tokenizer in all ways. */
static void
use_all(const Use *use, uint8_t settings)
{
	LepTokenizeOptions options = {.lower_first = (settings & 64) != 0};
	size_t limit = 1 + settings % 16;
	LepTokens tokens;
	LepError err;
	LepStatus status = lep_tokenize(&use->tok, use->scratch, use->texts[0], use->lens[0], &options,
									&tokens, NULL, &err);
	int32_t *ids;
	size_t n;
	uint64_t sum;

	require(may_be(status, use->scarce));
	if (status != LEP_OK)
		return;
	sum = check(&tokens, use->texts, use->lens);
	n = tokens.n;
	ids = malloc(n * sizeof(int32_t) + 1);
	require(ids != NULL);
	decode(use, &tokens, ids);
	if (!options.lower_first && !use->repeats)
		truncate_text(use, limit, ids, n);
	options.add_special = true;
	options.max_tokens = limit + lep_tokenizer_pair_special_count(&use->tok);
	options.truncation = (LepTruncation) (settings / 16 % 3);
	status = lep_tokenize_pair(&use->tok, use->scratch, use->texts[0], use->lens[0], use->texts[1],
							   use->lens[1], &options, &tokens, NULL, &err);
	require(may_be(status, use->scarce));
	if (status == LEP_OK)
		check(&tokens, use->texts, use->lens);
	options.max_tokens = 0;
	status = lep_tokenize(&use->tok, use->scratch, use->texts[0], use->lens[0], &options, &tokens,
						  NULL, &err);
	require(may_be(status, use->scarce));
	if (status == LEP_OK)
		check(&tokens, use->texts, use->lens);
	frame(use, limit);
	/* What was done with the scratch before changes nothing. */
	options.add_special = false;
	status = lep_tokenize(&use->tok, use->scratch, use->texts[0], use->lens[0], &options, &tokens,
						  NULL, &err);
	require(status == LEP_OK || (use->scarce && status == LEP_NO_MEMORY));
	if (status == LEP_OK)
		require(check(&tokens, use->texts, use->lens) == sum);
	free(ids);
}

/* Write the text: pieces, or the input's bytes. */
static size_t
write_text(Choices *c, bool bytes, char *text)
{
	Written out = {text, 0, TEXT_MAX};

	if (bytes)
		write_bytes(&out, (const char *) c->data + c->at,
					c->size - c->at < TEXT_MAX ? c->size - c->at : TEXT_MAX);
	else
		while (c->at < c->size)
			put(&out, pieces[choose(c, N_PIECES)]);
	return out.len;
}

/* Are there so many steps that spell bytes that a short text becomes gigabytes? */
static bool
doubles_text(const Written *out)
{
	static const char name[] = "\"ByteLevel\"";
	const char *at = out->text;
	size_t n = 0;

	while ((at = memmem(at, out->len - (size_t) (at - out->text), name, sizeof(name) - 1)) != NULL)
	{
		at += sizeof(name) - 1;
		n++;
	}
	return n > 6;
}

/* Does a template of one text have it more or less than once? */
static bool
repeats_text(const Written *out)
{
	static const char single[] = "\"single\":[";
	static const char text[] = "\"Sequence\"";
	const char *at = memmem(out->text, out->len, single, sizeof(single) - 1);

	while (at != NULL)
	{
		size_t left = out->len - (size_t) (at - out->text);
		const char *end = memchr(at, ']', left);
		size_t n = 0;

		if (end == NULL)
			return true;
		while ((at = memmem(at, (size_t) (end - at), text, sizeof(text) - 1)) != NULL)
		{
			at += sizeof(text) - 1;
			n++;
		}
		if (n != 1)
			return true;
		at = memmem(end, out->len - (size_t) (end - out->text), single, sizeof(single) - 1);
	}
	return false;
}

/* Let jansson have the fast allocator. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	json_set_alloc_funcs(fuzz_json_alloc, fuzz_json_free);
	return 0;
}

/* Build and use what the choices make. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char file[FILE_MAX];
	static char text[TEXT_MAX];
	Choices c = {data, size, 3};
	Written out = {file, 0, sizeof(file)};
	Use use = {.scarce = false};
	LepArena arena;
	LepError err = {0};
	LepStatus status;
	void *blob;
	size_t blob_size, len, half;

	if (size < 4)
		return 0;
	c.size = 3 + (size_t) data[2] < size ? 3 + (size_t) data[2] : size;
	write_file(&out, &c);
	c.at = c.size;
	c.size = size;
	if (getenv("FUZZ_SHOW") != NULL)
		fprintf(stderr, "%.*s\n", (int) out.len, file);
	if (doubles_text(&out))
		return 0;
	use.scarce = data[0] >= 0xF0;
	if (use.scarce)
		fuzz_scarce(choose_byte(&c));
	lep_arena_init(&arena, &fuzz_allocator, (size_t) 64 << 20);
	status = lep_tokenizer_build(file, out.len, IDS, &arena, &blob, &blob_size, &err);
	require(status == LEP_OK || (err.status == status && err.message[0] != '\0'));
	require(status != LEP_NO_MEMORY || use.scarce);
	if (status == LEP_OK)
	{
		void *copy = fuzz_copy(blob, blob_size);
		char *own;

		require(lep_tokenizer_open(copy, blob_size, &use.tok, &err) == LEP_OK);
		len = write_text(&c, data[0] & 1, text);
		if (getenv("FUZZ_SHOW") != NULL)
			fprintf(stderr, "text %zu: %.*s\n", len, (int) len, text);
		own = fuzz_copy(text, len);
		half = len / 2;
		while (half > 0 && !is_boundary(own, len, half))
			half--;
		use.texts[0] = own;
		use.lens[0] = data[0] & 2 ? len : half;
		use.texts[1] = own + half;
		use.lens[1] = len - half;
		use.repeats = repeats_text(&out);
		use.scratch = lep_token_scratch_new(&fuzz_allocator);
		require(use.scratch != NULL || use.scarce);
		if (use.scratch != NULL)
		{
			use_all(&use, data[1]);
			lep_token_scratch_free(use.scratch);
		}
		fuzz_free(NULL, own);
		fuzz_free(NULL, copy);
	}
	fuzz_scarce(FUZZ_NEVER);
	lep_arena_free(&arena);
	return 0;
}
