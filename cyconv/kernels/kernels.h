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

#define CYC_LINE_BYTES 64 /* of a cache line, on every CPU that there are kernels for */

#include "transforms.h"

/* Every sum over k runs in chunks of this many terms; a chunk starts at zero, the chunk sums add up
 * in order. It bounds the rounding error (docs/algorithms.md) and is part of every result: a
 * different length gives different bits. */
#define CYC_CHUNK 64

#define CYC_MAX_TILE_ROWS 14
#define CYC_MAX_TILE_VECTORS 4
#define CYC_MAX_LANES 16 /* float32 in 64 bytes; masks of lanes and pieces of tiles have room for as many */
#define CYC_ROW_BLOCK 4 /* output rows that the row kernel keeps in registers */
/* Output rows that the plane kernel keeps in registers for V vectors of columns: seven of one vector, as the images
 * of networks have 7, 14, 28 rows; of more vectors these and the weights want more registers than there are. */
#define CYC_MOST_PLANE_ROWS 7
#define CYC_PLANE_ROWS(V) ((V) > 1 ? CYC_ROW_BLOCK : CYC_MOST_PLANE_ROWS)
/* Rows of a band, which is computed while the next one is fetched: whole blocks of both kinds. */
#define CYC_BAND_ROWS (CYC_ROW_BLOCK * CYC_MOST_PLANE_ROWS)
/* Kernel heights and strides whose rows the row kernel has unrolled, and for which there is a plane kernel. */
#define CYC_UNROLLED_ROWS(X) X(3, 1) X(3, 2) X(5, 1) X(5, 2) X(7, 1)
#define CYC_IS_UNROLLED(HEIGHT, STRIDE) || (height == HEIGHT && stride == STRIDE)
static inline int cyc_unrolls_rows(ptrdiff_t height, ptrdiff_t stride) { return 0 CYC_UNROLLED_ROWS(CYC_IS_UNROLLED); }
#undef CYC_IS_UNROLLED
/* More of them, of two or three chunks, for the plane kernel, which takes one vector of a row at a time. */
#define CYC_LARGE_PLANE_SIZES(X) X(9, 1) X(11, 1) X(13, 1)
#define CYC_MAX_PLANE_KERNEL 13
#define CYC_MAX_PLANE_STRIDE 2

/* The largest stride of columns that loads pick from vectors; beyond it an element at a time is as fast. */
#define CYC_MAX_SPREAD 4

/* Whether the plane kernel unrolls the taps of a row for V vectors, of which it takes `most` together: more of them
 * would keep so many weights and addresses in registers that sums spill, and large kernels outgrow the first-level
 * cache of instructions. */
#define CYC_UNROLLS_TAPS(most, size, V) ((size) <= 7 && (V) * (size) <= 3 * (most))
/* Whether it takes two planes together where it can: one vector of a row is too little to hide the latency of the
 * multiply-add, half a vector always. With nine weights a plane the next one begins early enough by itself. */
#define CYC_PAIRS_PLANES(registers, size, V) ((size) > 3 && (V) == 1 && (registers) >= 32)
/* Whether it takes the vectors of a row one by one, though a result has `vectors`: beside more of them the totals of
 * earlier chunks would spill; or up to three, in pairs of planes, if the taps of two are not unrolled. */
#define CYC_NARROW_STRIPS(registers, most, size, vectors) \
    ((size) * (size) > CYC_CHUNK ||                       \
     ((vectors) <= 3 && CYC_PAIRS_PLANES(registers, size, 1) && !CYC_UNROLLS_TAPS(most, size, 2)))
/* Whether its strips of V vectors leave out rows of padding, of finite weights: a branch for each row, which few products
 * do not repay. */
#define CYC_SKIPS_ROWS(size, stride, V) ((stride) == 1 && (V) <= (size) / 2 - 1)

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

/* One term k of a tile: where its two operands lie, and which entry of the tile's edges is its own. */
typedef struct {
    int32_t broadcast;
    int32_t vector;
    int32_t edge;
} cyc_tap;

/* Rows at either end of a tile that a term leaves out: pixels for which it reads padding. */
typedef struct {
    uint8_t first, last;
} cyc_edge;

/* The most of them that the kernel tells apart: enough for 7 taps in their own padding. */
#define CYC_EDGE_ROWS(rows) ((rows) > 6 ? 3 : ((rows) - 1) / 2)

