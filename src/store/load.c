/*
 * load.c: makes models: takes the name, checks the files, copies them into
 * chunks, checks them again from there, and writes the row.  One transaction; it writes nothing
 * that its abort does not undo.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "../engine/task.h"
#include "internal.h"

/* A folder that has been opened and checked. */
typedef struct Checked
{
	LepAllocator allocator;
	LepArena arena;
	LepSource *source;
	uint64_t n_parameters;
} Checked;

/* Raise unless a name can be a model's */
static void
check_name(const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME), errmsg("name of a model must not be empty")));
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG), errmsg("name of a model is too long"),
						errdetail("It has %zu bytes; at most %d are allowed.", strlen(name),
								  NAMEDATALEN - 1)));
}

/* Take a name until the end of the transaction */
void
store_model_check_new_name(const char *name)
{
	StoreRow row;
	uint64 key = hash_bytes_extended((const unsigned char *) name, (int) strlen(name), 0);
	bool exists;

	check_name(name);
	PreventCommandIfReadOnly("a change of models");
	PreventCommandIfParallelMode("a change of models");
	if (!store_lock(STORE_LOCK_NAME, key, true))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("model \"%s\" is being made by another session", name),
						errhint("Wait for the other session, or choose another name.")));
	PushActiveSnapshot(GetLatestSnapshot());
	exists = store_row_by_name(name, GetActiveSnapshot(), &row, NULL);
	PopActiveSnapshot();
	if (exists)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("model \"%s\" already exists", name),
				 errhint("Choose another name, or drop it first with lepton_drop_model.")));
}

/* Fill id with a random UUID, version 4 */
static void
make_id(pg_uuid_t *id)
{
	if (!pg_strong_random(id->data, UUID_LEN))
		ereport(ERROR, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("could not generate random bytes")));
	id->data[6] = (id->data[6] & 0x0f) | 0x40;
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
}

