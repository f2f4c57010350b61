/*
 * test_gpu.c: graphs on the GPU, emulated unless LEPTON_TEST_DEVICE is defined: every small folder and task against the
 * CPU in f32, captured runs against others, two slots at once, what is refused.
 */
#include "../../kernels/ref.h"
#include "gpu_testing.h"
#include "graph_testing.h"
#include "narrow_bert.h"

#ifndef LEPTON_TEST_DEVICE
#include "../emulated/emulated.h"
#endif

/*
 * Most that rows may be off.  These models are random and narrow, so that single rows lose much more by rounding than
 * those of trained ones; what is wrong is off by about 1.
 */
static const Distance tolerances[] = {[LEP_F16] = {0.04, 0.015}, [LEP_BF16] = {0.4, 0.1}};

static Distance most[3];

/* Fill a slot's memory with NaNs: nothing that stood there may reach a row. */
static void
poison(LepGpu *gpu, int number)
{
	LepGpuSlot *slot = &gpu->slots[number];
	void *bytes = malloc(slot->bytes + 1);

	memset(bytes, 0xff, slot->bytes);
	check(lep_cuda_upload(slot->stream, slot->memory, bytes, slot->bytes) == LEP_OK, "poison: %s",
		  lep_cuda_reason(gpu->cuda));
	free(bytes);
}

/* Compare a batch on the GPU with the CPU. */
static void
check_batch(Pair *pair, const Tokens *t, int slot, LepDtype numbers, const char *what)
{
	LepError err = {0};
	LepStatus status;
	float *expected = run_cpu(&pair->cpu, t);
	float *out;
	Distance off;

	poison(pair->loaded->gpu, slot);
	out = run_gpu(pair, t, slot, &status, &err);
	off = distance(out, expected, lep_graph_out_rows(pair->gpu.graph, &t->batch),
				   lep_desc_width(pair->gpu.view.desc));

	if (check(status == LEP_OK, "%s, %s: %s (%s)", pair->name, what, err.message, err.detail))
		check(off.worst <= tolerances[numbers].worst && off.mean <= tolerances[numbers].mean,
			  "%s, %s, %s: off by %g, %g in the mean", pair->name, what,
			  numbers == LEP_F16 ? "f16" : "bf16", off.worst, off.mean);
	most[numbers].worst = fmax(most[numbers].worst, off.worst);
	most[numbers].mean = fmax(most[numbers].mean, off.mean);
	free(out);
	free(expected);
}

/* Run one batch three times with another of its bucket in between: direct, captured, launched again; all bits are the same. */
static void
check_captured(Pair *pair, const Tokens *t, const Tokens *other, const char *what)
{
	size_t bytes = output_values(&pair->gpu, t) * sizeof(float);
	float *first = NULL;

	for (int i = 0; i < 5; i++)
	{
		LepError err = {0};
		LepStatus status;
		float *out;

		if (i == 3)
			poison(pair->loaded->gpu, 0);
		out = run_gpu(pair, i % 2 == 0 ? t : other, 0, &status, &err);
		check(status == LEP_OK, "%s, %s: %s (%s)", pair->name, what, err.message, err.detail);
		if (i == 0)
			first = out;
		else if (i % 2 == 0)
			check(memcmp(out, first, bytes) == 0, "%s, %s: run %d has other bits", pair->name, what,
				  i);
		if (i > 0)
			free(out);
	}
	free(first);
}

