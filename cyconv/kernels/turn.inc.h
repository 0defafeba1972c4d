/* Transpositions, for one compute dtype of one instruction set (see kernels.h): of rows, of weights into a panel, and of
 * the sums of a turned tile on their way to the result.
 */

/* Rows that are read side by side: more streams come slower where they come from memory. */
#define CYC_TURNED_ROWS 16

/* dst[k * width + i] = src[i * pitch + k], four rows i and four terms k at a time; the last four of either overlap those
 * before. */
CYC_INLINE void CYC_NAME(turn_part)(const CYC_ELEMENT *src, ptrdiff_t pitch, ptrdiff_t rows, CYC_ELEMENT *dst,
                                    ptrdiff_t width, ptrdiff_t terms) {
    const ptrdiff_t line = CYC_LINE_BYTES / sizeof(CYC_ELEMENT);
    if (rows < 4 || terms < 4) {
        for (ptrdiff_t k = 0; k < terms; k++) {
            for (ptrdiff_t i = 0; i < rows; i++) dst[k * width + i] = src[i * pitch + k];
        }
        return;
    }
    for (ptrdiff_t first = 0; first < rows; first += CYC_TURNED_ROWS) {
        const ptrdiff_t last = first + CYC_TURNED_ROWS < rows ? first + CYC_TURNED_ROWS : rows;
        for (ptrdiff_t begin = 0; begin < terms; begin += line) {
            const ptrdiff_t end = begin + line < terms ? begin + line : terms;
            for (ptrdiff_t i = first; i < last; i += 4) {
                const ptrdiff_t row = i + 4 <= rows ? i : rows - 4;
                for (ptrdiff_t k = begin; k < end; k += 4) {
                    const ptrdiff_t term = k + 4 <= terms ? k : terms - 4;
                    CYC_OP(transpose)(src + row * pitch + term, pitch, dst + term * width + row, width);
                }
            }
        }
    }
}

#if CYC_FLOATING
/* Two or three rows side by side, and back, in loops that compilers turn into vectors: images of a small batch. */
CYC_INLINE void CYC_NAME(interleave)(const CYC_ELEMENT *restrict src, ptrdiff_t pitch, CYC_ELEMENT *restrict dst,
                                     ptrdiff_t terms, const int rows) {
    for (ptrdiff_t k = 0; k < terms; k++) {
    CYC_UNROLL for (int i = 0; i < rows; i++) dst[k * rows + i] = src[i * pitch + k];
    }
}
CYC_INLINE void CYC_NAME(deal)(const CYC_ELEMENT *restrict src, ptrdiff_t rows, CYC_ELEMENT *restrict dst,
                               ptrdiff_t width, const int terms) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        CYC_UNROLL for (int k = 0; k < terms; k++) dst[k * width + i] = src[i * terms + k];
    }
}

/* Whether it did: rows and terms are few enough. */
CYC_INLINE int CYC_NAME(turn_few)(const CYC_ELEMENT *src, ptrdiff_t pitch, ptrdiff_t rows, CYC_ELEMENT *dst,
                                  ptrdiff_t width, ptrdiff_t terms) {
    if (rows == 2 && width == 2) {
        CYC_NAME(interleave)(src, pitch, dst, terms, 2);
    } else if (rows == 3 && width == 3) {
        CYC_NAME(interleave)(src, pitch, dst, terms, 3);
    } else if (terms == 2 && pitch == 2) {
        CYC_NAME(deal)(src, rows, dst, width, 2);
    } else if (terms == 3 && pitch == 3) {
        CYC_NAME(deal)(src, rows, dst, width, 3);
    } else {
        return 0;
    }
    return 1;
}
#endif

