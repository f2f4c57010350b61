/*
 * guc.h: the settings of lepton, in alphabetical order.
 */
#ifndef LEPTON_GUC_H
#define LEPTON_GUC_H

#include "postgres.h"

#include "../kernels/lepton_kernels.h"

#define LEPTON_MIN_BATCH_ROWS	  1
#define LEPTON_MAX_BATCH_ROWS	  65536
#define LEPTON_DEFAULT_BATCH_ROWS 4096

#define LEPTON_MIN_BATCH_TOKENS		64
#define LEPTON_MAX_BATCH_TOKENS		65536
#define LEPTON_DEFAULT_BATCH_TOKENS 1024

#define LEPTON_MIN_CACHE_MB		16
#define LEPTON_MAX_CACHE_MB		(1024 * 1024)
#define LEPTON_DEFAULT_CACHE_MB 4096

#define LEPTON_MIN_GPU_BATCH_TOKENS		64
#define LEPTON_MAX_GPU_BATCH_TOKENS		32768 /* half of LEP_GPU_TOKENS_MAX */
#define LEPTON_DEFAULT_GPU_BATCH_TOKENS 16896

#define LEPTON_MAX_GPU_MB (1024 * 1024)

extern char *lepton_answer_model;
extern int lepton_batch_rows;
extern int lepton_batch_tokens;
extern int lepton_cache_size;
extern char *lepton_classify_model;
extern char *lepton_cpu_isa;
extern int lepton_device; /* WorkerDevice */
extern char *lepton_embed_model;
extern bool lepton_enable_batching;
extern char *lepton_entities_model;
extern char *lepton_fill_mask_model;
extern int lepton_gpu_batch_tokens;
extern int lepton_gpu_memory; /* MB; 0: what the device has */
extern char *lepton_rerank_model;
extern char *lepton_sparse_embed_model;
extern bool lepton_truncate;
extern char *lepton_zero_shot_model;

/* Define the settings; called by _PG_init. */
void lepton_guc_init(void);

/* The kernels that lepton.cpu_isa asks for; raises when they can't run here. */
const LepKernels *lepton_kernels(void);

#endif
