/* Splitting weights and pixels into parts of bfloat16, and their ranges (split.h), with AVX-512. */

/* The upper half of each of `odd`, beside that of each of `even`. */
CYC_INLINE __m512i pair(__m512i even, __m512i odd) {
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    return _mm512_ternarylogic_epi32(upper, odd, _mm512_srli_epi32(even, 16), 0xea); /* upper & odd | even */
}

/* A part of `v`, whose bits were `rounded`, and what remains. */
CYC_INLINE __m512i take_part(__m512i v, __m512i rounded) {
    const __m512i part = _mm512_and_si512(rounded, _mm512_set1_epi32((int)0xffff0000));
    return _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(v), _mm512_castsi512_ps(part)));
}

/* Split two vectors of floats into pairs of parts, of which these lanes go to vectors `pitch` bytes apart. Returns the
 * first ones.
 *
 * The first part is rounded away from zero, so that it is zero only where the number is; the second one of three, of 16
 * bits, to the nearest, as errors of one sign would add up in a sum. The last part is exact, and is NaN where the bits of
 * a NaN overflow in the others. */
CYC_INLINE __m512i split_pairs(__m512i even, __m512i odd, __mmask16 lanes, const int parts, char *out,
                               ptrdiff_t pitch) {
    __m512i first = pair(even, odd);
    if (parts > 1) {
        const __m512i up = _mm512_set1_epi32(0xffff), rounded_even = _mm512_add_epi32(even, up);
        const __m512i rounded_odd = _mm512_add_epi32(odd, up);
        first = pair(rounded_even, rounded_odd);
        even = take_part(even, rounded_even), odd = take_part(odd, rounded_odd);
    }
    _mm512_mask_storeu_epi32(out, lanes, first);
    if (parts > 2) {
        const __m512i half = _mm512_set1_epi32(0x8000), rounded_even = _mm512_add_epi32(even, half);
        const __m512i rounded_odd = _mm512_add_epi32(odd, half);
        _mm512_mask_storeu_epi32(out + pitch, lanes, pair(rounded_even, rounded_odd));
        even = take_part(even, rounded_even), odd = take_part(odd, rounded_odd);
    }
    if (parts > 1) _mm512_mask_storeu_epi32(out + (parts - 1) * pitch, lanes, pair(even, odd));
    return first;
}

/* The range of the first parts so far, in each 16 bits: the least magnitude less one, so that zero becomes the largest
 * of all, and the largest magnitude. */
typedef struct {
    __m512i least, most;
} range_of_pairs;

CYC_INLINE range_of_pairs no_range(void) { return (range_of_pairs){_mm512_set1_epi32(-1), _mm512_setzero_si512()}; }

CYC_INLINE range_of_pairs extended(range_of_pairs range, __m512i first) {
    const __m512i magnitude = _mm512_and_si512(first, _mm512_set1_epi16(0x7fff));
    range.least = _mm512_min_epu16(range.least, _mm512_sub_epi16(magnitude, _mm512_set1_epi16(1)));
    range.most = _mm512_max_epu16(range.most, magnitude);
    return range;
}

/* Likewise, where the first parts of NaN may have overflowed: these are found in their own bits. */
CYC_INLINE range_of_pairs extended_with_nan(range_of_pairs range, __m512i first, __m512i even, __m512i odd) {
    const __m512i magnitude = _mm512_and_si512(pair(even, odd), _mm512_set1_epi16(0x7fff));
    range = extended(range, first);
    range.most = _mm512_max_epu16(range.most, magnitude);
    return range;
}

/* Of each pair, as in cyc_split_range. */
CYC_INLINE __m512i least_exponents(range_of_pairs range) {
    const __m512i low = _mm512_and_si512(range.least, _mm512_set1_epi32(0xffff));
    const __m512i least = _mm512_min_epu32(low, _mm512_srli_epi32(range.least, 16));
    const __m512i exponents = _mm512_srli_epi32(_mm512_add_epi32(least, _mm512_set1_epi32(1)), EXPONENT_BITS);
    return _mm512_min_epu32(exponents, _mm512_set1_epi32(CYC_SPLIT_NO_EXPONENT));
}