/* Batches of all shapes on one model. */
static void
check_shapes(Pair *pair, LepDtype numbers)
{
	size_t longest = pair->gpu.graph->max_len;
	/* As many tokens and texts, the longest of other buckets. */
	const size_t even[] = {30, 30, 30, 30}, uneven[] = {40, 27, 27, 26};
	size_t mixed[300];
	uint64_t random = 7;
	Tokens *batches[8];
	const char *const names[] = {"one token",  "one long text", "several texts",
								 "many texts", "none picked",	"others of a bucket"};

	for (size_t i = 0; i < 300; i++)
		mixed[i] = 1 + random_below(&random, longest < 12 ? longest : 12);
	mixed[3] = longest < 60 ? longest : 60;
	batches[0] = make_even_tokens(&pair->gpu, 1, 1, 1);
	batches[1] = make_even_tokens(&pair->gpu, 1, longest < 400 ? longest : 400, 2);
	batches[2] = make_tokens(&pair->gpu, mixed, 9, true, 3);
	batches[3] = make_tokens(&pair->gpu, mixed, 300, true, 4);
	batches[4] = make_tokens(&pair->gpu, mixed, 5, false, 5);
	batches[5] = make_tokens(&pair->gpu, mixed, 9, true, 6);
	batches[6] = make_tokens(&pair->gpu, uneven, 4, true, 7);
	batches[7] = make_tokens(&pair->gpu, even, 4, true, 8);
	for (int i = 0; i < 5; i++)
		check_batch(pair, batches[i], i % 2, numbers, names[i]);
	check_captured(pair, batches[2], batches[5], names[2]);
	check_captured(pair, batches[1], batches[1], names[1]);
	check_captured(pair, batches[6], batches[7], "another longest text");
	/* The large batch makes the memory grow or not: what was captured must notice. */
	check_batch(pair, batches[3], 0, numbers, names[3]);
	check_captured(pair, batches[2], batches[5], "after many texts");
	for (int i = 0; i < 8; i++)
		free_tokens(batches[i]);
}

/* Every task that a folder serves. */
static void
check_folder(LepGpu *gpu, const char *path, LepDtype numbers)
{
	static DirFolder dir;
	int n_tasks = 0;

	if (!check(dir_folder_open(&dir, path), "%s is not there", path))
		return;
	for (int task = 0; task < LEP_TASK_COUNT; task++)
	{
		LepError err = {0};
		Pair pair;
		LepStatus status = open_pair(gpu, &dir.folder, path, task, numbers, &pair, &err);

		if (status == LEP_OK)
			check_shapes(&pair, numbers);
		else
			check(pair.images[1] == NULL, "%s, %s: %s (%s)", path, lep_task_name((LepTask) task),
				  err.message, err.detail);
		n_tasks += status == LEP_OK;
		close_pair(&pair);
	}
	check(n_tasks > 0, "%s serves no task", path);
}

/* Every folder below a folder. */
static void
check_all(LepGpu *gpu, const char *root, LepDtype numbers)
{
	struct dirent **names = NULL;
	int n = scandir(root, &names, NULL, alphasort);
	int n_checked = 0;

	for (int i = 0; i < n; i++)
	{
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", root, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
		{
			check_folder(gpu, path, numbers);
			n_checked++;
		}
		free(names[i]);
	}
	free(names);
	check(n_checked > 0, "no folder in %s", root);
}

/* Shapes that folders do not have: several layers, wide heads, all pools, modules; weights of every scheme. */
static void
check_random(LepGpu *gpu, LepDtype numbers)
{
	static const NarrowSpec specs[] = {
		{.base = {.name = "wide",
				  .layers = 3,
				  .hidden = 256,
				  .heads = 2,
				  .inter = 512,
				  .vocab = 500,
				  .positions = 512,
				  .types = 2,
				  .act = "gelu",
				  .pools = "[\"mean\"]",
				  .normalize = true}},
		{.base = {.name = "odd heads",
				  .layers = 2,
				  .hidden = 104,
				  .heads = 4,
				  .inter = 40,
				  .vocab = 50,
				  .positions = 64,
				  .types = 2,
				  .act = "silu",
				  .dtype = LEP_BF16,
				  .pools = "[\"cls\"]"}},
		{.base = {.name = "all pools",
				  .layers = 1,
				  .hidden = 16,
				  .heads = 2,
				  .inter = 48,
				  .vocab = 41,
				  .positions = 64,
				  .types = 2,
				  .act = "gelu_new",
				  .dtype = LEP_F16,
				  .pools = "[\"cls\",\"max\",\"mean\",\"mean_sqrt_len_tokens\",\"weightedmean\","
						   "\"lasttoken\"]",
				  .norm = true}},
		{.base = {.name = "modules",
				  .layers = 1,
				  .hidden = 32,
				  .heads = 4,
				  .inter = 64,
				  .vocab = 50,
				  .positions = 64,
				  .types = 2,
				  .act = "relu",
				  .pools = "[\"weightedmean\",\"mean\"]",
				  .prompt = "ah ai",
				  .skip_prompt = true,
				  .dense = 24,
				  .norm = true,
				  .normalize = true,
				  .truncate_dim = 7}},
		{.base = {.name = "compressed",
				  .layers = 2,
				  .hidden = 64,
				  .heads = 4,
				  .inter = 96,
				  .vocab = 50,
				  .positions = 64,
				  .types = 2,
				  .act = "gelu",
				  .pools = "[\"mean\"]"},
		 .linears = "saz4hb",
		 .tables = "8hb",
		 .input_scale = true},
	};

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
	{
		TinyModel *m =
			specs[i].linears != NULL ? narrow_make(&specs[i], false) : tiny_make(&specs[i].base);
		LepError err = {0};
		Pair pair;

		if (check(open_pair(gpu, &m->folder, m->spec.name, LEP_TASK_DEFAULT, numbers, &pair,
							&err) == LEP_OK,
				  "%s: %s (%s)", m->spec.name, err.message, err.detail))
			check_shapes(&pair, numbers);
		close_pair(&pair);
		tiny_free(m);
	}
}

