/*
 * checks.h
 *		CHECK constraints that are not read anew for each statement of ours.
 */
#ifndef CRM_CHECKS_H
#define CRM_CHECKS_H

#include "crm.h"

#include "executor/spi.h"

/* SPI_execute_plan() for an INSERT or UPDATE of ours; within SPI_connect() */
extern int	crm_execute_write(SPIPlanPtr plan, Datum *values);

extern void crm_checks_init(void);

#endif							/* CRM_CHECKS_H */
