/* The row microkernel, for one compute dtype of one instruction set (see kernels.h).
 *
 * A single output channel gives a tile only one weight per loaded vector. Here the reuse comes from
 * the rows instead: an input row serves every output row whose kernel covers it, so a 3x3 filter
 * loads half as often as it multiplies. CYC_ROW_BLOCK rows by V vectors of sums stay in registers.
 *
 * The kernel heights that networks use most are compiled as constants, which unrolls the input rows;
 * all others take the same taps under variable bounds.
 */

#define CYC_ROWS CYC_ROW_BLOCK

/* The taps [from, to) of one input row, for the output rows first..last. */
CYC_INLINE void CYC_NAME(row_taps)(CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS], const CYC_ELEMENT *row,
                                   const ptrdiff_t *column_offsets, const CYC_ELEMENT *weight, ptrdiff_t weight_step,
                                   ptrdiff_t from, ptrdiff_t to, const int first, const int last, const int vectors) {
    /* rolled: unrolled taps would keep all their weights and addresses in registers, and spill */
    CYC_NO_UNROLL for (ptrdiff_t kw = from; kw < to; kw++) {
        CYC_VECTOR column[CYC_MAX_TILE_VECTORS];
        CYC_UNROLL for (int j = 0; j < vectors; j++)
            column[j] = CYC_OP(load)(row + column_offsets[kw] + j * CYC_LANES);
        CYC_UNROLL for (int r = first; r <= last; r++) {
            const CYC_VECTOR scalar = CYC_OP(broadcast)(weight - r * weight_step + kw);
            CYC_UNROLL for (int j = 0; j < vectors; j++)
                sum[r][j] = CYC_OP(multiply_add)(scalar, column[j], sum[r][j]);
        }
    }
}

/* The same with `first` and `last` known only at run time. */
CYC_INLINE void CYC_NAME(row_taps_of)(CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS], const CYC_ELEMENT *row,
                                      const ptrdiff_t *column_offsets, const CYC_ELEMENT *weight,
                                      ptrdiff_t weight_step, ptrdiff_t from, ptrdiff_t to, int first, int last,
                                      const int vectors) {
#define CYC_CASE(A, B)                                                                                      \
    case A * CYC_ROWS + B:                                                                                  \
        CYC_NAME(row_taps)(sum, row, column_offsets, weight, weight_step, from, to, A, B, vectors);         \
        break;
    switch (first * CYC_ROWS + last) {
        CYC_CASE(0, 0) CYC_CASE(0, 1) CYC_CASE(0, 2) CYC_CASE(0, 3) CYC_CASE(1, 1)
        CYC_CASE(1, 2) CYC_CASE(1, 3) CYC_CASE(2, 2) CYC_CASE(2, 3) CYC_CASE(3, 3)
    }
#undef CYC_CASE
}

/* Fetch the input rows of a channel that the next CYC_ROWS output rows are the first to read. Where the input is read in
 * place, a tile reads a few vectors each of rows that are far apart: too many streams, and too short, for a prefetcher
 * to find. Eight channels of 858x1406 take half the time with this. */
CYC_INLINE void CYC_NAME(fetch_rows)(const cyc_rows_args *args, const CYC_ELEMENT *channel, const int vectors) {
    const ptrdiff_t input_rows = (CYC_ROWS - 1) * args->stride + args->kernel_h, later = CYC_ROWS * args->stride;
    for (ptrdiff_t i = input_rows > later ? input_rows - later : 0; i < input_rows; i++) {
        const CYC_ELEMENT *row = channel + CYC_ROWS * args->window_pitch + args->row_offsets[i];
        CYC_UNROLL for (int j = 0; j < vectors; j++) CYC_PREFETCH_FAR(row + j * CYC_LANES);
    }
}

