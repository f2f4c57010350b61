/*
 * image_file.c: images as files in the database's directory: find, map, build,
 * remove.  A file is never changed in place, since that would kill every process that has it
 * mapped; see README.md for the states and locks.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "internal.h"

#define BUFFER_BYTES   (1 << 20) /* collected before a write */
#define FLUSH_BYTES	   (8 << 20) /* after which the disk is asked to start */
#define PRIVATE_ALIGN  4096
#define WORKER_WAIT_MS 10 /* between looks at another worker's build */

/* What stands at an image's name. */
typedef enum FileState
{
	FILE_USABLE,
	FILE_ABSENT,
	FILE_DAMAGED, /* a directory, a link, too short, contents that lep_image_open refuses */
	FILE_REFUSED  /* the system does not let us read it */
} FileState;

/* Where an image goes while it is written. */
typedef struct Writer
{
	LepSink sink;
	uint64 size; /* expected */
	uint64 done;

	/* to a file */
	int fd;
	int failure; /* errno of a failed write, 0 for none */
	char *buffer;
	size_t buffered;
	uint64 flushed;

	/* to memory, or compared with memory */
	char *memory; /* [size] */
	uint64 first_difference;
} Writer;

/* Path of the image of a model for its task and some kernels; dst[MAXPGPATH] */
void
store_image_path(const StoreRow *row, const LepKernels *kernels, char *dst)
{
	char digits[STORE_HASH_DIGITS + 1];
	char layout[LEP_LAYOUT_MAX];

	store_hash_digits(row->hash, digits);
	lep_image_layout(kernels, row->graph, layout);
	snprintf(dst, MAXPGPATH, "%s/" STORE_FILE_PREFIX "%s.%s", DatabasePath, digits, layout);
}

/* Unmap an image when its memory context goes */
static void
unmap(void *arg)
{
	StoreImage *image = arg;

	if (image->base != NULL)
		munmap(image->base, image->length);
	image->base = NULL;
}

/* Map the file at path; context's end unmaps it */
static FileState
map_file(const char *path, MemoryContext context, StoreImage *image)
{
	struct stat st;
	int fd = BasicOpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | PG_BINARY);
	MemoryContextCallback *callback;
	StoreImage *mapped;
	void *base;

	if (fd < 0)
		return errno == ENOENT ? FILE_ABSENT
							   : (errno == ELOOP || errno == ENXIO ? FILE_DAMAGED : FILE_REFUSED);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
	{
		close(fd);
		return FILE_DAMAGED;
	}
	base = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return FILE_REFUSED;
	image->base = base;
	image->length = (uint64) st.st_size;
	image->is_private = false;

	callback = MemoryContextAllocExtended(
		context, sizeof(MemoryContextCallback) + sizeof(StoreImage), MCXT_ALLOC_NO_OOM);
	if (callback == NULL)
	{
		unmap(image);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	mapped = (StoreImage *) (callback + 1);
	*mapped = *image;
	callback->func = unmap;
	callback->arg = mapped;
	MemoryContextRegisterResetCallback(context, callback);
	return FILE_USABLE;
}

/* Map and open the image at path; raises what is not about the file */
static FileState
open_file(const char *path, const StoreRow *row, const LepKernels *kernels, MemoryContext context,
		  LepArena *arena, StoreImage *image, LepModel *model, LepError *err)
{
	FileState state = map_file(path, context, image);
	LepStatus status;

	if (state != FILE_USABLE)
		return state;
	status = lep_image_open(image->base, image->length, row->hash, kernels, arena, model, err);
	if (status == LEP_OK && model->view.desc->task == row->graph)
		return FILE_USABLE;
	if (status != LEP_OK && status != LEP_BAD_IMAGE)
		lepton_raise(status, err);
	lep_arena_free(arena);
	return FILE_DAMAGED;
}

/* Empty the buffer into the file */
static bool
flush_buffer(Writer *writer)
{
	size_t at = 0;

	while (at < writer->buffered)
	{
		ssize_t n;

		errno = 0;
		n = write(writer->fd, writer->buffer + at, writer->buffered - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			writer->failure = errno != 0 ? errno : ENOSPC;
			return false;
		}
		at += (size_t) n;
	}
	writer->buffered = 0;
	return true;
}

