/*
 * test_gpu_failures.c: a GPU that is full, missing or failing, emulated: every call fails once, in three ways, and what is
 * left is usable or lost as gpu.h says; limits on memory; nothing leaks.
 */
#include "../../src/engine/image_format.h"
#include "gpu_testing.h"
#include "scarce.h"

#include "../emulated/emulated.h"

#define PATHS  2
#define ROUNDS 6

static const char *const paths[PATHS] = {"test/data/tiny", "test/data/families/modernbert-mask"};
static DirFolder dirs[PATHS];

/* A run of a program that uses the GPU: what it does at each step depends on what failed before. */
typedef struct Story
{
	LepEmulatedFailure how;
	LepGpu *gpu;
	Pair pairs[PATHS];
	const Tokens *batches[PATHS];
	const float *expected[PATHS];
	size_t n_failed; /* calls that were answered with an error */
} Story;

/* Is an answer one that the story's failure may give?  Counts it. */
static bool
may_be(Story *story, LepStatus status, const LepError *err, const char *what)
{
	LepStatus wanted = story->how == LEP_EMULATED_MEMORY ? LEP_NO_MEMORY : LEP_DEVICE;

	story->n_failed += status != LEP_OK;
	check(status == LEP_OK || status == wanted, "%s: status %d, %s (%s)", what, (int) status,
		  err->message, err->detail);
	if (story->gpu != NULL)
		check(lep_gpu_is_lost(story->gpu) == (status == LEP_DEVICE), "%s: lost is %d", what,
			  lep_gpu_is_lost(story->gpu));
	return status == LEP_OK;
}

/* Load a model, a second time when the first time fails; false when the device is lost. */
static bool
load(Story *story, int i)
{
	LepError err = {0};
	LepStatus status =
		lep_gpu_model_load(story->gpu, &story->pairs[i].gpu, &story->pairs[i].loaded, &err);

	if (may_be(story, status, &err, "load"))
		return true;
	check(story->pairs[i].loaded == NULL, "a model that was not loaded");
	if (status == LEP_DEVICE)
		return false;
	status = lep_gpu_model_load(story->gpu, &story->pairs[i].gpu, &story->pairs[i].loaded, &err);
	return check(status == LEP_OK, "load after a failure: %s", err.message);
}

/* Have two batches in flight and collect them; false when the device is lost.  *n_right counts right ones. */
static bool
run_both(Story *story, int round, int *n_right)
{
	bool busy[LEP_GPU_SLOTS];
	LepError err = {0};
	bool lost = false;

	for (int slot = 0; slot < LEP_GPU_SLOTS; slot++)
	{
		int i = (slot + round / 3) % PATHS;

		busy[slot] = may_be(
			story, lep_gpu_submit(story->pairs[i].loaded, &story->batches[i]->batch, slot, &err),
			&err, "submit");
	}
	for (int slot = 0; slot < LEP_GPU_SLOTS; slot++)
	{
		int i = (slot + round / 3) % PATHS;
		size_t n = output_values(&story->pairs[i].gpu, story->batches[i]);
		float *out = calloc(n + 1, sizeof(float));

		if (busy[slot])
		{
			check(wait_ready(story->gpu, slot), "slot %d takes too long", slot);
			if (may_be(story, lep_gpu_collect(story->gpu, slot, out, &err), &err, "collect"))
			{
				*n_right += memcmp(out, story->expected[i], n * sizeof(float)) == 0;
				check(memcmp(out, story->expected[i], n * sizeof(float)) == 0,
					  "round %d, slot %d: other bits", round, slot);
			}
		}
		lost = lost || lep_gpu_is_lost(story->gpu);
		free(out);
	}
	check(lep_gpu_ready(story->gpu) == 0, "a free slot is ready");
	return !lost;
}

