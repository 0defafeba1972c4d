/* The contract of products of parts, on units, of matrices or vectors, that multiply bfloat16 and add up float32.
 *
 * A number is the sum of `parts` bfloat16, each of which takes the next eight bits: three of them are a float32, two a
 * float16, one a bfloat16. Products of the parts i and j with i + j < 3 are made, of a float32 six; those left out are
 * less than 2^-22 of the product. All of that holds for numbers that are finite and not tiny: `doubtful` finds the
 * results for which it may not.
 *
 * Terms go by in steps of CYC_SPLIT_STEP, of which two, half a step apart, make a pair of 32 bits. Weights are
 * [step][part][output][pair], pixels [step][part][pair][pixel], of CYC_SPLIT_TILE outputs and pixels, aligned to 64
 * bytes; the last step ends with zeros. Terms are in the order of the weights, or those of a step are one tap of as
 * many channels, so that a step may be left out.
 */
#ifndef CYC_SPLIT_H
#define CYC_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

/* So many terms, or less, are summed before the sums are added to the totals. Each step makes six additions to a sum
 * of float32, each of which rounds. */
#define CYC_SPLIT_CHUNK 512
#define CYC_SPLIT_STEP 32
#define CYC_SPLIT_TILE 32 /* outputs, and pixels, of a tile: two tile registers each way */
/* Bytes of a step of the weights of a panel, or of the pixels of a tile. */
#define CYC_SPLIT_STEP_BYTES(parts) ((parts) * CYC_SPLIT_TILE * CYC_SPLIT_STEP * 2)

/* The sizes of the weights of each output, or of the inputs of each pixel: the least exponent of what is not zero,
 * CYC_SPLIT_NO_EXPONENT where nothing is, and the largest magnitude; both as in a bfloat16, whose exponent begins at
 * bit 7. The functions extend the ranges that they find. */
#define CYC_SPLIT_NO_EXPONENT 511
typedef struct {
    int32_t least[CYC_SPLIT_TILE], most[CYC_SPLIT_TILE];
} cyc_split_range;

/* Whether this process may use the unit, for which it asks thereby: before any of the other functions. */
typedef int (*cyc_split_granted_fn)(void);

/* Split weights, row i of them at weight + i * pitch, i < rows. With several `taps` each step is one of them, of
 * CYC_SPLIT_STEP channels: all taps of these, then of the next ones; terms are a multiple of both. */
typedef void (*cyc_split_weights_fn)(const float *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t terms,
                                     ptrdiff_t taps, ptrdiff_t parts, void *out, cyc_split_range *range);

/* Of each `period` steps, those from `begin` to `end` are taken; what the others are is not defined. */
typedef struct {
    ptrdiff_t period, begin, end;
} cyc_split_taken;

/* Gather and split the pixels of a tile, of which there are `pixel_count`: copies are of as many elements as lie between
 * their places, and nothing else is read. The first term begins a period. */
typedef void (*cyc_split_pixels_fn)(const cyc_gather_args *, ptrdiff_t pixel_count, const cyc_split_taken *,
                                    ptrdiff_t parts, void *out, cyc_split_range *range);

/* sums[output][pixel] = the sums over so many steps, of a tile of at most CYC_SPLIT_TILE pixels; those that are there
 * go on with `resume`. With `totals` they are added to these, as the sums of a whole chunk. What lies behind the last
 * output and the last pixel is not defined. Tiles of as many outputs go by between cyc_split_begin_fn and
 * cyc_split_end_fn, which set up the unit of the calling thread and leave it. Sums and totals are aligned to 64
 * bytes. */
typedef struct {
    const void *weights;
    const void *pixels;
    ptrdiff_t outputs, pixel_count;
    ptrdiff_t steps, parts;
    cyc_split_taken taken;
    ptrdiff_t phase; /* of the first step, in its period */
    float *sums;
    int resume;
    float *totals;         /* or NULL */
    const char *ahead;     /* memory to be read soon: */
    ptrdiff_t ahead_lines; /* so many lines of it are fetched with each step */
} cyc_split_args;
typedef void (*cyc_split_begin_fn)(ptrdiff_t outputs);
typedef void (*cyc_split_end_fn)(void);
typedef void (*cyc_split_multiply_fn)(const cyc_split_args *);

/* Which results of a tile are not finite without a NaN among their terms, or may have lost more than rounding does to
 * parts that are too small for a bfloat16, or products for a float32; and, if terms have been left out with their zeros,
 * which are of weights that are not finite: a bit of lanes[output] for each of the pixels. Whether there are any; if
 * not, lanes are not defined. */
typedef int (*cyc_split_doubtful_fn)(const float *totals, ptrdiff_t outputs, ptrdiff_t pixels, int left_out,
                                     const cyc_split_range *output_range, const cyc_split_range *pixel_range,
                                     uint32_t *lanes);

/* `speed`: products in the time of one of float32 on vectors of the same CPU. */
struct cyc_split {
    int speed;
    cyc_split_granted_fn granted;
    cyc_split_weights_fn weights;
    cyc_split_pixels_fn pixels;
    cyc_split_begin_fn begin;
    cyc_split_multiply_fn multiply;
    cyc_split_end_fn end;
    cyc_split_doubtful_fn doubtful;
};

#endif
