/* The kernels for x86-64-v3. */
#include "half.h"
#include "isas.h"
#include "tile_shapes.h"

#if CYC_X86_64
#include <immintrin.h>

CYC_TARGET_BEGIN("avx2,fma,f16c", "generic")
#include "simd/avx2.h"
#include "simd/transpose_avx.h"
#include "simd/transpose_avx2.h"
#include "simd/transpose_x86.h"

#include "bodies.inc.h"
CYC_TARGET_END

const cyc_isa cyc_avx2 = CYC_ISA_TABLE("avx2", cyc_cpu_has_avx2, NULL);
#endif
