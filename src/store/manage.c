/*
 * manage.c: drops and renames models, chooses defaults, grants and revokes.
 * Each locks the model's row first, so two of them on one model run one after the other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "internal.h"

/* Argument 2, an OID, as a role of the catalog. */
#define ROLE_ARGUMENT "$2::pg_catalog.regrole::" STORE_SCHEMA ".role"

/* Lock the row of a model that the current user owns; SPI must be connected */
static void
lock_owned(const char *name, StoreRow *row)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	bool found;

	PreventCommandIfReadOnly("a change of models");
	PreventCommandIfParallelMode("a change of models");
	store_sql("SELECT FROM " STORE_SCHEMA ".lepton_model"
			  " WHERE name::pg_catalog.text OPERATOR(pg_catalog.=) $1 FOR UPDATE",
			  1, types, values, NULL);
	PushActiveSnapshot(GetLatestSnapshot());
	found = store_row_by_name(name, GetActiveSnapshot(), row, NULL);
	PopActiveSnapshot();
	if (!found)
		store_raise_undefined(name);
	store_require_owner(row);
}

/* Run a change of one row given by its id and one more argument */
static void
change_row(const char *sql, const StoreRow *row, Oid type, Datum value)
{
	Oid types[] = {UUIDOID, type};
	Datum values[] = {UUIDPGetDatum(&row->id), value};

	store_sql(sql, 2, types, values, NULL);
}

/* Names of the heads that need row: palloc'd [*n] */
static char **
child_names(const StoreRow *row, int *n)
{
	Oid types[] = {UUIDOID};
	Datum values[] = {UUIDPGetDatum(&row->id)};
	uint64 found = store_sql("SELECT name::pg_catalog.text FROM " STORE_SCHEMA ".lepton_model"
							 " WHERE parent OPERATOR(pg_catalog.=) $1"
							 " AND family OPERATOR(pg_catalog.=) '" STORE_HEAD_FAMILY "'"
							 " ORDER BY name",
							 1, types, values, NULL);
	char **names = palloc(sizeof(char *) * Max(found, 1));

	for (uint64 i = 0; i < found; i++)
		names[i] = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
	*n = (int) found;
	return names;
}

/* Tell whether a committed model other than row has the same files */
static bool
hash_is_shared(const StoreRow *row)
{
	Oid types[] = {UUIDOID, BYTEAOID};
	bytea *hash = palloc(VARHDRSZ + LEP_HASH_BYTES);
	Datum values[] = {UUIDPGetDatum(&row->id), PointerGetDatum(hash)};

	SET_VARSIZE(hash, VARHDRSZ + LEP_HASH_BYTES);
	memcpy(VARDATA(hash), row->hash, LEP_HASH_BYTES);
	return store_sql("SELECT FROM " STORE_SCHEMA ".lepton_model"
					 " WHERE hash OPERATOR(pg_catalog.=) $2 AND id OPERATOR(pg_catalog.<>) $1",
					 2, types, values, NULL) > 0;
}

/* Drop a model; SPI must be connected */
static void
drop_model(const char *name, bool cascade)
{
	StoreRow row;
	StoreDependent *dependents;
	char **children;
	int n;
	int n_children;

	check_stack_depth();
	lock_owned(name, &row);
	dependents = store_dependents(name, &n);
	children = child_names(&row, &n_children);
	if (!cascade)
		store_refuse_dependents(
			"drop", name, dependents, n, children, n_children,
			"Use lepton_drop_model(name, cascade => true) to drop the dependent objects too.");
	for (int i = 0; i < n_children; i++)
		drop_model(children[i], true);
	if (n > 0)
		store_drop_dependents(dependents, n);
	store_forget_at_commit(&row, !row.is_head && !hash_is_shared(&row));
	change_row("DELETE FROM " STORE_SCHEMA ".lepton_model"
			   " WHERE id OPERATOR(pg_catalog.=) $1 AND $2",
			   &row, BOOLOID, BoolGetDatum(true));
}