/* Two models, two slots, batches of several sizes in flight at once: every one has the bits that it has alone. */
static void
test_slots(LepGpu *gpu)
{
	static DirFolder dirs[2];
	const char *const paths[] = {"test/data/families/modernbert-mask", "test/data/tiny"};
	Pair pairs[2];
	Tokens *batches[2][4];
	float *alone[2][4];
	LepError err = {0};
	LepStatus status;
	LepGpuMemory memory;

	for (int i = 0; i < 2; i++)
	{
		if (!check(dir_folder_open(&dirs[i], paths[i]) &&
					   open_pair(gpu, &dirs[i].folder, paths[i], LEP_TASK_DEFAULT, LEP_F16,
								 &pairs[i], &err) == LEP_OK,
				   "%s: %s", paths[i], err.message))
			return;
		for (size_t j = 0; j < 4; j++)
		{
			batches[i][j] = make_even_tokens(&pairs[i].gpu, 1 + j * j * 40, 5 + j, j);
			alone[i][j] = run_gpu(&pairs[i], batches[i][j], (int) j % 2, &status, &err);
			check(status == LEP_OK, "alone: %s", err.message);
		}
	}
	for (int round = 0; round < 60; round++)
	{
		int model[2], batch[2];
		float *out[2];

		for (int slot = 0; slot < 2; slot++)
		{
			model[slot] = (round >> slot) & 1;
			batch[slot] = (round * 7 + slot * 3) % 4;
			check(lep_gpu_submit(pairs[model[slot]].loaded,
								 &batches[model[slot]][batch[slot]]->batch, slot, &err) == LEP_OK,
				  "submit: %s", err.message);
		}
		check(lep_gpu_submit(pairs[0].loaded, &batches[0][0]->batch, round % 2, &err) ==
				  LEP_BAD_INPUT,
			  "a slot was taken twice");
		for (int i = 0; i < 2; i++)
		{
			int slot = (round >> 2 & 1) ^ i;
			const Tokens *t = batches[model[slot]][batch[slot]];
			size_t bytes = output_values(&pairs[model[slot]].gpu, t) * sizeof(float);

			out[slot] = malloc(bytes + 1);
			check(round % 3 == 0 || wait_ready(gpu, slot), "slot %d takes too long", slot);
			check(lep_gpu_collect(gpu, slot, out[slot], &err) == LEP_OK, "collect: %s",
				  err.message);
			check(memcmp(out[slot], alone[model[slot]][batch[slot]], bytes) == 0,
				  "round %d: model %d, batch %d has other bits in slot %d", round, model[slot],
				  batch[slot], slot);
			free(out[slot]);
		}
	}
	check(lep_gpu_ready(gpu) == 0, "a free slot is ready");
	check(lep_gpu_collect(gpu, 0, NULL, &err) == LEP_BAD_INPUT, "a free slot was collected");
	check(lep_gpu_submit(pairs[0].loaded, &batches[0][0]->batch, LEP_GPU_SLOTS, &err) ==
			  LEP_BAD_INPUT,
		  "a slot that is none");
	/* A model may go while its batch runs. */
	check(lep_gpu_submit(pairs[0].loaded, &batches[0][3]->batch, 1, &err) == LEP_OK, "%s",
		  err.message);
	lep_gpu_model_free(pairs[0].loaded);
	pairs[0].loaded = NULL;
	check(lep_gpu_ready(gpu) == 0, "the batch of a freed model is ready");
	lep_gpu_memory(gpu, &memory);
	check(memory.used == memory.batch + lep_gpu_model_bytes(pairs[1].loaded) && memory.batch > 0,
		  "%llu bytes in use, %llu for batches", (unsigned long long) memory.used,
		  (unsigned long long) memory.batch);
	for (int i = 0; i < 2; i++)
	{
		for (int j = 0; j < 4; j++)
		{
			free_tokens(batches[i][j]);
			free(alone[i][j]);
		}
		close_pair(&pairs[i]);
	}
}

