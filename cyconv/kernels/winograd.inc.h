/* The transforms of Winograd's F(4x4, 3x3), for one floating compute dtype of one instruction set
 * (see transforms.h): six by six inputs of a tile give four by four outputs by 36 products instead of 144.
 *
 * A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016; the matrices are
 * those of the Toom-Cook construction for the points 0, +-A, +-B and infinity. A = 11/16 and B = 3/2
 * lie where the products' rounding errors grow least (docs/accuracy.md), and their powers are exact.
 *
 * Tiles lie side by side in the lanes, so each transform is the same few operations on whole vectors,
 * once down the columns and once along the rows of a tile.
 */

#define CYC_A ((CYC_ELEMENT)0.6875)
#define CYC_B ((CYC_ELEMENT)1.5)
#define CYC_A2 (CYC_A * CYC_A)
#define CYC_B2 (CYC_B * CYC_B)
#define CYC_A3 (CYC_A2 * CYC_A)
#define CYC_B3 (CYC_B2 * CYC_B)
#define CYC_CONSTANT(name, value)             \
    const CYC_ELEMENT name##_value = (value); \
    const CYC_VECTOR name = CYC_OP(broadcast)(&name##_value);

/* Six inputs to two of the six factors, which have their terms in common: those at 0 and infinity (pair 0), at +-A
 * (1) or at +-B (2). A factor is the polynomial with every other point as a root. */
CYC_INLINE void CYC_NAME(winograd_input_pair)(const CYC_VECTOR in[CYC_WINOGRAD_IN], const int pair, CYC_VECTOR out[2]) {
    CYC_CONSTANT(point, pair == 1 ? CYC_A : CYC_B)
    CYC_CONSTANT(minus_point, pair == 1 ? -CYC_A : -CYC_B)
    CYC_CONSTANT(minus_other, pair == 1 ? -CYC_B2 : -CYC_A2)
    CYC_CONSTANT(product, CYC_A2 * CYC_B2)
    CYC_CONSTANT(minus_sum, -(CYC_A2 + CYC_B2))
    if (pair == 0) {
        out[0] = CYC_OP(multiply_add)(product, in[0], CYC_OP(multiply_add)(minus_sum, in[2], in[4]));
        out[1] = CYC_OP(multiply_add)(product, in[1], CYC_OP(multiply_add)(minus_sum, in[3], in[5]));
    } else {
        const CYC_VECTOR even = CYC_OP(multiply_add)(minus_other, in[2], in[4]);
        const CYC_VECTOR odd = CYC_OP(multiply_add)(minus_other, in[1], in[3]);
        out[0] = CYC_OP(multiply_add)(point, odd, even);
        out[1] = CYC_OP(multiply_add)(minus_point, odd, even);
    }
}

/* The factors of a pair. */
#define CYC_PAIR_FIRST(PAIR) ((PAIR) == 0 ? 0 : 2 * (PAIR) - 1)
#define CYC_PAIR_SECOND(PAIR) ((PAIR) == 0 ? 5 : 2 * (PAIR))

CYC_INLINE void CYC_NAME(winograd_input_1d)(const CYC_VECTOR in[CYC_WINOGRAD_IN], CYC_VECTOR out[CYC_WINOGRAD_IN]) {
    CYC_UNROLL for (int pair = 0; pair < 3; pair++) {
        CYC_VECTOR two[2];
        CYC_NAME(winograd_input_pair)(in, pair, two);
        out[CYC_PAIR_FIRST(pair)] = two[0];
        out[CYC_PAIR_SECOND(pair)] = two[1];
    }
}

/* Three weights to two of the six factors, by pairs as above: their values as a polynomial at each point, over the
 * product of the distances to the other points. */
CYC_INLINE void CYC_NAME(winograd_weight_pair)(const CYC_VECTOR in[CYC_WINOGRAD_TAPS], const int pair,
                                               CYC_VECTOR out[2]) {
    const CYC_ELEMENT point = pair == 1 ? CYC_A : CYC_B, square = point * point;
    const CYC_ELEMENT distance = 2 * (pair == 1 ? CYC_A2 - CYC_B2 : CYC_B2 - CYC_A2);
    CYC_CONSTANT(at_zero, 1 / (CYC_A2 * CYC_B2))
    CYC_CONSTANT(at_point, 1 / (square * distance))
    CYC_CONSTANT(at_point_odd, 1 / (point * distance))
    CYC_CONSTANT(minus_at_point_odd, -1 / (point * distance))
    CYC_CONSTANT(at_point_square, 1 / distance)
    if (pair == 0) {
        out[0] = CYC_OP(multiply)(at_zero, in[0]);
        out[1] = in[2];
    } else {
        const CYC_VECTOR even =
            CYC_OP(multiply_add)(at_point_square, in[2], CYC_OP(multiply)(at_point, in[0]));
        out[0] = CYC_OP(multiply_add)(at_point_odd, in[1], even);
        out[1] = CYC_OP(multiply_add)(minus_at_point_odd, in[1], even);
    }
}

/* Six sums of products to four outputs: output k is the sum over the points of their k-th power, and infinity
 * adds to the last. Sums for which fewer outputs have no use are not looked at. */
CYC_INLINE void CYC_NAME(winograd_output_1d)(const CYC_VECTOR in[CYC_WINOGRAD_IN], ptrdiff_t outputs,
                                             CYC_VECTOR out[CYC_WINOGRAD_OUT]) {
    CYC_CONSTANT(a, CYC_A)
    CYC_CONSTANT(b, CYC_B)
    CYC_CONSTANT(a2, CYC_A2)
    CYC_CONSTANT(b2, CYC_B2)
    CYC_CONSTANT(a3, CYC_A3)
    CYC_CONSTANT(b3, CYC_B3)
    const CYC_VECTOR a_sum = CYC_OP(add)(in[1], in[2]), a_difference = CYC_OP(subtract)(in[1], in[2]);
    const CYC_VECTOR at_b = CYC_WINOGRAD_USES(3, outputs) ? in[3] : CYC_OP(zero)();
    const CYC_VECTOR at_minus_b = CYC_WINOGRAD_USES(4, outputs) ? in[4] : CYC_OP(zero)();
    const CYC_VECTOR b_sum = CYC_OP(add)(at_b, at_minus_b), b_difference = CYC_OP(subtract)(at_b, at_minus_b);
    out[0] = CYC_OP(add)(in[0], CYC_OP(add)(a_sum, b_sum));
    out[1] = CYC_OP(multiply_add)(b, b_difference, CYC_OP(multiply)(a, a_difference));
    out[2] = CYC_OP(multiply_add)(b2, b_sum, CYC_OP(multiply)(a2, a_sum));
    if (outputs == 2) out[1] = CYC_OP(add)(out[1], in[5]);
    if (outputs == 3) out[2] = CYC_OP(add)(out[2], in[5]);
    out[3] = CYC_OP(multiply_add)(b3, b_difference,
                                  CYC_OP(multiply_add)(a3, a_difference, outputs == 4 ? in[5] : CYC_OP(zero)()));
}

/* Vectors of a row of inputs of CYC_LANES tiles: four, and the first two inputs of the next tile. */
#define CYC_ROW_VECTORS_IN (CYC_WINOGRAD_OUT + (CYC_LANES == 1 ? 2 : 1))

/* Column j of each of CYC_LANES tiles side by side; columns 4 and 5 are the first two of the next tile. */
CYC_INLINE void CYC_NAME(split_row)(const CYC_VECTOR row[CYC_WINOGRAD_IN], CYC_VECTOR column[CYC_WINOGRAD_IN]) {
    const CYC_VECTOR low_even = CYC_OP(even)(row[0], row[1]), high_even = CYC_OP(even)(row[2], row[3]);
    const CYC_VECTOR low_odd = CYC_OP(odd)(row[0], row[1]), high_odd = CYC_OP(odd)(row[2], row[3]);
    column[0] = CYC_OP(even)(low_even, high_even);
    column[1] = CYC_OP(even)(low_odd, high_odd);
    column[2] = CYC_OP(odd)(low_even, high_even);
    column[3] = CYC_OP(odd)(low_odd, high_odd);
    column[4] = CYC_OP(shift)(column[0], row[4]);
    column[5] = CYC_OP(shift)(column[1], CYC_LANES == 1 ? row[5] : CYC_OP(odd)(row[4], row[4]));
}

/* The window row in which the first inputs of a row of tiles lie. */
CYC_INLINE ptrdiff_t CYC_NAME(window_row)(const cyc_winograd_input_args *args, ptrdiff_t r) {
    const ptrdiff_t phase = args->row_dilation == 1 ? 0 : r % args->row_dilation;
    return CYC_WINOGRAD_OUT * (r - phase) + phase;
}

/* Whether the tiles of a row have fewer than four rows of outputs. */
CYC_INLINE int CYC_NAME(has_few_rows)(const cyc_winograd_input_args *args, ptrdiff_t r) {
    return args->last_rows < CYC_WINOGRAD_OUT && r >= args->rows - args->short_rows;
}

/* The six inputs of a tile with fewer than four outputs, which takes fewer points: 0 and +-A, from two outputs on
 * infinity, for three +B. The factors at these points are those of all six for other inputs behind the first three:
 * such that the factors at the points left out come to zero, and the one at infinity to that of the fewer points. */
CYC_INLINE void CYC_NAME(shorten_inputs)(CYC_VECTOR in[CYC_WINOGRAD_IN], ptrdiff_t outputs) {
    CYC_CONSTANT(a2, CYC_A2)
    CYC_CONSTANT(minus_a2, -CYC_A2)
    CYC_CONSTANT(a4, CYC_A2 * CYC_A2)
    CYC_CONSTANT(b, CYC_B)
    CYC_CONSTANT(sum, CYC_A2 + CYC_B2)
    CYC_CONSTANT(minus_product, -CYC_A2 * CYC_B2)
    const CYC_VECTOR even = CYC_OP(multiply)(a2, in[2]), odd = CYC_OP(multiply_add)(minus_a2, in[1], in[3]);
    if (outputs == CYC_WINOGRAD_OUT - 1) {
        const CYC_VECTOR rest = CYC_OP(multiply_add)(sum, in[3], CYC_OP(multiply)(minus_product, in[1]));
        const CYC_VECTOR in4 = in[4];
        in[4] = CYC_OP(multiply_add)(b, odd, even);
        in[5] = CYC_OP(add)(CYC_OP(subtract)(in4, in[4]), rest);
    } else {
        in[3] = CYC_OP(multiply)(a2, in[1]);
        in[4] = even;
        in[5] = CYC_OP(multiply_add)(a4, in[1], odd);
    }
}

/* The same for the last column of tiles, on the inputs of single tiles as they lie in the window. */
static void CYC_NAME(winograd_shorten)(const cyc_winograd_input_args *args, void *windows) {
    const ptrdiff_t rows = CYC_NAME(window_row)(args, args->rows - 1) + (CYC_WINOGRAD_IN - 1) * args->row_dilation + 1;
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        CYC_ELEMENT *p =
            (CYC_ELEMENT *)windows + c * args->window_pitch + (args->tiles - 1) * CYC_WINOGRAD_OUT;
        for (ptrdiff_t r = 0; r < rows; r++, p += args->row_pitch) {
            CYC_VECTOR in[CYC_WINOGRAD_IN];
            CYC_ELEMENT apart[CYC_LANES];
            CYC_UNROLL for (int i = 1; i < CYC_WINOGRAD_IN; i++) in[i] = CYC_OP(broadcast)(p + i);
            CYC_NAME(shorten_inputs)(in, args->last_columns);
            CYC_UNROLL for (int i = CYC_WINOGRAD_TAPS; i < CYC_WINOGRAD_IN; i++) {
                CYC_OP(store)(apart, in[i]);
                p[i] = apart[0];
            }
        }
    }
}

