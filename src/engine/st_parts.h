/*
 * st_parts.h: what the readers of sentence-transformers' files share.
 */
#ifndef LEPTON_ST_PARTS_H
#define LEPTON_ST_PARTS_H

#include "json.h"
#include "st_modules.h"

/* Refuse a key whose value asks for something lepton does not do; expected may be NULL. */
LepStatus lep_st_unsupported(const char *file, const char *key, const char *expected,
							 LepError *err);
/* Refuse a key whose value has a type that its reader can't use. */
LepStatus lep_st_wrong_type(const char *file, const char *key, const char *expected, LepError *err);
/* Is key one of names, which ends at NULL? */
bool lep_st_among(const char *key, const char *const *names);
/* Refuse keys of object that are not among names. */
LepStatus lep_st_check_keys(json_t *object, const char *file, const char *const *names,
							LepError *err);

#endif
