/*
 * guc.c: defines the settings.  It holds no logic but their checks.
 */
#include "postgres.h"

#include "guc.h"
#include "lib/stringinfo.h"
#include "utils/guc.h"
#include "worker/worker.h"

char *lepton_answer_model = NULL;
int lepton_batch_rows = LEPTON_DEFAULT_BATCH_ROWS;
int lepton_batch_tokens = LEPTON_DEFAULT_BATCH_TOKENS;
int lepton_cache_size = LEPTON_DEFAULT_CACHE_MB;
char *lepton_classify_model = NULL;
char *lepton_cpu_isa = NULL;
int lepton_device = WORKER_DEVICE_AUTO;
char *lepton_embed_model = NULL;
bool lepton_enable_batching = true;
char *lepton_entities_model = NULL;
char *lepton_fill_mask_model = NULL;
int lepton_gpu_batch_tokens = LEPTON_DEFAULT_GPU_BATCH_TOKENS;
int lepton_gpu_memory = 0;
char *lepton_rerank_model = NULL;
char *lepton_sparse_embed_model = NULL;
bool lepton_truncate = true;
char *lepton_zero_shot_model = NULL;

/* Values of lepton.device. */
static const struct config_enum_entry device_values[] = {{"auto", WORKER_DEVICE_AUTO, false},
														 {"cpu", WORKER_DEVICE_CPU, false},
														 {"gpu", WORKER_DEVICE_GPU, false},
														 {NULL, 0, false}};

/* Kernels of lepton_cpu_isa, NULL until first use and after a change. */
static const LepKernels *chosen_kernels = NULL;

/* Accept only names of instruction sets */
static bool
check_cpu_isa(char **newval, void **extra, GucSource source)
{
	StringInfoData names;

	for (const char *const *name = lep_kernels_names(); *name != NULL; name++)
		if (strcmp(*newval, *name) == 0)
			return true;
	initStringInfo(&names);
	for (const char *const *name = lep_kernels_names(); *name != NULL; name++)
		appendStringInfo(&names, "%s\"%s\"", names.len ? ", " : "", *name);
	GUC_check_errdetail("Available values are %s.", names.data);
	return false;
}

/* Forget the kernels of the old value */
static void
assign_cpu_isa(const char *newval, void *extra)
{
	chosen_kernels = NULL;
}

/* Choose the kernels */
const LepKernels *
lepton_kernels(void)
{
	if (chosen_kernels == NULL)
	{
		char why[256] = "";

		if (strcmp(lepton_cpu_isa, "blas") == 0 && !lep_blas_load(why, sizeof(why)))
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("could not load OpenBLAS"), errdetail("%s", why),
							errhint("Install libopenblas0, or set lepton.cpu_isa to auto.")));
		chosen_kernels = lep_kernels_choose(lepton_cpu_isa);
		/* A machine without kernels of its own: OpenBLAS is faster there, if it is installed. */
		if (chosen_kernels != NULL && strcmp(lepton_cpu_isa, "auto") == 0 &&
			strcmp(chosen_kernels->isa, "portable") == 0 && lep_blas_load(why, sizeof(why)))
			chosen_kernels = lep_kernels_choose(lepton_cpu_isa);
		if (chosen_kernels == NULL)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("this machine cannot run \"%s\" kernels", lepton_cpu_isa),
							errhint("Set lepton.cpu_isa to auto.")));
	}
	return chosen_kernels;
}

/* Define the setting of a task's default model */
static void
define_model(const char *name, const char *description, char **value)
{
	DefineCustomStringVariable(name, description,
							   "An empty string means the default of lepton_set_default().", value,
							   "", PGC_USERSET, 0, NULL, NULL, NULL);
}

/* Define all settings */
void
lepton_guc_init(void)
{
	define_model("lepton.answer_model", "Sets the default model for answering questions.",
				 &lepton_answer_model);
	DefineCustomIntVariable("lepton.batch_rows",
							"Sets how many rows of a query are read ahead at most.",
							"Rows are read ahead so that a model computes many of them together.",
							&lepton_batch_rows, LEPTON_DEFAULT_BATCH_ROWS, LEPTON_MIN_BATCH_ROWS,
							LEPTON_MAX_BATCH_ROWS, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("lepton.batch_tokens", "Sets how many tokens a batch may hold.",
							"More tokens use more memory; a longer text is a batch of its own.",
							&lepton_batch_tokens, LEPTON_DEFAULT_BATCH_TOKENS,
							LEPTON_MIN_BATCH_TOKENS, LEPTON_MAX_BATCH_TOKENS, PGC_USERSET, 0, NULL,
							NULL, NULL);
	DefineCustomIntVariable("lepton.cache_size", "Sets how much of models a session keeps mapped.",
							"Mapped models are shared by all sessions of a database.",
							&lepton_cache_size, LEPTON_DEFAULT_CACHE_MB, LEPTON_MIN_CACHE_MB,
							LEPTON_MAX_CACHE_MB, PGC_USERSET, GUC_UNIT_MB, NULL, NULL, NULL);
	define_model("lepton.classify_model", "Sets the default model for classifying.",
				 &lepton_classify_model);
	DefineCustomStringVariable("lepton.cpu_isa", "Sets the instruction set of the kernels.",
							   "\"auto\" is the fastest that this machine runs.", &lepton_cpu_isa,
							   "auto", PGC_SUSET, 0, check_cpu_isa, assign_cpu_isa, NULL);
	DefineCustomEnumVariable(
		"lepton.device", "Sets where models run.",
		"\"auto\" is the GPU where there is one that serves, else the CPU; \"gpu\" "
		"raises an error where it cannot.",
		&lepton_device, WORKER_DEVICE_AUTO, device_values, PGC_USERSET, GUC_EXPLAIN, NULL, NULL,
		NULL);
	define_model("lepton.embed_model", "Sets the default model for embedding.",
				 &lepton_embed_model);
	DefineCustomBoolVariable("lepton.enable_batching",
							 "Lets queries compute calls for many rows together.",
							 "When off, each row is computed alone.", &lepton_enable_batching, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	define_model("lepton.entities_model", "Sets the default model for finding entities.",
				 &lepton_entities_model);
	define_model("lepton.fill_mask_model", "Sets the default model for filling masks.",
				 &lepton_fill_mask_model);
	DefineCustomIntVariable("lepton.gpu_batch_tokens",
							"Sets how many tokens a batch for the GPU may hold.",
							"The GPU joins the batches of all sessions.", &lepton_gpu_batch_tokens,
							LEPTON_DEFAULT_GPU_BATCH_TOKENS, LEPTON_MIN_GPU_BATCH_TOKENS,
							LEPTON_MAX_GPU_BATCH_TOKENS, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("lepton.gpu_memory",
							"Sets how much of the GPU's memory models and batches may take.",
							"0 is what the GPU has.", &lepton_gpu_memory, 0, 0, LEPTON_MAX_GPU_MB,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	define_model("lepton.rerank_model", "Sets the default model for reranking.",
				 &lepton_rerank_model);
	define_model("lepton.sparse_embed_model", "Sets the default model for sparse embeddings.",
				 &lepton_sparse_embed_model);
	DefineCustomBoolVariable("lepton.truncate", "Cuts texts that are too long for the model.",
							 "When off, such a text is an error.", &lepton_truncate, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	define_model("lepton.zero_shot_model",
				 "Sets the default model for classifying by given labels.",
				 &lepton_zero_shot_model);
	MarkGUCPrefixReserved("lepton");
}
