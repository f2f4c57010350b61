/*
 * depend.c: which objects of the database name a model in their definition.
 * A name is a text constant that the server records no dependency on, so it looks at everything
 * that depends on a function of lepton and reads the stored expressions.  Function bodies that
 * are strings (PL/pgSQL, SQL in quotes) and computed names are out of its sight.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/readfuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "../compat.h"
#include "internal.h"

#define TRIGGER_MODEL_ARG 1 /* lepton_*_trigger(target, model, source, ...) */

/*
 * Everything that depends on a function of the extension, with its stored
 * expressions: what to drop (class, object, column), its relation, expression, trigger arguments.
 */
static const char *const dependents_sql =
	"WITH f AS (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass"
	"  AND refclassid = 'pg_extension'::regclass AND refobjid = $1 AND deptype = 'e'),"
	" d AS (SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_depend d JOIN f"
	"  ON d.refobjid = f.objid WHERE d.refclassid = 'pg_proc'::regclass)"
	" SELECT CASE WHEN t.attgenerated <> '' THEN 'pg_class'::regclass::oid"
	"   ELSE 'pg_attrdef'::regclass::oid END,"
	"  CASE WHEN t.attgenerated <> '' THEN a.adrelid ELSE a.oid END,"
	"  CASE WHEN t.attgenerated <> '' THEN a.adnum::int ELSE 0 END,"
	"  a.adrelid, a.adbin::text, NULL::bytea"
	" FROM d JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid"
	"  OR d.classid = 'pg_class'::regclass AND d.objsubid > 0 AND a.adrelid = d.objid"
	"   AND a.adnum = d.objsubid"
	"  JOIN pg_attribute t ON t.attrelid = a.adrelid AND t.attnum = a.adnum"
	" UNION ALL SELECT CASE WHEN c.oid IS NULL THEN 'pg_class'::regclass::oid"
	"   ELSE 'pg_constraint'::regclass::oid END, coalesce(c.oid, i.indexrelid), 0, i.indrelid,"
	"  e.e, NULL"
	" FROM d JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid"
	"  LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'),"
	"  LATERAL (VALUES (i.indexprs::text), (i.indpred::text)) e(e) WHERE e.e IS NOT NULL"
	" UNION ALL SELECT CASE WHEN r.rulename = '_RETURN' THEN 'pg_class'::regclass::oid"
	"   ELSE 'pg_rewrite'::regclass::oid END,"
	"  CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE r.oid END, 0, r.ev_class, e.e, NULL"
	" FROM d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid,"
	"  LATERAL (VALUES (r.ev_action::text), (r.ev_qual::text)) e(e) WHERE e.e IS NOT NULL"
	" UNION ALL SELECT d.classid, d.objid, 0, c.conrelid, c.conbin::text, NULL"
	" FROM d JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid"
	"  WHERE c.conbin IS NOT NULL"
	" UNION ALL SELECT d.classid, d.objid, 0, t.tgrelid, t.tgqual::text,"
	"  CASE WHEN t.tgfoid IN (SELECT objid FROM f) THEN t.tgargs END"
	" FROM d JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid"
	" UNION ALL SELECT d.classid, d.objid, 0, p.polrelid, e.e, NULL"
	" FROM d JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid,"
	"  LATERAL (VALUES (p.polqual::text), (p.polwithcheck::text)) e(e) WHERE e.e IS NOT NULL"
	" UNION ALL SELECT d.classid, d.objid, 0, 0, e.e, NULL"
	" FROM d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid,"
	"  LATERAL (VALUES (p.prosqlbody::text), (p.proargdefaults::text)) e(e)"
	"  WHERE e.e IS NOT NULL"
	" UNION ALL SELECT d.classid, d.objid, 0, s.stxrelid, s.stxexprs::text, NULL"
	" FROM d JOIN pg_statistic_ext s ON d.classid = 'pg_statistic_ext'::regclass"
	"  AND s.oid = d.objid WHERE s.stxexprs IS NOT NULL"
	" UNION ALL SELECT d.classid, d.objid, 0, p.partrelid, p.partexprs::text, NULL"
	" FROM d JOIN pg_partitioned_table p ON d.classid = 'pg_class'::regclass"
	"  AND p.partrelid = d.objid WHERE p.partexprs IS NOT NULL"
	" UNION ALL SELECT d.classid, d.objid, 0, 0, t.typdefaultbin::text, NULL"
	" FROM d JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid"
	"  WHERE t.typdefaultbin IS NOT NULL"
	" UNION ALL SELECT d.classid, d.objid, 0, p.prrelid, p.prqual::text, NULL"
	" FROM d JOIN pg_publication_rel p ON d.classid = 'pg_publication_rel'::regclass"
	"  AND p.oid = d.objid WHERE p.prqual IS NOT NULL"
	" ORDER BY 1, 2, 3";

