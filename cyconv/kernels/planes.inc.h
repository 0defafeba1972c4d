/* The plane microkernel, for one compute dtype of one instruction set (see kernels.h).
 *
 * The row kernel for planes that it reads where they lie: a depthwise layer uses each element so few
 * times that a copy into a window would cost as much as the products. Lanes in the padding are masked
 * out of the loads, and a stride of two is split into even and odd lanes in registers.
 */

#if CYC_FLOATING && defined(CYC_MASKED_LOADS)

#define CYC_ROWS CYC_ROW_BLOCK

/* Part of a plane: all rows of `repeats` times V vectors of columns. */
typedef struct {
    const CYC_ELEMENT *plane, *weight;
    const CYC_ELEMENT *zeros; /* a row of padding */
    CYC_ELEMENT *out;         /* first column of the strip */
    ptrdiff_t first;          /* input column under the first tap */
    ptrdiff_t columns;        /* of the result, from the strip on */
    ptrdiff_t repeats;
    CYC_ELEMENT bias;
    uint64_t inside[CYC_MAX_PLANE_KERNEL][CYC_MAX_PLANE_STRIDE]; /* the lanes that lie in the input, for V vectors */
} CYC_NAME(strip);

typedef void (*CYC_NAME(strip_fn))(const cyc_planes_args *, const CYC_NAME(strip) *);

/* What a tap reads of a row, stride * V vectors. With masked, they leave out what lies outside: all of up
 * to two, of more the first and the last `stride`. */
CYC_INLINE void CYC_NAME(plane_load)(CYC_VECTOR *lanes, const CYC_ELEMENT *row, const uint64_t *inside,
                                     const int vectors, const int stride, const int masked) {
    CYC_UNROLL for (int j = 0; j < stride * vectors; j++) {
        const CYC_ELEMENT *p = row + j * CYC_LANES;
        if (masked && (vectors <= 2 || j == 0 || j >= stride * (vectors - 1)))
            lanes[j] = CYC_OP(load_lanes)(p, inside[j / vectors] >> j % vectors * CYC_LANES);
        else
            lanes[j] = CYC_OP(load)(p);
        if (stride == 1) CYC_KEEP(lanes[j]);
    }
}

/* Even or odd lanes of each pair of vectors. */
CYC_INLINE void CYC_NAME(plane_split)(CYC_VECTOR *column, const CYC_VECTOR *lanes, const int odd, const int vectors) {
    CYC_UNROLL for (int j = 0; j < vectors; j++)
        column[j] = odd ? CYC_OP(odd)(lanes[2 * j], lanes[2 * j + 1]) : CYC_OP(even)(lanes[2 * j], lanes[2 * j + 1]);
}

CYC_INLINE void CYC_NAME(plane_products)(CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS], const CYC_VECTOR *column,
                                         const CYC_ELEMENT *weight, const ptrdiff_t weight_step, const int first,
                                         const int last, const int vectors) {
    CYC_UNROLL for (int r = first; r <= last; r++) {
        const CYC_VECTOR scalar = CYC_OP(broadcast)(weight - r * weight_step);
        CYC_UNROLL for (int j = 0; j < vectors; j++)
            sum[r][j] = CYC_OP(multiply_add)(scalar, column[j], sum[r][j]);
    }
}

/* `stride` taps of one input row, from kw on, for the output rows first..last. */
CYC_INLINE void CYC_NAME(plane_taps)(CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS], const CYC_ELEMENT *row,
                                     const CYC_NAME(strip) *strip, const CYC_ELEMENT *weight, ptrdiff_t kw,
                                     const int first, const int last, const int size, const int stride,
                                     const int vectors, const int masked) {
    const ptrdiff_t step = stride * size; /* of the weight, from one output row to the next */
    CYC_VECTOR lanes[CYC_MAX_PLANE_STRIDE * CYC_MAX_TILE_VECTORS], column[CYC_MAX_TILE_VECTORS];
    CYC_NAME(plane_load)(lanes, row + kw, strip->inside[kw], vectors, stride, masked);
    if (stride == 1) {
        CYC_NAME(plane_products)(sum, lanes, weight + kw, step, first, last, vectors);
        return;
    }
    CYC_NAME(plane_split)(column, lanes, 0, vectors);
    CYC_NAME(plane_products)(sum, column, weight + kw, step, first, last, vectors);
    if (kw + 1 == size) return;
    CYC_NAME(plane_split)(column, lanes, 1, vectors); /* the even lanes of the next tap */
    CYC_NAME(plane_products)(sum, column, weight + kw + 1, step, first, last, vectors);
}

