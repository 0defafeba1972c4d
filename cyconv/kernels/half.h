/* Scalar float16 and bfloat16 conversions, rounding to nearest even, for targets without their own. */
#ifndef CYC_HALF_H
#define CYC_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "target.h"

CYC_INLINE float cyc_float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

CYC_INLINE uint32_t cyc_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

CYC_INLINE float cyc_float_from_half(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = (uint32_t)(half & 0x7fff) << 13;
    /* the multiplication rebiases the exponent, and normalises subnormals on the way */
    const uint32_t finite = cyc_bits_of_float(cyc_float_from_bits(magnitude) * 0x1p112f);
    return cyc_float_from_bits(sign | ((half & 0x7c00) == 0x7c00 ? magnitude | 0x7f800000 : finite));
}

CYC_INLINE uint16_t cyc_half_from_float(float value) {
    const uint32_t bits = cyc_bits_of_float(value), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t half;
    if (magnitude > 0x7f800000) /* NaN, kept quiet */
        half = 0x7e00 | (magnitude >> 13 & 0x3ff);
    else if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
        half = 0x7c00;
    else if (magnitude < 0x38800000) /* subnormal: adding 0.5 aligns the last place of both formats */
        half = cyc_bits_of_float(cyc_float_from_bits(magnitude) + 0.5f) - 0x3f000000;
    else
        half = (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13;
    return sign | (uint16_t)half;
}

CYC_INLINE float cyc_float_from_bfloat(uint16_t bfloat) { return cyc_float_from_bits((uint32_t)bfloat << 16); }

CYC_INLINE uint16_t cyc_bfloat_from_float(float value) {
    const uint32_t bits = cyc_bits_of_float(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); /* NaN, kept quiet */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
