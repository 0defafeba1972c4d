/* The plane microkernel, for one compute dtype of one instruction set (see kernels.h).
 *
 * The row kernel for planes that it reads where they lie: a depthwise layer uses each element so few
 * times that a copy into a window would cost as much as the products. Planes are cut into strips of columns.
 */

#if CYC_FLOATING && defined(CYC_MASKED_LOADS)
#include "strip.inc.h"

/* Strips whose masks are made once for all planes; wider images take several rounds. */
#define CYC_PLANE_STRIPS 8

/* The functions of a size and stride for V vectors: without masks, with them, for half a last vector; and for two
 * planes, of no use where they are not paired. */
typedef struct {
    CYC_NAME(strip_fn) inner, masked, half, inner_pair, masked_pair, half_pair;
} CYC_NAME(strip_fns);

/* Lay out the strip at column x; its vectors. Strips are as wide as the columns left of x allow, `vectors` at most. */
CYC_INLINE ptrdiff_t CYC_NAME(place_strip)(const cyc_planes_args *args, const CYC_NAME(strip_fns) * functions,
                                           const int size, const int stride, ptrdiff_t x, ptrdiff_t vectors,
                                           CYC_NAME(strip) * strip) {
    const ptrdiff_t first = x * stride + args->left, room = args->input_columns - (first + size - 1);
    while (args->columns - x <= (vectors - 1) * CYC_LANES) vectors /= 2;
    if (CYC_NARROW_STRIPS(CYC_REGISTERS, CYC_MOST_ROW_VECTORS, size, (args->columns + CYC_LANES - 1) / CYC_LANES))
        vectors = 1;
    /* of more than two vectors, those between the ends have no masks */
    while (vectors > 2 && (first < -CYC_LANES || room < stride * (vectors - 1) * CYC_LANES)) vectors /= 2;
    const ptrdiff_t columns = vectors * CYC_LANES, left = args->columns - x, fitting = room / (stride * columns);
    const int inner = first >= 0 && fitting > 0 && left >= columns;
    strip->x = x;
    strip->first = first;
    strip->last = left < columns ? left - (columns - CYC_LANES) : CYC_LANES;
    strip->repeats = 1;
    strip->columns = columns;
    strip->rows = CYC_PLANE_ROWS(vectors);
    strip->run = functions[vectors - 1].inner;
    strip->run_pair = CYC_PAIRS(size, vectors) ? functions[vectors - 1].inner_pair : NULL;
    if (inner) {
        strip->repeats = left / columns < fitting ? left / columns : fitting;
        return vectors;
    }
    const int half = CYC_HALVES_STRIPS && left <= columns - CYC_LANES / 2;
    const ptrdiff_t results = left < columns ? left : columns;
    strip->copies = first + size / 2 < 0 || first + (results - 1) * stride + size / 2 >= args->input_columns;
    strip->run = half ? functions[vectors - 1].half : functions[vectors - 1].masked;
    if (CYC_PAIRS(size, vectors))
        strip->run_pair = half ? functions[vectors - 1].half_pair : functions[vectors - 1].masked_pair;
    for (int kw = 0; kw < size; kw += stride) {
        for (int j = 0; j < stride * vectors; j++) {
            const CYC_NAME(shape) shape = {size, stride, (int)vectors, 1, 0, 0};
            const int mask = CYC_NAME(plane_mask)(shape, kw, j);
            if (mask >= 0)
                strip->inside[kw][mask] = CYC_NAME(lanes_inside)(first + kw + j * CYC_LANES, args->input_columns);
        }
    }
    return vectors;
}

