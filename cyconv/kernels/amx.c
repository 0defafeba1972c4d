/* Products of parts (split.h) for AMX: eight tile registers of 16 rows of 64 bytes.
 *
 * Four of them hold the sums of 32 outputs by 32 pixels, two the weights and two the pixels of one part of a step. The
 * 24 products of a step of float32 take 16 cycles each; their operands, loaded in 14 tiles of 16 lines, come from the
 * second-level cache in that time.
 */
#include <string.h>

#include "split_units.h"

#if CYC_HAVE_AMX
#include <immintrin.h>

CYC_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16", "skylake-avx512")

enum {
    TILE_ROWS = 16,
    TILE_BYTES = 1024,
};

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
    /* GCC 12 knows of no more than eight bytes that the next line reads */
    __asm__ volatile("" ::"r"(&config) : "memory");
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
    ptrdiff_t phase = args->phase;
    if (args->resume) {
        load_sums(sums, tall, wide);
    } else {
        _tile_zero(0);
        if (wide) _tile_zero(1);
        if (tall) _tile_zero(2);
        if (tall && wide) _tile_zero(3);
    }
    for (ptrdiff_t i = 0; i < args->steps; i++) {
        for (ptrdiff_t line = 0; line < args->ahead_lines; line++, ahead += CYC_LINE_BYTES) CYC_PREFETCH_FAR(ahead);
        if (is_taken(&args->taken, phase)) multiply_step(weights, pixels, parts, tall, wide);
        phase = next_phase(&args->taken, phase);
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

CYC_TARGET_END

const cyc_split cyc_amx_split = {
    .speed = 16,
    .granted = cyc_amx_is_granted,
    .weights = cyc_split_weights,
    .pixels = cyc_split_pixels,
    .begin = split_begin,
    .multiply = split_multiply,
    .end = split_end,
    .doubtful = cyc_split_doubtful,
};
#endif
