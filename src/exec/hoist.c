/*
 * hoist.c: finds the calls of task functions in expressions and replaces them
 * by columns.  It knows expressions, not plans.
 *
 * A call can be computed ahead when its value for a row depends on the row
 * alone and computing it cannot be noticed: it is not volatile, and either the expression
 * always comes to it, or its texts can be made NULL where it does not (the functions are
 * strict: NULL costs nothing).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "batch.h"

/* Where collecting stands: the conditions under which the expression comes to a node. */
typedef struct Collect
{
	List **calls;
	List *conditions; /* boolean expressions, all true */
} Collect;

static void collect(Node *node, Collect *c);

/*
 * Entry of the task function with an OID
 *
 * Known by the address of its C function, so that other names, schemas and declarations
 * work too.  What stands between caller and function (SECURITY DEFINER, SET) is respected.
 */
static const FuncTask *
function_task(Oid function)
{
	const FuncTask *task = NULL;
	HeapTuple tuple;
	FmgrInfo info;
	bool is_candidate;

	if (function < FirstNormalObjectId)
		return NULL;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return NULL;
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
		bool isnull;
		Datum symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);

		is_candidate = proc->prolang == ClanguageId && proc->proisstrict && !proc->prosecdef &&
					   heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) && !isnull &&
					   func_task_has_symbol(TextDatumGetCString(symbol));
	}
	ReleaseSysCache(tuple);
	if (is_candidate && !FmgrHookIsNeeded(function))
	{
		fmgr_info(function, &info);
		task = func_task(info.fn_addr);
	}
	return task;
}

/* Entry of the task function that an expression calls, one that returns a set or not */
const FuncTask *
batch_any_task(Node *node)
{
	FuncExpr *call = (FuncExpr *) node;
	const FuncTask *task;

	if (node == NULL || !IsA(node, FuncExpr))
		return NULL;
	task = function_task(call->funcid);
	if (task == NULL || task->is_set != call->funcretset ||
		func_task_model_argument(task, list_length(call->args)) == -2)
		return NULL;
	return task;
}

/* Entry of the task function that an expression calls, no set */
const FuncTask *
batch_call_task(Node *node)
{
	const FuncTask *task = batch_any_task(node);

	return task != NULL && task->is_set ? NULL : task;
}

/* The argument that names the model */
Expr *
batch_model_argument(const FuncTask *task, List *args)
{
	int i = func_task_model_argument(task, list_length(args));

	return i < 0 ? NULL : list_nth(args, i);
}

/* Option i */
Expr *
batch_option(const FuncTask *task, List *args, int i)
{
	return list_nth(args, func_task_option_argument(task, list_length(args), i));
}

/* Walker of batch_has_call */
static bool
has_call(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (batch_any_task(node) != NULL)
		return true;
	return expression_tree_walker(node, has_call, context);
}

/* Tell whether an expression calls a task function */
bool
batch_has_call(Node *node)
{
	return has_call(node, NULL);
}

/* Tell whether an expression reads a row */
static bool
reads_row(Node *node, void *context)
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
		default:
			return expression_tree_walker(node, reads_row, context);
	}
}

/* Tell whether an expression must be evaluated where it stands, and once */
static bool
is_bound(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_SubPlan:
		case T_AlternativeSubPlan:
		case T_CaseTestExpr:
		case T_CoerceToDomainValue:
		case T_SetToDefault:
		case T_CurrentOfExpr:
			return true;
		default:
			return expression_tree_walker(node, is_bound, context);
	}
}

/* Tell whether an expression can be a condition: evaluated once more, ahead */
static bool
is_condition(Node *node)
{
	return !batch_has_call(node) && !contain_volatile_functions(node) && !is_bound(node, NULL);
}

/* Make "text if the conditions hold" */
static Expr *
guard(Expr *text, List *conditions)
{
	CaseExpr *result = makeNode(CaseExpr);
	CaseWhen *when = makeNode(CaseWhen);
	Oid type = exprType((Node *) text);
	int32 typmod = exprTypmod((Node *) text);
	Oid collation = exprCollation((Node *) text);

	when->expr = make_ands_explicit(copyObject(conditions));
	when->result = text;
	when->location = -1;
	result->casetype = type;
	result->casecollid = collation;
	result->args = list_make1(when);
	result->defresult = (Expr *) makeNullConst(type, typmod, collation);
	result->location = -1;
	return (Expr *) result;
}

/* Tell whether evaluating an expression costs nothing and cannot fail */
bool
batch_is_plain(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return IsA(node, Const) || IsA(node, Param) || IsA(node, Var);
}

