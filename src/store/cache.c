/*
 * cache.c: the models that this backend has mapped: opens them by name, keeps
 * them warm, lets go of the least recently used.
 *
 * An entry is freed only when nobody can hold it: it has no pins, and no
 * head that uses it.  Pins end with store_model_close or, after an error, with the transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "internal.h"

/*
 * The graph is part of the key: a model that serves several tasks has several.  So are the
 * kernels: another lepton.cpu_isa is another layout and another binding.
 */
typedef struct CacheKey
{
	pg_uuid_t id;
	uint64 graph; /* LepTask */
	const LepKernels *kernels;
} CacheKey;

typedef struct CacheEntry
{
	StoreModel open; /* first, so that a StoreModel is its entry */
	CacheKey key;
	dlist_node node; /* in entries, most recently used first */
	MemoryContext context;
	LepAllocator allocator;
	LepArena arena;
	StoreImage image; /* base NULL for a head */
	LepModel model;
	StoreHead head;
	const char **labels;	   /* [n_labels] of the model's own graph, into its texts */
	struct CacheEntry *parent; /* of a head */
	int pins, heads;
} CacheEntry;

typedef struct CacheSlot
{
	CacheKey key;
	CacheEntry *entry;
} CacheSlot;

static MemoryContext cache_context = NULL;
static HTAB *cache_table = NULL;
static dlist_head entries = DLIST_STATIC_INIT(entries);
static bool must_recheck = false;

/* Bytes that an entry holds or maps */
static uint64
entry_bytes(const CacheEntry *entry)
{
	return entry->image.length + entry->arena.used;
}

/* Free an entry that nobody holds */
static void
free_entry(CacheEntry *entry)
{
	hash_search(cache_table, &entry->key, HASH_REMOVE, NULL);
	dlist_delete(&entry->node);
	if (entry->parent != NULL)
		entry->parent->heads--;
	MemoryContextDelete(entry->context);
}

/* Tell whether an entry can be freed */
static bool
is_free(const CacheEntry *entry)
{
	return entry->pins == 0 && entry->heads == 0;
}

/* Free entries, oldest first, until the rest and more bytes fit lepton.cache_size */
static void
evict(uint64 more)
{
	uint64 limit = (uint64) lepton_cache_size * 1024 * 1024;
	uint64 total = more;
	dlist_mutable_iter iter;
	bool freed = true;

	dlist_foreach_modify(iter, &entries) total +=
		entry_bytes(dlist_container(CacheEntry, node, iter.cur));
	/* Freeing a head may free its parent for the next round. */
	while (total > limit && freed)
	{
		freed = false;
		for (dlist_node *node = entries.head.prev; node != &entries.head && !freed;
			 node = node->prev)
		{
			CacheEntry *entry = dlist_container(CacheEntry, node, node);

			if (is_free(entry))
			{
				total -= entry_bytes(entry);
				free_entry(entry);
				freed = true;
			}
		}
	}
}

/* Free the entries of models that the active snapshot does not show */
static void
recheck(void)
{
	dlist_mutable_iter iter;
	bool freed = true;

	must_recheck = false;
	while (freed)
	{
		freed = false;
		dlist_foreach_modify(iter, &entries)
		{
			CacheEntry *entry = dlist_container(CacheEntry, node, iter.cur);
			StoreRow row;

			if (is_free(entry) && (!store_row_by_id(&entry->key.id, GetActiveSnapshot(), &row) ||
								   memcmp(row.hash, entry->open.row.hash, LEP_HASH_BYTES) != 0))
			{
				free_entry(entry);
				freed = true;
				break;
			}
		}
	}
}

/* Hear that relations have changed; may only set a flag */
static void
relation_changed(Datum arg, Oid relation)
{
	(void) arg;
	if (relation == InvalidOid || relation == store_model_relation)
		must_recheck = true;
}

/* End all pins with the transaction */
static void
at_xact_end(XactEvent event, void *arg)
{
	dlist_iter iter;

	(void) arg;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			break;
		default:
			return;
	}
	dlist_foreach(iter, &entries) dlist_container(CacheEntry, node, iter.cur)->pins = 0;
	/* What an aborted transaction made is gone. */
	if (event == XACT_EVENT_ABORT)
		must_recheck = true;
	store_image_at_xact_end(event == XACT_EVENT_COMMIT);
}

/* Keep the list of removals right across savepoints */
static void
at_subxact_end(SubXactEvent event, SubTransactionId sub, SubTransactionId parent, void *arg)
{
	(void) arg;
	if (event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB)
		store_image_at_subxact_end(event == SUBXACT_EVENT_COMMIT_SUB, sub, parent);
	if (event == SUBXACT_EVENT_ABORT_SUB)
		must_recheck = true;
}

