/* A strip of the plane microkernel, for one compute dtype of one instruction set (see kernels.h): the part of every
 * plane that V vectors of columns cover, its rows by blocks that stay in registers. planes.inc.h lays strips out.
 *
 * Lanes in the padding are masked out of the loads, and a stride of two is split into even and odd lanes in registers.
 *
 * Where a mask is an instruction of its own (CYC_CLEARS_LANES), lanes are read with what lies around the row and
 * cleared afterwards, and only those of the vectors that half a kernel of padding reaches; lanes beyond the result may
 * hold anything. A row that is the first or the last of all planes, or has more padding, is copied between zeros.
 */

/* Vectors of a tap that have masks, at most: all of up to two, of more the first and the last; times the stride. With
 * CYC_CLEARS_LANES all, or the first, in which half a kernel of padding has to end. */
#define CYC_PLANE_MASKS ((CYC_CLEARS_LANES ? CYC_MOST_ROW_VECTORS : 2) * CYC_MAX_PLANE_STRIDE)

#define CYC_PAIRS(SIZE, V) CYC_PAIRS_PLANES(CYC_REGISTERS, SIZE, V)
#ifdef CYC_HALF_VECTORS
#define CYC_HALVES_STRIPS 1
#else
#define CYC_HALVES_STRIPS 0
#endif

typedef struct {
    const CYC_ELEMENT *input, *weight;
    const CYC_ELEMENT *zeros; /* a row of padding; known to the strips, it would become another path through them */
    CYC_ELEMENT *out;
    const CYC_ELEMENT *bias;
    ptrdiff_t to_other; /* from the input to that of the next plane, if both are computed together */
    const CYC_ELEMENT *low, *high; /* what lies between them may be read */
    int finite; /* its products with padding are zeros */
} CYC_NAME(plane);

/* Part of every plane: all rows of `repeats` times V vectors of columns. */
typedef struct CYC_NAME(strip) {
    void (*run)(const cyc_planes_args *, const CYC_NAME(plane) *, const struct CYC_NAME(strip) *);
    void (*run_pair)(const cyc_planes_args *, const CYC_NAME(plane) *, const struct CYC_NAME(strip) *); /* or NULL */
    ptrdiff_t x;       /* first column of the result */
    ptrdiff_t first;   /* input column under the first tap */
    ptrdiff_t last;    /* columns of the last vector */
    ptrdiff_t repeats;
    ptrdiff_t columns; /* of one repeat: its vectors */
    ptrdiff_t rows;    /* that it keeps in registers */
    int copies; /* all its rows: too much padding for the masks */
    CYC_LANE_SET inside[CYC_MAX_PLANE_KERNEL][CYC_PLANE_MASKS]; /* the lanes that lie in the input */
} CYC_NAME(strip);

typedef void (*CYC_NAME(strip_fn))(const cyc_planes_args *, const CYC_NAME(plane) *, const CYC_NAME(strip) *);

/* What an instantiation of the strip is made for; all constants. */
typedef struct {
    int size, stride, vectors;
    int masked; /* lanes may lie outside the input */
    int half;   /* the result ends in the lower half of the last vector */
    int pair;   /* two planes together: twice the sums that do not wait for each other */
} CYC_NAME(shape);

/* The mask of vector j of the tap at column kw, or of the two taps from there on; -1: none. */
CYC_INLINE int CYC_NAME(plane_mask)(const CYC_NAME(shape) shape, const int kw, const int j) {
    const int middle = shape.stride * (shape.vectors - 2);
    if (!shape.masked) return -1;
    if (CYC_CLEARS_LANES) {
        const int last = kw + shape.stride > shape.size ? kw : kw + shape.stride - 1;
        const int half = shape.size / 2;
        return (j < shape.stride && kw < half) || last > half ? j : -1;
    }
    if (shape.vectors <= 2 || j < shape.stride) return j;
    return j < shape.stride + middle ? -1 : j - middle;
}

