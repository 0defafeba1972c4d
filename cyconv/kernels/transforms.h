/* The contracts of the transforms: Winograd's, and the fast Fourier transforms.
 *
 * All pointers are to elements of the compute dtype, all distances count elements.
 */
#ifndef CYC_TRANSFORMS_H
#define CYC_TRANSFORMS_H

#include <stddef.h>

/* Winograd's F(4x4, 3x3): outputs, taps and inputs of a tile along each axis, and its products. */
#define CYC_WINOGRAD_OUT 4
#define CYC_WINOGRAD_TAPS 3
#define CYC_WINOGRAD_IN 6
#define CYC_WINOGRAD_PRODUCTS 36
#define CYC_WINOGRAD_MAX_TILES 128 /* of a block, and so of a period */
/* Rows of so many to a vector are transformed together; fewer take longer to put together than one by one. */
#define CYC_WINOGRAD_MIN_TOGETHER 3
/* Whether rows of tiles go by two, each with a half of the lanes for it and one tile more: where lanes are permuted at
 * will (cyc_kernels), as that does not put them together in memory. Not where several times as many fit a vector. */
#define CYC_WINOGRAD_BY_TWO(lanes, rows, tiles) \
    ((rows) > 1 && 2 * ((tiles) + 1) <= (lanes) && ((rows) + 1) / 2 <= 3 * (((rows) - 1) / ((lanes) / (tiles)) + 1))

/* Whether a tile with `outputs` outputs along an axis, 1 to CYC_WINOGRAD_OUT, has a use for factor `index` of
 * that axis: the last is the one at infinity, and the least construction F(1, 3) takes three points. */
#define CYC_WINOGRAD_USES(index, outputs) \
    ((index) == CYC_WINOGRAD_IN - 1 ? (outputs) > 1 : (index) < CYC_WINOGRAD_TAPS || (index) <= (outputs))

/* The tiles of a kernel with dilation d along an axis take every d-th output: output i of tile x is output
 * first(x) + d * i of the block, where first(x) = 4 * (x - x % d) + x % d. So d neighbours, and their inputs, lie side by
 * side. They share 4 * d outputs, a period; at the end of an image there may be fewer.
 *
 * Input transform: of each channel, `rows` by `tiles` tiles of 6 x 6 inputs; input (i, j) of tile (r, t) is
 * window[c * window_pitch + (first(r) + row_dilation * i) * row_pitch + first(t) + column_dilation * j]. They become 36
 * factors: factor (i, j) of channel c goes to out[(6 * i + j) * plane_pitch + c * out_pitch + r * tiles + t].
 * The tiles of the last period, `short_rows` rows and `short_tiles` columns, have `last_rows` and `last_columns` outputs at
 * most. Factors for which these tiles have no use are not meant to be read; where the last columns have no use for j,
 * only tiles - short_tiles are in a row, which then lie as close: that takes the place of tiles in the address.
 * Where the last columns have fewer than 4 outputs, winograd_shorten comes first, which changes the inputs of these tiles
 * at `windows`, the window of the arguments.
 * Reads up to CYC_WINOGRAD_OUT vectors past the end of a window row. Writes up to a vector past the last tile of a
 * channel, channels in ascending order. */
typedef struct {
    const void *window;
    ptrdiff_t window_pitch, row_pitch;
    ptrdiff_t row_dilation, column_dilation;
    ptrdiff_t channels, rows, tiles;
    ptrdiff_t short_rows, short_tiles;
    ptrdiff_t last_rows, last_columns;
    void *out;
    ptrdiff_t out_pitch, plane_pitch;
} cyc_winograd_input_args;

/* Output transform: the 36 sums of products of a tile become its 4 x 4 outputs and their sum, which is
 * not finite if one of them is not. `products` has 36 planes, plane_pitch apart.
 *
 * winograd_output: one output channel, tiles in the lanes: the plane holds `tiles` of them, a multiple of
 * the lanes. Output (i, j) of tile t goes to out[i * row_pitch + 4 * t + j], its sum to sums[t].
 * winograd_output_turned: output channels in the lanes, `channels` of them, a multiple of the lanes: a
 * plane holds [row][tile][channel], laid out as the factors are in respect of the last rows and columns.
 * Output (i, j) of tile t of all and channel o goes to out[o * out_pitch + i * row_pitch + 4 * t + j],
 * its sum to sums[t * channels + o]; what a short tile has beyond its outputs is finite if these are. */