/* Submit a batch that must be refused with the CPU's words, or be taken where wanted is LEP_OK. */
static void
check_refused(Pair *pair, const LepBatch *batch, LepStatus wanted, const char *what)
{
	LepError err = {0};
	LepStatus status = lep_gpu_submit(pair->loaded, batch, 0, &err);

	check(status == wanted, "%s: status %d (%s), expected %d", what, (int) status, err.message,
		  (int) wanted);
	if (status == LEP_OK)
		check(lep_gpu_collect(pair->loaded->gpu, 0, NULL, &err) == LEP_OK, "%s: %s", what,
			  err.message);
}

/* What the CPU refuses the GPU refuses, and what is beyond its limits. */
static void
test_bad_input(LepGpu *gpu)
{
	static DirFolder dir;
	static int32_t ids[LEP_GPU_TOKENS_MAX + 1];
	static uint32_t starts[LEP_GPU_TOKENS_MAX + 2];
	const uint32_t bad_starts[][3] = {{0, 0, 7}, {0, 8, 7}, {1, 4, 7}, {0, 4, 6}};
	const uint32_t good_starts[] = {0, 4, 7};
	LepBatch batch = {2, 7, ids, NULL, good_starts, NULL, 0};
	LepError err = {0};
	LepGpuModel *loaded;
	Pair pair;

	if (!check(dir_folder_open(&dir, "test/data/tiny") &&
				   open_pair(gpu, &dir.folder, "tiny", LEP_TASK_DEFAULT, LEP_F16, &pair, &err) ==
					   LEP_OK,
			   "%s", err.message))
		return;
	check_refused(&pair, &batch, LEP_OK, "good batch, no types");
	ids[6] = (int32_t) pair.gpu.graph->vocab;
	check_refused(&pair, &batch, LEP_BAD_INPUT, "id behind the vocabulary");
	ids[6] = -1;
	check_refused(&pair, &batch, LEP_BAD_INPUT, "negative id");
	ids[6] = 0;
	for (size_t i = 0; i < 4; i++)
	{
		batch.starts = bad_starts[i];
		check_refused(&pair, &batch, LEP_BAD_INPUT, "bad starts");
	}
	for (size_t i = 0; i < LEP_GPU_TOKENS_MAX + 2; i++)
		starts[i] = (uint32_t) i;
	batch = (LepBatch){LEP_GPU_TEXTS_MAX, LEP_GPU_TEXTS_MAX, ids, NULL, starts, NULL, 0};
	check_refused(&pair, &batch, LEP_OK, "as many texts as can be");
	batch.n_texts = batch.n_tokens = LEP_GPU_TEXTS_MAX + 1;
	check_refused(&pair, &batch, LEP_TOO_LARGE, "one text more");
	batch.n_tokens = LEP_GPU_TOKENS_MAX + 1;
	check_refused(&pair, &batch, LEP_TOO_LARGE, "one token more");
	starts[1] = 65;
	batch = (LepBatch){1, 65, ids, NULL, starts, NULL, 0};
	check_refused(&pair, &batch, LEP_TOO_LARGE, "text beyond the positions");
	batch = (LepBatch){0, 0, NULL, NULL, starts, NULL, 0};
	check(lep_gpu_submit(pair.loaded, &batch, 1, &err) == LEP_OK && wait_ready(gpu, 1) &&
			  lep_gpu_collect(gpu, 1, NULL, &err) == LEP_OK,
		  "a batch of no texts: %s", err.message);
	check(lep_gpu_model_load(gpu, &pair.cpu, &loaded, &err) == LEP_BAD_INPUT && loaded == NULL,
		  "a model of the CPU was loaded");
	check(lep_kernels_gpu(LEP_F32) == NULL && lep_kernels_gpu(LEP_I8) == NULL, "other numbers");
	batch = (LepBatch){2, 7, ids, NULL, good_starts, NULL, 0};
	check(lep_graph_run(pair.gpu.graph, &batch, starts, sizeof(starts), NULL, NULL, &err) ==
			  LEP_UNSUPPORTED,
		  "a GPU's graph ran on the CPU");
	close_pair(&pair);
}

