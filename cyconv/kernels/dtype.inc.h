/* All kernels of one instruction set for one compute dtype, and the initialiser of their table.
 * Expects CYC_DTYPE, CYC_ELEMENT, CYC_FLOATING and CYC_SUFFIX; undefines them. */

#define CYC_JOIN_(a, b) a##_##b
#define CYC_JOIN(a, b) CYC_JOIN_(a, b)
#define CYC_NAME(name) CYC_JOIN(name, CYC_SUFFIX) /* a kernel of this dtype */
#define CYC_OP(name) CYC_JOIN(vec_##name, CYC_SUFFIX) /* a word of the vocabulary */
#define CYC_VECTOR CYC_JOIN(vec, CYC_SUFFIX)
#define CYC_HALF CYC_JOIN(half, CYC_SUFFIX) /* of a vector, the lower one */
#define CYC_LANE_SET CYC_JOIN(lanes, CYC_SUFFIX)
#define CYC_PLACES CYC_JOIN(places, CYC_SUFFIX)
#define CYC_LANES ((ptrdiff_t)(sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT)))

#ifndef CYC_MASKS
/* Fewer elements than a vector of up to eight, in pieces of constant size. */
CYC_INLINE void CYC_OP(copy_first)(CYC_ELEMENT *dst, const char *src, ptrdiff_t count) {
    ptrdiff_t done = 0;
    if (CYC_LANES > 4 && count & 4) {
        memcpy(dst, src, 4 * sizeof *dst);
        done = 4;
    }
    if (CYC_LANES > 2 && count & 2) {
        memcpy(dst + done, src + done * sizeof *dst, 2 * sizeof *dst);
        done += 2;
    }
    if (CYC_LANES > 1 && count & 1) memcpy(dst + done, src + done * sizeof *dst, sizeof *dst);
}

/* The first `count` lanes, for instruction sets without masks. */
CYC_INLINE void CYC_OP(store_first)(CYC_ELEMENT *p, CYC_VECTOR v, ptrdiff_t count) {
    CYC_ELEMENT lanes[sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT)];
    CYC_OP(store)(lanes, v);
    CYC_OP(copy_first)(p, (const char *)lanes, count);
}

/* `count` lanes from lane `first` on, to p + first. */
CYC_INLINE void CYC_OP(store_piece)(CYC_ELEMENT *p, CYC_VECTOR v, ptrdiff_t first, ptrdiff_t count) {
    CYC_ELEMENT lanes[sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT)];
    if (count == CYC_LANES) {
        CYC_OP(store)(p, v);
        return;
    }
    CYC_OP(store)(lanes, v);
    CYC_OP(copy_first)(p + first, (const char *)(lanes + first), count);
}
#else
CYC_INLINE void CYC_OP(store_piece)(CYC_ELEMENT *p, CYC_VECTOR v, ptrdiff_t first, ptrdiff_t count) {
    CYC_OP(store_lanes)(p, v, (((uint32_t)1 << count) - 1) << first);
}
#endif

#if CYC_FLOATING && defined(CYC_MASKED_LOADS) && !defined(CYC_HALF_VECTORS)
/* Where half a vector takes as long as a whole one. */
typedef CYC_VECTOR CYC_HALF;
CYC_INLINE CYC_HALF CYC_OP(half)(CYC_VECTOR v) { return v; }
CYC_INLINE CYC_VECTOR CYC_OP(whole)(CYC_HALF v) { return v; }
CYC_INLINE CYC_HALF CYC_OP(half_load_lanes)(const CYC_ELEMENT *p, CYC_LANE_SET lanes) {
    return CYC_OP(load_lanes)(p, lanes);
}
CYC_INLINE CYC_HALF CYC_OP(half_broadcast)(const CYC_ELEMENT *p) { return CYC_OP(broadcast)(p); }
CYC_INLINE CYC_HALF CYC_OP(half_multiply_add)(CYC_HALF a, CYC_HALF b, CYC_HALF c) {
    return CYC_OP(multiply_add)(a, b, c);
}
#endif