/* Drop a model */
void
store_drop(const char *name, bool cascade)
{
	SPI_connect();
	drop_model(name, cascade);
	SPI_finish();
}

/* Rename a model */
void
store_rename(const char *name, const char *new_name)
{
	StoreRow row;
	StoreDependent *dependents;
	NameData to;
	int n;

	SPI_connect();
	lock_owned(name, &row);
	store_model_check_new_name(new_name);
	dependents = store_dependents(name, &n);
	store_refuse_dependents("rename", name, dependents, n, NULL, 0,
							"Drop these objects and make them again with the new name.");
	namestrcpy(&to, new_name);
	change_row("UPDATE " STORE_SCHEMA ".lepton_model SET name = $2"
			   " WHERE id OPERATOR(pg_catalog.=) $1",
			   &row, NAMEOID, NameGetDatum(&to));
	SPI_finish();
}

/* Make a model the default of a task */
void
store_set_default(const char *name, const StoreTask *wanted)
{
	StoreRow row;
	StoreTask task;
	bool found;

	/* This lock comes before those of rows: two of us would wait for each other's rows. */
	PushActiveSnapshot(GetLatestSnapshot());
	found = store_row_by_name(name, GetActiveSnapshot(), &row, NULL);
	PopActiveSnapshot();
	if (!found)
		store_raise_undefined(name);
	store_require_owner(&row);
	task = wanted != NULL ? *wanted : row.task;
	PreventCommandIfReadOnly("a change of models");
	store_lock(STORE_LOCK_DEFAULT, (uint64) task, false);
	SPI_connect();
	lock_owned(name, &row);
	store_require_task(&row, task);
	if (!store_has_tasks())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("extension \"lepton\" of this database is older than its library"),
						errhint("Use ALTER EXTENSION lepton UPDATE.")));
	change_row("INSERT INTO " STORE_SCHEMA ".lepton_default (model, task)"
			   " VALUES ($1, $2) ON CONFLICT (task) DO UPDATE SET model = $1",
			   &row, TEXTOID, CStringGetTextDatum(store_task_name(task)));
	SPI_finish();
}

/* Raise unless a role exists; 0 is everybody */
static void
check_role(Oid role)
{
	if (role != ACL_ID_PUBLIC && !SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("role with OID %u does not exist", role)));
}

/* Let a role use a model */
void
store_grant(const char *name, Oid role)
{
	StoreRow row;

	check_role(role);
	SPI_connect();
	lock_owned(name, &row);
	change_row("UPDATE " STORE_SCHEMA ".lepton_model"
			   " SET users = pg_catalog.array_append("
			   "pg_catalog.array_remove(users, " ROLE_ARGUMENT "), " ROLE_ARGUMENT ")"
			   " WHERE id OPERATOR(pg_catalog.=) $1",
			   &row, OIDOID, ObjectIdGetDatum(role));
	SPI_finish();
}

/* Stop a role from using a model */
void
store_revoke(const char *name, Oid role)
{
	StoreRow row;

	SPI_connect();
	lock_owned(name, &row);
	change_row("UPDATE " STORE_SCHEMA ".lepton_model"
			   " SET users = pg_catalog.array_remove(users, " ROLE_ARGUMENT ")"
			   " WHERE id OPERATOR(pg_catalog.=) $1",
			   &row, OIDOID, ObjectIdGetDatum(role));
	SPI_finish();
}

/* Check the chunks of a model and of its parent, and their image */
void
store_verify(const char *name)
{
	bool pushed = store_push_snapshot();
	bool may_use;
	StoreRow row;

	if (!store_row_by_name(name, GetActiveSnapshot(), &row, &may_use))
		store_raise_undefined(name);
	if (!may_use)
		store_require_owner(&row);
	if (row.is_head)
	{
		store_chunks_verify(store_chunks_open(&row), &row);
		if (!store_row_by_id(&row.parent, GetActiveSnapshot(), &row))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("parent of model \"%s\" does not exist", name),
							errhint(STORE_DAMAGED_HINT)));
	}
	store_image_verify(&row, lepton_kernels());
	if (pushed)
		PopActiveSnapshot();
}