/* The rows of a strip that stay in registers, while what those of the next band read and write is fetched. */
CYC_INLINE void CYC_NAME(plane_block)(const cyc_planes_args *args, CYC_NAME(plane) * plane,
                                      const CYC_NAME(strip) * strip, const CYC_ELEMENT *input, CYC_ELEMENT *out,
                                      ptrdiff_t reach, ptrdiff_t stride, int pair) {
    const ptrdiff_t item = sizeof(CYC_ELEMENT), columns = strip->columns;
    const ptrdiff_t later = CYC_BAND_ROWS * stride + reach; /* input rows that the band does not read */
    for (ptrdiff_t repeat = 0; repeat < strip->repeats; repeat++) {
        plane->input = input + repeat * columns * stride;
        plane->out = out + repeat * columns;
        cyc_fetch_rows(plane->out + CYC_BAND_ROWS * args->out_pitch + strip->x, args->rows, args->out_pitch * item,
                       columns * item);
        cyc_fetch_rows(plane->input + (args->top + later) * args->input_pitch + strip->first, args->rows * stride,
                       args->input_pitch * item, columns * stride * item);
        (pair ? strip->run_pair : strip->run)(args, plane, strip);
    }
}

/* The strips of a plane, or of two, band by band. Planes that are far leave the time for a call of each block. */
CYC_RARE void CYC_NAME(plane_bands)(const cyc_planes_args *args, CYC_NAME(plane) * plane,
                                    const CYC_NAME(strip) * strips, ptrdiff_t count, ptrdiff_t reach, ptrdiff_t stride,
                                    int pair) {
    const CYC_ELEMENT *const input = plane->input;
    CYC_ELEMENT *const out = plane->out;
    cyc_planes_args block = *args;
    for (ptrdiff_t band = 0; band < args->rows; band += CYC_BAND_ROWS) {
        const ptrdiff_t end = args->rows - band < CYC_BAND_ROWS ? args->rows : band + CYC_BAND_ROWS;
        for (const CYC_NAME(strip) *strip = strips; strip < strips + count; strip++) {
            for (ptrdiff_t row = band; row < end; row += block.rows) {
                block.rows = end - row < strip->rows ? end - row : strip->rows;
                block.top = args->top + row * stride;
                CYC_NAME(plane_block)(&block, plane, strip, input, out + row * args->out_pitch, reach, stride, pair);
            }
        }
    }
}

/* All planes, strip by strip. */
CYC_INLINE void CYC_NAME(planes)(const cyc_planes_args *args, const CYC_NAME(strip_fns) * functions, const int size,
                                 const int stride) {
    static const CYC_ELEMENT zeros[CYC_PLANE_REACH];
    CYC_NAME(strip) strips[CYC_PLANE_STRIPS];
    CYC_NAME(plane) plane;
    plane.zeros = zeros;
    plane.low = plane.high = (const CYC_ELEMENT *)args->input;
    if (args->input_step >= 0 && args->input_pitch >= 0 && args->input_rows > 0) {
        plane.high +=
            (args->planes - 1) / args->outputs * args->input_step + (args->input_rows - 1) * args->input_pitch;
        plane.high += args->input_columns;
    }
    plane.finite = CYC_SKIPS_ROWS(size, stride, 1) && CYC_NAME(finite)(args->weight, args->planes * size * size);
    ptrdiff_t x = 0, vectors = CYC_MOST_ROW_VECTORS;
    while (x < args->columns) {
        ptrdiff_t count = 0;
        for (; x < args->columns && count < CYC_PLANE_STRIPS; count++) {
            vectors = CYC_NAME(place_strip)(args, functions, size, stride, x, vectors, strips + count);
            x += strips[count].repeats * vectors * CYC_LANES;
        }
        for (ptrdiff_t p = 0; p < args->planes;) {
            const int pair = CYC_PAIRS(size, 1) && strips->run_pair && p + 1 < args->planes;
            plane.input = (const CYC_ELEMENT *)args->input + p / args->outputs * args->input_step;
            plane.to_other = ((p + 1) / args->outputs - p / args->outputs) * args->input_step;
            plane.weight = (const CYC_ELEMENT *)args->weight + p * size * size;
            plane.out = (CYC_ELEMENT *)args->out + p * args->out_step;
            plane.bias = (const CYC_ELEMENT *)args->bias + p;
            if (args->fetches)
                CYC_NAME(plane_bands)(args, &plane, strips, count, size - stride, stride, pair);
            else
                for (ptrdiff_t i = 0; i < count; i++)
                    (pair ? strips[i].run_pair : strips[i].run)(args, &plane, strips + i);
            p += 1 + pair;
        }
    }
}