enum {
    CYC_NAME(winograd_lanes) = sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT),
    /* fewer rows in a vector take longer to put together than their transforms one by one */
    CYC_NAME(min_together) = 3,
};

/* The factors of a vector of tiles from their columns, of `rows` rows of tiles from row r on if they lie
 * together. `out` is the place of factor 0 of the first tile in row 0. */
CYC_INLINE void CYC_NAME(store_factors)(const cyc_winograd_input_args *args, const CYC_VECTOR column[CYC_WINOGRAD_IN],
                                        ptrdiff_t r, ptrdiff_t rows, CYC_ELEMENT *out) {
    enum { LANES = CYC_NAME(winograd_lanes), MOST_TILES = LANES / CYC_NAME(min_together) };
    const ptrdiff_t tiles = args->tiles, plane_pitch = args->plane_pitch, last_columns = args->last_columns;
    CYC_VECTOR factor[CYC_WINOGRAD_IN];
    CYC_NAME(winograd_input_1d)(column, factor);
    CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) {
        CYC_ELEMENT *p = out + j * plane_pitch;
        if (CYC_WINOGRAD_USES(j, last_columns)) {
            CYC_OP(store)(p + r * tiles, factor[j]);
        } else if (MOST_TILES < 2 || rows == 1) { /* the next row overwrites the last tiles */
            CYC_OP(store)(p + r * (tiles - args->short_tiles), factor[j]);
        } else {
            CYC_ELEMENT apart[LANES + MOST_TILES];
            CYC_OP(store)(apart, factor[j]);
            for (ptrdiff_t q = 0; q < rows; q++)
                memcpy(p + (r + q) * (tiles - 1), apart + q * tiles, (MOST_TILES - 1) * sizeof *apart);
        }
    }
}

