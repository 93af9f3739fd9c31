/*
 * capture.c
 *		What writes to orders, lines and events do to the figures: the triggers that
 *		append to the change tables (changes.c).
 *
 * A line counts as sold while its order is in a status of class "booked". So the
 * figures are sums over pairs of an order and a line, and a change is told by the
 * rule for products: what a command does to an order is multiplied with the lines
 * as they were before the command, and what it does to a line with the order as it
 * is after the command. "Before" and "after" go by PostgreSQL's count of commands,
 * so it does not matter in which order the triggers of a command fire, and nothing
 * is counted twice or left out. Where the numbers do not tell what came first, because
 * an order changes in the midst of a command that writes its lines, it has been noted
 * (nested_changes.c).
 *
 * Between transactions, whoever changes a line has locked its order (order_lines.c),
 * as has whoever changes the order. A snapshot that is taken under that lock sees
 * all that others have done to either.
 */
#include "crm.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "capture.h"
#include "catalog.h"
#include "changes.h"
#include "decimal.h"
#include "door.h"
#include "lookup.h"
#include "nested_changes.h"
#include "order_lines.h"
#include "order_lock.h"
#include "placement.h"
#include "settings.h"
#include "trigger.h"
#include "workflow_cache.h"

PG_FUNCTION_INFO_V1(crm_capture_order);
PG_FUNCTION_INFO_V1(crm_capture_line);
PG_FUNCTION_INFO_V1(crm_capture_event);
PG_FUNCTION_INFO_V1(crm_capture_dimension);

#define QUANTITY_DECIMALS	3
#define RATE_UNIT			INT64CONST(100000000)	/* 10^CRM_RATE_DECIMALS */
#define MAX_NAME_BYTES		400

/* The columns that the figures are made of; numbers hold as long as relid is set */
typedef struct Source
{
	const char *name;
	int			ncolumns;
	struct
	{
		const char *name;
		Oid			type;
	}			columns[8];
	Oid			relid;
	AttrNumber	numbers[8];
} Source;

enum
{
	ORDER_DAY, ORDER_CUSTOMER, ORDER_OWNER, ORDER_CURRENCY, ORDER_WORKFLOW, ORDER_STATUS,
	ORDER_RATE, ORDER_TOTAL
};
static Source orders = {"orders", 8, {
		{"placed_on", DATEOID}, {"customer_id", INT8OID}, {"owner", TEXTOID},
		{"currency", TEXTOID}, {"workflow", TEXTOID}, {"status", TEXTOID},
		{"exchange_rate", NUMERICOID}, {"reporting_total", NUMERICOID}
}};

enum
{
	LINE_ORDER, LINE_PRODUCT, LINE_QUANTITY, LINE_AMOUNT
};
static Source lines = {"order_lines", 4, {
		{"order_id", INT8OID}, {"product_id", INT8OID}, {"quantity", NUMERICOID}, {"amount", NUMERICOID}
}};

enum
{
	EVENT_AT, EVENT_EVENT, EVENT_FROM, EVENT_TO, EVENT_DWELL
};
static Source events = {"order_events", 5, {
		{"at", TIMESTAMPTZOID}, {"event", TEXTOID}, {"from_status", TEXTOID}, {"to_status", TEXTOID},
		{"dwell", INTERVALOID}
}};

static Source *const sources[] = {&orders, &lines, &events};

/* What crm_capture_left_to_recorder() has found about crm.orders, good as long as that is left_to_recorder_of */
static Oid	left_to_recorder;
static Oid	left_to_recorder_of = InvalidOid;

/* An order as the figures see it. Texts lie in the slot that it was read from. */
typedef struct CapturedOrder
{
	DateADT		day;
	int64		customer_id;
	text	   *owner;			/* NULL if none */
	text	   *currency;
	text	   *workflow;
	text	   *status;
	Numeric		rate;
	Datum		exact_total;	/* numeric */
	int64		total;			/* cents */
	bool		booked;
} CapturedOrder;

