/* The input transform of Winograd's F(4x4, 3x3) (winograd.inc.h, which includes this): windows to the factors of their
 * tiles, plain, short and dilated (transforms.h). */

/* The window row in which the first inputs of a row of tiles lie. */
CYC_INLINE ptrdiff_t CYC_NAME(window_row)(const cyc_winograd_input_args *args, ptrdiff_t r) {
    const ptrdiff_t phase = args->row_dilation == 1 ? 0 : r % args->row_dilation;
    return CYC_WINOGRAD_OUT * (r - phase) + phase;
}

/* Whether the tiles of a row have fewer than four rows of outputs. */
CYC_INLINE int CYC_NAME(has_few_rows)(const cyc_winograd_input_args *args, ptrdiff_t r) {
    return args->last_rows < CYC_WINOGRAD_OUT && r >= args->rows - args->short_rows;
}

/* Shorten a row of the inputs of some tiles of one period, whose first ones lie side by side from p on. */
CYC_INLINE void CYC_NAME(shorten_row)(CYC_ELEMENT *p, ptrdiff_t tiles, ptrdiff_t dilation, ptrdiff_t outputs) {
    for (ptrdiff_t t = 0; t < tiles; t += CYC_LANES) {
        const ptrdiff_t count = tiles - t < CYC_LANES ? tiles - t : CYC_LANES;
        CYC_VECTOR in[CYC_WINOGRAD_IN];
        for (int i = 1; i < CYC_WINOGRAD_IN; i++) in[i] = CYC_OP(load)(p + t + i * dilation);
        CYC_NAME(shorten_inputs)(in, outputs);
        for (int i = CYC_WINOGRAD_TAPS; i < CYC_WINOGRAD_IN; i++)
            CYC_OP(store_piece)(p + t + i * dilation, in[i], 0, count);
    }
}

static void CYC_NAME(winograd_shorten)(const cyc_winograd_input_args *args, void *windows) {
    const ptrdiff_t rows = CYC_NAME(window_row)(args, args->rows - 1) + (CYC_WINOGRAD_IN - 1) * args->row_dilation + 1;
    const ptrdiff_t column = (args->tiles - args->short_tiles) * CYC_WINOGRAD_OUT;
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        CYC_ELEMENT *window = (CYC_ELEMENT *)windows + c * args->window_pitch;
        for (ptrdiff_t r = 0; r < rows; r++) {
            CYC_NAME(shorten_row)(window + r * args->row_pitch + column, args->short_tiles, args->column_dilation,
                                  args->last_columns);
        }
    }
}

enum { CYC_NAME(winograd_lanes) = sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT) };

/* The factors of a vector of tiles from their columns, of `rows` rows of tiles from row r on if they lie
 * together. `out` is the place of factor 0 of the first tile in row 0. */
CYC_INLINE void CYC_NAME(store_factors)(const cyc_winograd_input_args *args, const CYC_VECTOR column[CYC_WINOGRAD_IN],
                                        ptrdiff_t r, ptrdiff_t rows, CYC_ELEMENT *out) {
    enum { LANES = CYC_NAME(winograd_lanes), MOST_TILES = LANES / CYC_WINOGRAD_MIN_TOGETHER };
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
    _Alignas(CYC_LINE_BYTES) CYC_ELEMENT lines[CYC_WINOGRAD_IN][LINE] = {{0}};
    _Alignas(CYC_LINE_BYTES) CYC_ELEMENT columns[CYC_WINOGRAD_IN][CYC_WINOGRAD_IN][LANES];
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
    _Alignas(CYC_LINE_BYTES) CYC_ELEMENT lines[CYC_WINOGRAD_IN][LINE];
    const ptrdiff_t tiles = args->tiles, dilation = args->column_dilation, step = args->row_dilation * args->row_pitch;
    const ptrdiff_t strip = dilation < 4 * LANES ? 4 * LANES / dilation * dilation : dilation;
    const int few_rows = CYC_NAME(has_few_rows)(args, r);
    for (ptrdiff_t begin = 0; begin < tiles; begin += strip) {
        const ptrdiff_t end = tiles - begin < strip ? tiles : begin + strip;
        const ptrdiff_t last = (end - 1 - begin) / dilation * dilation; /* the last period */
        ptrdiff_t x = 0;
        for (; x < CYC_WINOGRAD_OUT * last + CYC_WINOGRAD_IN * dilation; x += LANES) {
            CYC_VECTOR in[CYC_WINOGRAD_IN], half[CYC_WINOGRAD_IN];
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++)
                in[i] = CYC_OP(load)(row + CYC_WINOGRAD_OUT * begin + i * step + x);
            if (few_rows) CYC_NAME(shorten_inputs)(in, args->last_rows);
            CYC_NAME(winograd_input_1d)(in, half);
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) CYC_OP(store)(lines[i] + x, half[i]);
        }
        /* read by lanes past the last period: what the stack holds there, as numbers, may be subnormal, which is slow */
        CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) CYC_OP(store)(lines[i] + x, CYC_OP(zero)());
        CYC_NO_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) {
            for (ptrdiff_t first = begin; first < end; first += dilation) {
                for (ptrdiff_t t = first; t < end && t < first + dilation; t += LANES) {
                    const CYC_ELEMENT *p = lines[i] + CYC_WINOGRAD_OUT * (first - begin) + (t - first);
                    CYC_VECTOR column[CYC_WINOGRAD_IN];
                    CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++) column[j] = CYC_OP(load)(p + j * dilation);
                    CYC_NAME(store_factors)(args, column, r, 1, out + i * CYC_WINOGRAD_IN * args->plane_pitch + t);
                }
            }
        }
    }
}

