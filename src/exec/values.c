/*
 * values.c: lists of values with calls: VALUES (1, f('a')), (2, f('b')).
 *
 * The planner would fold such calls, or the executor make them row by row inside the scan.  When a
 * column has the same expression in all rows but for the texts of its calls, the texts become columns, and
 * the expression stands once, where the column was read.  There it is a call like any other.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

#include "batch.h"

#define FIRST_TEXT (1 << 26)

/* ---- one expression ---- */

/* Walker: what must stay in its row */
static bool
must_stay(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, SubLink) || IsA(node, Aggref) || IsA(node, GroupingFunc) ||
		IsA(node, WindowFunc) || IsA(node, SetToDefault))
		return true;
	return expression_tree_walker(node, must_stay, context);
}

/* Mutator: texts of calls become parameters FIRST_TEXT ..., and go to a list */
static Node *
take_texts(Node *node, void *context)
{
	List **texts = context;
	const FuncTask *task;

	if (node == NULL)
		return NULL;
	task = batch_call_task(node);
	if (task != NULL && !batch_has_call((Node *) ((FuncExpr *) node)->args))
	{
		FuncExpr *call = copyObject((FuncExpr *) node);

		for (int i = 0; i < task->n_texts; i++)
		{
			ListCell *cell = list_nth_cell(call->args, i);
			Node *text = lfirst(cell);
			Param *param = makeNode(Param);

			param->paramkind = PARAM_EXTERN;
			param->paramid = FIRST_TEXT + list_length(*texts);
			param->paramtype = exprType(text);
			param->paramtypmod = -1;
			param->paramcollid = exprCollation(text);
			param->location = -1;
			*texts = lappend(*texts, text);
			lfirst(cell) = param;
		}
		call->location = -1;
		return (Node *) call;
	}
	return expression_tree_mutator(node, take_texts, context);
}

/* Tell whether an expression is NULL when its one call's text is */
static bool
is_strict_call(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return batch_call_task(node) != NULL;
}

/* ---- one column ---- */

/* A column that was taken apart. */
typedef struct Column
{
	int attno;	 /* in the list of values */
	Node *shape; /* the expression, with parameters for texts */
	int first;	 /* column of its first text */
} Column;

/* NULLs in the place of the texts of another row */
static List *
null_texts(List *texts)
{
	List *nulls = NIL;
	ListCell *cell;

	foreach (cell, texts)
		nulls =
			lappend(nulls, makeNullConst(exprType(lfirst(cell)), -1, exprCollation(lfirst(cell))));
	return nulls;
}

/* Texts of a column by rows, and what they are put into; NIL when the rows differ in more */
static List *
take_column(const List *rows, int i, Node **shape)
{
	List *taken = NIL, *sample = NIL;
	ListCell *cell;

	*shape = NULL;
	foreach (cell, rows)
	{
		Node *expr = list_nth(lfirst(cell), i);

		if (IsA(expr, Const) && ((Const *) expr)->constisnull)
			continue;
		*shape = take_texts(expr, &sample);
		break;
	}
	if (sample == NIL || must_stay(*shape, NULL) || contain_volatile_functions(*shape))
		return NIL;
	foreach (cell, rows)
	{
		Node *expr = list_nth(lfirst(cell), i);
		List *texts = NIL;

		if (IsA(expr, Const) && ((Const *) expr)->constisnull && is_strict_call(*shape))
			texts = null_texts(sample);
		else if (!equal(take_texts(expr, &texts), *shape) ||
				 contain_volatile_functions((Node *) texts))
			return NIL;
		taken = lappend(taken, texts);
	}
	return taken;
}

/* Take a column apart; rows get more columns */
static Column *
spread_column(RangeTblEntry *rte, int i)
{
	Column *column;
	Node *shape;
	List *taken = take_column(rte->values_lists, i, &shape);
	ListCell *row, *texts, *cell;

	if (taken == NIL)
		return NULL;
	column = palloc(sizeof(Column));
	column->attno = i + 1;
	column->shape = shape;
	column->first = list_length(rte->coltypes) + 1;
	/* Mutators of queries copy entries of the range table, but share what they do not change. */
	rte->eref = copyObject(rte->eref);
	forboth(row, rte->values_lists, texts, taken)
	{
		List *exprs = list_copy(lfirst(row));
		Node *old = list_nth(exprs, i);

		lfirst(list_nth_cell(exprs, i)) =
			makeNullConst(exprType(old), exprTypmod(old), exprCollation(old));
		lfirst(row) = list_concat(exprs, lfirst(texts));
	}
	foreach (cell, (List *) linitial(taken))
	{
		Node *text = lfirst(cell);

		rte->coltypes = lappend_oid(list_copy(rte->coltypes), exprType(text));
		rte->coltypmods = lappend_int(list_copy(rte->coltypmods), -1);
		rte->colcollations = lappend_oid(list_copy(rte->colcollations), exprCollation(text));
		rte->eref->colnames = lappend(rte->eref->colnames,
									  makeString(psprintf("text%d", list_length(rte->coltypes))));
	}
	return column;
}

