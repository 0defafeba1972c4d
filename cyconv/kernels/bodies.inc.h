/* Every kernel for every compute dtype, for the instruction set whose vocabulary was included
 * before. Included once per instruction set, between its target brackets. */

#define CYC_DTYPE_F32 1 /* as the CYC_F32 of kernels.h, in a form that #if can read */
#define CYC_DTYPE_F64 2
#define CYC_DTYPE_U32 3
#define CYC_DTYPE_U64 4

/* Where the terms of a chunk begin to fetch, and how far each steps. If nothing lies ahead, all of them fetch a line
 * that is near: an address that is not mapped would be looked up each time. */
static inline const char *cyc_fetch_start(const cyc_ahead *ahead, const void *near) {
    return ahead && ahead->rows ? ahead->next : (const char *)near;
}
static inline ptrdiff_t cyc_fetch_step(const cyc_ahead *ahead) { return ahead && ahead->rows ? ahead->step : 0; }

/* Ends a chunk whose terms have fetched the lines of its burst up to `done`. */
static inline void cyc_fetch_rest(cyc_ahead *ahead, const char *done) {
    if (ahead->rows == 0) return;
    const char *const end = ahead->next + ahead->lines * ahead->pitch;
    for (; done < end; done += ahead->pitch) CYC_PREFETCH_FAR(done);
    ahead->next = end;
    if (--ahead->bursts == 0) {
        ahead->bursts = ahead->row_bursts;
        ahead->next += ahead->gap;
        ahead->rows--;
    }
}

#ifndef CYC_CLEARS_LANES
#define CYC_CLEARS_LANES 0
#endif
#ifndef CYC_PERMUTES
#define CYC_PERMUTES 0
#endif
#ifndef CYC_TIGHT_TILES
#define CYC_TIGHT_TILES 0
#endif
#ifndef CYC_WINOGRAD_CHUNK
#define CYC_WINOGRAD_CHUNK 16
#endif

#define CYC_INFINITY ((float)INFINITY)

#define CYC_DTYPE CYC_DTYPE_F32
#define CYC_ELEMENT float
#define CYC_FLOATING 1
#define CYC_SUFFIX f32
#include "dtype.inc.h"

#define CYC_DTYPE CYC_DTYPE_F64
#define CYC_ELEMENT double
#define CYC_FLOATING 1
#define CYC_SUFFIX f64
#include "dtype.inc.h"

#define CYC_DTYPE CYC_DTYPE_U32
#define CYC_ELEMENT uint32_t
#define CYC_FLOATING 0
#define CYC_SUFFIX u32
#include "dtype.inc.h"

#define CYC_DTYPE CYC_DTYPE_U64
#define CYC_ELEMENT uint64_t
#define CYC_FLOATING 0
#define CYC_SUFFIX u64
#include "dtype.inc.h"

/* The FMA peak: independent chains that cover latency times throughput of every core so far. */
static double fma_loop(ptrdiff_t rounds) {
    float spill[sizeof(vec_f32) / sizeof(float)], factor = 0.999f;
    vec_f32 sum[CYC_FMA_CHAINS];
    const vec_f32 scalar = vec_broadcast_f32(&factor);
    CYC_UNROLL for (int i = 0; i < CYC_FMA_CHAINS; i++) { /* different sums: equal ones would be computed once */
        const float start = (float)i;
        sum[i] = vec_broadcast_f32(&start);
    }
    for (ptrdiff_t round = 0; round < rounds; round++) {
        CYC_UNROLL for (int i = 0; i < CYC_FMA_CHAINS; i++) sum[i] = vec_multiply_add_f32(sum[i], scalar, scalar);
    }
    CYC_UNROLL for (int i = 1; i < CYC_FMA_CHAINS; i++) sum[0] = vec_add_f32(sum[0], sum[i]);
    vec_store_f32(spill, sum[0]);
    /* the sum is far below the bound; comparing it keeps the loop from being optimised away */
    return spill[0] < 1e30f ? (double)rounds * CYC_FMA_CHAINS * 2 * (double)(sizeof spill / sizeof *spill) : 0.0;
}

#define CYC_ISA_TABLE(NAME, AVAILABLE, SPLIT) \
    {NAME, AVAILABLE, fma_loop, {&kernels_f32, &kernels_f64, &kernels_u32, &kernels_u64}, SPLIT}