/* Columns of the input, or sums, of a row: V vectors, or V - 1 and a half. */
typedef struct {
    CYC_VECTOR whole[CYC_MAX_TILE_VECTORS];
    CYC_HALF half;
} CYC_NAME(row);

/* What a tap reads of a row, stride * V vectors. */
CYC_INLINE void CYC_NAME(plane_load)(CYC_VECTOR *lanes, const CYC_ELEMENT *row, const CYC_LANE_SET *inside,
                                     const int kw, const int count, const CYC_NAME(shape) shape) {
    CYC_UNROLL for (int j = 0; j < count; j++) {
        const CYC_ELEMENT *p = row + j * CYC_LANES;
        const int mask = CYC_NAME(plane_mask)(shape, kw, j);
        lanes[j] = mask < 0 ? CYC_OP(load)(p) : CYC_OP(load_around)(p, inside[mask]);
        if (shape.stride == 1) CYC_KEEP(lanes[j]);
    }
}

CYC_INLINE void CYC_NAME(plane_products)(CYC_NAME(row) *sum, const CYC_NAME(row) *column, const CYC_ELEMENT *weight,
                                         const int first, const int last, const CYC_NAME(shape) shape) {
    const ptrdiff_t step = shape.stride * shape.size; /* of the weight, from one output row to the next */
    CYC_UNROLL for (int r = first; r <= last; r++) {
        const CYC_VECTOR scalar = CYC_OP(broadcast)(weight - r * step);
        CYC_UNROLL for (int j = 0; j < shape.vectors - shape.half; j++)
            sum[r].whole[j] = CYC_OP(multiply_add)(scalar, column->whole[j], sum[r].whole[j]);
        if (shape.half) {
            const CYC_HALF half = shape.vectors > 1 ? CYC_OP(half)(scalar) : CYC_OP(half_broadcast)(weight - r * step);
            sum[r].half = CYC_OP(half_multiply_add)(half, column->half, sum[r].half);
        }
    }
}

/* The taps of stride 1: one input row at column kw. */
CYC_INLINE void CYC_NAME(plane_tap)(CYC_NAME(row) *sum, const CYC_ELEMENT *row, const CYC_LANE_SET *inside,
                                    const CYC_ELEMENT *weight, const int kw, const int first, const int last,
                                    const CYC_NAME(shape) shape) {
    const int whole = shape.vectors - shape.half;
    CYC_NAME(row) column;
    CYC_NAME(plane_load)(column.whole, row, inside, kw, whole, shape);
    if (shape.half) {
        const int mask = CYC_NAME(plane_mask)(shape, kw, whole);
        column.half = CYC_OP(half_load_lanes)(row + whole * CYC_LANES, inside[mask]);
        CYC_KEEP(column.half);
    }
    CYC_NAME(plane_products)(sum, &column, weight, first, last, shape);
}

/* Even or odd lanes of each pair of vectors. */
CYC_INLINE void CYC_NAME(plane_split)(CYC_NAME(row) *column, const CYC_VECTOR *lanes, const int odd,
                                      const CYC_NAME(shape) shape) {
    const int whole = shape.vectors - shape.half;
    CYC_UNROLL for (int j = 0; j < shape.vectors; j++) {
        const CYC_VECTOR low = lanes[2 * j], high = j < whole ? lanes[2 * j + 1] : low;
        const CYC_VECTOR picked = odd ? CYC_OP(odd)(low, high) : CYC_OP(even)(low, high);
        if (j < whole)
            column->whole[j] = picked;
        else
            column->half = CYC_OP(half)(picked);
    }
}

