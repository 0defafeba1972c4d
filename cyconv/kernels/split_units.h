/* What the units that multiply bfloat16 have in common (split.h): layout, and functions for AVX-512 (split.c). */
#ifndef CYC_SPLIT_UNITS_H
#define CYC_SPLIT_UNITS_H

#include "isas.h"
#include "split.h"

enum {
    PART_BYTES = CYC_SPLIT_STEP_BYTES(1),
    PAIRS = CYC_SPLIT_STEP / 2,
    LANES = 16,
};

CYC_INLINE int is_taken(const cyc_split_taken *taken, ptrdiff_t phase) {
    return phase >= taken->begin && phase < taken->end;
}

CYC_INLINE ptrdiff_t next_phase(const cyc_split_taken *taken, ptrdiff_t phase) {
    return phase + 1 == taken->period ? 0 : phase + 1;
}

void cyc_split_weights(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms, ptrdiff_t taps,
                       ptrdiff_t parts, void *out, cyc_split_range *range);
void cyc_split_pixels(const cyc_gather_args *args, ptrdiff_t pixel_count, const cyc_split_taken *taken, ptrdiff_t parts,
                      void *out, cyc_split_range *range);
int cyc_split_doubtful(const float *totals, ptrdiff_t outputs, ptrdiff_t pixels, int left_out,
                       const cyc_split_range *output_range, const cyc_split_range *pixel_range, uint32_t *lanes);

#endif
