/* Fourier transforms, for one compute dtype of one instruction set (see transforms.h).
 *
 * Forward by decimation in frequency, inverse by decimation in time: the first leaves frequencies in
 * the order in which the second takes them, so nothing is ever permuted. Passes have radix 4, and one
 * of radix 2 where four quarters of two points are left. A vector holds the same point of neighbouring
 * transforms: of columns as they lie, of rows after a transposition into a line buffer.
 */

#define CYC_LINE ((ptrdiff_t)(CYC_LINE_BYTES / sizeof(CYC_ELEMENT)))
/* Transforms of more points than this go quarter by quarter after their first pass: a quarter of two
 * lines of columns stays in a first-level cache. */
#define CYC_FFT_POINTS_IN_CACHE 64

typedef struct {
    CYC_VECTOR re, im;
} CYC_NAME(complex);
#define CYC_COMPLEX CYC_NAME(complex)

CYC_INLINE CYC_COMPLEX CYC_NAME(complex_load)(const CYC_ELEMENT *re, const CYC_ELEMENT *im) {
    return (CYC_COMPLEX){CYC_OP(load)(re), CYC_OP(load)(im)};
}

CYC_INLINE void CYC_NAME(complex_store)(CYC_ELEMENT *re, CYC_ELEMENT *im, CYC_COMPLEX a) {
    CYC_OP(store)(re, a.re);
    CYC_OP(store)(im, a.im);
}

CYC_INLINE CYC_COMPLEX CYC_NAME(complex_add)(CYC_COMPLEX a, CYC_COMPLEX b) {
    return (CYC_COMPLEX){CYC_OP(add)(a.re, b.re), CYC_OP(add)(a.im, b.im)};
}

CYC_INLINE CYC_COMPLEX CYC_NAME(complex_subtract)(CYC_COMPLEX a, CYC_COMPLEX b) {
    return (CYC_COMPLEX){CYC_OP(subtract)(a.re, b.re), CYC_OP(subtract)(a.im, b.im)};
}

CYC_INLINE CYC_COMPLEX CYC_NAME(add_times_i)(CYC_COMPLEX a, CYC_COMPLEX b) {
    return (CYC_COMPLEX){CYC_OP(subtract)(a.re, b.im), CYC_OP(add)(a.im, b.re)};
}

CYC_INLINE CYC_COMPLEX CYC_NAME(subtract_times_i)(CYC_COMPLEX a, CYC_COMPLEX b) {
    return (CYC_COMPLEX){CYC_OP(add)(a.re, b.im), CYC_OP(subtract)(a.im, b.re)};
}

CYC_INLINE CYC_COMPLEX CYC_NAME(complex_multiply)(CYC_COMPLEX a, CYC_COMPLEX b) {
    return (CYC_COMPLEX){CYC_OP(negate_multiply_add)(a.im, b.im, CYC_OP(multiply)(a.re, b.re)),
                         CYC_OP(multiply_add)(a.re, b.im, CYC_OP(multiply)(a.im, b.re))};
}

CYC_INLINE CYC_COMPLEX CYC_NAME(multiply_conjugate)(CYC_COMPLEX a, CYC_COMPLEX b) {
    return (CYC_COMPLEX){CYC_OP(multiply_add)(a.im, b.im, CYC_OP(multiply)(a.re, b.re)),
                         CYC_OP(negate_multiply_add)(a.re, b.im, CYC_OP(multiply)(a.im, b.re))};
}

/* Four points, `step` elements apart, of one vector of transforms, in place. */
CYC_INLINE void CYC_NAME(butterfly)(CYC_ELEMENT *re, CYC_ELEMENT *im, ptrdiff_t step, const CYC_COMPLEX twiddle[3],
                                    const int twiddled, const int inverse) {
    CYC_COMPLEX a[4];
    CYC_UNROLL for (int q = 0; q < 4; q++) a[q] = CYC_NAME(complex_load)(re + q * step, im + q * step);
    if (inverse && twiddled) {
        CYC_UNROLL for (int q = 1; q < 4; q++) a[q] = CYC_NAME(multiply_conjugate)(a[q], twiddle[q - 1]);
    }
    const CYC_COMPLEX even_sum = CYC_NAME(complex_add)(a[0], a[2]);
    const CYC_COMPLEX even_difference = CYC_NAME(complex_subtract)(a[0], a[2]);
    const CYC_COMPLEX odd_sum = CYC_NAME(complex_add)(a[1], a[3]);
    const CYC_COMPLEX odd_difference = CYC_NAME(complex_subtract)(a[1], a[3]);
    a[0] = CYC_NAME(complex_add)(even_sum, odd_sum);
    a[2] = CYC_NAME(complex_subtract)(even_sum, odd_sum);
    a[inverse ? 1 : 3] = CYC_NAME(add_times_i)(even_difference, odd_difference);
    a[inverse ? 3 : 1] = CYC_NAME(subtract_times_i)(even_difference, odd_difference);
    if (!inverse && twiddled) {
        CYC_UNROLL for (int q = 1; q < 4; q++) a[q] = CYC_NAME(complex_multiply)(a[q], twiddle[q - 1]);
    }
    CYC_UNROLL for (int q = 0; q < 4; q++) CYC_NAME(complex_store)(re + q * step, im + q * step, a[q]);
}

