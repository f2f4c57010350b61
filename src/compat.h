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
#define LEPTON_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "lepton", .version = "0.2.0")
#else
#define LEPTON_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif
