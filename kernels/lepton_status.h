/*
 * lepton_status.h: the one status type that kernels and engine return.
 *
 * Nothing below the server glue raises, exits or jumps: every function that
 * can fail returns a LepStatus, and src/errors.c alone maps it to SQLSTATE.
 */
#ifndef LEPTON_STATUS_H
#define LEPTON_STATUS_H

typedef enum LepStatus
{
	LEP_OK = 0,
	LEP_NO_MEMORY,		/* an allocation failed */
	LEP_CANCELLED,		/* should_stop() asked to stop */
	LEP_IO,				/* a read callback failed; the callback knows why */
	LEP_MISSING,		/* a file, key or tensor that must be there is not */
	LEP_BAD_FILE,		/* a file does not follow its format, or contradicts another one */
	LEP_UNSUPPORTED,	/* well formed, but asks for something lepton does not do */
	LEP_TOO_LARGE,		/* a size is over a documented limit */
	LEP_BAD_INPUT,		/* the caller's text or argument is not acceptable */
	LEP_BAD_IMAGE,		/* an image is damaged or was written for another layout */
	LEP_NOT_FINITE,		/* the model produced NaN or infinity */
	LEP_NO_CONVERGENCE, /* an optimiser did not reach its tolerance */
	LEP_DEVICE			/* the GPU failed: what it holds is lost, its process must end */
} LepStatus;

#endif