/* Up to CYC_ROWS output rows by V vectors: sums of all terms, in `sum`. */
CYC_INLINE void CYC_NAME(row_sums)(const cyc_rows_args *args, const CYC_ELEMENT *window, const int rows,
                                   CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS], const int vectors) {
    const ptrdiff_t kernel_h = args->kernel_h, kernel_w = args->kernel_w, stride = args->stride;
    const ptrdiff_t input_rows = (rows - 1) * stride + kernel_h;
    CYC_VECTOR total[CYC_ROWS][CYC_MAX_TILE_VECTORS]; /* of earlier chunks */
    ptrdiff_t room[CYC_ROWS];                         /* terms left in the chunk of each output row */

    CYC_UNROLL for (int r = 0; r < CYC_ROWS; r++) {
        CYC_UNROLL for (int j = 0; j < vectors; j++) total[r][j] = sum[r][j] = CYC_OP(zero)();
        room[r] = CYC_CHUNK;
    }
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        const CYC_ELEMENT *channel = window + c * args->channel_pitch;
        const CYC_ELEMENT *weight = (const CYC_ELEMENT *)args->weight + c * kernel_h * kernel_w;
        int first = 0, last = 0; /* output rows whose kernel covers input row i */
        if (args->fetches) CYC_NAME(fetch_rows)(args, channel, vectors);
        for (ptrdiff_t i = 0; i < input_rows; i++, weight += kernel_w) {
            const CYC_ELEMENT *row = channel + args->row_offsets[i];
            if (last + 1 < rows && (last + 1) * stride <= i) last++;
            while (first * stride + kernel_h <= i) first++;
            for (ptrdiff_t from = 0, to; from < kernel_w; from = to) {
                to = kernel_w;
                for (int r = first; r <= last; r++)
                    if (room[r] < to - from) to = from + room[r];
                CYC_NAME(row_taps_of)(sum, row, args->column_offsets, weight, stride * kernel_w, from, to, first, last,
                                      vectors);
                CYC_UNROLL for (int r = 0; r < CYC_ROWS; r++) {
                    if (r < first || r > last) continue;
                    room[r] -= to - from;
                    if (room[r]) continue;
                    CYC_UNROLL for (int j = 0; j < vectors; j++) {
                        total[r][j] = CYC_OP(add)(total[r][j], sum[r][j]);
                        sum[r][j] = CYC_OP(zero)();
                    }
                    room[r] = CYC_CHUNK;
                }
            }
        }
    }
    CYC_UNROLL for (int r = 0; r < CYC_ROWS; r++) {
        CYC_UNROLL for (int j = 0; j < vectors; j++) sum[r][j] = CYC_OP(add)(total[r][j], sum[r][j]);
    }
}

/* The same for one channel, a constant height and stride, and terms that stay within a chunk. */
CYC_INLINE void CYC_NAME(row_sums_of)(const cyc_rows_args *args, const CYC_ELEMENT *window,
                                      CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS], const int vectors,
                                      const int kernel_h, const int stride) {
    const ptrdiff_t kernel_w = args->kernel_w;
    const CYC_ELEMENT *weight = (const CYC_ELEMENT *)args->weight;
    if (args->fetches) CYC_NAME(fetch_rows)(args, window, vectors);
    CYC_UNROLL for (int r = 0; r < CYC_ROWS; r++) {
        CYC_UNROLL for (int j = 0; j < vectors; j++) sum[r][j] = CYC_OP(zero)();
    }
    CYC_UNROLL for (int i = 0; i < (CYC_ROWS - 1) * stride + kernel_h; i++) {
        const int first = i < kernel_h ? 0 : (i - kernel_h) / stride + 1;
        const int last = i / stride < CYC_ROWS ? i / stride : CYC_ROWS - 1;
        CYC_NAME(row_taps)(sum, window + args->row_offsets[i], args->column_offsets, weight + i * kernel_w,
                           stride * kernel_w, 0, kernel_w, first, last, vectors);
    }
}