CYC_INLINE __m512i largest_magnitudes(range_of_pairs range) {
    const __m512i low = _mm512_and_si512(range.most, _mm512_set1_epi32(0xffff));
    return _mm512_max_epu32(low, _mm512_srli_epi32(range.most, 16));
}

CYC_INLINE __mmask16 first_lanes(ptrdiff_t count) {
    return count >= LANES ? 0xffff : count > 0 ? (__mmask16)((1u << count) - 1) : 0;
}

/* Terms whose weights are split for all outputs of a panel before the next ones: as many lines are written one after the
 * other, and the rows are fetched by a few lines at a time, which the hardware foresees. */
enum { NEAR_TERMS = 4 * CYC_SPLIT_STEP };

CYC_INLINE void weights_of(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms, ptrdiff_t taps,
                           const int parts, char *out, cyc_split_range *range) {
    const ptrdiff_t block = taps > 1 ? taps * CYC_SPLIT_STEP : NEAR_TERMS, step_bytes = CYC_SPLIT_STEP_BYTES(parts);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i channel = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)taps));
    range_of_pairs found[CYC_SPLIT_TILE];
    for (ptrdiff_t row = 0; row < rows; row++) found[row] = no_range();
    for (ptrdiff_t term = 0; term < terms; term += block, out += block / CYC_SPLIT_STEP * step_bytes) {
        const ptrdiff_t count = terms - term < block ? terms - term : block;
        for (ptrdiff_t row = 0; row < rows; row++) {
            const float *const src = weight + row * pitch + term;
            char *dst = out + row * 2 * CYC_SPLIT_STEP;
            range_of_pairs row_found = found[row];
            for (ptrdiff_t i = 0; i < count; i += CYC_SPLIT_STEP, dst += step_bytes) {
                __m512i even, odd;
                if (taps > 1) {
                    const float *const tap = src + i / CYC_SPLIT_STEP;
                    even = _mm512_i32gather_epi32(channel, tap, sizeof(float));
                    odd = _mm512_i32gather_epi32(channel, tap + LANES * taps, sizeof(float));
                } else {
                    even = _mm512_maskz_loadu_epi32(first_lanes(count - i), src + i);
                    odd = _mm512_maskz_loadu_epi32(first_lanes(count - i - LANES), src + i + LANES);
                }
                const __m512i first = split_pairs(even, odd, first_lanes(LANES), parts, dst, PART_BYTES);
                row_found = extended_with_nan(row_found, first, even, odd);
            }
            found[row] = row_found;
        }
    }
    for (ptrdiff_t row = 0; row < rows; row++) {
        const int32_t least = (int32_t)_mm512_reduce_min_epu32(least_exponents(found[row]));
        const int32_t most = (int32_t)_mm512_reduce_max_epu32(largest_magnitudes(found[row]));
        if (least < range->least[row]) range->least[row] = least;
        if (most > range->most[row]) range->most[row] = most;
    }
}

void cyc_split_weights(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms, ptrdiff_t taps,
                       ptrdiff_t parts, void *out, cyc_split_range *range) {
    if (parts == 1) weights_of(weight, pitch, rows, terms, taps, 1, (char *)out, range);
    if (parts == 2) weights_of(weight, pitch, rows, terms, taps, 2, (char *)out, range);
    if (parts == 3) weights_of(weight, pitch, rows, terms, taps, 3, (char *)out, range);
}

/* The most copies that are kept in registers, with the least of their pixels. */
enum { FEW_COPIES = 2 };

typedef struct {
    ptrdiff_t from, to;
    __mmask16 lanes;
} lane_copy;

