/* One pixel of the weights as they lie, for one compute dtype of one instruction set (see kernels.h).
 *
 * A weight that serves one pixel is used once, and packing it takes twice as long as its product. Here a vector of
 * outputs takes the terms of a cache line from each of their rows, transposed in registers, and goes on to the next
 * line. Rows often lie a multiple of 2 KiB apart, so that the lines of more outputs would evict each other half read.
 */

/* The products of four terms, less those before `first`, which are in the sum already. */
CYC_INLINE CYC_VECTOR CYC_NAME(add_four)(CYC_VECTOR sum, const CYC_ELEMENT *weight, ptrdiff_t pitch,
                                         const CYC_ELEMENT *pixel, ptrdiff_t first) {
    CYC_VECTOR column[4];
    CYC_OP(load_columns)(weight, pitch, column);
    CYC_UNROLL for (int j = 0; j < 4; j++) {
        if (j >= first) sum = CYC_OP(multiply_add)(CYC_OP(broadcast)(pixel + j), column[j], sum);
    }
    return sum;
}

static void CYC_NAME(pixel)(const cyc_pixel_args *args) {
    const ptrdiff_t line = CYC_LINE_BYTES / sizeof(CYC_ELEMENT), terms = args->terms, pitch = args->pitch;
    const CYC_ELEMENT *pixel = (const CYC_ELEMENT *)args->pixel;
    for (ptrdiff_t next = 0; next < args->outputs; next += CYC_LANES) {
        const ptrdiff_t output = next + CYC_LANES <= args->outputs ? next : args->outputs - CYC_LANES;
        const CYC_ELEMENT *weight = (const CYC_ELEMENT *)args->weight + output * pitch;
        CYC_VECTOR total = CYC_OP(zero)();
        for (ptrdiff_t chunk = 0; chunk < terms; chunk += CYC_CHUNK) {
            const ptrdiff_t end = chunk + CYC_CHUNK < terms ? chunk + CYC_CHUNK : terms;
            CYC_VECTOR sum = CYC_OP(zero)();
            ptrdiff_t k = chunk;
            for (; k + line <= end; k += line) {
                CYC_UNROLL for (int q = 0; q < line; q += 4)
                    sum = CYC_NAME(add_four)(sum, weight + k + q, pitch, pixel + k + q, 0);
            }
            for (; k < end; k += 4) {
                const ptrdiff_t from = k + 4 <= end ? k : end - 4; /* the last four overlap those before */
                sum = CYC_NAME(add_four)(sum, weight + from, pitch, pixel + from, k - from);
            }
            total = chunk > 0 ? CYC_OP(add)(total, sum) : sum;
        }
        CYC_OP(store)((CYC_ELEMENT *)args->totals + output, total);
    }
}
