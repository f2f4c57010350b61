/*
 * constant.c: calls whose arguments are constants.  Left alone, the planner would
 * run the model to fold them, even for EXPLAIN, or the executor would run it for each row.
 *
 * In the query such a call f('text', 'model') becomes
 *		(SELECT f(a, b) FROM (SELECT 'text' a, 'model' b OFFSET 0) lepton_constant)
 * which the planner neither folds nor flattens, and runs at most once, when its value is
 * first needed.  In the finished plan the inner SELECT is put back into the call.
 *
 * A query that PL/pgSQL may take for a simple expression must stay one node:
 * there, parameters stand for the arguments until it has been planned.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"

#include "batch.h"

#define CONSTANT_NAME "lepton_constant"
/* A VALUES list with more rows is left to the planner: each row would be a plan of its own. */
#define CONSTANT_MAX_ROWS 16

typedef struct Cover
{
	BatchConstants *constants;
	bool with_params; /* how: parameters, or subqueries */
	bool has_covered; /* a subquery was put into the query in hand */
} Cover;

/* Tell whether an expression is more than a constant of the statement */
static bool
is_variable(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Const:
			return ((Const *) node)->constisnull;
		case T_Param:
			return ((Param *) node)->paramkind != PARAM_EXTERN;
		case T_FuncExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_CollateExpr:
		case T_List:
			return expression_tree_walker(node, is_variable, context);
		default:
			return true;
	}
}

/* Tell whether a call has constant arguments */
static bool
is_constant_call(FuncExpr *call)
{
	return !is_variable((Node *) call->args, NULL) && !batch_has_call((Node *) call->args) &&
		   !contain_volatile_functions((Node *) call);
}

/* Make SELECT args OFFSET 0 */
static Query *
make_inner(List *args)
{
	Query *query = makeNode(Query);
	ListCell *cell;

	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->jointree = makeFromExpr(NIL, NULL);
	foreach (cell, args)
		query->targetList =
			lappend(query->targetList,
					makeTargetEntry(copyObject(lfirst(cell)), foreach_current_index(cell) + 1,
									psprintf("c%d", foreach_current_index(cell) + 1), false));
	query->limitOffset = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
											Int64GetDatum(0), false, FLOAT8PASSBYVAL);
	return query;
}

/* Make a scalar subquery that computes a call */
static Node *
make_subquery(FuncExpr *call)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	Query *query = makeNode(Query);
	SubLink *link = makeNode(SubLink);
	FuncExpr *copy = copyObject(call);
	ListCell *cell;

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = make_inner(call->args);
	rte->eref = makeAlias(CONSTANT_NAME, NIL);
	rte->inFromCl = true;
	foreach (cell, copy->args)
	{
		int i = foreach_current_index(cell) + 1;
		Node *arg = lfirst(cell);

		rte->eref->colnames = lappend(rte->eref->colnames, makeString(psprintf("c%d", i)));
		lfirst(cell) = makeVar(1, i, exprType(arg), exprTypmod(arg), exprCollation(arg), 0);
	}
	ref->rtindex = 1;
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make1(rte);
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	query->targetList = list_make1(makeTargetEntry((Expr *) copy, 1, pstrdup("c"), false));
	link->subLinkType = EXPR_SUBLINK;
	link->subselect = (Node *) query;
	link->location = -1;
	return (Node *) link;
}

/* Put parameters in the place of a call's arguments */
static Node *
make_params(FuncExpr *call, BatchConstants *constants)
{
	FuncExpr *copy = copyObject(call);
	ListCell *cell;

	foreach (cell, copy->args)
	{
		Node *arg = lfirst(cell);
		Param *param = makeNode(Param);

		param->paramkind = PARAM_EXTERN;
		param->paramid = BATCH_FIRST_PARAM + list_length(constants->covered);
		param->paramtype = exprType(arg);
		param->paramtypmod = exprTypmod(arg);
		param->paramcollid = exprCollation(arg);
		param->location = -1;
		constants->covered = lappend(constants->covered, arg);
		lfirst(cell) = param;
	}
	return (Node *) copy;
}

static Node *cover(Node *node, void *context);

/* Take long VALUES lists out of a query */
static List *
take_values(Query *query)
{
	List *taken = NIL;
	ListCell *cell;

	foreach (cell, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);
		List *values = NIL;

		if (rte->rtekind == RTE_VALUES && list_length(rte->values_lists) > CONSTANT_MAX_ROWS)
		{
			values = rte->values_lists;
			rte->values_lists = NIL;
		}
		taken = lappend(taken, values);
	}
	return taken;
}

/* Put them back */
static void
give_values(Query *query, List *taken)
{
	ListCell *cell, *values;

	forboth(cell, query->rtable, values, taken) if (lfirst(values) != NIL)
		lfirst_node(RangeTblEntry, cell)
			->values_lists = lfirst(values);
}

/* Cover the calls of constants in a query */
static Query *
cover_query(Query *query, const Cover *outer)
{
	Cover c = {outer->constants, outer->with_params, false};
	List *values = take_values(query);
	Query *covered = query_tree_mutator(query, cover, &c, 0);

	give_values(query, values);
	give_values(covered, values);
	covered->hasSubLinks |= c.has_covered;
	return covered;
}