/* Make the table */
static void
make_cache(void)
{
	HASHCTL control = {0};

	cache_context = AllocSetContextCreate(TopMemoryContext, "lepton", ALLOCSET_START_SMALL_SIZES);
	control.keysize = sizeof(CacheKey);
	control.entrysize = sizeof(CacheSlot);
	control.hcxt = cache_context;
	cache_table = hash_create("lepton models", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static CacheEntry *get_entry(const StoreRow *row, const LepKernels *kernels);

/* List the labels of a graph, so that each is found without a walk */
static void
list_labels(CacheEntry *entry)
{
	const LepDescView *view = &entry->model.view;
	const char *label = view->texts;

	entry->labels = lep_arena_array(&entry->arena, view->desc->n_labels, sizeof(char *));
	if (entry->labels == NULL)
		lepton_raise(LEP_NO_MEMORY, NULL);
	for (uint32 i = 0; i < view->desc->n_labels; i++, label += strlen(label) + 1)
		entry->labels[i] = label;
}

/* Fill a new entry: map the image, or read the head; raises */
static void
fill_entry(CacheEntry *entry, const StoreRow *row, const LepKernels *kernels)
{
	entry->allocator = lepton_allocator(entry->context);
	lep_arena_init(&entry->arena, &entry->allocator, 0);
	if (!row->is_head)
	{
		store_image_open(row, kernels, entry->context, &entry->arena, &entry->image, &entry->model);
		entry->open.model = &entry->model;
		list_labels(entry);
	}
	else
	{
		StoreRow parent_row;

		if (!store_row_by_id(&row->parent, GetActiveSnapshot(), &parent_row))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("parent of model \"%s\" does not exist", NameStr(row->name)),
							errhint(STORE_DAMAGED_HINT)));
		parent_row.graph = LEP_TASK_EMBED;
		store_head_read(row, &entry->arena, &entry->head);
		entry->open.head = &entry->head;
		entry->parent = get_entry(&parent_row, kernels);
		entry->open.model = entry->parent->open.model;
		if ((uint32) entry->head.dims != lep_desc_width(entry->open.model->view.desc))
			ereport(
				ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg(
					 "model \"%s\" takes embeddings of %d numbers, but its parent \"%s\" gives %u",
					 NameStr(row->name), entry->head.dims, NameStr(parent_row.name),
					 lep_desc_width(entry->open.model->view.desc)),
				 errhint(STORE_DAMAGED_HINT)));
	}
}

/* Open a model that is not in the cache */
static CacheEntry *
new_entry(const StoreRow *row, const LepKernels *kernels)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext work =
		AllocSetContextCreate(CurrentMemoryContext, "lepton open", ALLOCSET_SMALL_SIZES);
	/* A child of work until it is complete: an error then frees it. */
	MemoryContext context = AllocSetContextCreate(work, "lepton model", ALLOCSET_START_SMALL_SIZES);
	CacheEntry *entry = MemoryContextAllocZero(context, sizeof(CacheEntry));
	CacheSlot *slot;
	bool found;

	MemoryContextSwitchTo(work);
	entry->context = context;
	entry->key.id = row->id;
	entry->key.graph = row->graph;
	entry->key.kernels = kernels;
	entry->open.row = *row;
	fill_entry(entry, row, kernels);
	store_stat_open(&entry->open, false);
	MemoryContextSwitchTo(old);

	if (entry->parent != NULL)
		entry->parent->heads++;
	evict(entry_bytes(entry));
	slot = hash_search(cache_table, &entry->key, HASH_ENTER, &found);
	slot->entry = entry;
	dlist_push_head(&entries, &entry->node);
	MemoryContextSetParent(context, cache_context);
	MemoryContextDelete(work);
	return entry;
}

/* The entry of a row, most recently used from now on */
static CacheEntry *
get_entry(const StoreRow *row, const LepKernels *kernels)
{
	CacheKey key;
	CacheSlot *slot;

	memset(&key, 0, sizeof(key));
	key.id = row->id;
	key.graph = row->graph;
	key.kernels = kernels;
	slot = hash_search(cache_table, &key, HASH_FIND, NULL);
	if (slot != NULL && memcmp(slot->entry->open.row.hash, row->hash, LEP_HASH_BYTES) != 0)
	{
		if (!is_free(slot->entry))
			ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
							errmsg("contents of model \"%s\" changed while it was in use",
								   NameStr(row->name))));
		free_entry(slot->entry);
		slot = NULL;
	}
	if (slot == NULL)
		return new_entry(row, kernels);
	slot->entry->open.row = *row;
	store_stat_open(&slot->entry->open, true);
	dlist_move_head(&entries, &slot->entry->node);
	return slot->entry;
}

/* Open the model of a row that the current user may use */
static StoreModel *
open_row(const StoreRow *row)
{
	const LepKernels *kernels = lepton_kernels();
	CacheEntry *entry;

	if (cache_table == NULL)
		make_cache();
	if (must_recheck)
		recheck();
	entry = get_entry(row, kernels);
	if (entry->pins < PG_INT32_MAX)
		entry->pins++;
	return &entry->open;
}

/* Raise unless the current user may use a model */
static void
require_use(const StoreRow *row, bool may_use)
{
	if (!may_use)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for model \"%s\"", NameStr(row->name)),
						errhint("Its owner can allow its use with lepton_grant.")));
}

