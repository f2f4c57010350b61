/*
 * chunk.c: the files of a model as they lie in _lepton.lepton_model_chunk: a
 * folder to read them, the writer that puts them there, and the hash over both.  It knows no
 * file format.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "internal.h"

/* Columns of _lepton.lepton_model_chunk. */
enum
{
	COLUMN_MODEL = 1,
	COLUMN_PATH,
	COLUMN_PART,
	COLUMN_DATA
};

/* One file: the parts with number n_part hold its bytes from starts[n_part] on. */
typedef struct ChunkFile
{
	char *path;
	uint64 *starts; /* [n_parts + 1] */
	int n_parts, capacity;
} ChunkFile;

struct StoreChunks
{
	LepFolder folder;
	pg_uuid_t id;
	NameData name;
	ChunkFile *files; /* [folder.n_files] */
	MemoryContext context;

	/* the part read last */
	int file, part; /* -1: none */
	struct varlena *data;
};

/* Arguments of a read, for lepton_guard. */
typedef struct ChunkRead
{
	StoreChunks *chunks;
	size_t file;
	uint64 offset;
	char *dst; /* [len] */
	size_t len;
} ChunkRead;

/* Raise that the chunks of a model are not what was loaded */
static void raise_damaged(const char *name, const char *detail, ...)
	__attribute__((format(printf, 2, 3), noreturn));

static void
raise_damaged(const char *name, const char *detail, ...)
{
	char text[1024];
	va_list args;

	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("model \"%s\" is damaged", name),
					errdetail_internal("%s", text), errhint(STORE_DAMAGED_HINT)));
}

/* Sum over the sorted manifest: for each file its path, NUL, its size (8 bytes, low first), its bytes. */
typedef struct Hasher
{
	pg_cryptohash_ctx *sha;
} Hasher;

/* Raise what the hash library said */
static void
raise_hash(Hasher *hasher)
{
	ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					errmsg("could not compute SHA-256: %s", pg_cryptohash_error(hasher->sha))));
}

/* Start a sum */
static void
hash_begin(Hasher *hasher)
{
	hasher->sha = pg_cryptohash_create(PG_SHA256);
	if (hasher->sha == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (pg_cryptohash_init(hasher->sha) < 0)
		raise_hash(hasher);
}

/* Add bytes */
static void
hash_add(Hasher *hasher, const void *data, size_t len)
{
	if (pg_cryptohash_update(hasher->sha, data, len) < 0)
		raise_hash(hasher);
}

/* Add the head of a file */
static void
hash_file(Hasher *hasher, const char *path, uint64 size)
{
	uint8 bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8) (size >> (8 * i));
	hash_add(hasher, path, strlen(path) + 1);
	hash_add(hasher, bytes, sizeof(bytes));
}

/* Finish: hash[LEP_HASH_BYTES] */
static void
hash_end(Hasher *hasher, uint8 *hash)
{
	if (pg_cryptohash_final(hasher->sha, hash, PG_SHA256_DIGEST_LENGTH) < 0)
		raise_hash(hasher);
	pg_cryptohash_free(hasher->sha);
}

/* Read one part from the catalog */
static void
fetch_part(StoreChunks *chunks, int file, int part)
{
	StoreCatalog catalog;
	Relation relation;
	SysScanDesc scan;
	ScanKeyData keys[3];
	HeapTuple tuple;
	text *path = cstring_to_text(chunks->files[file].path);
	uint64 *starts = chunks->files[file].starts;

	CHECK_FOR_INTERRUPTS();
	if (chunks->data != NULL)
		pfree(chunks->data);
	chunks->data = NULL;
	chunks->file = chunks->part = -1;

	store_catalog(&catalog);
	relation = table_open(catalog.chunk, AccessShareLock);
	ScanKeyInit(&keys[0], COLUMN_MODEL, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&chunks->id));
	ScanKeyInit(&keys[1], COLUMN_PATH, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(path));
	ScanKeyInit(&keys[2], COLUMN_PART, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(part));
	scan = systable_beginscan(relation, catalog.chunk_by_path, true, GetActiveSnapshot(), 3, keys);
	tuple = systable_getnext(scan);
	if (tuple != NULL)
	{
		bool isnull;
		Datum data = heap_getattr(tuple, COLUMN_DATA, RelationGetDescr(relation), &isnull);

		if (!isnull)
		{
			MemoryContext old = MemoryContextSwitchTo(chunks->context);

			chunks->data = PG_DETOAST_DATUM_COPY(data);
			MemoryContextSwitchTo(old);
		}
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	pfree(path);
	if (chunks->data == NULL || VARSIZE_ANY_EXHDR(chunks->data) != starts[part + 1] - starts[part])
		raise_damaged(NameStr(chunks->name), "Part %d of file \"%s\" has changed.", part,
					  chunks->files[file].path);
	chunks->file = file;
	chunks->part = part;
}