static void
forget_columns(Oid relid)
{
	for (int i = 0; i < lengthof(sources); i++)
		if (relid == InvalidOid || relid == sources[i]->relid)
			sources[i]->relid = InvalidOid;
	if (relid == InvalidOid || relid == left_to_recorder_of)
		left_to_recorder_of = InvalidOid;
}

void
crm_capture_init(void)
{
	crm_on_relation_change(forget_columns);
	crm_on_catalog_change(PROCOID, forget_columns);
}

/*
 * Make sure that we know the columns. Nobody's own table feeds the figures, even
 * if our trigger is on it.
 */
static void
check_source(Source *source, Relation rel)
{
	if (source->relid == RelationGetRelid(rel))
		return;
	if (RelationGetRelid(rel) != crm_table_oid(source->name))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table %s is not %s.%s", crm_relation_name(rel), CRM_SCHEMA, source->name),
				 errdetail("The sales figures are made of that table only."),
				 errhint("Drop the trigger.")));
	for (int i = 0; i < source->ncolumns; i++)
	{
		/* the one that a company may do without */
		if (strcmp(source->columns[i].name, "owner") == 0 && get_attnum(RelationGetRelid(rel), "owner") == InvalidAttrNumber)
			source->numbers[i] = InvalidAttrNumber;
		else
			source->numbers[i] = crm_column(rel, source->columns[i].name, source->columns[i].type);
	}
	source->relid = RelationGetRelid(rel);
}

/* number * 10^decimals, rounded */
static int64
whole_number(Datum number, int decimals)
{
	int64		whole;
	int64		factor = 1;

	if (crm_whole_number(number, decimals, &whole))
		return whole;
	for (int i = 0; i < decimals; i++)
		factor *= 10;
	number = DirectFunctionCall2(numeric_mul, number, NumericGetDatum(int64_to_numeric(factor)));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
}

static text *
get_text(const Source *source, TupleTableSlot *row, int column)
{
	bool		isnull = true;
	Datum		value = (Datum) 0;

	if (source->numbers[column] != InvalidAttrNumber)
		value = slot_getattr(row, source->numbers[column], &isnull);
	return isnull ? NULL : DatumGetTextPP(value);
}

static Datum
get_value(const Source *source, Relation rel, TupleTableSlot *row, int column)
{
	return crm_get_not_null(rel, row, source->numbers[column]);
}

/* The figures of a snapshot are by its rules. A change by newer ones would fit in with them only once it is over. */
static void
refuse_newer_rules(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to a change of %s", what),
			 errdetail("The sales figures that this transaction sees are by the rules of when it began."),
			 errhint("Try again in a new transaction.")));
}

/* A status that the workflow does not know is in no class. */
static bool
is_booked_in(const Workflow *w, text *status)
{
	const WfClass *class = w == NULL ? NULL : crm_workflow_find_class(w, "booked");
	int			state = class == NULL ? -1 :
		crm_workflow_find_state(w, VARDATA_ANY(status), VARSIZE_ANY_EXHDR(status));

	return state >= 0 && crm_workflow_in_class(w, class, state);
}

static bool
is_booked_by_snapshot(text *workflow, text *status)
{
	Relation	rel = table_open(crm_table_oid("workflows"), AccessShareLock);
	TupleTableSlot *row = table_slot_create(rel, NULL);
	bool		isnull = true;
	Datum		definition = (Datum) 0;
	bool		result;

	if (crm_find_row(rel, crm_unique_index(rel, "name"), F_TEXTEQ, PointerGetDatum(workflow), GetTransactionSnapshot(), row))
		definition = slot_getattr(row, crm_definition_column(rel), &isnull);
	result = !isnull && is_booked_in(DatumGetWorkflowP(definition), status);
	ExecDropSingleTupleTableSlot(row);
	table_close(rel, AccessShareLock);
	return result;
}

static bool
is_booked(text *workflow, text *status)
{
	bool		result = is_booked_in(crm_workflow_find(workflow, NULL), status);

	if (IsolationUsesXactSnapshot() && result != is_booked_by_snapshot(workflow, status))
		refuse_newer_rules("what counts as sold");
	return result;
}

/* old is what the order was before, or NULL: what is the same is not worked out again */
static void
read_order(Relation rel, TupleTableSlot *row, CapturedOrder *order, const CapturedOrder *old)
{
	order->day = DatumGetDateADT(get_value(&orders, rel, row, ORDER_DAY));
	order->customer_id = DatumGetInt64(get_value(&orders, rel, row, ORDER_CUSTOMER));
	order->owner = get_text(&orders, row, ORDER_OWNER);
	order->currency = DatumGetTextPP(get_value(&orders, rel, row, ORDER_CURRENCY));
	order->workflow = DatumGetTextPP(get_value(&orders, rel, row, ORDER_WORKFLOW));
	order->status = DatumGetTextPP(get_value(&orders, rel, row, ORDER_STATUS));
	order->rate = DatumGetNumeric(get_value(&orders, rel, row, ORDER_RATE));
	order->exact_total = get_value(&orders, rel, row, ORDER_TOTAL);
	order->total = old != NULL && datum_image_eq(order->exact_total, old->exact_total, false, -1) ?
		old->total : whole_number(order->exact_total, CRM_AMOUNT_DECIMALS);
	order->booked = old != NULL && crm_same_text(order->workflow, old->workflow) && crm_same_text(order->status, old->status) ?
		old->booked : is_booked(order->workflow, order->status);
}

/* Whether lines count the same for both */
static bool
same_for_lines(const CapturedOrder *a, const CapturedOrder *b)
{
	return a->booked == b->booked && a->day == b->day && a->customer_id == b->customer_id &&
		crm_same_text(a->owner, b->owner) && crm_same_text(a->currency, b->currency) && crm_same_text(a->workflow, b->workflow) &&
		datum_image_eq(NumericGetDatum(a->rate), NumericGetDatum(b->rate), false, -1);
}

/* Whether orders count the same for both, their status aside */
static bool
same_group_of_orders(const CapturedOrder *a, const CapturedOrder *b)
{
	return a->day == b->day && a->customer_id == b->customer_id && crm_same_text(a->owner, b->owner) &&
		crm_same_text(a->currency, b->currency) && crm_same_text(a->workflow, b->workflow);
}

/*
 * What a command of that number, of this transaction, found: all that others have
 * committed, and what we had done before.
 */
static Snapshot
snapshot_before(CommandId command)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	snapshot->curcid = command;
	return snapshot;
}

/* In the reporting currency, rounded line by line, as orders.reporting_total is */
static int64
reporting_cents(Datum amount, Numeric rate)
{
	int64		product;

	if (crm_whole_product(amount, NumericGetDatum(rate), &product) && product >= 0 &&
		!pg_add_s64_overflow(product, RATE_UNIT / 2, &product))
		return product / RATE_UNIT;
	amount = DirectFunctionCall2(numeric_mul, amount, NumericGetDatum(rate));
	return whole_number(DirectFunctionCall2(numeric_round, amount, Int32GetDatum(CRM_AMOUNT_DECIMALS)), CRM_AMOUNT_DECIMALS);
}

static void
change_of_line(const CapturedOrder *order, Relation rel, TupleTableSlot *line, int sign, LineChange *change)
{
	change->day = order->day;
	change->product_id = DatumGetInt64(get_value(&lines, rel, line, LINE_PRODUCT));
	change->customer_id = order->customer_id;
	change->owner = order->owner;
	change->currency = order->currency;
	change->workflow = order->workflow;
	change->lines = sign;
	change->quantity = sign * whole_number(get_value(&lines, rel, line, LINE_QUANTITY), QUANTITY_DECIMALS);
	change->amount = sign * reporting_cents(get_value(&lines, rel, line, LINE_AMOUNT), order->rate);
}

/* All lines of an order, as a command found them, go from one kind of order to another. */
static void
capture_lines(int64 order_id, const CapturedOrder *old, const CapturedOrder *new, CommandId command)
{
	Relation	rel = table_open(crm_table_oid(lines.name), AccessShareLock);
	TupleTableSlot *line = table_slot_create(rel, NULL);
	Relation	index;
	Snapshot	snapshot = snapshot_before(command);
	IndexScanDesc scan;
	ScanKeyData condition;
	LineChange	changes[CRM_MAX_LINE_CHANGES];
	int			nchanges = 0;
	bool		is_nested = crm_note_nested_change(rel, order_id, command);

	check_source(&lines, rel);
	index = index_open(crm_primary_key(rel, "order_id", "line_no"), AccessShareLock);
	scan = crm_index_beginscan(rel, index, snapshot, 1);
	ScanKeyEntryInitialize(&condition, 0, 1, BTEqualStrategyNumber, InvalidOid, InvalidOid,
						   F_INT8EQ, Int64GetDatum(order_id));
	index_rescan(scan, &condition, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, line))
	{
		CHECK_FOR_INTERRUPTS();
		if (is_nested)
			crm_note_line_told_of(line, command);
		if (old != NULL && old->booked)
			change_of_line(old, rel, line, -1, &changes[nchanges++]);
		if (new != NULL && new->booked)
			change_of_line(new, rel, line, 1, &changes[nchanges++]);
		if (nchanges > CRM_MAX_LINE_CHANGES - 2)
		{
			crm_append_line_changes(changes, nchanges);
			nchanges = 0;
		}
	}
	crm_append_line_changes(changes, nchanges);
	index_endscan(scan);
	index_close(index, NoLock);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(line);
	/* TRUNCATE waits for whoever has told of lines */
	table_close(rel, NoLock);
}

static void
capture_order_of(const CapturedOrder *order, text *left_status, int sign, int64 total, const EventChange *event)
{
	OrderChange change = {order->day, order->customer_id, order->owner, order->currency,
	order->workflow, order->status, left_status, sign, total};

	crm_append_order_change(&change, event);
}

/*
 * An order comes into its status, from another one or, if that is NULL, from nowhere. The event
 * goes with it, unless a trigger on the event has made another one of it.
 */
static void
capture_arrival(const CapturedOrder *order, text *left_status, const EventChange **event)
{
	const EventChange *step = *event;

	if (step != NULL && (step->events != 1 || !crm_same_text(step->from_status, left_status) ||
						 !crm_same_text(step->to_status, order->status)))
		step = NULL;
	capture_order_of(order, left_status, 1, order->total, step);
	if (step != NULL)
		*event = NULL;
}

static void
get_rows(TriggerData *trigger, TupleTableSlot **old, TupleTableSlot **new)
{
	*old = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? NULL : trigger->tg_trigslot;
	*new = TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? NULL :
		TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? trigger->tg_trigslot : trigger->tg_newslot;
}

/* So that nobody looks for the order of each line that is placed: mostly it begins with a status in which nothing is sold. */
static void
note_placed(bool is_new, bool is_booked)
{
	if (is_booked)
		crm_placements_may_be_booked();
	else if (is_new && crm_placement_here() != NULL)
		crm_placement->is_captured = true;
}

static bool
is_placed_unsold(int64 order_id)
{
	return crm_placement != NULL && crm_placement->is_captured && !crm_placement->may_be_booked && crm_placement_of(order_id);
}

static int64
order_id_of(Relation rel, TupleTableSlot *row)
{
	return DatumGetInt64(crm_get_not_null(rel, row, crm_column(rel, "id", INT8OID)));
}

/* A statement in whose midst it has come may be about to write lines of it. */
static void
note_new_order(int64 order_id, CommandId command)
{
	Relation	rel = table_open(crm_table_oid(lines.name), AccessShareLock);

	(void) crm_note_nested_change(rel, order_id, command);
	table_close(rel, NoLock);
}

