/*
 * json.h: typed, checked access to JSON (parsed by jansson) with errors that
 * name the file and the key.  Objects must be freed with lep_json_free.
 */
#ifndef LEPTON_JSON_H
#define LEPTON_JSON_H

#include <jansson.h>

#include "base.h"

/*
 * The server exports a function json_object of its own, and a library loaded
 * into it would call that one instead of jansson's.
 */
#define json_object() json_pack("{}")

/* Parse text[len]; duplicate keys, NUL in keys, trailing text and depth over 64 are LEP_BAD_FILE. */
LepStatus lep_json_parse(const char *file, const char *text, size_t len, json_t **out,
						 LepError *err);
void lep_json_free(json_t *json);

/*
 * Fetch key of object.  A missing or null key gives fallback and LEP_OK when
 * required is false; a value of another type or out of [min, max] is LEP_BAD_FILE.
 */
LepStatus lep_json_int(const json_t *object, const char *file, const char *key, bool required,
					   int64_t fallback, int64_t min, int64_t max, int64_t *out, LepError *err);
LepStatus lep_json_real(const json_t *object, const char *file, const char *key, bool required,
						double fallback, double min, double max, double *out, LepError *err);
LepStatus lep_json_bool(const json_t *object, const char *file, const char *key, bool required,
						bool fallback, bool *out, LepError *err);
/* *out points into object. */
LepStatus lep_json_string(const json_t *object, const char *file, const char *key, bool required,
						  const char *fallback, const char **out, LepError *err);

#endif
