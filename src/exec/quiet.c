/*
 * quiet.c: plans statements that are explained only, so that planning runs no
 * model.  It decides nothing about batches.
 *
 * The planner evaluates functions of constants, to fold or to estimate.  Calls that stand in the
 * query are covered (constant.c), but more of them appear while planning: in bodies of SQL
 * functions, from columns of subqueries, inside functions of other languages.  While a statement is explained, running a
 * model is refused.  Planning that is refused is rolled back, and begins again with constants hidden
 * behind parameters, which the planner cannot look into; the finished plan gets them back.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "tcop/utility.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "../func/run.h"
#include "batch.h"

/* What is hidden; each step hides more. */
typedef enum QuietLevel
{
	QUIET_PLAIN,   /* nothing */
	QUIET_STRINGS, /* strings that may come to a function of users */
	QUIET_ALL, /* all constants, functions of constants; bodies of SQL functions stay where they are */
	QUIET_END /* nothing helps: an index or a constraint has the call */
} QuietLevel;

typedef struct Hide
{
	QuietLevel level;
	ParamListInfo params;
	List *hidden; /* expressions; a Param of the id FIRST_HIDDEN + i stands for each */
} Hide;

#define FIRST_HIDDEN (1 << 25)

static ProcessUtility_hook_type previous_utility = NULL;
static needs_fmgr_hook_type previous_needs_hook = NULL;

/* A statement is being explained, and will not run. */
static bool is_explaining = false;

/* ---- hiding ---- */

/* Hide an expression behind a parameter, the same for equal ones */
static Node *
hide_expr(Node *expr, Hide *h)
{
	Param *param = makeNode(Param);
	ListCell *cell;
	int i = list_length(h->hidden);

	foreach (cell, h->hidden)
		if (equal(lfirst(cell), expr))
			i = foreach_current_index(cell);
	if (i == list_length(h->hidden))
		h->hidden = lappend(h->hidden, copyObject(expr));
	param->paramkind = PARAM_EXTERN;
	param->paramid = FIRST_HIDDEN + i;
	param->paramtype = exprType(expr);
	param->paramtypmod = exprTypmod(expr);
	param->paramcollid = exprCollation(expr);
	param->location = -1;
	return (Node *) param;
}

/* Tell whether a type is one of strings, or of arrays of them */
static bool
is_string(Oid type)
{
	Oid element = get_element_type(type);
	char category;
	bool is_preferred;

	get_type_category_preferred(OidIsValid(element) ? element : type, &category, &is_preferred);
	return category == TYPCATEGORY_STRING || category == TYPCATEGORY_UNKNOWN;
}

/* The value of a parameter of the statement as a constant, or the parameter */
static Node *
param_value(Param *param, ParamListInfo params)
{
	ParamExternData *data, workspace;
	int16 length;
	bool by_value;

	if (param->paramkind != PARAM_EXTERN || params == NULL || param->paramid <= 0 ||
		param->paramid > params->numParams)
		return (Node *) param;
	data = params->paramFetch != NULL ? params->paramFetch(params, param->paramid, true, &workspace)
									  : &params->params[param->paramid - 1];
	if (data->ptype != param->paramtype || (data->pflags & PARAM_FLAG_CONST) == 0)
		return (Node *) param;
	get_typlenbyval(param->paramtype, &length, &by_value);
	return (Node *) makeConst(param->paramtype, param->paramtypmod, param->paramcollid, length,
							  data->isnull ? (Datum) 0 : datumCopy(data->value, by_value, length),
							  data->isnull, by_value);
}

/* Walker: anything that is no constant of the statement */
static bool
is_open(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Aggref:
		case T_WindowFunc:
		case T_GroupingFunc:
		case T_SubLink:
		case T_CaseTestExpr:
		case T_CoerceToDomainValue:
		case T_SetToDefault:
		case T_CurrentOfExpr:
			return true;
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcretset)
				return true;
			break;
		default:
			break;
	}
	return expression_tree_walker(node, is_open, context);
}

/* Arguments of a call or operator that planning cannot make constant as a whole, else NIL */
static List *
open_arguments(Node *node)
{
	Oid function;
	List *args;

	switch (nodeTag(node))
	{
		case T_FuncExpr:
			function = ((FuncExpr *) node)->funcid;
			args = ((FuncExpr *) node)->args;
			break;
		case T_OpExpr:
			function = ((OpExpr *) node)->opfuncid;
			args = ((OpExpr *) node)->args;
			break;
		case T_ScalarArrayOpExpr:
			function = ((ScalarArrayOpExpr *) node)->opfuncid;
			args = ((ScalarArrayOpExpr *) node)->args;
			break;
		default:
			return NIL;
	}
	/* Functions of users may give their arguments to others. */
	if (function >= FirstNormalObjectId && batch_call_task(node) == NULL)
		return NIL;
	return is_open((Node *) args, NULL) ? args : NIL;
}

static Node *hide(Node *node, void *context);