#if CYC_FLOATING && defined(CYC_MASKED_LOADS)
/* These lanes of the elements at p, zero elsewhere. What lies around them is read where that is cheaper. */
CYC_INLINE CYC_VECTOR CYC_OP(load_around)(const CYC_ELEMENT *p, CYC_LANE_SET lanes) {
#if CYC_CLEARS_LANES
    return CYC_OP(keep_lanes)(CYC_OP(load)(p), lanes);
#else
    return CYC_OP(load_lanes)(p, lanes);
#endif
}

/* The lanes of a vector from element `first` on that lie in 0 .. count. */
CYC_INLINE CYC_LANE_SET CYC_NAME(lanes_inside)(ptrdiff_t first, ptrdiff_t count) {
    const ptrdiff_t low = first < 0 ? -first : 0, high = count - first;
    if (low > 63 || high <= low) return CYC_OP(lanes)(0);
    return CYC_OP(lanes)(~(uint64_t)0 << low & (high < 64 ? ~(~(uint64_t)0 << high) : ~(uint64_t)0));
}
#endif

/* v between the two bounds. */
CYC_INLINE CYC_VECTOR CYC_NAME(clamped)(CYC_VECTOR v, const CYC_ELEMENT *bounds) {
    return CYC_OP(clamp)(v, CYC_OP(broadcast)(bounds), CYC_OP(broadcast)(bounds + 1));
}

#ifndef CYC_TRANSPOSE
/* dst[j * dst_pitch + i] = src[i * src_pitch + j] for i, j < 4. */
CYC_INLINE void CYC_OP(transpose)(const CYC_ELEMENT *src, ptrdiff_t src_pitch, CYC_ELEMENT *dst, ptrdiff_t dst_pitch) {
    CYC_UNROLL for (int j = 0; j < 4; j++) {
        CYC_UNROLL for (int i = 0; i < 4; i++) dst[j * dst_pitch + i] = src[i * src_pitch + j];
    }
}
#else
CYC_INLINE void CYC_OP(transpose)(const CYC_ELEMENT *src, ptrdiff_t src_pitch, CYC_ELEMENT *dst, ptrdiff_t dst_pitch) {
    if (sizeof(CYC_ELEMENT) == sizeof(float))
        transpose_32((const float *)src, src_pitch, (float *)dst, dst_pitch);
    else
        transpose_64((const double *)src, src_pitch, (double *)dst, dst_pitch);
}
#endif

#include "tile.inc.h"
#include "rows.inc.h"
#include "turn.inc.h"
#include "gather.inc.h"
#include "move.inc.h"
#include "finite.inc.h"
#include "planes.inc.h"
#if CYC_FLOATING && defined(CYC_LOADS_COLUMNS)
#include "pixel.inc.h"
#define CYC_PIXEL_ENTRY CYC_NAME(pixel)
#else
#define CYC_PIXEL_ENTRY NULL
#endif
#if CYC_FLOATING
#include "winograd.inc.h"
#include "fft.inc.h"
#define CYC_FLOAT_ENTRY(NAME) CYC_NAME(NAME)
#else
#define CYC_FLOAT_ENTRY(NAME) NULL
#endif

#define CYC_TILE_ENTRY(R, V) [V - 1][R - 1] = CYC_NAME(tile_##R##x##V),
#define CYC_LOAD_ENTRY(DTYPE, NAME) [DTYPE] = CYC_NAME(load_##NAME),
#define CYC_PLANES_ENTRY(SIZE, STRIDE) [STRIDE - 1][SIZE - 1] = CYC_NAME(planes_##SIZE##_stride_##STRIDE),
#define CYC_STORE_ENTRY(DTYPE, NAME) [DTYPE] = CYC_NAME(store_##NAME),

