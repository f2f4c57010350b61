/*
 * scheme.h: the forms in which one weight of a model can be stored: their names,
 * and their letters in a description's precision string.
 */
#ifndef LEPTON_SCHEME_H
#define LEPTON_SCHEME_H

#include <stdbool.h>

/* How one weight is stored; the names are those of lepton_quantize() and lepton_graph(). */
typedef enum LepScheme
{
	LEP_SCHEME_F32 = 0,
	LEP_SCHEME_F16,
	LEP_SCHEME_BF16,
	LEP_SCHEME_I8_SYMMETRIC,  /* "i8_symmetric": weights and activations around 0 */
	LEP_SCHEME_I8_ASYMMETRIC, /* "i8_asymmetric": activations between lowest and highest value */
	LEP_SCHEME_I8_FULL,		  /* "i8_full": the same, and weights with a zero point per output */
	LEP_SCHEME_I4,			  /* "i4": weights by groups of inputs, activations as i8_asymmetric */
	LEP_SCHEME_I8,			  /* "i8": tables only, rows of int8 with a scale each */
	LEP_SCHEME_COUNT
} LepScheme;

#define LEP_I4_GROUP 32 /* inputs that share a scale in LEP_SCHEME_I4 */

const char *lep_scheme_name(LepScheme scheme);
/* The scheme called name; false when there is none. */
bool lep_scheme_find(const char *name, LepScheme *scheme);

/* One of a scheme's letters stands for every weight in LepDesc's precision string. */
char lep_scheme_letter(LepScheme scheme);
bool lep_scheme_of_letter(char letter, LepScheme *scheme);
#define LEP_VECTOR_LETTER '-' /* of weights that are vectors, always f32 */

/* May a linear, or a table, be stored so? */
bool lep_scheme_for_linear(LepScheme scheme);
bool lep_scheme_for_table(LepScheme scheme);

#endif
