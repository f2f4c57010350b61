/*
 * stat.c: the counters of lepton_stat_models, shared by all backends of a
 * database through one small mapped file, so that nothing must be preloaded.  Statistics are
 * never worth an error: without the file each backend counts for itself.
 *
 * A slot belongs to the model whose id it holds: low is claimed by
 * compare-and-swap, then high is set by whoever finds it still zero.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include "internal.h"

#define STAT_MAGIC	 UINT64CONST(0x3130544154534C50) /* "PLSTAT01" */
#define STAT_SLOTS	 1023
#define STAT_FILE	 STORE_FILE_PREFIX "stats"
#define STAT_PRIVATE 64 /* slots of a backend that has no file */

/* One model; all counters only grow until a reset. */
typedef struct StoreStat
{
	uint64 low, high; /* id, 0 when free */
	uint64 calls, rows, tokens, batches, nanoseconds, cache_hits, loads;
	uint64 unused[7];
} StoreStat;

typedef struct StatFile
{
	uint64 magic;
	uint32 database;
	uint32 n_slots;
	uint64 unused[14];
	StoreStat slots[STAT_SLOTS];
} StatFile;

StaticAssertDecl(sizeof(StoreStat) == 128, "a slot is two cache lines");
StaticAssertDecl(sizeof(StatFile) == 128 * (STAT_SLOTS + 1), "the file is whole slots");

static StoreStat *slots = NULL; /* [n_slots] */
static int n_slots = 0;
static StoreStat private_slots[STAT_PRIVATE];
static StoreStat lost; /* counts what has no slot */

