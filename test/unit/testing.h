/*
 * testing.h: the few lines that every unit test program shares: count checks,
 * print the failed ones, close with "N passed, N failed".
 */
#ifndef LEPTON_TESTING_H
#define LEPTON_TESTING_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static long test_passed, test_failed;

/* Count one check; print the message when it failed. */
__attribute__((format(printf, 2, 3))) static inline bool
check(bool ok, const char *format, ...)
{
	va_list args;

	if (ok)
	{
		test_passed++;
		return true;
	}
	if (++test_failed <= 50)
	{
		va_start(args, format);
		printf("FAILED: ");
		vprintf(format, args);
		printf("\n");
		va_end(args);
	}
	return false;
}

/* Print the closing line; the program's exit status. */
static inline int
test_done(void)
{
	printf("%ld passed, %ld failed\n", test_passed, test_failed);
	return test_failed ? 1 : 0;
}

#endif
