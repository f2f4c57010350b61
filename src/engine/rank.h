/*
 * rank.h: what a cross-encoder does to its one logit, as sentence-transformers
 * decides it.
 */
#ifndef LEPTON_RANK_H
#define LEPTON_RANK_H

#include "desc.h"
#include "folder.h"
#include "json.h"

/*
 * Read the activation into desc->rank_act: key "activation_fn" of config_sentence_transformers.json, or
 * what config (of file) says, or a sigmoid.  Classes of torch without arguments are known.
 */
LepStatus lep_rank_read(LepFolder *folder, LepArena *arena, const json_t *config, const char *file,
						LepDesc *desc, LepError *err);

#endif
