/*
 * plan.c: the planner hook: rewrites finished plans so that calls of task
 * functions are computed in batches.  It places nodes and moves expressions; README.md
 * has the rules.  It never touches plans of other extensions' nodes.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"

#include "../guc.h"
#include "batch.h"

/* Rows of a table that are worth a parallel worker. */
#define ROWS_PER_WORKER 1000

/* What is known of how many rows of a plan will be asked for. */
typedef struct Bound
{
	Node *count, *offset; /* of LIMIT; no more than their sum */
	int first;			  /* rows that the first window may have */
} Bound;

static const Bound no_bound = {NULL, NULL, BATCH_FIRST_ROWS};

typedef struct Rewrite
{
	PlannedStmt *stmt;
	int next_id; /* plan_node_id of the next node */
	bool is_parallel;
	Bitmapset *exists; /* subplans of which one row is asked for */
} Rewrite;

static planner_hook_type previous_planner = NULL;
static get_relation_info_hook_type previous_relation_info = NULL;

/* Depth of planning queries that have calls for rows. */
static int planning_calls = 0;

static Plan *rewrite(Rewrite *rw, Plan *plan, Bound bound);

/* ---- building a node ---- */

/* Make a node above child: its columns, then one a call; targetlist and qual are in columns of INDEX_VAR */
static Plan *
make_batch(Rewrite *rw, Plan *child, List *leaves, List *calls, List *targetlist, List *qual,
		   Bound bound)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan *plan = &scan->scan.plan;
	ListCell *cell;
	int i = 0;
	bool has_count = bound.count != NULL && qual == NIL;
	bool has_offset = has_count && bound.offset != NULL;

	scan->methods = &batch_scan_methods;
	foreach (cell, leaves)
	{
		Node *leaf = lfirst(cell);
		Var *column =
			makeVar(OUTER_VAR, ++i, exprType(leaf), exprTypmod(leaf), exprCollation(leaf), 0);

		scan->custom_scan_tlist =
			lappend(scan->custom_scan_tlist, makeTargetEntry((Expr *) column, i, NULL, false));
	}
	foreach (cell, calls)
	{
		BatchCall *call = lfirst(cell);
		Node *shown = batch_replace((Node *) call->hoisted, leaves, NIL, OUTER_VAR);

		scan->custom_scan_tlist =
			lappend(scan->custom_scan_tlist, makeTargetEntry((Expr *) shown, ++i, NULL, false));
		scan->custom_exprs = lappend(scan->custom_exprs,
									 batch_replace((Node *) call->hoisted, leaves, NIL, INDEX_VAR));
	}
	if (has_count)
		scan->custom_exprs = lappend(scan->custom_exprs, copyObject(bound.count));
	if (has_offset)
		scan->custom_exprs = lappend(scan->custom_exprs, copyObject(bound.offset));
	scan->custom_private =
		list_make5(makeInteger(list_length(leaves)), makeInteger(list_length(calls)),
				   makeInteger(bound.first), makeInteger(has_count), makeInteger(has_offset));
	plan->targetlist = targetlist;
	plan->qual = qual;
	plan->lefttree = child;
	plan->startup_cost = child->startup_cost;
	plan->total_cost = child->total_cost;
	plan->plan_rows = child->plan_rows;
	plan->plan_width = child->plan_width;
#if PG_VERSION_NUM >= 180000
	plan->disabled_nodes = child->disabled_nodes;
#endif
	/* Aware only in that workers' counts are added up. */
	plan->parallel_aware = rw->is_parallel;
	plan->parallel_safe = child->parallel_safe;
	plan->plan_node_id = rw->next_id++;
	plan->extParam = bms_copy(child->extParam);
	plan->allParam = bms_copy(child->allParam);
	/* Subplans of moved expressions need what these set. */
	plan->initPlan = child->initPlan;
	child->initPlan = NIL;
	child->async_capable = false;
	return plan;
}

