/*
 * models.c: images that backends have named, and which of them are on the device.  An image is mapped while its model is loaded;
 * files are never changed in place, so a mapping stays whole whatever happens to the name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

/* Find or make the model of an image. */
Model *
models_find(Program *p, const char *path, const uint8_t *hash)
{
	Model *m = p->models;

	while (m != NULL && (strcmp(m->path, path) != 0 || memcmp(m->hash, hash, LEP_HASH_BYTES) != 0))
		m = m->next;
	if (m != NULL)
		return m;
	m = calloc(1, sizeof(Model));
	if (m == NULL)
		return NULL;
	memcpy(m->path, path, strlen(path) + 1);
	memcpy(m->hash, hash, LEP_HASH_BYTES);
	m->next = p->models;
	p->models = m;
	return m;
}

/* Take a model off the device. */
static void
unload(Model *m)
{
	lep_gpu_model_free(m->loaded);
	m->loaded = NULL;
	if (m->map != NULL)
	{
		lep_arena_free(&m->arena);
		munmap(m->map, m->map_bytes);
	}
	m->map = NULL;
}

/* Map the image of a model; false with err. */
static bool
map_image(Model *m, LepError *err)
{
	int fd = open(m->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	bool ok;

	if (fd < 0)
	{
		lep_error(err, LEP_MISSING, "could not open its image");
		lep_error_detail(err, "%s", strerror(errno));
		return false;
	}
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
	if (ok)
	{
		m->map_bytes = (size_t) st.st_size;
		m->map = mmap(NULL, m->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
		ok = m->map != MAP_FAILED;
	}
	close(fd);
	if (ok)
		return true;
	m->map = NULL;
	lep_error(err, LEP_BAD_IMAGE, "its image cannot be mapped");
	return false;
}

/* Copy a mapped model to the device, in the place of others if need be. */
static LepStatus
copy_to_device(Program *p, Model *m, LepError *err)
{
	LepStatus status;

	do
		status = lep_gpu_model_load(p->gpu, &m->model, &m->loaded, err);
	while (status == LEP_NO_MEMORY && models_evict(p, m));
	return status;
}

/* Bring a model to the device. */
uint32_t
models_load(Program *p, Model *m, LepError *err)
{
	LepStatus status;

	if (m->loaded != NULL)
		return LEP_OK;
	if (!map_image(m, err))
		return WORKER_ABSENT;
	lep_arena_init(&m->arena, &lep_malloc_allocator, 0);
	status = lep_image_open(m->map, m->map_bytes, m->hash, lep_kernels_gpu(LEP_F16), &m->arena,
							&m->model, err);
	if (status == LEP_OK)
		status = copy_to_device(p, m, err);
	if (status == LEP_OK)
	{
		p->status.loads++;
		return LEP_OK;
	}
	unload(m);
	switch (status)
	{
		case LEP_BAD_IMAGE:
			return WORKER_ABSENT;
		case LEP_UNSUPPORTED:
			m->refusal = WORKER_UNSERVED;
			m->refusal_error = *err;
			return WORKER_UNSERVED;
		case LEP_NO_MEMORY:
			return WORKER_FULL;
		default:
			return WORKER_FAILED;
	}
}

/* Take the model that was idle longest off the device. */
bool
models_evict(Program *p, const Model *but)
{
	Model *oldest = NULL;

	for (Model *m = p->models; m != NULL; m = m->next)
		if (m != but && m->loaded != NULL && m->flies == 0 &&
			(oldest == NULL || m->used < oldest->used))
			oldest = m;
	if (oldest == NULL)
		return false;
	unload(oldest);
	p->status.evictions++;
	return true;
}

/* Learn how long a batch took. */
void
models_learn(Model *m, size_t n_tokens, uint64_t ns)
{
	double pace = (double) ns / (double) n_tokens;

	/* Small ones say little about large ones. */
	if (n_tokens >= PROGRAM_TOKENS_MIN / 2)
		m->pace = m->pace == 0 ? pace : 0.8 * m->pace + 0.2 * pace;
}

/* Tell how many tokens a batch may have. */
size_t
models_budget(const Model *m)
{
	double tokens = m->pace == 0 ? PROGRAM_TOKENS_FIRST : PROGRAM_BATCH_NS / m->pace;

	if (tokens >= (double) LEP_GPU_TOKENS_MAX)
		return LEP_GPU_TOKENS_MAX;
	return tokens > (double) PROGRAM_TOKENS_MIN ? (size_t) tokens : PROGRAM_TOKENS_MIN;
}

/* Is the image of a model gone, as that of a dropped model is? */
static bool
is_gone(const Model *m)
{
	struct stat st;

	return lstat(m->path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Forget what is not needed any more. */
void
models_clean(Program *p)
{
	Model **at = &p->models;

	while (*at != NULL)
	{
		Model *m = *at;

		if (m->waits == 0 && m->flies == 0 && m->loaded != NULL && is_gone(m))
			unload(m);
		if (m->waits > 0 || m->names > 0 || m->loaded != NULL)
		{
			at = &m->next;
			continue;
		}
		*at = m->next;
		free(m);
	}
}

/* Free all models. */
void
models_free(Program *p)
{
	while (p->models != NULL)
	{
		Model *m = p->models;

		p->models = m->next;
		unload(m);
		free(m);
	}
}
