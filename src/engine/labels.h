/*
 * labels.h: the labels of texts or tokens and what their scores mean, as transformers'
 * configuration class and pipelines decide them.
 */
#ifndef LEPTON_LABELS_H
#define LEPTON_LABELS_H

#include "desc.h"
#include "json.h"

/*
 * Read id2label, num_labels and, for texts, problem_type of config.json (file names it for errors) into
 * desc->n_labels and desc->problem; desc->task is set.  labels[n_labels] go to the arena.
 */
LepStatus lep_labels_read(const json_t *config, const char *file, LepArena *arena, LepDesc *desc,
						  const char ***labels, LepError *err);

#endif