/* Two rows of factors, those of a pair, of a vector of tiles of row r, the first of which is tile t, with its inputs
 * from `row` on: down the columns first, on rows as they lie in the window. With all rows at once, the vectors would not
 * stay in registers. */
CYC_INLINE void CYC_NAME(transform_pair)(const cyc_winograd_input_args *args, const CYC_ELEMENT *row, ptrdiff_t r,
                                         ptrdiff_t t, CYC_ELEMENT *out, const int pair) {
    const ptrdiff_t step = args->row_dilation * args->row_pitch;
    const int few_rows = CYC_NAME(has_few_rows)(args, r);
    CYC_VECTOR half[2][CYC_WINOGRAD_IN], column[CYC_WINOGRAD_IN];
    CYC_UNROLL for (int s = 0; s < CYC_ROW_VECTORS_IN; s++) {
        CYC_VECTOR in[CYC_WINOGRAD_IN], two[2] = {CYC_OP(zero)(), CYC_OP(zero)()};
        /* only the last lane looks at the next tile */
        if (s < CYC_WINOGRAD_OUT || args->tiles - t >= CYC_LANES) {
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++)
                in[i] = CYC_OP(load)(row + i * step + s * CYC_LANES);
            if (few_rows) CYC_NAME(shorten_inputs)(in, args->last_rows);
            CYC_NAME(winograd_input_pair)(in, pair, two);
        }
        half[0][s] = two[0];
        half[1][s] = two[1];
    }
    CYC_UNROLL for (int k = 0; k < 2; k++) {
        const int i = k ? CYC_PAIR_SECOND(pair) : CYC_PAIR_FIRST(pair);
        CYC_NAME(split_row)(half[k], column);
        CYC_NAME(store_factors)(args, column, r, 1, out + i * CYC_WINOGRAD_IN * args->plane_pitch + t);
    }
}

