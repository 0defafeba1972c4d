/* Products of parts (split.h) for AMX: eight tile registers of 16 rows of 64 bytes.
 *
 * Four of them hold the sums of 32 outputs by 32 pixels, two the weights and two the pixels of one part of a step. The
 * 24 products of a step of float32 take 16 cycles each; their operands, loaded in 14 tiles of 16 lines, come from the
 * second-level cache in that time.
 */
#include <string.h>

#include "isas.h"
#include "split.h"

#if CYC_HAVE_AMX
#include <immintrin.h>

CYC_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")

enum {
    TILE_ROWS = 16,
    TILE_BYTES = 1024,
    PART_BYTES = CYC_SPLIT_STEP_BYTES(1),
    PAIRS = CYC_SPLIT_STEP / 2,
    LANES = 16,
    LINE_BYTES = 64,
};

/* Exponents as stored in a float32. Parts of numbers from 2^-100 on are normal numbers, as are products of parts, and
 * the rounding errors of their sums, where the product of the numbers is at least 2^-96. Where numbers are smaller, n
 * terms lose n 2^-125 (|x| + |w| + 3) at most. A result 2^66 times as small as the largest of these three, or larger,
 * does not notice: that is a quarter of its own rounding error, for n up to 2^30. */
enum {
    EXPONENT_BIAS = 127,
    EXPONENT_BITS = 7, /* from which on they are stored, in a bfloat16 */
    LEAST_EXPONENT = EXPONENT_BIAS - 100,
    LEAST_PRODUCT_EXPONENT = 2 * EXPONENT_BIAS - 96,
    NOTICED_EXPONENTS = 66,
    INFINITE = 0x7f80, /* magnitude of a bfloat16 */
};

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

CYC_INLINE void weights_of(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms, const int parts,
                           char *out, cyc_split_range *range) {
    const ptrdiff_t step_bytes = CYC_SPLIT_STEP_BYTES(parts);
    for (ptrdiff_t row = 0; row < rows; row++, weight += pitch) {
        range_of_pairs found = no_range();
        char *dst = out + row * 2 * CYC_SPLIT_STEP;
        for (ptrdiff_t term = 0; term < terms; term += CYC_SPLIT_STEP, dst += step_bytes) {
            const __m512i even = _mm512_maskz_loadu_epi32(first_lanes(terms - term), weight + term);
            const __m512i odd = _mm512_maskz_loadu_epi32(first_lanes(terms - term - LANES), weight + term + LANES);
            found = extended(found, split_pairs(even, odd, first_lanes(LANES), parts, dst, PART_BYTES));
        }
        const int32_t least = (int32_t)_mm512_reduce_min_epu32(least_exponents(found));
        const int32_t most = (int32_t)_mm512_reduce_max_epu32(largest_magnitudes(found));
        if (least < range->least[row]) range->least[row] = least;
        if (most > range->most[row]) range->most[row] = most;
    }
}

static void split_weights(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms, ptrdiff_t parts,
                          void *out, cyc_split_range *range) {
    if (parts == 1) weights_of(weight, pitch, rows, terms, 1, (char *)out, range);
    if (parts == 2) weights_of(weight, pitch, rows, terms, 2, (char *)out, range);
    if (parts == 3) weights_of(weight, pitch, rows, terms, 3, (char *)out, range);
}

/* The most copies that are kept in registers, with the least of their pixels. */
enum { FEW_COPIES = 2 };

typedef struct {
    ptrdiff_t from, to;
    __mmask16 lanes;
} lane_copy;