/* Numbers that are none, and numbers beyond f16, surface as on the CPU. */
static void
test_not_finite(LepGpu *gpu)
{
	const TinySpec spec = {.name = "classifier",
						   .layers = 1,
						   .hidden = 32,
						   .heads = 2,
						   .inter = 64,
						   .vocab = 50,
						   .positions = 64,
						   .types = 2,
						   .act = "gelu",
						   .labels = 8};
	const float values[] = {NAN, 1e6f};

	for (int i = 0; i < 2; i++)
	{
		TinyModel *m = tiny_make(&spec);
		LepError errs[2] = {{0}, {0}};
		LepStatus status = LEP_OK;
		Pair pair;

		/* The last tensor of the file is the classifier's bias. */
		memcpy(m->bytes[0].bytes + m->bytes[0].size - 4, &values[i], 4);
		if (check(open_pair(gpu, &m->folder, "classifier", LEP_TASK_DEFAULT, LEP_F16, &pair,
							&errs[1]) == LEP_OK,
				  "%s", errs[1].message))
		{
			Tokens *t = make_even_tokens(&pair.gpu, 3, 5, 1);

			free(run_gpu(&pair, t, 0, &status, &errs[1]));
			check(status == LEP_NOT_FINITE && strstr(errs[1].detail, "Value 8 of text 1") != NULL,
				  "status %d: %s", (int) status, errs[1].detail);
			free_tokens(t);
		}
		close_pair(&pair);
		tiny_free(m);
	}
}

/* Packed weights are the numbers nearest to them. */
static void
test_packing(void)
{
	const LepKernels *kernels[] = {lep_kernels_gpu(LEP_F16), lep_kernels_gpu(LEP_BF16)};
	size_t wrong = 0;

	for (uint64_t i = 0; i < (uint64_t) 1 << 32; i += 99991)
	{
		float tries[3];
		uint16_t packed[3];
		uint32_t bits = (uint32_t) i;

		memcpy(&tries[0], &bits, 4);
		tries[1] = lep_ref_from_f16((uint16_t) (bits >> 16));
		/* Half way between two f16. */
		tries[2] = tries[1] + (lep_ref_from_f16((uint16_t) ((bits >> 16) + 1)) - tries[1]) / 2;
		for (int k = 0; k < 2; k++)
		{
			kernels[k]->linear_pack(tries, 1, 3, packed);
			for (int j = 0; j < 3; j++)
			{
				uint16_t expected = k == 0 ? lep_ref_to_f16(tries[j]) : lep_ref_to_bf16(tries[j]);

				wrong += packed[j] != expected && !isnan(tries[j]);
				wrong += isnan(tries[j]) && !isnan(k == 0 ? lep_ref_from_f16(packed[j])
														  : lep_ref_from_bf16(packed[j]));
			}
		}
	}
	check(wrong == 0, "%zu numbers are packed wrongly", wrong);
	check(kernels[0]->linear_packed_size(SIZE_MAX / 2, 2) == 0, "a size overflows");
}

int
main(void)
{
	LepError err = {0};
	LepGpuInfo info;
	LepGpu *gpu;

	test_packing();
	if (check(lep_gpu_probe(&info, &err) == LEP_OK && info.devices > 0, "%s (%s)", err.message,
			  err.detail) &&
		check(lep_gpu_open(0, 0, &lep_malloc_allocator, &gpu, &err) == LEP_OK, "%s (%s)",
			  err.message, err.detail))
	{
		for (LepDtype numbers = LEP_F16; numbers <= LEP_BF16; numbers++)
		{
			check_all(gpu, "test/data/families", numbers);
			check_all(gpu, "test/data/layouts", numbers);
			check_random(gpu, numbers);
		}
		test_slots(gpu);
		test_bad_input(gpu);
		test_not_finite(gpu);
		check(!lep_gpu_is_lost(gpu), "the device is lost");
		lep_gpu_close(gpu);
	}
#ifndef LEPTON_TEST_DEVICE
	check(lep_emulated_launches() > 100, "%zu launches of captured work", lep_emulated_launches());
	check(lep_emulated_held() == 0, "%zu things of the device are left", lep_emulated_held());
#endif
	printf("off by at most: f16 %g (mean %g), bf16 %g (%g)\n", most[LEP_F16].worst,
		   most[LEP_F16].mean, most[LEP_BF16].worst, most[LEP_BF16].mean);
	return test_done();
}
