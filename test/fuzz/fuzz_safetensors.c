/*
 * fuzz_safetensors.c: any bytes as a safetensors file; what is accepted must
 * keep every promise of safetensors.h.
 */
#include "../../src/engine/safetensors.h"
#include "fuzzing.h"

/* The input. */
typedef struct Input
{
	const uint8_t *data;
	size_t size;
} Input;

/* Read from the input. */
static LepStatus
read_input(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	const Input *input = ctx;

	(void) file;
	(void) err;
	if (offset > input->size || len > input->size - offset)
		__builtin_trap();
	memcpy(dst, input->data + offset, len);
	return LEP_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Input input = {data, size};
	LepFile file = {.path = "model.safetensors", .size = size};
	LepFolder folder = {.files = &file, .n_files = 1, .read = read_input, .ctx = &input};
	LepTensorSet *set = NULL;
	LepArena arena;
	LepError err;
	uint64_t bytes = 0;

	lep_arena_init(&arena, &fuzz_allocator, 64 << 20);
	if (lep_safetensors_read(&folder, 0, &arena, &set, NULL, &err) == LEP_OK)
	{
		for (size_t i = 0; i < lep_tensor_count(set); i++)
		{
			const LepTensor *t = lep_tensor_at(set, i);

			if (t->offset > size || t->size > size - t->offset || t->file != 0 ||
				lep_tensor_find(set, t->name) != t)
				__builtin_trap();
			bytes += t->size;
		}
		if (bytes > size || !file.used)
			__builtin_trap();
	}
	else if (err.status == LEP_OK || err.message[0] == '\0')
		__builtin_trap();
	lep_arena_free(&arena);
	return 0;
}