/* Some copies of the pixels of all terms; a pair whose terms are not among them is of zeros. */
CYC_INLINE void split_copies(const cyc_gather_args *args, const lane_copy *copies, const int count, const int parts,
                             char *out, cyc_split_range *range) {
    const float *const window = (const float *)args->window;
    const int32_t *const offsets = args->offsets;
    lane_copy copy[FEW_COPIES];
    range_of_pairs found[FEW_COPIES];
    CYC_UNROLL for (int i = 0; i < count; i++) copy[i] = copies[i], found[i] = no_range();
    for (ptrdiff_t term = 0; term < args->terms; term += CYC_SPLIT_STEP, out += CYC_SPLIT_STEP_BYTES(parts)) {
        const ptrdiff_t left = args->terms - term;
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

CYC_INLINE void pixels_of(const cyc_gather_args *args, ptrdiff_t pixel_count, const int parts, char *out,
                          cyc_split_range *range) {
    lane_copy copies[CYC_MAX_COPIES];
    const ptrdiff_t count = args->copy_count;
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t end = i + 1 < count ? args->copies[i + 1].to : pixel_count;
        copies[i] = (lane_copy){args->copies[i].from, args->copies[i].to, first_lanes(end - args->copies[i].to)};
    }
    for (ptrdiff_t i = 0; i < count; i += FEW_COPIES) {
        if (count - i == 1) split_copies(args, copies + i, 1, parts, out, range);
        if (count - i > 1) split_copies(args, copies + i, 2, parts, out, range);
    }
}

static void split_pixels(const cyc_gather_args *args, ptrdiff_t pixel_count, ptrdiff_t parts, void *out,
                         cyc_split_range *range) {
    if (parts == 1) pixels_of(args, pixel_count, 1, (char *)out, range);
    if (parts == 2) pixels_of(args, pixel_count, 2, (char *)out, range);
    if (parts == 3) pixels_of(args, pixel_count, 3, (char *)out, range);
}

/* The layout of the tile configuration is that of the instruction (Intel, "Architecture Instruction Set Extensions
 * Programming Reference", LDTILECFG). */
typedef struct {
    uint8_t palette, start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} configuration;

/* Sums 0 1 / 2 3 of two tiles of outputs by two of pixels, weights 4 5, pixels 6 7. */
static void split_begin(ptrdiff_t outputs) {
    configuration config;
    const uint8_t second = (uint8_t)(outputs > TILE_ROWS ? outputs - TILE_ROWS : TILE_ROWS);
    const uint8_t first = (uint8_t)(outputs > TILE_ROWS ? TILE_ROWS : outputs);
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int i = 0; i < 8; i++) config.row_bytes[i] = 64, config.rows[i] = TILE_ROWS;
    config.rows[0] = config.rows[1] = config.rows[4] = first;
    config.rows[2] = config.rows[3] = config.rows[5] = second;
    __asm__ volatile("" ::"r"(&config) : "memory"); /* GCC 12 knows of no more than eight bytes that the next line reads */
    _tile_loadconfig(&config);
}

static void split_end(void) { _tile_release(); }

CYC_INLINE void load_weights(const char *weights, const int part, const int tall) {
    _tile_loadd(4, weights + part * PART_BYTES, 64);
    if (tall) _tile_loadd(5, weights + part * PART_BYTES + TILE_BYTES, 64);
}

CYC_INLINE void load_pixels(const char *pixels, const int part, const int wide) {
    _tile_loadd(6, pixels + part * PART_BYTES, 128);
    if (wide) _tile_loadd(7, pixels + part * PART_BYTES + 64, 128);
}

CYC_INLINE void multiply_tiles(const int tall, const int wide) {
    _tile_dpbf16ps(0, 4, 6);
    if (wide) _tile_dpbf16ps(1, 4, 7);
    if (tall) _tile_dpbf16ps(2, 5, 6);
    if (tall && wide) _tile_dpbf16ps(3, 5, 7);
}

/* All products of a step: one operand changes at a time, and the largest products come last. */
CYC_INLINE void multiply_step(const char *weights, const char *pixels, const int parts, const int tall,
                              const int wide) {
    load_weights(weights, 0, tall);
    if (parts > 2) {
        load_pixels(pixels, 2, wide);
        multiply_tiles(tall, wide);
    }
    if (parts > 1) {
        load_pixels(pixels, 1, wide);
        multiply_tiles(tall, wide);
        load_weights(weights, 1, tall);
        multiply_tiles(tall, wide);
    }
    load_pixels(pixels, 0, wide);
    if (parts > 1) multiply_tiles(tall, wide);
    if (parts > 2) {
        load_weights(weights, 2, tall);
        multiply_tiles(tall, wide);
    }
    if (parts > 1) load_weights(weights, 0, tall);
    multiply_tiles(tall, wide);
}

CYC_INLINE void load_sums(const float *sums, const int tall, const int wide) {
    const float *const lower = sums + TILE_ROWS * CYC_SPLIT_TILE;
    _tile_loadd(0, sums, 128);
    if (wide) _tile_loadd(1, sums + LANES, 128);
    if (tall) _tile_loadd(2, lower, 128);
    if (tall && wide) _tile_loadd(3, lower + LANES, 128);
}

