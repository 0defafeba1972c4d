/* The transforms of Winograd's F(4x4, 3x3), for one floating compute dtype of one instruction set
 * (see transforms.h): six by six inputs of a tile give four by four outputs by 36 products instead of 144.
 *
 * A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016; the matrices are
 * those of the Toom-Cook construction for the points 0, +-A, +-B and infinity. A = 11/16 and B = 3/2
 * lie where the products' rounding errors grow least (docs/accuracy.md), and their powers are exact.
 *
 * Tiles lie side by side in the lanes, so each transform is the same few operations on whole vectors,
 * once down the columns and once along the rows of a tile.
 */

#define CYC_A ((CYC_ELEMENT)0.6875)
#define CYC_B ((CYC_ELEMENT)1.5)
#define CYC_A2 (CYC_A * CYC_A)
#define CYC_B2 (CYC_B * CYC_B)
#define CYC_A3 (CYC_A2 * CYC_A)
#define CYC_B3 (CYC_B2 * CYC_B)
#define CYC_CONSTANT(name, value)             \
    const CYC_ELEMENT name##_value = (value); \
    const CYC_VECTOR name = CYC_OP(broadcast)(&name##_value);

/* Six inputs to two of the six factors, which have their terms in common: those at 0 and infinity (pair 0), at +-A
 * (1) or at +-B (2). A factor is the polynomial with every other point as a root. */
CYC_INLINE void CYC_NAME(winograd_input_pair)(const CYC_VECTOR in[CYC_WINOGRAD_IN], const int pair, CYC_VECTOR out[2]) {
    CYC_CONSTANT(point, pair == 1 ? CYC_A : CYC_B)
    CYC_CONSTANT(minus_point, pair == 1 ? -CYC_A : -CYC_B)
    CYC_CONSTANT(minus_other, pair == 1 ? -CYC_B2 : -CYC_A2)
    CYC_CONSTANT(product, CYC_A2 * CYC_B2)
    CYC_CONSTANT(minus_sum, -(CYC_A2 + CYC_B2))
    if (pair == 0) {
        out[0] = CYC_OP(multiply_add)(product, in[0], CYC_OP(multiply_add)(minus_sum, in[2], in[4]));
        out[1] = CYC_OP(multiply_add)(product, in[1], CYC_OP(multiply_add)(minus_sum, in[3], in[5]));
    } else {
        const CYC_VECTOR even = CYC_OP(multiply_add)(minus_other, in[2], in[4]);
        const CYC_VECTOR odd = CYC_OP(multiply_add)(minus_other, in[1], in[3]);
        out[0] = CYC_OP(multiply_add)(point, odd, even);
        out[1] = CYC_OP(multiply_add)(minus_point, odd, even);
    }
}

/* The factors of a pair. */
#define CYC_PAIR_FIRST(PAIR) ((PAIR) == 0 ? 0 : 2 * (PAIR) - 1)
#define CYC_PAIR_SECOND(PAIR) ((PAIR) == 0 ? 5 : 2 * (PAIR))

CYC_INLINE void CYC_NAME(winograd_input_1d)(const CYC_VECTOR in[CYC_WINOGRAD_IN], CYC_VECTOR out[CYC_WINOGRAD_IN]) {
    CYC_UNROLL for (int pair = 0; pair < 3; pair++) {
        CYC_VECTOR two[2];
        CYC_NAME(winograd_input_pair)(in, pair, two);
        out[CYC_PAIR_FIRST(pair)] = two[0];
        out[CYC_PAIR_SECOND(pair)] = two[1];
    }
}

/* The six inputs of a tile with fewer than four outputs, which takes fewer points: 0 and +-A, from two outputs on
 * infinity, for three +B. The factors at these points are those of all six for other inputs behind the first three:
 * such that the factors at the points left out come to zero, and the one at infinity to that of the fewer points. */
CYC_INLINE void CYC_NAME(shorten_inputs)(CYC_VECTOR in[CYC_WINOGRAD_IN], ptrdiff_t outputs) {
    CYC_CONSTANT(a2, CYC_A2)
    CYC_CONSTANT(minus_a2, -CYC_A2)
    CYC_CONSTANT(a4, CYC_A2 * CYC_A2)
    CYC_CONSTANT(b, CYC_B)
    CYC_CONSTANT(sum, CYC_A2 + CYC_B2)
    CYC_CONSTANT(minus_product, -CYC_A2 * CYC_B2)
    const CYC_VECTOR even = CYC_OP(multiply)(a2, in[2]), odd = CYC_OP(multiply_add)(minus_a2, in[1], in[3]);
    if (outputs == CYC_WINOGRAD_OUT - 1) {
        const CYC_VECTOR rest = CYC_OP(multiply_add)(sum, in[3], CYC_OP(multiply)(minus_product, in[1]));
        const CYC_VECTOR in4 = in[4];
        in[4] = CYC_OP(multiply_add)(b, odd, even);
        in[5] = CYC_OP(add)(CYC_OP(subtract)(in4, in[4]), rest);
    } else {
        in[3] = CYC_OP(multiply)(a2, in[1]);
        in[4] = even;
        in[5] = CYC_OP(multiply_add)(a4, in[1], odd);
    }
}

/* Three weights to two of the six factors, by pairs as above: their values as a polynomial at each point, over the
 * product of the distances to the other points. */
CYC_INLINE void CYC_NAME(winograd_weight_pair)(const CYC_VECTOR in[CYC_WINOGRAD_TAPS], const int pair,
                                               CYC_VECTOR out[2]) {
    const CYC_ELEMENT point = pair == 1 ? CYC_A : CYC_B, square = point * point;
    const CYC_ELEMENT distance = 2 * (pair == 1 ? CYC_A2 - CYC_B2 : CYC_B2 - CYC_A2);
    CYC_CONSTANT(at_zero, 1 / (CYC_A2 * CYC_B2))
    CYC_CONSTANT(at_point, 1 / (square * distance))
    CYC_CONSTANT(at_point_odd, 1 / (point * distance))
    CYC_CONSTANT(minus_at_point_odd, -1 / (point * distance))
    CYC_CONSTANT(at_point_square, 1 / distance)
    if (pair == 0) {
        out[0] = CYC_OP(multiply)(at_zero, in[0]);
        out[1] = in[2];
    } else {
        const CYC_VECTOR even =
            CYC_OP(multiply_add)(at_point_square, in[2], CYC_OP(multiply)(at_point, in[0]));
        out[0] = CYC_OP(multiply_add)(at_point_odd, in[1], even);
        out[1] = CYC_OP(multiply_add)(minus_at_point_odd, in[1], even);
    }
}

/* Six sums of products to four outputs: output k is the sum over the points of their k-th power, and infinity
 * adds to the last. Sums for which fewer outputs have no use are not looked at. */
CYC_INLINE void CYC_NAME(winograd_output_1d)(const CYC_VECTOR in[CYC_WINOGRAD_IN], ptrdiff_t outputs,
                                             CYC_VECTOR out[CYC_WINOGRAD_OUT]) {
    CYC_CONSTANT(a, CYC_A)
    CYC_CONSTANT(b, CYC_B)
    CYC_CONSTANT(a2, CYC_A2)
    CYC_CONSTANT(b2, CYC_B2)
    CYC_CONSTANT(a3, CYC_A3)
    CYC_CONSTANT(b3, CYC_B3)
    const CYC_VECTOR a_sum = CYC_OP(add)(in[1], in[2]), a_difference = CYC_OP(subtract)(in[1], in[2]);
    const CYC_VECTOR at_b = CYC_WINOGRAD_USES(3, outputs) ? in[3] : CYC_OP(zero)();
    const CYC_VECTOR at_minus_b = CYC_WINOGRAD_USES(4, outputs) ? in[4] : CYC_OP(zero)();
    const CYC_VECTOR b_sum = CYC_OP(add)(at_b, at_minus_b), b_difference = CYC_OP(subtract)(at_b, at_minus_b);
    out[0] = CYC_OP(add)(in[0], CYC_OP(add)(a_sum, b_sum));
    out[1] = CYC_OP(multiply_add)(b, b_difference, CYC_OP(multiply)(a, a_difference));
    out[2] = CYC_OP(multiply_add)(b2, b_sum, CYC_OP(multiply)(a2, a_sum));
    if (outputs == 2) out[1] = CYC_OP(add)(out[1], in[5]);
    if (outputs == 3) out[2] = CYC_OP(add)(out[2], in[5]);
    out[3] = CYC_OP(multiply_add)(b3, b_difference,
                                  CYC_OP(multiply_add)(a3, a_difference, outputs == 4 ? in[5] : CYC_OP(zero)()));
}

/* Vectors of a row of inputs of CYC_LANES tiles: four, and the first two inputs of the next tile. */
#define CYC_ROW_VECTORS_IN (CYC_WINOGRAD_OUT + (CYC_LANES == 1 ? 2 : 1))

/* Column j of each of CYC_LANES tiles side by side; columns 4 and 5 are the first two of the next tile. */
CYC_INLINE void CYC_NAME(split_row)(const CYC_VECTOR row[CYC_WINOGRAD_IN], CYC_VECTOR column[CYC_WINOGRAD_IN]) {
    const CYC_VECTOR low_even = CYC_OP(even)(row[0], row[1]), high_even = CYC_OP(even)(row[2], row[3]);
    const CYC_VECTOR low_odd = CYC_OP(odd)(row[0], row[1]), high_odd = CYC_OP(odd)(row[2], row[3]);
    column[0] = CYC_OP(even)(low_even, high_even);
    column[1] = CYC_OP(even)(low_odd, high_odd);
    column[2] = CYC_OP(odd)(low_even, high_even);
    column[3] = CYC_OP(odd)(low_odd, high_odd);
    column[4] = CYC_OP(shift)(column[0], row[4]);
    column[5] = CYC_OP(shift)(column[1], CYC_LANES == 1 ? row[5] : CYC_OP(odd)(row[4], row[4]));
}

#include "winograd_input.inc.h"

/* The factors of a vector of outputs of one channel, whose weights lie `width` apart. Rows of factors go by pairs, and
 * the place of each from that of the one before, so that neither they nor 36 addresses leave the registers. */
CYC_INLINE void CYC_NAME(transform_weight)(const CYC_ELEMENT *weight, ptrdiff_t width, ptrdiff_t ahead,
                                           CYC_ELEMENT *factors, ptrdiff_t plane) {
    CYC_UNROLL for (int pair = 0; pair < 3; pair++) {
        CYC_VECTOR half[2][CYC_WINOGRAD_TAPS];
        CYC_FORGET(weight);
        CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_TAPS; j++) {
            CYC_VECTOR column[CYC_WINOGRAD_TAPS], two[2];
            CYC_UNROLL for (int i = 0; i < CYC_WINOGRAD_TAPS; i++) {
                const CYC_ELEMENT *p = weight + (i * CYC_WINOGRAD_TAPS + j) * width;
                column[i] = CYC_OP(load)(p);
                if (pair == 0) CYC_PREFETCH(p + ahead);
            }
            CYC_NAME(winograd_weight_pair)(column, pair, two);
            half[0][j] = two[0];
            half[1][j] = two[1];
        }
        CYC_UNROLL for (int k = 0; k < 2; k++) {
            CYC_ELEMENT *out = factors + (k ? CYC_PAIR_SECOND(pair) : CYC_PAIR_FIRST(pair)) * CYC_WINOGRAD_IN * plane;
            CYC_VECTOR factor[CYC_WINOGRAD_IN];
            CYC_UNROLL for (int across = 0; across < 3; across++) {
                CYC_VECTOR two[2];
                CYC_NAME(winograd_weight_pair)(half[k], across, two);
                factor[CYC_PAIR_FIRST(across)] = two[0];
                factor[CYC_PAIR_SECOND(across)] = two[1];
            }
            CYC_UNROLL for (int j = 0; j < CYC_WINOGRAD_IN; j++, out += plane) {
                CYC_FORGET(out);
                CYC_OP(store)(out, factor[j]);
            }
        }
    }
}