/* Rows of few tiles go several to a vector, `rows` of them from row r on: their inputs lie one behind the other in
 * `lines`, without the two after their last tile, which `ends` keeps. What the lanes past the last tile hold
 * does not matter, as the next rows of tiles overwrite it. */
CYC_INLINE void CYC_NAME(transform_together)(const cyc_winograd_input_args *args, const CYC_ELEMENT *window,
                                             ptrdiff_t r, ptrdiff_t rows, CYC_ELEMENT *out) {
    enum { LANES = CYC_NAME(winograd_lanes), LINE = (CYC_WINOGRAD_OUT + 2) * LANES };
    _Alignas(64) CYC_ELEMENT lines[CYC_WINOGRAD_IN][LINE] = {{0}};
    _Alignas(64) CYC_ELEMENT columns[CYC_WINOGRAD_IN][CYC_WINOGRAD_IN][LANES];
    CYC_ELEMENT ends[LANES][CYC_WINOGRAD_IN][2];
    const ptrdiff_t step = args->row_dilation * args->row_pitch;
    const ptrdiff_t tiles = args->tiles, inputs = CYC_WINOGRAD_OUT * tiles;
    for (ptrdiff_t q = 0; q < rows; q++) {
        const CYC_ELEMENT *row = window + CYC_NAME(window_row)(args, r + q) * args->row_pitch;
        const int few_rows = CYC_NAME(has_few_rows)(args, r + q);
        for (ptrdiff_t x = 0; x < inputs + 2; x += LANES) {
            CYC_VECTOR in[CYC_WINOGRAD_IN], half[CYC_WINOGRAD_IN];
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++)
                in[i] = CYC_OP(load)(row + i * step + x);
            if (few_rows) CYC_NAME(shorten_inputs)(in, args->last_rows);
            CYC_NAME(winograd_input_1d)(in, half);
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) CYC_OP(store)(lines[i] + q * inputs + x, half[i]);
        }
        CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) {
            ends[q][i][0] = lines[i][(q + 1) * inputs];
            ends[q][i][1] = lines[i][(q + 1) * inputs + 1];
        }
    }
    CYC_NO_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) {
        CYC_VECTOR row[CYC_WINOGRAD_IN], column[CYC_WINOGRAD_IN];
        CYC_UNROLL for (int s = 0; s < CYC_ROW_VECTORS_IN; s++) row[s] = CYC_OP(load)(lines[i] + s * LANES);
        CYC_NAME(split_row)(row, column);
        CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) CYC_OP(store)(columns[i][j], column[j]);
        for (ptrdiff_t q = 0; q < rows; q++) {
            columns[i][CYC_WINOGRAD_OUT][(q + 1) * tiles - 1] = ends[q][i][0];
            columns[i][CYC_WINOGRAD_OUT + 1][(q + 1) * tiles - 1] = ends[q][i][1];
        }
    }
    /* in a loop of its own: single elements take a while to be seen by loads of vectors */
    CYC_NO_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) {
        CYC_VECTOR column[CYC_WINOGRAD_IN];
        CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) column[j] = CYC_OP(load)(columns[i][j]);
        CYC_NAME(store_factors)(args, column, r, rows, out + i * CYC_WINOGRAD_IN * args->plane_pitch);
    }
}

