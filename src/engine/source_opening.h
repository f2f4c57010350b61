/*
 * source_opening.h: what the steps of lep_source_open share; private to
 * source.c, source_tokenizer.c and source_precision.c.
 */
#ifndef LEPTON_SOURCE_OPENING_H
#define LEPTON_SOURCE_OPENING_H

#include "families/family.h"
#include "source.h"
#include "st_modules.h"

#define LEP_OPENING_PATH (LEP_NAME_MAX + 64) /* bytes of a file's path built on the way */

typedef struct LepOpening
{
	LepFolder *folder;
	LepArena *arena;
	int wanted; /* LepTask or LEP_TASK_DEFAULT */
	const LepStop *stop;
	LepError *err;
	LepSource *s;
	LepDesc *desc;
	LepStModules *st; /* NULL: no modules.json, or not for this task */
	const LepFamily *family;
	const char *dir;	 /* the transformer's folder, with '/' at its end, or "" */
	const char **labels; /* [desc->n_labels] */
} LepOpening;

/* Report that memory ran out. */
LepStatus lep_opening_no_memory(const LepOpening *o);

/* Path of one of the transformer's files. */
const char *lep_opening_path(const LepOpening *o, char path[LEP_OPENING_PATH], const char *name);

/* Does sentence-transformers say how texts are prepared? */
bool lep_opening_sentences(const LepOpening *o);

/* Read the tokenizer, the limit of a text's length and the prompt's tokens. */
LepStatus lep_opening_tokenizer(LepOpening *o);

/* Find the mask token, for the task that fills it in. */
struct LepTokenizer;
LepStatus lep_opening_mask(LepOpening *o, const struct LepTokenizer *tok);

/* Read "lepton.json", if there is one, and put the precision string behind the other texts. */
LepStatus lep_opening_precision(LepOpening *o);

#endif