/* Channels whose outputs fill half a vector or less are put side by side, so many at a time: of any width they fill whole
 * vectors. */
#define CYC_CHANNELS_TOGETHER 8

static void CYC_NAME(winograd_weight)(const void *panel, ptrdiff_t channels, ptrdiff_t width, void *factors,
                                      ptrdiff_t plane) {
    const ptrdiff_t taps = CYC_WINOGRAD_TAPS * CYC_WINOGRAD_TAPS;
    const ptrdiff_t group = 2 * width > CYC_LANES ? 1 : CYC_CHANNELS_TOGETHER;
    CYC_ELEMENT last[CYC_WINOGRAD_PRODUCTS][sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT)];
    /* each tap has room for the vector that ends it */
    CYC_ELEMENT together[CYC_WINOGRAD_TAPS * CYC_WINOGRAD_TAPS][(CYC_CHANNELS_TOGETHER / 2 + 1) * CYC_LANES];
    for (ptrdiff_t c = 0; c < channels; c += group) {
        const CYC_ELEMENT *weight = (const CYC_ELEMENT *)panel + c * taps * width;
        CYC_ELEMENT *out = (CYC_ELEMENT *)factors + c * width;
        const ptrdiff_t left = channels - c, count = left < group ? left : group;
        /* nine interleaved streams, often from memory, which no hardware prefetcher follows: those of the sixth channel
         * from here, some thousand cycles later */
        ptrdiff_t pitch = width, ahead = 6 * taps * width;
        if (group > 1) {
            for (ptrdiff_t tap = 0; tap < taps; tap++) {
                for (ptrdiff_t k = 0; k < count; k++)
                    CYC_OP(store)(together[tap] + k * width, CYC_OP(load)(weight + (k * taps + tap) * width));
            }
            weight = together[0];
            pitch = sizeof together[0] / sizeof together[0][0];
            ahead = 0;
        }
        for (ptrdiff_t x = 0; x < count * width; x += CYC_LANES) {
            /* what is written beyond these channels, the next ones overwrite */
            const ptrdiff_t room = left * width - x;
            const int whole = room >= CYC_LANES;
            CYC_NAME(transform_weight)(weight + x, pitch, ahead, whole ? out + x : last[0], whole ? plane : CYC_LANES);
            for (int product = 0; !whole && product < CYC_WINOGRAD_PRODUCTS; product++)
                memcpy(out + product * plane + x, last[product], (size_t)room * sizeof *out);
        }
    }
}

#include "winograd_output.inc.h"

#undef CYC_A
#undef CYC_B
#undef CYC_A2
#undef CYC_B2
#undef CYC_A3
#undef CYC_B3
#undef CYC_ROW_VECTORS_IN
#undef CYC_PAIR_FIRST
#undef CYC_PAIR_SECOND
#undef CYC_CHANNELS_TOGETHER
#undef CYC_CONSTANT