/* A row of dilated tiles, a few periods at a time: down the columns on rows as they lie, into `lines`; then along these,
 * where the inputs of the tiles of a period lie side by side. What lanes past a period hold, the next one overwrites. */
CYC_INLINE void CYC_NAME(transform_dilated)(const cyc_winograd_input_args *args, const CYC_ELEMENT *row, ptrdiff_t r,
                                            CYC_ELEMENT *out) {
    enum { LANES = CYC_NAME(winograd_lanes), LINE = CYC_WINOGRAD_IN * CYC_WINOGRAD_MAX_TILES + LANES };
    _Alignas(64) CYC_ELEMENT lines[CYC_WINOGRAD_IN][LINE];
    const ptrdiff_t tiles = args->tiles, dilation = args->column_dilation, step = args->row_dilation * args->row_pitch;
    const ptrdiff_t strip = dilation < 4 * LANES ? 4 * LANES / dilation * dilation : dilation;
    const int few_rows = CYC_NAME(has_few_rows)(args, r);
    for (ptrdiff_t begin = 0; begin < tiles; begin += strip) {
        const ptrdiff_t end = tiles - begin < strip ? tiles : begin + strip;
        const ptrdiff_t last = (end - 1 - begin) / dilation * dilation; /* the last period */
        for (ptrdiff_t x = 0; x < CYC_WINOGRAD_OUT * last + CYC_WINOGRAD_IN * dilation; x += LANES) {
            CYC_VECTOR in[CYC_WINOGRAD_IN], half[CYC_WINOGRAD_IN];
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++)
                in[i] = CYC_OP(load)(row + CYC_WINOGRAD_OUT * begin + i * step + x);
            if (few_rows) CYC_NAME(shorten_inputs)(in, args->last_rows);
            CYC_NAME(winograd_input_1d)(in, half);
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) CYC_OP(store)(lines[i] + x, half[i]);
        }
        CYC_NO_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) {
            for (ptrdiff_t first = begin; first < end; first += dilation) {
                for (ptrdiff_t t = first; t < end && t < first + dilation; t += LANES) {
                    const CYC_ELEMENT *p = lines[i] + CYC_WINOGRAD_OUT * (first - begin) + (t - first);
                    CYC_VECTOR column[CYC_WINOGRAD_IN];
                    CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) column[j] = CYC_OP(load)(p + j * dilation);
                    if (args->last_columns < CYC_WINOGRAD_OUT && t >= tiles - args->short_tiles)
                        CYC_NAME(shorten_inputs)(column, args->last_columns);
                    CYC_NAME(store_factors)(args, column, r, 1, out + i * CYC_WINOGRAD_IN * args->plane_pitch + t);
                }
            }
        }
    }
}