/* What a change of an order does to the figures; and its event, if that is not told of elsewhere */
static void
capture_order(TriggerData *trigger, const EventChange *event)
{
	Relation	rel = trigger->tg_relation;
	TupleTableSlot *old_row,
			   *new_row;
	CapturedOrder old = {0},
				new = {0};

	check_source(&orders, rel);
	get_rows(trigger, &old_row, &new_row);
	if (old_row != NULL)
		read_order(rel, old_row, &old, NULL);
	if (new_row != NULL)
		read_order(rel, new_row, &new, old_row == NULL ? NULL : &old);
	note_placed(old_row == NULL, new.booked);

	if (old_row != NULL && new_row != NULL && same_group_of_orders(&old, &new))
	{
		if (old.total != new.total)
			capture_order_of(&old, NULL, 0, new.total - old.total, NULL);
		if (!crm_same_text(old.status, new.status))
			capture_arrival(&new, old.status, &event);
	}
	else
	{
		if (old_row != NULL)
			capture_order_of(&old, NULL, -1, -old.total, NULL);
		if (new_row != NULL)
			capture_arrival(&new, NULL, &event);
	}
	if (event != NULL)
		crm_append_event_change(event);

	if (old_row == NULL)
	{
		/* it can have no lines before its own command */
		if (new.booked)
			note_new_order(order_id_of(rel, new_row), crm_writing_command(trigger));
	}
	else if ((old.booked || new.booked) && (new_row == NULL || !same_for_lines(&old, &new)))
		capture_lines(order_id_of(rel, old_row), &old, new_row == NULL ? NULL : &new, crm_writing_command(trigger));
}

/*
 * crm_capture_order() returns trigger
 *
 * AFTER INSERT OR UPDATE OR DELETE row trigger of crm.orders: tells the change
 * tables what a change of an order does to the figures of orders and of the lines
 * sold. Errors: 42809 on another table, 40001 if what counts as sold has changed since the
 * snapshot of the transaction, 39P01 if not called as such a trigger.
 */
Datum
crm_capture_order(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_capture_order", CRM_TRIGGER_AFTER_ANY_ROW);

	check_source(&orders, trigger->tg_relation);
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event) || !OidIsValid(crm_capture_left_to_recorder(trigger->tg_relation)))
		capture_order(trigger, NULL);
	PG_RETURN_POINTER(NULL);
}

/* The order of the last line: lines of one order come one after the other. */
typedef struct LastOrder
{
	int64		id;
	CommandId	command;
	bool		exists;
	MemoryContext context;		/* of its texts */
	CapturedOrder order;
	bool		asked_to_hold;
	bool		may_hold;		/* the end of the statement will be told, and nobody looks before */
} LastOrder;

/* Whether the trigger that totals the lines of a statement comes when all its lines are captured */
static bool
may_hold(const TriggerData *trigger)
{
	const TriggerDesc *triggers;

	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA || crm_is_watched(trigger->tg_relation))
		return false;
	/* to look a function up may bring news, after which the relation has its triggers elsewhere */
	triggers = CopyTriggerDesc(trigger->tg_relation->trigdesc);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *other = &triggers->triggers[i];

		if (other->tgenabled == TRIGGER_FIRES_ON_ORIGIN && !TRIGGER_FOR_ROW(other->tgtype) &&
			(TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? TRIGGER_FOR_INSERT(other->tgtype) :
			 TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? TRIGGER_FOR_UPDATE(other->tgtype) :
			 TRIGGER_FOR_DELETE(other->tgtype)) &&
			crm_calls(other, crm_total_order_lines))
			return true;
	}
	return false;
}

static bool
find_order_after(Relation rel, int64 id, CommandId command, TupleTableSlot *row)
{
	Snapshot	snapshot = snapshot_before(command + 1);
	bool		found = crm_find_row(rel, crm_primary_key(rel, "id", NULL), F_INT8EQ, Int64GetDatum(id), snapshot, row);

	UnregisterSnapshot(snapshot);
	return found;
}

