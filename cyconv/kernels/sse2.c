/* The kernels for the x86-64 baseline. */
#include "half.h"
#include "isas.h"
#include "tile_shapes.h"

#if CYC_X86_64
#include <emmintrin.h>

#include "simd/sse2.h"
#include "simd/transpose_sse2.h"
#include "simd/transpose_x86.h"

#include "bodies.inc.h"

const cyc_isa cyc_sse2 = CYC_ISA_TABLE("sse2", cyc_always, NULL);
#endif