/* Memory to be read soon, which tiles fetch into the second-level cache, a burst of lines at each chunk,
 * until no row is left: rows of `row_bursts` bursts, from the last of which it is `gap` bytes to the next
 * row. The lines of a row lie `pitch` bytes apart. The next tile continues where one stops. In tiles that do not keep
 * all their columns, and in those of vectors of a line with a next vector, the terms of a chunk fetch its burst, each
 * `step` bytes beyond the last: no more in all than its lines. */
typedef struct {
    const char *next;
    ptrdiff_t rows;   /* left */
    ptrdiff_t bursts; /* left of this row */
    ptrdiff_t row_bursts, lines, pitch, gap, step;
} cyc_ahead;

/* Whether a tile keeps sums and totals in this many registers, beside its vectors and a broadcast. */
#define CYC_KEEPS_TOTALS(registers, rows, vectors) (2 * (rows) * (vectors) + (vectors) + 1 <= (registers))

/* Vectors of a term that stay in registers for all rows of a tile, beside the sums and a broadcast: all, or all but the
 * last, which each row then loads. */
#define CYC_KEPT_COLUMNS(registers, rows, vectors) \
    ((vectors) - ((registers) > 0 && (rows) * (vectors) + (vectors) + 1 > (registers)))

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
 * k running through the spans, of which there is at least one and the last ends a chunk. Without `taps`, which edges
 * and integers need, the operands of term k lie at k * broadcast_step and k * vector_step. Term k adds
 * nothing to the edges[taps[k].edge].first first rows and the .last last ones, CYC_EDGE_ROWS(R) of each at
 * most. A chunk is CYC_CHUNK terms counted from the first of all; terms that are left out leave its ends
 * where they are. `carry`: totals hold the sums of earlier chunks, to be continued.
 * Without `out`, the sums go to totals (R rows of V * L elements). With `out`, row i becomes
 * clamp(total + bias[i], clamp[0], clamp[1]) at out + i * out_pitch, not clamped if `clamp` is NULL or of
 * integers. With `pieces`, only those lanes of each vector that its pieces name; each has at least
 * one, which may be of no lanes.
 * Reads V * L elements of `vector` at each tap, and R of `broadcast`. Fetches what lies `ahead`, and
 * changes that. Without `taps` and edges terms fetch vectors too, those of terms that follow or of the next tile, which
 * lie `next_vector` elements on; 0: they do not. `broadcast_step` is not 0 then. `out` and totals alias nothing.
 */
typedef struct {
    const void *broadcast;
    const void *vector;
    const cyc_tap *taps;
    ptrdiff_t broadcast_step, vector_step;
    ptrdiff_t next_vector;
    const cyc_edge *edges;
    cyc_ahead *ahead;
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
 * all output rows that use it. `clamp` may be NULL. Reads up to a multiple of the lanes, writes no more
 * than columns. With `fetches`, the window is far from the core, and the input rows of the next output rows are fetched.
 * With every CYC_ROW_BLOCK rows, next_bytes from `next` on are fetched, and what lies out_ahead bytes after these rows
 * of the result, if not 0: both may be anywhere.
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
    int fetches;
    const char *next;
    ptrdiff_t next_bytes;
    ptrdiff_t out_ahead;
} cyc_rows_args;

/* Plane kernel: the row kernel for one channel, zero padding and a square kernel, read where it lies,
 *
 *     out[p][r][x] = clamp(bias[p] + sum over (kh, kw) of weight[p][kh][kw] *
 *                    input[p / outputs][top + r * stride + kh][left + x * stride + kw])
 *
 * for `planes` planes of the result, `outputs` of each of the input. The input has input_rows by input_columns, beyond
 * which it counts as zero. What lies between the first element of all and the last may be read, whatever it is; nothing
 * else. Planes lie input_step and out_step apart, rows input_pitch and out_pitch; weights and bias are contiguous, `clamp`
 * may be NULL. The kernel's size and the stride are those of the function. With `fetches`, bands of CYC_BAND_ROWS
 * rows are computed while what the next one reads and writes is fetched, beyond the arrays too.
 */
typedef struct {
    const void *input;
    ptrdiff_t input_step, input_pitch;
    ptrdiff_t input_rows, input_columns;
    ptrdiff_t top, left; /* the input under the first tap of out[p][0][0], negative in the padding */
    const void *weight;
    ptrdiff_t planes, outputs, rows, columns;
    void *out;
    ptrdiff_t out_step, out_pitch;
    const void *bias;
    const void *clamp;
    int fetches;
} cyc_planes_args;

