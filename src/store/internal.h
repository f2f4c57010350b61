/*
 * internal.h: what the files of src/store share, and src/func/models.c.
 */
#ifndef LEPTON_STORE_INTERNAL_H
#define LEPTON_STORE_INTERNAL_H

#include "store.h"

#include "../errors.h"
#include "../guc.h"
#include "catalog/objectaddress.h"
#include "progress.h"
#include "utils/snapshot.h"

#define STORE_SCHEMA	  "_lepton"
#define STORE_FILE_PREFIX "pgsql_tmp_lepton."
#define STORE_HEAD_FAMILY "lepton_head" /* of models that lepton_train makes */
#define STORE_PART_BYTES  (1 << 20)		/* of a chunk; see README.md */
#define STORE_MAX_FILES	  4096			/* that a model may consist of */
#define STORE_MAX_PARTS	  (1 << 20)		/* that the files of a model may have */
#define STORE_ROLE_NOBODY PG_UINT32_MAX /* stands for a role that does not exist here */
#define STORE_HINT_MODELS 10			/* names that an error's hint shows */
#define STORE_DAMAGED_HINT \
	"Drop the model and load it again, or restore schema " STORE_SCHEMA " from a backup."

/* Class of advisory locks, in field 4 of the tag; users' own are 1 and 2. */
typedef enum StoreLockClass
{
	STORE_LOCK_NAME = 19525, /* a model name being made */
	STORE_LOCK_DEFAULT =
		19526,				 /* the default model of a task being chosen, in the order of tasks */
	STORE_LOCK_IMAGE = 19527 /* an image being built */
} StoreLockClass;

/* catalog.c: rows */

/* OIDs of the catalog, looked up anew in each call. */
typedef struct StoreCatalog
{
	Oid model, model_by_name, model_by_id;
	Oid chunk, chunk_by_path;
} StoreCatalog;

/* OID of lepton_model when a row was last looked for; for comparing only. */
extern Oid store_model_relation;

/* Raises when the extension is not installed in this database. */
void store_catalog(StoreCatalog *catalog);
/* False when the extension is of a version before 0.5.0: a model has one task. */
bool store_has_tasks(void);
/* Find a row; *may_use (may be NULL) tells whether the current user may use the model. */
bool store_row_by_name(const char *name, Snapshot snapshot, StoreRow *row, bool *may_use);
bool store_row_by_id(const pg_uuid_t *id, Snapshot snapshot, StoreRow *row);
bool store_row_default(StoreTask task, Snapshot snapshot, StoreRow *row, bool *may_use);
/* All hashes of models: palloc'd [*n][LEP_HASH_BYTES]. */
uint8 *store_row_hashes(Snapshot snapshot, int *n);
/* Raise that there is no such model; the hint names those that are. */
void store_raise_undefined(const char *name) __attribute__((noreturn));
/* Names of tasks, as "a", "b" in quotes. */
char *store_task_names(uint32 tasks);
/* Names of models, of one task or (task < 0) all, as "a, b and 3 more"; NULL when there are none. */
char *store_row_names(int task, Snapshot snapshot);
/* Push a snapshot if none is active; true when it did, then PopActiveSnapshot(). */
bool store_push_snapshot(void);
/* An advisory lock of this transaction; false when dont_wait and another session has it. */
bool store_lock(StoreLockClass class, uint64 key, bool dont_wait);
void store_unlock(StoreLockClass class, uint64 key);

/*
 * Run SQL on the catalog as its owner, with a safe search path; SPI must be
 * connected.  nulls may be NULL.  Returns the number of rows.
 */
uint64 store_sql(const char *sql, int n_args, Oid *types, Datum *values, const char *nulls);

/* acl.c: who may */

/* granted is the _lepton.role[] of the row. */
bool store_may_use(Oid owner, Datum granted);
void store_require_owner(const StoreRow *row);

/* chunk.c: the files of a model in the catalog */

typedef struct StoreChunks StoreChunks;

/* Find the files of a model under the active snapshot; everything is palloc'd. */
StoreChunks *store_chunks_open(const StoreRow *row);
LepFolder *store_chunks_folder(StoreChunks *chunks);
/* Hash all bytes; raises unless they are what was loaded. */
void store_chunks_verify(StoreChunks *chunks, const StoreRow *row);
/* Copy the used files of folder into chunks of model id; hash[LEP_HASH_BYTES] and *bytes get the sums. */
void store_chunks_write(const pg_uuid_t *id, LepFolder *folder, uint8 *hash, uint64 *bytes);