/* One pass over `points` rows, `width` elements of each: radix-4 butterflies of every `size` rows. Twiddles are loaded
 * once for all rows that share them. */
CYC_INLINE void CYC_NAME(pass)(CYC_ELEMENT *re, CYC_ELEMENT *im, ptrdiff_t pitch, ptrdiff_t points, ptrdiff_t size,
                               const CYC_ELEMENT *twiddles, const ptrdiff_t width, const int inverse) {
    const ptrdiff_t step = size / 4 * pitch;
    CYC_COMPLEX twiddle[3];
    CYC_UNROLL for (int q = 0; q < 3; q++) twiddle[q].re = twiddle[q].im = CYC_OP(zero)();
    for (ptrdiff_t at = 0; at < points * pitch; at += size * pitch) {
        for (ptrdiff_t x = 0; x < width; x += CYC_LANES)
            CYC_NAME(butterfly)(re + at + x, im + at + x, step, twiddle, 0, inverse);
    }
    for (ptrdiff_t j = 1; j < size / 4; j++) {
        CYC_UNROLL for (int q = 0; q < 3; q++) {
            twiddle[q].re = CYC_OP(broadcast)(twiddles + 6 * j + 2 * q);
            twiddle[q].im = CYC_OP(broadcast)(twiddles + 6 * j + 2 * q + 1);
        }
        for (ptrdiff_t at = j * pitch; at < points * pitch; at += size * pitch) {
            for (ptrdiff_t x = 0; x < width; x += CYC_LANES)
                CYC_NAME(butterfly)(re + at + x, im + at + x, step, twiddle, 1, inverse);
        }
    }
}

typedef void (*CYC_NAME(pass_fn))(CYC_ELEMENT *re, CYC_ELEMENT *im, ptrdiff_t pitch, ptrdiff_t points, ptrdiff_t size,
                                  const CYC_ELEMENT *twiddles);

#define CYC_PASS(NAME, WIDTH, INVERSE)                                                                        \
    static void CYC_NAME(NAME)(CYC_ELEMENT *re, CYC_ELEMENT *im, ptrdiff_t pitch, ptrdiff_t points,           \
                               ptrdiff_t size, const CYC_ELEMENT *twiddles) {                                 \
        CYC_NAME(pass)(re, im, pitch, points, size, twiddles, WIDTH, INVERSE);                                \
    }
CYC_PASS(columns_forward, 2 * CYC_LINE, 0)
CYC_PASS(columns_inverse, 2 * CYC_LINE, 1)
CYC_PASS(rows_forward, CYC_LINE, 0)
CYC_PASS(rows_inverse, CYC_LINE, 1)
#undef CYC_PASS

/* Sums and differences of rows two by two: the pass of size 2, either way. */
static void CYC_NAME(pass_of_2)(CYC_ELEMENT *re, CYC_ELEMENT *im, ptrdiff_t pitch, ptrdiff_t points, ptrdiff_t width) {
    for (ptrdiff_t row = 0; row < points; row += 2, re += 2 * pitch, im += 2 * pitch) {
        for (ptrdiff_t x = 0; x < width; x += CYC_LANES) {
            const CYC_COMPLEX a = CYC_NAME(complex_load)(re + x, im + x);
            const CYC_COMPLEX b = CYC_NAME(complex_load)(re + pitch + x, im + pitch + x);
            CYC_NAME(complex_store)(re + x, im + x, CYC_NAME(complex_add)(a, b));
            CYC_NAME(complex_store)(re + pitch + x, im + pitch + x, CYC_NAME(complex_subtract)(a, b));
        }
    }
}

/* The twiddles of the pass of some size begin 2 * (points - size) elements into the table of `points`;
 * there begins the table of `size`. */
static void CYC_NAME(forward)(CYC_NAME(pass_fn) pass, CYC_ELEMENT *re, CYC_ELEMENT *im, ptrdiff_t pitch,
                              ptrdiff_t points, const CYC_ELEMENT *twiddles, ptrdiff_t width) {
    const ptrdiff_t quarter = points / 4;
    ptrdiff_t size = points;
    if (points > CYC_FFT_POINTS_IN_CACHE) {
        pass(re, im, pitch, points, points, twiddles);
        for (ptrdiff_t at = 0; at < points * pitch; at += quarter * pitch)
            CYC_NAME(forward)(pass, re + at, im + at, pitch, quarter, twiddles + 6 * quarter, width);
        return;
    }
    for (; size >= 4; size /= 4) pass(re, im, pitch, points, size, twiddles + 2 * (points - size));
    if (size == 2) CYC_NAME(pass_of_2)(re, im, pitch, points, width);
}

