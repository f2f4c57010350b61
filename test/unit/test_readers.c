/*
 * test_readers.c: the safetensors reader rule by rule, folder names, and
 * descriptions; every input is made here, byte by byte.
 */
#include <stdint.h>
#include <time.h>

#include "testing.h"
#include "tiny_model.h"

/* Put a safetensors file of this header and so many bytes of data into a new folder. */
static void
put_header(MemFolder *mem, const char *header, size_t n_header, uint64_t length, size_t n_data)
{
	unsigned char *bytes = calloc(1, 8 + n_header + n_data);

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) (length >> (8 * i));
	memcpy(bytes + 8, header, n_header);
	mem_init(mem);
	mem_put(mem, "model.safetensors", bytes, 8 + n_header + n_data);
	free(bytes);
}

/* Read the folder's file; the number of tensors goes to *n. */
static LepStatus
read_file(MemFolder *mem, size_t *n, LepError *err)
{
	LepTensorSet *set = NULL;
	LepArena arena;
	LepStatus status;

	memset(err, 0, sizeof(*err));
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	status = lep_safetensors_read(&mem->folder, 0, &arena, &set, NULL, err);
	*n = lep_tensor_count(set);
	lep_arena_free(&arena);
	return status;
}

/* Check what a header and so many bytes of data give; word must be in the error. */
static void
check_header(const char *header, size_t n_data, LepStatus expected, const char *word)
{
	MemFolder mem;
	LepError err;
	size_t n;
	LepStatus status;

	put_header(&mem, header, strlen(header), strlen(header), n_data);
	status = read_file(&mem, &n, &err);
	check(status == expected, "%.80s: status %d, expected %d (%s)", header, status, expected,
		  err.message);
	check(status == LEP_OK || err.status == status, "%.80s: error has status %d", header,
		  err.status);
	check(status == LEP_OK || strstr(err.message, word) != NULL || strstr(err.detail, word) != NULL,
		  "%.80s: \"%s\" is not in: %s (%s)", header, word, err.message, err.detail);
	mem_free(&mem);
}

/* Rules of the header's text. */
static void
test_headers(void)
{
	static const struct
	{
		const char *header;
		size_t n_data;
		LepStatus status;
		const char *word;
	} cases[] = {
		{"{}", 0, LEP_OK, ""},
		{"{}   ", 0, LEP_OK, ""},
		{"{\"__metadata__\":{\"format\":\"pt\"}}", 0, LEP_OK, ""},
		{"{\"__metadata__\":null}", 0, LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]}}", 0, LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]}}", 0,
		 LEP_OK, ""},
		{"{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
		 "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]},"
		 "\"c\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
		 1, LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]}}", 2, LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3, LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
		 LEP_OK, ""},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"more\":[{}]}}", 1, LEP_OK,
		 ""},
		{"", 0, LEP_BAD_FILE, "start"},
		{" {}", 0, LEP_BAD_FILE, "start"},
		{"[]", 0, LEP_BAD_FILE, "start"},
		{"{", 0, LEP_BAD_FILE, "model.safetensors"},
		{"{}x", 0, LEP_BAD_FILE, "model.safetensors"},
		{"{\"\xff\":{}}", 0, LEP_BAD_FILE, "model.safetensors"},
		{"{\"a\\u0000b\":{}}", 0, LEP_BAD_FILE, "model.safetensors"},
		{"{\"\\ud800\":{}}", 0, LEP_BAD_FILE, "model.safetensors"},
		{"{\"__metadata__\":[]}", 0, LEP_BAD_FILE, "__metadata__"},
		{"{\"__metadata__\":{\"a\":1}}", 0, LEP_BAD_FILE, "__metadata__"},
		{"{\"__metadata__\":{\"a\":{}}}", 0, LEP_BAD_FILE, "__metadata__"},
		{"{\"a\":1}", 0, LEP_BAD_FILE, "\"a\""},
		{"{\"a\":[\"U8\",[1],[0,1]]}", 1, LEP_BAD_FILE, "\"a\""},
		{"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE, "dtype"},
		{"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE, "shape"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, LEP_BAD_FILE, "data_offsets"},
		{"{\"a\":{\"dtype\":\"U9\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE, "U9"},
		{"{\"a\":{\"dtype\":\"u8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE, "u8"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE,
		 "whole"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1e0],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE,
		 "whole"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE,
		 "whole"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE,
		 "whole"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[2,18446744073709551614],\"data_offsets\":[0,1]}}", 1,
		 LEP_BAD_FILE, "shape"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[4,9223372036854775807],\"data_offsets\":[0,1]}}", 1,
		 LEP_BAD_FILE, "overflow"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
		 LEP_BAD_FILE, "overflow"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[576460752303423488],\"data_offsets\":[0,0]}}", 0,
		 LEP_BAD_FILE, "overflow"},
		{"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE,
		 "byte"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, LEP_BAD_FILE,
		 "data_offsets"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, LEP_BAD_FILE,
		 "outside"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, LEP_BAD_FILE,
		 "whole"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 1, LEP_BAD_FILE,
		 "outside"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,18446744073709551615]}}", 1,
		 LEP_BAD_FILE, "whole"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, LEP_BAD_FILE,
		 "expected 2"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2, LEP_BAD_FILE,
		 "no tensor"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, LEP_BAD_FILE,
		 "hole"},
		{"{}", 1, LEP_BAD_FILE, "no tensor"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
		 "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
		 3, LEP_BAD_FILE, "overlaps"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
		 "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
		 3, LEP_BAD_FILE, "hole"},
		{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
		 "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
		 2, LEP_BAD_FILE, "model.safetensors"},
		{"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
		 LEP_BAD_FILE, "model.safetensors"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_header(cases[i].header, cases[i].n_data, cases[i].status, cases[i].word);
}