/* Open, load, run, free, close; every call that fails is made again.  Counts errors. */
static void
tell(Story *story)
{
	LepError err = {0};
	LepGpuModel *loaded;
	LepStatus status = lep_gpu_open(0, 0, &lep_malloc_allocator, &story->gpu, &err);
	bool goes_on;
	int n_right = 0;

	if (!may_be(story, status, &err, "open"))
	{
		check(story->gpu == NULL, "a device that was not opened");
		return;
	}
	goes_on = load(story, 0) && load(story, 1);
	for (int round = 0; round <= ROUNDS && goes_on; round++)
		goes_on = run_both(story, round, &n_right);
	if (goes_on)
	{
		check(n_right >= LEP_GPU_SLOTS * ROUNDS, "%d right batches", n_right);
		check(story->how != LEP_EMULATED_MEMORY || story->n_failed <= 1, "%zu failed calls",
			  story->n_failed);
	}
	else
	{
		check(lep_gpu_is_lost(story->gpu), "it ended without a reason");
		check(lep_gpu_model_load(story->gpu, &story->pairs[0].gpu, &loaded, &err) == LEP_DEVICE,
			  "a lost device loads");
		for (int i = 0; i < PATHS; i++)
			check(story->pairs[i].loaded == NULL ||
					  lep_gpu_submit(story->pairs[i].loaded, &story->batches[i]->batch, i, &err) ==
						  LEP_DEVICE,
				  "a lost device runs");
	}
	for (int i = 0; i < PATHS; i++)
	{
		/* Closing frees models that are left. */
		if (story->how == LEP_EMULATED_LATER)
			lep_gpu_model_free(story->pairs[i].loaded);
		story->pairs[i].loaded = NULL;
	}
	lep_gpu_close(story->gpu);
	story->gpu = NULL;
}

/* Every call fails once. */
static void
test_failures(const Story *model)
{
	static const LepEmulatedFailure hows[] = {LEP_EMULATED_MEMORY, LEP_EMULATED_LOST,
											  LEP_EMULATED_LATER};

	for (size_t i = 0; i < 3; i++)
	{
		size_t n = 0, n_failed = 0;
		bool all = false;

		while (!all && n++ < 5000)
		{
			Story story = *model;

			story.how = hows[i];
			lep_emulated_fail(n, hows[i]);
			tell(&story);
			all = lep_emulated_calls() < n;
			n_failed += story.n_failed > 0;
			check(!all || story.n_failed == 0, "something failed by itself");
			check(lep_emulated_held() == 0, "call %zu, failure %d: %zu things are left", n,
				  (int) hows[i], lep_emulated_held());
		}
		lep_emulated_fail(0, LEP_EMULATED_NONE);
		check(n > 100 && n < 5000 && n_failed > n / 3, "%zu calls, %zu failed", n, n_failed);
	}
}

/* Every allocation of the host fails once. */
static void
test_scarce(const Story *model)
{
	LepStatus status = LEP_NO_MEMORY;
	LepError err = {0};
	size_t n = 0;

	for (; status == LEP_NO_MEMORY && n < 100; n++)
	{
		LepGpu *gpu;
		LepGpuModel *loaded = NULL;

		scarce_left = n;
		status = lep_gpu_open(0, 0, &scarce, &gpu, &err);
		if (status == LEP_OK)
			status = lep_gpu_model_load(gpu, &model->pairs[1].gpu, &loaded, &err);
		if (status == LEP_OK)
			check(lep_gpu_submit(loaded, &model->batches[1]->batch, 0, &err) == LEP_OK, "%s",
				  err.message);
		lep_gpu_close(gpu);
		check(lep_emulated_held() == 0, "%zu things are left", lep_emulated_held());
	}
	check(status == LEP_OK && n > 2, "%zu allocations: %s", n, err.message);
}

/* Run a batch of n_texts texts of 60 tokens. */
static LepStatus
run_texts(LepGpuModel *loaded, const LepModel *model, size_t n_texts)
{
	Tokens *t = make_even_tokens(model, n_texts, 60, 9);
	LepError err = {0};
	LepStatus status = lep_gpu_submit(loaded, &t->batch, 0, &err);

	if (status == LEP_OK)
		status = lep_gpu_collect(loaded->gpu, 0, NULL, &err);
	free_tokens(t);
	return status;
}

