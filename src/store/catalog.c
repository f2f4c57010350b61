/*
 * catalog.c: reads the rows of _lepton.lepton_model under a given snapshot and
 * changes the catalog through SPI as its owner.  It keeps no OID between calls, so that
 * dropping and creating the extension in one session is safe.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "internal.h"

/* Columns of _lepton.lepton_model, in the order of the install script. */
enum
{
	COLUMN_ID = 1,
	COLUMN_NAME,
	COLUMN_OWNER,
	COLUMN_USERS,
	COLUMN_TASK,
	COLUMN_PARENT = 7, /* 6 was dropped */
	COLUMN_RECIPE,
	COLUMN_HASH,
	COLUMN_FAMILY,
	COLUMN_PRECISION,
	COLUMN_BYTES = 16,
	COLUMN_TASKS = 18
};

/* Columns of _lepton.lepton_default. */
enum
{
	DEFAULT_COLUMN_TASK = 1,
	DEFAULT_COLUMN_MODEL
};

Oid store_model_relation = InvalidOid;

/* Names of tasks in the catalog, and the settings that name their models. */
static const struct
{
	const char *name;
	char **setting;
} tasks[STORE_TASK_COUNT] = {
	[STORE_TASK_EMBED] = {"embed", &lepton_embed_model},
	[STORE_TASK_CLASSIFY] = {"classify", &lepton_classify_model},
	[STORE_TASK_ENTITIES] = {"entities", &lepton_entities_model},
	[STORE_TASK_ANSWER] = {"answer", &lepton_answer_model},
	[STORE_TASK_FILL_MASK] = {"fill_mask", &lepton_fill_mask_model},
	[STORE_TASK_SPARSE_EMBED] = {"sparse_embed", &lepton_sparse_embed_model},
	[STORE_TASK_RERANK] = {"rerank", &lepton_rerank_model},
	[STORE_TASK_ZERO_SHOT] = {"zero_shot", &lepton_zero_shot_model},
};

/* Name of a task in the catalog */
const char *
store_task_name(StoreTask task)
{
	return tasks[task].name;
}

/* The setting that names a task's model */
const char *
store_task_setting(StoreTask task)
{
	const char *name = *tasks[task].setting;

	return name == NULL ? "" : name;
}

/* Find a task by its name */
static bool
find_task(const char *name, size_t len, StoreTask *task)
{
	for (int i = 0; i < STORE_TASK_COUNT; i++)
		if (strlen(tasks[i].name) == len && memcmp(tasks[i].name, name, len) == 0)
		{
			*task = (StoreTask) i;
			return true;
		}
	return false;
}

/* List the names of tasks */
char *
store_task_names(uint32 bits)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < STORE_TASK_COUNT; i++)
		if (bits & STORE_TASK_BIT(i))
			appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", tasks[i].name);
	return names.data;
}

/* The task of a name */
StoreTask
store_task_by_name(const char *name)
{
	StoreTask task;

	if (!find_task(name, strlen(name), &task))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task \"%s\" does not exist", name),
				 errhint("Tasks are %s.", store_task_names(STORE_TASK_BIT(STORE_TASK_COUNT) - 1))));
	return task;
}

/* The graph that serves a task */
LepTask
store_task_graph(const StoreRow *row, StoreTask task)
{
	if (task == STORE_TASK_ZERO_SHOT && !(row->tasks & STORE_TASK_BIT(task)))
		return LEP_TASK_EMBED;
	return task < STORE_TASK_RERANK ? (LepTask) task : LEP_TASK_CLASSIFY;
}

/* Raise that the extension is not there */
static void
raise_no_extension(void)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("extension \"lepton\" is not installed in this database"),
					errhint("Use CREATE EXTENSION lepton.")));
}

/* OID of a relation of the catalog */
static Oid
catalog_relation(Oid schema, const char *name)
{
	Oid oid = get_relname_relid(name, schema);

	if (!OidIsValid(oid))
		raise_no_extension();
	return oid;
}

/* OID of the catalog's schema */
static Oid
catalog_schema(void)
{
	Oid oid = get_namespace_oid(STORE_SCHEMA, true);

	if (!OidIsValid(oid))
		raise_no_extension();
	return oid;
}

/* Look up all OIDs of the catalog */
void
store_catalog(StoreCatalog *catalog)
{
	Oid schema = catalog_schema();

	catalog->model = catalog_relation(schema, "lepton_model");
	catalog->model_by_name = catalog_relation(schema, "lepton_model_name_key");
	catalog->model_by_id = catalog_relation(schema, "lepton_model_pkey");
	catalog->chunk = catalog_relation(schema, "lepton_model_chunk");
	catalog->chunk_by_path = catalog_relation(schema, "lepton_model_chunk_pkey");
}

/* Tell whether the catalog knows models of several tasks */
bool
store_has_tasks(void)
{
	return OidIsValid(get_relname_relid("lepton_default", catalog_schema()));
}