#ifdef CYC_TURNS_LINES
/* A cache line of terms from as many rows as a vector of such elements has lanes. */
CYC_INLINE void CYC_NAME(turn_lines)(const CYC_ELEMENT *src, ptrdiff_t pitch, CYC_ELEMENT *dst, ptrdiff_t width) {
    const int line = CYC_LINE_BYTES / sizeof(CYC_ELEMENT);
    CYC_UNROLL for (int k = 0; k < line; k += 4) {
        if (sizeof(CYC_ELEMENT) == sizeof(float)) {
            vec_f32 column[4];
            vec_load_columns_f32((const float *)src + k, pitch, column);
            CYC_UNROLL for (int j = 0; j < 4; j++) vec_store_f32((float *)dst + (k + j) * width, column[j]);
        } else {
            vec_f64 column[4];
            vec_load_columns_f64((const double *)src + k, pitch, column);
            CYC_UNROLL for (int j = 0; j < 4; j++) vec_store_f64((double *)dst + (k + j) * width, column[j]);
        }
    }
}
#endif

/* A cache line of terms from a few rows at a time. The rows of a weight often lie a multiple of 2 KiB apart, so that
 * the lines of more of them would evict each other half read. Four, or as many as the registers transpose with a whole
 * line of each. */
static void CYC_NAME(turn_over)(const void *from, ptrdiff_t pitch, ptrdiff_t rows, void *to, ptrdiff_t width,
                                ptrdiff_t terms) {
    const CYC_ELEMENT *src = (const CYC_ELEMENT *)from;
    CYC_ELEMENT *dst = (CYC_ELEMENT *)to;
    if (rows == 1 && width == 1) { /* of a group of one output */
        memcpy(to, from, terms * sizeof(CYC_ELEMENT));
        return;
    }
#if CYC_FLOATING
    if (CYC_NAME(turn_few)(src, pitch, rows, dst, width, terms)) return;
#endif
#ifdef CYC_TURNS_LINES
    enum { LANES = sizeof(vec_f32) / sizeof(CYC_ELEMENT) };
    if (rows >= LANES) {
        const ptrdiff_t line = CYC_LINE_BYTES / sizeof(CYC_ELEMENT);
        const ptrdiff_t whole = terms - terms % line, packed = rows - rows % LANES;
        for (ptrdiff_t i = 0; i < packed; i += LANES) {
            for (ptrdiff_t k = 0; k < whole; k += line)
                CYC_NAME(turn_lines)(src + i * pitch + k, pitch, dst + k * width + i, width);
        }
        CYC_NAME(turn_part)(src + whole, pitch, packed, dst + whole * width, width, terms - whole);
        src += packed * pitch;
        dst += packed;
        rows -= packed;
    }
#endif
    CYC_NAME(turn_part)(src, pitch, rows, dst, width, terms);
}

static void CYC_NAME(pack)(const void *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t width, ptrdiff_t terms,
                           void *panel) {
    CYC_ELEMENT *dst = (CYC_ELEMENT *)panel;
    CYC_NAME(turn_over)(weight, pitch, rows, panel, width, terms);
    if (rows == width) return;
    for (ptrdiff_t k = 0; k < terms; k++) {
        for (ptrdiff_t i = rows; i < width; i++) dst[k * width + i] = 0;
    }
}

/* Lane l of four vectors to out + l * pitch, side by side. */
CYC_INLINE void CYC_NAME(store_quads)(CYC_ELEMENT *out, ptrdiff_t pitch, const CYC_VECTOR quad[4]) {
#ifdef CYC_TRANSPOSE_QUADS
    if (sizeof(CYC_ELEMENT) == sizeof(float)) {
        transpose_quads_32((const vec_f32 *)quad, (float *)out, pitch);
        return;
    }
#endif
    enum { LANES = sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT) };
    CYC_ELEMENT lines[4][LANES];
    ptrdiff_t l = 0;
    CYC_UNROLL for (int j = 0; j < 4; j++) CYC_OP(store)(lines[j], quad[j]);
    for (; l + 4 <= LANES; l += 4) CYC_OP(transpose)(lines[0] + l, LANES, out + l * pitch, pitch);
    for (; l < LANES; l++) {
        CYC_UNROLL for (int j = 0; j < 4; j++) out[l * pitch + j] = lines[j][l];
    }
}