/* Whether we have written or locked a row ourselves; if not only we, it may say no */
static bool
is_held(TupleTableSlot *row)
{
	HeapTupleHeader header = ExecFetchSlotHeapTuple(row, false, NULL)->t_data;

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(header)) ||
		(!(header->t_infomask & (HEAP_XMAX_IS_MULTI | HEAP_XMAX_INVALID)) &&
		 TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmax(header)));
}

/* The order as a command left it; NULL if it is gone or not booked */
static const CapturedOrder *
get_order(FunctionCallInfo fcinfo, int64 id, CommandId command)
{
	LastOrder  *last = fcinfo->flinfo->fn_extra;
	MemoryContext caller;
	TupleTableSlot *row;
	Relation	rel;

	if (last == NULL)
	{
		last = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(LastOrder));
		last->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "crm order of lines", ALLOCSET_SMALL_SIZES);
	}
	else if (last->id == id && last->command == command)
		return last->exists && last->order.booked ? &last->order : NULL;

	rel = crm_orders_open();
	check_source(&orders, rel);
	MemoryContextReset(last->context);
	caller = MemoryContextSwitchTo(last->context);
	row = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)), table_slot_callbacks(rel));
	last->exists = find_order_after(rel, id, command, row);
	/* a trigger may have moved the line to an order that nobody has locked for it */
	if (last->exists && !is_held(row))
	{
		(void) crm_order_lock(rel, id, row);
		last->exists = find_order_after(rel, id, command, row);
	}
	if (last->exists)
	{
		/* a page must not stay pinned until the next line */
		ExecMaterializeSlot(row);
		read_order(rel, row, &last->order, NULL);
	}
	MemoryContextSwitchTo(caller);
	last->id = id;
	last->command = command;
	table_close(rel, NoLock);
	return last->exists && last->order.booked ? &last->order : NULL;
}

static bool
same_lines(Relation rel, TupleTableSlot *old, TupleTableSlot *new)
{
	for (int i = 0; i < lines.ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), lines.numbers[i] - 1);

		if (!datum_image_eq(get_value(&lines, rel, old, i), get_value(&lines, rel, new, i),
							att->attbyval, att->attlen))
			return false;
	}
	return true;
}

/*
 * crm_capture_line() returns trigger
 *
 * AFTER INSERT OR UPDATE OR DELETE row trigger of crm.order_lines: tells the change
 * tables what a change of a line does to the figures, if its order is booked.
 * Errors: as for crm_capture_order().
 */
Datum
crm_capture_line(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_capture_line", CRM_TRIGGER_AFTER_ANY_ROW);
	Relation	rel = trigger->tg_relation;
	TupleTableSlot *rows[2];
	CommandId	command = crm_writing_command(trigger);

	check_source(&lines, rel);
	get_rows(trigger, &rows[0], &rows[1]);
	if (rows[0] != NULL && rows[1] != NULL && same_lines(rel, rows[0], rows[1]))
		PG_RETURN_POINTER(NULL);
	if (rows[0] == NULL && is_placed_unsold(DatumGetInt64(get_value(&lines, rel, rows[1], LINE_ORDER))))
		PG_RETURN_POINTER(NULL);
	for (int i = 0; i < 2; i++)
	{
		const CapturedOrder *order;
		int64		order_id;

		if (rows[i] == NULL)
			continue;
		order_id = DatumGetInt64(get_value(&lines, rel, rows[i], LINE_ORDER));
		order = get_order(fcinfo, order_id, crm_command_of_order(order_id, rows[i], i == 1, command));
		if (order != NULL)
		{
			LineChange	change;
			LastOrder  *last = fcinfo->flinfo->fn_extra;

			change_of_line(order, rel, rows[i], i == 0 ? -1 : 1, &change);
			if (!last->asked_to_hold)
				last->may_hold = may_hold(trigger);
			last->asked_to_hold = true;
			if (last->may_hold)
				crm_hold_line_changes();
			crm_append_line_changes(&change, 1);
		}
	}
	PG_RETURN_POINTER(NULL);
}

