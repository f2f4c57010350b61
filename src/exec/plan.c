/*
 * plan.c: the planner hook: walks finished plans so that calls of task functions
 * are computed in batches.  place.c makes the nodes; README.md has the rules.  It never touches
 * plans of other extensions' nodes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "utils/syscache.h"

#include "../guc.h"
#include "batch.h"

/* Rows of a table that are worth a parallel worker. */
#define ROWS_PER_WORKER 1000

static planner_hook_type previous_planner = NULL;
static get_relation_info_hook_type previous_relation_info = NULL;

/* Depth of planning queries that have calls for rows. */
static int planning_calls = 0;

static Plan *rewrite(BatchRewrite *rw, Plan *plan, BatchBound bound);

/* ---- the walk ---- */

/* Tell whether a node computes its own target list and filter */
static bool
is_projecting(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result:
			return plan->lefttree != NULL;
		case T_ForeignScan:
			return ((ForeignScan *) plan)->operation == CMD_SELECT;
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_TableFuncScan:
		case T_ValuesScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
		case T_Agg:
		case T_Group:
		case T_WindowAgg:
		case T_Gather:
		case T_GatherMerge:
			return true;
		default:
			return false;
	}
}

/* Tell whether a plan can mark a position and go back to it */
static bool
can_mark(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_Material:
		case T_Sort:
			return true;
		case T_Result:
			return plan->lefttree != NULL && can_mark(plan->lefttree);
		case T_Append:
			return list_length(((Append *) plan)->appendplans) == 1 &&
				   can_mark(linitial(((Append *) plan)->appendplans));
		case T_MergeAppend:
			return list_length(((MergeAppend *) plan)->mergeplans) == 1 &&
				   can_mark(linitial(((MergeAppend *) plan)->mergeplans));
		default:
			return false;
	}
}

/* Put a Material on a plan */
static Plan *
materialize(BatchRewrite *rw, Plan *plan)
{
	Plan *material = materialize_finished_plan(plan);

	material->plan_node_id = rw->next_id++;
	return material;
}

/* BatchRewrite a list of plans in place */
static void
rewrite_list(BatchRewrite *rw, List *plans, BatchBound bound)
{
	ListCell *cell;

	foreach (cell, plans)
		lfirst(cell) = rewrite(rw, lfirst(cell), bound);
}

/* Tell whether an expression may be evaluated once more */
static bool
is_repeatable(Node *node)
{
	return !contain_volatile_functions(node) && !contain_subplans(node);
}

/* How many rows of its children a node will ask for, when that many are asked of it */
static BatchBound
child_bound(Plan *plan, BatchBound bound)
{
	switch (nodeTag(plan))
	{
		case T_Limit:
		{
			Limit *limit = (Limit *) plan;
			BatchBound of_limit = batch_no_bound;

			if (limit->limitOption == LIMIT_OPTION_COUNT && limit->limitCount != NULL &&
				is_repeatable(limit->limitCount) && is_repeatable(limit->limitOffset))
			{
				of_limit.count = limit->limitCount;
				of_limit.offset = limit->limitOffset;
			}
			return of_limit;
		}
		case T_Result:
		case T_SubqueryScan:
			return plan->qual == NIL ? bound : batch_no_bound;
		case T_Append:
		case T_MergeAppend:
		case T_Gather:
		case T_GatherMerge:
			return bound;
		default:
			return batch_no_bound;
	}
}

/* BatchRewrite the inner side of a join */
static Plan *
rewrite_inner(BatchRewrite *rw, Plan *plan)
{
	Join *join = (Join *) plan;
	BatchBound bound = batch_no_bound;
	Plan *inner;

	if (IsA(plan, NestLoop) &&
		(join->jointype == JOIN_SEMI || join->jointype == JOIN_ANTI || join->inner_unique))
		bound.first = 1;
	inner = rewrite(rw, plan->righttree, bound);
	if (IsA(plan, MergeJoin) && !((MergeJoin *) plan)->skip_mark_restore && !can_mark(inner))
		inner = materialize(rw, inner);
	return inner;
}

/* Tell whether the rows below a node go through it to a Gather as they come */
static bool
streams_rows(const BatchRewrite *rw, Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Gather:
			return true;
		case T_GatherMerge:
		case T_Agg:
		case T_WindowAgg:
		case T_Sort:
		case T_Hash:
		case T_Material:
			return false;
		default:
			return rw->is_streamed;
	}
}