/* All dtypes of the format have their sizes. */
static void
test_dtypes(void)
{
	static const struct
	{
		const char *name;
		unsigned bits;
	} dtypes[] = {
		{"BOOL", 8},		{"F4", 4},		{"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
		{"I8", 8},			{"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
		{"F8_E5M2FNUZ", 8}, {"I16", 16},	{"U16", 16},	{"F16", 16},	{"BF16", 16},
		{"I32", 32},		{"U32", 32},	{"F32", 32},	{"C64", 64},	{"F64", 64},
		{"I64", 64},		{"U64", 64},
	};
	char header[256];

	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
	{
		snprintf(header, sizeof(header),
				 "{\"a\":{\"dtype\":\"%s\",\"shape\":[4],\"data_offsets\":[0,%u]}}", dtypes[i].name,
				 dtypes[i].bits / 2);
		check_header(header, dtypes[i].bits / 2, LEP_OK, "");
	}
}

/* Lies about the header's length. */
static void
test_lengths(void)
{
	static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}";
	static const uint64_t lengths[] = {0,
									   1,
									   sizeof(header),
									   sizeof(header) + 3,
									   1000,
									   100000000,
									   100000001,
									   UINT32_MAX,
									   INT64_MAX,
									   (uint64_t) INT64_MAX + 1,
									   UINT64_MAX - 8,
									   UINT64_MAX};
	MemFolder mem;
	LepError err;
	size_t n;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		put_header(&mem, header, sizeof(header) - 1, lengths[i], 4);
		check(read_file(&mem, &n, &err) == LEP_BAD_FILE, "length %llu was accepted",
			  (unsigned long long) lengths[i]);
		check(strstr(err.message, "model.safetensors") != NULL, "no file in: %s", err.message);
		mem_free(&mem);
	}
}

/* A header that is larger than allowed here, in a file that really is so long. */
static void
test_too_large(void)
{
	size_t size = 17 << 20;
	char *header = malloc(size);
	MemFolder mem;
	LepError err;
	size_t n;

	memset(header, ' ', size);
	memcpy(header, "{}", 2);
	put_header(&mem, header, size, size, 0);
	check(read_file(&mem, &n, &err) == LEP_TOO_LARGE, "a header of 17 MB was accepted");
	mem_free(&mem);
	free(header);
}

/* Every prefix of a valid file is refused, and every single byte may be changed without harm. */
static void
test_prefixes(void)
{
	MemFolder full;
	MemFolder mem;
	LepError err;
	size_t n = 0;
	size_t size;
	int file;

	tiny_encoder(&full);
	file = lep_folder_find(&full.folder, "model.safetensors");
	size = (size_t) full.files[file].size;
	for (size_t len = 0; len < size; len++)
	{
		mem_init(&mem);
		mem_put(&mem, "model.safetensors", full.data[file], len);
		check(read_file(&mem, &n, &err) == LEP_BAD_FILE, "a prefix of %zu bytes was accepted", len);
		mem_free(&mem);
	}
	mem_init(&mem);
	mem_put(&mem, "model.safetensors", full.data[file], size);
	check(read_file(&mem, &n, &err) == LEP_OK && n == 23, "the whole file: %zu tensors", n);
	for (size_t at = 0; at < size && at < 2200; at++)
	{
		static const unsigned char values[] = {0, '"', '9', '}', 0xFF};
		unsigned char old = mem.data[0][at];

		for (size_t i = 0; i < sizeof(values); i++)
		{
			mem.data[0][at] = values[i];
			check(read_file(&mem, &n, &err) != LEP_NO_MEMORY, "byte %zu", at);
		}
		mem.data[0][at] = old;
	}
	mem_free(&mem);
	mem_free(&full);
}