static void CYC_NAME(winograd_input)(const cyc_winograd_input_args *args) {
    enum { LANES = CYC_NAME(winograd_lanes) };
    const ptrdiff_t tiles = args->tiles, fits = CYC_NAME(min_together) * tiles <= LANES;
    const ptrdiff_t together = fits && args->column_dilation == 1 ? LANES / tiles : 1;
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        const CYC_ELEMENT *window = (const CYC_ELEMENT *)args->window + c * args->window_pitch;
        CYC_ELEMENT *out = (CYC_ELEMENT *)args->out + c * args->out_pitch;
        for (ptrdiff_t r = 0; r < args->rows; r += together) {
            if (together > 1) {
                const ptrdiff_t rows = args->rows - r < together ? args->rows - r : together;
                CYC_NAME(transform_together)(args, window, r, rows, out);
                continue;
            }
            const CYC_ELEMENT *row = window + CYC_NAME(window_row)(args, r) * args->row_pitch;
            if (args->column_dilation > 1) {
                CYC_NAME(transform_dilated)(args, row, r, out);
                continue;
            }
            for (ptrdiff_t t = 0; t < tiles; t += LANES) {
                CYC_UNROLL for (int pair = 0; pair < 3; pair++)
                    CYC_NAME(transform_pair)(args, row + CYC_WINOGRAD_OUT * t, r, t, out, pair);
            }
        }
    }
}

/* The factors of a vector of outputs of one channel, whose weights lie `width` apart. Rows of factors go by pairs, and
 * the place of each from that of the one before, so that neither they nor 36 addresses leave the registers. */
CYC_INLINE void CYC_NAME(transform_weight)(const CYC_ELEMENT *weight, ptrdiff_t width, ptrdiff_t ahead,
                                           CYC_ELEMENT *factors, ptrdiff_t plane) {
    CYC_UNROLL for (int pair = 0; pair < 3; pair++) {
        CYC_VECTOR half[2][CYC_WINOGRAD_TAPS];
        CYC_FORGET(weight);
        CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_TAPS; j++) {
            CYC_VECTOR column[CYC_WINOGRAD_TAPS], two[2];
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_TAPS; i++) {
                const CYC_ELEMENT *p = weight + (i * CYC_WINOGRAD_TAPS + j) * width;
                column[i] = CYC_OP(load)(p);
                if (pair == 0) CYC_PREFETCH(p + ahead);
            }
            CYC_NAME(winograd_weight_pair)(column, pair, two);
            half[0][j] = two[0];
            half[1][j] = two[1];
        }
        CYC_UNROLL for (int k = 0; k < 2; k++) {
            CYC_ELEMENT *out = factors + (k ? CYC_PAIR_SECOND(pair) : CYC_PAIR_FIRST(pair)) * CYC_WINOGRAD_IN * plane;
            CYC_VECTOR factor[CYC_WINOGRAD_IN];
            CYC_UNROLL for (int across = 0; across < 3; across++) {
                CYC_VECTOR two[2];
                CYC_NAME(winograd_weight_pair)(half[k], across, two);
                factor[CYC_PAIR_FIRST(across)] = two[0];
                factor[CYC_PAIR_SECOND(across)] = two[1];
            }
            CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++, out += plane) {
                CYC_FORGET(out);
                CYC_OP(store)(out, factor[j]);
            }
        }
    }
}