static const cyc_kernels CYC_NAME(kernels) = {
    .lanes = CYC_LANES,
    .registers = CYC_REGISTERS,
    .item = sizeof(CYC_ELEMENT),
    .tile = {CYC_TILE_SHAPES(CYC_TILE_ENTRY)},
    .rows = CYC_NAME(rows_kernel),
    .planes = {CYC_PLANE_SIZES(CYC_PLANES_ENTRY)},
    .row_vectors = CYC_MOST_ROW_VECTORS,
    .permutes = CYC_PERMUTES,
#ifdef CYC_MASKED_LOADS
    .deals_phases = CYC_FLOATING,
#endif
    .winograd_chunk = CYC_WINOGRAD_CHUNK,
    .load = {CYC_LOAD_ENTRY(CYC_INT8, int8) CYC_LOAD_ENTRY(CYC_UINT8, uint8) CYC_LOAD_ENTRY(CYC_INT16, int16)
                 CYC_LOAD_ENTRY(CYC_UINT16, uint16) CYC_LOAD_ENTRY(CYC_INT32, int32) CYC_LOAD_ENTRY(CYC_UINT32, uint32)
#if CYC_DTYPE != CYC_DTYPE_U32
        CYC_LOAD_ENTRY(CYC_INT64, int64) CYC_LOAD_ENTRY(CYC_UINT64, uint64)
#endif
#if CYC_FLOATING
        CYC_LOAD_ENTRY(CYC_FLOAT16, float16) CYC_LOAD_ENTRY(CYC_BFLOAT16, bfloat16)
        CYC_LOAD_ENTRY(CYC_FLOAT32, float32)
#endif
#if CYC_DTYPE == CYC_DTYPE_F64
        CYC_LOAD_ENTRY(CYC_FLOAT64, float64)
#endif
    },
    .store =
        {
#if CYC_DTYPE == CYC_DTYPE_F32
        CYC_STORE_ENTRY(CYC_FLOAT16, float16) CYC_STORE_ENTRY(CYC_BFLOAT16, bfloat16)
        CYC_STORE_ENTRY(CYC_FLOAT32, float32)
#elif CYC_DTYPE == CYC_DTYPE_F64
            CYC_STORE_ENTRY(CYC_FLOAT64, float64)
#endif
#if CYC_DTYPE == CYC_DTYPE_F32 || CYC_DTYPE == CYC_DTYPE_U32
            CYC_STORE_ENTRY(CYC_INT8, int8) CYC_STORE_ENTRY(CYC_UINT8, uint8) CYC_STORE_ENTRY(CYC_INT16, int16)
                CYC_STORE_ENTRY(CYC_UINT16, uint16) CYC_STORE_ENTRY(CYC_INT32, int32)
                    CYC_STORE_ENTRY(CYC_UINT32, uint32)
#endif
#if CYC_DTYPE != CYC_DTYPE_U32
            CYC_STORE_ENTRY(CYC_INT64, int64) CYC_STORE_ENTRY(CYC_UINT64, uint64)
#endif
        },
    .store_turned = CYC_NAME(store_turned),
    .gather = CYC_NAME(gather),
    .pack = CYC_NAME(pack),
    .turn = CYC_NAME(turn_over),
    .finite = CYC_NAME(finite),
    .pixel = CYC_PIXEL_ENTRY,
    .winograd_shorten = CYC_FLOAT_ENTRY(winograd_shorten),
    .winograd_input = CYC_FLOAT_ENTRY(winograd_input),
    .winograd_weight = CYC_FLOAT_ENTRY(winograd_weight),
    .winograd_output = CYC_FLOAT_ENTRY(winograd_output),
    .winograd_output_turned = CYC_FLOAT_ENTRY(winograd_output_turned),
    .winograd_order = CYC_FLOAT_ENTRY(winograd_order),
    .fft_columns = CYC_FLOAT_ENTRY(fft_columns),
    .fft_rows = CYC_FLOAT_ENTRY(fft_rows),
    .fft_multiply = CYC_FLOAT_ENTRY(fft_multiply),
};

#undef CYC_TILE_ENTRY
#undef CYC_PLANES_ENTRY
#undef CYC_PLANE_SIZES
#undef CYC_LOAD_ENTRY
#undef CYC_STORE_ENTRY
#undef CYC_FLOAT_ENTRY
#undef CYC_PIXEL_ENTRY
#undef CYC_JOIN_
#undef CYC_JOIN
#undef CYC_NAME
#undef CYC_OP
#undef CYC_VECTOR
#undef CYC_LANES
#undef CYC_HALF
#undef CYC_LANE_SET
#undef CYC_PLACES
#undef CYC_DTYPE
#undef CYC_ELEMENT
#undef CYC_FLOATING
#undef CYC_SUFFIX