/* The taps of stride 2: an input row at columns kw and, if there is one, kw + 1. */
CYC_INLINE void CYC_NAME(plane_tap_pair)(CYC_NAME(row) *sum, const CYC_ELEMENT *row, const CYC_LANE_SET *inside,
                                         const CYC_ELEMENT *weight, const int kw, const int first, const int last,
                                         const CYC_NAME(shape) shape) {
    CYC_VECTOR lanes[CYC_MAX_PLANE_STRIDE * CYC_MAX_TILE_VECTORS];
    CYC_NAME(row) column;
    CYC_NAME(plane_load)(lanes, row, inside, kw, 2 * shape.vectors - shape.half, shape);
    CYC_NAME(plane_split)(&column, lanes, 0, shape);
    CYC_NAME(plane_products)(sum, &column, weight, first, last, shape);
    if (kw + 1 == shape.size) return;
    CYC_NAME(plane_split)(&column, lanes, 1, shape); /* the even lanes of the next tap */
    CYC_NAME(plane_products)(sum, &column, weight + 1, first, last, shape);
}

/* One input row, for the output rows first..last. */
CYC_INLINE void CYC_NAME(plane_taps)(CYC_NAME(row) *sum, const CYC_ELEMENT *row, const CYC_NAME(strip) *strip,
                                     const CYC_ELEMENT *weight, ptrdiff_t kw, const int first, const int last,
                                     const CYC_NAME(shape) shape) {
    if (shape.stride == 1)
        CYC_NAME(plane_tap)(sum, row + kw, strip->inside[kw], weight + kw, (int)kw, first, last, shape);
    else
        CYC_NAME(plane_tap_pair)(sum, row + kw, strip->inside[kw], weight + kw, (int)kw, first, last, shape);
}

CYC_INLINE void CYC_NAME(plane_start)(CYC_NAME(row) *sum, const CYC_NAME(shape) shape) {
    const int rows = CYC_PLANE_ROWS(shape.vectors);
    CYC_UNROLL for (int r = 0; r < rows; r++) {
        CYC_UNROLL for (int j = 0; j < shape.vectors; j++) sum[r].whole[j] = CYC_OP(zero)();
        sum[r].half = CYC_OP(half)(CYC_OP(zero)());
    }
}

/* The end of a chunk: add the sums of a row, of one vector or half of one, to its total, and begin again. */
CYC_INLINE void CYC_NAME(plane_fold)(CYC_NAME(row) *total, CYC_NAME(row) *sum, const CYC_NAME(shape) shape) {
    if (shape.half) {
        total->half = CYC_OP(half)(CYC_OP(add)(CYC_OP(whole)(total->half), CYC_OP(whole)(sum->half)));
        sum->half = CYC_OP(half)(CYC_OP(zero)());
    } else {
        total->whole[0] = CYC_OP(add)(total->whole[0], sum->whole[0]);
        sum->whole[0] = CYC_OP(zero)();
    }
}

/* One input row at the columns [from, to) of the kernel, of one plane or of two. */
CYC_INLINE void CYC_NAME(plane_columns)(CYC_NAME(row) *sum, CYC_NAME(row) *other, const CYC_ELEMENT *input,
                                        const CYC_ELEMENT *other_input, const CYC_NAME(strip) *strip,
                                        const CYC_ELEMENT *weight, const int from, const int to, const int first,
                                        const int last, const CYC_NAME(shape) shape) {
    const int square = shape.size * shape.size;
    /* rolled, each tap would have to find out which of its vectors have masks */
    const int masks_differ = CYC_CLEARS_LANES && shape.masked && shape.size <= 7;
    if (masks_differ || CYC_UNROLLS_TAPS(CYC_MOST_ROW_VECTORS, shape.size, shape.vectors)) {
        CYC_UNROLL for (int kw = from; kw < to; kw += shape.stride) {
            CYC_NAME(plane_taps)(sum, input, strip, weight, kw, first, last, shape);
            if (shape.pair) CYC_NAME(plane_taps)(other, other_input, strip, weight + square, kw, first, last, shape);
        }
    } else {
        CYC_NO_UNROLL for (int kw = from; kw < to; kw += shape.stride) {
            CYC_NAME(plane_taps)(sum, input, strip, weight, kw, first, last, shape);
            if (shape.pair) CYC_NAME(plane_taps)(other, other_input, strip, weight + square, kw, first, last, shape);
        }
    }
}