/* Labels as text[] in the database's encoding */
static Datum
label_array(const StoreNewRow *row)
{
	Datum *labels = palloc(sizeof(Datum) * Max(row->n_labels, 1));

	for (int i = 0; i < row->n_labels; i++)
		labels[i] = CStringGetTextDatum(
			pg_any_to_server(row->labels[i], (int) strlen(row->labels[i]), PG_UTF8));
	return PointerGetDatum(
		construct_array(labels, row->n_labels, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Names of tasks as text[] */
static Datum
task_array(uint32 tasks)
{
	Datum names[STORE_TASK_COUNT];
	int n = 0;

	for (int i = 0; i < STORE_TASK_COUNT; i++)
		if (tasks & STORE_TASK_BIT(i))
			names[n++] = CStringGetTextDatum(store_task_name((StoreTask) i));
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Insert the row of a model whose files are still to come; sets its id */
void
store_insert_row(StoreNewRow *row)
{
	Oid types[] = {UUIDOID, NAMEOID, OIDOID,  TEXTOID,		UUIDOID, TEXTOID,		TEXTOID,
				   TEXTOID, INT4OID, INT4OID, TEXTARRAYOID, INT8OID, TIMESTAMPTZOID};
	Datum values[lengthof(types)];
	char nulls[lengthof(types)];
	NameData name;

	make_id(&row->id);
	namestrcpy(&name, row->name);
	memset(nulls, ' ', sizeof(nulls));
	values[0] = UUIDPGetDatum(&row->id);
	values[1] = NameGetDatum(&name);
	values[2] = ObjectIdGetDatum(GetUserId());
	values[3] = CStringGetTextDatum(store_task_name(row->task));
	values[4] = UUIDPGetDatum(row->parent);
	nulls[4] = row->parent ? ' ' : 'n';
	values[5] = row->recipe ? CStringGetTextDatum(row->recipe) : (Datum) 0;
	nulls[5] = row->recipe ? ' ' : 'n';
	values[6] = CStringGetTextDatum(row->family);
	values[7] = CStringGetTextDatum(row->precision);
	values[8] = Int32GetDatum(row->dims);
	nulls[8] = row->dims > 0 ? ' ' : 'n';
	values[9] = Int32GetDatum(row->max_tokens);
	values[10] = row->n_labels > 0 ? label_array(row) : (Datum) 0;
	nulls[10] = row->n_labels > 0 ? ' ' : 'n';
	values[11] = Int64GetDatum((int64) row->parameters);
	values[12] = TimestampTzGetDatum(GetCurrentTimestamp());
	store_sql("INSERT INTO " STORE_SCHEMA ".lepton_model (id, name, owner, task, parent, recipe,"
			  " family, \"precision\", dims, max_tokens, labels, parameters, loaded_at,"
			  " hash, bytes)"
			  " VALUES ($1, $2, $3::pg_catalog.regrole::" STORE_SCHEMA ".role, $4, $5, $6, $7,"
			  " $8, $9, $10, $11, $12, $13,"
			  " pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'), 0)",
			  lengthof(types), types, values, nulls);
}

/* Tell whether a task has a default model, whoever has committed it */
static bool
has_default(StoreTask task)
{
	StoreRow row;
	bool found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = store_row_default(task, GetActiveSnapshot(), &row, NULL);
	PopActiveSnapshot();
	return found;
}

/*
 * Tell whether the first model of a task is its default: a model of what it is mainly for, and of
 * what is the same use under another name
 */
static bool
may_be_default(const StoreNewRow *row, StoreTask task)
{
	if (task == row->task)
		return true;
	if (!(row->tasks & STORE_TASK_BIT(task)))
		return false;
	return (row->task == STORE_TASK_CLASSIFY && task >= STORE_TASK_RERANK) ||
		   (row->task == STORE_TASK_EMBED && task == STORE_TASK_FILL_MASK);
}

/* Make a model the default of a task that has none */
static void
take_default(const StoreNewRow *row, StoreTask task)
{
	Oid types[] = {UUIDOID, TEXTOID};
	Datum values[] = {UUIDPGetDatum(&row->id), CStringGetTextDatum(store_task_name(task))};

	if (has_default(task))
		return;
	/* Others who would make the first one wait here for our commit. */
	store_lock(STORE_LOCK_DEFAULT, (uint64) task, false);
	if (has_default(task))
		return;
	store_sql(store_has_tasks()
				  ? "INSERT INTO " STORE_SCHEMA ".lepton_default (model, task) VALUES ($1, $2)"
				  : "UPDATE " STORE_SCHEMA ".lepton_model SET is_default = true"
					" WHERE id OPERATOR(pg_catalog.=) $1 AND task OPERATOR(pg_catalog.=) $2",
			  lengthof(types), types, values, NULL);
}

/* Write the sums into the row, and make the first model of a task its default */
void
store_finish_row(const StoreNewRow *row, const uint8 *hash, uint64 bytes)
{
	Oid types[] = {UUIDOID, BYTEAOID, INT8OID, TEXTARRAYOID};
	Datum values[lengthof(types)];
	bool has_tasks = store_has_tasks();
	bytea *sum = palloc(VARHDRSZ + LEP_HASH_BYTES);

	SET_VARSIZE(sum, VARHDRSZ + LEP_HASH_BYTES);
	memcpy(VARDATA(sum), hash, LEP_HASH_BYTES);
	values[0] = UUIDPGetDatum(&row->id);
	values[1] = PointerGetDatum(sum);
	values[2] = Int64GetDatum((int64) bytes);
	values[3] = task_array(row->tasks);
	store_sql(has_tasks ? "UPDATE " STORE_SCHEMA
						  ".lepton_model SET hash = $2, bytes = $3, tasks = $4"
						  " WHERE id OPERATOR(pg_catalog.=) $1"
						: "UPDATE " STORE_SCHEMA ".lepton_model SET hash = $2, bytes = $3"
						  " WHERE id OPERATOR(pg_catalog.=) $1",
			  has_tasks ? 4 : 3, types, values, NULL);
	for (int i = 0; i < STORE_TASK_COUNT; i++)
		if (may_be_default(row, (StoreTask) i))
			take_default(row, (StoreTask) i);
}

/* Open a folder and check everything but the weights' values */
static void
check_folder(LepFolder *folder, const StoreTask *wanted, Checked *checked)
{
	int task = LEP_TASK_DEFAULT;
	LepGraph *graph = NULL;
	LepError err;

	if (wanted != NULL)
		task = *wanted < STORE_TASK_RERANK ? (int) *wanted : (int) LEP_TASK_CLASSIFY;
	checked->allocator = lepton_allocator(CurrentMemoryContext);
	lep_arena_init(&checked->arena, &checked->allocator, 0);
	lepton_check(
		lep_source_open(folder, &checked->arena, task, &checked->source, lepton_stop(), &err),
		&err);
	lepton_check(
		lep_graph_build(&checked->source->view, lepton_kernels(), &checked->arena, &graph, &err),
		&err);
	lepton_check(lep_graph_check_source(graph, checked->source, &checked->n_parameters, &err),
				 &err);
}

/* Tell whether two openings saw the same model */
static bool
same_model(const Checked *a, const Checked *b)
{
	const LepDesc *x = a->source->view.desc;
	const LepDesc *y = b->source->view.desc;

	return memcmp(x, y, sizeof(LepDesc)) == 0 &&
		   memcmp(a->source->view.texts, b->source->view.texts, x->text_bytes) == 0 &&
		   a->n_parameters == b->n_parameters;
}

/* STORE_TASK_BITs of a checked folder: those of graphs, and what a classifier's labels are good for besides */
static uint32
served_tasks(const LepSource *source)
{
	const LepDesc *desc = source->view.desc;
	uint32 tasks = source->tasks;

	if (desc->task != LEP_TASK_CLASSIFY)
		return tasks;
	if (desc->n_labels == 1)
		tasks |= STORE_TASK_BIT(STORE_TASK_RERANK);
	if (lep_entailment(&source->view) >= 0)
		tasks |= STORE_TASK_BIT(STORE_TASK_ZERO_SHOT);
	return tasks;
}

/* Raise that a folder cannot serve the task that it is to be loaded for */
static void
raise_unserved(StoreTask task, uint32 tasks)
{
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("the folder does not serve the task \"%s\"", store_task_name(task)),
					errdetail_plural("It serves the task %s.", "It serves the tasks %s.",
									 pg_popcount((const char *) &tasks, sizeof(tasks)),
									 store_task_names(tasks))));
}

/* Describe a checked folder as a row; wanted NULL: its own task */
static void
describe(const Checked *checked, const char *name, const StoreTask *wanted, StoreNewRow *row)
{
	const LepDesc *desc = checked->source->view.desc;

	memset(row, 0, sizeof(*row));
	row->name = name;
	row->task = wanted != NULL ? *wanted : (StoreTask) desc->task;
	row->tasks = served_tasks(checked->source);
	if (!(row->tasks & STORE_TASK_BIT(row->task)))
		raise_unserved(row->task, row->tasks);
	row->family = desc->family;
	row->precision = checked->source->stored;
	row->dims = desc->task == LEP_TASK_EMBED || desc->task == LEP_TASK_SPARSE
					? (int) lep_desc_width(desc)
					: 0;
	row->max_tokens = (int) desc->max_tokens;
	row->parameters = checked->n_parameters;
	if (desc->task == LEP_TASK_CLASSIFY || desc->task == LEP_TASK_ENTITIES)
	{
		const char **labels = palloc(sizeof(char *) * desc->n_labels);
		const char *at = checked->source->view.texts;

		for (uint32 i = 0; i < desc->n_labels; i++, at += strlen(at) + 1)
			labels[i] = at;
		row->labels = labels;
		row->n_labels = (int) desc->n_labels;
	}
}

/*
 * Make a model of the files of a folder; SPI must be connected and the name
 * reserved.  origin is NULL, or says what the files were made from
 */
static void
make_model(const char *name, LepFolder *folder, const StoreTask *wanted, const StoreOrigin *origin)
{
	MemoryContext old;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "lepton load", ALLOCSET_DEFAULT_SIZES);
	Checked offered;
	Checked stored;
	StoreNewRow row;
	StoreRow stored_row;
	uint8 hash[LEP_HASH_BYTES];
	uint64 bytes;

	old = MemoryContextSwitchTo(context);
	store_progress_phase(STORE_PHASE_CHECK, 0);
	check_folder(folder, wanted, &offered);
	describe(&offered, name, wanted, &row);
	if (origin != NULL)
	{
		row.parent = &origin->parent->row.id;
		row.recipe = origin->recipe;
		row.precision = origin->precision;
	}

	store_insert_row(&row);
	store_chunks_write(&row.id, folder, hash, &bytes);

	/* What others will read is what counts: the files may have changed between the two readings. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	memset(&stored_row, 0, sizeof(stored_row));
	stored_row.id = row.id;
	namestrcpy(&stored_row.name, name);
	check_folder(store_chunks_folder(store_chunks_open(&stored_row)), wanted, &stored);
	PopActiveSnapshot();
	if (!same_model(&offered, &stored))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("files of model \"%s\" changed while they were loaded", name),
						errhint("Load the model again when nobody writes to them.")));

	store_finish_row(&row, hash, bytes);
	lep_arena_free(&offered.arena);
	lep_arena_free(&stored.arena);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Load a folder */
void
store_load(const char *name, LepFolder *folder, const StoreTask *task)
{
	store_progress_begin(STORE_PROGRESS_LOAD, STORE_PHASE_CHECK, 0);
	make_model(name, folder, task, NULL);
	store_progress_end();
}

/* Store the files that were made from another model's */
void
store_model_create(const char *name, LepFolder *folder, const StoreOrigin *origin)
{
	const StoreTask *task = &origin->parent->row.task;

	SPI_connect();
	make_model(name, folder, task, origin);
	SPI_finish();
}