/* Copy a rectangle of each channel into a window, converted to the compute dtype. In each channel
 * (channel_pitch apart in dst) each row (row_pitch apart) gets `before` zeros, `columns` values,
 * `after` zeros. Source steps are in bytes and may be zero or negative; the source may be unaligned. What lies
 * between its first element and its last may be read.
 * With `alone`, rows have no other values than these, so that what lies between them, and the beginning of the
 * next one, may be written on the way. Only then may there be more than one phase: columns lie so many elements apart,
 * which those between follow in windows of their own, phase_pitch apart; of the elements of the first column `lead`
 * lie before src, of those of the last `trail` outside the input, and zeros take their place. Fetches what lies `ahead`
 * bytes after each row, which is going to be copied later; 0: what the kernel thinks fit. */
typedef struct {
    const char *src;
    ptrdiff_t channel_bytes, row_bytes, column_bytes;
    void *dst;
    ptrdiff_t channel_pitch, row_pitch;
    ptrdiff_t channels, rows, columns;
    ptrdiff_t before, after;
    int alone;
    ptrdiff_t phases; /* 1, or all, 2 or CYC_MAX_SPREAD, where loads deal them out */
    ptrdiff_t phase_pitch, lead, trail;
    ptrdiff_t ahead;
} cyc_load_args;

/* Finish sums and write them to an array: for r < rows and x < columns,
 * dst[r][x] = convert(activation(src[r * row_step + x] + bias[r * bias_step])).
 * Reads src up to a vector past the last column.
 * Destination steps are in bytes and may be negative; the destination may be unaligned. Where its columns are contiguous
 * fetches what lies `ahead` bytes after each row, which is going to be written later; 0: nothing. */
typedef struct {
    const void *src;
    ptrdiff_t row_step;
    const void *bias;
    ptrdiff_t bias_step;
    int activation;
    char *dst;
    ptrdiff_t row_bytes, column_bytes;
    ptrdiff_t rows, columns;
    ptrdiff_t ahead;
} cyc_store_args;

/* A vector of pixels on its way from the window to its place among the pixels of a tile. */
typedef struct {
    int32_t from, to;
} cyc_copy;

/* The most vectors that a tile gathers: each pixel from a row of its own, in the widest tile of the largest vectors. */
#define CYC_MAX_COPIES (CYC_MAX_TILE_VECTORS * CYC_MAX_LANES)

/* Gather the pixels of a tile, term after term: for each term k and each copy, in order, a vector from
 * window[offsets[k] + from] to dst[k * width + to]. Later ones overwrite what earlier ones wrote beyond their place;
 * the last writes up to a vector past the end. With `rest`, the last copy reads and writes only so many elements. */
typedef struct {
    const void *window;
    const int32_t *offsets; /* [terms] */
    ptrdiff_t terms;
    const cyc_copy *copies;
    ptrdiff_t copy_count;
    ptrdiff_t rest;
    void *dst;
    ptrdiff_t width;
} cyc_gather_args;

/* Finish the sums of a turned tile and write them to an array of the compute dtype: for p < pixels and c < channels,
 * out[c * out_pitch + p] = clamp(totals[p * pitch + c] + bias[c]), not clamped if `clamp` is NULL or of integers.
 * Reads and writes nothing else; `out` aliases nothing. With `fetches`, the lines of a few channels are fetched while
 * those before are written. */
typedef struct {
    const void *totals;
    ptrdiff_t pitch;
    ptrdiff_t pixels, channels;
    const void *bias;
    const void *clamp;
    void *out;
    ptrdiff_t out_pitch;
    int fetches;
} cyc_turned_args;

/* One pixel of some outputs, whose weights lie as they are given:
 *
 *     totals[i] = sum over k of pixel[k] * weight[i * pitch + k] for i < outputs,
 *
 * with the chunks of the tile kernel. At least as many outputs as a vector has lanes, and four terms. Reads and writes
 * nothing else; totals alias nothing.
 */
typedef struct {
    const void *weight;
    ptrdiff_t pitch;
    const void *pixel;
    ptrdiff_t terms, outputs;
    void *totals;
} cyc_pixel_args;

