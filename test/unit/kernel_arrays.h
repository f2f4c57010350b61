/*
 * kernel_arrays.h: arrays for the tests of kernels.  Every array ends where a page
 * without access begins: no overrun goes unseen, not even one of assembly.
 */
#ifndef LEPTON_KERNEL_ARRAYS_H
#define LEPTON_KERNEL_ARRAYS_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kernels/lepton_kernels.h"

#define EPS 1.1920929e-7

static uint64_t seed = 88172645463325252u;

/* Return a pseudo-random number in [-1, 1). */
static inline float
noise(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (float) ((double) (seed >> 11) / 4503599627370496.0 - 1.0);
}

/* Live arrays and their mappings. */
static struct
{
	void *array;
	char *map;
	size_t bytes;
} blocks[64];

/* Allocate bytes, as close before a forbidden page as the alignment allows; free with drop(). */
static inline void *
guarded(size_t bytes, size_t alignment)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t room = (bytes + page - 1) / page * page;
	char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i = 0;

	while (blocks[i].map)
		i++;
	if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE) != 0)
	{
		printf("FAILED: out of memory\n");
		exit(1);
	}
	blocks[i].map = map;
	blocks[i].bytes = room + page;
	blocks[i].array = map + (room - bytes) / alignment * alignment;
	return blocks[i].array;
}

/* Free what guarded() gave. */
static inline void
drop(void *array)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (blocks[i].map && blocks[i].array == array)
		{
			munmap(blocks[i].map, blocks[i].bytes);
			blocks[i].map = NULL;
			return;
		}
}

/* Allocate n floats of noise, aligned as floats are; free with drop(). */
static inline float *
array(size_t n)
{
	float *a = guarded(n * sizeof(float), sizeof(float));

	for (size_t i = 0; i < n; i++)
		a[i] = noise();
	return a;
}

/* Return memory aligned for packed weights and scratch; free with drop(). */
static inline void *
aligned(size_t bytes)
{
	return guarded(bytes, LEP_ALIGN);
}

/* Return the distance of a and b in units of tolerance; NaN and infinities must agree. */
static inline double
distance(double a, double b, double tolerance)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b) ? 0.0 : INFINITY;
	if (a == b)
		return 0.0;
	return fabs(a - b) / tolerance;
}

#endif
