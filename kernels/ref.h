/*
 * ref.h: what the files of the reference kernels share; refuses to be used by
 * anything but them, the tests and tables that have no narrow products of their own.
 */
#ifndef LEPTON_KERNEL_REF_H
#define LEPTON_KERNEL_REF_H

#include "lepton_kernels.h"

/* Return act(x) in double precision. */
double lep_ref_act(double x, LepAct act);

/* Narrow products by definition, see kernels/ref_narrow.c. */
extern const LepNarrow lep_ref_i8, lep_ref_bf16, lep_ref_f16;

/* Attention over bf16 and over f16 by definition; scratch as for the reference's attention. */
void lep_ref_attention_bf16(const LepAttentionHalf *args);
void lep_ref_attention_f16(const LepAttentionHalf *args);

/* Return the 16-bit float nearest to x, ties to even; NaN stays NaN. */
uint16_t lep_ref_to_bf16(float x);
uint16_t lep_ref_to_f16(float x);

/* Return the number with these bits. */
float lep_ref_from_bf16(uint16_t bits);
float lep_ref_from_f16(uint16_t bits);

#endif
