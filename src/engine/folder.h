/*
 * folder.h: a Hugging Face folder as the engine sees it: names, sizes and a
 * way to read bytes.  Whoever owns the bytes (a directory, catalog chunks, a
 * user's table, memory in a test) implements read.
 */
#ifndef LEPTON_FOLDER_H
#define LEPTON_FOLDER_H

#include "base.h"

#define LEP_PATH_MAX	  255		 /* bytes of a relative path */
#define LEP_TEXT_FILE_MAX (64 << 20) /* bytes of a JSON or vocabulary file */

typedef struct LepFile
{
	const char *path; /* relative, '/' between parts: "1_Pooling/config.json" */
	uint64_t size;
	bool used; /* set by lep_source_open: the model needs this file */
} LepFile;

typedef struct LepFolder
{
	LepFile *files;
	size_t n_files;
	/*
	 * Copy len bytes at offset of files[file] to dst.  Returns LEP_OK, or
	 * LEP_IO or LEP_CANCELLED with err filled (or left to the caller, who
	 * keeps the richer error in ctx).
	 */
	LepStatus (*read)(void *ctx, size_t file, uint64_t offset, void *dst, size_t len,
					  LepError *err);
	void *ctx;
} LepFolder;

/* Index of the file called path, or -1. */
int lep_folder_find(const LepFolder *folder, const char *path);

/*
 * Read a whole small file, NUL terminated, into the arena; marks it used.
 * LEP_MISSING when it is not there, LEP_TOO_LARGE above LEP_TEXT_FILE_MAX.
 */
LepStatus lep_folder_slurp(LepFolder *folder, const char *path, LepArena *arena, char **text,
						   size_t *len, LepError *err);

/*
 * May this relative path belong to a model?  True for the JSON and text files
 * and safetensors that lep_source_open can use, at the top or one folder down;
 * lets a directory walk skip the rest (other formats, documentation).
 */
bool lep_folder_wants(const char *path);

#endif