/* What the walk looks for. */
typedef struct Search
{
	const char *name;
	Oid extension;
} Search;

/* Position of the argument "model" of a function of the extension, or -1 */
static int
model_argument(Oid function, Oid extension)
{
	HeapTuple tuple;
	Oid *types;
	char **names;
	char *modes;
	int n;
	int at = 0;
	int found = -1;

	if (getExtensionOfObject(ProcedureRelationId, function) != extension)
		return -1;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return -1;
	n = get_func_arg_info(tuple, &types, &names, &modes);
	for (int i = 0; names != NULL && i < n && found < 0; i++)
	{
		if (modes != NULL && modes[i] != PROARGMODE_IN && modes[i] != PROARGMODE_INOUT &&
			modes[i] != PROARGMODE_VARIADIC)
			continue;
		if (strcmp(names[i], "model") == 0)
			found = at;
		at++;
	}
	ReleaseSysCache(tuple);
	return found;
}

/* Tell whether an expression contains the name as a constant */
static bool
contains_name(Node *node, void *arg)
{
	const char *name = arg;

	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		Const *constant = (Const *) node;

		if (constant->constisnull)
			return false;
		switch (constant->consttype)
		{
			case TEXTOID:
			case VARCHAROID:
			case BPCHAROID:
				return strcmp(TextDatumGetCString(constant->constvalue), name) == 0;
			case NAMEOID:
				return strcmp(NameStr(*DatumGetName(constant->constvalue)), name) == 0;
			case UNKNOWNOID:
			case CSTRINGOID:
				return strcmp(DatumGetCString(constant->constvalue), name) == 0;
		}
		return false;
	}
	return expression_tree_walker(node, contains_name, arg);
}

/* The argument of a call at a position, whether the call names its arguments or not */
static Node *
call_argument(FuncExpr *call, int position)
{
	ListCell *cell;
	int at = 0;

	foreach (cell, call->args)
	{
		Node *arg = lfirst(cell);

		if (IsA(arg, NamedArgExpr) ? ((NamedArgExpr *) arg)->argnumber == position : at == position)
			return arg;
		at++;
	}
	return NULL;
}

/* Tell whether a tree calls a function of ours with the name as its model */
static bool
calls_model(Node *node, void *arg)
{
	Search *search = arg;

	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr))
	{
		FuncExpr *call = (FuncExpr *) node;
		int position = model_argument(call->funcid, search->extension);

		if (position >= 0 &&
			contains_name(call_argument(call, position), unconstify(char *, search->name)))
			return true;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, calls_model, arg, 0);
	return expression_tree_walker(node, calls_model, arg);
}

/* Tell whether the arguments of a trigger, NUL after each, have the name as model */
static bool
trigger_names(bytea *args, const char *name)
{
	const char *at = VARDATA_ANY(args);
	const char *end = at + VARSIZE_ANY_EXHDR(args);

	for (int i = 0; i < TRIGGER_MODEL_ARG && at < end; i++)
		at += strnlen(at, end - at) + 1;
	return at < end && strncmp(at, name, end - at) == 0;
}

