/*
 * store.h: models of this database: catalog rows, images on disk, the cache
 * of this backend, privileges.
 *
 * Use, once per call of an SQL function:
 *		StoreModel *m = store_model_open(name, STORE_TASK_EMBED);	-- raises
 *		... m->model, m->head ...
 *		store_model_close(m);	 -- optional: the transaction's end closes it too
 *
 * Correctness never rests on invalidation: store_model_open reads the catalog row under the active
 * snapshot and compares its id and hash with what is cached.  README.md has the protocol.
 */
#ifndef LEPTON_STORE_H
#define LEPTON_STORE_H

#include "postgres.h"

#include "utils/uuid.h"

#include "../engine/image.h"

/*
 * What models are used for, in the words of SQL: a task has a default model, a setting and functions of its own.  The
 * first ones are what graphs are built for, with the numbers of LepTask; the last two run a classifier's graph.
 */
typedef enum StoreTask
{
	STORE_TASK_EMBED = 0,
	STORE_TASK_CLASSIFY,
	STORE_TASK_ENTITIES,
	STORE_TASK_ANSWER,
	STORE_TASK_FILL_MASK,
	STORE_TASK_SPARSE_EMBED,
	STORE_TASK_RERANK, /* a classifier of pairs with one label */
	STORE_TASK_ZERO_SHOT, /* a classifier of pairs with a label for entailment; or an embedding model */
	STORE_TASK_COUNT
} StoreTask;

#define STORE_TASK_BIT(task) (1u << (task))

/* A catalog row. */
typedef struct StoreRow
{
	pg_uuid_t id;
	NameData name;
	Oid owner;
	StoreTask task; /* that it is mainly for */
	uint32 tasks;	/* STORE_TASK_BITs of all that it serves */
	LepTask
		graph; /* that is used, or is to be: of what the model is mainly for, unless said otherwise */
	bool is_head;	  /* needs its parent to answer; every other model is complete in itself */
	pg_uuid_t parent; /* what it was made from; of all but a head it may be gone, or zero */
	uint8 hash[LEP_HASH_BYTES];
	uint64 bytes;		/* of its files */
	char precision[32]; /* of its weights, for people; cut if longer */
} StoreRow;

/* A classifier head learned on another model's embeddings; the weights are private and small. */
typedef struct StoreHead
{
	int n_labels;
	int dims;
	const float *w;		 /* [n_labels, dims] */
	const float *bias;	 /* [n_labels] */
	const char **labels; /* [n_labels], UTF-8 */
} StoreHead;

/* A model this backend may use now. */
typedef struct StoreModel
{
	StoreRow row;
	const LepModel *model;	/* its own graph, or its parent's */
	const StoreHead *head;	/* NULL unless the model is a head */
	struct StoreStat *stat; /* where to count */
} StoreModel;

/* "embed", "classify" ... */
const char *store_task_name(StoreTask task);
/* The task of a name; raises when there is none, naming those that are. */
StoreTask store_task_by_name(const char *name);
/* The graph that serves a task for a model. */
LepTask store_task_graph(const StoreRow *row, StoreTask task);
/* The setting that names a task's model, "" when it is not set. */
const char *store_task_setting(StoreTask task);

/*
 * Open a model by name, NULL for the default of the task.  Raises when it is
 * not there (naming those that are), when the user may not use it, when it serves other tasks.
 */
StoreModel *store_model_open(const char *name, StoreTask task);
/* Find the row that store_model_open would; false when there is none. */
bool store_model_find(const char *name, StoreTask task, StoreRow *row);
/* The same without looking at the task: tokenizing, describing. */
StoreModel *store_model_open_any(const char *name);
/* Let go; the cache keeps the model warm. */
void store_model_close(StoreModel *m);

/* The row of a model of the cache, which is open. */
const StoreRow *store_model_row(const LepModel *model);
/* Path of a model's image for some kernels, relative to the data directory; dst[MAXPGPATH]. */
void store_image_path(const StoreRow *row, const LepKernels *kernels, char *dst);
/* Make sure that this image is there; false when the disk refuses it. */
bool store_image_make(const StoreRow *row, const LepKernels *kernels);

/* Number of outputs labels and their names (UTF-8), own graph or head alike. */
int store_model_label_count(const StoreModel *m);
const char *store_model_label(const StoreModel *m, int i);

/*
 * Take a name for a model that this transaction will make: raises when the
 * name is bad, taken, or being made by another session.
 */
void store_model_check_new_name(const char *name);

/*
 * Make a model that is a linear head on parent's embeddings.  labels[n_labels] are UTF-8,
 * w[n_labels, dims] and bias[n_labels] give logits; recipe says how it was made.
 */
void store_model_create_head(const char *name, StoreModel *parent, const char **labels,
							 int n_labels, int dims, const float *w, const float *bias,
							 const char *recipe);

/*
 * Make sure that the active snapshot shows a model that was opened: a function of the same
 * statement may have made it.  True when one was pushed, then PopActiveSnapshot().
 */
bool store_push_snapshot_of(const StoreRow *row);
/*
 * Open the files of a model that is no head, checked against its hash.  They are read under
 * the active snapshot and live in the current memory context and the arena.
 */
LepSource *store_source_open(const StoreRow *row, LepArena *arena);

/* What a model was made from. */
typedef struct StoreOrigin
{
	const StoreModel *parent;
	const char *recipe;	   /* how */
	const char *precision; /* of its weights, for people */
} StoreOrigin;

/*
 * Make a model of the files of folder, complete in itself: it does not need its
 * parent any more.  The name has been taken with store_model_check_new_name.
 */
void store_model_create(const char *name, LepFolder *folder, const StoreOrigin *origin);

/* Bytes of a model's files, and of those of the parent that a head needs. */
uint64 store_model_bytes(const StoreModel *m);

/* Count work in lepton_stat_models: one call. */
void store_stat_count(StoreModel *m, uint64 rows, uint64 tokens, uint64 batches, double seconds);

/* Install hooks and settings of the room; called by _PG_init. */
void store_init(void);

#endif