CYC_INLINE void CYC_NAME(plane_finish)(const cyc_planes_args *args, const CYC_NAME(strip) *strip,
                                       const CYC_NAME(row) *sum, const CYC_VECTOR bias, CYC_ELEMENT *out,
                                       const CYC_NAME(shape) shape) {
    const int vectors = shape.vectors, rows = CYC_PLANE_ROWS(vectors);
    const int stored = args->rows < rows ? (int)args->rows : rows;
    const CYC_ELEMENT *clamp = (const CYC_ELEMENT *)args->clamp;
    CYC_UNROLL for (int r = 0; r < rows; r++, out += args->out_pitch) {
        if (r == stored) break;
        CYC_UNROLL for (int j = 0; j < vectors; j++) {
            CYC_VECTOR result = shape.half && j == vectors - 1 ? CYC_OP(whole)(sum[r].half) : sum[r].whole[j];
            result = CYC_OP(add)(result, bias);
            if (clamp) result = CYC_NAME(clamped)(result, clamp);
            if (shape.masked && j == vectors - 1 && strip->last < CYC_LANES)
                CYC_OP(store_first)(out + j * CYC_LANES, result, strip->last);
            else
                CYC_OP(store)(out + j * CYC_LANES, result);
        }
    }
}

/* What the taps of a strip read of a row, at most. */
#define CYC_PLANE_REACH (CYC_MAX_PLANE_STRIDE * CYC_MOST_ROW_VECTORS * CYC_LANES + CYC_MAX_PLANE_KERNEL)

/* Copies what a strip may read of a row, between zeros. */
CYC_RARE void CYC_NAME(plane_copy)(const CYC_ELEMENT *row, ptrdiff_t first, ptrdiff_t columns, CYC_ELEMENT *copy) {
    for (ptrdiff_t x = 0; x < CYC_PLANE_REACH; x++) copy[x] = first + x >= 0 && first + x < columns ? row[x] : 0;
}

/* The row of the input that a strip reads, or a copy. */
CYC_INLINE const CYC_ELEMENT *CYC_NAME(plane_row)(const cyc_planes_args *args, const CYC_NAME(plane) *plane,
                                                  const CYC_NAME(strip) *strip, const CYC_ELEMENT *row,
                                                  CYC_ELEMENT *copy, const CYC_NAME(shape) shape) {
    const ptrdiff_t reach = shape.stride * shape.vectors * CYC_LANES + shape.size;
    if (!CYC_CLEARS_LANES || !shape.masked) return row;
    if (!strip->copies && row >= plane->low && row + reach <= plane->high) return row;
    CYC_NAME(plane_copy)(row, strip->first, args->input_columns, copy);
    return copy;
}

