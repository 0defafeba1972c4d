/* The kernels for x86-64-v4. */
#include "half.h"
#include "isas.h"
#include "tile_shapes.h"

#if CYC_HAVE_AVX512
#include <immintrin.h>

CYC_TARGET_BEGIN("avx512f,avx512cd,avx512bw,avx512dq,avx512vl,avx2,fma,f16c", "skylake-avx512")
#include "simd/avx512.h"
#include "simd/transpose_avx.h"
#include "simd/transpose_avx512.h"
#include "simd/transpose_x86.h"

#include "bodies.inc.h"
CYC_TARGET_END

const cyc_isa cyc_avx512 = CYC_ISA_TABLE("avx512", cyc_cpu_has_avx512, NULL);
#if CYC_HAVE_AVX512_BF16
const cyc_isa cyc_avx512_bf16 = CYC_ISA_TABLE("avx512_bf16", cyc_cpu_has_avx512_bf16, &cyc_avx512_bf16_split);
#endif
#if CYC_HAVE_AMX
const cyc_isa cyc_amx = CYC_ISA_TABLE("amx", cyc_cpu_has_amx, &cyc_amx_split);
#endif
#endif