/* As extract(epoch FROM ...) counts: a year has 365.25 days, a month 30 */
static int64
microseconds(const Interval *span)
{
	int64		days = (int64) (span->month / MONTHS_PER_YEAR) * 1461;	/* quarters */
	int64		result;

	days += 4 * ((int64) (span->month % MONTHS_PER_YEAR) * DAYS_PER_MONTH + span->day);
	if (pg_mul_s64_overflow(days, USECS_PER_DAY / 4, &result) ||
		pg_add_s64_overflow(result, span->time, &result))
		ereport(ERROR,
				(errcode(ERRCODE_INTERVAL_FIELD_OVERFLOW),
				 errmsg("interval out of range"),
				 errdetail("The time that an order was in a status is summed up in microseconds.")));
	return result;
}

/* Sums are found by it, in an index: a merge would fail. No workflow has a name as long. */
static text *
get_event_name(TupleTableSlot *event, int column, bool is_new)
{
	text	   *name = get_text(&events, event, column);

	if (is_new && name != NULL && VARSIZE_ANY_EXHDR(name) > MAX_NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("column \"%s\" of table %s.%s is too long", events.columns[column].name, CRM_SCHEMA, events.name),
				 errdetail("It has %d bytes, and %d at most, so that figures of steps can be by it.",
						   (int) VARSIZE_ANY_EXHDR(name), MAX_NAME_BYTES),
				 errhint("Choose a shorter name.")));
	return name;
}

static void
read_event(Relation rel, TupleTableSlot *event, int sign, EventChange *change)
{
	bool		no_dwell;
	Datum		dwell;

	check_source(&events, rel);
	if (IsolationUsesXactSnapshot() && !crm_time_zone_is_seen())
		refuse_newer_rules("the reporting time zone");
	dwell = slot_getattr(event, events.numbers[EVENT_DWELL], &no_dwell);
	change->day = crm_reporting_day(DatumGetTimestampTz(get_value(&events, rel, event, EVENT_AT)));
	change->event = get_event_name(event, EVENT_EVENT, sign > 0);
	change->from_status = get_event_name(event, EVENT_FROM, sign > 0);
	change->to_status = get_event_name(event, EVENT_TO, sign > 0);
	change->events = sign;
	change->dwell = no_dwell ? 0 : sign * microseconds(DatumGetIntervalP(dwell));
}

static void
capture_event(Relation rel, TupleTableSlot *event, int sign)
{
	EventChange change;

	read_event(rel, event, sign, &change);
	crm_append_event_change(&change);
}

bool
crm_is_watched(Relation rel)
{
	/* as in may_hold() */
	const TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_AFTER(trigger->tgtype) && trigger->tgenabled != TRIGGER_DISABLED && !trigger->tgisinternal &&
			(TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype) || TRIGGER_FOR_DELETE(trigger->tgtype)) &&
			!crm_calls(trigger, crm_record_event) && !crm_calls(trigger, crm_capture_order) &&
			!crm_calls(trigger, crm_capture_event) && !crm_calls(trigger, crm_capture_line) &&
			!crm_calls(trigger, crm_total_order_lines))
			return true;
	}
	return false;
}

static Oid
find_left_to_recorder(Relation rel)
{
	const TriggerDesc *triggers;
	Oid			captures = InvalidOid;
	bool		is_recorded = false;

	if (crm_is_watched(rel))
		return InvalidOid;
	/* as in may_hold() */
	triggers = CopyTriggerDesc(rel->trigdesc);
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_ROW(trigger->tgtype) || !TRIGGER_FOR_INSERT(trigger->tgtype) || !TRIGGER_FOR_UPDATE(trigger->tgtype) ||
			trigger->tgqual != NULL || trigger->tgnattr != 0 || trigger->tgenabled != TRIGGER_FIRES_ON_ORIGIN)
			continue;
		if (crm_calls(trigger, crm_capture_order))
			captures = trigger->tgfoid;
		is_recorded |= crm_calls(trigger, crm_record_event);
	}
	return is_recorded ? captures : InvalidOid;
}

