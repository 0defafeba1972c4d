/* Products of parts (split.h) for AVX512_BF16, whose instructions multiply pairs of bfloat16: 32 products in the time of
 * 16 of float32.
 *
 * A vector of pixels by eleven outputs, the pair of weights of each a broadcast from memory: the sums of a step and
 * those of the chunk so far are 22 registers. The products of a step have a sum of their own, so that rounding errors
 * grow with these and with the number of steps, not with all products of a chunk.
 */
#include <string.h>

#include "split_units.h"

#if CYC_HAVE_AVX512_BF16
#include <immintrin.h>

CYC_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16", "skylake-avx512")

enum { MOST_ROWS = 11, PIXEL_BYTES = CYC_SPLIT_TILE * 4, WEIGHT_BYTES = CYC_SPLIT_STEP * 2 };

/* The parts of the products of a step, the largest products last: of three parts all, of two the last four. */
static const struct {
    int8_t weight, pixel;
} PRODUCTS[] = {{0, 2}, {2, 0}, {1, 1}, {0, 1}, {1, 0}, {0, 0}};

/* The parts of `rows` outputs, and of a vector of pixels, of all steps of a call. */
CYC_INLINE void multiply_rows(const cyc_split_args *args, const char *weights, const char *pixels, float *sums,
                              float *totals, const int rows) {
    const ptrdiff_t step_bytes = CYC_SPLIT_STEP_BYTES(args->parts);
    const int first = args->parts == 3 ? 0 : args->parts == 2 ? 2 : 5;
    ptrdiff_t phase = args->phase;
    __m512 total[MOST_ROWS];
    CYC_UNROLL for (int r = 0; r < rows; r++)
        total[r] = args->resume ? _mm512_load_ps(sums + r * CYC_SPLIT_TILE) : _mm512_setzero_ps();
    for (ptrdiff_t step = 0; step < args->steps; step++, weights += step_bytes, pixels += step_bytes) {
        const int taken = is_taken(&args->taken, phase);
        __m512 sum[MOST_ROWS];
        phase = next_phase(&args->taken, phase);
        if (!taken) continue;
        CYC_UNROLL for (int r = 0; r < rows; r++) sum[r] = _mm512_setzero_ps();
        for (int product = first; product < 6; product++) {
            const char *weight = weights + PRODUCTS[product].weight * PART_BYTES;
            const char *pixel = pixels + PRODUCTS[product].pixel * PART_BYTES;
            for (int pair = 0; pair < PAIRS; pair++, weight += 4, pixel += PIXEL_BYTES) {
                const __m512bh column = (__m512bh)_mm512_load_si512(pixel);
                CYC_UNROLL for (int r = 0; r < rows; r++) {
                    int32_t scalar;
                    memcpy(&scalar, weight + r * WEIGHT_BYTES, sizeof scalar);
                    sum[r] = _mm512_dpbf16_ps(sum[r], (__m512bh)_mm512_set1_epi32(scalar), column);
                }
            }
        }
        CYC_UNROLL for (int r = 0; r < rows; r++) total[r] = _mm512_add_ps(total[r], sum[r]);
    }
    CYC_UNROLL for (int r = 0; r < rows; r++) {
        _mm512_store_ps(sums + r * CYC_SPLIT_TILE, total[r]);
        if (totals)
            _mm512_store_ps(totals + r * CYC_SPLIT_TILE,
                            _mm512_add_ps(_mm512_load_ps(totals + r * CYC_SPLIT_TILE), total[r]));
    }
}

#define EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define MULTIPLY_ROWS(ROWS)                                                                                       \
    static void multiply_rows_##ROWS(const cyc_split_args *args, const char *weights, const char *pixels, float *sums, \
                                     float *totals) {                                                             \
        multiply_rows(args, weights, pixels, sums, totals, ROWS);                                                 \
    }
EACH_ROWS(MULTIPLY_ROWS)

typedef void (*multiply_rows_fn)(const cyc_split_args *, const char *, const char *, float *, float *);
#define TABLE_ENTRY(ROWS) multiply_rows_##ROWS,
static const multiply_rows_fn MULTIPLY[] = {EACH_ROWS(TABLE_ENTRY)};

static void split_multiply(const cyc_split_args *args) {
    const ptrdiff_t blocks = (args->outputs + MOST_ROWS - 1) / MOST_ROWS;
    const char *ahead = args->ahead;
    for (ptrdiff_t line = 0; line < args->steps * args->ahead_lines; line++, ahead += CYC_LINE_BYTES)
        CYC_PREFETCH_FAR(ahead);
    for (ptrdiff_t block = 0; block < blocks; block++) {
        const ptrdiff_t output = args->outputs * block / blocks, end = args->outputs * (block + 1) / blocks;
        const char *const weights = (const char *)args->weights + output * WEIGHT_BYTES;
        for (ptrdiff_t pixel = 0; pixel < args->pixel_count; pixel += LANES) {
            const ptrdiff_t at = output * CYC_SPLIT_TILE + pixel;
            MULTIPLY[end - output - 1](args, weights, (const char *)args->pixels + pixel * 4, args->sums + at,
                                       args->totals ? args->totals + at : NULL);
        }
    }
}

static void split_begin(ptrdiff_t outputs) { (void)outputs; }

static void split_end(void) {}

CYC_TARGET_END

const cyc_split cyc_avx512_bf16_split = {
    .speed = 2,
    .granted = cyc_always,
    .weights = cyc_split_weights,
    .pixels = cyc_split_pixels,
    .begin = split_begin,
    .multiply = split_multiply,
    .end = split_end,
    .doubtful = cyc_split_doubtful,
};
#endif