#if CYC_PERMUTES
/* Where the lanes of two rows of tiles come from: columns 0, 2 and 4 of the tiles, of which column 1, 3 and 5 lie next
 * to them; and the tiles without the last of the first row. */
typedef struct {
    CYC_PLACES columns[3], dense;
} CYC_NAME(row_places);

CYC_INLINE void CYC_NAME(find_places)(CYC_NAME(row_places) *places, ptrdiff_t tiles) {
    enum { LANES = CYC_NAME(winograd_lanes) };
    int32_t index[LANES];
    for (int j = 0; j < 3; j++) {
        for (int lane = 0; lane < LANES; lane++)
            index[lane] = (int32_t)((lane < tiles ? 2 * lane : LANES + 2 * (lane - tiles)) + j) % (2 * LANES);
        places->columns[j] = CYC_OP(places)(index);
    }
    for (int lane = 0; lane < LANES; lane++) index[lane] = (lane < tiles - 1 ? lane : lane + 1) % LANES;
    places->dense = CYC_OP(places)(index);
}

/* Like transform_pair, of row r and the next, each with a half of the vectors for it and a tile to spare. Of the last
 * row there may be no next: what stands for it, the next channel overwrites. */
CYC_INLINE void CYC_NAME(transform_two_rows)(const cyc_winograd_input_args *args, const CYC_ELEMENT *window,
                                             ptrdiff_t r, const CYC_NAME(row_places) *places, CYC_ELEMENT *out,
                                             const int pair) {
    const ptrdiff_t step = args->row_dilation * args->row_pitch, tiles = args->tiles, next = r + 1 < args->rows;
    CYC_VECTOR half[2][CYC_WINOGRAD_OUT], column[CYC_WINOGRAD_IN], factor[CYC_WINOGRAD_IN];
    CYC_UNROLL for (int q = 0; q < 2; q++) {
        const CYC_ELEMENT *row = window + CYC_NAME(window_row)(args, r + q * next) * args->row_pitch;
        const int few_rows = CYC_NAME(has_few_rows)(args, r + q * next);
        CYC_UNROLL for (int s = 0; s < 2; s++) {
            CYC_VECTOR in[CYC_WINOGRAD_IN], two[2];
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_IN; i++) in[i] = CYC_OP(load)(row + i * step + s * CYC_LANES);
            if (few_rows) CYC_NAME(shorten_inputs)(in, args->last_rows);
            CYC_NAME(winograd_input_pair)(in, pair, two);
            half[0][2 * q + s] = two[0];
            half[1][2 * q + s] = two[1];
        }
    }
    CYC_UNROLL for (int k = 0; k < 2; k++) {
        CYC_ELEMENT *p = out + (k ? CYC_PAIR_SECOND(pair) : CYC_PAIR_FIRST(pair)) * CYC_WINOGRAD_IN * args->plane_pitch;
        const CYC_VECTOR even[2] = {CYC_OP(even)(half[k][0], half[k][1]), CYC_OP(even)(half[k][2], half[k][3])};
        const CYC_VECTOR odd[2] = {CYC_OP(odd)(half[k][0], half[k][1]), CYC_OP(odd)(half[k][2], half[k][3])};
        CYC_UNROLL for (int j = 0; j < 3; j++) {
            column[2 * j] = CYC_OP(permute_two)(even[0], even[1], places->columns[j]);
            column[2 * j + 1] = CYC_OP(permute_two)(odd[0], odd[1], places->columns[j]);
        }
        CYC_NAME(winograd_input_1d)(column, factor);
        CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++, p += args->plane_pitch) {
            CYC_FORGET(p);
            if (CYC_WINOGRAD_USES(j, args->last_columns))
                CYC_OP(store)(p + r * tiles, factor[j]);
            else
                CYC_OP(store)(p + r * (tiles - args->short_tiles), CYC_OP(permute)(factor[j], places->dense));
        }
    }
}

static void CYC_NAME(transform_rows_by_two)(const cyc_winograd_input_args *args) {
    CYC_NAME(row_places) places;
    CYC_NAME(find_places)(&places, args->tiles);
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        const CYC_ELEMENT *window = (const CYC_ELEMENT *)args->window + c * args->window_pitch;
        CYC_ELEMENT *out = (CYC_ELEMENT *)args->out + c * args->out_pitch;
        for (ptrdiff_t r = 0; r < args->rows; r += 2) {
            CYC_UNROLL for (int pair = 0; pair < 3; pair++)
                CYC_NAME(transform_two_rows)(args, window, r, &places, out, pair);
        }
    }
}
#endif

static void CYC_NAME(winograd_input)(const cyc_winograd_input_args *args) {
    enum { LANES = CYC_NAME(winograd_lanes) };
    const ptrdiff_t tiles = args->tiles, fits = CYC_WINOGRAD_MIN_TOGETHER * tiles <= LANES;
    const ptrdiff_t together = fits && args->column_dilation == 1 ? LANES / tiles : 1;
#if CYC_PERMUTES
    if (args->column_dilation == 1 && CYC_WINOGRAD_BY_TWO(LANES, args->rows, tiles)) {
        CYC_NAME(transform_rows_by_two)(args);
        return;
    }
#endif
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
