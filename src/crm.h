/*
 * crm.h
 *		What every file of the extension needs: PostgreSQL's own basics and ours.
 */
#ifndef CRM_H
#define CRM_H

#include "postgres.h"

#include "fmgr.h"

#include "compat.h"
#include "errors.h"

/* The schema that holds the tables, wherever the functions were installed. */
#define CRM_SCHEMA "crm"

/* GUC crm.actor: who acts, as the application says; NULL or empty if unset */
extern char *crm_actor;

#endif							/* CRM_H */