/* Read a counter */
static uint64
load(const uint64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Add to a counter */
static void
add(uint64 *counter, uint64 n)
{
	if (n != 0)
		__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* Map the file if it is one of ours */
static StatFile *
map_file(const char *path)
{
	StatFile *file = NULL;
	struct stat st;
	int fd = BasicOpenFile(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | PG_BINARY);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == sizeof(StatFile))
		file = mmap(NULL, sizeof(StatFile), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (file == NULL || file == MAP_FAILED)
		return NULL;
	if (file->magic == STAT_MAGIC && file->database == MyDatabaseId && file->n_slots == STAT_SLOTS)
		return file;
	munmap(file, sizeof(StatFile));
	return NULL;
}

/* Write an empty file, under a name of our own first */
static void
create_file(const char *path, bool replace)
{
	StatFile *empty = palloc0(sizeof(StatFile));
	char temp[MAXPGPATH];
	bool complete = false;
	int fd;

	snprintf(temp, sizeof(temp), "%s.%d", path, MyProcPid);
	empty->magic = STAT_MAGIC;
	empty->database = MyDatabaseId;
	empty->n_slots = STAT_SLOTS;
	unlink(temp);
	fd = BasicOpenFilePerm(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY,
						   pg_file_create_mode);
	if (fd >= 0)
	{
		complete = write(fd, empty, sizeof(StatFile)) == (ssize_t) sizeof(StatFile);
		close(fd);
		/* link() does not replace: of several backends one wins, and all map its file. */
		if (complete && (replace ? rename(temp, path) : link(temp, path)) != 0)
			ereport(DEBUG1,
					(errcode_for_file_access(), errmsg("could not make file \"%s\": %m", path)));
		unlink(temp);
	}
	pfree(empty);
}

/* Find the shared counters, once */
static void
attach(void)
{
	char path[MAXPGPATH];
	struct stat st;
	StatFile *file;

	if (slots != NULL)
		return;
	snprintf(path, sizeof(path), "%s/" STAT_FILE, DatabasePath);
	file = map_file(path);
	if (file == NULL)
	{
		create_file(path, lstat(path, &st) == 0);
		file = map_file(path);
	}
	slots = file != NULL ? file->slots : private_slots;
	n_slots = file != NULL ? STAT_SLOTS : STAT_PRIVATE;
}

/* Split an id into two numbers, low never 0 */
static void
split_id(const pg_uuid_t *id, uint64 *low, uint64 *high)
{
	memcpy(low, id->data, 8);
	memcpy(high, id->data + 8, 8);
	if (*low == 0)
		*low = 1;
	if (*high == 0)
		*high = 1;
}

/* Tell whether a slot is, or by this call becomes, that of an id */
static bool
claim(StoreStat *slot, uint64 low, uint64 high, bool may_take)
{
	uint64 found = __atomic_load_n(&slot->low, __ATOMIC_ACQUIRE);

	if (found == 0 &&
		(!may_take || !__atomic_compare_exchange_n(&slot->low, &found, low, false, __ATOMIC_ACQ_REL,
												   __ATOMIC_ACQUIRE)))
	{
		if (found == 0)
			return false;
	}
	else if (found == 0)
		found = low;
	if (found != low)
		return false;
	found = 0;
	if (__atomic_compare_exchange_n(&slot->high, &found, high, false, __ATOMIC_ACQ_REL,
									__ATOMIC_ACQUIRE))
		return true;
	return found == high;
}

/* Find or take the slot of a model */
static StoreStat *
find_slot(const pg_uuid_t *id)
{
	uint64 low;
	uint64 high;

	attach();
	split_id(id, &low, &high);
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < n_slots; i++)
			if (claim(&slots[i], low, high, pass == 1))
				return &slots[i];
	return &lost;
}

/* Give back the slot of a model that is gone */
void
store_stat_free(const pg_uuid_t *id)
{
	uint64 low;
	uint64 high;

	attach();
	split_id(id, &low, &high);
	for (int i = 0; i < n_slots; i++)
		if (load(&slots[i].low) == low && load(&slots[i].high) == high)
		{
			memset(&slots[i].calls, 0, sizeof(StoreStat) - offsetof(StoreStat, calls));
			__atomic_store_n(&slots[i].high, 0, __ATOMIC_RELEASE);
			__atomic_store_n(&slots[i].low, 0, __ATOMIC_RELEASE);
		}
}

/* The slot of an open model; another model may have got the one it had */
static StoreStat *
current_slot(StoreModel *m)
{
	uint64 low;
	uint64 high;

	split_id(&m->row.id, &low, &high);
	if (m->stat == NULL || load(&m->stat->low) != low)
		m->stat = find_slot(&m->row.id);
	return m->stat;
}

/* Count one call */
void
store_stat_count(StoreModel *m, uint64 rows, uint64 tokens, uint64 batches, double seconds)
{
	StoreStat *slot = current_slot(m);

	add(&slot->calls, 1);
	add(&slot->rows, rows);
	add(&slot->tokens, tokens);
	add(&slot->batches, batches);
	add(&slot->nanoseconds, seconds > 0 ? (uint64) (seconds * 1e9) : 0);
}

/* Count an opening */
void
store_stat_open(StoreModel *m, bool is_hit)
{
	StoreStat *slot = current_slot(m);

	add(is_hit ? &slot->cache_hits : &slot->loads, 1);
}

/* Read slot i */
bool
store_stat_read(int i, StoreCounts *counts)
{
	StoreStat *slot;

	attach();
	if (i >= n_slots)
		return false;
	slot = &slots[i];
	memset(counts, 0, sizeof(*counts));
	if (load(&slot->low) == 0 || load(&slot->high) == 0)
		return true;
	memcpy(counts->id.data, &slot->low, 8);
	memcpy(counts->id.data + 8, &slot->high, 8);
	counts->calls = load(&slot->calls);
	counts->rows = load(&slot->rows);
	counts->tokens = load(&slot->tokens);
	counts->batches = load(&slot->batches);
	counts->nanoseconds = load(&slot->nanoseconds);
	counts->cache_hits = load(&slot->cache_hits);
	counts->loads = load(&slot->loads);
	return true;
}

/* Set all counters to zero */
void
store_stat_reset(void)
{
	attach();
	for (int i = 0; i < n_slots; i++)
		for (uint64 *counter = &slots[i].calls; counter <= &slots[i].loads; counter++)
			__atomic_store_n(counter, 0, __ATOMIC_RELAXED);
}
