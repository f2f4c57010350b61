/*
 * wgmma.cuh: the matrix instructions of compute capability 9.0 for 64 rows by 192 or 256 columns; nobody but hopper.cu includes
 * it.  Operands are descriptors of shared memory with rows of 128 bytes, swizzled.
 */
#ifndef LEPTON_CUDA_WGMMA_CUH
#define LEPTON_CUDA_WGMMA_CUH

#include "numbers.cuh"

#define EIGHT(i)                                                                                \
	"+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
		"+f"(d[i + 6]), "+f"(d[i + 7])

template <typename T, int N>
static __device__ __forceinline__ void multiply(float *d, uint64_t a, uint64_t b, bool fresh);

/* d[64, 192] += a[64, 16] * b[192, 16]^T, or = with fresh. */
template <>
__device__ __forceinline__ void
multiply<__half, 192>(float *d, uint64_t a, uint64_t b, bool fresh)
{
	asm volatile("{.reg .pred p; setp.eq.b32 p, %98, 0;"
				 "wgmma.mma_async.sync.aligned.m64n192k16.f32.f16.f16 {"
				 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
				 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
				 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
				 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
				 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
				 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95}, "
				 "%96, %97, p, 1, 1, 0, 0;}"
				 : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48),
				   EIGHT(56), EIGHT(64), EIGHT(72), EIGHT(80), EIGHT(88)
				 : "l"(a), "l"(b), "r"((int) fresh));
}

/* d[64, 256] += a[64, 16] * b[256, 16]^T, or = with fresh. */
template <>
__device__ __forceinline__ void
multiply<__half, 256>(float *d, uint64_t a, uint64_t b, bool fresh)
{
	asm volatile(
		"{.reg .pred p; setp.eq.b32 p, %130, 0;"
		"wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
		"%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
		"%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
		"%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
		"%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
		"%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
		"%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
		"%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
		"%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
		"%128, %129, p, 1, 1, 0, 0;}"
		: EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56),
		  EIGHT(64), EIGHT(72), EIGHT(80), EIGHT(88), EIGHT(96), EIGHT(104), EIGHT(112), EIGHT(120)
		: "l"(a), "l"(b), "r"((int) fresh));
}

/* d[64, 192] += a[64, 16] * b[192, 16]^T, or = with fresh. */
template <>
__device__ __forceinline__ void
multiply<__nv_bfloat16, 192>(float *d, uint64_t a, uint64_t b, bool fresh)
{
	asm volatile("{.reg .pred p; setp.eq.b32 p, %98, 0;"
				 "wgmma.mma_async.sync.aligned.m64n192k16.f32.bf16.bf16 {"
				 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
				 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
				 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
				 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
				 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
				 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95}, "
				 "%96, %97, p, 1, 1, 0, 0;}"
				 : EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48),
				   EIGHT(56), EIGHT(64), EIGHT(72), EIGHT(80), EIGHT(88)
				 : "l"(a), "l"(b), "r"((int) fresh));
}

/* d[64, 256] += a[64, 16] * b[256, 16]^T, or = with fresh. */
template <>
__device__ __forceinline__ void
multiply<__nv_bfloat16, 256>(float *d, uint64_t a, uint64_t b, bool fresh)
{
	asm volatile(
		"{.reg .pred p; setp.eq.b32 p, %130, 0;"
		"wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
		"%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
		"%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
		"%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
		"%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
		"%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
		"%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
		"%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
		"%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
		"%128, %129, p, 1, 1, 0, 0;}"
		: EIGHT(0), EIGHT(8), EIGHT(16), EIGHT(24), EIGHT(32), EIGHT(40), EIGHT(48), EIGHT(56),
		  EIGHT(64), EIGHT(72), EIGHT(80), EIGHT(88), EIGHT(96), EIGHT(104), EIGHT(112), EIGHT(120)
		: "l"(a), "l"(b), "r"((int) fresh));
}

#undef EIGHT

#endif
