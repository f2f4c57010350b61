/*
 * table.c: a user's table, view or foreign table (path text, part int, data
 * bytea) as a LepFolder.  It reads through SPI as the calling user, so that privileges and row
 * security are those of any query, and trusts nothing it reads.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "internal.h"

#define FETCH_ROWS 1000 /* of the list of parts */

typedef struct TableFile
{
	uint64 *starts; /* [n_parts + 1] */
	int n_parts, capacity;
} TableFile;

typedef struct Table
{
	LepFolder folder;
	const char *name; /* quoted */
	TableFile *files; /* [folder.n_files] */
	int capacity;
	MemoryContext context;
	SPIPlanPtr plan; /* parts of one file, in order */

	/* the piece in memory: bytes [piece_start, piece_end) of a file */
	Portal portal;	/* stands behind part; NULL: none */
	int file, part; /* -1: none */
	struct varlena *piece;
	uint64 piece_start, piece_end;
} Table;

/* Arguments of a read, for lepton_guard. */
typedef struct TableRead
{
	Table *table;
	size_t file;
	uint64 offset;
	char *dst; /* [len] */
	size_t len;
} TableRead;

/* Check that the relation has a column of a type */
static void
check_column(Relation relation, const char *name, Oid wanted, Oid other)
{
	AttrNumber number = get_attnum(RelationGetRelid(relation), name);
	Oid type;

	if (number == InvalidAttrNumber)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("\"%s\" has no column \"%s\"", RelationGetRelationName(relation), name),
			 errhint(
				 "The files of a model are read from columns path text, part integer and data bytea.")));
	type = getBaseType(get_atttype(RelationGetRelid(relation), number));
	if (type != wanted && type != other)
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of \"%s\" has type %s, expected %s", name,
					RelationGetRelationName(relation), format_type_be(type),
					format_type_be(wanted)),
			 errhint(
				 "The files of a model are read from columns path text, part integer and data bytea.")));
}

/* Check the relation's kind and columns, and quote its name */
static const char *
check_relation(Oid oid)
{
	Relation relation = try_relation_open(oid, AccessShareLock);
	const char *name;

	if (relation == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", oid)));
	switch (relation->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table or view", RelationGetRelationName(relation))));
	}
	check_column(relation, "path", TEXTOID, VARCHAROID);
	check_column(relation, "part", INT4OID, INT2OID);
	check_column(relation, "data", BYTEAOID, BYTEAOID);
	name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
									  RelationGetRelationName(relation));
	relation_close(relation, NoLock);
	return name;
}

/* Raise unless a path is plain: relative, without . and .. */
static void
check_path(const char *path)
{
	const char *part = path;
	bool plain = path[0] != '\0' && strlen(path) <= LEP_PATH_MAX && strchr(path, '\\') == NULL;

	while (plain && part != NULL)
	{
		const char *slash = strchr(part, '/');
		size_t len = slash ? (size_t) (slash - part) : strlen(part);

		if (len == 0 || (len == 1 && part[0] == '.') ||
			(len == 2 && part[0] == '.' && part[1] == '.'))
			plain = false;
		part = slash ? slash + 1 : NULL;
	}
	if (!plain)
	{
		char quoted[300];

		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is not the path of a model's file",
					lep_error_quote(quoted, sizeof(quoted), path, strlen(path))),
			 errhint("Use paths relative to the model's folder, such as 1_Pooling/config.json.")));
	}
}

/* Append a file */
static TableFile *
add_file(Table *table, const char *path)
{
	LepFolder *folder = &table->folder;
	TableFile *file;

	if (folder->n_files >= STORE_MAX_FILES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s has more than %d files of a model", table->name, STORE_MAX_FILES)));
	if (folder->n_files == (size_t) table->capacity)
	{
		table->capacity *= 2;
		folder->files = repalloc(folder->files, sizeof(LepFile) * table->capacity);
		table->files = repalloc(table->files, sizeof(TableFile) * table->capacity);
	}
	folder->files[folder->n_files].path = MemoryContextStrdup(table->context, path);
	folder->files[folder->n_files].size = 0;
	folder->files[folder->n_files].used = false;
	file = &table->files[folder->n_files++];
	file->capacity = 8;
	file->n_parts = 0;
	file->starts = MemoryContextAlloc(table->context, sizeof(uint64) * file->capacity);
	file->starts[0] = 0;
	return file;
}

/* Take one row (path, part, length) of the list, which is in order; last is the path before */
static void
add_part(Table *table, HeapTuple tuple, TupleDesc desc, char **last)
{
	bool isnull[3];
	Datum path = SPI_getbinval(tuple, desc, 1, &isnull[0]);
	Datum part = SPI_getbinval(tuple, desc, 2, &isnull[1]);
	Datum length = SPI_getbinval(tuple, desc, 3, &isnull[2]);
	TableFile *file;
	char *name;

	if (isnull[0] || isnull[1] || isnull[2])
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("column \"%s\" of %s must not be null",
							   isnull[0] ? "path" : (isnull[1] ? "part" : "data"), table->name)));
	name = TextDatumGetCString(path);
	if (*last == NULL || strcmp(*last, name) != 0)
	{
		check_path(name);
		*last = MemoryContextStrdup(table->context, name);
		if (!lep_folder_wants(name))
			return;
		file = add_file(table, name);
	}
	else if (!lep_folder_wants(name))
		return;
	else
		file = &table->files[table->folder.n_files - 1];

	if (file->n_parts > 0 && DatumGetInt32(part) == file->n_parts - 1)
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("part %d of file \"%s\" is twice in %s", DatumGetInt32(part), name,
							   table->name)));
	if (DatumGetInt32(part) != file->n_parts)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("part %d of file \"%s\" is not in %s", file->n_parts, name, table->name),
				 errdetail("The next part that is there has number %d.", DatumGetInt32(part)),
				 errhint("Number the parts of each file 0, 1, 2 and so on.")));
	if (file->n_parts >= STORE_MAX_PARTS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("file \"%s\" has more than %d parts", name, STORE_MAX_PARTS)));
	if (file->n_parts + 1 == file->capacity)
	{
		file->capacity *= 2;
		file->starts = repalloc(file->starts, sizeof(uint64) * file->capacity);
	}
	file->starts[file->n_parts + 1] = file->starts[file->n_parts] + DatumGetInt32(length);
	file->n_parts++;
	table->folder.files[table->folder.n_files - 1].size = file->starts[file->n_parts];
	pfree(name);
}