/* LepSink.write into a file */
static LepStatus
write_file(void *ctx, const void *data, size_t len, LepError *err)
{
	Writer *writer = ctx;
	const char *from = data;

	while (len > 0)
	{
		size_t n = Min(len, BUFFER_BYTES - writer->buffered);

		memcpy(writer->buffer + writer->buffered, from, n);
		writer->buffered += n;
		writer->done += n;
		from += n;
		len -= n;
		if (writer->buffered == BUFFER_BYTES)
		{
			if (!flush_buffer(writer))
				return lep_error(err, LEP_IO, "could not write the image");
			if (writer->done - writer->flushed >= FLUSH_BYTES)
			{
				pg_flush_data(writer->fd, (off_t) writer->flushed,
							  (off_t) (writer->done - writer->flushed));
				writer->flushed = writer->done;
			}
			store_progress_update(writer->done, writer->size);
		}
	}
	return lep_stopped(lepton_stop()) ? LEP_CANCELLED : LEP_OK;
}

/* LepSink.write into memory */
static LepStatus
write_memory(void *ctx, const void *data, size_t len, LepError *err)
{
	Writer *writer = ctx;

	if (len > writer->size - writer->done)
		return lep_error(err, LEP_BAD_IMAGE, "image is longer than computed");
	memcpy(writer->memory + writer->done, data, len);
	writer->done += len;
	return lep_stopped(lepton_stop()) ? LEP_CANCELLED : LEP_OK;
}

/* LepSink.write that compares with memory */
static LepStatus
compare_memory(void *ctx, const void *data, size_t len, LepError *err)
{
	Writer *writer = ctx;
	const char *from = data;
	size_t n = (size_t) Min(len, writer->size - writer->done);

	if (writer->first_difference == PG_UINT64_MAX &&
		(n < len || memcmp(writer->memory + writer->done, from, n) != 0))
	{
		size_t i = 0;

		while (i < n && writer->memory[writer->done + i] == from[i])
			i++;
		writer->first_difference = writer->done + i;
	}
	writer->done += n;
	return lep_stopped(lepton_stop()) ? LEP_CANCELLED : LEP_OK;
}

/* Open the files of a model; raises unless they are what was loaded */
LepSource *
store_source_open(const StoreRow *row, LepArena *arena)
{
	StoreChunks *chunks = store_chunks_open(row);
	LepSource *source = NULL;
	LepError err;

	store_chunks_verify(chunks, row);
	lepton_check(lep_source_open(store_chunks_folder(chunks), arena, (int) row->graph, &source,
								 lepton_stop(), &err),
				 &err);
	return source;
}

/* Reserve disk space; an errno, or 0 */
static int
reserve_space(int fd, uint64 size)
{
	int result;

	do
	{
		CHECK_FOR_INTERRUPTS();
		result = posix_fallocate(fd, 0, (off_t) size);
	} while (result == EINTR);
	/* Some file systems can't; then a full disk shows while writing. */
	return result == EOPNOTSUPP || result == EINVAL ? 0 : result;
}

/* Write, sync and rename the image; an errno, or 0.  Raises what is not about the disk */
static int
write_image(const StoreRow *row, const LepKernels *kernels, const LepSource *source,
			const char *path, const char *temp, Writer *writer)
{
	LepAllocator allocator = lepton_allocator(CurrentMemoryContext);
	LepStatus status;
	LepError err;
	int fd;

	unlink(temp);
	writer->fd = OpenTransientFilePerm(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY,
									   pg_file_create_mode);
	if (writer->fd < 0)
		return errno;
	writer->failure = reserve_space(writer->fd, writer->size);
	if (writer->failure != 0)
		return writer->failure;
	writer->buffer = palloc(BUFFER_BYTES);
	writer->sink.write = write_file;
	writer->sink.ctx = writer;
	status =
		lep_image_write(source, kernels, row->hash, &allocator, &writer->sink, lepton_stop(), &err);
	if (status == LEP_OK && !flush_buffer(writer))
		status = LEP_IO;
	if (writer->failure != 0)
		return writer->failure;
	lepton_check(status, &err);
	if (writer->done != writer->size && ftruncate(writer->fd, (off_t) writer->done) != 0)
		return errno;
	if (pg_fsync(writer->fd) != 0)
		return errno;
	fd = writer->fd;
	writer->fd = -1;
	if (CloseTransientFile(fd) != 0)
		return errno;
	errno = 0;
	if (durable_rename(temp, path, LOG) != 0)
		return errno != 0 ? errno : EIO;
	return 0;
}