/* BatchRewrite a plan from its leaves up; returns what stands in its place */
static Plan *
rewrite(BatchRewrite *rw, Plan *plan, BatchBound bound)
{
	BatchBound below;
	bool was_parallel = rw->is_parallel;
	bool was_streamed = rw->is_streamed;

	if (plan == NULL)
		return NULL;
	check_stack_depth();
	below = child_bound(plan, bound);
	rw->is_parallel |= IsA(plan, Gather) || IsA(plan, GatherMerge);
	rw->is_streamed = streams_rows(rw, plan);
	plan->lefttree = rewrite(rw, plan->lefttree, below);
	if (plan->righttree != NULL)
		plan->righttree = rewrite_inner(rw, plan);
	switch (nodeTag(plan))
	{
		case T_Append:
			rewrite_list(rw, ((Append *) plan)->appendplans, below);
			break;
		case T_MergeAppend:
			rewrite_list(rw, ((MergeAppend *) plan)->mergeplans, below);
			break;
		case T_SubqueryScan:
			((SubqueryScan *) plan)->subplan = rewrite(rw, ((SubqueryScan *) plan)->subplan, below);
			break;
		case T_Agg:
		case T_WindowAgg:
		case T_ProjectSet:
			batch_push_below(rw, plan);
			break;
		case T_HashJoin:
			batch_push_keys_below(rw, (HashJoin *) plan);
			break;
		case T_NestLoop:
			batch_push_outer(rw, (NestLoop *) plan, bound);
			break;
		default:
			break;
	}
	rw->is_parallel = was_parallel;
	rw->is_streamed = was_streamed;
	if (is_projecting(plan))
		for (Plan *below_plan = NULL; below_plan != plan;)
		{
			CHECK_FOR_INTERRUPTS();
			below_plan = plan;
			plan = batch_wrap(rw, plan, bound);
		}
	return plan;
}

/* ---- statements ---- */

/* Call a function for each plan of a list */
static bool
walk_list(List *plans, bool (*walker)(Plan *plan, void *context), void *context)
{
	ListCell *cell;

	foreach (cell, plans)
		if (walker(lfirst(cell), context))
			return true;
	return false;
}

/* Call a function for each child of a plan */
bool
batch_walk_children(Plan *plan, bool (*walker)(Plan *plan, void *context), void *context)
{
	if ((plan->lefttree != NULL && walker(plan->lefttree, context)) ||
		(plan->righttree != NULL && walker(plan->righttree, context)))
		return true;
	switch (nodeTag(plan))
	{
		case T_Append:
			return walk_list(((Append *) plan)->appendplans, walker, context);
		case T_MergeAppend:
			return walk_list(((MergeAppend *) plan)->mergeplans, walker, context);
		case T_BitmapAnd:
			return walk_list(((BitmapAnd *) plan)->bitmapplans, walker, context);
		case T_BitmapOr:
			return walk_list(((BitmapOr *) plan)->bitmapplans, walker, context);
		case T_CustomScan:
			return walk_list(((CustomScan *) plan)->custom_plans, walker, context);
		case T_SubqueryScan:
			return walker(((SubqueryScan *) plan)->subplan, context);
		default:
			return false;
	}
}

/* Walker: largest plan_node_id */
static bool
find_last_id(Plan *plan, void *context)
{
	int *last = context;

	check_stack_depth();
	*last = Max(*last, plan->plan_node_id);
	return batch_walk_children(plan, find_last_id, context);
}

/* Walker: note subplans that are asked for one row */
static bool
find_exists(Node *node, void *context)
{
	BatchRewrite *rw = context;

	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && ((SubPlan *) node)->subLinkType == EXISTS_SUBLINK)
		rw->exists = bms_add_member(rw->exists, ((SubPlan *) node)->plan_id);
	return expression_tree_walker(node, find_exists, context);
}

/* Note them in a whole plan */
static void
find_exists_in_plan(BatchRewrite *rw, Plan *plan)
{
	if (plan == NULL)
		return;
	find_exists((Node *) plan->targetlist, rw);
	find_exists((Node *) plan->qual, rw);
	find_exists_in_plan(rw, plan->lefttree);
	find_exists_in_plan(rw, plan->righttree);
}

