/*
 * plans.h
 *		Statements of our own, planned once in each session.
 */
#ifndef CRM_PLANS_H
#define CRM_PLANS_H

#include "crm.h"

#include "executor/spi.h"

/* The plan of a statement whose text is a constant but for the names of its columns. Within SPI_connect(). */
extern SPIPlanPtr crm_plan(const char *sql, int nargs, Oid *argtypes);

#endif							/* CRM_PLANS_H */