/* Target list of columns 1 ... of varno, one an expression */
static List *
make_targetlist(List *exprs)
{
	List *targetlist = NIL;
	ListCell *cell;

	foreach (cell, exprs)
		targetlist = lappend(
			targetlist, makeTargetEntry(lfirst(cell), list_length(targetlist) + 1, NULL, false));
	return targetlist;
}

/* ---- above a node: its own filter and target list ---- */

/* Calls of the first clause that has any, and its position */
static List *
first_calls(List *quals, int *position)
{
	List *calls = NIL;
	ListCell *cell;

	*position = 0;
	foreach (cell, quals)
	{
		batch_collect(lfirst(cell), &calls);
		if (calls != NIL)
			return calls;
		(*position)++;
	}
	return NIL;
}

/* Tell whether the clauses of an inner join may be tested above it */
static bool
has_movable_joinqual(Plan *plan)
{
	if (!IsA(plan, NestLoop) && !IsA(plan, HashJoin) && !IsA(plan, MergeJoin))
		return false;
	if (((Join *) plan)->jointype != JOIN_INNER)
		return false;
	/* It may rely on the uniqueness for not marking positions. */
	return !IsA(plan, MergeJoin) || !((Join *) plan)->inner_unique;
}

/*
 * Compute the next calls of a node's filter and target list above it
 *
 * The filter's clauses stand in the order in which they must be tested (row
 * security first), so the first clause with a call moves up together with all behind it.
 * Only its calls are computed here: those of later clauses and of the target list are
 * for rows that have passed it, so they wait for the next node.
 *
 * Below stay nothing but the columns that are read: whatever else the node
 * computed is computed when its row is asked for, as before.
 */
static Plan *
wrap(Rewrite *rw, Plan *plan, Bound bound)
{
	Join *join = has_movable_joinqual(plan) ? (Join *) plan : NULL;
	List *joinqual = join != NULL ? join->joinqual : NIL;
	List *quals = copyObject(list_concat_copy(joinqual, plan->qual));
	List *targetlist = copyObject(plan->targetlist);
	List *old_joinqual = joinqual;
	List *old_qual = plan->qual;
	List *old_targetlist = plan->targetlist;
	List *calls, *moved, *leaves = NIL;
	ListCell *cell;
	int position;
	bool is_ordered;

	calls = IsA(plan, WindowAgg) ? NIL : first_calls(quals, &position);
	if (calls == NIL)
	{
		batch_collect((Node *) targetlist, &calls);
		position = list_length(quals);
	}
	if (calls == NIL)
		return plan;
	moved = list_copy_tail(quals, position);
	batch_collect_leaves((Node *) targetlist, &leaves);
	batch_collect_leaves((Node *) moved, &leaves);
	foreach (cell, calls)
		batch_collect_leaves((Node *) ((BatchCall *) lfirst(cell))->hoisted, &leaves);

	plan->targetlist = make_targetlist(copyObject(leaves));
	if (join != NULL)
		join->joinqual = list_copy_head(old_joinqual, Min(position, list_length(old_joinqual)));
	plan->qual = list_copy_head(old_qual, Max(position - list_length(joinqual), 0));
	is_ordered = batch_is_ordered(rw->stmt, plan);
	if (is_ordered)
	{
		plan->targetlist = old_targetlist;
		plan->qual = old_qual;
		if (join != NULL)
			join->joinqual = old_joinqual;
		return plan;
	}
	/* The first match may now be one that fails a moved clause. */
	if (join != NULL && position < list_length(old_joinqual))
		join->inner_unique = false;
	targetlist = (List *) batch_replace((Node *) targetlist, leaves, calls, INDEX_VAR);
	moved = (List *) batch_replace((Node *) moved, leaves, calls, INDEX_VAR);
	return make_batch(rw, plan, leaves, calls, targetlist, moved, bound);
}

/* ---- below a node: what it does with its child's rows ---- */

