/* Loading the rows of a window whole, padding and all, for one floating compute dtype of one instruction set with masked
 * loads (see kernels.h). Part of move.inc.h.
 */

/* The steps of columns that vectors are picked from; wider ones are as fast an element at a time. */
#define CYC_MAX_SPREAD 4

/* Rows of large images come from memory, a page at a time as far as the CPU itself fetches ahead. Those of at least the
 * first size are fetched by as much as the second ahead, at the end of a block those of the next one. Measured on Zen 5,
 * 64 channels: @224 and @256 5% less; shorter rows lose as much as they gain. */
#define CYC_FAR_ROW_BYTES 512
#define CYC_ROWS_AHEAD_BYTES 2048

/* A vector of each `step`-th element, a power of two, of the lanes in `inside` if there are any outside. */
CYC_INLINE CYC_VECTOR CYC_NAME(load_spread)(const CYC_ELEMENT *p, const CYC_LANE_SET *inside, const int step) {
    CYC_VECTOR part[CYC_MAX_SPREAD];
    CYC_UNROLL for (int i = 0; i < step; i++) {
        part[i] = inside ? CYC_OP(load_lanes)(p + i * CYC_LANES, inside[i]) : CYC_OP(load)(p + i * CYC_LANES);
    }
    if (step > 2) part[0] = CYC_OP(even)(part[0], part[1]), part[1] = CYC_OP(even)(part[2], part[3]);
    return step > 1 ? CYC_OP(even)(part[0], part[1]) : part[0];
}

/* Which lanes of an end of a row are elements of it: those of the vectors that it is picked from, and of the result. */
typedef struct {
    CYC_LANE_SET parts[CYC_MAX_SPREAD], picked;
} CYC_NAME(row_end);

CYC_INLINE void CYC_NAME(find_row_end)(CYC_NAME(row_end) *end, ptrdiff_t first, ptrdiff_t columns, const int step) {
    CYC_UNROLL for (int part = 0; part < step; part++) {
        end->parts[part] = CYC_NAME(lanes_inside)(part * CYC_LANES + step * first, step * (columns - 1) + 1);
    }
    end->picked = CYC_NAME(lanes_inside)(first, columns);
}

/* A vector of an end of a row; `around` it elements may be read. */
CYC_INLINE CYC_VECTOR CYC_NAME(load_row_end)(const CYC_ELEMENT *p, const CYC_NAME(row_end) *end, const int around,
                                             const int step) {
#if CYC_CLEARS_LANES
    if (around) return CYC_OP(keep_lanes)(CYC_NAME(load_spread)(p, NULL, step), end->picked);
#else
    (void)around;
#endif
    return CYC_NAME(load_spread)(p, end->parts, step);
}

/* Whole rows of a window, zeros and all, a vector at a time: what one writes beyond the end of its row the next rows
 * overwrite, but for the last of a channel. Short rows take a few cycles so, twenty with their ends apart. */
CYC_INLINE void CYC_NAME(load_rows_of)(const cyc_load_args *args, const int step) {
    const ptrdiff_t before = args->before, columns = args->columns, width = before + columns + args->after;
    const ptrdiff_t vectors = (width + CYC_LANES - 1) / CYC_LANES, beyond = vectors * CYC_LANES - width;
    const ptrdiff_t exact = (beyond + args->row_pitch - 1) / args->row_pitch; /* rows that must not write there */
    /* vectors without masks: all that they read lies between elements of the row */
    const ptrdiff_t whole = before > 0, whole_end = (before + columns - (step > 1)) / CYC_LANES;
    const ptrdiff_t tail = whole_end > whole ? whole_end : whole; /* the vector that the columns end in */
    const ptrdiff_t inner_end = vectors > whole ? whole_end : 0;
    const ptrdiff_t inputs = step * (columns - 1) + 1;
    CYC_NAME(row_end) head_end, tail_end;
    CYC_NAME(find_row_end)(&head_end, -before, columns, step);
    CYC_NAME(find_row_end)(&tail_end, tail * CYC_LANES - before, columns, step);
    const ptrdiff_t row_size = inputs * (ptrdiff_t)sizeof(CYC_ELEMENT);
    /* what lies between these bytes may be read */
    const int forward = CYC_CLEARS_LANES && args->channel_bytes >= 0 && args->row_bytes >= 0;
    const char *const low = args->src;
    const char *const last_row = low + (args->channels - 1) * args->channel_bytes + (args->rows - 1) * args->row_bytes;
    const char *const high = last_row + row_size;
    const ptrdiff_t fetched = row_size < CYC_FAR_ROW_BYTES ? 0 : row_size;
    const ptrdiff_t ahead = (CYC_ROWS_AHEAD_BYTES + row_size - 1) / row_size * args->row_bytes;
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        const char *row = args->src + c * args->channel_bytes;
        CYC_ELEMENT *dst = (CYC_ELEMENT *)args->dst + c * args->channel_pitch;
        for (ptrdiff_t r = 0; r < args->rows; r++, row += args->row_bytes, dst += args->row_pitch) {
            const CYC_ELEMENT *src = (const CYC_ELEMENT *)row - step * before;
            CYC_VECTOR last = CYC_OP(zero)();
            ptrdiff_t v = 0;
            const int around =
                forward && (const char *)src >= low && (const char *)(src + step * (tail + 1) * CYC_LANES) <= high;
            for (ptrdiff_t byte = 0; byte < fetched; byte += 64) CYC_PREFETCH(row + ahead + byte);
            if (before > 0) last = CYC_NAME(load_row_end)(src, &head_end, around, step);
            if (before > 0 && vectors > 1) CYC_OP(store)(dst, last), v = 1;
            for (; v < inner_end; v++)
                CYC_OP(store)(dst + v * CYC_LANES, CYC_NAME(load_spread)(src + step * v * CYC_LANES, NULL, step));
            if (v == vectors) continue;
            if (v == tail) last = CYC_NAME(load_row_end)(src + step * v * CYC_LANES, &tail_end, around, step);
            for (; v < vectors - 1; v++) {
                CYC_OP(store)(dst + v * CYC_LANES, last);
                last = CYC_OP(zero)();
            }
            if (beyond == 0 || r < args->rows - exact)
                CYC_OP(store)(dst + v * CYC_LANES, last);
            else
                CYC_OP(store_first)(dst + v * CYC_LANES, last, CYC_LANES - beyond);
        }
    }
}

/* Whether it loaded them: rows alone, of contiguous elements or every second or fourth, behind less than a vector of
 * zeros. */
CYC_INLINE int CYC_NAME(load_rows)(const cyc_load_args *args) {
    if (!args->alone || args->before >= CYC_LANES || args->columns < 1) return 0;
    if (args->column_bytes == sizeof(CYC_ELEMENT))
        CYC_NAME(load_rows_of)(args, 1);
    else if (args->column_bytes == 2 * sizeof(CYC_ELEMENT))
        CYC_NAME(load_rows_of)(args, 2);
    else if (args->column_bytes == CYC_MAX_SPREAD * sizeof(CYC_ELEMENT))
        CYC_NAME(load_rows_of)(args, CYC_MAX_SPREAD);
    else
        return 0;
    return 1;
}