/* Build the image file; an errno when the disk does not take it, or 0 */
static int
build_file(const StoreRow *row, const LepKernels *kernels, const LepSource *source,
		   const char *path, uint64 size)
{
	Writer writer = {.size = size, .fd = -1};
	char temp[MAXPGPATH];
	int volatile failure = 0;

	snprintf(temp, sizeof(temp), "%s" STORE_TEMP_MARK "%d", path, MyProcPid);
	PG_TRY();
	{
		failure = write_image(row, kernels, source, path, temp, &writer);
	}
	PG_CATCH();
	{
		unlink(temp);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (failure != 0)
	{
		if (writer.fd >= 0)
			CloseTransientFile(writer.fd);
		unlink(temp);
	}
	return failure;
}

/* Build the image in memory of this backend */
static void
build_private(const StoreRow *row, const LepKernels *kernels, const LepSource *source,
			  MemoryContext context, uint64 size, StoreImage *image)
{
	LepAllocator allocator = lepton_allocator(CurrentMemoryContext);
	Writer writer = {.size = size, .fd = -1};
	char *raw = MemoryContextAllocExtended(context, size + PRIVATE_ALIGN,
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	LepError err;

	if (raw == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("A private copy of model \"%s\" takes " UINT64_FORMAT " bytes.",
								  NameStr(row->name), size)));
	writer.memory = (char *) TYPEALIGN(PRIVATE_ALIGN, raw);
	writer.sink.write = write_memory;
	writer.sink.ctx = &writer;
	lepton_check(
		lep_image_write(source, kernels, row->hash, &allocator, &writer.sink, lepton_stop(), &err),
		&err);
	image->base = writer.memory;
	image->length = writer.done;
	image->is_private = true;
}

/* Take away what stands in the way of an image */
static void
remove_damaged(const char *path, const LepError *err)
{
	ereport(LOG, (errmsg("rebuilding damaged image \"%s\"", path),
				  err->message[0] ? errdetail_internal("%s", err->message) : 0));
	if (unlink(path) != 0 && (errno == EISDIR || errno == EPERM))
		(void) rmdir(path);
}

/* Build an image, on disk if that works, and open it; the image's lock is held */
static void
build(const StoreRow *row, const LepKernels *kernels, const char *path, MemoryContext context,
	  LepArena *arena, StoreImage *image, LepModel *model)
{
	MemoryContext work =
		AllocSetContextCreate(CurrentMemoryContext, "lepton image build", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	LepAllocator allocator = lepton_allocator(work);
	LepArena source_arena;
	LepSource *source;
	FileState state = FILE_REFUSED;
	LepError err = {0};
	uint64_t size = 0;
	int failure;

	store_image_sweep();
	store_progress_begin(STORE_PROGRESS_IMAGE, STORE_PHASE_CHECK, 0);
	lep_arena_init(&source_arena, &allocator, 0);
	source = store_source_open(row, &source_arena);
	lepton_check(lep_image_size(source, kernels, &size, &err), &err);
	store_progress_phase(STORE_PHASE_PACK, size);

	failure = build_file(row, kernels, source, path, size);
	if (failure == 0)
		state = open_file(path, row, kernels, context, arena, image, model, &err);
	if (state == FILE_DAMAGED)
		lepton_raise(LEP_BAD_IMAGE, &err);
	if (state != FILE_USABLE)
	{
		/* A sweep may have removed the image of an uncommitted model before we could open it. */
		errno = failure != 0 ? failure : (state == FILE_ABSENT ? ENOENT : EACCES);
		ereport(NOTICE,
				(errmsg("keeping a private copy of model \"%s\" in memory", NameStr(row->name)),
				 errdetail("Could not write its image \"%s\": %m.", path)));
		build_private(row, kernels, source, context, size, image);
		lepton_check(
			lep_image_open(image->base, image->length, row->hash, kernels, arena, model, &err),
			&err);
	}
	lep_arena_free(&source_arena);
	store_progress_end();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/*
 * Wait for other processes of a parallel query, with which we share the image's lock
 *
 * They take turns by a lock on the directory, which their end releases
 * whatever happens.  A descriptor, or -1 when there is nothing to wait for.
 */
static int
lock_among_workers(void)
{
	int fd = IsInParallelMode() ? OpenTransientFile(DatabasePath, O_RDONLY | PG_BINARY) : -1;

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WORKER_WAIT_MS,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return fd;
}

/* Get the image of a model */
void
store_image_open(const StoreRow *row, const LepKernels *kernels, MemoryContext context,
				 LepArena *arena, StoreImage *image, LepModel *model)
{
	char path[MAXPGPATH];
	LepError err = {0};
	FileState state;
	uint64 key;
	int workers;

	store_image_path(row, kernels, path);
	state = open_file(path, row, kernels, context, arena, image, model, &err);
	if (state == FILE_USABLE)
		return;

	memcpy(&key, row->hash, sizeof(key));
	store_lock(STORE_LOCK_IMAGE, key, false);
	workers = lock_among_workers();
	/* While we waited another session may have built it. */
	state = open_file(path, row, kernels, context, arena, image, model, &err);
	if (state == FILE_DAMAGED)
		remove_damaged(path, &err);
	if (state != FILE_USABLE)
		build(row, kernels, path, context, arena, image, model);
	if (workers >= 0)
		CloseTransientFile(workers);
	store_unlock(STORE_LOCK_IMAGE, key);
}

/* Make sure that an image is there, for another process */
bool
store_image_make(const StoreRow *row, const LepKernels *kernels)
{
	MemoryContext work =
		AllocSetContextCreate(CurrentMemoryContext, "lepton image make", ALLOCSET_DEFAULT_SIZES);
	LepAllocator allocator = lepton_allocator(work);
	bool pushed = store_push_snapshot();
	LepArena arena;
	StoreImage image;
	LepModel model;
	bool is_there;

	if (!pushed && !IsInParallelMode())
		pushed = store_push_snapshot_of(row);
	lep_arena_init(&arena, &allocator, 0);
	store_image_open(row, kernels, work, &arena, &image, &model);
	is_there = !image.is_private;
	if (pushed)
		PopActiveSnapshot();
	MemoryContextDelete(work);
	return is_there;
}

/* Compare the image on disk with a fresh build */
void
store_image_verify(const StoreRow *row, const LepKernels *kernels)
{
	MemoryContext work =
		AllocSetContextCreate(CurrentMemoryContext, "lepton image verify", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	LepAllocator allocator = lepton_allocator(work);
	Writer writer = {.fd = -1, .first_difference = PG_UINT64_MAX};
	LepArena arena;
	LepSource *source;
	StoreImage image;
	char path[MAXPGPATH];
	LepError err;

	store_image_path(row, kernels, path);
	lep_arena_init(&arena, &allocator, 0);
	source = store_source_open(row, &arena);
	switch (map_file(path, work, &image))
	{
		case FILE_USABLE:
			break;
		case FILE_DAMAGED:
			image.length = 0;
			break;
		case FILE_ABSENT:
		case FILE_REFUSED:
			lep_arena_free(&arena);
			MemoryContextSwitchTo(old);
			MemoryContextDelete(work);
			return;
	}
	writer.memory = image.base;
	writer.size = image.length;
	writer.sink.write = compare_memory;
	writer.sink.ctx = &writer;
	lepton_check(
		lep_image_write(source, kernels, row->hash, &allocator, &writer.sink, lepton_stop(), &err),
		&err);
	if (writer.first_difference == PG_UINT64_MAX && writer.done != writer.size)
		writer.first_difference = writer.done;
	lep_arena_free(&arena);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	if (writer.first_difference == PG_UINT64_MAX)
		return;
	if (unlink(path) != 0)
		(void) rmdir(path);
	ereport(
		ERROR,
		(errcode(ERRCODE_DATA_CORRUPTED),
		 errmsg("image of model \"%s\" is damaged", NameStr(row->name)),
		 errdetail("File \"%s\" differs from a fresh build at byte " UINT64_FORMAT ".", path,
				   writer.first_difference),
		 errhint(
			 "The file has been removed and will be built again; sessions that used the model should reconnect.")));
}