/* List the files and the lengths of their parts */
static void
list_parts(Table *table)
{
	char *sql = psprintf("SELECT path::pg_catalog.text, part::pg_catalog.int4,"
						 " pg_catalog.octet_length(data) FROM %s"
						 " ORDER BY path::pg_catalog.text COLLATE pg_catalog.\"C\", part",
						 table->name);
	SPIPlanPtr plan = SPI_prepare(sql, 0, NULL);
	Portal portal;
	char *last = NULL;

	if (plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not read %s: %s", table->name, SPI_result_code_string(SPI_result))));
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
			add_part(table, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &last);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_freeplan(plan);
}

/* Raise that the table gives other rows than when it was listed */
static void
raise_changed(Table *table, int file)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE), errmsg("file \"%s\" of %s changed while it was loaded",
													table->folder.files[file].path, table->name)));
}

/* Forget the piece in memory */
static void
drop_piece(Table *table)
{
	if (table->piece != NULL)
		pfree(table->piece);
	table->piece = NULL;
	table->piece_start = table->piece_end = 0;
}

/* Start reading a file from its first part */
static void
open_file(Table *table, int file)
{
	Datum path = CStringGetTextDatum(table->folder.files[file].path);

	if (table->portal != NULL)
		SPI_cursor_close(table->portal);
	table->portal = NULL;
	table->portal = SPI_cursor_open(NULL, table->plan, &path, NULL, true);
	table->file = file;
	table->part = -1;
	drop_piece(table);
	pfree(DatumGetPointer(path));
}

/* Fetch the piece that holds a byte at or behind the cursor's part */
static void
fetch_piece(Table *table, uint64 offset)
{
	TableFile *file = &table->files[table->file];
	int part = table->part;
	bool isnull = true;
	Datum data;
	MemoryContext old;
	uint64 length;

	drop_piece(table);
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (SPI_tuptable != NULL)
			SPI_freetuptable(SPI_tuptable);
		SPI_cursor_fetch(table->portal, true, 1);
		part++;
		if (SPI_processed != 1 || part >= file->n_parts)
			raise_changed(table, table->file);
	} while (file->starts[part + 1] <= offset);

	data = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	length = file->starts[part + 1] - file->starts[part];
	if (isnull || toast_raw_datum_size(data) - VARHDRSZ != length)
		raise_changed(table, table->file);
	old = MemoryContextSwitchTo(table->context);
	table->piece = PG_DETOAST_DATUM_COPY(data);
	MemoryContextSwitchTo(old);
	table->part = part;
	table->piece_start = file->starts[part];
	table->piece_end = file->starts[part + 1];
	SPI_freetuptable(SPI_tuptable);
}

/* Copy bytes of a file out of its parts */
static void
read_bytes(void *arg)
{
	TableRead *read = arg;
	Table *table = read->table;

	while (read->len > 0)
	{
		uint64 n;

		if (table->file != (int) read->file || read->offset < table->piece_start)
			open_file(table, (int) read->file);
		if (read->offset >= table->piece_end)
			fetch_piece(table, read->offset);
		n = Min(read->len, table->piece_end - read->offset);
		memcpy(read->dst, VARDATA_ANY(table->piece) + (read->offset - table->piece_start), n);
		read->dst += n;
		read->offset += n;
		read->len -= n;
	}
}

/* LepFolder.read over a table */
static LepStatus
table_read(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	Table *table = ctx;
	TableRead read = {table, file, offset, dst, len};
	LepFile *entry = &table->folder.files[file];

	if (offset > entry->size || len > entry->size - offset)
		return lep_error(err, LEP_BAD_FILE, "read behind the end of file \"%s\"", entry->path);
	return lepton_guard(read_bytes, &read, err);
}

/* Open a table of files; SPI must be connected and stay so */
LepFolder *
store_table_open(Oid relation)
{
	Table *table = palloc0(sizeof(Table));
	Oid type = TEXTOID;

	table->name = check_relation(relation);
	table->context = CurrentMemoryContext;
	table->capacity = 16;
	table->folder.files = palloc(sizeof(LepFile) * table->capacity);
	table->files = palloc(sizeof(TableFile) * table->capacity);
	table->folder.read = table_read;
	table->folder.ctx = table;
	table->file = table->part = -1;
	list_parts(table);
	table->plan = SPI_prepare(
		psprintf("SELECT data FROM %s WHERE path OPERATOR(pg_catalog.=) $1 ORDER BY part",
				 table->name),
		1, &type);
	if (table->plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not read %s: %s", table->name, SPI_result_code_string(SPI_result))));
	return &table->folder;
}