static void CYC_NAME(inverse)(CYC_NAME(pass_fn) pass, CYC_ELEMENT *re, CYC_ELEMENT *im, ptrdiff_t pitch,
                              ptrdiff_t points, const CYC_ELEMENT *twiddles, ptrdiff_t width) {
    const ptrdiff_t quarter = points / 4;
    ptrdiff_t size = points;
    if (points > CYC_FFT_POINTS_IN_CACHE) {
        for (ptrdiff_t at = 0; at < points * pitch; at += quarter * pitch)
            CYC_NAME(inverse)(pass, re + at, im + at, pitch, quarter, twiddles + 6 * quarter, width);
        pass(re, im, pitch, points, points, twiddles);
        return;
    }
    while (size > 4) size /= 4;
    if (size == 2) {
        CYC_NAME(pass_of_2)(re, im, pitch, points, width);
        size = 8;
    }
    for (; size <= points; size *= 4) pass(re, im, pitch, points, size, twiddles + 2 * (points - size));
}

static void CYC_NAME(fft_columns)(const cyc_fft_args *args) {
    CYC_ELEMENT *re = (CYC_ELEMENT *)args->re, *im = (CYC_ELEMENT *)args->im;
    const CYC_ELEMENT *twiddles = (const CYC_ELEMENT *)args->twiddles;
    const ptrdiff_t width = 2 * CYC_LINE;
    for (ptrdiff_t x = 0; x < args->columns; x += width) {
        if (args->inverse)
            CYC_NAME(inverse)(CYC_NAME(columns_inverse), re + x, im + x, args->pitch, args->points, twiddles, width);
        else
            CYC_NAME(forward)(CYC_NAME(columns_forward), re + x, im + x, args->pitch, args->points, twiddles, width);
    }
}

/* rows[r][x] to line[x][r], or back. */
CYC_INLINE void CYC_NAME(turn_line)(CYC_ELEMENT *rows, ptrdiff_t pitch, CYC_ELEMENT *line, ptrdiff_t points,
                                    const int back) {
    for (ptrdiff_t x = 0; x < points; x += 4) {
        for (ptrdiff_t r = 0; r < CYC_LINE; r += 4) {
            if (back)
                CYC_OP(transpose)(line + x * CYC_LINE + r, CYC_LINE, rows + r * pitch + x, pitch);
            else
                CYC_OP(transpose)(rows + r * pitch + x, pitch, line + x * CYC_LINE + r, CYC_LINE);
        }
    }
}

static void CYC_NAME(fft_rows)(const cyc_fft_args *args) {
    CYC_ELEMENT *re = (CYC_ELEMENT *)args->re, *im = (CYC_ELEMENT *)args->im;
    CYC_ELEMENT *line_re = (CYC_ELEMENT *)args->line, *line_im = line_re + args->points * CYC_LINE;
    const CYC_ELEMENT *twiddles = (const CYC_ELEMENT *)args->twiddles;
    const ptrdiff_t pitch = args->pitch, points = args->points;
    if (args->inverse) {
        CYC_NAME(inverse)(CYC_NAME(rows_inverse), line_re, line_im, CYC_LINE, points, twiddles, CYC_LINE);
        CYC_NAME(turn_line)(re, pitch, line_re, points, 1);
        CYC_NAME(turn_line)(im, pitch, line_im, points, 1);
    } else {
        CYC_NAME(turn_line)(re, pitch, line_re, points, 0);
        CYC_NAME(turn_line)(im, pitch, line_im, points, 0);
        CYC_NAME(forward)(CYC_NAME(rows_forward), line_re, line_im, CYC_LINE, points, twiddles, CYC_LINE);
    }
}

static void CYC_NAME(fft_multiply)(void *product, const void *a, const void *b, ptrdiff_t count, int add) {
    CYC_ELEMENT *const out_re = (CYC_ELEMENT *)product, *const out_im = out_re + count;
    const CYC_ELEMENT *const a_re = (const CYC_ELEMENT *)a, *const a_im = a_re + count;
    const CYC_ELEMENT *const b_re = (const CYC_ELEMENT *)b, *const b_im = b_re + count;
    for (ptrdiff_t i = 0; i < count; i += CYC_LANES) {
        CYC_COMPLEX result = CYC_NAME(multiply_conjugate)(CYC_NAME(complex_load)(a_re + i, a_im + i),
                                                          CYC_NAME(complex_load)(b_re + i, b_im + i));
        if (add) result = CYC_NAME(complex_add)(CYC_NAME(complex_load)(out_re + i, out_im + i), result);
        CYC_NAME(complex_store)(out_re + i, out_im + i, result);
    }
}

#undef CYC_LINE
#undef CYC_FFT_POINTS_IN_CACHE
#undef CYC_COMPLEX
