/*
 * door.h
 *		The door of a table: where its triggers find status, version and history.
 */
#ifndef CRM_DOOR_H
#define CRM_DOOR_H

#include "crm.h"

#include "access/attnum.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

#include "workflow.h"

/* Columns of an event table, in the order in which a row is filled. */
typedef enum HistoryColumn
{
	HISTORY_KEY,				/* first column of the primary key */
	HISTORY_SEQ,
	HISTORY_AT,
	HISTORY_EVENT,
	HISTORY_FROM,
	HISTORY_TO,
	HISTORY_DWELL,
	HISTORY_ACTOR,
	HISTORY_ROLE,
	HISTORY_NOTE,
	HISTORY_REQUEST_KEY,		/* from here on: 0 if the event table has none */
	HISTORY_FORCED,
	HISTORY_WORKFLOW,
	HISTORY_WORKFLOW_VERSION,
	HISTORY_REQUEST_HASH,
	HISTORY_NCOLUMNS
} HistoryColumn;

/*
 * What is known of a table with a workflow. Kept in a hash by relation, rebuilt
 * in place when the relation changes. Plain values only: nobody ever holds a
 * pointer from here into memory that a rebuild would free.
 */
typedef struct Door
{
	Oid			relid;			/* hash key */
	Oid			root_relid;		/* of a partition, the table that has the workflow; else relid */
	Oid			owner;			/* of that table */
	bool		valid;
	bool		by_column;		/* each row names its workflow in a column */
	NameData	status_name;
	NameData	key_name;
	NameData	fixed_workflow; /* name, if not by_column */
	NameData	workflow_name;	/* of the column, if by_column */
	AttrNumber	key;			/* the primary key's only column */
	AttrNumber	status;
	AttrNumber	status_since;
	AttrNumber	version;
	AttrNumber	workflow;		/* if by_column */
	AttrNumber	status_until;	/* 0 if there is none, see state_columns.h */
	AttrNumber	open_status;
	AttrNumber	booked_at;		/* only tables of ours have it */
	Oid			key_index;		/* of the primary key */
	Oid			key_type;
	Oid			key_collation;
	RegProcedure key_equal;		/* function that the index compares keys with */
	int16		key_len;
	bool		key_byval;
	bool		plain_update;	/* no rule, policy or trigger needs a statement */
	bool		is_watched;		/* as crm_is_watched() says, see capture.h */
	bool		steps_need_checks;	/* a CHECK constraint is about what a step changes */

	/* history, if there is a crm_record_event trigger */
	bool		has_history;
	bool		history_has_defaults;	/* columns that are not ours, with a default */
	bool		history_is_watched;
	bool		history_runs_code;	/* functions that are not ours, see foreign_code.h */
	Oid			history_relid;
	Oid			request_index;	/* unique on request_key, or InvalidOid */
	AttrNumber	history[HISTORY_NCOLUMNS];
} Door;

typedef enum CrmStepKind
{
	CRM_STEP_EVENT,				/* or a status that the owner forces */
	CRM_STEP_TIMER,				/* the timer that is due; if none may come, no step */
	CRM_STEP_POSTPONE,			/* no step, its timers are looked at again later */
	CRM_STEP_REFRESH			/* no step, of no row in particular: state columns only */
} CrmStepKind;

/*
 * One step on its way: crm_advance() says what it wants, the BEFORE trigger
 * finds out what that means for the row as locked, the AFTER trigger records it.
 */