CYC_INLINE void store_sums(float *sums, const int tall, const int wide) {
    float *const lower = sums + TILE_ROWS * CYC_SPLIT_TILE;
    _tile_stored(0, sums, 128);
    if (wide) _tile_stored(1, sums + LANES, 128);
    if (tall) _tile_stored(2, lower, 128);
    if (tall && wide) _tile_stored(3, lower + LANES, 128);
}

CYC_INLINE void multiply_shape(const cyc_split_args *args, const int parts, const int tall, const int wide) {
    const char *weights = (const char *)args->weights, *pixels = (const char *)args->pixels;
    const ptrdiff_t vectors = args->outputs * (CYC_SPLIT_TILE / LANES);
    const char *ahead = args->ahead;
    float *const sums = args->sums, *const totals = args->totals;
    if (args->resume) {
        load_sums(sums, tall, wide);
    } else {
        _tile_zero(0);
        if (wide) _tile_zero(1);
        if (tall) _tile_zero(2);
        if (tall && wide) _tile_zero(3);
    }
    for (ptrdiff_t i = 0; i < args->steps; i++) {
        for (ptrdiff_t line = 0; line < args->ahead_lines; line++, ahead += LINE_BYTES) CYC_PREFETCH_FAR(ahead);
        multiply_step(weights, pixels, parts, tall, wide);
        weights += CYC_SPLIT_STEP_BYTES(parts), pixels += CYC_SPLIT_STEP_BYTES(parts);
    }
    store_sums(sums, tall, wide);
    if (totals == NULL) return;
    for (ptrdiff_t i = 0; i < vectors; i += wide ? 1 : 2)
        _mm512_store_ps(totals + i * LANES,
                        _mm512_add_ps(_mm512_load_ps(totals + i * LANES), _mm512_load_ps(sums + i * LANES)));
}

CYC_INLINE void multiply_parts(const cyc_split_args *args, const int parts) {
    const int tall = args->outputs > TILE_ROWS, wide = args->pixel_count > LANES;
    if (tall && wide)
        multiply_shape(args, parts, 1, 1);
    else if (tall)
        multiply_shape(args, parts, 1, 0);
    else if (wide)
        multiply_shape(args, parts, 0, 1);
    else
        multiply_shape(args, parts, 0, 0);
}

static void split_multiply(const cyc_split_args *args) {
    if (args->parts == 1) multiply_parts(args, 1);
    if (args->parts == 2) multiply_parts(args, 2);
    if (args->parts == 3) multiply_parts(args, 3);
}

/* The least of so many exponents. */
CYC_INLINE int32_t least_of(const int32_t *exponents, ptrdiff_t count) {
    const __m512i none = _mm512_set1_epi32(CYC_SPLIT_NO_EXPONENT);
    const __m512i low = _mm512_mask_loadu_epi32(none, first_lanes(count), exponents);
    const __m512i high = _mm512_mask_loadu_epi32(none, first_lanes(count - LANES), exponents + LANES);
    return (int32_t)_mm512_reduce_min_epu32(_mm512_min_epu32(low, high));
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

static int split_doubtful(const float *totals, ptrdiff_t outputs, ptrdiff_t pixels,
                          const cyc_split_range *output_range, const cyc_split_range *pixel_range, uint32_t *lanes) {
    const int32_t least_output = least_of(output_range->least, outputs);
    const int32_t least_pixel = least_of(pixel_range->least, pixels);
    const int tiny = least_output < LEAST_EXPONENT || least_pixel < LEAST_EXPONENT ||
                     least_output + least_pixel < LEAST_PRODUCT_EXPONENT;
    const __m512i infinite = _mm512_set1_epi32(INFINITE << 16);
    uint32_t found = 0;
    if (!tiny && !overflows(totals, outputs, pixels)) return 0;
    for (ptrdiff_t output = 0; output < outputs; output++, totals += CYC_SPLIT_TILE) {
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
            lanes[output] |= (uint32_t)doubtful << i;
        }
        found |= lanes[output];
    }
    return found != 0;
}

CYC_TARGET_END

const cyc_split cyc_amx_split = {
    cyc_amx_is_granted, split_weights, split_pixels, split_begin, split_multiply, split_end, split_doubtful,
};
#endif
