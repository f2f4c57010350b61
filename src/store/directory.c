/*
 * directory.c: a folder on the disk of the server, top and one level down, as
 * a LepFolder.  It checks the right to read server files, follows symbolic links (download caches
 * are made of them), opens regular files only, and never blocks on what is not one.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#include "internal.h"

#define MAX_ENTRIES 100000 /* looked at in one folder and its subfolders */

typedef struct Directory
{
	LepFolder folder;
	const char *path;
	int capacity;
	int entries; /* looked at so far */
	int file;	 /* open file, or -1 */
	int fd;
} Directory;

/* Arguments of a read, for lepton_guard. */
typedef struct DirectoryRead
{
	Directory *directory;
	size_t file;
	uint64 offset;
	char *dst; /* [len] */
	size_t len;
} DirectoryRead;

/* SQLSTATE of an errno, never an internal error */
static int
errno_sqlstate(int code)
{
	switch (code)
	{
		case EPERM:
		case EACCES:
		case EROFS:
			return ERRCODE_INSUFFICIENT_PRIVILEGE;
		case ENOENT:
			return ERRCODE_UNDEFINED_FILE;
		case ENOTDIR:
		case EISDIR:
		case ELOOP:
		case ENXIO:
		case ENODEV:
			return ERRCODE_WRONG_OBJECT_TYPE;
		case ENAMETOOLONG:
		case EINVAL:
			return ERRCODE_INVALID_NAME;
		case ENOMEM:
			return ERRCODE_OUT_OF_MEMORY;
		case EMFILE:
		case ENFILE:
			return ERRCODE_INSUFFICIENT_RESOURCES;
		default:
			return ERRCODE_IO_ERROR;
	}
}

/* Raise that a file system call failed */
static void
raise_errno(const char *what, const char *path)
{
	int code = errno;

	errno = code;
	ereport(ERROR, (errcode(errno_sqlstate(code)), errmsg("could not %s \"%s\": %m", what, path)));
}

/* Raise that a file the model would use is something else */
static void
raise_not_regular(const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path),
			 errhint("Remove it from the folder, or put the model's file in its place.")));
}

/* Add a file that the engine may want */
static void
add_file(Directory *directory, const char *path, uint64 size)
{
	LepFolder *folder = &directory->folder;

	if (folder->n_files >= STORE_MAX_FILES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("folder \"%s\" has more than %d files of a model", directory->path,
							   STORE_MAX_FILES)));
	if (folder->n_files == (size_t) directory->capacity)
	{
		directory->capacity *= 2;
		folder->files = repalloc(folder->files, sizeof(LepFile) * directory->capacity);
	}
	folder->files[folder->n_files].path = pstrdup(path);
	folder->files[folder->n_files].size = size;
	folder->files[folder->n_files].used = false;
	folder->n_files++;
}

/* List a folder; below is the subfolder's name, or NULL at the top */
static void
walk(Directory *directory, const char *below)
{
	char *path = below ? psprintf("%s/%s", directory->path, below) : pstrdup(directory->path);
	DIR *dir = AllocateDir(path[0] ? path : "/");
	struct dirent *entry;

	if (dir == NULL)
		raise_errno("open folder", path);
	while ((entry = ReadDirExtended(dir, path, LOG)) != NULL)
	{
		char *name;
		char *full;
		struct stat st;
		bool wanted;

		CHECK_FOR_INTERRUPTS();
		if (entry->d_name[0] == '.')
			continue;
		if (++directory->entries > MAX_ENTRIES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("folder \"%s\" has more than %d entries", directory->path, MAX_ENTRIES),
					 errhint("Name the folder that holds the model's config.json.")));
		name = below ? psprintf("%s/%s", below, entry->d_name) : pstrdup(entry->d_name);
		full = psprintf("%s/%s", directory->path, name);
		wanted = lep_folder_wants(name);
		if (wanted || below == NULL)
		{
			if (stat(full, &st) != 0)
			{
				if (wanted)
					raise_errno("stat file", full);
			}
			else if (wanted && !S_ISREG(st.st_mode))
				raise_not_regular(full);
			else if (wanted)
				add_file(directory, name, (uint64) st.st_size);
			else if (S_ISDIR(st.st_mode))
				walk(directory, entry->d_name);
		}
		pfree(full);
		pfree(name);
	}
	FreeDir(dir);
	pfree(path);
}