/* BatchRewrite a finished statement in place */
static void
rewrite_statement(PlannedStmt *stmt)
{
	BatchRewrite rw = {.stmt = stmt};
	ListCell *cell;

	find_last_id(stmt->planTree, &rw.next_id);
	find_exists_in_plan(&rw, stmt->planTree);
	foreach (cell, stmt->subplans)
	{
		if (lfirst(cell) != NULL)
			find_last_id(lfirst(cell), &rw.next_id);
		find_exists_in_plan(&rw, lfirst(cell));
	}
	rw.next_id++;
	stmt->planTree = rewrite(&rw, stmt->planTree, batch_no_bound);
	foreach (cell, stmt->subplans)
	{
		BatchBound bound = batch_no_bound;

		if (bms_is_member(foreach_current_index(cell) + 1, rw.exists))
			bound.first = 1;
		lfirst(cell) = rewrite(&rw, lfirst(cell), bound);
	}
}

/* Tell whether UPDATE ... WHERE CURRENT OF might find its row in a plan */
static bool
is_updatable(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_ForeignScan:
		case T_CustomScan:
		case T_Append:
		case T_MergeAppend:
		case T_Result:
		case T_Limit:
		case T_SubqueryScan:
			return true;
		default:
			return false;
	}
}

/*
 * BatchRewrite the statement of a cursor if it can do all it could before
 *
 * A cursor that is not declared NO SCROLL or FOR UPDATE may go backwards or
 * be updated through wherever its plan allows.
 */
static PlannedStmt *
rewrite_cursor(PlannedStmt *stmt)
{
	PlannedStmt *changed;

	if (is_updatable(stmt->planTree))
		return stmt;
	changed = copyObject(stmt);
	rewrite_statement(changed);
	if (ExecSupportsBackwardScan(stmt->planTree) && !ExecSupportsBackwardScan(changed->planTree))
		return stmt;
	return changed;
}

/* Plan as the server does */
static PlannedStmt *
plan_as_before(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	if (previous_planner != NULL)
		return previous_planner(query, text, cursor_options, params);
	return standard_planner(query, text, cursor_options, params);
}

/* Plan a statement with batches */
static PlannedStmt *
plan_statement(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	BatchConstants constants = {false, NIL};
	bool keeps_cursor = (cursor_options & CURSOR_OPT_FAST_PLAN) != 0 &&
						(cursor_options & CURSOR_OPT_NO_SCROLL) == 0 && query->rowMarks == NIL;
	int outer_calls = planning_calls;
	PlannedStmt *stmt;

	if (!lepton_enable_batching)
		return plan_as_before(query, text, cursor_options, params);
	query = batch_cover_constants(batch_spread_values(query), &constants);
	PG_TRY();
	{
		planning_calls = constants.has_calls ? 1 : 0;
		stmt = plan_as_before(query, text, cursor_options, params);
	}
	PG_FINALLY();
	{
		planning_calls = outer_calls;
	}
	PG_END_TRY();
	batch_uncover_constants(stmt, &constants);
	if (stmt->planTree == NULL)
		return stmt;
	if (keeps_cursor)
		return rewrite_cursor(stmt);
	rewrite_statement(stmt);
	return stmt;
}

/* The planner hook */
static PlannedStmt *
plan_batches(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	return batch_plan_quietly(plan_statement, query, text, cursor_options, params);
}

/* Tell whether a table's number of rows is known, or at least that it is no small table */
static bool
is_size_known(Oid relation, const RelOptInfo *rel)
{
	HeapTuple tuple;
	bool is_known = false;

	/* The planner takes tables that nobody has looked at for ten pages. */
	if (rel->pages > 10)
		return true;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (HeapTupleIsValid(tuple))
	{
		is_known = ((Form_pg_class) GETSTRUCT(tuple))->reltuples >= 0;
		ReleaseSysCache(tuple);
	}
	return is_known;
}

/* Let a small table have workers when a model will look at its rows */
static void
hint_workers(PlannerInfo *root, Oid relation, bool is_parent, RelOptInfo *rel)
{
	if (previous_relation_info != NULL)
		previous_relation_info(root, relation, is_parent, rel);
	if (planning_calls > 0 && rel->rel_parallel_workers == -1 && rel->tuples >= ROWS_PER_WORKER &&
		is_size_known(relation, rel))
		rel->rel_parallel_workers = (int) Min(rel->tuples / ROWS_PER_WORKER, 1024);
}

/* Hook the planner */
void
batch_plan_init(void)
{
	previous_planner = planner_hook;
	planner_hook = plan_batches;
	previous_relation_info = get_relation_info_hook;
	get_relation_info_hook = hint_workers;
}