/* 200,000 tensors are found quickly, and one name in two files is refused. */
static void
test_many(void)
{
	size_t n_wanted = 200000;
	char *header = malloc(n_wanted * 80 + 16);
	size_t len = 0;
	LepTensorSet *set = NULL;
	LepArena arena;
	LepError err;
	MemFolder mem;
	char name[32];
	clock_t start;

	for (size_t i = 0; i < n_wanted; i++)
		len += (size_t) sprintf(header + len,
								"%c\"%zx\":{\"dtype\":\"U8\",\"shape\":[1],"
								"\"data_offsets\":[%zu,%zu]}",
								i == 0 ? '{' : ',', i, i, i + 1);
	header[len++] = '}';
	put_header(&mem, header, len, len, n_wanted);
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	start = clock();
	check(lep_safetensors_read(&mem.folder, 0, &arena, &set, NULL, &err) == LEP_OK, "%s",
		  err.message);
	for (size_t i = 0; i < n_wanted; i++)
	{
		const LepTensor *t;

		snprintf(name, sizeof(name), "%zx", i);
		t = lep_tensor_find(set, name);
		if (t == NULL || t->offset != 8 + len + i || strcmp(t->name, name) != 0)
		{
			check(false, "tensor %s was not found", name);
			break;
		}
	}
	check(clock() - start < 10 * CLOCKS_PER_SEC, "200,000 tensors took %.1f s",
		  (double) (clock() - start) / CLOCKS_PER_SEC);
	check(lep_tensor_find(set, "no such name") == NULL, "a name that is not there was found");
	check(lep_safetensors_read(&mem.folder, 0, &arena, &set, NULL, &err) == LEP_BAD_FILE &&
			  strstr(err.message, "another file") != NULL,
		  "the same names twice were accepted");
	lep_arena_free(&arena);
	mem_free(&mem);
	free(header);
}

/* Several files in one set. */
static void
test_several(void)
{
	static const char one[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[0,4]}}";
	static const char two[] = "{\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}";
	const LepTensor *t;
	LepTensorSet *set = NULL;
	LepArena arena;
	MemFolder mem;
	MemFolder other;
	LepError err;

	put_header(&mem, one, sizeof(one) - 1, sizeof(one) - 1, 4);
	put_header(&other, two, sizeof(two) - 1, sizeof(two) - 1, 2);
	mem_put(&mem, "other.safetensors", other.data[0], (size_t) other.files[0].size);
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	check(lep_safetensors_read(&mem.folder, 0, &arena, &set, NULL, &err) == LEP_OK &&
			  lep_safetensors_read(&mem.folder, 1, &arena, &set, NULL, &err) == LEP_OK,
		  "%s", err.message);
	check(lep_tensor_count(set) == 2, "%zu tensors", lep_tensor_count(set));
	t = lep_tensor_find(set, "b");
	check(t != NULL && t->file == 1 && t->type == LEP_TENSOR_BF16 && t->n_dims == 1 &&
			  t->size == 2 && strcmp(t->type_name, "BF16") == 0,
		  "tensor b");
	t = lep_tensor_find(set, "a");
	check(t != NULL && t->file == 0 && t->type == LEP_TENSOR_F16 && t->n_dims == 2 &&
			  t->dims[1] == 2,
		  "tensor a");
	check(mem.files[0].used && mem.files[1].used, "the files are not marked");
	lep_arena_free(&arena);
	mem_free(&mem);
	mem_free(&other);
}

