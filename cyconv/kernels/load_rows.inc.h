/* Loading the rows of a window whole, padding and all, for one floating compute dtype of one instruction set with masked
 * loads (see kernels.h). Part of move.inc.h.
 */

/* Rows of large images come from memory, a page at a time as far as the CPU itself fetches ahead. Those of at least the
 * first size are fetched by as much as the second ahead, at the end of a block those of the next one. Measured on Zen 5,
 * 64 channels: @224 and @256 5% less; shorter rows lose as much as they gain, as do all phases of a row at once. */
#define CYC_FAR_ROW_BYTES 512
#define CYC_ROWS_AHEAD_BYTES 2048

/* Vectors of a row, zeros and all, that have masks of their own, each number of them in a loop of its own. With a stride
 * of two that pays where masks are registers: AVX2 was measured to be no faster. */
#define CYC_SHORT_ROW_VECTORS 4
#ifdef CYC_MASKS
#define CYC_SHORT_SPREAD_VECTORS 2
#else
#define CYC_SHORT_SPREAD_VECTORS 0
#endif

/* A vector of each `step`-th element, a power of two, of the lanes in `inside` if there are any outside. With `all` the
 * other elements too, a vector for each phase. */
CYC_INLINE void CYC_NAME(load_spread)(CYC_VECTOR *part, const CYC_ELEMENT *p, const CYC_LANE_SET *inside,
                                      const int step, const int all) {
    CYC_VECTOR odd[CYC_MAX_SPREAD / 2];
    CYC_UNROLL for (int i = 0; i < step; i++) {
        part[i] = inside ? CYC_OP(load_lanes)(p + i * CYC_LANES, inside[i]) : CYC_OP(load)(p + i * CYC_LANES);
    }
    CYC_UNROLL for (int i = 0; i < step / 2; i++) {
        odd[i] = CYC_OP(odd)(part[2 * i], part[2 * i + 1]);
        part[i] = CYC_OP(even)(part[2 * i], part[2 * i + 1]);
    }
    if (all && step == 2) part[1] = odd[0];
    if (step < CYC_MAX_SPREAD) return;
    if (all) {
        part[2] = CYC_OP(odd)(part[0], part[1]);
        part[3] = CYC_OP(odd)(odd[0], odd[1]);
    }
    part[0] = CYC_OP(even)(part[0], part[1]);
    if (all) part[1] = CYC_OP(even)(odd[0], odd[1]);
}

/* Which lanes of an end of a row are elements of it: those of the vectors that it is picked from, and of each phase. */
typedef struct {
    CYC_LANE_SET parts[CYC_MAX_SPREAD], picked[CYC_MAX_SPREAD];
} CYC_NAME(row_end);

/* Of the vector from column `first` on, in a row whose elements are `lead .. inputs`. */
CYC_INLINE void CYC_NAME(find_row_end)(CYC_NAME(row_end) *end, ptrdiff_t first, ptrdiff_t lead, ptrdiff_t inputs,
                                       const int step) {
    CYC_UNROLL for (int i = 0; i < step; i++) {
        const ptrdiff_t low = (lead - i + step - 1) / step, high = (inputs - i + step - 1) / step;
        end->parts[i] = CYC_NAME(lanes_inside)(i * CYC_LANES + step * first - lead, inputs - lead);
        end->picked[i] = CYC_NAME(lanes_inside)(first - low, high - low);
    }
}

/* The vectors of an end of a row; `around` it elements may be read. */
CYC_INLINE void CYC_NAME(load_row_end)(CYC_VECTOR *part, const CYC_ELEMENT *p, const CYC_NAME(row_end) *end,
                                       const int around, const int step, const int all) {
#if CYC_CLEARS_LANES
    if (around) {
        CYC_NAME(load_spread)(part, p, NULL, step, all);
        CYC_UNROLL for (int i = 0; i < step; i++) part[i] = CYC_OP(keep_lanes)(part[i], end->picked[i]);
        return;
    }
#else
    (void)around;
#endif
    CYC_NAME(load_spread)(part, p, end->parts, step, all);
}

/* Rows of a few vectors that lie near: each vector under masks, which takes no longer than the choice of those that need
 * them. `exact` rows of a channel are not to be written beyond their end; `inputs` counts from the first column. */