CYC_INLINE void CYC_NAME(plane_strip)(const cyc_planes_args *args, const CYC_NAME(plane) *plane,
                                      const CYC_NAME(strip) *strip, const CYC_NAME(shape) shape) {
    const int size = shape.size, stride = shape.stride, vectors = shape.vectors, rows = CYC_PLANE_ROWS(vectors);
    const size_t input_rows = (size_t)args->input_rows;
    const ptrdiff_t pitch = args->input_pitch;
    const CYC_ELEMENT *zeros = plane->zeros;
    const int inputs = (rows - 1) * stride + size;
    const CYC_VECTOR bias = CYC_OP(broadcast)(plane->bias);
    const int chunks = (size * size + CYC_CHUNK - 1) / CYC_CHUNK; /* of more than one, stride and vectors are 1 */
    const int skips = CYC_SKIPS_ROWS(size, stride, vectors);
    /* the last block overlaps the one before, so as to be whole if the result has as many rows */
    const ptrdiff_t whole = args->rows > rows ? args->rows - rows : 0;
    const ptrdiff_t repeats = args->fetches ? 1 : strip->repeats; /* one at a time, if each is fetched for */
    for (ptrdiff_t next = 0; next < args->rows; next += rows) {
        const ptrdiff_t row = next < whole ? next : whole, top = row * stride + args->top;
        for (ptrdiff_t repeat = 0; repeat < repeats; repeat++) {
            const ptrdiff_t x = repeat * vectors * CYC_LANES;
            const CYC_ELEMENT *from = plane->input + top * args->input_pitch + strip->first + x * stride;
            CYC_ELEMENT *out = plane->out + row * args->out_pitch + strip->x + x;
            CYC_NAME(row) sum[CYC_MOST_PLANE_ROWS], other[CYC_MOST_PLANE_ROWS];
            CYC_NAME(row) total[CYC_MOST_PLANE_ROWS], other_total[CYC_MOST_PLANE_ROWS]; /* of earlier chunks */
            CYC_NAME(plane_start)(sum, shape);
            if (shape.pair) CYC_NAME(plane_start)(other, shape);
            if (chunks > 1) CYC_NAME(plane_start)(total, shape);
            if (chunks > 1 && shape.pair) CYC_NAME(plane_start)(other_total, shape);
            CYC_UNROLL for (int i = 0; i < inputs; i++, from += pitch) {
                const int inside = (size_t)(top + i) < input_rows;
                const int left_out = skips && !inside && plane->finite;
                if (chunks == 1 && left_out) continue;
                CYC_ELEMENT copy[CYC_PLANE_REACH], other_copy[CYC_PLANE_REACH];
                const CYC_ELEMENT *input = zeros, *other_input = zeros;
                if (inside) {
                    input = CYC_NAME(plane_row)(args, plane, strip, from, copy, shape);
                    if (shape.pair)
                        other_input =
                            CYC_NAME(plane_row)(args, plane, strip, from + plane->to_other, other_copy, shape);
                }
                const int first = i < size ? 0 : (i - size) / stride + 1;
                const int last = i / stride < rows ? i / stride : rows - 1;
                const CYC_ELEMENT *weight = plane->weight + i * size;
                int done = 0;
                if ((shape.half && vectors > 1) || CYC_REGISTERS < 32) CYC_FORGET(weight);
                /* output rows in whose kernel row a chunk ends, the later chunk first: it ends further to the left */
                CYC_UNROLL for (int chunk = 2; chunk > 0; chunk--) {
                    const int r = i - chunk * CYC_CHUNK / size, end = chunk * CYC_CHUNK % size;
                    if (chunk >= chunks || r < 0 || r >= rows) continue;
                    if (!left_out)
                        CYC_NAME(plane_columns)(sum, other, input, other_input, strip, weight, done, end, first, last, shape);
                    CYC_NAME(plane_fold)(total + r, sum + r, shape);
                    if (shape.pair) CYC_NAME(plane_fold)(other_total + r, other + r, shape);
                    done = end;
                }
                if (!left_out)
                    CYC_NAME(plane_columns)(sum, other, input, other_input, strip, weight, done, size, first, last, shape);
            }
            if (chunks > 1) {
                CYC_UNROLL for (int r = 0; r < rows; r++) {
                    CYC_NAME(plane_fold)(total + r, sum + r, shape);
                    sum[r] = total[r];
                    if (shape.pair) {
                        CYC_NAME(plane_fold)(other_total + r, other + r, shape);
                        other[r] = other_total[r];
                    }
                }
            }
            CYC_NAME(plane_finish)(args, strip, sum, bias, out, shape);
            if (shape.pair)
                CYC_NAME(plane_finish)(args, strip, other, CYC_OP(broadcast)(plane->bias + 1), out + args->out_step,
                                       shape);
        }
    }
}
