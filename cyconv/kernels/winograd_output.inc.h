/* The output transform of Winograd's F(4x4, 3x3) (winograd.inc.h, which includes this): sums of products to pixels. */

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