#if CYC_MOST_ROW_VECTORS == 4
#define CYC_PLANE_VECTORS(X, SIZE, STRIDE) X(SIZE, STRIDE, 1) X(SIZE, STRIDE, 2) X(SIZE, STRIDE, 4)
#else
#define CYC_PLANE_VECTORS(X, SIZE, STRIDE) X(SIZE, STRIDE, 1) X(SIZE, STRIDE, 2)
#endif

#define CYC_PLANE_STRIP(SIZE, STRIDE, V, NAME, MASKED, HALF, PAIR)                                         \
    static void CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_##NAME)(                                          \
        const cyc_planes_args *args, const CYC_NAME(plane) * plane, const CYC_NAME(strip) * strip) {       \
        if ((PAIR && !CYC_PAIRS(SIZE, V)) || (HALF && !CYC_HALVES_STRIPS)) return;                         \
        CYC_NAME(plane_strip)(args, plane, strip, (CYC_NAME(shape)){SIZE, STRIDE, V, MASKED, HALF, PAIR}); \
    }
#define CYC_PLANE_STRIPS_OF(SIZE, STRIDE, V)               \
    CYC_PLANE_STRIP(SIZE, STRIDE, V, inner, 0, 0, 0)       \
    CYC_PLANE_STRIP(SIZE, STRIDE, V, masked, 1, 0, 0)      \
    CYC_PLANE_STRIP(SIZE, STRIDE, V, half, 1, 1, 0)        \
    CYC_PLANE_STRIP(SIZE, STRIDE, V, inner_pair, 0, 0, 1)  \
    CYC_PLANE_STRIP(SIZE, STRIDE, V, masked_pair, 1, 0, 1) \
    CYC_PLANE_STRIP(SIZE, STRIDE, V, half_pair, 1, 1, 1)
#define CYC_PLANE_ENTRY(SIZE, STRIDE, V)                                                                             \
    [V - 1] = {                                                                                                      \
        CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_inner),       CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_masked),     \
        CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_half),        CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_inner_pair), \
        CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_masked_pair), CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_half_pair)},
#define CYC_PLANES_FUNCTION(SIZE, STRIDE, VECTORS)                                                                   \
    VECTORS(CYC_PLANE_STRIPS_OF, SIZE, STRIDE)                                                                       \
    static void CYC_NAME(planes_##SIZE##_stride_##STRIDE)(const cyc_planes_args *args) {                             \
        static const CYC_NAME(strip_fns) functions[CYC_MOST_ROW_VECTORS] = {VECTORS(CYC_PLANE_ENTRY, SIZE, STRIDE)}; \
        CYC_NAME(planes)(args, functions, SIZE, STRIDE);                                                             \
    }
#define CYC_SMALL_PLANES(SIZE, STRIDE) CYC_PLANES_FUNCTION(SIZE, STRIDE, CYC_PLANE_VECTORS)
#define CYC_ONE_VECTOR(X, SIZE, STRIDE) X(SIZE, STRIDE, 1)
#define CYC_LARGE_PLANES(SIZE, STRIDE) CYC_PLANES_FUNCTION(SIZE, STRIDE, CYC_ONE_VECTOR)
#define CYC_PLANE_SIZES(X) CYC_UNROLLED_ROWS(X) CYC_LARGE_PLANE_SIZES(X)
CYC_UNROLLED_ROWS(CYC_SMALL_PLANES)
CYC_LARGE_PLANE_SIZES(CYC_LARGE_PLANES)
#undef CYC_LARGE_PLANES
#undef CYC_ONE_VECTOR
#undef CYC_SMALL_PLANES
#undef CYC_PLANES_FUNCTION
#undef CYC_PLANE_ENTRY
#undef CYC_PLANE_STRIPS_OF
#undef CYC_PLANE_STRIP
#undef CYC_PLANE_VECTORS
#undef CYC_PLANE_STRIPS
#undef CYC_PAIRS
#undef CYC_HALVES_STRIPS
#undef CYC_PLANE_REACH
#undef CYC_PLANE_MASKS

#else
#define CYC_PLANE_SIZES(X) {NULL}
#endif
