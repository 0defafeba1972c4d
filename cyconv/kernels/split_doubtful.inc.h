/* Results that parts cannot give (split.h): those whose terms are not finite or too small. */

/* The least of so many exponents. */
CYC_INLINE int32_t least_of(const int32_t *exponents, ptrdiff_t count) {
    const __m512i none = _mm512_set1_epi32(CYC_SPLIT_NO_EXPONENT);
    const __m512i low = _mm512_mask_loadu_epi32(none, first_lanes(count), exponents);
    const __m512i high = _mm512_mask_loadu_epi32(none, first_lanes(count - LANES), exponents + LANES);
    return (int32_t)_mm512_reduce_min_epu32(_mm512_min_epu32(low, high));
}

/* Whether the weights of these outputs are finite. */
CYC_INLINE int are_finite(const cyc_split_range *range, ptrdiff_t outputs) {
    const __m512i infinite = _mm512_set1_epi32(INFINITE);
    const __m512i low = _mm512_loadu_si512(range->most), high = _mm512_loadu_si512(range->most + LANES);
    return !(_mm512_mask_cmpge_epi32_mask(first_lanes(outputs), low, infinite) |
             _mm512_mask_cmpge_epi32_mask(first_lanes(outputs - LANES), high, infinite));
}

CYC_INLINE __m512i magnitudes(const float *values) {
    return _mm512_and_si512(_mm512_loadu_si512(values), _mm512_set1_epi32(0x7fffffff));
}

/* The lanes of a vector of sums whose terms are so small that they may notice. */
CYC_INLINE __mmask16 faint_lanes(__m512i sums, int32_t least, int32_t most, __m512i pixel_least, __m512i pixel_most) {
    const __m512i tiny = _mm512_set1_epi32(LEAST_EXPONENT), product = _mm512_set1_epi32(LEAST_PRODUCT_EXPONENT - least);
    const int32_t largest = (most >> EXPONENT_BITS) > EXPONENT_BIAS + 2 ? most >> EXPONENT_BITS : EXPONENT_BIAS + 2;
    const __m512i scale = _mm512_max_epi32(_mm512_srli_epi32(pixel_most, EXPONENT_BITS), _mm512_set1_epi32(largest));
    const __m512i noticed = _mm512_sub_epi32(scale, _mm512_set1_epi32(NOTICED_EXPONENTS));
    __mmask16 faint = _mm512_cmplt_epi32_mask(pixel_least, _mm512_max_epi32(product, tiny));
    if (least < LEAST_EXPONENT) faint = 0xffff;
    return faint & _mm512_cmplt_epi32_mask(_mm512_srli_epi32(sums, 23), noticed);
}

/* Whether some of these sums, of whole vectors, are not finite. */
CYC_INLINE int overflows(const float *totals, ptrdiff_t outputs, ptrdiff_t pixels) {
    __m512i most[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (ptrdiff_t output = 0; output < outputs; output++, totals += CYC_SPLIT_TILE) {
        most[0] = _mm512_max_epi32(most[0], magnitudes(totals));
        if (pixels > LANES) most[1] = _mm512_max_epi32(most[1], magnitudes(totals + LANES));
    }
    const __m512i infinite = _mm512_set1_epi32(INFINITE << 16);
    return _mm512_cmpge_epi32_mask(_mm512_max_epi32(most[0], most[1]), infinite) != 0;
}

int cyc_split_doubtful(const float *totals, ptrdiff_t outputs, ptrdiff_t pixels, int left_out,
                       const cyc_split_range *output_range, const cyc_split_range *pixel_range, uint32_t *lanes) {
    const int32_t least_output = least_of(output_range->least, outputs);
    const int32_t least_pixel = least_of(pixel_range->least, pixels);
    const int tiny = least_output < LEAST_EXPONENT || least_pixel < LEAST_EXPONENT ||
                     least_output + least_pixel < LEAST_PRODUCT_EXPONENT;
    const __m512i infinite = _mm512_set1_epi32(INFINITE << 16);
    uint32_t found = 0;
    left_out = left_out && !are_finite(output_range, outputs);
    if (!tiny && !left_out && !overflows(totals, outputs, pixels)) return 0;
    for (ptrdiff_t output = 0; output < outputs; output++, totals += CYC_SPLIT_TILE) {
        const int zeros_count = left_out && output_range->most[output] >= INFINITE;
        lanes[output] = 0;
        for (ptrdiff_t i = 0; i < pixels; i += LANES) {
            const __mmask16 inside = first_lanes(pixels - i);
            const __m512i sums = magnitudes(totals + i);
            __mmask16 doubtful = _mm512_mask_cmpge_epi32_mask(inside, sums, infinite);
            if (doubtful) { /* the sum of a NaN, and of anything, is NaN */
                const __m512i most = _mm512_loadu_si512(pixel_range->most + i);
                doubtful &= _mm512_cmple_epi32_mask(most, _mm512_set1_epi32(INFINITE));
                if (output_range->most[output] > INFINITE) doubtful = 0;
            }
            if (tiny)
                doubtful |= inside & faint_lanes(sums, output_range->least[output], output_range->most[output],
                                                 _mm512_loadu_si512(pixel_range->least + i),
                                                 _mm512_loadu_si512(pixel_range->most + i));
            if (zeros_count) doubtful = inside;
            lanes[output] |= (uint32_t)doubtful << i;
        }
        found |= lanes[output];
    }
    return found != 0;
}