/* Raise that a file is not what it was when the folder was listed */
static void
raise_changed(const char *path)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
					errmsg("file \"%s\" changed while it was loaded", path),
					errhint("Load the model again when nobody writes to its folder.")));
}

/* Open a file of the folder, closing the one before */
static void
open_file(Directory *directory, size_t file)
{
	LepFile *entry = &directory->folder.files[file];
	char *path = psprintf("%s/%s", directory->path, entry->path);
	struct stat st;

	if (directory->file >= 0)
		CloseTransientFile(directory->fd);
	directory->file = -1;
	directory->fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | PG_BINARY);
	if (directory->fd < 0)
		raise_errno("open file", path);
	directory->file = (int) file;
	if (fstat(directory->fd, &st) != 0)
		raise_errno("stat file", path);
	if (!S_ISREG(st.st_mode))
		raise_not_regular(path);
	if ((uint64) st.st_size != entry->size)
		raise_changed(path);
	pfree(path);
}

/* Read bytes of a file */
static void
read_bytes(void *arg)
{
	DirectoryRead *read = arg;
	Directory *directory = read->directory;

	if (directory->file != (int) read->file)
		open_file(directory, read->file);
	while (read->len > 0)
	{
		ssize_t n;

		CHECK_FOR_INTERRUPTS();
		n = pread(directory->fd, read->dst, Min(read->len, STORE_PART_BYTES), (off_t) read->offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			raise_errno("read file", directory->folder.files[read->file].path);
		if (n == 0)
			raise_changed(directory->folder.files[read->file].path);
		read->dst += n;
		read->offset += (uint64) n;
		read->len -= (size_t) n;
	}
}

/* LepFolder.read over a directory */
static LepStatus
directory_read(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	Directory *directory = ctx;
	DirectoryRead read = {directory, file, offset, dst, len};
	LepFile *entry = &directory->folder.files[file];

	if (offset > entry->size || len > entry->size - offset)
		return lep_error(err, LEP_BAD_FILE, "read behind the end of file \"%s\"", entry->path);
	return lepton_guard(read_bytes, &read, err);
}

/* Open a folder of the server's disk; relative paths start in the data directory */
LepFolder *
store_directory_open(const char *path)
{
	Directory *directory = palloc0(sizeof(Directory));
	char *clean = pstrdup(path);

	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg(
				 "must be superuser or have privileges of the pg_read_server_files role to load a model from the disk of the server"),
			 errhint(
				 "Put the files into a table (path text, part int, data bytea) and load that.")));
	if (clean[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("path of a model's folder must not be empty")));
	if (strlen(clean) >= MAXPGPATH)
		ereport(
			ERROR,
			(errcode(ERRCODE_NAME_TOO_LONG), errmsg("path of a model's folder is too long"),
			 errdetail("It has %zu bytes; at most %d are allowed.", strlen(clean), MAXPGPATH - 1)));
	canonicalize_path(clean);
	/* What is appended begins with a slash. */
	if (strcmp(clean, "/") == 0)
		clean[0] = '\0';
	directory->path = clean;
	directory->capacity = 16;
	directory->folder.files = palloc(sizeof(LepFile) * directory->capacity);
	directory->folder.read = directory_read;
	directory->folder.ctx = directory;
	directory->file = -1;
	walk(directory, NULL);
	return &directory->folder;
}

/* Close the file that is open */
void
store_directory_close(LepFolder *folder)
{
	Directory *directory = folder->ctx;

	if (directory->file >= 0)
		CloseTransientFile(directory->fd);
	directory->file = -1;
}
