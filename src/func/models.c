/*
 * models.c: the SQL functions that manage and describe models.  Thin: they
 * check arguments, call the store and build the result.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "../compat.h"
#include "../store/internal.h"

PG_FUNCTION_INFO_V1(lepton_load_model_path);
PG_FUNCTION_INFO_V1(lepton_load_model_table);
PG_FUNCTION_INFO_V1(lepton_drop_model);
PG_FUNCTION_INFO_V1(lepton_rename_model);
PG_FUNCTION_INFO_V1(lepton_set_default);
PG_FUNCTION_INFO_V1(lepton_grant);
PG_FUNCTION_INFO_V1(lepton_revoke);
PG_FUNCTION_INFO_V1(lepton_verify);
PG_FUNCTION_INFO_V1(lepton_graph);
PG_FUNCTION_INFO_V1(lepton_stat_models);
PG_FUNCTION_INFO_V1(lepton_stat_reset);
PG_FUNCTION_INFO_V1(lepton_forget_models);
PG_FUNCTION_INFO_V1(lepton_role_in);
PG_FUNCTION_INFO_V1(lepton_role_out);

#define ROW_COLUMNS                                                                     \
	"SELECT m.name, m.task, m.family, m.\"precision\", m.dims, m.max_tokens, m.labels," \
	" m.parameters, m.bytes, p.name, m.recipe, m.owner::pg_catalog.regrole,"            \
	" m.users::pg_catalog.regrole[], m.loaded_at,"
#define ROW_FROM                                                                      \
	" FROM " STORE_SCHEMA ".lepton_model m LEFT JOIN " STORE_SCHEMA ".lepton_model p" \
	" ON p.id OPERATOR(pg_catalog.=) m.parent"                                        \
	" WHERE m.name::pg_catalog.text OPERATOR(pg_catalog.=) $1"
#define ROW_DEFAULTS \
	" FROM " STORE_SCHEMA ".lepton_default d WHERE d.model OPERATOR(pg_catalog.=) m.id"

/* The row of lepton_models of a model, and what it was before 0.5.0. */
static const char *const row_sql =
	ROW_COLUMNS " EXISTS (SELECT" ROW_DEFAULTS " AND d.task OPERATOR(pg_catalog.=) m.task),"
				" m.tasks, ARRAY(SELECT d.task" ROW_DEFAULTS " ORDER BY d.task)" ROW_FROM;
static const char *const old_row_sql = ROW_COLUMNS " m.is_default" ROW_FROM;

/* The row of lepton_models of a model, as the result type of fcinfo; SPI is connected */
static Datum
model_row(FunctionCallInfo fcinfo, const char *name, MemoryContext result_context)
{
	Oid types[] = {TEXTOID};
	Datum args[] = {CStringGetTextDatum(name)};
	TupleDesc desc;
	Datum *values;
	bool *nulls;
	HeapTuple tuple;
	MemoryContext old;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("return type must be a row type")));
	if (store_sql(store_has_tasks() ? row_sql : old_row_sql, 1, types, args, NULL) != 1)
		store_raise_undefined(name);
	if (desc->natts != SPI_tuptable->tupdesc->natts)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("view lepton_models has %d columns, expected %d", desc->natts,
							   SPI_tuptable->tupdesc->natts),
						errhint("Use ALTER EXTENSION lepton UPDATE.")));
	values = palloc(sizeof(Datum) * desc->natts);
	nulls = palloc(sizeof(bool) * desc->natts);
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	old = MemoryContextSwitchTo(result_context);
	tuple = heap_form_tuple(BlessTupleDesc(desc), values, nulls);
	MemoryContextSwitchTo(old);
	return HeapTupleGetDatum(tuple);
}

