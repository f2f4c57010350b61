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
	/* 6: byte-level BPE that trims spans */
	"{\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,"
	"\"rstrip\":false,\"normalized\":false,\"special\":true},{\"id\":4,\"content\":\"<mask>\""
	",\"single_word\":false,\"lstrip\":true,\"rstrip\":false,\"normalized\":false,\"special\""
	":true},{\"id\":99,\"content\":\"ab\",\"single_word\":true,\"lstrip\":false,\"rstrip\":fa"
	"lse,\"normalized\":true,\"special\":false}],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\""
	"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":{\""
	"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",2],\"cls\":[\"<s>\",0],\"trim_offsets\":t"
	"rue,\"add_prefix_space\":true},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token"
	"\":null,\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"\",\"fuse_unk\":fals"
	"e,\"byte_fallback\":false,\"ignore_merges\":true,\"vocab\":{\"<s>\":0,\"<pad>\":1,\"</s>"
	"\":2,\"<unk>\":3,\"<mask>\":4,\"\\u0120\":5,\"a\":6,\"b\":7,\"c\":8,\"A\":9,\"1\":10,\"."
	"\":11,\"\\u010a\":12,\"\\u00c3\":13,\"\\u00a9\":14,\"\\u00e4\":15,\"\\u00b8\":16,\"\\u01"
	"43\":17,\"'\":18,\"t\":19,\"n\":20,\"ab\":21,\"\\u0120a\":22,\"abc\":23,\"\\u0120\\u0120"
	"\":24,\"\\u00c3\\u00a9\":25,\"aa\":26,\"aaaa\":27,\"\\u00e4\\u00b8\":28,\"'t\":29,\"11\""
	":30,\"\\u0120ab\":31},\"merges\":[[\"a\",\"b\"],[\"\\u0120\",\"a\"],[\"ab\",\"c\"],[\"\\"
	"u0120\",\"\\u0120\"],[\"\\u00c3\",\"\\u00a9\"],[\"a\",\"a\"],[\"aa\",\"aa\"],[\"\\u00e4"
	"\",\"\\u00b8\"],[\"'\",\"t\"],[\"1\",\"1\"],[\"\\u0120a\",\"b\"]]}}",
	/* 7: BPE with bytes, pairs */
	"{\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,"
	"\"rstrip\":false,\"normalized\":false,\"special\":true}],\"pre_tokenizer\":{\"type\":\"M"
	"etaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"first\",\"split\":false},\"p"
	"ost_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
	"\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequen"
	"ce\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":1}},{\""
	"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\""
	"ids\":[1],\"tokens\":[\"<s>\"]}}},\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\""
	"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"<0x"
	"80>\":3,\"<0x81>\":4,\"<0x82>\":5,\"<0x83>\":6,\"<0x84>\":7,\"<0x85>\":8,\"<0x86>\":9,\""
	"<0x87>\":10,\"<0x88>\":11,\"<0x89>\":12,\"<0x8A>\":13,\"<0x8B>\":14,\"<0x8C>\":15,\"<0x8"
	"D>\":16,\"<0x8E>\":17,\"<0x8F>\":18,\"<0x90>\":19,\"<0x91>\":20,\"<0x92>\":21,\"<0x93>\""
	":22,\"<0x94>\":23,\"<0x95>\":24,\"<0x96>\":25,\"<0x97>\":26,\"<0x98>\":27,\"<0x99>\":28,"
	"\"<0x9A>\":29,\"<0x9B>\":30,\"<0x9C>\":31,\"<0x9D>\":32,\"<0x9E>\":33,\"<0x9F>\":34,\"<0"
	"xC3>\":35,\"<0xE4>\":36,\"<0xF0>\":37,\"\\u2581\":38,\"a\":39,\"b\":40,\"c\":41,\"\\u00e"
	"9\":42,\"1\":43,\"\\u2581a\":44,\"ab\":45,\"\\u2581ab\":46,\"bc\":47,\"aa\":48,\"aaaa\":"
	"49,\"abc\":50},\"merges\":[\"\\u2581 a\",\"a b\",\"\\u2581a b\",\"b c\",\"a a\",\"aa aa"
	"\",\"ab c\"]}}",
	/* 8: a published pattern, two post-processors */
	"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"patte"
	"rn\":{\"Regex\":\"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| ?[^"
	"\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"beh"
	"avior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":fals"
	"e,\"trim_offsets\":true,\"use_regex\":false}]},\"post_processor\":{\"type\":\"Sequence\""
	",\"processors\":[{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true"
	",\"use_regex\":true},{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",2],\"cls\":[\"<s>\","
	"0]}]},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subwo"
	"rd_prefix\":\"\",\"end_of_word_suffix\":\"\",\"fuse_unk\":false,\"byte_fallback\":false,"
	"\"ignore_merges\":true,\"vocab\":{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3,\"<mask>"
	"\":4,\"\\u0120\":5,\"a\":6,\"b\":7,\"c\":8,\"A\":9,\"1\":10,\".\":11,\"\\u010a\":12,\"\\"
	"u00c3\":13,\"\\u00a9\":14,\"\\u00e4\":15,\"\\u00b8\":16,\"\\u0143\":17,\"'\":18,\"t\":19"
	",\"n\":20,\"ab\":21,\"\\u0120a\":22,\"abc\":23,\"\\u0120\\u0120\":24,\"\\u00c3\\u00a9\":"
	"25,\"aa\":26,\"aaaa\":27,\"\\u00e4\\u00b8\":28,\"'t\":29,\"11\":30,\"\\u0120ab\":31},\"m"
	"erges\":[[\"a\",\"b\"],[\"\\u0120\",\"a\"],[\"ab\",\"c\"],[\"\\u0120\",\"\\u0120\"],[\""
	"\\u00c3\",\"\\u00a9\"],[\"a\",\"a\"],[\"aa\",\"aa\"],[\"\\u00e4\",\"\\u00b8\"],[\"'\",\""
	"t\"],[\"1\",\"1\"],[\"\\u0120a\",\"b\"]]}}",
	/* 9: WordLevel behind many splits */
	"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"patte"
	"rn\":{\"Regex\":\"(?<!a)b+?(?=c)|(?>a+)\\\\b|(?:ab|a)*c|(?!a.)[^\\\\W\\\\d]{2,4}?\"},\"b"
	"ehavior\":\"MergedWithNext\",\"invert\":false},{\"type\":\"Split\",\"pattern\":{\"String"
	"\":\"a \"},\"behavior\":\"MergedWithPrevious\",\"invert\":true},{\"type\":\"Punctuation"
	"\",\"behavior\":\"Contiguous\"},{\"type\":\"Digits\",\"individual_digits\":false},{\"typ"
	"e\":\"UnicodeScripts\"},{\"type\":\"CharDelimiterSplit\",\"delimiter\":\",\"},{\"type\":"
	"\"FixedLength\",\"length\":3}]},\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"[UNK]"
	"\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"b\":2,\"c\":3,\"ab\":4,\"abc\":5,\" \":6,\"1\":7,\"A"
	"\":8,\".\":9,\"##b\":10,\"##c\":11,\"c</w>\":12,\"##c</w>\":13}}}",
	/* 10: BPE with prefix and suffix */
	"{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{\"type\":\"BPE\",\"unk_token\":"
	"\"[UNK]\",\"continuing_subword_prefix\":\"##\",\"end_of_word_suffix\":\"</w>\",\"vocab\""
	":{\"[UNK]\":0,\"a\":1,\"b\":2,\"c\":3,\"ab\":4,\"abc\":5,\" \":6,\"1\":7,\"A\":8,\".\":9"
	",\"##b\":10,\"##c\":11,\"c</w>\":12,\"##c</w>\":13,\"bc</w>\":14,\"abc</w>\":15,\"##bc\""
	":16},\"merges\":[[\"a\",\"##b\"],[\"b\",\"##c</w>\"],[\"ab\",\"##c</w>\"],[\"##b\",\"##c"
	"\"]]}}",
};
/* clang-format on */

#define N_SAMPLES (sizeof(tokenizer_samples) / sizeof(tokenizer_samples[0]))

#endif