typedef void (*cyc_tile_fn)(const cyc_tile_args *);
typedef void (*cyc_rows_fn)(const cyc_rows_args *);
typedef void (*cyc_planes_fn)(const cyc_planes_args *);
typedef void (*cyc_load_fn)(const cyc_load_args *);
typedef void (*cyc_store_fn)(const cyc_store_args *);
typedef void (*cyc_turned_fn)(const cyc_turned_args *);
typedef void (*cyc_gather_fn)(const cyc_gather_args *);
typedef void (*cyc_pixel_fn)(const cyc_pixel_args *);

/* Transpose weights into a panel: panel[k * width + i] = weight[i * pitch + k] for i < rows and
 * k < terms, zero for rows <= i < width. */
typedef void (*cyc_pack_fn)(const void *weight, ptrdiff_t pitch, ptrdiff_t rows, ptrdiff_t width, ptrdiff_t terms,
                            void *panel);

/* Transpose: dst[k * width + i] = src[i * pitch + k] for i < rows and k < terms; they do not alias. */
typedef void (*cyc_turn_fn)(const void *src, ptrdiff_t pitch, ptrdiff_t rows, void *dst, ptrdiff_t width,
                            ptrdiff_t terms);

/* Whether `count` elements are all finite; integers are. */
typedef int (*cyc_finite_fn)(const void *values, ptrdiff_t count);

typedef struct {
    ptrdiff_t lanes;
    ptrdiff_t item; /* bytes of an element */
    ptrdiff_t registers; /* for vectors */
    /* [V - 1][R - 1]; NULL: too many registers. What is there is there for every smaller V and R. */
    cyc_tile_fn tile[CYC_MAX_TILE_VECTORS][CYC_MAX_TILE_ROWS];
    cyc_rows_fn rows;
    cyc_planes_fn planes[CYC_MAX_PLANE_STRIDE][CYC_MAX_PLANE_KERNEL]; /* [stride - 1][size - 1]; NULL: none */
    ptrdiff_t row_vectors;                   /* vectors that the row kernel takes together, at most */
    int permutes; /* lanes at will (CYC_PERMUTES), for Winograd's short rows of tiles */
    int deals_phases; /* loads take all of them, of elements of the compute dtype side by side */
    ptrdiff_t winograd_chunk; /* terms of a chunk of Winograd's sums, whose errors the output transform enlarges */
    cyc_load_fn load[CYC_ARRAY_DTYPES];                        /* NULL: never asked for */
    cyc_store_fn store[CYC_ARRAY_DTYPES];                      /* NULL: never asked for */
    cyc_turned_fn store_turned;
    cyc_gather_fn gather;
    cyc_pack_fn pack;
    cyc_turn_fn turn;
    cyc_finite_fn finite;
    /* the rest is NULL for integers */
    cyc_pixel_fn pixel; /* NULL too where columns take longer than packing */
    cyc_winograd_shorten_fn winograd_shorten;
    cyc_winograd_input_fn winograd_input;
    cyc_winograd_weight_fn winograd_weight;
    cyc_winograd_output_fn winograd_output, winograd_output_turned;
    cyc_winograd_order_fn winograd_order;
    cyc_fft_fn fft_columns, fft_rows;
    cyc_fft_multiply_fn fft_multiply;
} cyc_kernels;

/* Products of parts (split.h). */
typedef struct cyc_split cyc_split;

typedef struct {
    const char *name;
    int (*available)(void); /* the CPU and the operating system can run it, and it is faster than those before */
    double (*fma_loop)(ptrdiff_t rounds); /* float32 operations of an FMA-only loop, to be timed */
    const cyc_kernels *dtype[CYC_COMPUTE_DTYPES];
    const cyc_split *split; /* NULL: no products of parts */
} cyc_isa;

/* How a core fares with vectors of a cache line, 64 bytes, or without them. Only the cost model asks.
 *   halved  computes on them in two halves, one multiply-add a cycle: loads, of which it starts as many as others, are
 *           cheap beside products
 *   whole   two multiply-adds a cycle, and the second-level cache keeps up with them
 *   late    likewise, but lines from the second level come late
 *   none    Zen 1: computes in two halves on vectors of 32 bytes, one multiply-add a cycle
 * Other cores without such vectors are whole or late. */
enum { CYC_HALVED_LINES, CYC_WHOLE_LINES, CYC_LATE_LINES, CYC_NO_LINES };
int cyc_cpu_lines(void);

/* Every instruction set compiled in, slowest first; ends with NULL. */
extern const cyc_isa *const cyc_isas[];

#endif