/* Put a node above child that adds a column for each call; calls are in columns of varno */
static Plan *
append_columns(Rewrite *rw, Plan *child, List *calls, int varno)
{
	List *leaves = NIL, *targetlist = NIL;
	ListCell *cell;
	int i = 0;

	foreach (cell, child->targetlist)
	{
		TargetEntry *entry = flatCopyTargetEntry(lfirst(cell));
		Node *expr = (Node *) entry->expr;

		i++;
		leaves = lappend(
			leaves, makeVar(varno, i, exprType(expr), exprTypmod(expr), exprCollation(expr), 0));
		entry->expr = (Expr *) makeVar(INDEX_VAR, i, exprType(expr), exprTypmod(expr),
									   exprCollation(expr), 0);
		targetlist = lappend(targetlist, entry);
	}
	foreach (cell, calls)
	{
		Node *expr = (Node *) ((BatchCall *) lfirst(cell))->origin;

		i++;
		targetlist = lappend(
			targetlist, makeTargetEntry((Expr *) makeVar(INDEX_VAR, i, exprType(expr),
														 exprTypmod(expr), exprCollation(expr), 0),
										i, NULL, false));
	}
	return make_batch(rw, child, leaves, calls, targetlist, NIL, no_bound);
}

/* Compute calls in arguments of aggregates and window functions, or of a ProjectSet, below the node */
static void
push_below(Rewrite *rw, Plan *plan)
{
	List *calls = NIL;
	int first;

	if (plan->lefttree == NULL || batch_is_ordered(rw->stmt, plan->lefttree))
		return;
	/* Calls that are replaced in one place only are known by their place. */
	plan->targetlist = copyObject(plan->targetlist);
	plan->qual = copyObject(plan->qual);
	if (IsA(plan, ProjectSet))
		batch_collect((Node *) plan->targetlist, &calls);
	else
	{
		batch_collect_arguments((Node *) plan->targetlist, &calls);
		batch_collect_arguments((Node *) plan->qual, &calls);
	}
	if (calls == NIL)
		return;
	first = list_length(plan->lefttree->targetlist);
	plan->lefttree = append_columns(rw, plan->lefttree, calls, OUTER_VAR);
	plan->targetlist =
		(List *) batch_replace_calls((Node *) plan->targetlist, calls, OUTER_VAR, first);
	plan->qual = (List *) batch_replace_calls((Node *) plan->qual, calls, OUTER_VAR, first);
}

/* Replace calls in everything that a hash join computes */
static void
replace_in_hash_join(HashJoin *join, List *calls, int varno, int first)
{
	Plan *plan = &join->join.plan;

	plan->targetlist = (List *) batch_replace_calls((Node *) plan->targetlist, calls, varno, first);
	plan->qual = (List *) batch_replace_calls((Node *) plan->qual, calls, varno, first);
	join->join.joinqual =
		(List *) batch_replace_calls((Node *) join->join.joinqual, calls, varno, first);
	join->hashclauses =
		(List *) batch_replace_calls((Node *) join->hashclauses, calls, varno, first);
}

/* Mutator: columns of a Hash node become columns of its join's inner side */
static Node *
outer_to_inner(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *var = copyObject((Var *) node);

		var->varno = INNER_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, outer_to_inner, context);
}

/* Append the calls of the keys that are computed for every row */
static List *
key_calls(List *keys)
{
	List *calls = NIL;
	ListCell *cell;

	foreach (cell, keys)
		batch_collect(lfirst(cell), &calls);
	/* A guarded call would be replaced in its key, but not in the clauses beside it. */
	foreach (cell, calls)
		if (((BatchCall *) lfirst(cell))->is_guarded)
			return NIL;
	return calls;
}