/* A limit, or a device, of so many bytes beyond a model's; large is whether a large batch fits. */
static void
check_room(const Story *story, uint64_t limit, uint64_t room, uint64_t bytes, bool large)
{
	LepError err = {0};
	LepGpuModel *loaded = NULL;
	LepGpu *gpu;
	LepStatus status;

	if (!check(lep_gpu_open(0, limit, &lep_malloc_allocator, &gpu, &err) == LEP_OK, "%s",
			   err.message))
		return;
	status = lep_gpu_model_load(gpu, &story->pairs[0].gpu, &loaded, &err);
	check((status == LEP_OK) == (room >= bytes), "load in %llu bytes of %llu: %s",
		  (unsigned long long) room, (unsigned long long) bytes, err.message);
	if (status == LEP_OK)
	{
		LepGpuMemory memory;

		for (int i = 0; i < 2; i++)
		{
			check(run_texts(loaded, &story->pairs[0].gpu, 1) ==
					  (room > bytes + 100000 ? LEP_OK : LEP_NO_MEMORY),
				  "a text in %llu bytes more", (unsigned long long) (room - bytes));
			check(run_texts(loaded, &story->pairs[0].gpu, 400) == (large ? LEP_OK : LEP_NO_MEMORY),
				  "many texts in %llu bytes more", (unsigned long long) (room - bytes));
		}
		lep_gpu_memory(gpu, &memory);
		check(memory.used <= room && memory.used == memory.batch + bytes && memory.limit == limit,
			  "%llu of %llu bytes are in use", (unsigned long long) memory.used,
			  (unsigned long long) room);
	}
	else
		check(status == LEP_NO_MEMORY && !lep_gpu_is_lost(gpu), "status %d", (int) status);
	lep_gpu_close(gpu);
}

/* Limits on memory, the program's and the device's. */
static void
test_memory(const Story *story)
{
	LepError err = {0};
	LepGpuModel *loaded[2];
	LepGpu *gpu;
	uint64_t bytes[2];

	if (!check(lep_gpu_open(0, 0, &lep_malloc_allocator, &gpu, &err) == LEP_OK, "%s", err.message))
		return;
	for (int i = 0; i < 2; i++)
	{
		check(lep_gpu_model_load(gpu, &story->pairs[i].gpu, &loaded[i], &err) == LEP_OK, "%s",
			  err.message);
		bytes[i] = lep_gpu_model_bytes(loaded[i]);
	}
	lep_gpu_close(gpu);
	for (int device = 0; device < 2; device++)
	{
		static const uint64_t rooms[] = {0, 1 << 20, 64 << 20};

		for (int i = -1; i < 3; i++)
		{
			uint64_t room = i < 0 ? bytes[0] - 1 : bytes[0] + rooms[i];
			char text[32];

			snprintf(text, sizeof(text), "%llu", (unsigned long long) room);
			if (device == 1)
				setenv("LEPTON_EMULATED_MEMORY", text, 1);
			check_room(story, device == 1 ? 0 : room, room, bytes[0], i == 2);
			unsetenv("LEPTON_EMULATED_MEMORY");
		}
	}
	/* A model takes the place of another, and of what batches have left. */
	if (!check(lep_gpu_open(0, bytes[0] + bytes[1] + (4 << 20), &lep_malloc_allocator, &gpu,
							&err) == LEP_OK,
			   "%s", err.message))
		return;
	check(lep_gpu_model_load(gpu, &story->pairs[0].gpu, &loaded[0], &err) == LEP_OK, "%s",
		  err.message);
	check(run_texts(loaded[0], &story->pairs[0].gpu, 10) == LEP_OK, "a batch");
	check(lep_gpu_model_load(gpu, &story->pairs[1].gpu, &loaded[1], &err) == LEP_OK, "%s",
		  err.message);
	check(run_texts(loaded[1], &story->pairs[1].gpu, 1) == LEP_OK, "a batch of the other");
	lep_gpu_close(gpu);
	check(lep_emulated_held() == 0, "%zu things are left", lep_emulated_held());
}

