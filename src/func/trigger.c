/*
 * trigger.c: lepton_classify_trigger and lepton_embed_trigger, BEFORE row
 * triggers in the way of tsvector_update_trigger:
 *
 *		CREATE TRIGGER tag BEFORE INSERT OR UPDATE ON mail FOR EACH ROW EXECUTE FUNCTION
 *		lepton_classify_trigger(label, spam, subject, body);
 *
 * Arguments: target column, model, then one or more source columns.  The
 * sources that are not NULL are joined by newlines; when all are NULL the target is too.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "run.h"

PG_FUNCTION_INFO_V1(lepton_classify_trigger);
PG_FUNCTION_INFO_V1(lepton_embed_trigger);

/* Number of the column called name; raises when there is none */
static int
column_number(Relation rel, const char *name)
{
	int number = SPI_fnumber(rel->rd_att, name);

	if (number == SPI_ERROR_NOATTRIBUTE || number <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of relation \"%s\" does not exist", name,
							   RelationGetRelationName(rel))));
	return number;
}

/* Convert a value of type from as an assignment to the column would */
static Datum
coerce_to_column(Datum value, Oid from, Relation rel, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(rel->rd_att, column - 1);
	Oid to = attribute->atttypid;
	Oid function;

	if (to != from)
	{
		CoercionPathType path = find_coercion_pathway(to, from, COERCION_ASSIGNMENT, &function);

		if (path == COERCION_PATH_FUNC)
			value = OidFunctionCall3(function, value, Int32GetDatum(attribute->atttypmod),
									 BoolGetDatum(false));
		else if (path == COERCION_PATH_COERCEVIAIO ||
				 (path == COERCION_PATH_NONE && from == TEXTOID))
		{
			Oid input, param, output;
			bool varlena;

			getTypeOutputInfo(from, &output, &varlena);
			getTypeInputInfo(to, &input, &param);
			return OidInputFunctionCall(input, OidOutputFunctionCall(output, value), param,
										attribute->atttypmod);
		}
		else if (path != COERCION_PATH_RELABELTYPE)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("column \"%s\" is of type %s, which cannot hold %s",
								   NameStr(attribute->attname), format_type_be(to),
								   format_type_be(from))));
	}
	if (attribute->atttypmod >= 0 &&
		find_typmod_coercion_function(to, &function) == COERCION_PATH_FUNC)
		value = OidFunctionCall3(function, value, Int32GetDatum(attribute->atttypmod),
								 BoolGetDatum(false));
	return value;
}

/* Append a source column's text; raises when it is not of a text type */
static bool
append_source(StringInfo buffer, bool first, Relation rel, HeapTuple row, int column)
{
	Oid type = getBaseType(SPI_gettypeid(rel->rd_att, column));
	bool isnull;
	Datum value;
	text *source;

	if (type != TEXTOID && type != VARCHAROID && type != BPCHAROID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" is not of a character type",
							   NameStr(TupleDescAttr(rel->rd_att, column - 1)->attname))));
	value = heap_getattr(row, column, rel->rd_att, &isnull);
	if (isnull)
		return false;
	if (!first)
		appendStringInfoChar(buffer, '\n');
	source = DatumGetTextPP(value);
	appendBinaryStringInfo(buffer, VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source));
	return true;
}

/* The common body of both triggers */
static Datum
task_trigger(FunctionCallInfo fcinfo, const char *function, StoreTask task)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Trigger *trigger;
	Relation rel;
	HeapTuple row;
	StringInfoData buffer;
	StoreModel *m;
	text *input;
	Datum value = (Datum) 0;
	bool update, any = false, isnull;
	int target;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("%s: not fired by trigger manager", function)));
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) || !TRIGGER_FIRED_BEFORE(data->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("%s: must be fired BEFORE event FOR EACH ROW", function)));
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		row = data->tg_trigtuple;
		update = true;
	}
	else if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		row = data->tg_newtuple;
		update = false; /* until a source column is found among the updated ones */
	}
	else
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("%s: must be fired for INSERT or UPDATE", function)));
	trigger = data->tg_trigger;
	rel = data->tg_relation;
	if (trigger->tgnargs < 3)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s: arguments must be target, model, source, ...", function)));
	target = column_number(rel, trigger->tgargs[0]);
	initStringInfo(&buffer);
	for (int i = 2; i < trigger->tgnargs; i++)
	{
		int column = column_number(rel, trigger->tgargs[i]);

		if (bms_is_member(column - FirstLowInvalidHeapAttributeNumber, data->tg_updatedcols))
			update = true;
		any |= append_source(&buffer, !any, rel, row, column);
	}
	if (!update)
		return PointerGetDatum(row);
	m = store_model_open(trigger->tgargs[1], task);
	isnull = !any;
	if (any)
	{
		input = cstring_to_text_with_len(buffer.data, buffer.len);
		if (task == STORE_TASK_CLASSIFY)
			value = coerce_to_column(func_classify_one(m, input), TEXTOID, rel, target);
		else
			value = coerce_to_column(func_real_array(func_run_one(m, input), func_width(m)),
									 FLOAT4ARRAYOID, rel, target);
	}
	store_model_close(m);
	row = heap_modify_tuple_by_cols(row, rel->rd_att, 1, &target, &value, &isnull);
	pfree(buffer.data);
	return PointerGetDatum(row);
}

/* lepton_classify_trigger(target, model, source, ...) */
Datum
lepton_classify_trigger(PG_FUNCTION_ARGS)
{
	return task_trigger(fcinfo, "lepton_classify_trigger", STORE_TASK_CLASSIFY);
}

/* lepton_embed_trigger(target, model, source, ...) */
Datum
lepton_embed_trigger(PG_FUNCTION_ARGS)
{
	return task_trigger(fcinfo, "lepton_embed_trigger", STORE_TASK_EMBED);
}
