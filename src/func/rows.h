/*
 * rows.h: the rows of a query that a user gives as text: run read-only, with
 * the caller's rights, a few at a time.
 *
 * Use:
 *		func_rows_open(&rows, &kind, query);
 *		while (func_rows_fetch(&rows))
 *			... func_rows_text(&rows, i, &len) for i < rows.n ...
 *		func_rows_close(&rows);
 * SPI is connected meanwhile.
 */
#ifndef LEPTON_FUNC_ROWS_H
#define LEPTON_FUNC_ROWS_H

#include "postgres.h"

#include "executor/spi.h"
#include "utils/portal.h"

#define FUNC_ROWS_FETCH 256 /* rows fetched at a time, at most */

/* What a query must return, in the words of its errors; all columns are text. */
typedef struct FuncRowsKind
{
	const char *subject; /* "training query" */
	int n_columns;		 /* the text is the first */
	const char *columns; /* "two columns, the text and its label" */
	const char *types;	 /* "text and label as text" */
	const char *roles[2];
} FuncRowsKind;

/* One text a row; the query may be NULL: the built-in sample. */
extern const FuncRowsKind func_rows_sample;

typedef struct FuncRows
{
	const FuncRowsKind *kind;
	Portal portal;		   /* NULL: the built-in sample */
	SPITupleTable *table;  /* fetched last */
	MemoryContext context; /* of the rows fetched last */
	size_t n;			   /* rows fetched last */
	const char **texts;	   /* [n], those that were asked for already */
	size_t *lens;		   /* [n] */
	uint64 seen;		   /* rows fetched before them */
} FuncRows;

/* Start; raises when the query does not return what it must. */
void func_rows_open(FuncRows *rows, const FuncRowsKind *kind, const char *query);
/* Get the next rows; false at the end. */
bool func_rows_fetch(FuncRows *rows);
/* The text of row i as UTF-8, *len bytes, valid until the next fetch. */
const char *func_rows_text(FuncRows *rows, size_t i, size_t *len);
/* Column 0, 1.. of row i in the database's encoding, valid until the next fetch; raises when it is NULL. */
char *func_rows_value(FuncRows *rows, size_t i, int column);
void func_rows_close(FuncRows *rows);

#endif
