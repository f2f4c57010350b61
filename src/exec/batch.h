/*
 * batch.h: what the files of the executor node share.  README.md has the rules.
 */
#ifndef LEPTON_EXEC_BATCH_H
#define LEPTON_EXEC_BATCH_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/plannodes.h"
#include "nodes/primnodes.h"

#include "../func/registry.h"
#include "../func/window.h"

#define BATCH_NAME "LeptonBatch"

/* Rows of a first window: then windows double. */
#define BATCH_FIRST_ROWS 8

/*
 * custom_private is a list of Integers in this order; custom_exprs has the calls that become columns, then
 * those that stay where they are and find their results here, then the bound's count and offset as far as
 * they are there.  custom_scan_tlist is the child's columns, then one column a call of the first kind.
 */
typedef enum BatchPrivate
{
	BATCH_PRIVATE_COLUMNS,	 /* of the child */
	BATCH_PRIVATE_CALLS,	 /* of custom_exprs, that become columns */
	BATCH_PRIVATE_AHEAD,	 /* of custom_exprs, that stay where they are */
	BATCH_PRIVATE_FIRST,	 /* rows of the first window */
	BATCH_PRIVATE_STREAMED,	 /* 1: rows of workers go to the leader as they come */
	BATCH_PRIVATE_HAS_COUNT, /* 1: no more than this many rows will be asked for */
	BATCH_PRIVATE_HAS_OFFSET /* 1: plus so many */
} BatchPrivate;

/* What is known of how many rows of a plan will be asked for. */
typedef struct BatchBound
{
	Node *count, *offset; /* of LIMIT; no more than their sum */
	int first;			  /* rows that the first window may have */
} BatchBound;

typedef struct BatchRewrite
{
	PlannedStmt *stmt;
	int next_id;	   /* plan_node_id of the next node */
	bool is_parallel;  /* below a Gather */
	bool is_streamed;  /* and nothing between reads all its rows first */
	Bitmapset *exists; /* subplans of which one row is asked for */
} BatchRewrite;

extern const BatchBound batch_no_bound;

/* hoist.c: calls in expressions */

/* A call that a node computes ahead. */
typedef struct BatchCall
{
	FuncExpr *origin;  /* as it stands in the plan */
	FuncExpr *hoisted; /* the same, its texts NULL where the expression would not have come to it */
	bool is_guarded;   /* hoisted differs: stands for this one place only */
} BatchCall;

/* Entry of the task function that an expression calls, NULL for other expressions and those that return sets. */
const FuncTask *batch_call_task(Node *node);
/* The same for those that return sets too. */
const FuncTask *batch_any_task(Node *node);
/* The argument of a call that names its model, NULL: the default. */
Expr *batch_model_argument(const FuncTask *task, List *args);
/* Option i of a call. */
Expr *batch_option(const FuncTask *task, List *args, int i);
/* Tell whether an expression calls a task function anywhere, one that returns a set or not. */
bool batch_has_call(Node *node);
/* Tell whether evaluating an expression costs nothing and cannot fail. */
bool batch_is_plain(Node *node);
/* Tell whether a call can be computed ahead, as far as it alone says. */
bool batch_is_hoistable(FuncExpr *call);
/* Append the calls of an expression that can be computed ahead; list of BatchCall. */
void batch_collect(Node *node, List **calls);
/* Append calls in the arguments and filters of aggregates, or of window functions. */
void batch_collect_arguments(Node *node, List **calls);
/* Append the Vars and results of aggregates that an expression reads, each once. */
void batch_collect_leaves(Node *node, List **leaves);
/* Copy an expression: calls become columns n_leaves + 1 ..., leaves 1 ... of varno. */
Node *batch_replace(Node *node, List *leaves, List *calls, int varno);
/* Copy an expression: only calls are replaced, by columns first + 1 ... of varno. */
Node *batch_replace_calls(Node *node, List *calls, int varno, int first);

/* ahead.c: calls that stay where they are, below a node that repeats a plan for each row */

/* Calls [FuncExpr] for the rows of a join's outer side, which its inner side makes. */
List *batch_ahead_of_join(const PlannedStmt *stmt, NestLoop *join);
/* Calls for the rows that an expression reads, which its subplans make. */
List *batch_ahead_of_subplans(const PlannedStmt *stmt, Node *node);
/* Set-returning calls of a select list. */
List *batch_ahead_of_sets(List *targetlist);

/* order.c: what must not be done ahead of time */

/* Tell whether reading the rows of a plan ahead could be noticed. */
bool batch_is_ordered(const PlannedStmt *stmt, Plan *plan);

/* values.c: lists of values */

/* Let calls in lists of values be computed together. */
Query *batch_spread_values(Query *query);

/* constant.c: calls whose arguments are constants */

/* What was covered in a query, for taking the covers off in its plan. */
typedef struct BatchConstants
{
	bool has_calls; /* others than those of constants */
	List *covered;	/* expressions; a Param of the id BATCH_FIRST_PARAM + i stands for each */
} BatchConstants;

#define BATCH_FIRST_PARAM (1 << 24)

/* Let each be computed once, when the statement runs, not when it is planned. */
Query *batch_cover_constants(Query *query, BatchConstants *constants);
void batch_uncover_constants(PlannedStmt *stmt, const BatchConstants *constants);

/* place.c: nodes */

/* Compute the next calls of a node's filter and target list above it; returns plan when there are none. */
Plan *batch_wrap(BatchRewrite *rw, Plan *plan, BatchBound bound);
/* Compute calls in arguments of aggregates and window functions, or of a ProjectSet, below the node. */
void batch_push_below(BatchRewrite *rw, Plan *plan);
/* Compute calls of a nested loop's inner side for many rows of its outer side. */
void batch_push_outer(BatchRewrite *rw, NestLoop *join, BatchBound bound);
/* Compute calls in the keys of a hash join below it, on either side. */
void batch_push_keys_below(BatchRewrite *rw, HashJoin *join);

/* plan.c */

void batch_plan_init(void);
/* Call a function for each child of a plan until it returns true; subplans of expressions are no children. */
bool batch_walk_children(Plan *plan, bool (*walker)(Plan *plan, void *context), void *context);

/* quiet.c: statements that are explained only */

/* Has the parameters of planner_hook. */
typedef PlannedStmt *(*BatchPlanner)(Query *query, const char *text, int cursor_options,
									 ParamListInfo params);

/* Plan a statement; runs no model when it is explained only. */
PlannedStmt *batch_plan_quietly(BatchPlanner planner, Query *query, const char *text,
								int cursor_options, ParamListInfo params);
void batch_quiet_init(void);

/* exec.c */

typedef struct BatchState BatchState;
extern CustomScanMethods batch_scan_methods;

/* Counts of this process and, after they have ended, of its workers. */
FuncWork batch_totals(const BatchState *state);
void batch_exec_init(void);

/* explain.c */

void batch_explain(CustomScanState *node, List *ancestors, struct ExplainState *es);

#endif