/* No device, and a number that is none. */
static void
test_missing(void)
{
	LepError err = {0};
	LepGpuInfo info;
	LepGpu *gpu;

	setenv("LEPTON_EMULATED_DEVICES", "0", 1);
	check(lep_gpu_probe(&info, &err) == LEP_MISSING && info.devices == 0 && err.message[0] != '\0',
		  "%s", err.message);
	check(lep_gpu_open(0, 0, &lep_malloc_allocator, &gpu, &err) == LEP_MISSING && gpu == NULL, "%s",
		  err.message);
	unsetenv("LEPTON_EMULATED_DEVICES");
	check(lep_gpu_open(1, 0, &lep_malloc_allocator, &gpu, &err) == LEP_BAD_INPUT && gpu == NULL,
		  "device 1 was opened");
	lep_gpu_close(NULL);
	lep_gpu_model_free(NULL);
}

/* A wild pointer: the batch in work and all after it fail, none waits forever. */
static void
test_break(const Story *story)
{
	LepError err = {0};
	LepGpuModel *loaded = NULL;
	LepGpu *gpu;

	setenv("LEPTON_EMULATED_PAUSE", "20", 1);
	if (!check(lep_gpu_open(0, 0, &lep_malloc_allocator, &gpu, &err) == LEP_OK &&
				   lep_gpu_model_load(gpu, &story->pairs[0].gpu, &loaded, &err) == LEP_OK &&
				   lep_gpu_submit(loaded, &story->batches[0]->batch, 0, &err) == LEP_OK,
			   "%s", err.message))
		return;
	check(lep_gpu_ready(gpu) == 0, "ready before its time");
	check(lep_cuda_break(gpu->slots[0].stream) == LEP_OK, "breaking");
	check(wait_ready(gpu, 0), "a broken batch takes too long");
	check(lep_gpu_collect(gpu, 0, NULL, &err) == LEP_DEVICE && lep_gpu_is_lost(gpu), "%s",
		  err.message);
	check(lep_gpu_submit(loaded, &story->batches[0]->batch, 0, &err) == LEP_DEVICE, "%s",
		  err.message);
	lep_gpu_close(gpu);
	unsetenv("LEPTON_EMULATED_PAUSE");
	check(lep_emulated_held() == 0, "%zu things are left", lep_emulated_held());
}

/* Open an image with one byte changed and a right checksum; where that works, load it and run a batch. */
static bool
run_damaged(LepGpu *gpu, const Pair *pair, size_t at, uint8_t bits, size_t length)
{
	char *image = aligned_alloc(4096, (length + 4095) / 4096 * 4096);
	LepImageHeader *header = (LepImageHeader *) image;
	LepError err = {0};
	LepGpuModel *loaded = NULL;
	LepArena arena;
	LepModel model;
	LepStatus status;

	memcpy(image, pair->images[1], length);
	image[at] = (char) (image[at] ^ bits);
	header->crc = lep_image_crc(header, image + header->desc.offset, image + header->tokens.offset,
								image + header->slots.offset);
	lep_arena_init(&arena, &lep_malloc_allocator, 64u << 20);
	status =
		lep_image_open(image, length, memory_image_hash, pair->gpu.kernels, &arena, &model, &err);
	if (status == LEP_OK)
		status = lep_gpu_model_load(gpu, &model, &loaded, &err);
	if (status == LEP_OK)
	{
		status = run_texts(loaded, &model, 1);
		check(!lep_gpu_is_lost(gpu), "byte %zu ^ %u makes wild pointers", at, bits);
	}
	check(status == LEP_OK || loaded != NULL || err.message[0] != '\0', "no message");
	lep_gpu_model_free(loaded);
	lep_arena_free(&arena);
	free(image);
	return status == LEP_OK;
}