/* Make arguments of a call NULL where the conditions do not hold: one text, and those that cost something */
static void
guard_arguments(FuncExpr *call, const FuncTask *task, List *conditions)
{
	int model = func_task_model_argument(task, list_length(call->args));
	int first = 0;
	ListCell *cell;

	for (int i = task->n_texts - 1; i >= 0; i--)
		if (reads_row(list_nth(call->args, i), NULL))
			first = i;
	foreach (cell, call->args)
	{
		int i = foreach_current_index(cell);

		if (i == first || (i != model && !batch_is_plain(lfirst(cell))))
			lfirst(cell) = guard(lfirst(cell), conditions);
	}
}

/* Append a call unless it is there; guarded ones are there for their one place */
static void
add_call(FuncExpr *call, const FuncTask *task, Collect *c)
{
	BatchCall *added;
	ListCell *cell;

	foreach (cell, *c->calls)
	{
		BatchCall *other = lfirst(cell);

		if (!other->is_guarded && equal(other->origin, call))
			return;
	}
	added = palloc0(sizeof(BatchCall));
	added->origin = call;
	added->hoisted = copyObject(call);
	added->is_guarded = c->conditions != NIL;
	if (added->is_guarded)
		guard_arguments(added->hoisted, task, c->conditions);
	*c->calls = lappend(*c->calls, added);
}

/* Tell whether a call can be computed ahead */
bool
batch_is_hoistable(FuncExpr *call)
{
	const FuncTask *task = batch_any_task((Node *) call);

	if (batch_has_call((Node *) call->args) || contain_volatile_functions((Node *) call) ||
		is_bound((Node *) call->args, NULL))
		return false;
	/* One model for all rows. */
	return !reads_row((Node *) batch_model_argument(task, call->args), NULL);
}

/* Make a test of a boolean expression */
static Node *
boolean_test(Node *arg, BoolTestType type)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = copyObject((Expr *) arg);
	test->booltesttype = type;
	test->location = -1;
	return (Node *) test;
}

/* Make "arg IS NULL" */
static Node *
null_test(Node *arg)
{
	NullTest *test = makeNode(NullTest);

	test->arg = copyObject((Expr *) arg);
	test->nulltesttype = IS_NULL;
	test->argisrow = false;
	test->location = -1;
	return (Node *) test;
}

/* Collect from an expression that is come to only if the condition holds too */
static void
collect_if(Node *node, Collect *c, List *conditions)
{
	Collect inner = *c;

	inner.conditions = list_concat_copy(c->conditions, conditions);
	collect(node, &inner);
}

/* Collect from the arguments of AND, OR, COALESCE: each is come to if test holds for all before it */
static void
collect_chain(List *args, Collect *c, Node *(*test)(Node *arg))
{
	List *conditions = NIL;
	ListCell *cell;

	foreach (cell, args)
	{
		collect_if(lfirst(cell), c, conditions);
		if (!is_condition(lfirst(cell)))
			return;
		conditions = lappend(conditions, test(lfirst(cell)));
	}
}

/* AND goes on behind what is not false */
static Node *
goes_on_and(Node *arg)
{
	return boolean_test(arg, IS_NOT_FALSE);
}

/* OR goes on behind what is not true */
static Node *
goes_on_or(Node *arg)
{
	return boolean_test(arg, IS_NOT_TRUE);
}

/* COALESCE goes on behind NULL */
static Node *
goes_on_coalesce(Node *arg)
{
	return null_test(arg);
}

/* A WHEN's condition with CASE's argument in its place; NULL when it is not a plain comparison */
static Node *
when_condition(CaseExpr *expr, CaseWhen *when)
{
	OpExpr *op;
	Node *tested;

	if (expr->arg == NULL)
		return (Node *) when->expr;
	if (!IsA(when->expr, OpExpr))
		return NULL;
	op = copyObject((OpExpr *) when->expr);
	tested = linitial(op->args);
	if (IsA(tested, RelabelType) && IsA(((RelabelType *) tested)->arg, CaseTestExpr))
		((RelabelType *) tested)->arg = copyObject(expr->arg);
	else if (IsA(tested, CaseTestExpr))
		linitial(op->args) = copyObject(expr->arg);
	else
		return NULL;
	return (Node *) op;
}

/* Collect from a CASE */
static void
collect_case(CaseExpr *expr, Collect *c)
{
	List *before = NIL; /* no WHEN so far */
	ListCell *cell;

	collect((Node *) expr->arg, c);
	foreach (cell, expr->args)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);
		Node *condition = when_condition(expr, when);

		if (expr->arg == NULL)
			collect_if((Node *) when->expr, c, before);
		if (condition == NULL || !is_condition(condition))
			return;
		collect_if((Node *) when->result, c,
				   lappend(list_copy(before), boolean_test(condition, IS_TRUE)));
		before = lappend(before, boolean_test(condition, IS_NOT_TRUE));
	}
	collect_if((Node *) expr->defresult, c, before);
}

/* Walker over children that are always evaluated */
static bool
collect_child(Node *node, void *context)
{
	collect(node, context);
	return false;
}

