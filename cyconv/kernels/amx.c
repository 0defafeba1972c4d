/* Products of parts (cyc_split in kernels.h) for AMX: eight tile registers of 16 rows of 64 bytes.
 *
 * Four of them hold the sums of 32 outputs by 32 pixels, two the weights and two the pixels of one part of a step. The
 * 24 products of a step of float32 take 16 cycles each; their operands, loaded in 14 tiles of 16 lines, come from the
 * second-level cache in that time.
 */
#include <string.h>

#include "isas.h"

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
 * the rounding errors of their sums, where the product of the numbers is at least 2^-96. */
enum { EXPONENT_BIAS = 127, LEAST_EXPONENT = EXPONENT_BIAS - 100, LEAST_PRODUCT_EXPONENT = 2 * EXPONENT_BIAS - 96 };

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
 * The first part is rounded away from zero, so that it is zero only where the number is. What remains has 16 bits: to
 * the nearest, as errors of one sign would add up in a sum. The third part is exact. */
CYC_INLINE __m512i split_pairs(__m512i even, __m512i odd, __mmask16 lanes, const int parts, char *out,
                               ptrdiff_t pitch) {
    const __m512i up = _mm512_set1_epi32(0xffff), half = _mm512_set1_epi32(0x8000);
    __m512i rounded_even = _mm512_add_epi32(even, up), rounded_odd = _mm512_add_epi32(odd, up);
    const __m512i first = pair(rounded_even, rounded_odd);
    _mm512_mask_storeu_epi32(out, lanes, first);
    if (parts > 1) {
        even = take_part(even, rounded_even), odd = take_part(odd, rounded_odd);
        rounded_even = _mm512_add_epi32(even, half), rounded_odd = _mm512_add_epi32(odd, half);
        _mm512_mask_storeu_epi32(out + pitch, lanes, pair(rounded_even, rounded_odd));
    }
    if (parts > 2) {
        even = take_part(even, rounded_even), odd = take_part(odd, rounded_odd);
        _mm512_mask_storeu_epi32(out + 2 * pitch, lanes, pair(even, odd));
    }
    return first;
}

/* The lesser of each 16 bits: magnitudes less one, so that zero becomes the largest of all. */
CYC_INLINE __m512i lesser(__m512i least, __m512i first) {
    const __m512i magnitude = _mm512_and_si512(first, _mm512_set1_epi16(0x7fff));
    return _mm512_min_epu16(least, _mm512_sub_epi16(magnitude, _mm512_set1_epi16(1)));
}

/* The exponents of the lesser of each pair: one more than a magnitude less one, which is none of the largest. */
CYC_INLINE __m512i exponents(__m512i least) {
    const __m512i low = _mm512_and_si512(least, _mm512_set1_epi32(0xffff)), high = _mm512_srli_epi32(least, 16);
    const __m512i magnitude = _mm512_add_epi32(_mm512_min_epu32(low, high), _mm512_set1_epi32(1));
    return _mm512_min_epu32(_mm512_srli_epi32(magnitude, 7), _mm512_set1_epi32(CYC_SPLIT_NO_EXPONENT));
}

CYC_INLINE __mmask16 first_lanes(ptrdiff_t count) {
    return count >= LANES ? 0xffff : count > 0 ? (__mmask16)((1u << count) - 1) : 0;
}

CYC_INLINE void weights_of(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms, const int parts,
                           char *out, int32_t *least) {
    const ptrdiff_t step_bytes = CYC_SPLIT_STEP_BYTES(parts);
    for (ptrdiff_t row = 0; row < rows; row++, weight += pitch) {
        __m512i lowest = _mm512_set1_epi32(-1);
        char *dst = out + row * 2 * CYC_SPLIT_STEP;
        for (ptrdiff_t term = 0; term < terms; term += CYC_SPLIT_STEP, dst += step_bytes) {
            const __m512i even = _mm512_maskz_loadu_epi32(first_lanes(terms - term), weight + term);
            const __m512i odd = _mm512_maskz_loadu_epi32(first_lanes(terms - term - LANES), weight + term + LANES);
            lowest = lesser(lowest, split_pairs(even, odd, first_lanes(LANES), parts, dst, PART_BYTES));
        }
        const int32_t found = (int32_t)_mm512_reduce_min_epu32(exponents(lowest));
        if (found < least[row]) least[row] = found;
    }
}

static void split_weights(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms, ptrdiff_t parts,
                          void *out, int32_t *least) {
    if (parts == 1) weights_of(weight, pitch, rows, terms, 1, (char *)out, least);
    if (parts == 2) weights_of(weight, pitch, rows, terms, 2, (char *)out, least);
    if (parts == 3) weights_of(weight, pitch, rows, terms, 3, (char *)out, least);
}

/* The most copies that are kept in registers, with the least of their pixels. */
enum { FEW_COPIES = 2 };

typedef struct {
    ptrdiff_t from, to;
    __mmask16 lanes;
} lane_copy;

/* Some copies of the pixels of all terms; a pair whose terms are not among them is of zeros. */
CYC_INLINE void split_copies(const cyc_gather_args *args, const lane_copy *copies, const int count, const int parts,
                             char *out, int32_t *least) {
    const float *const window = (const float *)args->window;
    const int32_t *const offsets = args->offsets;
    lane_copy copy[FEW_COPIES];
    __m512i lowest[FEW_COPIES];
    CYC_UNROLL for (int i = 0; i < count; i++) copy[i] = copies[i], lowest[i] = _mm512_set1_epi32(-1);
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
                lowest[i] = lesser(lowest[i], first);
            }
        }
    }
    CYC_UNROLL for (int i = 0; i < count; i++) {
        int32_t *const to = least + copy[i].to;
        const __m512i before = _mm512_maskz_loadu_epi32(copy[i].lanes, to);
        _mm512_mask_storeu_epi32(to, copy[i].lanes, _mm512_min_epu32(before, exponents(lowest[i])));
    }
}