/* Find the part that holds a byte */
static int
find_part(const ChunkFile *file, uint64 offset)
{
	int low = 0;
	int high = file->n_parts - 1;

	while (low < high)
	{
		int middle = low + (high - low + 1) / 2;

		if (file->starts[middle] <= offset)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* Copy bytes of a file out of its parts */
static void
read_bytes(void *arg)
{
	ChunkRead *read = arg;
	StoreChunks *chunks = read->chunks;
	ChunkFile *file = &chunks->files[read->file];

	while (read->len > 0)
	{
		int part = find_part(file, read->offset);
		uint64 from = read->offset - file->starts[part];
		uint64 n = Min(read->len, file->starts[part + 1] - read->offset);

		if (chunks->file != (int) read->file || chunks->part != part)
			fetch_part(chunks, (int) read->file, part);
		memcpy(read->dst, VARDATA_ANY(chunks->data) + from, n);
		read->dst += n;
		read->offset += n;
		read->len -= n;
	}
}

/* LepFolder.read over chunks */
static LepStatus
chunks_read(void *ctx, size_t file, uint64_t offset, void *dst, size_t len, LepError *err)
{
	StoreChunks *chunks = ctx;
	ChunkRead read = {chunks, file, offset, dst, len};
	uint64 size = chunks->folder.files[file].size;

	if (offset > size || len > size - offset)
		return lep_error(err, LEP_BAD_FILE, "read behind the end of file \"%s\"",
						 chunks->files[file].path);
	return lepton_guard(read_bytes, &read, err);
}

/* Append a file to those found */
static ChunkFile *
add_file(StoreChunks *chunks, const char *path, int *capacity)
{
	ChunkFile *file;
	size_t n = chunks->folder.n_files;

	if (n >= STORE_MAX_FILES)
		raise_damaged(NameStr(chunks->name), "It has more than %d files.", STORE_MAX_FILES);
	if (n == (size_t) *capacity)
	{
		*capacity *= 2;
		chunks->files = repalloc(chunks->files, sizeof(ChunkFile) * *capacity);
	}
	file = &chunks->files[n];
	file->path = pstrdup(path);
	file->capacity = 8;
	file->starts = palloc(sizeof(uint64) * file->capacity);
	file->starts[0] = 0;
	file->n_parts = 0;
	chunks->folder.n_files = n + 1;
	return file;
}

/* Take one row of the chunk table into the list; rows come in the order of path and part */
static void
add_part(StoreChunks *chunks, HeapTuple tuple, TupleDesc desc, int *capacity)
{
	bool isnull[3];
	Datum path = heap_getattr(tuple, COLUMN_PATH, desc, &isnull[0]);
	Datum part = heap_getattr(tuple, COLUMN_PART, desc, &isnull[1]);
	Datum data = heap_getattr(tuple, COLUMN_DATA, desc, &isnull[2]);
	ChunkFile *file = NULL;
	char *name;

	if (isnull[0] || isnull[1] || isnull[2])
		raise_damaged(NameStr(chunks->name), "A part is null.");
	name = TextDatumGetCString(path);
	if (chunks->folder.n_files > 0)
		file = &chunks->files[chunks->folder.n_files - 1];
	if (file == NULL || strcmp(file->path, name) != 0)
		file = add_file(chunks, name, capacity);
	pfree(name);
	if (DatumGetInt32(part) != file->n_parts)
		raise_damaged(NameStr(chunks->name), "Part %d of file \"%s\" is missing.", file->n_parts,
					  file->path);
	if (file->n_parts + 1 == file->capacity)
	{
		file->capacity *= 2;
		file->starts = repalloc(file->starts, sizeof(uint64) * file->capacity);
	}
	file->starts[file->n_parts + 1] =
		file->starts[file->n_parts] + (toast_raw_datum_size(data) - VARHDRSZ);
	file->n_parts++;
}

/* Find the files of a model */
StoreChunks *
store_chunks_open(const StoreRow *row)
{
	StoreChunks *chunks = palloc0(sizeof(StoreChunks));
	StoreCatalog catalog;
	Relation relation;
	Relation index;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple tuple;
	int capacity = 16;

	chunks->id = row->id;
	chunks->name = row->name;
	chunks->context = CurrentMemoryContext;
	chunks->files = palloc(sizeof(ChunkFile) * capacity);
	chunks->file = chunks->part = -1;
	chunks->folder.read = chunks_read;
	chunks->folder.ctx = chunks;

	store_catalog(&catalog);
	relation = table_open(catalog.chunk, AccessShareLock);
	index = index_open(catalog.chunk_by_path, AccessShareLock);
	ScanKeyInit(&key, COLUMN_MODEL, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&chunks->id));
	scan = systable_beginscan_ordered(relation, index, GetActiveSnapshot(), 1, &key);
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
		add_part(chunks, tuple, RelationGetDescr(relation), &capacity);
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);

	if (chunks->folder.n_files == 0)
		raise_damaged(NameStr(chunks->name), "It has no files.");
	chunks->folder.files = palloc0(sizeof(LepFile) * chunks->folder.n_files);
	for (size_t i = 0; i < chunks->folder.n_files; i++)
	{
		chunks->folder.files[i].path = chunks->files[i].path;
		chunks->folder.files[i].size = chunks->files[i].starts[chunks->files[i].n_parts];
	}
	return chunks;
}

