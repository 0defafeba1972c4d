/* The C inner loops: what every instruction set provides, and the contract of each.
 *
 * Nothing here knows of Python, of strides, padding or dilation: those end in the window that the
 * caller prepares and in the offsets that it passes. No function allocates, keeps a pointer or
 * touches global state; the caller owns all memory. Offsets and pitches count elements, unless a
 * name says bytes. Windows, panels, totals and bias are aligned to their element, nothing more; arrays
 * that load and store see need not even be that.
 */
#ifndef CYC_KERNELS_H
#define CYC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Every sum over k runs in chunks of this many terms; a chunk starts at zero, the chunk sums add up
 * in order. It bounds the rounding error (docs/architecture.md) and is part of every result: a
 * different length gives different bits. */
#define CYC_CHUNK 64

#define CYC_MAX_TILE_ROWS 14
#define CYC_MAX_TILE_VECTORS 4
#define CYC_ROW_BLOCK 4 /* output rows that the row kernel keeps in registers */
#define CYC_MAX_PLANE_KERNEL 7
#define CYC_MAX_PLANE_STRIDE 2

/* Compute dtypes. Integers are computed modulo 2^32 or 2^64, which serves signed and unsigned. */
enum { CYC_F32, CYC_F64, CYC_U32, CYC_U64, CYC_COMPUTE_DTYPES };

/* Dtypes of arrays in memory. Complex arrays are pairs of CYC_FLOAT32 or CYC_FLOAT64. */
enum {
    CYC_FLOAT16,
    CYC_BFLOAT16,
    CYC_FLOAT32,
    CYC_FLOAT64,
    CYC_INT8,
    CYC_UINT8,
    CYC_INT16,
    CYC_UINT16,
    CYC_INT32,
    CYC_UINT32,
    CYC_INT64,
    CYC_UINT64,
    CYC_ARRAY_DTYPES
};

enum { CYC_NO_ACTIVATION, CYC_RELU, CYC_RELU6 };

/* One term k of a tile: where its two operands lie. */
typedef struct {
    ptrdiff_t broadcast;
    ptrdiff_t vector;
} cyc_tap;

/* A run of terms; with ends_chunk, the sum of the chunk that they complete goes to the totals. */
typedef struct {
    int32_t begin, end;
    int32_t ends_chunk;
} cyc_span;

/* Lanes of a vector of sums that lie side by side in the result, from lane `first` on. */
typedef struct {
    ptrdiff_t offset; /* of lane 0, from `out`, even where lane 0 is not among them */
    int16_t first, count;
    int32_t last; /* of the pieces of its vector */
} cyc_piece;

/* Tile kernel, R rows by V vectors of L lanes:
 *
 *     total[i][j] = sum over k of broadcast[taps[k].broadcast + i] * vector[taps[k].vector + j]
 *                   for i < R and j < V * L,
 *
 * k running through the spans, of which there is at least one and the last ends a chunk. A chunk is
 * CYC_CHUNK terms counted from the first of all; terms that are left out leave its ends where they are.
 * `carry`: totals hold the sums of earlier chunks, to be continued.
 * Without `out`, the sums go to totals (R rows of V * L elements). With `out`, row i becomes
 * clamp(total + bias[i], clamp[0], clamp[1]) at out + i * out_pitch; integers are not clamped. With
 * `pieces`, only those lanes of each vector that its pieces name, of which it has at least one, of no
 * lanes maybe.
 * Reads V * L elements of `vector` at each tap, and R of `broadcast`. `out` and totals alias nothing.
 */
typedef struct {
    const void *broadcast;
    const void *vector;
    const cyc_tap *taps;
    const cyc_span *spans;
    ptrdiff_t span_count;
    void *totals;
    int carry;
    void *out;
    ptrdiff_t out_pitch;
    const cyc_piece *pieces;
    const void *bias;
    const void *clamp;
} cyc_tile_args;

/* Row kernel: rows by columns of one output channel,
 *
 *     out[r][x] = clamp(bias + sum over (c, kh, kw) of weight[c][kh][kw] *
 *                 window[c * channel_pitch + r * window_pitch + row_offsets[kh] + column_offsets[kw] + x])
 *
 * with the chunks of the tile kernel, for out[r][x] at out + r * out_pitch + x. row_offsets has an
 * entry for every input row of CYC_ROW_BLOCK output rows, which lie `stride` input rows apart:
 * row_offsets[r * stride + kh] is row_offsets[kh] + r * window_pitch. An input row is loaded once for
 * all output rows that use it. Reads up to a multiple of the lanes, writes no more than columns.
 */
