/*
 * compress.h: makes a compressed copy of a model's files: each linear in the
 * cheapest form that keeps the embeddings, chosen by measurement on sample texts or by
 * name.  It knows no catalog: folders in, a folder out.
 *
 * Use:
 *		LepCompressOptions options = {.precision = "auto", .min_cosine = 0.999};
 *		lep_compress(source, &options, &sample, kernels, &arena, &result, &progress, stop, err);
 *		... store result->folder as a new model, print result->layers ...
 *
 * The new folder holds the old one's files but its weights, one file of
 * compressed weights, and "lepton.json", which says how each of them is to be computed.
 * The same source, options and sample give the same bytes.
 */
#ifndef LEPTON_COMPRESS_H
#define LEPTON_COMPRESS_H

#include "graph.h"

/* Texts to measure on, tokenized by the model's own tokenizer. */
typedef struct LepCompressSample
{
	size_t n_texts, n_tokens;
	const int32_t *ids;		/* [n_tokens] */
	const uint32_t *starts; /* [n_texts + 1] */
} LepCompressSample;

typedef struct LepCompressOptions
{
	const char *precision; /* "auto", or the name of a scheme for all linears */
	double
		min_cosine; /* auto: lowest mean cosine to the original's embeddings, or that of all logits */
	double min_agreement; /* auto, classifiers: lowest share of texts that keep their label */
} LepCompressOptions;

/* One line of the report. */
typedef struct LepCompressLayer
{
	const char *name; /* of the operator, as in lepton_graph() */
	LepScheme scheme;
	double error; /* relative squared error of the operator's output on the sample */
	uint64_t bytes_before, bytes;
} LepCompressLayer;

typedef struct LepCompressResult
{
	LepFolder *folder; /* reads from memory and from the source's folder; lives in the arena */
	const LepCompressLayer *layers;
	size_t n_layers;
	double cosine_mean, cosine_min; /* of the sample's outputs, compressed against original ... */
	/* ... a classifier's mean is the cosine of all texts' logits taken together */
	double agreement;	   /* of labels; 1 for an embedding model */
	const char *precision; /* of the whole, for people: "i8", "bf16", "mixed" */
} LepCompressResult;

typedef struct LepCompressProgress
{
	void (*report)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
} LepCompressProgress;

/*
 * Compress source.  LEP_BAD_INPUT for an unknown precision, or a model that is compressed
 * already; LEP_CANCELLED within 20 ms of stop.
 */
LepStatus lep_compress(const LepSource *source, const LepCompressOptions *options,
					   const LepCompressSample *sample, const LepKernels *kernels, LepArena *arena,
					   LepCompressResult *result, const LepCompressProgress *progress,
					   const LepStop *stop, LepError *err);

/* Texts of many kinds and lengths for those who give no sample; NULL terminated, UTF-8. */
extern const char *const lep_sample_texts[];

#endif