/* Names that a directory walk keeps and drops. */
static void
test_wants(void)
{
	static const char *const yes[] = {"config.json",
									  "tokenizer.json",
									  "model.safetensors",
									  "vocab.txt",
									  "1_Pooling/config.json",
									  "2_Dense/model.safetensors",
									  "0_Transformer/vocab.txt",
									  "modules.json",
									  "model.safetensors.index.json",
									  "a b/config.json"};
	static const char *const no[] = {"README.md",
									 "pytorch_model.bin",
									 "a/b/config.json",
									 "../config.json",
									 "/config.json",
									 "./config.json",
									 "config.json/",
									 ".git/config.json",
									 "a//config.json",
									 ".safetensors",
									 "",
									 "/",
									 "onnx/model.onnx",
									 "config.json\n",
									 "a\\config.json",
									 "a\x01/config.json"};
	char longest[400];

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		check(lep_folder_wants(yes[i]), "\"%s\" is not wanted", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		check(!lep_folder_wants(no[i]), "\"%s\" is wanted", no[i]);
	memset(longest, 'a', sizeof(longest));
	strcpy(longest + 300, ".safetensors");
	check(!lep_folder_wants(longest), "a very long name is wanted");
}

/* Small files: whole, missing, too large. */
static void
test_slurp(void)
{
	MemFolder mem;
	LepArena arena;
	LepError err;
	char *text;
	size_t len;

	mem_init(&mem);
	mem_text(&mem, "config.json", "{}");
	mem_text(&mem, "empty", "");
	mem_text(&mem, "huge", "");
	mem.files[2].size = (uint64_t) LEP_TEXT_FILE_MAX + 1;
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	check(lep_folder_slurp(&mem.folder, "config.json", &arena, &text, &len, &err) == LEP_OK &&
			  len == 2 && strcmp(text, "{}") == 0 && mem.files[0].used,
		  "a small file");
	check(lep_folder_slurp(&mem.folder, "empty", &arena, &text, &len, &err) == LEP_OK && len == 0 &&
			  text[0] == '\0',
		  "an empty file");
	check(lep_folder_slurp(&mem.folder, "nothing", &arena, &text, &len, &err) == LEP_MISSING &&
			  strstr(err.message, "nothing") != NULL,
		  "a missing file");
	check(lep_folder_slurp(&mem.folder, "huge", &arena, &text, &len, &err) == LEP_TOO_LARGE &&
			  !mem.files[2].used,
		  "a huge file");
	lep_arena_free(&arena);
	mem_free(&mem);
}

/* A description with its texts for the next test. */
static LepDesc
good_desc(void)
{
	LepDesc d = {.family = "bert",
				 .task = LEP_TASK_EMBED,
				 .n_layers = 1,
				 .hidden = 8,
				 .embedding = 8,
				 .n_heads = 2,
				 .intermediate = 16,
				 .vocab = 12,
				 .n_positions = 16,
				 .n_types = 2,
				 .act = LEP_ACT_GELU,
				 .norm_eps = 1e-12f,
				 .n_modules = 2,
				 .max_tokens = 16,
				 .text_bytes = 4};

	d.modules[0] = (LepModule){
		.kind = LEP_MODULE_POOL, .d_in = 8, .d_out = 16, .pools = {LEP_POOL_CLS, LEP_POOL_MEAN}};
	d.modules[1] = (LepModule){.kind = LEP_MODULE_NORMALIZE, .d_in = 16, .d_out = 16};
	return d;
}

/* Check that a changed description is refused. */
#define CHECK_DAMAGE(change)                                                          \
	do                                                                                \
	{                                                                                 \
		LepDesc d = good_desc();                                                      \
		LepDescView view = {&d, "q \0"};                                              \
		LepError err;                                                                 \
		change;                                                                       \
		check(lep_desc_check(&view, &err) == LEP_BAD_IMAGE, "accepted: %s", #change); \
	} while (0)

/* Descriptions: texts, width, damage. */
static void
test_desc(void)
{
	LepDesc d = good_desc();
	LepDescView view = {&d, "q \0"};
	LepError err;

	check(lep_desc_check(&view, &err) == LEP_OK, "%s: %s", err.message, err.detail);
	check(lep_desc_width(&d) == 16, "width %u", lep_desc_width(&d));
	d.truncate_dim = 5;
	check(lep_desc_check(&view, &err) == LEP_OK && lep_desc_width(&d) == 5, "width %u",
		  lep_desc_width(&d));
	check(strcmp(lep_desc_prompt(&view), "q ") == 0, "prompt");
	d.task = LEP_TASK_CLASSIFY;
	d.n_modules = 0;
	d.truncate_dim = 0;
	d.n_labels = 2;
	d.problem = LEP_PROBLEM_SINGLE_LABEL;
	d.text_bytes = 15;
	view.texts = "ham\0spam\0\0-fa8";
	check(lep_desc_check(&view, &err) == LEP_OK, "%s: %s", err.message, err.detail);
	check(strcmp(lep_desc_label(&view, 0), "ham") == 0, "label 0");
	check(strcmp(lep_desc_label(&view, 1), "spam") == 0, "label 1");
	check(strcmp(lep_desc_label(&view, 9), "") == 0, "label 9");
	check(lep_desc_width(&d) == 2, "width %u", lep_desc_width(&d));
	check(strcmp(lep_desc_precision(&view), "-fa8") == 0, "precision");

	CHECK_DAMAGE(d.n_layers = 0);
	CHECK_DAMAGE(d.n_layers = LEP_MAX_LAYERS + 1);
	CHECK_DAMAGE(d.hidden = 0);
	CHECK_DAMAGE(d.hidden = UINT32_MAX);
	CHECK_DAMAGE(d.n_heads = 0);
	CHECK_DAMAGE(d.n_heads = 3);
	CHECK_DAMAGE(d.intermediate = 0);
	CHECK_DAMAGE(d.vocab = 0);
	CHECK_DAMAGE(d.n_positions = 0);
	CHECK_DAMAGE(d.n_types = LEP_MAX_VOCAB + 1);
	CHECK_DAMAGE(d.embedding = 0);
	CHECK_DAMAGE(d.position_first = 16);
	CHECK_DAMAGE(d.tied = 2);
	CHECK_DAMAGE(d.sparse = 2);
	CHECK_DAMAGE(d.sparse_logs = 1);
	CHECK_DAMAGE(d.act = LEP_ACT_COUNT);
	CHECK_DAMAGE(d.task = LEP_TASK_COUNT);
	CHECK_DAMAGE(d.task = LEP_TASK_MASK);
	CHECK_DAMAGE(d.task = LEP_TASK_CLASSIFY);
	CHECK_DAMAGE(d.n_labels = 1);
	CHECK_DAMAGE(d.problem = 1);
	CHECK_DAMAGE(d.n_modules = 0);
	CHECK_DAMAGE(d.n_modules = LEP_MAX_MODULES + 1);
	CHECK_DAMAGE(d.max_tokens = 0);
	CHECK_DAMAGE(d.max_tokens = 17);
	CHECK_DAMAGE(d.prompt_tokens = 17);
	CHECK_DAMAGE(d.truncate_dim = 17);
	CHECK_DAMAGE(d.lower_first = 2);
	CHECK_DAMAGE(d.norm_eps = -1);
	CHECK_DAMAGE(d.norm_eps = 0.0f / d.norm_eps - d.norm_eps / 0.0f);
	CHECK_DAMAGE(memset(d.family, 'x', sizeof(d.family)));
	CHECK_DAMAGE(memset(d.modules[1].path, 'x', sizeof(d.modules[1].path)));
	CHECK_DAMAGE(d.modules[0].kind = LEP_MODULE_DENSE);
	CHECK_DAMAGE(d.modules[1].kind = LEP_MODULE_POOL);
	CHECK_DAMAGE(d.modules[1].kind = 9);
	CHECK_DAMAGE(d.modules[0].d_in = 9);
	CHECK_DAMAGE(d.modules[0].d_out = 17);
	CHECK_DAMAGE(d.modules[0].pools[0] = LEP_POOL_NONE);
	CHECK_DAMAGE(d.modules[0].pools[1] = LEP_POOL_COUNT);
	CHECK_DAMAGE(d.modules[0].pools[7] = LEP_POOL_CLS);
	CHECK_DAMAGE(d.modules[1].d_out = 4);
	CHECK_DAMAGE(d.modules[1].act = LEP_ACT_COUNT);
	CHECK_DAMAGE(d.text_bytes = 0);
	CHECK_DAMAGE(d.text_bytes = 2);
	CHECK_DAMAGE(d.text_bytes = 3);
	CHECK_DAMAGE(view.texts = "\0\0\0");
	CHECK_DAMAGE(view.texts = "q\0x");
}

int
main(void)
{
	test_headers();
	test_dtypes();
	test_lengths();
	test_too_large();
	test_prefixes();
	test_many();
	test_several();
	test_wants();
	test_slurp();
	test_desc();
	return test_done();
}
