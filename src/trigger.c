/*
 * trigger.c
 *		What our trigger functions share.
 */
#include "crm.h"

#include "access/htup_details.h"
#include "utils/datum.h"

#include "catalog.h"
#include "trigger.h"

TriggerData *
crm_trigger_data(FunctionCallInfo fcinfo, const char *name, CrmTriggerKind kind)
{
	static const char *const wanted[] = {
		"BEFORE INSERT OR UPDATE FOR EACH ROW",
		"AFTER INSERT OR UPDATE FOR EACH ROW",
		"AFTER FOR EACH ROW",
		"BEFORE FOR EACH ROW",
		"BEFORE FOR EACH STATEMENT",
		"AFTER FOR EACH STATEMENT",
		"AFTER"
	};
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		fits = false;

	if (CALLED_AS_TRIGGER(fcinfo))
	{
		TriggerEvent event = trigger->tg_event;
		bool		row_write = TRIGGER_FIRED_FOR_ROW(event) &&
			(TRIGGER_FIRED_BY_INSERT(event) || TRIGGER_FIRED_BY_UPDATE(event));

		switch (kind)
		{
			case CRM_TRIGGER_BEFORE_ROW:
				fits = TRIGGER_FIRED_BEFORE(event) && row_write;
				break;
			case CRM_TRIGGER_AFTER_ROW:
				fits = TRIGGER_FIRED_AFTER(event) && row_write;
				break;
			case CRM_TRIGGER_AFTER_ANY_ROW:
				fits = TRIGGER_FIRED_AFTER(event) && TRIGGER_FIRED_FOR_ROW(event);
				break;
			case CRM_TRIGGER_BEFORE_ANY_ROW:
				fits = TRIGGER_FIRED_BEFORE(event) && TRIGGER_FIRED_FOR_ROW(event);
				break;
			case CRM_TRIGGER_BEFORE_STATEMENT:
				fits = TRIGGER_FIRED_BEFORE(event) && TRIGGER_FIRED_FOR_STATEMENT(event);
				break;
			case CRM_TRIGGER_AFTER_STATEMENT:
				fits = TRIGGER_FIRED_AFTER(event) && TRIGGER_FIRED_FOR_STATEMENT(event);
				break;
			case CRM_TRIGGER_AFTER:
				fits = TRIGGER_FIRED_AFTER(event);
				break;
		}
	}
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function %s() was not called as the trigger that it is for", name),
				 errhint("Use it in CREATE TRIGGER ... %s.", wanted[kind])));
	return trigger;
}

void
crm_check_trigger_table(const TriggerData *trigger, const char *table)
{
	if (RelationGetRelid(trigger->tg_relation) != crm_table_oid(table))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table %s is not %s.%s", crm_relation_name(trigger->tg_relation), CRM_SCHEMA, table),
				 errdetail("Trigger \"%s\" is made for that table only.", trigger->tg_trigger->tgname),
				 errhint("Drop the trigger.")));
}

TriggerData *
crm_trigger_data_of(FunctionCallInfo fcinfo, const char *name, CrmTriggerKind kind, const char *table)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, name, kind);

	crm_check_trigger_table(trigger, table);
	return trigger;
}

bool
crm_is_changed(const TriggerData *trigger, AttrNumber column)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(trigger->tg_relation), column - 1);
	bool		nulls[2];
	Datum		before;
	Datum		after;

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return true;
	before = crm_get(trigger->tg_trigtuple, column, trigger->tg_relation, &nulls[0]);
	after = crm_get(trigger->tg_newtuple, column, trigger->tg_relation, &nulls[1]);
	return nulls[0] != nulls[1] || (!nulls[0] && !datum_image_eq(before, after, att->attbyval, att->attlen));
}

CommandId
crm_writing_command(const TriggerData *trigger)
{
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		return HeapTupleHeaderGetCmax(trigger->tg_trigtuple->t_data);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return HeapTupleHeaderGetCmin(trigger->tg_newtuple->t_data);
	return HeapTupleHeaderGetCmin(trigger->tg_trigtuple->t_data);
}

bool
crm_calls(const Trigger *trigger, PGFunction function)
{
	FmgrInfo	info;

	fmgr_info(trigger->tgfoid, &info);
	return info.fn_addr == function;
}

void
crm_check_transition_tables(const TriggerData *trigger, const char *name)
{
	TriggerEvent event = trigger->tg_event;

	if ((trigger->tg_oldtable == NULL && !TRIGGER_FIRED_BY_INSERT(event)) ||
		(trigger->tg_newtable == NULL && !TRIGGER_FIRED_BY_DELETE(event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function %s() was not called as the trigger that it is for", name),
				 errhint("Use it in CREATE TRIGGER ... REFERENCING OLD TABLE AS ... NEW TABLE AS ....")));
}