typedef struct {
    const void *products;
    ptrdiff_t plane_pitch;
    ptrdiff_t rows; /* turned only */
    ptrdiff_t tiles; /* turned: of a row */
    ptrdiff_t short_rows, short_tiles; /* turned only */
    ptrdiff_t last_rows, last_columns; /* turned only */
    ptrdiff_t channels; /* turned only */
    void *out;
    ptrdiff_t out_pitch; /* turned only */
    ptrdiff_t row_pitch;
    void *sums;
} cyc_winograd_output_args;

/* Weight transform: a panel of 3x3 weights, panel[(c * 9 + k) * width + i], becomes 36 factors each;
 * factor x goes to factors[x * plane + c * width + i]. Reads up to a vector past the panel. */
typedef void (*cyc_winograd_weight_fn)(const void *panel, ptrdiff_t channels, ptrdiff_t width, void *factors,
                                       ptrdiff_t plane);
typedef void (*cyc_winograd_shorten_fn)(const cyc_winograd_input_args *, void *windows);
typedef void (*cyc_winograd_input_fn)(const cyc_winograd_input_args *);
typedef void (*cyc_winograd_output_fn)(const cyc_winograd_output_args *);

/* Four rows of outputs of dilated tiles side by side, as the output transforms leave them, into their order in the image:
 * out[i * out_pitch + 4 * (t - t % d) + d * j + t % d] = pixels[i * row_pitch + 4 * t + j] for t < tiles, where d is the
 * dilation. Reads up to four vectors past the last tile; writes whole periods and up to a vector past the last one. */
typedef void (*cyc_winograd_order_fn)(const void *pixels, ptrdiff_t row_pitch, ptrdiff_t tiles, ptrdiff_t dilation,
                                      void *out, ptrdiff_t out_pitch);

/* Fast Fourier transforms of complex numbers in two planes, re and im, whose rows lie `pitch` elements
 * apart. The forward transform of a[0 .. points) is
 *
 *     A[f] = sum over t of a[t] * exp(-2 pi i f t / points),
 *
 * stored in an order of its own, which the inverse reads: A[f] lies where the base-4 digits of f, and a
 * last binary one where points is no power of 4, stand in reverse. The inverse is not divided by
 * points. `points` is a power of two, 8 at least. `twiddles` has, for size = points, points / 4, ...
 * down to 5 or more, six elements for each j < size / 4: the real and the imaginary part of
 * exp(-2 pi i q j / size) for q = 1, 2, 3. Planes, line and twiddles alias nothing.
 *
 * columns: every column, over `points` rows, in place; the number of columns is a multiple of two lines
 *     (a line is CYC_LINE_BYTES of elements). `line` is not used.
 * rows: a line of rows, of `points` columns. Forward from the planes to `line`, inverse from `line`,
 *     which it spoils, to the planes. `line` has points * lines of re, then as many of im:
 *     element x of row r is line[x * (elements of a line) + r].
 */
typedef struct {
    void *re, *im;
    ptrdiff_t pitch;
    ptrdiff_t points;
    const void *twiddles;
    ptrdiff_t columns;
    void *line;
    int inverse;
} cyc_fft_args;

typedef void (*cyc_fft_fn)(const cyc_fft_args *);

/* Multiply by conjugates: product = a * conj(b), or product + a * conj(b) with `add`, for `count`
 * complex numbers, a multiple of a line: each array has `count` real parts, then `count` imaginary
 * ones. The product may be a itself; otherwise it aliases nothing. */
typedef void (*cyc_fft_multiply_fn)(void *product, const void *a, const void *b, ptrdiff_t count, int add);

#endif
