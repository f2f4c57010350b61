/*
 * ahead.c: finds calls that cannot become columns, because a plan that is repeated
 * for each row makes them: set-returning functions in LATERAL, subplans.  It knows which rows
 * their arguments come from; place.c makes the nodes.
 *
 * Such a call stays where it is.  A node that hands on the rows computes it for many of them, and when
 * the call is made, for the row in hand, it finds its result there (exec.c).  Who asks for
 * something else, or again, or in a recheck, computes it: nothing depends on the node.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

#include "batch.h"

/* Parameters of a repeated plan and where their values come from. */
typedef struct Source
{
	List *params;	 /* paramno [int] */
	List *values;	 /* expressions of the rows */
	List *calls;	 /* FuncExpr that were found, of those expressions */
	bool is_certain; /* the expression in hand is evaluated once for each row at least */
} Source;

/* Position of a parameter in a source, -1 when it is not there */
static int
find_param(const Source *source, const Param *param)
{
	ListCell *cell;

	if (param->paramkind == PARAM_EXEC)
		foreach (cell, source->params)
			if (lfirst_int(cell) == param->paramid)
				return foreach_current_index(cell);
	return -1;
}

/* Walker: what is no value of the source, nor a constant */
static bool
reads_else(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Aggref:
		case T_WindowFunc:
		case T_GroupingFunc:
			return true;
		case T_Param:
			return ((Param *) node)->paramkind != PARAM_EXTERN &&
				   find_param(context, (Param *) node) < 0;
		default:
			return expression_tree_walker(node, reads_else, context);
	}
}

/* Walker: any value of the source */
static bool
reads_source(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return find_param(context, (Param *) node) >= 0;
	return expression_tree_walker(node, reads_source, context);
}

/* Mutator: parameters become what they stand for */
static Node *
put_values(Node *node, void *context)
{
	const Source *source = context;
	int i;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && (i = find_param(source, (Param *) node)) >= 0)
		return copyObject(list_nth(source->values, i));
	return expression_tree_mutator(node, put_values, context);
}

/* Tell whether all arguments cost nothing and cannot fail */
static bool
are_plain(List *args)
{
	ListCell *cell;

	foreach (cell, args)
		if (!batch_is_plain(lfirst(cell)))
			return false;
	return true;
}

/* Note a call if its arguments come from the rows */
static void
add_call(FuncExpr *call, Source *source)
{
	const FuncTask *task = batch_any_task((Node *) call);
	FuncExpr *made;

	if (reads_else((Node *) call->args, source) ||
		reads_source((Node *) batch_model_argument(task, call->args), source) ||
		!reads_source((Node *) call->args, source) || !batch_is_hoistable(call))
		return;
	/* Whatever may never be come to must not fail ahead. */
	if (!source->is_certain && !are_plain(call->args))
		return;
	made = (FuncExpr *) put_values((Node *) call, source);
	if (batch_is_hoistable(made) && (source->is_certain || are_plain(made->args)))
		source->calls = list_append_unique(source->calls, made);
}

/* Walker: calls of an expression */
static bool
find_calls(Node *node, void *context)
{
	Source *source = context;
	bool was_certain = source->is_certain;

	if (node == NULL)
		return false;
	check_stack_depth();
	if (batch_any_task(node) != NULL)
		add_call((FuncExpr *) node, source);
	source->is_certain = false;
	expression_tree_walker(node, find_calls, context);
	source->is_certain = was_certain;
	return false;
}

/* Walker: calls of a plan; only those of the topmost scan are certain to be made */
static bool
find_in_plan(Plan *plan, void *context)
{
	Source *source = context;
	ListCell *cell;

	check_stack_depth();
	if (IsA(plan, FunctionScan))
		foreach (cell, ((FunctionScan *) plan)->functions)
			find_calls(lfirst_node(RangeTblFunction, cell)->funcexpr, source);
	source->is_certain = false;
	/* Our nodes have calls of their own. */
	if (!IsA(plan, CustomScan))
	{
		foreach (cell, plan->targetlist)
			find_calls((Node *) lfirst_node(TargetEntry, cell)->expr, source);
		foreach (cell, plan->qual)
			find_calls(lfirst(cell), source);
	}
	return batch_walk_children(plan, find_in_plan, context);
}

/* Calls that the inner side of a join makes for the rows of its outer side */
List *
batch_ahead_of_join(const PlannedStmt *stmt, NestLoop *join)
{
	Source source = {.is_certain = true};
	ListCell *cell;

	(void) stmt;
	foreach (cell, join->nestParams)
	{
		NestLoopParam *param = lfirst(cell);
		Var *var = param->paramval;

		/* A column of the outer side, as place.c names it. */
		if (!IsA(var, Var) || var->varno != OUTER_VAR)
			continue;
		source.params = lappend_int(source.params, param->paramno);
		source.values = lappend(source.values, makeVar(OUTER_VAR, var->varattno, var->vartype,
													   var->vartypmod, var->varcollid, 0));
	}
	if (source.params != NIL)
		find_in_plan(join->join.plan.righttree, &source);
	return source.calls;
}

/* What subplans of an expression are looked for with */
typedef struct Search
{
	const PlannedStmt *stmt;
	List *calls;
} Search;

/* Walker: subplans */
static bool
find_subplans(Node *node, void *context)
{
	Search *search = context;
	SubPlan *subplan = (SubPlan *) node;

	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && subplan->parParam != NIL && !subplan->useHashTable)
	{
		Source source = {
			.params = subplan->parParam, .values = subplan->args, .calls = search->calls};

		find_in_plan(list_nth(search->stmt->subplans, subplan->plan_id - 1), &source);
		search->calls = source.calls;
	}
	return expression_tree_walker(node, find_subplans, context);
}

/* Calls that subplans make for the rows that an expression reads */
List *
batch_ahead_of_subplans(const PlannedStmt *stmt, Node *node)
{
	Search search = {stmt, NIL};

	find_subplans(node, &search);
	return search.calls;
}

/* Set-returning calls of a select list */
List *
batch_ahead_of_sets(List *targetlist)
{
	List *calls = NIL;
	ListCell *cell;

	foreach (cell, targetlist)
	{
		Node *expr = (Node *) lfirst_node(TargetEntry, cell)->expr;
		const FuncTask *task = batch_any_task(expr);

		if (task != NULL && task->is_set && batch_is_hoistable((FuncExpr *) expr))
			calls = list_append_unique(calls, expr);
	}
	return calls;
}