CYC_INLINE void CYC_NAME(load_short_rows)(const cyc_load_args *args, ptrdiff_t lead, ptrdiff_t inputs, ptrdiff_t exact,
                                          const char *low, const char *high, const int vectors, const int step,
                                          const int all) {
    const int phases = all ? step : 1;
    const ptrdiff_t before = args->before;
    const ptrdiff_t last_lanes = before + args->columns + args->after - (vectors - 1) * CYC_LANES;
    CYC_NAME(row_end) ends[CYC_SHORT_ROW_VECTORS];
    CYC_UNROLL for (int v = 0; v < vectors; v++)
        CYC_NAME(find_row_end)(&ends[v], v * CYC_LANES - before, lead, inputs, step);
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        const char *row = args->src + c * args->channel_bytes;
        CYC_ELEMENT *dst = (CYC_ELEMENT *)args->dst + c * args->channel_pitch;
        for (ptrdiff_t r = 0; r < args->rows; r++, row += args->row_bytes, dst += args->row_pitch) {
            const CYC_ELEMENT *src = (const CYC_ELEMENT *)row - lead - step * before;
            const int around = (const char *)src >= low && (const char *)(src + step * vectors * CYC_LANES) <= high;
            CYC_UNROLL for (int v = 0; v < vectors; v++) {
                CYC_VECTOR part[CYC_MAX_SPREAD];
                CYC_NAME(load_row_end)(part, src + step * v * CYC_LANES, &ends[v], around, step, all);
                CYC_UNROLL for (int i = 0; i < phases; i++) {
                    CYC_ELEMENT *const to = dst + i * args->phase_pitch + v * CYC_LANES;
                    if (v < vectors - 1 || r < args->rows - exact)
                        CYC_OP(store)(to, part[i]);
                    else
                        CYC_OP(store_first)(to, part[i], last_lanes);
                }
            }
        }
    }
}

/* Whole rows of a window, zeros and all, a vector at a time: what one writes beyond the end of its row the next rows
 * overwrite, but for the last of a channel. Short rows take a few cycles so, twenty with their ends apart. */
