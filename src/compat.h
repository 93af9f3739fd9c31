/*
 * compat.h
 *		All differences between PostgreSQL 14 and 18 that concern us.
 */
#ifndef CRM_COMPAT_H
#define CRM_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 140000
#error "crm needs PostgreSQL 14 or later"
#endif

/*
 * Soft errors came with 16: there, an input function reports into the escontext
 * of its caller. Before, every error is thrown.
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define ereturn(escontext, dummy_value, ...) \
	do { \
		(void) (escontext); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

/* varatt.h was split from postgres.h in 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "utils/acl.h"

/* 16 folded the *_ownercheck family into one function. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#define crm_owns_relation(relid, role) object_ownercheck(RelationRelationId, (relid), (role))
#else
#define crm_owns_relation(relid, role) pg_class_ownercheck((relid), (role))
#endif

/* So it did with the *_aclcheck family for schemas. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_namespace.h"
#define crm_may_use_schema(schema, role) \
	(object_aclcheck(NamespaceRelationId, (schema), (role), ACL_USAGE) == ACLCHECK_OK)
#else
#define crm_may_use_schema(schema, role) \
	(pg_namespace_aclcheck((schema), (role), ACL_USAGE) == ACLCHECK_OK)
#endif

/* 18 gave index_beginscan() a place for statistics. */
#if PG_VERSION_NUM >= 180000
#define crm_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#else
#define crm_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#endif

/* 18 renamed the compiled CHECK constraints of a relation, and has virtual columns and constraints that are not enforced. */
#if PG_VERSION_NUM >= 180000
#define crm_check_exprs(info) ((info)->ri_CheckConstraintExprs)
#define crm_has_generated_virtual(constraints) ((constraints)->has_generated_virtual)
#define crm_check_is_enforced(constraint) ((constraint)->ccenforced)
#else
#define crm_check_exprs(info) ((info)->ri_ConstraintExprs)
#define crm_has_generated_virtual(constraints) false
#define crm_check_is_enforced(constraint) true
#endif

/* 15 made prefixes reservable. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* 16 gave EvalPlanQualInit() a list of relations. */
#if PG_VERSION_NUM >= 160000
#define crm_epq_init(epq, estate) EvalPlanQualInit((epq), (estate), NULL, NIL, -1, NIL)
#else
#define crm_epq_init(epq, estate) EvalPlanQualInit((epq), (estate), NULL, NIL, -1)
#endif

/* 18 asks whether a deferrable primary key is one, too. */
#if PG_VERSION_NUM >= 180000
#define crm_primary_key_index(rel) RelationGetPrimaryKeyIndex((rel), false)
#else
#define crm_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* 15 counts it in bytes. */
#if PG_VERSION_NUM >= 150000
#define crm_hash_memory_limit() get_hash_memory_limit()
#else
#define crm_hash_memory_limit() ((size_t) get_hash_mem() * 1024)
#endif

/* 18 put the mark of a function that does not return before its declaration. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

#endif							/* CRM_COMPAT_H */