/* Some copies of the pixels of the terms taken; a pair whose terms are not among all of them is of zeros. */
CYC_INLINE void split_copies(const cyc_gather_args *args, const lane_copy *copies, const int count,
                             const cyc_split_taken *taken, const int parts, char *out, cyc_split_range *range) {
    const float *const window = (const float *)args->window;
    const int32_t *const offsets = args->offsets;
    lane_copy copy[FEW_COPIES];
    range_of_pairs found[FEW_COPIES];
    ptrdiff_t phase = 0;
    CYC_UNROLL for (int i = 0; i < count; i++) copy[i] = copies[i], found[i] = no_range();
    for (ptrdiff_t term = 0; term < args->terms; term += CYC_SPLIT_STEP, out += CYC_SPLIT_STEP_BYTES(parts)) {
        const ptrdiff_t left = args->terms - term;
        const int here = is_taken(taken, phase);
        phase = next_phase(taken, phase);
        if (!here) continue;
        for (ptrdiff_t k = 0; k < PAIRS; k++) {
            const __mmask16 some = k < left ? 0xffff : 0, more = k + PAIRS < left ? 0xffff : 0;
            const float *const even = window + (some ? offsets[term + k] : 0);
            const float *const odd = window + (more ? offsets[term + k + PAIRS] : 0);
            char *const dst = out + k * CYC_SPLIT_TILE * 4;
            CYC_UNROLL for (int i = 0; i < count; i++) {
                CYC_PREFETCH(even + copy[i].from + CYC_SPLIT_TILE);
                CYC_PREFETCH(odd + copy[i].from + CYC_SPLIT_TILE);
                const __m512i first = split_pairs(
                    _mm512_maskz_loadu_epi32(copy[i].lanes & some, even + copy[i].from),
                    _mm512_maskz_loadu_epi32(copy[i].lanes & more, odd + copy[i].from), copy[i].lanes, parts,
                    dst + copy[i].to * 4, PART_BYTES);
                found[i] = extended(found[i], first);
            }
        }
    }
    CYC_UNROLL for (int i = 0; i < count; i++) {
        int32_t *const least = range->least + copy[i].to, *const most = range->most + copy[i].to;
        const __m512i before = _mm512_maskz_loadu_epi32(copy[i].lanes, least);
        const __m512i largest = _mm512_maskz_loadu_epi32(copy[i].lanes, most);
        _mm512_mask_storeu_epi32(least, copy[i].lanes, _mm512_min_epu32(before, least_exponents(found[i])));
        _mm512_mask_storeu_epi32(most, copy[i].lanes, _mm512_max_epu32(largest, largest_magnitudes(found[i])));
    }
}

CYC_INLINE void pixels_of(const cyc_gather_args *args, ptrdiff_t pixel_count, const cyc_split_taken *taken,
                          const int parts, char *out, cyc_split_range *range) {
    lane_copy copies[CYC_MAX_COPIES];
    const ptrdiff_t count = args->copy_count;
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t end = i + 1 < count ? args->copies[i + 1].to : pixel_count;
        copies[i] = (lane_copy){args->copies[i].from, args->copies[i].to, first_lanes(end - args->copies[i].to)};
    }
    for (ptrdiff_t i = 0; i < count; i += FEW_COPIES) {
        if (count - i == 1) split_copies(args, copies + i, 1, taken, parts, out, range);
        if (count - i > 1) split_copies(args, copies + i, 2, taken, parts, out, range);
    }
}

void cyc_split_pixels(const cyc_gather_args *args, ptrdiff_t pixel_count, const cyc_split_taken *taken, ptrdiff_t parts,
                      void *out, cyc_split_range *range) {
    if (parts == 1) pixels_of(args, pixel_count, taken, 1, (char *)out, range);
    if (parts == 2) pixels_of(args, pixel_count, taken, 2, (char *)out, range);
    if (parts == 3) pixels_of(args, pixel_count, taken, 3, (char *)out, range);
}