/* Cover the calls of constants in a tree */
static Node *
cover(Node *node, void *context)
{
	Cover *c = context;

	if (node == NULL)
		return NULL;
	check_stack_depth();
	if (IsA(node, Query))
	{
		return (Node *) cover_query((Query *) node, c);
	}
	if (IsA(node, OnConflictExpr))
	{
		/* The expressions to infer an index from must stay as the index has them. */
		OnConflictExpr *expr = (OnConflictExpr *) node;
		List *elements = expr->arbiterElems;
		Node *where = expr->arbiterWhere;

		expr = (OnConflictExpr *) expression_tree_mutator(node, cover, context);
		expr->arbiterElems = elements;
		expr->arbiterWhere = where;
		return (Node *) expr;
	}
	if (batch_any_task(node) != NULL)
	{
		bool is_constant = is_constant_call((FuncExpr *) node);

		if (is_constant && batch_call_task(node) != NULL)
		{
			if (c->with_params)
				return make_params((FuncExpr *) node, c->constants);
			c->has_covered = true;
			return make_subquery((FuncExpr *) node);
		}
		if (!is_constant)
			c->constants->has_calls = true;
	}
	return expression_tree_mutator(node, cover, context);
}

/* Walker: any call, in subqueries too */
static bool
has_call(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_call, context, 0);
	if (batch_any_task(node) != NULL)
		return true;
	return expression_tree_walker(node, has_call, context);
}

/* Tell whether PL/pgSQL might take a query for a simple expression */
static bool
is_simple(const Query *query)
{
	return query->commandType == CMD_SELECT && query->rtable == NIL && !query->hasAggs &&
		   !query->hasWindowFuncs && !query->hasTargetSRFs && !query->hasSubLinks &&
		   query->cteList == NIL && query->jointree->fromlist == NIL &&
		   query->jointree->quals == NULL && query->groupClause == NIL &&
		   query->groupingSets == NIL && query->havingQual == NULL && query->windowClause == NIL &&
		   query->distinctClause == NIL && query->sortClause == NIL && query->limitOffset == NULL &&
		   query->limitCount == NULL && query->setOperations == NULL;
}

/* Cover the calls of constants in a query */
Query *
batch_cover_constants(Query *query, BatchConstants *constants)
{
	Cover c = {constants, false, false};

	if (query->commandType == CMD_UTILITY || !has_call((Node *) query, NULL))
		return query;
	c.with_params = is_simple(query);
	return (Query *) cover((Node *) query, &c);
}

/* Mutator: parameters become what they stand for */
static Node *
uncover_params(Node *node, void *context)
{
	const BatchConstants *constants = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN &&
		((Param *) node)->paramid >= BATCH_FIRST_PARAM)
		return copyObject(
			list_nth(constants->covered, ((Param *) node)->paramid - BATCH_FIRST_PARAM));
	return expression_tree_mutator(node, uncover_params, context);
}

/* Mutator: columns of a subquery become their expressions */
static Node *
uncover_columns(Node *node, void *context)
{
	List *columns = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return copyObject((Node *) get_tle_by_resno(columns, ((Var *) node)->varattno)->expr);
	return expression_tree_mutator(node, uncover_columns, context);
}

/* One node for a covered call: Result in the place of SubqueryScan over Result */
static Plan *
uncover_plan(Plan *plan, const PlannedStmt *stmt)
{
	SubqueryScan *scan = (SubqueryScan *) plan;
	RangeTblEntry *rte;
	Result *result;

	if (plan == NULL || !IsA(plan, SubqueryScan) || !IsA(scan->subplan, Result) ||
		scan->subplan->lefttree != NULL || plan->qual != NIL)
		return plan;
	rte = rt_fetch(scan->scan.scanrelid, stmt->rtable);
	if (strcmp(rte->eref->aliasname, CONSTANT_NAME) != 0)
		return plan;
	result = (Result *) scan->subplan;
	if (result->resconstantqual != NULL || result->plan.qual != NIL)
		return plan;
	result->plan.targetlist =
		(List *) uncover_columns((Node *) plan->targetlist, result->plan.targetlist);
	result->plan.initPlan = list_concat(plan->initPlan, result->plan.initPlan);
	result->plan.extParam = plan->extParam;
	result->plan.allParam = plan->allParam;
	result->plan.parallel_safe = plan->parallel_safe;
	return (Plan *) result;
}

/* Take the covers off */
void
batch_uncover_constants(PlannedStmt *stmt, const BatchConstants *constants)
{
	ListCell *cell;

	if (constants->covered != NIL)
		for (Plan *plan = stmt->planTree; plan != NULL; plan = plan->lefttree)
			plan->targetlist =
				(List *) uncover_params((Node *) plan->targetlist, (void *) constants);
	foreach (cell, stmt->subplans)
		lfirst(cell) = uncover_plan(lfirst(cell), stmt);
}