/* The task that a load asks for, argument 2; NULL: what the folder is made for */
static const StoreTask *
wanted_task(FunctionCallInfo fcinfo, StoreTask *task)
{
	if (PG_NARGS() < 3 || PG_ARGISNULL(2))
		return NULL;
	*task = store_task_by_name(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	return task;
}

/* lepton_load_model(name text, path text [, task text]) */
Datum
lepton_load_model_path(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	LepFolder *folder;
	StoreTask task;
	const StoreTask *wanted = wanted_task(fcinfo, &task);
	char *name, *path;
	Datum result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	store_model_check_new_name(name);
	store_image_sweep();
	folder = store_directory_open(path);
	SPI_connect();
	store_load(name, folder, wanted);
	store_directory_close(folder);
	result = model_row(fcinfo, name, context);
	SPI_finish();
	PG_RETURN_DATUM(result);
}

/* lepton_load_model(name text, files regclass [, task text]) */
Datum
lepton_load_model_table(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	StoreTask task;
	const StoreTask *wanted = wanted_task(fcinfo, &task);
	char *name;
	Datum result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	store_model_check_new_name(name);
	store_image_sweep();
	SPI_connect();
	store_load(name, store_table_open(PG_GETARG_OID(1)), wanted);
	result = model_row(fcinfo, name, context);
	SPI_finish();
	PG_RETURN_DATUM(result);
}

/* lepton_drop_model(name text, "cascade" boolean) */
Datum
lepton_drop_model(PG_FUNCTION_ARGS)
{
	store_drop(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

/* lepton_rename_model(name text, new_name text) */
Datum
lepton_rename_model(PG_FUNCTION_ARGS)
{
	store_rename(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* lepton_set_default(name text [, task text]) */
Datum
lepton_set_default(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	StoreTask task;

	if (PG_NARGS() < 2)
		store_set_default(name, NULL);
	else
	{
		task = store_task_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));
		store_set_default(name, &task);
	}
	PG_RETURN_VOID();
}

/* lepton_grant(name text, role regrole) */
Datum
lepton_grant(PG_FUNCTION_ARGS)
{
	store_grant(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/* lepton_revoke(name text, role regrole) */
Datum
lepton_revoke(PG_FUNCTION_ARGS)
{
	store_revoke(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

/* lepton_verify(name text): true, or an error */
Datum
lepton_verify(PG_FUNCTION_ARGS)
{
	store_verify(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_BOOL(true);
}

/* lepton_graph(model text): one row per operator */
Datum
lepton_graph(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	StoreModel *m = store_model_open_any(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	const LepGraph *graph = m->model->graph;

	InitMaterializedSRF(fcinfo, 0);
	for (size_t i = 0; i < lep_graph_op_count(graph); i++)
	{
		LepOpInfo info;
		Datum values[9];
		bool nulls[9] = {false};

		lep_graph_op_info(graph, i, &info);
		values[0] = Int32GetDatum((int32) i + 1);
		values[1] = CStringGetTextDatum(info.op);
		values[2] = CStringGetTextDatum(info.name);
		values[3] = CStringGetTextDatum(info.shape);
		values[4] = CStringGetTextDatum(info.precision);
		values[5] = CStringGetTextDatum(info.segment);
		values[6] = Int64GetDatum((int64) info.bytes);
		values[7] = Int64GetDatum((int64) info.scratch);
		/* The last column: functions of older versions of the extension do not have it. */
		nulls[8] = info.stored == NULL;
		values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(info.stored);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	store_model_close(m);
	return (Datum) 0;
}

/* _lepton.stat_models(): one row per model that has been used */
Datum
lepton_stat_models(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	static const pg_uuid_t none = {{0}};
	StoreCounts counts;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; store_stat_read(i, &counts); i++)
	{
		Datum values[8];
		bool nulls[8] = {false};

		if (memcmp(&counts.id, &none, sizeof(none)) == 0)
			continue;
		values[0] = UUIDPGetDatum(&counts.id);
		values[1] = Int64GetDatum((int64) counts.calls);
		values[2] = Int64GetDatum((int64) counts.rows);
		values[3] = Int64GetDatum((int64) counts.tokens);
		values[4] = Int64GetDatum((int64) counts.batches);
		values[5] = Float8GetDatum((double) counts.nanoseconds / 1e6);
		values[6] = Int64GetDatum((int64) counts.cache_hits);
		values[7] = Int64GetDatum((int64) counts.loads);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* lepton_stat_reset() */
Datum
lepton_stat_reset(PG_FUNCTION_ARGS)
{
	store_stat_reset();
	PG_RETURN_VOID();
}

/* Trigger of the catalog: tell every session that models have changed */
Datum
lepton_forget_models(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"%s\" was not called by a trigger", "forget_models")));
	CacheInvalidateRelcacheByRelid(RelationGetRelid(trigger->tg_relation));
	return PointerGetDatum(NULL);
}

/*
 * Input of _lepton.role: a name, a number or "-" for everybody; a name that
 * no role has gives a role that nobody has
 */
Datum
lepton_role_in(PG_FUNCTION_ARGS)
{
	const char *name = PG_GETARG_CSTRING(0);
	List *names;
	Oid role;

	if (strcmp(name, "-") == 0)
		PG_RETURN_OID(ACL_ID_PUBLIC);
	if (name[0] != '\0' && strspn(name, "0123456789") == strlen(name))
		PG_RETURN_DATUM(DirectFunctionCall1(oidin, CStringGetDatum(name)));
	names = lepton_name_list(name);
	if (list_length(names) != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid name syntax")));
	role = get_role_oid(strVal(linitial(names)), true);
	if (!OidIsValid(role))
	{
		ereport(WARNING, (errmsg("role \"%s\" does not exist", strVal(linitial(names))),
						  errdetail("Only superusers have its rights on the model.")));
		role = STORE_ROLE_NOBODY;
	}
	PG_RETURN_OID(role);
}

/* Output of _lepton.role: as regrole's */
Datum
lepton_role_out(PG_FUNCTION_ARGS)
{
	return regroleout(fcinfo);
}
