/* The kernels for aarch64, where NEON is part of the baseline. */
#include "half.h"
#include "isas.h"
#include "tile_shapes.h"

#if CYC_AARCH64
#include <arm_neon.h>

#include "simd/neon.h"

#include "bodies.inc.h"

const cyc_isa cyc_neon = CYC_ISA_TABLE("neon", cyc_always, NULL);
#endif