static void CYC_NAME(winograd_weight)(const void *panel, ptrdiff_t channels, ptrdiff_t width, void *factors,
                                      ptrdiff_t plane) {
    /* nine interleaved streams, often from memory, which no hardware prefetcher follows */
    const ptrdiff_t taps = CYC_WINOGRAD_TAPS * CYC_WINOGRAD_TAPS, ahead = 6 * taps * width;
    CYC_ELEMENT last[CYC_WINOGRAD_PRODUCTS][sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT)];
    for (ptrdiff_t c = 0; c < channels; c++) {
        const CYC_ELEMENT *weight = (const CYC_ELEMENT *)panel + c * taps * width;
        CYC_ELEMENT *out = (CYC_ELEMENT *)factors + c * width;
        for (ptrdiff_t x = 0; x < width; x += CYC_LANES) {
            /* what is written beyond a channel, the next channel overwrites */
            const ptrdiff_t room = (channels - c) * width - x;
            const int whole = room >= CYC_LANES;
            CYC_NAME(transform_weight)(weight + x, width, ahead, whole ? out + x : last[0], whole ? plane : CYC_LANES);
            for (int product = 0; !whole && product < CYC_WINOGRAD_PRODUCTS; product++)
                memcpy(out + product * plane + x, last[product], (size_t)room * sizeof *out);
        }
    }
}

/* Sums of products, of which columns[j] has those of column j `row` apart, to rows of outputs and the sum of
 * all of them. */
CYC_INLINE CYC_VECTOR CYC_NAME(winograd_output_2d)(const CYC_ELEMENT *const columns[CYC_WINOGRAD_IN], ptrdiff_t row,
                                                   ptrdiff_t out_rows, ptrdiff_t out_columns,
                                                   CYC_VECTOR y[CYC_WINOGRAD_OUT][CYC_WINOGRAD_OUT]) {
    CYC_VECTOR half[CYC_WINOGRAD_IN][CYC_WINOGRAD_OUT], sum = CYC_OP(zero)(); /* [column][row] */
    CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) {
        CYC_VECTOR column[CYC_WINOGRAD_IN];
        CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++)
            column[i] = CYC_OP(load)(columns[j] + i * row);
        CYC_NAME(winograd_output_1d)(column, out_rows, half[j]);
    }
    CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_OUT; i++) {
        CYC_VECTOR line[CYC_WINOGRAD_IN];
        CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) line[j] = half[j][i];
        CYC_NAME(winograd_output_1d)(line, out_columns, y[i]);
        sum = CYC_OP(add)(sum, CYC_OP(add)(CYC_OP(add)(y[i][0], y[i][1]), CYC_OP(add)(y[i][2], y[i][3])));
    }
    return sum;
}

static void CYC_NAME(winograd_output)(const cyc_winograd_output_args *args) {
    for (ptrdiff_t t = 0; t < args->tiles; t += CYC_LANES) {
        CYC_ELEMENT *out = (CYC_ELEMENT *)args->out + CYC_WINOGRAD_OUT * t;
        CYC_VECTOR y[CYC_WINOGRAD_OUT][CYC_WINOGRAD_OUT];
        const CYC_ELEMENT *columns[CYC_WINOGRAD_IN];
        CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++)
            columns[j] = (const CYC_ELEMENT *)args->products + j * args->plane_pitch + t;
        const CYC_VECTOR sum = CYC_NAME(winograd_output_2d)(columns, CYC_WINOGRAD_IN * args->plane_pitch,
                                                            CYC_WINOGRAD_OUT, CYC_WINOGRAD_OUT, y);
        CYC_OP(store)((CYC_ELEMENT *)args->sums + t, sum);
        CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_OUT; i++) { /* columns of tiles to rows of pixels */
            const CYC_VECTOR even_low = CYC_OP(low_pairs)(y[i][0], y[i][2]);
            const CYC_VECTOR even_high = CYC_OP(high_pairs)(y[i][0], y[i][2]);
            const CYC_VECTOR odd_low = CYC_OP(low_pairs)(y[i][1], y[i][3]);
            const CYC_VECTOR odd_high = CYC_OP(high_pairs)(y[i][1], y[i][3]);
            CYC_OP(store)(out, CYC_OP(low_pairs)(even_low, odd_low));
            CYC_OP(store)(out + CYC_LANES, CYC_OP(high_pairs)(even_low, odd_low));
            CYC_OP(store)(out + 2 * CYC_LANES, CYC_OP(low_pairs)(even_high, odd_high));
            CYC_OP(store)(out + 3 * CYC_LANES, CYC_OP(high_pairs)(even_high, odd_high));
            out += args->row_pitch;
        }
    }
}