/* directory.c and table.c: folders to load from; palloc'd */

LepFolder *store_directory_open(const char *path);
void store_directory_close(LepFolder *folder);
LepFolder *store_table_open(Oid relation);

/* load.c */

/* Load the files of folder as a model; name has been reserved.  task NULL: what the folder is made for. */
void store_load(const char *name, LepFolder *folder, const StoreTask *task);
/* Insert the row of a model that is being made, and fill in what was learned at the end. */
typedef struct StoreNewRow
{
	pg_uuid_t id;
	const char *name;
	StoreTask task;
	uint32 tasks;			 /* STORE_TASK_BITs */
	const pg_uuid_t *parent; /* or NULL */
	const char *recipe;		 /* or NULL */
	const char *family, *precision;
	int dims; /* 0: none */
	int max_tokens;
	const char *const *labels; /* [n_labels], UTF-8 */
	int n_labels;
	uint64 parameters;
} StoreNewRow;
void store_insert_row(StoreNewRow *row);
void store_finish_row(const StoreNewRow *row, const uint8 *hash, uint64 bytes);

/* image_file.c: images on disk */

typedef struct StoreImage
{
	void *base;	   /* [length], 64-byte aligned */
	uint64 length; /* bytes */
	bool is_private;
} StoreImage;

/*
 * Get the image of a model, building it when there is none, and open it.
 * Everything lives as long as context.
 */
void store_image_open(const StoreRow *row, const LepKernels *kernels, MemoryContext context,
					  LepArena *arena, StoreImage *image, LepModel *model);
/* Compare the image on disk with a fresh build; raises when it differs. */
void store_image_verify(const StoreRow *row, const LepKernels *kernels);

/* image_clean.c: which of them may go */

#define STORE_HASH_DIGITS (2 * LEP_HASH_BYTES)
#define STORE_TEMP_MARK	  ".tmp." /* before the builder's process id */

/* Write hash[LEP_HASH_BYTES] in hex into dst[STORE_HASH_DIGITS + 1]. */
void store_hash_digits(const uint8 *hash, char *dst);
/* Remove files that no model and no running session needs. */
void store_image_sweep(void);
/* Remove the counters, and the images if asked to, when this (sub)transaction has committed. */
void store_forget_at_commit(const StoreRow *row, bool has_image);
void store_image_at_xact_end(bool is_commit);
void store_image_at_subxact_end(bool is_commit, SubTransactionId sub, SubTransactionId parent);

/* head.c */

/* Read a head out of its chunks into the arena. */
void store_head_read(const StoreRow *row, LepArena *arena, StoreHead *head);

/* depend.c */

/* One object whose definition names a model. */
typedef struct StoreDependent
{
	ObjectAddress address; /* what to drop */
	Oid relation;		   /* the table, view or index it belongs to, or InvalidOid */
} StoreDependent;

/* All of them: palloc'd [*n]; SPI must be connected. */
StoreDependent *store_dependents(const char *name, int *n);
/* Raise, listing the dependents and the children, unless there are none. */
void store_refuse_dependents(const char *verb, const char *name, const StoreDependent *dependents,
							 int n, char **children, int n_children, const char *hint);
void store_drop_dependents(const StoreDependent *dependents, int n);

/* manage.c */

void store_drop(const char *name, bool cascade);
void store_rename(const char *name, const char *new_name);
/* task NULL: what the model is mainly for. */
void store_set_default(const char *name, const StoreTask *task);
void store_grant(const char *name, Oid role);
void store_revoke(const char *name, Oid role);
void store_verify(const char *name);

/* cache.c */

/* Raise unless a model serves a task. */
void store_require_task(const StoreRow *row, StoreTask task);

/* stat.c */

typedef struct StoreCounts
{
	pg_uuid_t id;
	uint64 calls, rows, tokens, batches, nanoseconds, cache_hits, loads;
} StoreCounts;

/* Count an opening: found in the cache, or not. */
void store_stat_open(StoreModel *m, bool is_hit);
void store_stat_free(const pg_uuid_t *id);
/* Copy slot i; false when i is behind the last; id is zero in a free slot. */
bool store_stat_read(int i, StoreCounts *counts);
void store_stat_reset(void);

#endif