/* Raise that a model serves other tasks */
static void
raise_task(const StoreRow *row, StoreTask task)
{
	char *names = store_row_names((int) task, GetActiveSnapshot());

	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("model \"%s\" does not serve the task \"%s\"", NameStr(row->name),
						   store_task_name(task)),
					errdetail_plural("It serves the task %s.", "It serves the tasks %s.",
									 pg_popcount((const char *) &row->tasks, sizeof(row->tasks)),
									 store_task_names(row->tasks)),
					names != NULL ? errhint("Models for this task: %s.", names)
								  : errhint("This database has no model for this task yet.")));
}

/* Raise that a task has no default model */
static void
raise_no_default(StoreTask task)
{
	char *names = store_row_names((int) task, GetActiveSnapshot());

	ereport(
		ERROR,
		(errcode(ERRCODE_UNDEFINED_OBJECT),
		 errmsg("there is no default model for the task \"%s\"", store_task_name(task)),
		 names != NULL
			 ? errhint(
				   "Name a model, or choose a default with lepton_set_default. Models for this task: %s.",
				   names)
			 : errhint(
				   "This database has no model for this task yet; load one with lepton_load_model.")));
}

/* Find a row by name, or (NULL) the default of a task, under the active snapshot */
static bool
find_row(const char *name, StoreTask task, StoreRow *row, bool *may_use)
{
	if (name != NULL)
		return store_row_by_name(name, GetActiveSnapshot(), row, may_use);
	return store_row_default(task, GetActiveSnapshot(), row, may_use);
}

/* Tell whether a model serves a task: labels of zero-shot classification can be compared by embeddings too */
static bool
serves(const StoreRow *row, StoreTask task)
{
	uint32 wanted = STORE_TASK_BIT(task);

	if (task == STORE_TASK_ZERO_SHOT)
		wanted |= STORE_TASK_BIT(STORE_TASK_EMBED);
	return (row->tasks & wanted) != 0;
}

/* Raise unless a model serves a task */
void
store_require_task(const StoreRow *row, StoreTask task)
{
	if (!serves(row, task))
		raise_task(row, task);
}

/*
 * Open a model by name, or the default of a task
 *
 * The planner evaluates calls with constant arguments under the snapshot of
 * the statement around it: inside a function that may be too old to show a model that the function
 * has just loaded.  So what is not there is looked for once more with a fresh snapshot.
 */
static StoreModel *
open_model(const char *name, bool any_task, StoreTask task)
{
	bool pushed = store_push_snapshot();
	StoreModel *m;
	StoreRow row;
	bool may_use = false;
	bool found = find_row(name, task, &row, &may_use);

	if (!found && !pushed && !IsInParallelMode())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
		found = find_row(name, task, &row, &may_use);
	}
	if (!found && name != NULL)
		store_raise_undefined(name);
	if (!found)
		raise_no_default(task);
	require_use(&row, may_use);
	if (any_task)
		task = row.task;
	else
		store_require_task(&row, task);
	row.graph = store_task_graph(&row, task);
	m = open_row(&row);
	if (pushed)
		PopActiveSnapshot();
	return m;
}

/* The name of the setting for a task in the place of NULL */
static const char *
name_or_setting(const char *name, StoreTask task)
{
	const char *setting = store_task_setting(task);

	return name == NULL && setting[0] != '\0' ? setting : name;
}

/* Open a model for a task; name NULL: the default */
StoreModel *
store_model_open(const char *name, StoreTask task)
{
	return open_model(name_or_setting(name, task), false, task);
}

/* Find the row of a model */
bool
store_model_find(const char *name, StoreTask task, StoreRow *row)
{
	bool pushed = store_push_snapshot();
	bool found = find_row(name_or_setting(name, task), task, row, NULL);

	if (pushed)
		PopActiveSnapshot();
	return found;
}

/* Open a model whatever its task */
StoreModel *
store_model_open_any(const char *name)
{
	return open_model(name, true, STORE_TASK_EMBED);
}

/* Let go of a model */
void
store_model_close(StoreModel *m)
{
	CacheEntry *entry = (CacheEntry *) m;

	if (entry->pins > 0)
		entry->pins--;
}

/* The row of a model */
const StoreRow *
store_model_row(const LepModel *model)
{
	return &((const CacheEntry *) ((const char *) model - offsetof(CacheEntry, model)))->open.row;
}

/* Number of labels of a classifier, 0 for an embedding model */
int
store_model_label_count(const StoreModel *m)
{
	return m->head != NULL ? m->head->n_labels : (int) m->model->view.desc->n_labels;
}

/* Label i */
const char *
store_model_label(const StoreModel *m, int i)
{
	return m->head != NULL ? m->head->labels[i] : ((const CacheEntry *) m)->labels[i];
}

/* Bytes of the files that a model needs */
uint64
store_model_bytes(const StoreModel *m)
{
	const CacheEntry *parent = ((const CacheEntry *) m)->parent;

	return m->row.bytes + (parent != NULL ? parent->open.row.bytes : 0);
}

/* Register the callbacks of the room */
void
store_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}
