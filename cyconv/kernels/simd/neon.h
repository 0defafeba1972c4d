/* The vocabulary of NEON (the aarch64 baseline): 32 registers of 16 bytes. */

/* R * V sums, V columns and a broadcast: R * V + V + 1 <= 32. */
#define CYC_TILE_SHAPES(X) CYC_ROWS_UP_TO_14(X, 1) CYC_ROWS_UP_TO_14(X, 2) CYC_ROWS_UP_TO_9(X, 3) CYC_ROWS_UP_TO_6(X, 4)
#define CYC_REGISTERS 32
#define CYC_ROW_VECTORS(X) X(4) X(2) X(1)
#define CYC_MOST_ROW_VECTORS 4
#define CYC_FMA_CHAINS 16 /* enough to hide latency, few enough for the registers */

typedef float32x4_t vec_f32;
CYC_INLINE vec_f32 vec_zero_f32(void) { return vdupq_n_f32(0); }
CYC_INLINE vec_f32 vec_load_f32(const float *p) { return vld1q_f32(p); }
/* the even and the odd elements of a and b together; their low and their high halves, dealt out in turn */
CYC_INLINE vec_f32 vec_even_f32(vec_f32 a, vec_f32 b) { return vuzp1q_f32(a, b); }
CYC_INLINE vec_f32 vec_odd_f32(vec_f32 a, vec_f32 b) { return vuzp2q_f32(a, b); }
CYC_INLINE vec_f32 vec_low_pairs_f32(vec_f32 a, vec_f32 b) { return vzip1q_f32(a, b); }
CYC_INLINE vec_f32 vec_high_pairs_f32(vec_f32 a, vec_f32 b) { return vzip2q_f32(a, b); }
/* a without its first element, then the first of b */
CYC_INLINE vec_f32 vec_shift_f32(vec_f32 a, vec_f32 b) { return vextq_f32(a, b, 1); }
CYC_INLINE void vec_store_f32(float *p, vec_f32 v) { vst1q_f32(p, v); }
CYC_INLINE vec_f32 vec_broadcast_f32(const float *p) { return vld1q_dup_f32(p); }
CYC_INLINE vec_f32 vec_add_f32(vec_f32 a, vec_f32 b) { return vaddq_f32(a, b); }
CYC_INLINE vec_f32 vec_subtract_f32(vec_f32 a, vec_f32 b) { return vsubq_f32(a, b); }
CYC_INLINE vec_f32 vec_multiply_f32(vec_f32 a, vec_f32 b) { return vmulq_f32(a, b); }
CYC_INLINE vec_f32 vec_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return vfmaq_f32(c, a, b); }
CYC_INLINE vec_f32 vec_negate_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return vfmsq_f32(c, a, b); }
/* vmax and vmin keep NaN */
CYC_INLINE vec_f32 vec_clamp_f32(vec_f32 v, vec_f32 low, vec_f32 high) { return vminq_f32(high, vmaxq_f32(low, v)); }

typedef float64x2_t vec_f64;
CYC_INLINE vec_f64 vec_zero_f64(void) { return vdupq_n_f64(0); }
CYC_INLINE vec_f64 vec_load_f64(const double *p) { return vld1q_f64(p); }
CYC_INLINE vec_f64 vec_even_f64(vec_f64 a, vec_f64 b) { return vuzp1q_f64(a, b); }
CYC_INLINE vec_f64 vec_odd_f64(vec_f64 a, vec_f64 b) { return vuzp2q_f64(a, b); }
CYC_INLINE vec_f64 vec_low_pairs_f64(vec_f64 a, vec_f64 b) { return vzip1q_f64(a, b); }
CYC_INLINE vec_f64 vec_high_pairs_f64(vec_f64 a, vec_f64 b) { return vzip2q_f64(a, b); }
CYC_INLINE vec_f64 vec_shift_f64(vec_f64 a, vec_f64 b) { return vextq_f64(a, b, 1); }
CYC_INLINE void vec_store_f64(double *p, vec_f64 v) { vst1q_f64(p, v); }
CYC_INLINE vec_f64 vec_broadcast_f64(const double *p) { return vld1q_dup_f64(p); }
CYC_INLINE vec_f64 vec_add_f64(vec_f64 a, vec_f64 b) { return vaddq_f64(a, b); }
CYC_INLINE vec_f64 vec_subtract_f64(vec_f64 a, vec_f64 b) { return vsubq_f64(a, b); }
CYC_INLINE vec_f64 vec_multiply_f64(vec_f64 a, vec_f64 b) { return vmulq_f64(a, b); }
CYC_INLINE vec_f64 vec_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return vfmaq_f64(c, a, b); }
CYC_INLINE vec_f64 vec_negate_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return vfmsq_f64(c, a, b); }
CYC_INLINE vec_f64 vec_clamp_f64(vec_f64 v, vec_f64 low, vec_f64 high) { return vminq_f64(high, vmaxq_f64(low, v)); }

