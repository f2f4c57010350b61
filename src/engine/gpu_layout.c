/*
 * gpu_layout.c: how a GPU's image keeps the weights of linears: rows of 16-bit floats.  It packs them and refuses to
 * compute, so that writing such an image needs no GPU and no CUDA.
 */
#define LEPTON_ENGINE_SOURCE
#include <string.h>

#include "gpu.h"

#define EXPONENT_F32 0x7f800000u /* of infinity */

/* Return the bits of x. */
static uint32_t
bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* Return the f16 nearest to x, ties to even; beyond its range infinity, NaN stays NaN. */
static uint16_t
to_f16(float x)
{
	uint32_t bits = bits_of(x);
	uint16_t sign = (uint16_t) (bits >> 16 & 0x8000u);
	uint32_t magnitude = bits & 0x7fffffffu;
	uint32_t rest, half, value;
	uint32_t shift;

	if (magnitude > EXPONENT_F32)
		return sign | 0x7e00u;
	if (magnitude >= bits_of(65520.0f))
		return sign | 0x7c00u;
	if (magnitude < bits_of(0x1p-25f))
		return sign;
	/* Below 2^-14 the steps stay as wide as there, and the leading 1 is written out. */
	shift = magnitude < bits_of(0x1p-14f) ? 126 - (magnitude >> 23) : 13;
	value = shift == 13 ? magnitude - (112u << 23) : (magnitude & 0x7fffffu) | 0x800000u;
	rest = value & ((1u << shift) - 1);
	half = 1u << (shift - 1);
	value >>= shift;
	value += rest > half || (rest == half && (value & 1) != 0);
	return sign | (uint16_t) value;
}

/* Return the bf16 nearest to x, ties to even; NaN stays NaN. */
static uint16_t
to_bf16(float x)
{
	uint32_t bits = bits_of(x);

	if ((bits & 0x7fffffffu) > EXPONENT_F32)
		return (uint16_t) (bits >> 16 | 0x40u);
	return (uint16_t) ((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* Bytes of w[d_out, d_in] in 16 bits; 0 on overflow. */
static size_t
packed_size(size_t d_out, size_t d_in)
{
	size_t bytes;

	return lep_mul(d_out, d_in, &bytes) && lep_mul(bytes, sizeof(uint16_t), &bytes) ? bytes : 0;
}

/* Round w[d_out, d_in] to f16. */
static void
pack_f16(const float *w, size_t d_out, size_t d_in, void *packed)
{
	uint16_t *to = packed;

	for (size_t i = 0; i < d_out * d_in; i++)
		to[i] = to_f16(w[i]);
}

/* Round w[d_out, d_in] to bf16. */
static void
pack_bf16(const float *w, size_t d_out, size_t d_in, void *packed)
{
	uint16_t *to = packed;

	for (size_t i = 0; i < d_out * d_in; i++)
		to[i] = to_bf16(w[i]);
}

/* Say a size that is none, for those who measure arenas of such a graph. */
static size_t
no_scratch(size_t n_tokens, size_t d_head, size_t n_places)
{
	(void) n_tokens;
	(void) d_head;
	(void) n_places;
	return LEP_ALIGN;
}

static const LepKernels gpu_f16 = {.isa = "gpuf16",
								   .layout = "gpuf16",
								   .linear_packed_size = packed_size,
								   .linear_pack = pack_f16,
								   .attention_scratch = no_scratch};

static const LepKernels gpu_bf16 = {.isa = "gpubf16",
									.layout = "gpubf16",
									.linear_packed_size = packed_size,
									.linear_pack = pack_bf16,
									.attention_scratch = no_scratch};

/* Choose by numbers. */
const LepKernels *
lep_kernels_gpu(LepDtype numbers)
{
	return numbers == LEP_F16 ? &gpu_f16 : numbers == LEP_BF16 ? &gpu_bf16 : NULL;
}
