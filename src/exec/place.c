/*
 * place.c: places a node above or below a plan node and moves expressions to
 * it.  It looks at one plan node and its children; plan.c walks.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "batch.h"

const BatchBound batch_no_bound = {NULL, NULL, BATCH_FIRST_ROWS};

/* ---- building a node ---- */

/*
 * Make a node above child: its columns, then one a call; targetlist and qual are in columns of INDEX_VAR
 *
 * Calls ahead [FuncExpr] are in terms of the leaves and get no column.
 */
static Plan *
make_batch(BatchRewrite *rw, Plan *child, List *leaves, List *calls, List *ahead, List *targetlist,
		   List *qual, BatchBound bound)
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
	foreach (cell, ahead)
		scan->custom_exprs =
			lappend(scan->custom_exprs, batch_replace(lfirst(cell), leaves, NIL, INDEX_VAR));
	if (has_count)
		scan->custom_exprs = lappend(scan->custom_exprs, copyObject(bound.count));
	if (has_offset)
		scan->custom_exprs = lappend(scan->custom_exprs, copyObject(bound.offset));
	scan->custom_private =
		list_make4(makeInteger(list_length(leaves)), makeInteger(list_length(calls)),
				   makeInteger(list_length(ahead)), makeInteger(bound.first));
	scan->custom_private = lappend(scan->custom_private, makeInteger(rw->is_streamed));
	scan->custom_private = lappend(scan->custom_private, makeInteger(has_count));
	scan->custom_private = lappend(scan->custom_private, makeInteger(has_offset));
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

/*
 * Calls ahead of an expression, or NIL when the node below computes them all already
 *
 * All or none: with only those that it lacks, two nodes that lack each other's calls would be put on top of each other without end.
 */
static List *
drop_known(List *ahead, Plan *plan)
{
	ListCell *cell;

	if (!IsA(plan, CustomScan) || ((CustomScan *) plan)->methods != &batch_scan_methods)
		return ahead;
	foreach (cell, ahead)
		if (!list_member(((CustomScan *) plan)->custom_exprs, lfirst(cell)))
			return ahead;
	return NIL;
}

/* Calls of an expression: of its own, and of its subplans unless more calls are left for a node above */
static bool
take_calls(BatchRewrite *rw, Plan *plan, Node *node, List **calls, List **ahead)
{
	batch_collect(node, calls);
	*ahead = drop_known(batch_ahead_of_subplans(rw->stmt, node), plan);
	if (*ahead != NIL && *calls != NIL && batch_has_call(batch_replace_calls(node, *calls, 0, 0)))
		*ahead = NIL;
	return *calls != NIL || *ahead != NIL;
}

/* Calls of the first clause that has any, and its position */
static bool
first_calls(BatchRewrite *rw, Plan *plan, List *quals, int *position, List **calls, List **ahead)
{
	ListCell *cell;

	*position = 0;
	foreach (cell, quals)
	{
		if (take_calls(rw, plan, lfirst(cell), calls, ahead))
			return true;
		(*position)++;
	}
	return false;
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
Plan *
batch_wrap(BatchRewrite *rw, Plan *plan, BatchBound bound)
{
	Join *join = has_movable_joinqual(plan) ? (Join *) plan : NULL;
	List *joinqual = join != NULL ? join->joinqual : NIL;
	List *quals = copyObject(list_concat_copy(joinqual, plan->qual));
	List *targetlist = copyObject(plan->targetlist);
	List *old_joinqual = joinqual;
	List *old_qual = plan->qual;
	List *old_targetlist = plan->targetlist;
	List *calls = NIL, *ahead = NIL, *moved, *leaves = NIL;
	ListCell *cell;
	int position;
	bool is_ordered;

	if (IsA(plan, WindowAgg) || !first_calls(rw, plan, quals, &position, &calls, &ahead))
	{
		if (!take_calls(rw, plan, (Node *) targetlist, &calls, &ahead))
			return plan;
		position = list_length(quals);
	}
	moved = list_copy_tail(quals, position);
	batch_collect_leaves((Node *) targetlist, &leaves);
	batch_collect_leaves((Node *) moved, &leaves);
	foreach (cell, calls)
		batch_collect_leaves((Node *) ((BatchCall *) lfirst(cell))->hoisted, &leaves);
	batch_collect_leaves((Node *) ahead, &leaves);

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
	return make_batch(rw, plan, leaves, calls, ahead, targetlist, moved, bound);
}

/* ---- below a node: what it does with its child's rows ---- */

/* Put a node above child that adds a column for each call; calls, also those ahead, are in columns of varno */
static Plan *
append_columns(BatchRewrite *rw, Plan *child, List *calls, List *ahead, int varno, BatchBound bound)
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
	return make_batch(rw, child, leaves, calls, ahead, targetlist, NIL, bound);
}

/* Compute calls in arguments of aggregates and window functions, or of a ProjectSet, below the node */
void
batch_push_below(BatchRewrite *rw, Plan *plan)
{
	List *calls = NIL, *ahead = NIL;
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
	if (calls != NIL)
	{
		first = list_length(plan->lefttree->targetlist);
		plan->lefttree = append_columns(rw, plan->lefttree, calls, NIL, OUTER_VAR, batch_no_bound);
		plan->targetlist =
			(List *) batch_replace_calls((Node *) plan->targetlist, calls, OUTER_VAR, first);
		plan->qual = (List *) batch_replace_calls((Node *) plan->qual, calls, OUTER_VAR, first);
	}
	if (IsA(plan, ProjectSet))
		ahead = batch_ahead_of_sets(plan->targetlist);
	if (ahead != NIL)
		plan->lefttree = append_columns(rw, plan->lefttree, NIL, ahead, OUTER_VAR, batch_no_bound);
}

/* Compute calls of a nested loop's inner side for many rows of its outer side */
void
batch_push_outer(BatchRewrite *rw, NestLoop *join, BatchBound bound)
{
	Plan *plan = &join->join.plan;
	List *ahead = batch_ahead_of_join(rw->stmt, join);

	if (ahead == NIL || batch_is_ordered(rw->stmt, plan->lefttree))
		return;
	/* A left join gives a row at least for each that it reads. */
	if (join->join.jointype != JOIN_LEFT || plan->qual != NIL)
		bound = batch_no_bound;
	plan->lefttree = append_columns(rw, plan->lefttree, NIL, ahead, OUTER_VAR, bound);
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
void
batch_push_keys_below(BatchRewrite *rw, HashJoin *join)
{
	Plan *plan = &join->join.plan;
	Hash *hash = (Hash *) plan->righttree;
	List *calls = key_calls(join->hashkeys);
	int first;

	if (calls != NIL && !batch_is_ordered(rw->stmt, plan->lefttree))
	{
		first = list_length(plan->lefttree->targetlist);
		plan->lefttree = append_columns(rw, plan->lefttree, calls, NIL, OUTER_VAR, batch_no_bound);
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
		hash->plan.lefttree =
			append_columns(rw, hash->plan.lefttree, calls, NIL, OUTER_VAR, batch_no_bound);
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
