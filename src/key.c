/*
 * key.c
 *		The key of a row: as callers give it, as the table has it, as people read it.
 */
#include "crm.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "key.h"

/*
 * A text has several forms in memory, and a collation may hold different ones
 * for the same: ask as the index does, unless a look tells.
 */
bool
crm_same_key(const Door *door, Datum a, Datum b)
{
	if (datum_image_eq(a, b, door->key_byval, door->key_len))
		return true;
	return door->key_len == -1 &&
		DatumGetBool(OidFunctionCall2Coll(door->key_equal, door->key_collation, a, b));
}

static bool
convert_number(const Door *door, int64 given, Datum *key)
{
	switch (door->key_type)
	{
		case INT8OID:
			*key = Int64GetDatum(given);
			return true;
		case INT4OID:
			*key = Int32GetDatum((int32) given);
			return given >= PG_INT32_MIN && given <= PG_INT32_MAX;
		default:
			*key = Int16GetDatum((int16) given);
			return given >= PG_INT16_MIN && given <= PG_INT16_MAX;
	}
}

bool
crm_key_convert(const Door *door, Datum given, Oid type, Datum *key)
{
	bool		is_number = door->key_type == INT8OID || door->key_type == INT4OID ||
		door->key_type == INT2OID;
	Oid			input,
				ioparam;

	if (type == INT8OID && is_number)
		return convert_number(door, DatumGetInt64(given), key);
	if (type == TEXTOID && is_number)
		return convert_number(door, DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(TextDatumGetCString(given)))), key);
	if (type == door->key_type)
		*key = given;
	else if (type == TEXTOID)
	{
		getTypeInputInfo(door->key_type, &input, &ioparam);
		*key = OidInputFunctionCall(input, TextDatumGetCString(given), ioparam, -1);
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the key of table %s is of type %s", crm_table_name(door),
						format_type_be(door->key_type)),
				 errdetail("The call names a row by a value of type %s.", format_type_be(type)),
				 errhint("Give a value of the key's type, or its text.")));
	return true;
}

char *
crm_row_name_by_text(const Door *door, const char *key)
{
	if (strcmp(get_rel_name(door->root_relid), "orders") == 0 &&
		get_rel_namespace(door->root_relid) == get_namespace_oid(CRM_SCHEMA, true))
		return psprintf("order %s", key);
	return psprintf("row \"%s\" of table %s", key, crm_table_name(door));
}

char *
crm_row_name(const Door *door, Datum key)
{
	Oid			output;
	bool		isvarlena;

	getTypeOutputInfo(door->key_type, &output, &isvarlena);
	return crm_row_name_by_text(door, OidOutputFunctionCall(output, key));
}

char *
crm_row_name_of(const Door *door, TupleTableSlot *row)
{
	bool		isnull;

	return crm_row_name(door, slot_getattr(row, door->key, &isnull));
}