typedef struct CrmStep
{
	struct CrmStep *outer;		/* the step in whose triggers this one was made */
	Oid			relid;			/* the door's root_relid: its row may be in any partition */
	Datum		key;
	CrmStepKind kind;
	const char *event;			/* of a timer, known when the row is seen */
	const char *force_to;		/* the status, whatever the workflow says; NULL if not forced */
	text	   *note;			/* NULL if none */
	text	   *request_key;	/* NULL if none */
	int32		expected_version;	/* -1 if any will do */
	MemoryContext context;		/* for to_status */
	TimestampTz moment;			/* of a timer: by when it is due */
	int			trigger_depth;	/* of the triggers of its own update */
	CommandId	command;		/* its own update, as that sees itself: a function of the user's may update rows in its midst */

	bool		in_batch;		/* one of several, of which others go on if this one is refused */
	bool		by_itself;		/* of one in a batch: others had errors; if its guard has one, that is a refusal */

	bool		resolved;		/* the BEFORE trigger has seen the row */
	bool		postponed;		/* it has, and no timer may come */
	bool		repeated;		/* and found that the request was done before */
	int32		version;		/* that the row gets by this step */
	int32		workflow_version;	/* under which it was decided */
	text	   *from_status;	/* of one in a batch */
	text	   *to_status;
	char	   *refusal;		/* of one in a batch: why it was refused */
	bool		recorded;		/* the AFTER trigger has seen the row */
	bool		to_capture;		/* it tells the change tables of it, too: their own trigger is left out */
	bool		captured;		/* and has */
	struct HistoryWriter *writer;	/* of one of several in one update: shared by them; else NULL */

	/* of a workflow that changes: not one row but all, each to where its status says */
	const struct CrmMove *moves;
	int			nmoves;
	uint64		nmoved;			/* how many rows it has moved */

	/* of the first of a batch: all of them, in order of their keys */
	struct CrmStep *batch;
	int			nbatch;
} CrmStep;

extern CrmStep *crm_current_step;

/* The statement that comes next is the current step's own update. */
extern void crm_begin_update(void);

/* The door of an open relation; an error if no workflow is attached to it. */
extern Door *crm_door_get(Relation rel);

/*
 * OIDs of all tables that a workflow is attached to, or that one, by its name; of a
 * partitioned one only itself, not its partitions. No table is opened.
 */
extern List *crm_door_relations(const char *workflow);

/* Whether the user has added a column to the event table that wants a value of a new row */
extern bool crm_is_added_column(const Door *door, const FormData_pg_attribute *att);

/*
 * Name of the table that has the workflow, quoted where needed: of a partition,
 * the one that people know
 */
extern char *crm_table_name(const Door *door);

/* Whether the current role owns that table, or may do what its owner may */
extern bool crm_owns_table(const Door *door);

/*
 * The step on its way, if it is about this row and we are in a trigger of its own
 * update, not of one that another trigger makes meanwhile; else NULL
 */
extern CrmStep *crm_step_for(const Door *door, Datum key);

/* A column that no row of ours is without; an error if this one is */
extern Datum crm_get_not_null(Relation rel, TupleTableSlot *row, AttrNumber column);

/* Whether two texts are the same, byte by byte, or both NULL */
extern bool crm_same_text(const text *a, const text *b);

/* How deep in triggers we are: 1 in one, 2 in one that another set off */
extern int	crm_trigger_depth(void);

/*
 * Error 42501 if a row moves to another workflow and that is not for this role
 * to do, SL007 if its status is none there.
 */
extern void crm_check_workflow_change(const Door *door, Relation rel, TupleTableSlot *old,
									  TupleTableSlot *new);

/*
 * Of queries for the rows of one workflow: " AND ...", where that is $2, if each row
 * names its own; else nothing, and they have one argument
 */
extern const char *crm_of_workflow(const Door *door);

/* The workflow that a row follows, with its version unless that is NULL, and its name */
extern const Workflow *crm_row_workflow(const Door *door, Relation rel, TupleTableSlot *row,
										int32 *version);
extern const Workflow *crm_row_workflow_if_any(const Door *door, Relation rel, TupleTableSlot *row);
extern text *crm_row_workflow_text(const Door *door, Relation rel, TupleTableSlot *row);
extern char *crm_row_workflow_name(const Door *door, Relation rel, TupleTableSlot *row);

/* Number of a row's status in its workflow; an error if it has no such state */
extern int	crm_row_state(const Door *door, Relation rel, TupleTableSlot *row, const Workflow *w);

/* Error SL007 if the workflow has no state of that name */
extern void crm_check_state_name(const Door *door, Relation rel, TupleTableSlot *row,
								 const Workflow *w, const char *name);

extern void crm_door_init(void);

/* The trigger functions, to know our triggers by */
extern PGDLLEXPORT Datum crm_enforce_workflow(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum crm_record_event(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum crm_notify_event(PG_FUNCTION_ARGS);

#endif							/* CRM_DOOR_H */