#if CYC_FLOATING && defined(CYC_LOADS_COLUMNS)
/* Vectors of pixels, of four channels at a time: lines of the result are written whole, as those of many channels may
 * evict each other. The last ones of pixels and of channels overlap those before. */
CYC_INLINE void CYC_NAME(store_turned_vectors)(const cyc_turned_args *args) {
    const CYC_ELEMENT *totals = (const CYC_ELEMENT *)args->totals, *bias = (const CYC_ELEMENT *)args->bias;
    const CYC_ELEMENT *clamp = (const CYC_ELEMENT *)args->clamp;
    CYC_ELEMENT *out = (CYC_ELEMENT *)args->out;
    const ptrdiff_t pixels = args->pixels, pitch = args->pitch, channels = args->channels, out_pitch = args->out_pitch;
    const ptrdiff_t fetched = args->fetches ? channels : 0;
    for (ptrdiff_t begin = 0; begin < channels; begin += 4) {
        const ptrdiff_t c = begin + 4 <= channels ? begin : channels - 4;
        CYC_VECTOR biases[4];
        CYC_UNROLL for (int j = 0; j < 4; j++) biases[j] = CYC_OP(broadcast)(bias + c + j);
        for (ptrdiff_t next = 0; next < pixels; next += CYC_LANES) {
            const ptrdiff_t p = next + CYC_LANES <= pixels ? next : pixels - CYC_LANES;
            CYC_VECTOR column[4];
            CYC_OP(load_columns)(totals + p * pitch + c, pitch, column);
            CYC_UNROLL for (int j = 0; j < 4; j++) {
                column[j] = CYC_OP(add)(column[j], biases[j]);
                if (clamp) column[j] = CYC_NAME(clamped)(column[j], clamp);
                CYC_OP(store)(out + (c + j) * out_pitch + p, column[j]);
                if (begin + 4 < fetched) CYC_PREFETCH_FAR(out + (begin + 4 + j) * out_pitch + p);
            }
        }
    }
}
#endif

/* Four pixels of a vector of channels at a time; what is left of either, one by one. */
static void CYC_NAME(store_turned)(const cyc_turned_args *args) {
#if CYC_FLOATING && defined(CYC_LOADS_COLUMNS)
    if (args->pixels >= CYC_LANES && args->channels >= 4) {
        CYC_NAME(store_turned_vectors)(args);
        return;
    }
#endif
    const CYC_ELEMENT *totals = (const CYC_ELEMENT *)args->totals, *bias = (const CYC_ELEMENT *)args->bias;
    const CYC_ELEMENT *clamp = (const CYC_ELEMENT *)args->clamp;
    CYC_ELEMENT *out = (CYC_ELEMENT *)args->out;
    const ptrdiff_t pixels = args->pixels, pitch = args->pitch, out_pitch = args->out_pitch;
    ptrdiff_t c = 0;
    for (; pixels >= 4 && c + CYC_LANES <= args->channels; c += CYC_LANES) {
        const CYC_VECTOR biases = CYC_OP(load)(bias + c);
        for (ptrdiff_t next = 0; next < pixels; next += 4) {
            const ptrdiff_t p = next + 4 <= pixels ? next : pixels - 4; /* the last four overlap those before */
            CYC_VECTOR quad[4];
            CYC_UNROLL for (int j = 0; j < 4; j++) {
                quad[j] = CYC_OP(add)(CYC_OP(load)(totals + (p + j) * pitch + c), biases);
                if (clamp) quad[j] = CYC_NAME(clamped)(quad[j], clamp);
            }
            CYC_NAME(store_quads)(out + c * out_pitch + p, out_pitch, quad);
        }
    }
    for (; c < args->channels; c++) {
        for (ptrdiff_t p = 0; p < pixels; p++) {
            CYC_ELEMENT value = totals[p * pitch + c] + bias[c];
#if CYC_FLOATING
            if (clamp && value < clamp[0]) value = clamp[0];
            if (clamp && value > clamp[1]) value = clamp[1];
#endif
            out[c * out_pitch + p] = value;
        }
    }
}
#undef CYC_TURNED_ROWS