/* Compute calls in the keys of a hash join below it, on either side */
static void
push_keys_below(Rewrite *rw, HashJoin *join)
{
	Plan *plan = &join->join.plan;
	Hash *hash = (Hash *) plan->righttree;
	List *calls = key_calls(join->hashkeys);
	int first;

	if (calls != NIL && !batch_is_ordered(rw->stmt, plan->lefttree))
	{
		first = list_length(plan->lefttree->targetlist);
		plan->lefttree = append_columns(rw, plan->lefttree, calls, OUTER_VAR);
		join->hashkeys =
			(List *) batch_replace_calls((Node *) join->hashkeys, calls, OUTER_VAR, first);
		replace_in_hash_join(join, calls, OUTER_VAR, first);
	}
	calls = key_calls(hash->hashkeys);
	if (calls != NIL && !batch_is_ordered(rw->stmt, hash->plan.lefttree))
	{
		List *inner = NIL;
		ListCell *cell;

		first = list_length(hash->plan.lefttree->targetlist);
		if (first != list_length(hash->plan.targetlist))
			return;
		hash->plan.lefttree = append_columns(rw, hash->plan.lefttree, calls, OUTER_VAR);
		hash->hashkeys =
			(List *) batch_replace_calls((Node *) hash->hashkeys, calls, OUTER_VAR, first);
		foreach (cell, calls)
		{
			BatchCall *call = lfirst(cell);
			BatchCall *above = palloc0(sizeof(BatchCall));
			FuncExpr *expr = call->origin;
			int column = first + foreach_current_index(cell) + 1;

			hash->plan.targetlist =
				lappend(hash->plan.targetlist,
						makeTargetEntry((Expr *) makeVar(OUTER_VAR, column, exprType((Node *) expr),
														 exprTypmod((Node *) expr),
														 exprCollation((Node *) expr), 0),
										column, NULL, false));
			/* The join sees the same columns as those of its inner side. */
			above->origin = (FuncExpr *) outer_to_inner((Node *) expr, NULL);
			inner = lappend(inner, above);
		}
		replace_in_hash_join(join, inner, INNER_VAR, first);
	}
}

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
materialize(Rewrite *rw, Plan *plan)
{
	Plan *material = materialize_finished_plan(plan);

	material->plan_node_id = rw->next_id++;
	return material;
}

/* Rewrite a list of plans in place */
static void
rewrite_list(Rewrite *rw, List *plans, Bound bound)
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
static Bound
child_bound(Plan *plan, Bound bound)
{
	switch (nodeTag(plan))
	{
		case T_Limit:
		{
			Limit *limit = (Limit *) plan;
			Bound of_limit = no_bound;

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
			return plan->qual == NIL ? bound : no_bound;
		case T_Append:
		case T_MergeAppend:
		case T_Gather:
		case T_GatherMerge:
			return bound;
		default:
			return no_bound;
	}
}

/* Rewrite the inner side of a join */
static Plan *
rewrite_inner(Rewrite *rw, Plan *plan)
{
	Join *join = (Join *) plan;
	Bound bound = no_bound;
	Plan *inner;

	if (IsA(plan, NestLoop) &&
		(join->jointype == JOIN_SEMI || join->jointype == JOIN_ANTI || join->inner_unique))
		bound.first = 1;
	inner = rewrite(rw, plan->righttree, bound);
	if (IsA(plan, MergeJoin) && !((MergeJoin *) plan)->skip_mark_restore && !can_mark(inner))
		inner = materialize(rw, inner);
	return inner;
}

/* Rewrite a plan from its leaves up; returns what stands in its place */
static Plan *
rewrite(Rewrite *rw, Plan *plan, Bound bound)
{
	Bound below;
	bool was_parallel = rw->is_parallel;

	if (plan == NULL)
		return NULL;
	check_stack_depth();
	below = child_bound(plan, bound);
	rw->is_parallel |= IsA(plan, Gather) || IsA(plan, GatherMerge);
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
			push_below(rw, plan);
			break;
		case T_HashJoin:
			push_keys_below(rw, (HashJoin *) plan);
			break;
		default:
			break;
	}
	rw->is_parallel = was_parallel;
	if (is_projecting(plan))
		for (Plan *below_plan = NULL; below_plan != plan;)
		{
			below_plan = plan;
			plan = wrap(rw, plan, bound);
		}
	return plan;
}

