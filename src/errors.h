/*
 * errors.h: the border between code that returns a status and code that raises.
 *
 * Calling down:	status = lep_x(..., lepton_stop(), &err);
 *					if (status != LEP_OK) lepton_raise(status, &err);
 * Calling back up:	an engine callback that must run server code wraps it in
 *					lepton_guard(), so that no jump crosses an engine frame; the error is kept
 *					and lepton_raise() throws it again.
 */
#ifndef LEPTON_ERRORS_H
#define LEPTON_ERRORS_H

#include "postgres.h"

#include "engine/base.h"

/* Raise err, or the error that lepton_guard or a cancel kept; does not return. */
void lepton_raise(LepStatus status, const LepError *err) __attribute__((noreturn));

/* Raise unless status is LEP_OK. */
#define lepton_check(status, err)             \
	do                                        \
	{                                         \
		LepStatus check_status_ = (status);   \
		if (check_status_ != LEP_OK)          \
			lepton_raise(check_status_, err); \
	} while (0)

/*
 * Run callback(arg); LEP_OK, or LEP_IO when it raised: then the error is kept for
 * lepton_raise.
 */
LepStatus lepton_guard(void (*callback)(void *arg), void *arg, LepError *err);

/* Asks whether this backend has been told to stop; for every engine call. */
const LepStop *lepton_stop(void);

/* Allocates from a memory context without ever raising. */
LepAllocator lepton_allocator(MemoryContext context);

#endif