/* Make sure that a snapshot is active */
bool
store_push_snapshot(void)
{
	if (ActiveSnapshotSet())
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

/* Make sure that the active snapshot shows a model */
bool
store_push_snapshot_of(const StoreRow *row)
{
	StoreRow seen;

	if (store_row_by_id(&row->id, GetActiveSnapshot(), &seen))
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

/* Take an advisory lock until the transaction ends */
bool
store_lock(StoreLockClass class, uint64 key, bool dont_wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key, class);
	return LockAcquire(&tag, ExclusiveLock, false, dont_wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* Let go of a lock early */
void
store_unlock(StoreLockClass class, uint64 key)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key, class);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

/* A column that may not be NULL */
static Datum
row_column(HeapTuple tuple, int column, TupleDesc desc)
{
	bool isnull;
	Datum value = heap_getattr(tuple, column, desc, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column %d of a row of " STORE_SCHEMA ".lepton_model is null", column)));
	return value;
}

/* STORE_TASK_BITs of a text[]; names that this version does not know are left out */
static uint32
read_tasks(ArrayType *array)
{
	Datum *names;
	int n;
	uint32 bits = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		text *name = DatumGetTextPP(names[i]);
		StoreTask task;

		if (find_task(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &task))
			bits |= STORE_TASK_BIT(task);
	}
	return bits;
}

/* Take a tuple of lepton_model apart */
static void
read_row(HeapTuple tuple, TupleDesc desc, StoreRow *row, bool *may_use)
{
	bool isnull;
	Datum parent;
	bytea *hash;
	text *task;
	text *family;

	row->id = *DatumGetUUIDP(row_column(tuple, COLUMN_ID, desc));
	row->name = *DatumGetName(row_column(tuple, COLUMN_NAME, desc));
	row->owner = DatumGetObjectId(row_column(tuple, COLUMN_OWNER, desc));
	parent = heap_getattr(tuple, COLUMN_PARENT, desc, &isnull);
	if (isnull)
		memset(&row->parent, 0, sizeof(row->parent));
	else
		row->parent = *DatumGetUUIDP(parent);
	family = DatumGetTextPP(row_column(tuple, COLUMN_FAMILY, desc));
	row->is_head = VARSIZE_ANY_EXHDR(family) == strlen(STORE_HEAD_FAMILY) &&
				   memcmp(VARDATA_ANY(family), STORE_HEAD_FAMILY, strlen(STORE_HEAD_FAMILY)) == 0;

	text_to_cstring_buffer(DatumGetTextPP(row_column(tuple, COLUMN_PRECISION, desc)),
						   row->precision, sizeof(row->precision));
	task = DatumGetTextPP(row_column(tuple, COLUMN_TASK, desc));
	if (!find_task(VARDATA_ANY(task), VARSIZE_ANY_EXHDR(task), &row->task))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model \"%s\" serves a task that this version of lepton does not know",
						NameStr(row->name)),
				 errhint("Update lepton on this server.")));
	row->tasks = STORE_TASK_BIT(row->task);
	if (desc->natts >= COLUMN_TASKS)
		row->tasks |= read_tasks(DatumGetArrayTypeP(row_column(tuple, COLUMN_TASKS, desc)));

	row->graph = store_task_graph(row, row->task);
	hash = DatumGetByteaPP(row_column(tuple, COLUMN_HASH, desc));
	if (VARSIZE_ANY_EXHDR(hash) != LEP_HASH_BYTES)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("hash of model \"%s\" has %d bytes, expected %d", NameStr(row->name),
							   (int) VARSIZE_ANY_EXHDR(hash), LEP_HASH_BYTES)));
	memcpy(row->hash, VARDATA_ANY(hash), LEP_HASH_BYTES);
	row->bytes = (uint64) DatumGetInt64(row_column(tuple, COLUMN_BYTES, desc));

	if (may_use != NULL)
		*may_use = store_may_use(row->owner, row_column(tuple, COLUMN_USERS, desc));
}

/* Find at most one row through an index */
static bool
find_row(const char *index, AttrNumber column, RegProcedure equal, Datum value, Snapshot snapshot,
		 StoreRow *row, bool *may_use)
{
	Oid schema = catalog_schema();
	ScanKeyData key;
	SysScanDesc scan;
	Relation relation;
	HeapTuple tuple;

	store_model_relation = catalog_relation(schema, "lepton_model");
	relation = table_open(store_model_relation, AccessShareLock);
	ScanKeyInit(&key, column, BTEqualStrategyNumber, equal, value);
	scan = systable_beginscan(relation, catalog_relation(schema, index), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (tuple != NULL)
		read_row(tuple, RelationGetDescr(relation), row, may_use);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return tuple != NULL;
}

/* Find a row by the model's name */
bool
store_row_by_name(const char *name, Snapshot snapshot, StoreRow *row, bool *may_use)
{
	NameData key;

	/* A longer name can't be in the catalog; it must not match its first 63 bytes. */
	if (strlen(name) >= NAMEDATALEN)
		return false;
	memset(&key, 0, sizeof(key));
	strlcpy(NameStr(key), name, NAMEDATALEN);
	return find_row("lepton_model_name_key", COLUMN_NAME, F_NAMEEQ, NameGetDatum(&key), snapshot,
					row, may_use);
}

/* Find a row by the model's id */
bool
store_row_by_id(const pg_uuid_t *id, Snapshot snapshot, StoreRow *row)
{
	return find_row("lepton_model_pkey", COLUMN_ID, F_UUID_EQ, UUIDPGetDatum(id), snapshot, row,
					NULL);
}

/* Find the default model of a task */
bool
store_row_default(StoreTask task, Snapshot snapshot, StoreRow *row, bool *may_use)
{
	Oid schema = catalog_schema();
	Relation relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	pg_uuid_t id = {{0}};

	if (!store_has_tasks())
		return find_row("lepton_model_default", COLUMN_TASK, F_TEXTEQ,
						CStringGetTextDatum(store_task_name(task)), snapshot, row, may_use);
	relation = table_open(catalog_relation(schema, "lepton_default"), AccessShareLock);
	ScanKeyInit(&key, DEFAULT_COLUMN_TASK, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(store_task_name(task)));
	scan = systable_beginscan(relation, catalog_relation(schema, "lepton_default_pkey"), true,
							  snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (tuple != NULL)
	{
		bool isnull;
		Datum model =
			heap_getattr(tuple, DEFAULT_COLUMN_MODEL, RelationGetDescr(relation), &isnull);

		if (!isnull)
			id = *DatumGetUUIDP(model);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return tuple != NULL && find_row("lepton_model_pkey", COLUMN_ID, F_UUID_EQ, UUIDPGetDatum(&id),
									 snapshot, row, may_use);
}

/* Collect the hashes of all models */
uint8 *
store_row_hashes(Snapshot snapshot, int *n)
{
	Relation relation =
		table_open(catalog_relation(catalog_schema(), "lepton_model"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, snapshot, 0, NULL);
	int capacity = 16;
	uint8 *hashes = palloc((Size) capacity * LEP_HASH_BYTES);
	HeapTuple tuple;
	StoreRow row;

	*n = 0;
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		read_row(tuple, RelationGetDescr(relation), &row, NULL);
		if (*n == capacity)
		{
			capacity *= 2;
			hashes = repalloc(hashes, (Size) capacity * LEP_HASH_BYTES);
		}
		memcpy(hashes + (Size) *n * LEP_HASH_BYTES, row.hash, LEP_HASH_BYTES);
		(*n)++;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return hashes;
}

/* List the names of models, in order */
char *
store_row_names(int task, Snapshot snapshot)
{
	Oid schema = catalog_schema();
	Relation relation = table_open(catalog_relation(schema, "lepton_model"), AccessShareLock);
	Relation index = index_open(catalog_relation(schema, "lepton_model_name_key"), AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(relation, index, snapshot, 0, NULL);
	StringInfoData names;
	HeapTuple tuple;
	StoreRow row;
	int shown = 0;
	int more = 0;

	initStringInfo(&names);
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		read_row(tuple, RelationGetDescr(relation), &row, NULL);
		if (task >= 0 && !(row.tasks & STORE_TASK_BIT(task)))
			continue;
		if (shown == STORE_HINT_MODELS)
			more++;
		else
			appendStringInfo(&names, "%s\"%s\"", shown++ ? ", " : "", NameStr(row.name));
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	if (shown == 0)
		return NULL;
	if (more > 0)
		appendStringInfo(&names, " and %d more", more);
	return names.data;
}

/* Raise that a model is not there */
void
store_raise_undefined(const char *name)
{
	char *names;

	(void) store_push_snapshot();
	names = store_row_names(-1, GetActiveSnapshot());
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", name),
			 names != NULL
				 ? errhint("Models of this database: %s.", names)
				 : errhint("This database has no models yet; load one with lepton_load_model.")));
	pg_unreachable();
}

/*
 * Run SQL as the catalog's owner
 *
 * An error needs no clean-up here: the end of the (sub)transaction that
 * it aborts restores the user and the settings.
 */
uint64
store_sql(const char *sql, int n_args, Oid *types, Datum *values, const char *nulls)
{
	Relation relation =
		table_open(catalog_relation(catalog_schema(), "lepton_model"), AccessShareLock);
	Oid owner = relation->rd_rel->relowner;
	int guc_level = NewGUCNestLevel();
	Oid user;
	int context;
	int result;

	table_close(relation, NoLock);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	result = SPI_execute_with_args(sql, n_args, types, values, nulls, false, 0);
	if (result < 0)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not change the catalog: %s",
																SPI_result_code_string(result))));
	AtEOXact_GUC(true, guc_level);
	SetUserIdAndSecContext(user, context);
	return SPI_processed;
}