CYC_INLINE void CYC_NAME(plane_strip)(const cyc_planes_args *args, const CYC_NAME(strip) *strip, const int size,
                                      const int stride, const int vectors, const int masked) {
    const CYC_ELEMENT *clamp = (const CYC_ELEMENT *)args->clamp;
    const CYC_VECTOR low = CYC_OP(broadcast)(clamp), high = CYC_OP(broadcast)(clamp + 1);
    const CYC_VECTOR bias = CYC_OP(broadcast)(&strip->bias);
    /* more unrolled taps would keep so many weights and addresses in registers that sums spill */
    const int unrolled = vectors * size <= 3 * CYC_MOST_ROW_VECTORS;
    const CYC_ELEMENT *input[(CYC_ROWS - 1) * CYC_MAX_PLANE_STRIDE + CYC_MAX_PLANE_KERNEL];
    CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS];
    for (ptrdiff_t next = 0; next < args->rows; next += CYC_ROWS) {
        /* the last block overlaps the one before, so as to be whole */
        const ptrdiff_t row = next < args->rows - CYC_ROWS ? next : args->rows - CYC_ROWS;
        const ptrdiff_t top = row * stride + args->top;
        for (ptrdiff_t repeat = 0; repeat < strip->repeats; repeat++) {
            const ptrdiff_t x = repeat * vectors * CYC_LANES;
            const ptrdiff_t left = strip->columns - x - (vectors - 1) * CYC_LANES; /* columns of the last vector */
            CYC_UNROLL for (int i = 0; i < (CYC_ROWS - 1) * stride + size; i++) {
                const CYC_ELEMENT *in = strip->plane + (top + i) * args->input_pitch + strip->first + x * stride;
                input[i] = top + i < 0 || top + i >= args->input_rows ? strip->zeros : in;
            }
            CYC_UNROLL for (int r = 0; r < CYC_ROWS; r++) {
                CYC_UNROLL for (int j = 0; j < vectors; j++) sum[r][j] = CYC_OP(zero)();
            }
            CYC_UNROLL for (int i = 0; i < (CYC_ROWS - 1) * stride + size; i++) {
                const int first = i < size ? 0 : (i - size) / stride + 1;
                const int last = i / stride < CYC_ROWS ? i / stride : CYC_ROWS - 1;
                const CYC_ELEMENT *weight = strip->weight + i * size;
                if (unrolled) {
                    CYC_UNROLL for (int kw = 0; kw < size; kw += stride)
                        CYC_NAME(plane_taps)(sum, input[i], strip, weight, kw, first, last, size, stride, vectors, masked);
                } else {
                    CYC_NO_UNROLL for (int kw = 0; kw < size; kw += stride)
                        CYC_NAME(plane_taps)(sum, input[i], strip, weight, kw, first, last, size, stride, vectors, masked);
                }
            }
            CYC_UNROLL for (int r = 0; r < CYC_ROWS; r++) {
                CYC_ELEMENT *out = strip->out + (row + r) * args->out_pitch + x;
                CYC_UNROLL for (int j = 0; j < vectors; j++) {
                    sum[r][j] = CYC_OP(clamp)(CYC_OP(add)(sum[r][j], bias), low, high);
                    if (j < vectors - 1 || left >= CYC_LANES)
                        CYC_OP(store)(out + j * CYC_LANES, sum[r][j]);
                    else
                        CYC_OP(store_first)(out + j * CYC_LANES, sum[r][j], left);
                }
            }
        }
    }
}

/* Bit l: column first + l lies in 0 .. columns. */
CYC_INLINE uint64_t CYC_NAME(lanes_inside)(ptrdiff_t first, ptrdiff_t columns) {
    const ptrdiff_t low = first < 0 ? -first : 0, high = columns - first;
    if (low > 63 || high <= low) return 0;
    return ~(uint64_t)0 << low & (high < 64 ? ~(~(uint64_t)0 << high) : ~(uint64_t)0);
}

