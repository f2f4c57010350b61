/*
 * compat.h: every difference between the server versions that lepton runs on,
 * with its reason.
 */
#ifndef LEPTON_COMPAT_H
#define LEPTON_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "lepton needs PostgreSQL 15 or later"
#endif

/* 18 added the name and version of a module to its magic block. */
#if PG_VERSION_NUM >= 180000
#define LEPTON_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "lepton", .version = "0.4.0")
#else
#define LEPTON_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* 16 gave the parsing of names soft errors. */
#include "utils/regproc.h"
#if PG_VERSION_NUM >= 160000
#define lepton_name_list(name) stringToQualifiedNameList(name, NULL)
#else
#define lepton_name_list(name) stringToQualifiedNameList(name)
#endif

/* 18 split the header of EXPLAIN. */
#if PG_VERSION_NUM >= 180000
#define LEPTON_EXPLAIN_HEADER "commands/explain_format.h"
#else
#define LEPTON_EXPLAIN_HEADER "commands/explain.h"
#endif

/* 17 let a resource owner own what is waited for; ours lives as long as the process. */
#if PG_VERSION_NUM >= 170000
#define lepton_wait_event_set(n) CreateWaitEventSet(NULL, n)
#else
#define lepton_wait_event_set(n) CreateWaitEventSet(TopMemoryContext, n)
#endif

/* 17 gave random() a second form. */
#if PG_VERSION_NUM >= 170000
#define LEPTON_F_RANDOM F_RANDOM_
#else
#define LEPTON_F_RANDOM F_RANDOM
#endif

/* 16 replaced the ownership check of each catalog by one for all. */
#include "utils/acl.h"
#if PG_VERSION_NUM >= 160000
#define lepton_object_ownercheck object_ownercheck
#else
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
static inline bool
lepton_object_ownercheck(Oid class, Oid object, Oid role)
{
	if (class == RelationRelationId)
		return pg_class_ownercheck(object, role);
	if (class == ProcedureRelationId)
		return pg_proc_ownercheck(object, role);
	if (class == TypeRelationId)
		return pg_type_ownercheck(object, role);
	return superuser_arg(role);
}
#endif

#endif