typedef struct {
    const void *window;
    const ptrdiff_t *row_offsets;
    const ptrdiff_t *column_offsets;
    ptrdiff_t channel_pitch;
    ptrdiff_t window_pitch; /* between the windows of two output rows */
    const void *weight;
    ptrdiff_t channels, kernel_h, kernel_w;
    ptrdiff_t stride;
    ptrdiff_t rows, columns;
    void *out;
    ptrdiff_t out_pitch;
    const void *bias;
    const void *clamp;
} cyc_rows_args;

/* Plane kernel: the row kernel for one channel, zero padding and a square kernel, read where it lies,
 *
 *     out[p][r][x] = clamp(bias[p] + sum over (kh, kw) of weight[p][kh][kw] *
 *                    input[p][top + r * stride + kh][left + x * stride + kw])
 *
 * for `planes` planes of input_rows by input_columns, beyond which the input counts as zero and is not
 * read. Planes lie input_step and out_step apart, rows input_pitch and out_pitch; weights and bias are
 * contiguous. At least CYC_ROW_BLOCK rows. The kernel's size and the stride are those of the function.
 */
typedef struct {
    const void *input;
    ptrdiff_t input_step, input_pitch;
    ptrdiff_t input_rows, input_columns;
    ptrdiff_t top, left; /* the input under the first tap of out[p][0][0], negative in the padding */
    const void *weight;
    ptrdiff_t planes, rows, columns;
    void *out;
    ptrdiff_t out_step, out_pitch;
    const void *bias;
    const void *clamp;
} cyc_planes_args;

/* Copy a rectangle of each channel into a window, converted to the compute dtype. In each channel
 * (channel_pitch apart in dst) each row (row_pitch apart) gets `before` zeros, `columns` values,
 * `after` zeros. Source steps are in bytes and may be zero or negative; the source may be unaligned. */
typedef struct {
    const char *src;
    ptrdiff_t channel_bytes, row_bytes, column_bytes;
    void *dst;
    ptrdiff_t channel_pitch, row_pitch;
    ptrdiff_t channels, rows, columns;
    ptrdiff_t before, after;
} cyc_load_args;

/* Finish sums and write them to an array: for r < rows and x < columns,
 * dst[r][x] = convert(activation(src[r * row_step + x] + bias[r * bias_step])).
 * Reads src up to a vector past the last column.
 * Destination steps are in bytes and may be negative; the destination may be unaligned. */
typedef struct {
    const void *src;
    ptrdiff_t row_step;
    const void *bias;
    ptrdiff_t bias_step;
    int activation;
    char *dst;
    ptrdiff_t row_bytes, column_bytes;
    ptrdiff_t rows, columns;
} cyc_store_args;

typedef void (*cyc_tile_fn)(const cyc_tile_args *);
typedef void (*cyc_rows_fn)(const cyc_rows_args *);
typedef void (*cyc_planes_fn)(const cyc_planes_args *);
typedef void (*cyc_load_fn)(const cyc_load_args *);
typedef void (*cyc_store_fn)(const cyc_store_args *);

/* Transpose weights into a panel: panel[k * width + i] = weight[i * pitch + k] for i < rows and
 * k < terms, zero for rows <= i < width. */
typedef void (*cyc_pack_fn)(const void *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t width, ptrdiff_t terms,
                            void *panel);

/* Whether `count` elements are all finite; integers are. */
typedef int (*cyc_finite_fn)(const void *values, ptrdiff_t count);

typedef struct {
    ptrdiff_t lanes;
    ptrdiff_t item; /* bytes of an element */
    /* [V - 1][R - 1]; NULL: too many registers. What is there is there for every smaller V and R. */
    cyc_tile_fn tile[CYC_MAX_TILE_VECTORS][CYC_MAX_TILE_ROWS];
    cyc_rows_fn rows;
    cyc_planes_fn planes[CYC_MAX_PLANE_STRIDE][CYC_MAX_PLANE_KERNEL]; /* [stride - 1][size - 1]; NULL: none */
    ptrdiff_t row_vectors;                   /* vectors that the row kernel takes together, at most */
    cyc_load_fn load[CYC_ARRAY_DTYPES];                        /* NULL: the caller converts first */
    cyc_store_fn store[CYC_ARRAY_DTYPES];                      /* NULL: never asked for */
    cyc_pack_fn pack;
    cyc_finite_fn finite;
} cyc_kernels;

typedef struct {
    const char *name;
    int (*available)(void); /* the CPU and the operating system can run it */
    double (*fma_loop)(ptrdiff_t rounds); /* float32 operations of an FMA-only loop, to be timed */
    const cyc_kernels *dtype[CYC_COMPUTE_DTYPES];
} cyc_isa;

/* Every instruction set compiled in, slowest first; ends with NULL. */
extern const cyc_isa *const cyc_isas[];

#endif
