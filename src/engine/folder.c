/*
 * folder.c: names and small files of a model's folder; judges names, reads
 * through the owner's callback, knows no file system.
 */
#define LEPTON_ENGINE_SOURCE
#include "folder.h"

#include <string.h>

/* Files of a fixed name that the engine may read. */
static const char *const wanted[] = {
	"adapter_config.json",
	"added_tokens.json",
	"config.json",
	"config_sentence_transformers.json",
	"lepton.json",
	"merges.txt",
	"modules.json",
	"sentence_albert_config.json",
	"sentence_bert_config.json",
	"sentence_camembert_config.json",
	"sentence_distilbert_config.json",
	"sentence_roberta_config.json",
	"sentence_xlm-roberta_config.json",
	"sentence_xlnet_config.json",
	"sentencepiece.bpe.model",
	"special_tokens_map.json",
	"spiece.model",
	"spm.model",
	"tokenizer.json",
	"tokenizer_config.json",
	"vocab.json",
	"vocab.txt",
};

/* Find a file by its path. */
int
lep_folder_find(const LepFolder *folder, const char *path)
{
	for (size_t i = 0; i < folder->n_files; i++)
	{
		if (strcmp(folder->files[i].path, path) == 0)
			return (int) i;
	}
	return -1;
}

/* Read a whole small file, NUL terminated. */
LepStatus
lep_folder_slurp(LepFolder *folder, const char *path, LepArena *arena, char **text, size_t *len,
				 LepError *err)
{
	char quoted[LEP_QUOTE_SIZE];
	int file = lep_folder_find(folder, path);
	uint64_t size;
	LepStatus status;

	*text = NULL;
	*len = 0;
	lep_error_quote(quoted, sizeof(quoted), path, strlen(path));
	if (file < 0)
		return lep_error(err, LEP_MISSING, "file \"%s\" is missing", quoted);
	size = folder->files[file].size;
	if (size > LEP_TEXT_FILE_MAX)
	{
		lep_error(err, LEP_TOO_LARGE, "file \"%s\" is too large", quoted);
		lep_error_detail(err, "It has %llu bytes; at most %d are allowed.",
						 (unsigned long long) size, LEP_TEXT_FILE_MAX);
		return LEP_TOO_LARGE;
	}
	*text = lep_arena_alloc(arena, (size_t) size + 1);
	if (*text == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", quoted);
	if (size > 0)
	{
		status = folder->read(folder->ctx, (size_t) file, 0, *text, (size_t) size, err);
		if (status != LEP_OK)
			return status;
	}
	(*text)[size] = '\0';
	*len = (size_t) size;
	folder->files[file].used = true;
	return LEP_OK;
}

/* Is part[len] a plain name: not hidden, not "..", nothing unprintable? */
static bool
is_plain_name(const char *part, size_t len)
{
	if (len == 0 || part[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) part[i] < 0x20 || part[i] == 0x7F || part[i] == '\\')
			return false;
	}
	return true;
}

/* Does name end with suffix and have something before it? */
static bool
ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name);
	size_t m = strlen(suffix);

	return n > m && memcmp(name + n - m, suffix, m) == 0;
}

/* May this path belong to a model? */
bool
lep_folder_wants(const char *path)
{
	const char *slash = strchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;

	if (strlen(path) > LEP_PATH_MAX || strchr(name, '/') != NULL ||
		!is_plain_name(name, strlen(name)) ||
		(slash != NULL && !is_plain_name(path, (size_t) (slash - path))))
		return false;
	if (ends_with(name, ".safetensors") || ends_with(name, ".safetensors.index.json"))
		return true;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
	{
		if (strcmp(name, wanted[i]) == 0)
			return true;
	}
	return false;
}
