/*
 * tokenizer_samples.h: small tokenizer.json files that exercise every rule of
 * the tokenizer; for fuzzers and unit tests.
 */
#ifndef LEPTON_TOKENIZER_SAMPLES_H
#define LEPTON_TOKENIZER_SAMPLES_H

#define SAMPLE_IDS 100 /* every id of the samples is below */

#define SAMPLE_MODEL                                                                             \
	"\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":"   \
	"\"##\",\"max_input_chars_per_word\":12,\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,"     \
	"\"[SEP]\":3,\"[MASK]\":4,\"a\":5,\"b\":6,\"c\":7,\"##a\":8,\"##b\":9,\"##c\":10,\"ab\":11," \
	"\"abc\":12,\"##bc\":13,\"A\":14,\"##A\":15,\".\":16,\",\":17,\"<\":18,\"\\u00e9\":19,"      \
	"\"##\\u00e9\":20,\"e\":21,\"##e\":22,\"\\u0301\":23,\"##\\u0301\":24,\"\\u4e2d\":25,"       \
	"\"##\\u4e2d\":26,\"\\uac00\":27,\"##\\u1161\":28,\"\\u1100\":29,\" \":30,\"## \":31,"       \
	"\"i\":32,\"##\\u0307\":33,\"[\":34,\"]\":35,\"#\":36,\"##[\":37,\"1\":38,\"##1\":39}}"

#define SAMPLE_TOKEN(id, content, single, left, right, normal)                               \
	"{\"id\":" id ",\"content\":\"" content "\",\"single_word\":" single ",\"lstrip\":" left \
	",\"rstrip\":" right ",\"normalized\":" normal ",\"special\":false}"

#define SAMPLE_SPECIALS                                            \
	SAMPLE_TOKEN("0", "[PAD]", "false", "false", "false", "false") \
	"," SAMPLE_TOKEN("4", "[MASK]", "false", "true", "false", "false")

#define SAMPLE_TEMPLATE                                                                          \
	"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":" \
	"\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{"  \
	"\"id\":\"[SEP]\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"[CLS]\":{\"id\":"       \
	"\"[CLS]\",\"ids\":[2],\"tokens\":[\"[CLS]\"]},\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[3],"     \
	"\"tokens\":[\"[SEP]\"]}}}"

#define SAMPLE_BERT(clean, chinese, strip, lower)                       \
	"\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":" clean \
	",\"handle_chinese_chars\":" chinese ",\"strip_accents\":" strip ",\"lowercase\":" lower "}"

#define SAMPLE_SPLIT(type) "\"pre_tokenizer\":{\"type\":\"" type "\"}"

#define SAMPLE_KINDS                                                                           \
	SAMPLE_SPECIALS                                                                            \
	"," SAMPLE_TOKEN("40", "b a", "false", "false", "true", "false") "," SAMPLE_TOKEN(         \
		"41", "AB", "true", "false", "false",                                                  \
		"true") "," SAMPLE_TOKEN("42", "\\u00e9c", "false", "true", "true",                    \
								 "true") "," SAMPLE_TOKEN("43", "c", "true", "false", "false", \
														  "false")

#define SAMPLE_TWICE                                                                                 \
	"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\","   \
	"\"type_id\":1}},{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","   \
	"\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"x\":{\"id\":\"x\",\"ids\":[2,3],\"tokens\":" \
	"[]}}}"

#define SAMPLE_LEFT                                                                                     \
	"\"truncation\":{\"direction\":\"Left\",\"max_length\":9,\"strategy\":\"LongestFirst\",\"stride\":" \
	"0}"

#define SAMPLE_STEPS(one, two)                                                \
	"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"" one \
	"\"},{\"type\":\"" two "\"}]}"

/* clang-format off */
static const char *const tokenizer_samples[] = {
	/* 0: uncased BERT */
	"{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"decoder\":null,"
	"\"added_tokens\":[" SAMPLE_SPECIALS "]," SAMPLE_BERT("true", "true", "null", "true") ","
	SAMPLE_SPLIT("BertPreTokenizer") "," SAMPLE_TEMPLATE "," SAMPLE_MODEL "}",
	/* 1: cased BERT, truncation keeps the end */
	"{" SAMPLE_LEFT ",\"added_tokens\":[" SAMPLE_SPECIALS "],"
	SAMPLE_BERT("true", "false", "false", "false") "," SAMPLE_SPLIT("BertPreTokenizer") ","
	SAMPLE_TEMPLATE "," SAMPLE_MODEL "}",
	/* 2: added tokens of every kind, some looked for in normalised text */
	"{\"added_tokens\":[" SAMPLE_KINDS "]," SAMPLE_BERT("false", "true", "true", "true") ","
	SAMPLE_SPLIT("BertPreTokenizer") "," SAMPLE_MODEL "}",
	/* 3: composition, runs of word characters */
	"{\"added_tokens\":[" SAMPLE_SPECIALS "]," SAMPLE_STEPS("NFC", "Lowercase") ","
	SAMPLE_SPLIT("Whitespace") "," SAMPLE_TEMPLATE "," SAMPLE_MODEL "}",
	/* 4: compatibility composition, nothing splits */
	"{\"added_tokens\":[" SAMPLE_SPECIALS ","
	SAMPLE_TOKEN("40", "a", "false", "false", "false", "true") "],"
	"\"normalizer\":{\"type\":\"NFKC\"}," SAMPLE_TEMPLATE "," SAMPLE_MODEL "}",
	/* 5: compatibility decomposition, split at white space, text twice in the template */
	"{" SAMPLE_STEPS("NFKD", "StripAccents") "," SAMPLE_SPLIT("WhitespaceSplit") ","
	SAMPLE_TWICE "," SAMPLE_MODEL "}",
};
/* clang-format on */

#define N_SAMPLES (sizeof(tokenizer_samples) / sizeof(tokenizer_samples[0]))

#endif