CYC_INLINE void CYC_NAME(load_rows_of)(const cyc_load_args *args, const int step, const int all) {
    const int phases = all ? step : 1;
    const ptrdiff_t zeros = args->before / CYC_LANES; /* whole vectors of them before the row */
    const ptrdiff_t before = args->before - zeros * CYC_LANES, columns = args->columns;
    const ptrdiff_t width = before + columns + args->after;
    const ptrdiff_t vectors = (width + CYC_LANES - 1) / CYC_LANES, beyond = vectors * CYC_LANES - width;
    const ptrdiff_t exact = (beyond + args->row_pitch - 1) / args->row_pitch; /* rows that must not write there */
    /* elements, counted from the first column */
    const ptrdiff_t lead = all ? args->lead : 0, inputs = step * columns - (all ? args->trail : step - 1);
    const ptrdiff_t row_size = (inputs - lead) * (ptrdiff_t)sizeof(CYC_ELEMENT);
    /* what lies between these bytes may be read */
    const int forward = CYC_CLEARS_LANES && args->channel_bytes >= 0 && args->row_bytes >= 0;
    const char *const low = args->src;
    const char *const last_row = low + (args->channels - 1) * args->channel_bytes + (args->rows - 1) * args->row_bytes;
    const char *const high = last_row + row_size;
    const ptrdiff_t later = args->ahead; /* for longer than the first level keeps it */
    const ptrdiff_t fetched = all || (later == 0 && row_size < CYC_FAR_ROW_BYTES) ? 0 : row_size;
    const ptrdiff_t most = step == 1 ? CYC_SHORT_ROW_VECTORS : step == 2 ? CYC_SHORT_SPREAD_VECTORS : 0;
    if (fetched == 0 && zeros == 0 && vectors <= most) {
        const char *const from = forward ? low : high, *const to = forward ? high : low;
        if (vectors == 1) CYC_NAME(load_short_rows)(args, lead, inputs, exact, from, to, 1, step, all);
        if (vectors == 2) CYC_NAME(load_short_rows)(args, lead, inputs, exact, from, to, 2, step, all);
        if (step == 1 && vectors == 3) CYC_NAME(load_short_rows)(args, lead, inputs, exact, from, to, 3, 1, 0);
        if (step == 1 && vectors == 4) CYC_NAME(load_short_rows)(args, lead, inputs, exact, from, to, 4, 1, 0);
        return;
    }
    /* vectors without masks: all that they read lies between elements of the row */
    const ptrdiff_t whole = before > 0 || lead > 0, whole_end = (before + columns - (step > 1)) / CYC_LANES;
    const ptrdiff_t tail = whole_end > whole ? whole_end : whole; /* the vector that the columns end in */
    const ptrdiff_t inner_end = vectors > whole ? whole_end : 0;
    CYC_NAME(row_end) head_end, tail_end;
    CYC_NAME(find_row_end)(&head_end, -before, lead, inputs, step);
    CYC_NAME(find_row_end)(&tail_end, tail * CYC_LANES - before, lead, inputs, step);
    /* of a single row, whose pitch says nothing and may be huge, the product wraps */
    const size_t rows_ahead = (CYC_ROWS_AHEAD_BYTES + row_size - 1) / row_size;
    const ptrdiff_t ahead = (ptrdiff_t)(rows_ahead * (size_t)args->row_bytes);
    for (ptrdiff_t c = 0; c < args->channels; c++) {
        const char *row = args->src + c * args->channel_bytes;
        CYC_ELEMENT *dst = (CYC_ELEMENT *)args->dst + c * args->channel_pitch;
        for (ptrdiff_t r = 0; r < args->rows; r++, row += args->row_bytes, dst += args->row_pitch) {
            const CYC_ELEMENT *src = (const CYC_ELEMENT *)row - lead - step * before;
            CYC_ELEMENT *phase[CYC_MAX_SPREAD];
            CYC_VECTOR part[CYC_MAX_SPREAD];
            ptrdiff_t v = 0;
            CYC_UNROLL for (int i = 0; i < phases; i++) part[i] = CYC_OP(zero)();
            const int around =
                forward && (const char *)src >= low && (const char *)(src + step * (tail + 1) * CYC_LANES) <= high;
            if (later) {
                for (ptrdiff_t byte = 0; byte < fetched; byte += CYC_LINE_BYTES) CYC_PREFETCH_FAR(row + later + byte);
            } else {
                for (ptrdiff_t byte = 0; byte < fetched; byte += CYC_LINE_BYTES) CYC_PREFETCH(row + ahead + byte);
            }
            CYC_UNROLL for (int i = 0; i < phases; i++) {
                phase[i] = dst + i * args->phase_pitch;
                for (ptrdiff_t z = 0; z < zeros; z++, phase[i] += CYC_LANES) CYC_OP(store)(phase[i], CYC_OP(zero)());
            }
            if (whole > 0) {
                CYC_NAME(load_row_end)(part, src, &head_end, around, step, all);
                if (vectors > 1) {
                    CYC_UNROLL for (int i = 0; i < phases; i++) CYC_OP(store)(phase[i], part[i]);
                    v = 1;
                }
            }
            for (; v < inner_end; v++) {
                CYC_NAME(load_spread)(part, src + step * v * CYC_LANES, NULL, step, all);
                CYC_UNROLL for (int i = 0; i < phases; i++) CYC_OP(store)(phase[i] + v * CYC_LANES, part[i]);
            }
            if (v == vectors) continue;
            if (v == tail)
                CYC_NAME(load_row_end)(part, src + step * v * CYC_LANES, &tail_end, around, step, all);
            for (; v < vectors - 1; v++) {
                CYC_UNROLL for (int i = 0; i < phases; i++) {
                    CYC_OP(store)(phase[i] + v * CYC_LANES, part[i]);
                    part[i] = CYC_OP(zero)();
                }
            }
            CYC_UNROLL for (int i = 0; i < phases; i++) {
                if (beyond == 0 || r < args->rows - exact)
                    CYC_OP(store)(phase[i] + v * CYC_LANES, part[i]);
                else
                    CYC_OP(store_first)(phase[i] + v * CYC_LANES, part[i], CYC_LANES - beyond);
            }
        }
    }
}

/* Whether it loaded them: rows alone, of contiguous elements or every second or fourth, or all phases of those. */
CYC_INLINE int CYC_NAME(load_rows)(const cyc_load_args *args) {
    const ptrdiff_t step = args->column_bytes / (ptrdiff_t)sizeof(CYC_ELEMENT);
    if (!args->alone || args->columns < 1 || args->column_bytes != step * (ptrdiff_t)sizeof(CYC_ELEMENT)) return 0;
    if (step == 1)
        CYC_NAME(load_rows_of)(args, 1, 0);
    else if (step == 2 && args->phases == 1)
        CYC_NAME(load_rows_of)(args, 2, 0);
    else if (step == 2)
        CYC_NAME(load_rows_of)(args, 2, 1);
    else if (step == CYC_MAX_SPREAD && args->phases == 1)
        CYC_NAME(load_rows_of)(args, CYC_MAX_SPREAD, 0);
    else if (step == CYC_MAX_SPREAD)
        CYC_NAME(load_rows_of)(args, CYC_MAX_SPREAD, 1);
    else
        return 0;
    return 1;
}