CYC_INLINE void pixels_of(const cyc_gather_args *args, ptrdiff_t pixel_count, const int parts, char *out,
                          int32_t *least) {
    lane_copy copies[CYC_MAX_COPIES];
    const ptrdiff_t count = args->copy_count;
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t end = i + 1 < count ? args->copies[i + 1].to : pixel_count;
        copies[i] = (lane_copy){args->copies[i].from, args->copies[i].to, first_lanes(end - args->copies[i].to)};
    }
    for (ptrdiff_t i = 0; i < count; i += FEW_COPIES) {
        if (count - i == 1) split_copies(args, copies + i, 1, parts, out, least);
        if (count - i > 1) split_copies(args, copies + i, 2, parts, out, least);
    }
}

static void split_pixels(const cyc_gather_args *args, ptrdiff_t pixel_count, ptrdiff_t parts, void *out,
                         int32_t *least) {
    if (parts == 1) pixels_of(args, pixel_count, 1, (char *)out, least);
    if (parts == 2) pixels_of(args, pixel_count, 2, (char *)out, least);
    if (parts == 3) pixels_of(args, pixel_count, 3, (char *)out, least);
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

CYC_INLINE void store_sums(float *sums, const int tall, const int wide) {
    float *const lower = sums + TILE_ROWS * CYC_SPLIT_TILE;
    _tile_stored(0, sums, 128);
    if (wide) _tile_stored(1, sums + LANES, 128);
    if (tall) _tile_stored(2, lower, 128);
    if (tall && wide) _tile_stored(3, lower + LANES, 128);
}

CYC_INLINE void multiply_shape(const cyc_split_args *args, const int parts, const int tall, const int wide) {
    enum { CHUNK_STEPS = CYC_SPLIT_CHUNK / CYC_SPLIT_STEP };
    float sums[CYC_SPLIT_TILE * CYC_SPLIT_TILE] __attribute__((aligned(64)));
    const char *weights = (const char *)args->weights, *pixels = (const char *)args->pixels;
    const ptrdiff_t vectors = args->outputs * (CYC_SPLIT_TILE / LANES);
    const char *ahead = args->ahead;
    float *const totals = args->totals;
    int carry = args->carry;
    for (ptrdiff_t step = 0; step < args->steps; step += CHUNK_STEPS) {
        const ptrdiff_t left = args->steps - step, count = left < CHUNK_STEPS ? left : CHUNK_STEPS;
        _tile_zero(0);
        if (wide) _tile_zero(1);
        if (tall) _tile_zero(2);
        if (tall && wide) _tile_zero(3);
        for (ptrdiff_t i = 0; i < count; i++) {
            for (ptrdiff_t line = 0; line < args->ahead_lines; line++, ahead += LINE_BYTES) CYC_PREFETCH_FAR(ahead);
            multiply_step(weights, pixels, parts, tall, wide);
            weights += CYC_SPLIT_STEP_BYTES(parts), pixels += CYC_SPLIT_STEP_BYTES(parts);
        }
        store_sums(carry ? sums : totals, tall, wide);
        if (carry) {
            for (ptrdiff_t i = 0; i < vectors; i += wide ? 1 : 2)
                _mm512_store_ps(totals + i * LANES, _mm512_add_ps(_mm512_load_ps(totals + i * LANES),
                                                                  _mm512_load_ps(sums + i * LANES)));
        }
        carry = 1;
    }
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

static int split_doubtful(const float *totals, ptrdiff_t outputs, ptrdiff_t pixels, const int32_t *output_least,
                          const int32_t *pixel_least, uint32_t *lanes) {
    const __m512i infinite = _mm512_set1_epi32(0x7f800000), tiny = _mm512_set1_epi32(LEAST_EXPONENT);
    const int32_t least_output = least_of(output_least, outputs), least_pixel = least_of(pixel_least, pixels);
    const int faint = least_output < LEAST_EXPONENT || least_pixel < LEAST_EXPONENT ||
                      least_output + least_pixel < LEAST_PRODUCT_EXPONENT;
    uint32_t found = 0;
    for (ptrdiff_t output = 0; output < outputs; output++, totals += CYC_SPLIT_TILE) {
        const __mmask16 low = _mm512_mask_cmpge_epi32_mask(first_lanes(pixels), magnitudes(totals), infinite);
        const __mmask16 high =
            _mm512_mask_cmpge_epi32_mask(first_lanes(pixels - LANES), magnitudes(totals + LANES), infinite);
        lanes[output] = low | (uint32_t)high << LANES;
        if (faint) {
            for (ptrdiff_t i = 0; i < pixels; i += LANES) {
                const __mmask16 inside = first_lanes(pixels - i);
                const __m512i exponent = _mm512_loadu_si512(pixel_least + i);
                const __m512i bound = _mm512_set1_epi32(LEAST_PRODUCT_EXPONENT - output_least[output]);
                __mmask16 doubtful = _mm512_mask_cmplt_epi32_mask(inside, exponent, _mm512_max_epi32(bound, tiny));
                if (output_least[output] < LEAST_EXPONENT) doubtful = inside;
                lanes[output] |= (uint32_t)doubtful << i;
            }
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
