/*
 * order.c: tells where rows must not be read ahead: where functions with side
 * effects, row locks or writes would be seen to happen earlier, more often or in another order.
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "../compat.h"
#include "batch.h"

static bool plan_is_ordered(const PlannedStmt *stmt, Plan *plan);

/* Tell whether a function's calls can be told apart by their order: random numbers and clocks can't */
static bool
is_ordered_function(Oid function, void *context)
{
	(void) context;
	switch (function)
	{
		case LEPTON_F_RANDOM:
		case F_GEN_RANDOM_UUID:
		case F_CLOCK_TIMESTAMP:
		case F_TIMEOFDAY:
			return false;
		default:
			return func_volatile(function) == PROVOLATILE_VOLATILE;
	}
}

/* Walker: volatile functions, also in subplans */
static bool
expr_is_ordered(Node *node, void *context)
{
	const PlannedStmt *stmt = context;

	if (node == NULL)
		return false;
	if (IsA(node, NextValueExpr))
		return true;
	if (IsA(node, SubPlan) &&
		plan_is_ordered(stmt, list_nth(stmt->subplans, ((SubPlan *) node)->plan_id - 1)))
		return true;
	if (check_functions_in_node(node, is_ordered_function, NULL))
		return true;
	return expression_tree_walker(node, expr_is_ordered, context);
}

/* Tell whether any plan of a list is ordered */
static bool
any_is_ordered(const PlannedStmt *stmt, List *plans)
{
	ListCell *cell;

	foreach (cell, plans)
		if (plan_is_ordered(stmt, lfirst(cell)))
			return true;
	return false;
}

/* Expressions of a node beside target list and filter */
static Node *
other_expressions(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_NestLoop:
			return (Node *) ((Join *) plan)->joinqual;
		case T_MergeJoin:
			return (Node *) list_concat_copy(((Join *) plan)->joinqual,
											 ((MergeJoin *) plan)->mergeclauses);
		case T_HashJoin:
			return (Node *) list_concat_copy(((Join *) plan)->joinqual,
											 ((HashJoin *) plan)->hashclauses);
		case T_Result:
			return ((Result *) plan)->resconstantqual;
		case T_ValuesScan:
			return (Node *) ((ValuesScan *) plan)->values_lists;
		default:
			return NULL;
	}
}

/* Tell whether a plan and what is below may not run ahead */
static bool
plan_is_ordered(const PlannedStmt *stmt, Plan *plan)
{
	if (plan == NULL)
		return false;
	check_stack_depth();
	if (expr_is_ordered((Node *) plan->targetlist, (void *) stmt) ||
		expr_is_ordered((Node *) plan->qual, (void *) stmt) ||
		expr_is_ordered(other_expressions(plan), (void *) stmt))
		return true;
	switch (nodeTag(plan))
	{
		case T_ModifyTable:
		case T_LockRows:
			return true;
		case T_Sort:
		case T_Hash:
			/* Has read everything before its first row. */
			return false;
		case T_Append:
			return any_is_ordered(stmt, ((Append *) plan)->appendplans);
		case T_MergeAppend:
			return any_is_ordered(stmt, ((MergeAppend *) plan)->mergeplans);
		case T_SubqueryScan:
			return plan_is_ordered(stmt, ((SubqueryScan *) plan)->subplan);
		case T_CteScan:
			return plan_is_ordered(stmt,
								   list_nth(stmt->subplans, ((CteScan *) plan)->ctePlanId - 1));
		case T_CustomScan:
			if (any_is_ordered(stmt, ((CustomScan *) plan)->custom_plans))
				return true;
			break;
		default:
			break;
	}
	return plan_is_ordered(stmt, plan->lefttree) || plan_is_ordered(stmt, plan->righttree);
}

/* Tell whether reading the rows of a plan ahead could be noticed */
bool
batch_is_ordered(const PlannedStmt *stmt, Plan *plan)
{
	return plan_is_ordered(stmt, plan);
}
