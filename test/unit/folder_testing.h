/*
 * folder_testing.h: images of model folders in memory, for tests that compare folders with
 * stored answers.
 */
#ifndef LEPTON_FOLDER_TESTING_H
#define LEPTON_FOLDER_TESTING_H

#include <dirent.h>

#include "../tools/dir_folder.h"
#include "../tools/memory_image.h"
#include "testing.h"

/* Make an image of a folder for a task in memory; NULL when that fails. */
static char *
make_image(const char *path, int task, const LepKernels *kernels, uint64_t *size, LepError *err)
{
	static DirFolder dir;
	LepArena arena;
	LepSource *source;
	char *image = NULL;

	if (!dir_folder_open(&dir, path))
		return NULL;
	lep_arena_init(&arena, &lep_malloc_allocator, 0);
	if (lep_source_open(&dir.folder, &arena, task, &source, NULL, err) == LEP_OK)
		image = memory_image(source, kernels, size, err);
	lep_arena_free(&arena);
	return image;
}

/* Check every folder in a folder, with the reference kernels and with the fastest. */
static void
check_folders(const char *path, void (*check_one)(const char *name, const LepKernels *kernels))
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);
	int n_checked = 0;

	for (int i = 0; i < n; i++)
	{
		if (names[i]->d_name[0] != '.')
		{
			check_one(names[i]->d_name, lep_kernels_choose("reference"));
			check_one(names[i]->d_name, lep_kernels_choose("auto"));
			n_checked++;
		}
		free(names[i]);
	}
	free(names);
	check(n_checked > 0, "no folder in %s", path);
}

#endif
