/*
 * dir_folder.h: a directory as a LepFolder, for command line tools and unit
 * tests: files at the top and one folder down, read with pread.
 */
#ifndef LEPTON_DIR_FOLDER_H
#define LEPTON_DIR_FOLDER_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/engine/folder.h"

#define DIR_FOLDER_FILES 256

typedef struct DirFolder
{
	LepFolder folder;
	LepFile files[DIR_FOLDER_FILES];
	char paths[DIR_FOLDER_FILES][LEP_PATH_MAX + 1];
	char root[1024];
} DirFolder;

/* Read a piece of a file. */
static inline LepStatus
dir_folder_read(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	DirFolder *dir = ctx;
	char path[2048];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir->root, dir->paths[file]);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
	{
		n = pread(fd, dst, len, (off_t) offset);
		close(fd);
	}
	if (n != (ssize_t) len)
		return lep_error(err, LEP_IO, "could not read file \"%s\"", dir->paths[file]);
	return LEP_OK;
}

/* List the files of a folder under root that a model may use. */
static inline bool
dir_folder_list(DirFolder *dir, const char *below)
{
	char path[2048];
	struct dirent *entry;
	DIR *handle;

	snprintf(path, sizeof(path), "%s/%s", dir->root, below);
	handle = opendir(path);
	if (handle == NULL)
		return false;
	while ((entry = readdir(handle)) != NULL)
	{
		char name[LEP_PATH_MAX + 1];
		struct stat info;

		if (entry->d_name[0] == '.' ||
			(size_t) snprintf(name, sizeof(name), "%s%s%s", below, below[0] ? "/" : "",
							  entry->d_name) >= sizeof(name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir->root, name);
		if (stat(path, &info) != 0)
			continue;
		if (S_ISDIR(info.st_mode) && below[0] == '\0')
			dir_folder_list(dir, name);
		else if (S_ISREG(info.st_mode) && lep_folder_wants(name) &&
				 dir->folder.n_files < DIR_FOLDER_FILES)
		{
			size_t i = dir->folder.n_files++;

			strcpy(dir->paths[i], name);
			dir->files[i].path = dir->paths[i];
			dir->files[i].size = (uint64_t) info.st_size;
			dir->files[i].used = false;
		}
	}
	closedir(handle);
	return true;
}

/* Open the directory root; false when it is not there. */
static inline bool
dir_folder_open(DirFolder *dir, const char *root)
{
	memset(dir, 0, sizeof(*dir));
	snprintf(dir->root, sizeof(dir->root), "%s", root);
	dir->folder.files = dir->files;
	dir->folder.read = dir_folder_read;
	dir->folder.ctx = dir;
	return dir_folder_list(dir, "");
}

#endif