/* The sums of V vectors of the only output row, whose input no other uses: what is kept of others would cost more. */
CYC_INLINE void CYC_NAME(line_sums)(const cyc_rows_args *args, const CYC_ELEMENT *window,
                                    CYC_VECTOR sum[CYC_MAX_TILE_VECTORS], const int vectors) {
    const ptrdiff_t *column_offsets = args->column_offsets;
    const ptrdiff_t kernel_w = args->kernel_w;
    const CYC_ELEMENT *weight = (const CYC_ELEMENT *)args->weight;
    CYC_VECTOR total[CYC_MAX_TILE_VECTORS];
    ptrdiff_t room = CYC_CHUNK;
    CYC_UNROLL for (int j = 0; j < vectors; j++) total[j] = sum[j] = CYC_OP(zero)();
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        for (ptrdiff_t i = 0; i < args->kernel_h; i++, weight += kernel_w) {
            const CYC_ELEMENT *row = window + c * args->channel_pitch + args->row_offsets[i];
            for (ptrdiff_t from = 0, to; from < kernel_w; from = to) {
                to = kernel_w - from < room ? kernel_w : from + room;
                CYC_NO_UNROLL for (ptrdiff_t kw = from; kw < to; kw++) {
                    const CYC_VECTOR scalar = CYC_OP(broadcast)(weight + kw);
                    CYC_UNROLL for (int j = 0; j < vectors; j++) {
                        const CYC_VECTOR column = CYC_OP(load)(row + column_offsets[kw] + j * CYC_LANES);
                        sum[j] = CYC_OP(multiply_add)(scalar, column, sum[j]);
                    }
                }
                room -= to - from;
                if (room) continue;
                CYC_UNROLL for (int j = 0; j < vectors; j++) {
                    total[j] = CYC_OP(add)(total[j], sum[j]);
                    sum[j] = CYC_OP(zero)();
                }
                room = CYC_CHUNK;
            }
        }
    }
    CYC_UNROLL for (int j = 0; j < vectors; j++) sum[j] = CYC_OP(add)(total[j], sum[j]);
}

/* All output rows, `most` at a time, and columns; kernel_h 0 stands for sizes known at run time. */
CYC_INLINE void CYC_NAME(rows)(const cyc_rows_args *args, const int kernel_h, const int stride, const int most) {
    const CYC_ELEMENT *clamp = (const CYC_ELEMENT *)args->clamp;
    const CYC_VECTOR bias = CYC_OP(broadcast)((const CYC_ELEMENT *)args->bias);
    const int fixed = kernel_h > 0;
    CYC_VECTOR sum[CYC_ROWS][CYC_MAX_TILE_VECTORS];
    for (ptrdiff_t y = 0; y < args->rows; y += most) {
        int rows = args->rows - y < most ? (int)(args->rows - y) : most;
        if (fixed && rows < CYC_ROWS) { /* the last block overlaps the one before, so as to be whole */
            y = args->rows - CYC_ROWS;
            rows = CYC_ROWS;
        }
        const CYC_ELEMENT *window = (const CYC_ELEMENT *)args->window + y * args->window_pitch;
        CYC_ELEMENT *out = (CYC_ELEMENT *)args->out + y * args->out_pitch;
        ptrdiff_t x = 0;
#define CYC_ROW_TILE(V)                                                                                     \
    for (; args->columns - x > (V - 1) * CYC_LANES; x += V * CYC_LANES) {                                   \
        const ptrdiff_t left = args->columns - x - (V - 1) * CYC_LANES; /* columns of the last vector */    \
        if (fixed)                                                                                          \
            CYC_NAME(row_sums_of)(args, window + x, sum, V, kernel_h, stride);                              \
        else if (most == 1)                                                                                 \
            CYC_NAME(line_sums)(args, window + x, sum[0], V);                                               \
        else                                                                                                \
            CYC_NAME(row_sums)(args, window + x, rows, sum, V);                                             \
        CYC_UNROLL for (int r = 0; r < most; r++) {                                                         \
            CYC_ELEMENT *row = out + r * args->out_pitch + x;                                               \
            if (r >= rows) break;                                                                           \
            CYC_UNROLL for (int j = 0; j < V; j++) {                                                        \
                sum[r][j] = CYC_OP(add)(sum[r][j], bias);                                                   \
                if (clamp) sum[r][j] = CYC_NAME(clamped)(sum[r][j], clamp);                                 \
                if (j < V - 1 || left >= CYC_LANES)                                                         \
                    CYC_OP(store)(row + j * CYC_LANES, sum[r][j]);                                          \
                else                                                                                        \
                    CYC_OP(store_first)(row + j * CYC_LANES, sum[r][j], left);                              \
            }                                                                                               \
        }                                                                                                   \
    }
        CYC_ROW_VECTORS(CYC_ROW_TILE)
#undef CYC_ROW_TILE
    }
}