/* Hide in a query */
static Query *
hide_query(Query *query, Hide *h)
{
	Query *hidden = query_tree_mutator(query, hide, h, 0);

	if (query->limitCount != NULL && IsA(query->limitCount, Const))
		hidden->limitCount = query->limitCount;
	if (query->limitOffset != NULL && IsA(query->limitOffset, Const))
		hidden->limitOffset = query->limitOffset;
	return hidden;
}

/* Mutator: constants become parameters */
static Node *
hide(Node *node, void *context)
{
	Hide *h = context;
	List *open = NIL;

	if (node == NULL)
		return NULL;
	check_stack_depth();
	if (IsA(node, Param))
		node = param_value((Param *) node, h->params);
	switch (nodeTag(node))
	{
		case T_Query:
			return (Node *) hide_query((Query *) node, h);
		case T_OnConflictExpr:
		case T_RangeTblFunction:
		case T_FuncExpr:
			break;
		case T_Const:
			if (((Const *) node)->constisnull ||
				(h->level == QUIET_STRINGS && !is_string(((Const *) node)->consttype)))
				return copyObject(node);
			return hide_expr(node, h);
		default:
			break;
	}
	if (IsA(node, OnConflictExpr))
	{
		/* What an index is found by must stay as the index has it. */
		OnConflictExpr *expr = (OnConflictExpr *) node;
		OnConflictExpr *copy = (OnConflictExpr *) expression_tree_mutator(node, hide, context);

		copy->arbiterElems = expr->arbiterElems;
		copy->arbiterWhere = expr->arbiterWhere;
		return (Node *) copy;
	}
	if (IsA(node, RangeTblFunction))
	{
		RangeTblFunction *copy = copyObject((RangeTblFunction *) node);

		copy->funcexpr = expression_tree_mutator(copy->funcexpr, hide, context);
		return (Node *) copy;
	}
	if (h->level == QUIET_ALL && IsA(node, FuncExpr) &&
		((FuncExpr *) node)->funcid >= FirstNormalObjectId && !is_open(node, NULL))
		return hide_expr(node, h);
	if (h->level == QUIET_STRINGS)
		open = open_arguments(node);
	node = expression_tree_mutator(node, hide, context);
	if (open != NIL)
	{
		List *args = IsA(node, FuncExpr) ? ((FuncExpr *) node)->args
					 : IsA(node, OpExpr) ? ((OpExpr *) node)->args
										 : ((ScalarArrayOpExpr *) node)->args;
		ListCell *arg, *old;

		forboth(arg, args, old, open) if (IsA(lfirst(old), Const)) lfirst(arg) = lfirst(old);
	}
	return node;
}

/*
 * Give a plan back what was hidden
 *
 * A plan holds expressions in many places, and there is no mutator of plans: it is
 * written, and read with the expressions' text in the place of the parameters'.  Braces of names are escaped
 * there.
 */
static PlannedStmt *
show_hidden(PlannedStmt *stmt, List *hidden)
{
	static const char mark[] = "{PARAM :paramkind 0 :paramid ";
	StringInfoData out;
	char *text, *at, *next;

	if (hidden == NIL)
		return stmt;
	text = nodeToString(stmt);
	initStringInfo(&out);
	for (at = text; (next = strstr(at, mark)) != NULL; at = strchr(next, '}') + 1)
	{
		long id = strtol(next + sizeof(mark) - 1, NULL, 10);

		appendBinaryStringInfo(&out, at, next - at);
		if (id >= FIRST_HIDDEN && id < FIRST_HIDDEN + list_length(hidden))
			appendStringInfoString(&out, nodeToString(list_nth(hidden, id - FIRST_HIDDEN)));
		else
			appendBinaryStringInfo(&out, next, strchr(next, '}') + 1 - next);
	}
	appendStringInfoString(&out, at);
	return stringToNode(out.data);
}

/* ---- what the executor evaluates when it begins ---- */

/* Walker: functions of users */
static bool
is_user_function(Oid function, void *context)
{
	(void) context;
	return function >= FirstNormalObjectId;
}

/* Walker: calls of functions of users */
static bool
calls_users(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_user_function, NULL))
		return true;
	return expression_tree_walker(node, calls_users, context);
}

/* Leave out pruning when the executor begins that would call functions of users */
static void
drop_initial_steps(PlannedStmt *stmt, PartitionPruneInfo *info)
{
	ListCell *hierarchy, *cell, *step;

	(void) stmt;
	if (info == NULL)
		return;
	foreach (hierarchy, info->prune_infos)
		foreach (cell, (List *) lfirst(hierarchy))
		{
			PartitionedRelPruneInfo *rel = lfirst(cell);
			bool calls = false;

			foreach (step, rel->initial_pruning_steps)
				if (IsA(lfirst(step), PartitionPruneStepOp) &&
					calls_users((Node *) lfirst_node(PartitionPruneStepOp, step)->exprs, NULL))
					calls = true;
			if (!calls)
				continue;
			rel->initial_pruning_steps = NIL;
#if PG_VERSION_NUM >= 180000
			/* What is never pruned is opened. */
			for (int i = 0; i < rel->nparts; i++)
				if (rel->leafpart_rti_map[i] > 0)
					stmt->unprunableRelids =
						bms_add_member(stmt->unprunableRelids, rel->leafpart_rti_map[i]);
#endif
		}
}