static void CYC_NAME(winograd_output_turned)(const cyc_winograd_output_args *args) {
    enum { LANES = sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT) };
    const ptrdiff_t tiles = args->tiles, row = CYC_WINOGRAD_IN * args->plane_pitch;
    for (ptrdiff_t t = 0; t < args->rows * tiles; t++) {
        const ptrdiff_t r = t / tiles, x = t % tiles;
        const ptrdiff_t out_rows = r >= args->rows - args->short_rows ? args->last_rows : CYC_WINOGRAD_OUT;
        const ptrdiff_t out_columns = x >= tiles - args->short_tiles ? args->last_columns : CYC_WINOGRAD_OUT;
        for (ptrdiff_t o = 0; o < args->channels; o += LANES) {
            CYC_ELEMENT *out = (CYC_ELEMENT *)args->out + o * args->out_pitch + CYC_WINOGRAD_OUT * t;
            CYC_VECTOR y[CYC_WINOGRAD_OUT][CYC_WINOGRAD_OUT], sum;
            const CYC_ELEMENT *columns[CYC_WINOGRAD_IN];
            CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) {
                const ptrdiff_t in_row = CYC_WINOGRAD_USES(j, args->last_columns) ? tiles : tiles - args->short_tiles;
                columns[j] =
                    (const CYC_ELEMENT *)args->products + j * args->plane_pitch + (r * in_row + x) * args->channels + o;
            }
            if (out_rows == CYC_WINOGRAD_OUT && out_columns == CYC_WINOGRAD_OUT)
                sum = CYC_NAME(winograd_output_2d)(columns, row, CYC_WINOGRAD_OUT, CYC_WINOGRAD_OUT, y);
            else
                sum = CYC_NAME(winograd_output_2d)(columns, row, out_rows, out_columns, y);
            CYC_OP(store)((CYC_ELEMENT *)args->sums + t * args->channels + o, sum);
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_OUT; i++)
                CYC_NAME(store_quads)(out + i * args->row_pitch, args->out_pitch, y[i]);
        }
    }
}

static void CYC_NAME(winograd_order)(const void *pixels, ptrdiff_t row_pitch, ptrdiff_t tiles, ptrdiff_t dilation,
                                     void *out, ptrdiff_t out_pitch) {
    for (int i = 0; i < CYC_WINOGRAD_OUT; i++) {
        const CYC_ELEMENT *src = (const CYC_ELEMENT *)pixels + i * row_pitch;
        CYC_ELEMENT *dst = (CYC_ELEMENT *)out + i * out_pitch;
        for (ptrdiff_t first = 0; first < tiles; first += dilation) {
            const ptrdiff_t last = (tiles - first < dilation ? tiles - first : dilation) - 1;
            /* what a vector writes past the end of a period's column, the first one of the next column overwrites */
            for (ptrdiff_t t = last / CYC_LANES * CYC_LANES; t >= 0; t -= CYC_LANES) {
                CYC_VECTOR row[CYC_WINOGRAD_IN], column[CYC_WINOGRAD_IN];
                CYC_UNROLL for (int s = 0; s < CYC_WINOGRAD_OUT; s++)
                    row[s] = CYC_OP(load)(src + CYC_WINOGRAD_OUT * (first + t) + s * CYC_LANES);
                row[4] = row[5] = row[3];
                CYC_NAME(split_row)(row, column);
                CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_OUT; j++)
                    CYC_OP(store)(dst + CYC_WINOGRAD_OUT * first + j * dilation + t, column[j]);
            }
        }
    }
}

#undef CYC_A
#undef CYC_B
#undef CYC_A2
#undef CYC_B2
#undef CYC_A3
#undef CYC_B3
#undef CYC_ROW_VECTORS_IN
#undef CYC_PAIR_FIRST
#undef CYC_PAIR_SECOND
#undef CYC_CONSTANT