static void CYC_NAME(rows_any)(const cyc_rows_args *args) { CYC_NAME(rows)(args, 0, 0, CYC_ROWS); }
#if CYC_FLOATING
static void CYC_NAME(rows_line)(const cyc_rows_args *args) { CYC_NAME(rows)(args, 0, 0, 1); }
#endif
#define CYC_ROWS_FUNCTION(HEIGHT, STRIDE)                                                 \
    static void CYC_NAME(rows_##HEIGHT##_stride_##STRIDE)(const cyc_rows_args *args) {    \
        CYC_NAME(rows)(args, HEIGHT, STRIDE, CYC_ROWS);                                   \
    }
CYC_UNROLLED_ROWS(CYC_ROWS_FUNCTION)
#undef CYC_ROWS_FUNCTION

/* The fastest of the above for these sizes. */
static void CYC_NAME(rows_block)(const cyc_rows_args *args) {
    const ptrdiff_t terms = args->channels * args->kernel_h * args->kernel_w;
    const int simple = args->channels == 1 && terms <= CYC_CHUNK && args->rows >= CYC_ROWS;
#define CYC_ROWS_CALL(HEIGHT, STRIDE)                                         \
    if (simple && args->kernel_h == HEIGHT && args->stride == STRIDE) {       \
        CYC_NAME(rows_##HEIGHT##_stride_##STRIDE)(args);                      \
        return;                                                               \
    }
    CYC_UNROLLED_ROWS(CYC_ROWS_CALL)
#undef CYC_ROWS_CALL
#if CYC_FLOATING
    if (args->rows == 1) {
        CYC_NAME(rows_line)(args);
        return;
    }
#endif
    CYC_NAME(rows_any)(args);
}

/* So many rows at a time as stay in registers, after what is fetched meanwhile. */
CYC_RARE void CYC_NAME(rows_ahead)(const cyc_rows_args *args) {
    const ptrdiff_t item = sizeof(CYC_ELEMENT);
    cyc_rows_args block = *args;
    for (ptrdiff_t y = 0; y < args->rows; y += CYC_ROWS, block.next += args->next_bytes) {
        block.rows = args->rows - y < CYC_ROWS ? args->rows - y : CYC_ROWS;
        block.window = (const CYC_ELEMENT *)args->window + y * args->window_pitch;
        block.out = (CYC_ELEMENT *)args->out + y * args->out_pitch;
        cyc_fetch_rows((const char *)block.out + args->out_ahead, block.rows, args->out_pitch * item, args->columns * item);
        cyc_fetch_rows(block.next, 1, 0, args->next_bytes);
        CYC_NAME(rows_block)(&block);
    }
}

/* Entry point. */
static void CYC_NAME(rows_kernel)(const cyc_rows_args *args) {
    if (args->out_ahead)
        CYC_NAME(rows_ahead)(args);
    else
        CYC_NAME(rows_block)(args);
}
#undef CYC_ROWS