/* Damaged descriptions: refused, or run within the device's memory. */
static void
test_damage(const Story *story)
{
	const LepImageHeader *header;
	LepError err = {0};
	LepGpu *gpu;
	size_t n_run = 0, n = 0;

	if (!check(lep_gpu_open(0, 256u << 20, &lep_malloc_allocator, &gpu, &err) == LEP_OK, "%s",
			   err.message))
		return;
	header = (const LepImageHeader *) story->pairs[1].images[1];
	for (; n < header->desc.bytes && !lep_gpu_is_lost(gpu); n++)
		n_run += run_damaged(gpu, &story->pairs[1], header->desc.offset + n,
							 (uint8_t) (1u << n % 8), header->length);
	check(n_run > 0 && n_run < n, "%zu of %zu damaged models run", n_run, n);
	lep_gpu_close(gpu);
	check(lep_emulated_held() == 0, "%zu things are left", lep_emulated_held());
}

/* More shapes than are kept captured: results stay right, and no more are kept. */
static void
test_many_shapes(const Story *story)
{
	LepError err = {0};
	Pair pair = story->pairs[0];
	LepGpu *gpu;
	size_t before, most = 0;

	if (!check(lep_gpu_open(0, 0, &lep_malloc_allocator, &gpu, &err) == LEP_OK &&
				   lep_gpu_model_load(gpu, &pair.gpu, &pair.loaded, &err) == LEP_OK,
			   "%s", err.message))
		return;
	before = lep_emulated_held();
	for (int round = 0; round < 3; round++)
	{
		for (size_t i = 0; i < 40; i++)
		{
			Tokens *t = make_even_tokens(&pair.gpu, (size_t) 1 << i % 8, 1 + i, i);
			float *expected = run_cpu(&pair.cpu, t);
			LepStatus status;
			float *out = run_gpu(&pair, t, 0, &status, &err);
			Distance off =
				distance(out, expected, t->batch.n_texts, lep_desc_width(pair.gpu.view.desc));

			check(status == LEP_OK && off.worst < 0.04, "%zu texts of %zu: off by %g (%s)",
				  t->batch.n_texts, t->longest, off.worst, err.message);
			most = lep_emulated_held() > most ? lep_emulated_held() : most;
			free(out);
			free(expected);
			free_tokens(t);
		}
	}
	/* Besides captured runs: the slot's three pieces of memory. */
	check(most <= before + LEP_GPU_CAPTURED + 3 && most > before + LEP_GPU_CAPTURED / 2,
		  "%zu things are held, %zu before", most, before);
	lep_gpu_close(gpu);
	check(lep_emulated_held() == 0, "%zu things are left", lep_emulated_held());
}

int
main(void)
{
	LepError err = {0};
	LepStatus status;
	Story story = {0};
	LepGpu *gpu;
	Tokens *batches[PATHS];
	float *expected[PATHS];

	if (!check(lep_gpu_open(0, 0, &lep_malloc_allocator, &gpu, &err) == LEP_OK, "%s", err.message))
		return test_done();
	for (int i = 0; i < PATHS; i++)
	{
		if (!check(dir_folder_open(&dirs[i], paths[i]) &&
					   open_pair(gpu, &dirs[i].folder, paths[i], LEP_TASK_DEFAULT, LEP_F16,
								 &story.pairs[i], &err) == LEP_OK,
				   "%s: %s", paths[i], err.message))
			return test_done();
		story.batches[i] = batches[i] = make_even_tokens(&story.pairs[i].gpu, 3 + i, 5, 1);
		story.expected[i] = expected[i] = run_gpu(&story.pairs[i], batches[i], 0, &status, &err);
		check(status == LEP_OK, "%s", err.message);
		lep_gpu_model_free(story.pairs[i].loaded);
		story.pairs[i].loaded = NULL;
	}
	lep_gpu_close(gpu);
	test_failures(&story);
	test_scarce(&story);
	test_memory(&story);
	test_missing();
	test_break(&story);
	test_damage(&story);
	test_many_shapes(&story);
	for (int i = 0; i < PATHS; i++)
	{
		free(expected[i]);
		free_tokens(batches[i]);
		close_pair(&story.pairs[i]);
	}
	return test_done();
}