Oid
crm_capture_left_to_recorder(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	uint64		heard_before = crm_changes_heard_of();
	Oid			found;

	/* the triggers that fire are others then */
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return InvalidOid;
	if (relid == left_to_recorder_of)
		return left_to_recorder;
	if (relid != crm_table_oid("orders"))
		return InvalidOid;
	found = find_left_to_recorder(rel);
	/* to look functions up may have brought news, which may be of those */
	if (crm_changes_heard_of() == heard_before)
	{
		left_to_recorder = found;
		left_to_recorder_of = relid;
	}
	return found;
}

void
crm_capture_step(TriggerData *of_order, Relation rel, TupleTableSlot *event)
{
	EventChange change;

	if (event != NULL)
		read_event(rel, event, 1, &change);
	if (of_order != NULL)
		capture_order(of_order, event == NULL ? NULL : &change);
	else if (event != NULL)
		crm_append_event_change(&change);
}

/*
 * crm_capture_event() returns trigger
 *
 * AFTER INSERT OR UPDATE OR DELETE row trigger of crm.order_events: tells the change
 * tables of events. Errors: as for crm_capture_order(), 40001 for another time zone, 22001 for
 * a name of an event or a status of more than 400 bytes.
 */
Datum
crm_capture_event(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_capture_event", CRM_TRIGGER_AFTER_ANY_ROW);
	TupleTableSlot *old,
			   *new;

	get_rows(trigger, &old, &new);
	if (old != NULL)
		capture_event(trigger->tg_relation, old, -1);
	if (new != NULL)
		capture_event(trigger->tg_relation, new, 1);
	PG_RETURN_POINTER(NULL);
}

/*
 * crm_capture_dimension(dimension) returns trigger
 *
 * AFTER UPDATE OR DELETE row trigger of crm.products ('category') and crm.customers
 * ('region'): notes whose history moves to another value of that column. Errors:
 * 42809 on another table, 39P01 if not called as such a trigger.
 */
Datum
crm_capture_dimension(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = crm_trigger_data(fcinfo, "crm_capture_dimension", CRM_TRIGGER_AFTER_ANY_ROW);
	Relation	rel = trigger->tg_relation;
	const char *dimension = trigger->tg_trigger->tgnargs == 1 ? trigger->tg_trigger->tgargs[0] : "";
	const char *table = strcmp(dimension, "category") == 0 ? "products" :
		strcmp(dimension, "region") == 0 ? "customers" : NULL;
	TupleTableSlot *old,
			   *new;

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" cannot call crm_capture_dimension()", trigger->tg_trigger->tgname),
				 errdetail("Its argument is category or region."),
				 errhint("Drop the trigger.")));
	crm_check_trigger_table(trigger, table);
	get_rows(trigger, &old, &new);
	if (old != NULL)
	{
		AttrNumber	column = crm_column(rel, dimension, TEXTOID);
		AttrNumber	key = crm_column(rel, "id", INT8OID);
		bool		isnull;
		Datum		value;
		text	   *before;
		text	   *after = NULL;

		value = slot_getattr(old, column, &isnull);
		before = isnull ? NULL : DatumGetTextPP(value);
		if (new != NULL)
		{
			value = slot_getattr(new, column, &isnull);
			after = isnull ? NULL : DatumGetTextPP(value);
		}
		if (new == NULL || !crm_same_text(before, after) ||
			crm_get_not_null(rel, old, key) != crm_get_not_null(rel, new, key))
		{
			crm_append_dimension_change(dimension, DatumGetInt64(crm_get_not_null(rel, old, key)));
			/* a number that is used again */
			if (new != NULL)
				crm_append_dimension_change(dimension, DatumGetInt64(crm_get_not_null(rel, new, key)));
		}
	}
	PG_RETURN_POINTER(NULL);
}