#if PG_VERSION_NUM >= 180000
/* The same in a statement */
static void
drop_initial_pruning(PlannedStmt *stmt)
{
	ListCell *cell;

	foreach (cell, stmt->partPruneInfos)
		drop_initial_steps(stmt, lfirst(cell));
}
#else
/* The same in a plan */
static bool
drop_in_plan(Plan *plan, void *context)
{
	if (IsA(plan, Append))
		drop_initial_steps(context, ((Append *) plan)->part_prune_info);
	if (IsA(plan, MergeAppend))
		drop_initial_steps(context, ((MergeAppend *) plan)->part_prune_info);
	return batch_walk_children(plan, drop_in_plan, context);
}

/* The same in a statement */
static void
drop_initial_pruning(PlannedStmt *stmt)
{
	ListCell *cell;

	if (stmt->planTree != NULL)
		drop_in_plan(stmt->planTree, stmt);
	foreach (cell, stmt->subplans)
		if (lfirst(cell) != NULL)
			drop_in_plan(lfirst(cell), stmt);
}
#endif

/* ---- planning ---- */

/* Keep SQL functions of users from being inlined */
static bool
needs_hook(Oid function)
{
	HeapTuple tuple;
	bool is_sql = false;

	if (function >= FirstNormalObjectId)
	{
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
		if (HeapTupleIsValid(tuple))
		{
			is_sql = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId;
			ReleaseSysCache(tuple);
		}
	}
	return is_sql || (previous_needs_hook != NULL && previous_needs_hook(function));
}

/* Plan with things hidden; NULL when a model would have been run */
static PlannedStmt *
plan_hidden(QuietLevel level, BatchPlanner planner, Query *query, const char *text,
			int cursor_options, ParamListInfo params)
{
	Hide h = {level, params, NIL};
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	PlannedStmt *volatile stmt = NULL;

	query = copyObject(query);
	if (level != QUIET_PLAIN && query->commandType != CMD_UTILITY)
		query = hide_query(query, &h);
	previous_needs_hook = needs_fmgr_hook;
	func_run_refusal.has_refused = false;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		func_run_refusal.is_on = true;
		if (level == QUIET_ALL)
			needs_fmgr_hook = needs_hook;
		stmt = planner(query, text, cursor_options, params);
		func_run_refusal.is_on = false;
		needs_fmgr_hook = previous_needs_hook;
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		func_run_refusal.is_on = false;
		needs_fmgr_hook = previous_needs_hook;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!func_run_refusal.has_refused)
			ReThrowError(error);
		FreeErrorData(error);
		stmt = NULL;
	}
	PG_END_TRY();
	return stmt == NULL ? NULL : show_hidden(stmt, h.hidden);
}

/* Plan a statement; runs no model when it is explained only */
PlannedStmt *
batch_plan_quietly(BatchPlanner planner, Query *query, const char *text, int cursor_options,
				   ParamListInfo params)
{
	PlannedStmt *stmt = NULL;

	/* Statements planned meanwhile, inside of functions, are not the one that is explained. */
	if (!is_explaining || func_run_refusal.is_on || IsInParallelMode())
		return planner(query, text, cursor_options, params);
	for (QuietLevel level = QUIET_PLAIN; stmt == NULL && level < QUIET_END; level++)
		stmt = plan_hidden(level, planner, query, text, cursor_options, params);
	if (stmt == NULL)
		return planner(query, text, cursor_options, params);
	drop_initial_pruning(stmt);
	return stmt;
}

/* Tell whether a statement is EXPLAIN without ANALYZE */
static bool
is_explain_only(Node *node)
{
	bool is_analyze = false;
	ListCell *cell;

	if (!IsA(node, ExplainStmt))
		return false;
	foreach (cell, ((ExplainStmt *) node)->options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, "analyze") == 0)
			is_analyze = defGetBoolean(lfirst_node(DefElem, cell));
	return !is_analyze;
}

/* Note statements that are explained only */
static void
process_utility(PlannedStmt *stmt, const char *text, bool is_read_only,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *receiver, QueryCompletion *completion)
{
	ProcessUtility_hook_type process =
		previous_utility != NULL ? previous_utility : standard_ProcessUtility;
	bool was_explaining = is_explaining;

	PG_TRY();
	{
		is_explaining = is_explain_only(stmt->utilityStmt);
		process(stmt, text, is_read_only, context, params, environment, receiver, completion);
	}
	PG_FINALLY();
	{
		is_explaining = was_explaining;
	}
	PG_END_TRY();
}

/* Hook utility statements */
void
batch_quiet_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
