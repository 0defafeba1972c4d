/* The kernels in plain C, for any target. */
#include "half.h"
#include "isas.h"
#include "tile_shapes.h"

#include "simd/scalar.h"

#include "bodies.inc.h"

const cyc_isa cyc_scalar = CYC_ISA_TABLE("scalar", cyc_always, NULL);
