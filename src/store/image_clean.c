/*
 * image_clean.c: removes images: those of dropped models when the drop has
 * committed, and in a sweep those of models that are gone, of older versions of lepton, and the
 * temporary files of builders that died.  Removing too much costs a rebuild, never an answer.
 */
#include "postgres.h"

#include <dirent.h>
#include <unistd.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "internal.h"

/* A dropped model, whose traces go at commit. */
typedef struct Pending
{
	pg_uuid_t id;
	uint8 hash[LEP_HASH_BYTES];
	bool has_image; /* that no other model uses */
	SubTransactionId sub;
} Pending;

static List *pending = NIL; /* of Pending, in TopTransactionContext */

/* Write a hash in hex */
void
store_hash_digits(const uint8 *hash, char *dst)
{
	for (int i = 0; i < LEP_HASH_BYTES; i++)
		snprintf(dst + 2 * i, 3, "%02x", hash[i]);
}

/* The hex digits in an image's file name, or NULL when it is not one */
static const char *
name_digits(const char *name)
{
	const char *digits = name + strlen(STORE_FILE_PREFIX);

	if (strncmp(name, STORE_FILE_PREFIX, strlen(STORE_FILE_PREFIX)) != 0)
		return NULL;
	if (strspn(digits, "0123456789abcdef") != STORE_HASH_DIGITS || digits[STORE_HASH_DIGITS] != '.')
		return NULL;
	return digits;
}

/* Remove a file of the database's directory */
static void
remove_name(const char *name)
{
	char path[MAXPGPATH];

	snprintf(path, sizeof(path), "%s/%s", DatabasePath, name);
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(LOG, (errcode_for_file_access(), errmsg("could not remove file \"%s\": %m", path)));
}

/* Tell whether a temporary file's builder still runs; a file of this process is an old one's */
static bool
builder_runs(const char *name)
{
	const char *mark = strstr(name, STORE_TEMP_MARK);
	int pid = mark ? atoi(mark + strlen(STORE_TEMP_MARK)) : 0;

	return pid > 0 && pid != MyProcPid && BackendPidGetProc(pid) != NULL;
}

/* Tell whether an image was written by another version of lepton */
static bool
other_version(const char *digits)
{
	char layout[LEP_LAYOUT_MAX];
	size_t len;

	lep_image_layout(lepton_kernels(), LEP_TASK_EMBED, layout);
	len = strcspn(layout, "-") + 1;
	return strncmp(digits + STORE_HASH_DIGITS + 1, layout, len) != 0;
}

/* Tell whether digits are among hashes[n][LEP_HASH_BYTES] */
static bool
hash_known(const char *digits, const uint8 *hashes, int n)
{
	char known[STORE_HASH_DIGITS + 1];

	for (int i = 0; i < n; i++)
	{
		store_hash_digits(hashes + (Size) i * LEP_HASH_BYTES, known);
		if (strncmp(known, digits, STORE_HASH_DIGITS) == 0)
			return true;
	}
	return false;
}

/* Tell whether an image is of a model that this transaction drops: its commit removes it */
static bool
is_pending(const char *digits)
{
	ListCell *cell;

	foreach (cell, pending)
		if (hash_known(digits, ((Pending *) lfirst(cell))->hash, 1))
			return true;
	return false;
}

/*
 * Remove what nobody needs
 *
 * Models are looked up with the latest snapshot: a model that is being made
 * has no committed row, and if its transaction has used it already, it builds it again.
 */
void
store_image_sweep(void)
{
	DIR *dir;
	struct dirent *entry;
	uint8 *hashes = NULL;
	int n = 0;

	/* A parallel worker may not take a new snapshot; its leader sweeps another time. */
	if (IsInParallelMode())
		return;
	dir = AllocateDir(DatabasePath);
	while ((entry = ReadDirExtended(dir, DatabasePath, LOG)) != NULL)
	{
		const char *digits = name_digits(entry->d_name);

		if (digits == NULL)
			continue;
		if (strstr(entry->d_name, STORE_TEMP_MARK) != NULL)
		{
			if (!builder_runs(entry->d_name))
				remove_name(entry->d_name);
			continue;
		}
		if (hashes == NULL)
		{
			PushActiveSnapshot(GetLatestSnapshot());
			hashes = store_row_hashes(GetActiveSnapshot(), &n);
			PopActiveSnapshot();
		}
		if (other_version(digits) || !(hash_known(digits, hashes, n) || is_pending(digits)))
			remove_name(entry->d_name);
	}
	FreeDir(dir);
}

/* Remove all images of a hash; runs after commit, so it can't raise */
static void
unlink_images(const uint8 *hash)
{
	char known[STORE_HASH_DIGITS + 1];
	DIR *dir = opendir(DatabasePath);
	struct dirent *entry;

	if (dir == NULL)
		return;
	store_hash_digits(hash, known);
	while ((entry = readdir(dir)) != NULL)
	{
		const char *digits = name_digits(entry->d_name);

		if (digits != NULL && strncmp(digits, known, STORE_HASH_DIGITS) == 0 &&
			!(strstr(entry->d_name, STORE_TEMP_MARK) != NULL && builder_runs(entry->d_name)))
			remove_name(entry->d_name);
	}
	closedir(dir);
}

/* Remove the traces of a dropped model when this (sub)transaction has committed */
void
store_forget_at_commit(const StoreRow *row, bool has_image)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Pending *item = palloc(sizeof(Pending));

	item->id = row->id;
	memcpy(item->hash, row->hash, LEP_HASH_BYTES);
	item->has_image = has_image;
	item->sub = GetCurrentSubTransactionId();
	pending = lappend(pending, item);
	MemoryContextSwitchTo(old);
}

/* Act on, or forget, what was to be removed */
void
store_image_at_xact_end(bool is_commit)
{
	ListCell *cell;

	if (is_commit)
		foreach (cell, pending)
		{
			Pending *item = lfirst(cell);

			store_stat_free(&item->id);
			if (item->has_image)
				unlink_images(item->hash);
		}
	pending = NIL;
}

/* Hand the list of a subtransaction to its parent, or forget it */
void
store_image_at_subxact_end(bool is_commit, SubTransactionId sub, SubTransactionId parent)
{
	ListCell *cell;

	foreach (cell, pending)
	{
		Pending *item = lfirst(cell);

		if (item->sub != sub)
			continue;
		if (is_commit)
			item->sub = parent;
		else
			pending = foreach_delete_current(pending, cell);
	}
}
