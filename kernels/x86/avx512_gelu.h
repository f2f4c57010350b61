/*
 * avx512_gelu.h: GELU for outputs of narrow products, whose rows are soon narrowed again.  Owns
 * its table; refuses to be the exact one (simd_math.inc).
 *
 * x Phi(x) = max(x, 0) - a Phi(-a) with a = |x|, and a Phi(-a) is a quadratic polynomial in each
 * of 31 pieces of 0.149, whose coefficients lie in registers; the last, from 4.55, is 0.  Error at
 * most 1.4e-5, and for x > 0 half an ulp.
 */
#ifndef LEPTON_X86_AVX512_GELU_H
#define LEPTON_X86_AVX512_GELU_H

#include "avx512_vector.h"

#define GELU_PIECES_A_UNIT 0x1.ad02dp+2f
#define GELU_BEYOND		   0x1.27f94ap+2f /* 31 pieces */

/* Coefficients of 1, a and a^2 in piece i, around a = i * 0.149. */
static const float gelu_pieces[3][32] __attribute__((aligned(64))) = {
	{1.30643315e-07f, 8.27445692e-05f, 0.0014524787f,  0.00710375747f,
	 0.0209214576f,	  0.0463692248f,   0.0852390304f,  0.13681823f,
	 0.197702318f,	  0.262283921f,	   0.323771358f,   0.375450879f,
	 0.411880344f,	  0.429746836f,	   0.428226531f,   0.408870071f,
	 0.375057906f,	  0.33124736f,	   0.28218025f,	   0.232205898f,
	 0.184817895f,	  0.142432913f,	   0.106384143f,   0.0770716816f,
	 0.0541963913f,	  0.0370145552f,   0.0245662034f,  0.0158517305f,
	 0.00994892139f,  0.00607579947f,  0.00361168175f, 0.0f},
	{0.499974132f,	  0.498283148f,	   0.486512482f,	0.456597537f,
	 0.403953075f,	  0.328302026f,	   0.233600959f,	0.127159849f,
	 0.0181916077f,	  -0.0838549137f,  -0.170834318f,	-0.237023279f,
	 -0.279673666f,	  -0.298982978f,   -0.297581613f,	-0.279755116f,
	 -0.250546992f,	  -0.214961648f,   -0.177365288f,	-0.141132355f,
	 -0.10852965f,	  -0.0807871595f,  -0.0582867488f,	-0.0408024266f,
	 -0.0277374014f,  -0.0183241013f,  -0.0117712161f,	-0.00735678105f,
	 -0.00447525689f, -0.00265082973f, -0.00152942631f, 0.0f},
	{-0.398272812f,	  -0.389698833f,   -0.364217311f,	-0.324503988f,
	 -0.274277657f,	  -0.217996567f,   -0.160275429f,	-0.105334334f,
	 -0.0565595105f,  -0.0162366591f,  0.0145302759f,	0.0357271098f,
	 0.0482122786f,	  0.0534298532f,   0.0531088412f,	0.0490041375f,
	 0.0426958613f,	  0.0354692191f,   0.028266931f,	0.0216990393f,
	 0.0160911102f,	  0.0115512758f,   0.00804012269f,	0.00543275243f,
	 0.00356718944f,  0.00227784552f,  0.00141544954f,	0.000856385566f,
	 0.000504714088f, 0.000289860589f, 0.000162271928f, 0.0f}};

/* Return one coefficient of the pieces whose numbers are the low bits of i. */
static inline VF
gelu_coefficient(__m512i i, int power)
{
	return _mm512_permutex2var_ps(_mm512_load_ps(gelu_pieces[power]), i,
								  _mm512_load_ps(gelu_pieces[power] + 16));
}

/* Return x * Phi(x), see above. */
static inline VF
v_gelu_narrow(VF x)
{
	VF a = v_min(v_set(GELU_BEYOND), v_abs(x));
	/* adding 1.5 * 2^23 rounds to a whole number in the low bits */
	__m512i i = _mm512_castps_si512(v_fma(a, v_set(GELU_PIECES_A_UNIT), v_set(12582912.0f)));
	VF tail = v_fma(gelu_coefficient(i, 2), a, gelu_coefficient(i, 1));

	return v_sub(v_max(v_set(0.0f), x), v_fma(tail, a, gelu_coefficient(i, 0)));
}

#endif