/* ---- statements ---- */

/* Largest plan_node_id of a plan */
static int
last_id(Plan *plan)
{
	int id;
	List *more = NIL;
	ListCell *cell;

	if (plan == NULL)
		return 0;
	id = Max(plan->plan_node_id, Max(last_id(plan->lefttree), last_id(plan->righttree)));
	switch (nodeTag(plan))
	{
		case T_Append:
			more = ((Append *) plan)->appendplans;
			break;
		case T_MergeAppend:
			more = ((MergeAppend *) plan)->mergeplans;
			break;
		case T_BitmapAnd:
			more = ((BitmapAnd *) plan)->bitmapplans;
			break;
		case T_BitmapOr:
			more = ((BitmapOr *) plan)->bitmapplans;
			break;
		case T_CustomScan:
			more = ((CustomScan *) plan)->custom_plans;
			break;
		case T_SubqueryScan:
			return Max(id, last_id(((SubqueryScan *) plan)->subplan));
		default:
			break;
	}
	foreach (cell, more)
		id = Max(id, last_id(lfirst(cell)));
	return id;
}

/* Walker: note subplans that are asked for one row */
static bool
find_exists(Node *node, void *context)
{
	Rewrite *rw = context;

	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && ((SubPlan *) node)->subLinkType == EXISTS_SUBLINK)
		rw->exists = bms_add_member(rw->exists, ((SubPlan *) node)->plan_id);
	return expression_tree_walker(node, find_exists, context);
}

/* Note them in a whole plan */
static void
find_exists_in_plan(Rewrite *rw, Plan *plan)
{
	if (plan == NULL)
		return;
	find_exists((Node *) plan->targetlist, rw);
	find_exists((Node *) plan->qual, rw);
	find_exists_in_plan(rw, plan->lefttree);
	find_exists_in_plan(rw, plan->righttree);
}

/* Rewrite a finished statement in place */
static void
rewrite_statement(PlannedStmt *stmt)
{
	Rewrite rw = {stmt, 0, false, NULL};
	ListCell *cell;

	rw.next_id = last_id(stmt->planTree);
	find_exists_in_plan(&rw, stmt->planTree);
	foreach (cell, stmt->subplans)
	{
		rw.next_id = Max(rw.next_id, last_id(lfirst(cell)));
		find_exists_in_plan(&rw, lfirst(cell));
	}
	rw.next_id++;
	stmt->planTree = rewrite(&rw, stmt->planTree, no_bound);
	foreach (cell, stmt->subplans)
	{
		Bound bound = no_bound;

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
 * Rewrite the statement of a cursor if it can do all it could before
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

/* The planner hook */
static PlannedStmt *
plan_batches(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	BatchConstants constants = {false, NIL};
	bool keeps_cursor = (cursor_options & CURSOR_OPT_FAST_PLAN) != 0 &&
						(cursor_options & CURSOR_OPT_NO_SCROLL) == 0 && query->rowMarks == NIL;
	int outer_calls = planning_calls;
	PlannedStmt *stmt;

	if (!lepton_enable_batching)
		return plan_as_before(query, text, cursor_options, params);
	query = batch_cover_constants(query, &constants);
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

/* Let a small table have workers when a model will look at its rows */
static void
hint_workers(PlannerInfo *root, Oid relation, bool is_parent, RelOptInfo *rel)
{
	if (previous_relation_info != NULL)
		previous_relation_info(root, relation, is_parent, rel);
	if (planning_calls > 0 && rel->rel_parallel_workers == -1 && rel->tuples >= ROWS_PER_WORKER)
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