/* Collect calls; only descends where it is known what the expression comes to */
static void
collect(Node *node, Collect *c)
{
	const FuncTask *task;

	if (node == NULL)
		return;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			task = batch_call_task(node);
			if (task != NULL && batch_is_hoistable((FuncExpr *) node))
			{
				add_call((FuncExpr *) node, task, c);
				return;
			}
			break;
		case T_BoolExpr:
			if (((BoolExpr *) node)->boolop == AND_EXPR)
				return collect_chain(((BoolExpr *) node)->args, c, goes_on_and);
			if (((BoolExpr *) node)->boolop == OR_EXPR)
				return collect_chain(((BoolExpr *) node)->args, c, goes_on_or);
			break;
		case T_CoalesceExpr:
			return collect_chain(((CoalesceExpr *) node)->args, c, goes_on_coalesce);
		case T_CaseExpr:
			return collect_case((CaseExpr *) node, c);
		case T_ArrayCoerceExpr:
			return collect((Node *) ((ArrayCoerceExpr *) node)->arg, c);
		case T_SubscriptingRef:
			if (((SubscriptingRef *) node)->refassgnexpr == NULL)
				collect((Node *) ((SubscriptingRef *) node)->refexpr, c);
			return;
		case T_List:
		case T_TargetEntry:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ConvertRowtypeExpr:
		case T_FieldSelect:
		case T_RowExpr:
		case T_ArrayExpr:
		case T_MinMaxExpr:
		case T_CoerceToDomain:
			break;
		default:
			return;
	}
	expression_tree_walker(node, collect_child, c);
}

/* Collect calls of an expression */
void
batch_collect(Node *node, List **calls)
{
	Collect c = {calls, NIL};

	collect(node, &c);
}

/* Collect calls of arguments that are evaluated if the filter holds */
static void
collect_filtered(List *args, Expr *filter, Collect *c)
{
	collect((Node *) filter, c);
	if (filter == NULL)
		collect((Node *) args, c);
	else if (is_condition((Node *) filter))
		collect_if((Node *) args, c, list_make1(boolean_test((Node *) filter, IS_TRUE)));
}

/* Walker of batch_collect_arguments */
static bool
collect_arguments(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		Aggref *agg = (Aggref *) node;

		/* What a final aggregate is given is not what its arguments say. */
		if (!DO_AGGSPLIT_COMBINE(agg->aggsplit))
			collect_filtered(agg->args, agg->aggfilter, context);
		return false;
	}
	if (IsA(node, WindowFunc))
	{
		collect_filtered(((WindowFunc *) node)->args, ((WindowFunc *) node)->aggfilter, context);
		return false;
	}
	return expression_tree_walker(node, collect_arguments, context);
}

/* Collect calls in arguments of aggregates and window functions */
void
batch_collect_arguments(Node *node, List **calls)
{
	Collect c = {calls, NIL};

	collect_arguments(node, &c);
}

/* Walker of batch_collect_leaves */
static bool
collect_leaves(Node *node, void *context)
{
	List **leaves = context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Aggref:
		case T_WindowFunc:
		case T_GroupingFunc:
			*leaves = list_append_unique(*leaves, node);
			return false;
		default:
			return expression_tree_walker(node, collect_leaves, context);
	}
}

/* Collect what an expression reads */
void
batch_collect_leaves(Node *node, List **leaves)
{
	collect_leaves(node, leaves);
}

typedef struct Replace
{
	List *leaves, *calls;
	int varno, first; /* calls begin behind column first */
} Replace;

/* A column of an expression's type */
static Node *
make_column(int varno, int attno, Node *expr)
{
	return (Node *) makeVar(varno, attno, exprType(expr), exprTypmod(expr), exprCollation(expr), 0);
}

/* Mutator of batch_replace */
static Node *
replace(Node *node, void *context)
{
	Replace *r = context;
	ListCell *cell;
	int i;

	if (node == NULL)
		return NULL;
	i = r->first;
	if (IsA(node, FuncExpr))
		foreach (cell, r->calls)
		{
			BatchCall *call = lfirst(cell);

			i++;
			if ((Node *) call->origin == node || (!call->is_guarded && equal(call->origin, node)))
				return make_column(r->varno, i, node);
		}
	i = 0;
	foreach (cell, r->leaves)
	{
		i++;
		if (equal(lfirst(cell), node))
			return make_column(r->varno, i, node);
	}
	return expression_tree_mutator(node, replace, context);
}

/* Replace calls and leaves */
Node *
batch_replace(Node *node, List *leaves, List *calls, int varno)
{
	Replace r = {leaves, calls, varno, list_length(leaves)};

	return replace(node, &r);
}

/* Replace calls only */
Node *
batch_replace_calls(Node *node, List *calls, int varno, int first)
{
	Replace r = {NIL, calls, varno, first};

	return replace(node, &r);
}
