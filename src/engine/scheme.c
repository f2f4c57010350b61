/*
 * scheme.c: names and letters of the forms in which weights are stored; it
 * computes nothing.
 */
#define LEPTON_ENGINE_SOURCE
#include "scheme.h"

#include <string.h>

static const struct
{
	const char *name;
	char letter;
	bool linear, table;
} schemes[LEP_SCHEME_COUNT] = {
	[LEP_SCHEME_F32] = {"f32", 'f', true, true},
	[LEP_SCHEME_F16] = {"f16", 'h', true, true},
	[LEP_SCHEME_BF16] = {"bf16", 'b', true, true},
	[LEP_SCHEME_I8_SYMMETRIC] = {"i8_symmetric", 's', true, false},
	[LEP_SCHEME_I8_ASYMMETRIC] = {"i8_asymmetric", 'a', true, false},
	[LEP_SCHEME_I8_FULL] = {"i8_full", 'z', true, false},
	[LEP_SCHEME_I4] = {"i4", '4', true, false},
	[LEP_SCHEME_I8] = {"i8", '8', false, true},
};

/* Name a scheme. */
const char *
lep_scheme_name(LepScheme scheme)
{
	return (unsigned) scheme < LEP_SCHEME_COUNT ? schemes[scheme].name : "";
}

/* Find a scheme by its name. */
bool
lep_scheme_find(const char *name, LepScheme *scheme)
{
	for (unsigned i = 0; i < LEP_SCHEME_COUNT; i++)
	{
		*scheme = (LepScheme) i;
		if (strcmp(schemes[i].name, name) == 0)
			return true;
	}
	return false;
}

/* A scheme's letter. */
char
lep_scheme_letter(LepScheme scheme)
{
	return schemes[scheme].letter;
}

/* Find a scheme by its letter. */
bool
lep_scheme_of_letter(char letter, LepScheme *scheme)
{
	for (unsigned i = 0; i < LEP_SCHEME_COUNT; i++)
	{
		*scheme = (LepScheme) i;
		if (schemes[i].letter == letter)
			return true;
	}
	return false;
}

/* May a linear be stored so? */
bool
lep_scheme_for_linear(LepScheme scheme)
{
	return schemes[scheme].linear;
}

/* May a table be stored so? */
bool
lep_scheme_for_table(LepScheme scheme)
{
	return schemes[scheme].table;
}