/* The files as the engine reads them */
LepFolder *
store_chunks_folder(StoreChunks *chunks)
{
	return &chunks->folder;
}

/* Recompute the hash of a model */
void
store_chunks_verify(StoreChunks *chunks, const StoreRow *row)
{
	Hasher hasher;
	uint8 hash[LEP_HASH_BYTES];
	uint64 done = 0;

	hash_begin(&hasher);
	for (size_t i = 0; i < chunks->folder.n_files; i++)
	{
		ChunkFile *file = &chunks->files[i];

		hash_file(&hasher, file->path, file->starts[file->n_parts]);
		for (int part = 0; part < file->n_parts; part++)
		{
			fetch_part(chunks, (int) i, part);
			hash_add(&hasher, VARDATA_ANY(chunks->data), VARSIZE_ANY_EXHDR(chunks->data));
			done += VARSIZE_ANY_EXHDR(chunks->data);
		}
	}
	hash_end(&hasher, hash);
	if (memcmp(hash, row->hash, LEP_HASH_BYTES) != 0)
		raise_damaged(NameStr(row->name),
					  "The SHA-256 sum of its %zu files (" UINT64_FORMAT
					  " bytes) is not the one computed when it was loaded.",
					  chunks->folder.n_files, done);
}

/* Order files by path */
static int
compare_files(const void *a, const void *b)
{
	return strcmp((*(LepFile *const *) a)->path, (*(LepFile *const *) b)->path);
}

/* Insert one part */
static void
insert_part(const pg_uuid_t *id, const char *path, int part, bytea *data)
{
	Oid types[] = {UUIDOID, TEXTOID, INT4OID, BYTEAOID};
	Datum values[] = {UUIDPGetDatum(id), CStringGetTextDatum(path), Int32GetDatum(part),
					  PointerGetDatum(data)};

	store_sql("INSERT INTO " STORE_SCHEMA ".lepton_model_chunk (model, path, part, data)"
			  " VALUES ($1, $2, $3, $4)",
			  4, types, values, NULL);
	pfree(DatumGetPointer(values[1]));
}

/* Copy the files that the model needs, sorted by path, and sum them up */
void
store_chunks_write(const pg_uuid_t *id, LepFolder *folder, uint8 *hash, uint64 *bytes)
{
	LepFile **files = palloc(sizeof(LepFile *) * folder->n_files);
	bytea *data = palloc(VARHDRSZ + STORE_PART_BYTES);
	size_t n_files = 0;
	uint64 total = 0;
	Hasher hasher;
	LepError err;

	for (size_t i = 0; i < folder->n_files; i++)
		if (folder->files[i].used)
		{
			files[n_files++] = &folder->files[i];
			total += folder->files[i].size;
		}
	qsort(files, n_files, sizeof(LepFile *), compare_files);
	store_progress_phase(STORE_PHASE_STORE, total);

	*bytes = 0;
	hash_begin(&hasher);
	for (size_t i = 0; i < n_files; i++)
	{
		uint64 at = 0;
		int part = 0;

		hash_file(&hasher, files[i]->path, files[i]->size);
		do
		{
			size_t n = Min(files[i]->size - at, STORE_PART_BYTES);

			CHECK_FOR_INTERRUPTS();
			lepton_check(
				folder->read(folder->ctx, files[i] - folder->files, at, VARDATA(data), n, &err),
				&err);
			SET_VARSIZE(data, VARHDRSZ + n);
			hash_add(&hasher, VARDATA(data), n);
			insert_part(id, files[i]->path, part++, data);
			at += n;
			*bytes += n;
			store_progress_update(*bytes, total);
		} while (at < files[i]->size);
	}
	hash_end(&hasher, hash);
	pfree(data);
	pfree(files);
}
