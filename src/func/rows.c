/*
 * rows.c: runs a query that a user gave as text and hands out its rows, or the
 * texts of the built-in sample.  What lies in memory is one fetch.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "../engine/compress.h"
#include "rows.h"
#include "run.h"

const FuncRowsKind func_rows_sample = {
	"sample query", 1, "one column, the text", "text", {"only", NULL}};

/* Refuse queries whose columns are others */
static void
check_columns(const FuncRowsKind *kind, TupleDesc desc)
{
	if (desc->natts != kind->n_columns)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("%s must return %s", kind->subject, kind->columns),
						errdetail("The query returns %d.", desc->natts)));
	for (int i = 0; i < kind->n_columns; i++)
	{
		Oid type = getBaseType(TupleDescAttr(desc, i)->atttypid);

		if (type != TEXTOID && type != VARCHAROID && type != BPCHAROID && type != NAMEOID)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("%s must return %s", kind->subject, kind->types),
							errdetail("Its %s column \"%s\" is of type %s.", kind->roles[i],
									  NameStr(TupleDescAttr(desc, i)->attname),
									  format_type_be(TupleDescAttr(desc, i)->atttypid)),
							errhint("Cast the column to text.")));
	}
}

/* Start */
void
func_rows_open(FuncRows *rows, const FuncRowsKind *kind, const char *query)
{
	SPIPlanPtr plan;

	memset(rows, 0, sizeof(FuncRows));
	rows->kind = kind;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rows->context =
		AllocSetContextCreate(CurrentMemoryContext, "lepton rows", ALLOCSET_DEFAULT_SIZES);
	if (query == NULL)
		return;
	plan = SPI_prepare(query, 0, NULL);
	if (plan == NULL || !SPI_is_cursor_plan(plan))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be one statement that returns rows", kind->subject),
						errhint("Give a SELECT of %s.", kind->columns)));
	rows->portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	check_columns(kind, rows->portal->tupDesc);
}

/* Get the next rows */
bool
func_rows_fetch(FuncRows *rows)
{
	rows->seen += rows->n;
	MemoryContextReset(rows->context);
	if (rows->portal == NULL)
	{
		rows->n = 0;
		while (rows->n < FUNC_ROWS_FETCH && lep_sample_texts[rows->seen + rows->n] != NULL)
			rows->n++;
		return rows->n > 0;
	}
	SPI_freetuptable(rows->table);
	SPI_cursor_fetch(rows->portal, true, FUNC_ROWS_FETCH);
	rows->table = SPI_tuptable;
	rows->n = SPI_processed;
	rows->texts = MemoryContextAllocZero(rows->context, sizeof(char *) * Max(rows->n, 1));
	rows->lens = MemoryContextAlloc(rows->context, sizeof(size_t) * Max(rows->n, 1));
	return rows->n > 0;
}

/* A column of row i of the last fetch */
char *
func_rows_value(FuncRows *rows, size_t i, int column)
{
	MemoryContext old = MemoryContextSwitchTo(rows->context);
	TupleDesc desc = rows->table->tupdesc;
	char *value = SPI_getvalue(rows->table->vals[i], desc, column + 1);

	MemoryContextSwitchTo(old);
	if (value == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not return nulls", rows->kind->subject),
						errdetail("Column \"%s\" of row " UINT64_FORMAT " is null.",
								  NameStr(TupleDescAttr(desc, column)->attname),
								  rows->seen + (uint64) i + 1),
						errhint("Leave such rows out with WHERE ... IS NOT NULL.")));
	return value;
}

/* The text of row i of the last fetch */
const char *
func_rows_text(FuncRows *rows, size_t i, size_t *len)
{
	if (rows->portal == NULL)
	{
		*len = strlen(lep_sample_texts[rows->seen + i]);
		return lep_sample_texts[rows->seen + i];
	}
	if (rows->texts[i] == NULL)
	{
		char *value = func_rows_value(rows, i, 0);
		MemoryContext old = MemoryContextSwitchTo(rows->context);

		rows->texts[i] = func_utf8(cstring_to_text(value), &rows->lens[i]);
		MemoryContextSwitchTo(old);
		pfree(value);
	}
	*len = rows->lens[i];
	return rows->texts[i];
}

/* End */
void
func_rows_close(FuncRows *rows)
{
	if (rows->portal != NULL)
		SPI_cursor_close(rows->portal);
	SPI_finish();
}