/* ---- the query around ---- */

/* What stands for columns of one list of values. */
typedef struct Spread
{
	Index rtindex;
	int depth; /* of queries inside the one that has the list */
	List *columns;
} Spread;

/* Walker: the row of a list of values as a whole */
static bool
reads_whole_row(Node *node, void *context)
{
	Spread *spread = context;
	bool found;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varno == spread->rtindex && ((Var *) node)->varattno <= 0 &&
			   (int) ((Var *) node)->varlevelsup == spread->depth;
	if (!IsA(node, Query))
		return expression_tree_walker(node, reads_whole_row, context);
	spread->depth++;
	found = query_tree_walker((Query *) node, reads_whole_row, context, 0);
	spread->depth--;
	return found;
}

/* Walker: joins that can make NULLs of a row's columns */
static bool
has_outer_join(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, JoinExpr) && ((JoinExpr *) node)->jointype != JOIN_INNER)
		return true;
	return expression_tree_walker(node, has_outer_join, context);
}

/* Where the parameters of a shape go. */
typedef struct Texts
{
	const Var *var;
	int first;
} Texts;

/* Mutator: parameters become columns */
static Node *
put_texts(Node *node, void *context)
{
	const Texts *texts = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN &&
		((Param *) node)->paramid >= FIRST_TEXT)
	{
		Param *param = (Param *) node;

		return (Node *) makeVar(texts->var->varno, texts->first + param->paramid - FIRST_TEXT,
								param->paramtype, -1, param->paramcollid, texts->var->varlevelsup);
	}
	return expression_tree_mutator(node, put_texts, context);
}

/* Mutator: columns become their expressions */
static Node *
put_shapes(Node *node, void *context)
{
	Spread *spread = context;
	ListCell *cell;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
	{
		Query *query;

		spread->depth++;
		query = query_tree_mutator((Query *) node, put_shapes, context, 0);
		spread->depth--;
		return (Node *) query;
	}
	if (IsA(node, Var) && ((Var *) node)->varno == spread->rtindex &&
		(int) ((Var *) node)->varlevelsup == spread->depth)
		foreach (cell, spread->columns)
		{
			Column *column = lfirst(cell);
			Texts texts = {(Var *) node, column->first};

			if (column->attno == ((Var *) node)->varattno)
				return put_texts(column->shape, &texts);
		}
	return expression_tree_mutator(node, put_shapes, context);
}

/* Take the lists of values of a query apart, not those of its subqueries */
static Query *
spread_lists(Query *query)
{
	Spread spread = {0};

	if (query->commandType == CMD_MERGE || has_outer_join((Node *) query->jointree, NULL))
		return query;
	for (spread.rtindex = 1; spread.rtindex <= (Index) list_length(query->rtable); spread.rtindex++)
	{
		RangeTblEntry *rte = list_nth(query->rtable, spread.rtindex - 1);
		int n;

		if (rte->rtekind != RTE_VALUES || list_length(rte->values_lists) < 2 || rte->lateral ||
			query_tree_walker(query, reads_whole_row, &spread, 0))
			continue;
		n = list_length(rte->coltypes);
		spread.columns = NIL;
		for (int i = 0; i < n; i++)
		{
			Column *column = spread_column(rte, i);

			if (column != NULL)
				spread.columns = lappend(spread.columns, column);
		}
		if (spread.columns != NIL)
			query = query_tree_mutator(query, put_shapes, &spread, 0);
	}
	return query;
}

/* Mutator: the same in subqueries */
static Node *
spread_subqueries(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, SubLink))
	{
		/* The planner may take x IN (VALUES ...) for a list of what stands in the values. */
		SubLink *link = copyObject((SubLink *) node);

		link->testexpr = spread_subqueries(link->testexpr, context);
		if (link->subLinkType == ANY_SUBLINK)
			link->subselect = (Node *) query_tree_mutator((Query *) link->subselect,
														  spread_subqueries, context, 0);
		else
			link->subselect = spread_subqueries(link->subselect, context);
		return (Node *) link;
	}
	if (IsA(node, Query))
		return (Node *) spread_lists(
			query_tree_mutator((Query *) node, spread_subqueries, context, 0));
	return expression_tree_mutator(node, spread_subqueries, context);
}

/* Walker: lists of values with calls */
static bool
has_list(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->rtekind == RTE_VALUES &&
			   batch_has_call((Node *) ((RangeTblEntry *) node)->values_lists);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_list, context, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, has_list, context);
}

/* Let calls in lists of values be computed together */
Query *
batch_spread_values(Query *query)
{
	if (query->commandType == CMD_UTILITY || !has_list((Node *) query, NULL))
		return query;
	return (Query *) spread_subqueries((Node *) query, NULL);
}