typedef uint32x4_t vec_u32;
CYC_INLINE vec_u32 vec_zero_u32(void) { return vdupq_n_u32(0); }
CYC_INLINE vec_u32 vec_load_u32(const uint32_t *p) { return vld1q_u32(p); }
CYC_INLINE void vec_store_u32(uint32_t *p, vec_u32 v) { vst1q_u32(p, v); }
CYC_INLINE vec_u32 vec_broadcast_u32(const uint32_t *p) { return vld1q_dup_u32(p); }
CYC_INLINE vec_u32 vec_add_u32(vec_u32 a, vec_u32 b) { return vaddq_u32(a, b); }
CYC_INLINE vec_u32 vec_multiply_add_u32(vec_u32 a, vec_u32 b, vec_u32 c) { return vmlaq_u32(c, a, b); }
CYC_INLINE vec_u32 vec_clamp_u32(vec_u32 v, vec_u32 low, vec_u32 high) { return (void)low, (void)high, v; }

typedef uint64x2_t vec_u64;
CYC_INLINE vec_u64 vec_zero_u64(void) { return vdupq_n_u64(0); }
CYC_INLINE vec_u64 vec_load_u64(const uint64_t *p) { return vld1q_u64(p); }
CYC_INLINE void vec_store_u64(uint64_t *p, vec_u64 v) { vst1q_u64(p, v); }
CYC_INLINE vec_u64 vec_broadcast_u64(const uint64_t *p) { return vld1q_dup_u64(p); }
CYC_INLINE vec_u64 vec_add_u64(vec_u64 a, vec_u64 b) { return vaddq_u64(a, b); }
/* no 64-bit product: low * low plus the two cross products in the upper half */
CYC_INLINE vec_u64 vec_multiply_add_u64(vec_u64 a, vec_u64 b, vec_u64 c) {
    const uint32x2_t a_low = vmovn_u64(a), b_low = vmovn_u64(b);
    const uint64x2_t cross = vmlal_u32(vmull_u32(vshrn_n_u64(a, 32), b_low), a_low, vshrn_n_u64(b, 32));
    return vaddq_u64(vmlal_u32(c, a_low, b_low), vshlq_n_u64(cross, 32));
}
CYC_INLINE vec_u64 vec_clamp_u64(vec_u64 v, vec_u64 low, vec_u64 high) { return (void)low, (void)high, v; }

#define CYC_HALVES 1
CYC_INLINE vec_f32 vec_load_halves(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8((const uint8_t *)p)));
}
CYC_INLINE void vec_store_halves(uint16_t *p, vec_f32 v) {
    vst1_u8((uint8_t *)p, vreinterpret_u8_f16(vcvt_f16_f32(v)));
}
CYC_INLINE vec_f32 vec_load_bfloats(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
CYC_INLINE vec_f32 vec_load_even_bfloats(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_u16(vld1q_u16(p)), 16));
}
CYC_INLINE void vec_store_bfloats(uint16_t *p, vec_f32 v) {
    const uint32x4_t bits = vreinterpretq_u32_f32(v), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000)); /* NaN must not round to infinity */
    vst1_u16(p, vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16));
}

/* Four columns of as many rows as a vector has lanes. */
#define CYC_LOADS_COLUMNS 1
CYC_INLINE void vec_load_columns_f32(const float *src, ptrdiff_t pitch, vec_f32 column[4]) {
    const float32x4x2_t ab = vtrnq_f32(vld1q_f32(src), vld1q_f32(src + pitch));
    const float32x4x2_t cd = vtrnq_f32(vld1q_f32(src + 2 * pitch), vld1q_f32(src + 3 * pitch));
    CYC_UNROLL for (int j = 0; j < 2; j++) {
        column[j] = vcombine_f32(vget_low_f32(ab.val[j]), vget_low_f32(cd.val[j]));
        column[j + 2] = vcombine_f32(vget_high_f32(ab.val[j]), vget_high_f32(cd.val[j]));
    }
}
CYC_INLINE void vec_load_columns_f64(const double *src, ptrdiff_t pitch, vec_f64 column[4]) {
    CYC_UNROLL for (int j = 0; j < 4; j += 2) {
        const float64x2_t a = vld1q_f64(src + j), b = vld1q_f64(src + pitch + j);
        column[j] = vtrn1q_f64(a, b);
        column[j + 1] = vtrn2q_f64(a, b);
    }
}

#define CYC_TRANSPOSE 1
CYC_INLINE void transpose_32(const float *src, ptrdiff_t src_pitch, float *dst, ptrdiff_t dst_pitch) {
    vec_f32 column[4];
    vec_load_columns_f32(src, src_pitch, column);
    CYC_UNROLL for (int j = 0; j < 4; j++) vst1q_f32(dst + j * dst_pitch, column[j]);
}
CYC_INLINE void transpose_64(const double *src, ptrdiff_t src_pitch, double *dst, ptrdiff_t dst_pitch) {
    CYC_UNROLL for (int i = 0; i < 4; i += 2) {
        vec_f64 column[4];
        vec_load_columns_f64(src + i * src_pitch, src_pitch, column);
        CYC_UNROLL for (int j = 0; j < 4; j++) vst1q_f64(dst + j * dst_pitch + i, column[j]);
    }
}
