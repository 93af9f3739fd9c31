/*
 * placement.h
 *		An order that crm_place_order() is about to write, with all its lines.
 *
 * The triggers of crm.orders and crm.order_lines look here for what a statement
 * cannot tell them: the totals of lines that come right after, the note and the
 * request key of the first event.
 */
#ifndef CRM_PLACEMENT_H
#define CRM_PLACEMENT_H

#include "crm.h"

typedef struct CrmPlacedLine
{
	int64		amount;			/* cents */
	int64		discount;
	int64		tax;
} CrmPlacedLine;

typedef struct CrmPlacement
{
	CommandId	command;		/* its statement that is running, as that sees itself */
	text	   *note;			/* NULL if none */
	text	   *request_key;	/* NULL if none */
	int64		request_hash;
	int			nlines;
	const CrmPlacedLine *lines;

	int64		order_id;		/* 0 until the order is there */
	bool		is_captured;	/* the figures know that it began with a status that is not "booked" */
	bool		may_be_booked;	/* a trigger has booked an order meanwhile, or changed what is booked */
	bool		has_other_lines;	/* maybe: a trigger has inserted lines meanwhile */
	int64		total;			/* what it was written with */
	int64		reporting_total;
	int64		discount;
	int64		tax;
	bool		counted;		/* what the lines have really become is in the totals */
	struct CrmPlacement *outer;	/* this one is placed by a trigger of that one; NULL if none */
} CrmPlacement;

extern CrmPlacement *crm_placement;

/* The placement, if we are in a trigger of the statement that inserts its order; else NULL */
extern CrmPlacement *crm_placement_here(void);

/* To all placements on their way: an order counts as sold now, or what counts has changed */
extern void crm_placements_may_be_booked(void);

/* Whether the order of that number is the one, and we are in a trigger of the statement that inserts its lines, not counted yet */
extern bool crm_placement_of(int64 order_id);

#endif							/* CRM_PLACEMENT_H */