/* Tell whether a row of dependents_sql is about the model */
static bool
row_names(HeapTuple tuple, TupleDesc desc, Search *search)
{
	bool isnull;
	Datum value = SPI_getbinval(tuple, desc, 5, &isnull);

	if (!isnull && calls_model(stringToNode(TextDatumGetCString(value)), search))
		return true;
	value = SPI_getbinval(tuple, desc, 6, &isnull);
	return !isnull && trigger_names(DatumGetByteaPP(value), search->name);
}

/* Find the objects that name a model */
StoreDependent *
store_dependents(const char *name, int *n)
{
	Search search = {name, get_extension_oid("lepton", true)};
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(search.extension)};
	uint64 n_rows = store_sql(dependents_sql, 1, types, values, NULL);
	SPITupleTable *table = SPI_tuptable;
	StoreDependent *found = palloc(sizeof(StoreDependent) * Max(n_rows, 1));

	*n = 0;
	for (uint64 i = 0; i < n_rows; i++)
	{
		StoreDependent *item = &found[*n];
		bool isnull;
		bool known = false;

		CHECK_FOR_INTERRUPTS();
		if (!row_names(table->vals[i], table->tupdesc, &search))
			continue;
		ObjectAddressSubSet(
			item->address,
			DatumGetObjectId(SPI_getbinval(table->vals[i], table->tupdesc, 1, &isnull)),
			DatumGetObjectId(SPI_getbinval(table->vals[i], table->tupdesc, 2, &isnull)),
			DatumGetInt32(SPI_getbinval(table->vals[i], table->tupdesc, 3, &isnull)));
		item->relation =
			DatumGetObjectId(SPI_getbinval(table->vals[i], table->tupdesc, 4, &isnull));
		for (int j = 0; j < *n && !known; j++)
			known = memcmp(&found[j].address, &item->address, sizeof(ObjectAddress)) == 0;
		if (!known)
			(*n)++;
	}
	SPI_freetuptable(table);
	return found;
}

/* Raise, listing what depends on a model */
void
store_refuse_dependents(const char *verb, const char *name, const StoreDependent *dependents, int n,
						char **children, int n_children, const char *hint)
{
	StringInfoData detail;

	if (n + n_children == 0)
		return;
	initStringInfo(&detail);
	for (int i = 0; i < n; i++)
	{
		char *description = getObjectDescription(&dependents[i].address, true);

		if (description != NULL)
			appendStringInfo(&detail, "%s%s depends on model %s", detail.len ? "\n" : "",
							 description, name);
	}
	for (int i = 0; i < n_children; i++)
		appendStringInfo(&detail, "%smodel %s depends on model %s", detail.len ? "\n" : "",
						 children[i], name);
	ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					errmsg("cannot %s model \"%s\" because other objects depend on it", verb, name),
					errdetail_internal("%s", detail.data), errhint("%s", hint)));
}

/* Raise unless the current user may drop a dependent */
static void
require_dependent_owner(const StoreDependent *dependent)
{
	Oid user = GetUserId();
	bool owns;

	if (OidIsValid(dependent->relation))
		owns = lepton_object_ownercheck(RelationRelationId, dependent->relation, user);
	else if (dependent->address.classId == ConstraintRelationId)
		owns = superuser();
	else
		owns =
			lepton_object_ownercheck(dependent->address.classId, dependent->address.objectId, user);
	if (!owns)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of %s", getObjectDescription(&dependent->address, false))));
}

/* Drop the dependents, and all that depends on them */
void
store_drop_dependents(const StoreDependent *dependents, int n)
{
	ObjectAddresses *addresses = new_object_addresses();

	for (int i = 0; i < n; i++)
	{
		if (OidIsValid(dependents[i].relation))
		{
			Relation relation = try_relation_open(dependents[i].relation, AccessExclusiveLock);

			if (relation == NULL)
				continue;
			CheckTableNotInUse(relation, "DROP");
			relation_close(relation, NoLock);
		}
		require_dependent_owner(&dependents[i]);
		add_exact_object_address(&dependents[i].address, addresses);
	}
	performMultipleDeletions(addresses, DROP_CASCADE, 0);
	free_object_addresses(addresses);
}