/* All planes, strip by strip; strips[V - 1] has the functions for V vectors, without and with masks. */
CYC_INLINE void CYC_NAME(planes)(const cyc_planes_args *args, const CYC_NAME(strip_fn) strips[][2], const int size,
                                 const int stride) {
    static const CYC_ELEMENT zeros[CYC_MAX_PLANE_STRIDE * CYC_MOST_ROW_VECTORS * CYC_LANES + CYC_MAX_PLANE_KERNEL];
    CYC_NAME(strip) strip;
    strip.zeros = zeros;
    for (ptrdiff_t p = 0; p < args->planes; p++) {
        strip.plane = (const CYC_ELEMENT *)args->input + p * args->input_step;
        strip.weight = (const CYC_ELEMENT *)args->weight + p * size * size;
        strip.bias = ((const CYC_ELEMENT *)args->bias)[p];
        for (ptrdiff_t x = 0, vectors = CYC_MOST_ROW_VECTORS; x < args->columns;) {
            const ptrdiff_t first = x * stride + args->left, room = args->input_columns - (first + size - 1);
            while (args->columns - x <= (vectors - 1) * CYC_LANES) vectors /= 2;
            /* of more than two vectors, those between the ends have no masks */
            while (vectors > 2 && (first < -CYC_LANES || room < stride * (vectors - 1) * CYC_LANES)) vectors /= 2;
            const ptrdiff_t columns = vectors * CYC_LANES, whole = (args->columns - x) / columns;
            const int inner = first >= 0 && room >= stride * columns;
            if (inner)
                strip.repeats = whole < room / (stride * columns) ? whole : room / (stride * columns);
            if (!inner || strip.repeats < 1) strip.repeats = 1;
            for (int kw = 0; kw < size && !inner; kw += stride) {
                CYC_UNROLL for (int part = 0; part < stride; part++)
                    strip.inside[kw][part] = CYC_NAME(lanes_inside)(first + kw + part * columns, args->input_columns);
            }
            strip.out = (CYC_ELEMENT *)args->out + p * args->out_step + x;
            strip.first = first;
            strip.columns = args->columns - x;
            strips[vectors - 1][!inner](args, &strip);
            x += strip.repeats * columns;
        }
    }
}

#define CYC_PLANE_SIZES(X) X(3, 1) X(3, 2) X(5, 1) X(5, 2) X(7, 1)
#if CYC_MOST_ROW_VECTORS == 4
#define CYC_PLANE_VECTORS(X, SIZE, STRIDE) X(SIZE, STRIDE, 1) X(SIZE, STRIDE, 2) X(SIZE, STRIDE, 4)
#else
#define CYC_PLANE_VECTORS(X, SIZE, STRIDE) X(SIZE, STRIDE, 1) X(SIZE, STRIDE, 2)
#endif

#define CYC_PLANE_STRIP(SIZE, STRIDE, V, MASKED)                                                    \
    static void CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_##MASKED)(const cyc_planes_args *args,     \
                                                                   const CYC_NAME(strip) * strip) { \
        CYC_NAME(plane_strip)(args, strip, SIZE, STRIDE, V, MASKED);                                \
    }
#define CYC_PLANE_STRIPS(SIZE, STRIDE, V) CYC_PLANE_STRIP(SIZE, STRIDE, V, 0) CYC_PLANE_STRIP(SIZE, STRIDE, V, 1)
#define CYC_PLANE_ENTRY(SIZE, STRIDE, V) \
    [V - 1] = {CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_0), CYC_NAME(strip_##SIZE##_##STRIDE##_##V##_1)},
#define CYC_PLANES_FUNCTION(SIZE, STRIDE)                                                           \
    CYC_PLANE_VECTORS(CYC_PLANE_STRIPS, SIZE, STRIDE)                                               \
    static void CYC_NAME(planes_##SIZE##_stride_##STRIDE)(const cyc_planes_args *args) {            \
        static const CYC_NAME(strip_fn) strips[CYC_MOST_ROW_VECTORS][2] = {                         \
            CYC_PLANE_VECTORS(CYC_PLANE_ENTRY, SIZE, STRIDE)};                                      \
        CYC_NAME(planes)(args, strips, SIZE, STRIDE);                                               \
    }
CYC_PLANE_SIZES(CYC_PLANES_FUNCTION)
#undef CYC_PLANES_FUNCTION
#undef CYC_PLANE_ENTRY
#undef CYC_PLANE_STRIPS
#undef CYC_PLANE_STRIP
#undef CYC_PLANE_VECTORS
#undef CYC_ROWS

#else
#define CYC_PLANE_SIZES(X) {NULL}
#endif
