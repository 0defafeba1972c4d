/* The vocabulary of SSE2 (the x86-64 baseline): 16 registers of 16 bytes, no fused multiply-add. */

/* R * V sums, V columns, a broadcast and its product: R * V + V + 2 <= 16. */
#define CYC_TILE_SHAPES(X) CYC_ROWS_UP_TO_9(X, 1) CYC_ROWS_UP_TO_6(X, 2) CYC_ROWS_UP_TO_2(X, 3) CYC_ROWS_UP_TO_2(X, 4)
#define CYC_REGISTERS 15 /* 16, and a product that is not fused takes one */
#define CYC_ROW_VECTORS(X) X(2) X(1)
#define CYC_MOST_ROW_VECTORS 2
#define CYC_FMA_CHAINS 12 /* enough to hide latency, few enough for the registers */

typedef __m128 vec_f32;
CYC_INLINE vec_f32 vec_zero_f32(void) { return _mm_setzero_ps(); }
CYC_INLINE vec_f32 vec_load_f32(const float *p) { return _mm_loadu_ps(p); }
/* the even and the odd elements of a and b together; their low and their high halves, dealt out in turn */
CYC_INLINE vec_f32 vec_even_f32(vec_f32 a, vec_f32 b) { return _mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)); }
CYC_INLINE vec_f32 vec_odd_f32(vec_f32 a, vec_f32 b) { return _mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)); }
CYC_INLINE vec_f32 vec_low_pairs_f32(vec_f32 a, vec_f32 b) { return _mm_unpacklo_ps(a, b); }
CYC_INLINE vec_f32 vec_high_pairs_f32(vec_f32 a, vec_f32 b) { return _mm_unpackhi_ps(a, b); }
/* a without its first element, then the first of b */
CYC_INLINE vec_f32 vec_shift_f32(vec_f32 a, vec_f32 b) {
    const __m128 turned = _mm_move_ss(a, b);
    return _mm_shuffle_ps(turned, turned, _MM_SHUFFLE(0, 3, 2, 1));
}
CYC_INLINE void vec_store_f32(float *p, vec_f32 v) { _mm_storeu_ps(p, v); }
CYC_INLINE vec_f32 vec_broadcast_f32(const float *p) { return _mm_set1_ps(*p); }
CYC_INLINE vec_f32 vec_add_f32(vec_f32 a, vec_f32 b) { return _mm_add_ps(a, b); }
CYC_INLINE vec_f32 vec_subtract_f32(vec_f32 a, vec_f32 b) { return _mm_sub_ps(a, b); }
CYC_INLINE vec_f32 vec_multiply_f32(vec_f32 a, vec_f32 b) { return _mm_mul_ps(a, b); }
CYC_INLINE vec_f32 vec_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
CYC_INLINE vec_f32 vec_negate_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) {
    return _mm_sub_ps(c, _mm_mul_ps(a, b));
}
/* max and min return their second operand when either is NaN, which keeps a NaN in v */
CYC_INLINE vec_f32 vec_clamp_f32(vec_f32 v, vec_f32 low, vec_f32 high) { return _mm_min_ps(high, _mm_max_ps(low, v)); }

typedef __m128d vec_f64;
CYC_INLINE vec_f64 vec_zero_f64(void) { return _mm_setzero_pd(); }
CYC_INLINE vec_f64 vec_load_f64(const double *p) { return _mm_loadu_pd(p); }
CYC_INLINE vec_f64 vec_even_f64(vec_f64 a, vec_f64 b) { return _mm_unpacklo_pd(a, b); }
CYC_INLINE vec_f64 vec_odd_f64(vec_f64 a, vec_f64 b) { return _mm_unpackhi_pd(a, b); }
CYC_INLINE vec_f64 vec_low_pairs_f64(vec_f64 a, vec_f64 b) { return _mm_unpacklo_pd(a, b); }
CYC_INLINE vec_f64 vec_high_pairs_f64(vec_f64 a, vec_f64 b) { return _mm_unpackhi_pd(a, b); }
CYC_INLINE vec_f64 vec_shift_f64(vec_f64 a, vec_f64 b) { return _mm_shuffle_pd(a, b, 1); }
CYC_INLINE void vec_store_f64(double *p, vec_f64 v) { _mm_storeu_pd(p, v); }
CYC_INLINE vec_f64 vec_broadcast_f64(const double *p) { return _mm_set1_pd(*p); }
CYC_INLINE vec_f64 vec_add_f64(vec_f64 a, vec_f64 b) { return _mm_add_pd(a, b); }
CYC_INLINE vec_f64 vec_subtract_f64(vec_f64 a, vec_f64 b) { return _mm_sub_pd(a, b); }
CYC_INLINE vec_f64 vec_multiply_f64(vec_f64 a, vec_f64 b) { return _mm_mul_pd(a, b); }
CYC_INLINE vec_f64 vec_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm_add_pd(_mm_mul_pd(a, b), c); }
CYC_INLINE vec_f64 vec_negate_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) {
    return _mm_sub_pd(c, _mm_mul_pd(a, b));
}
CYC_INLINE vec_f64 vec_clamp_f64(vec_f64 v, vec_f64 low, vec_f64 high) { return _mm_min_pd(high, _mm_max_pd(low, v)); }

typedef __m128i vec_u32;
CYC_INLINE vec_u32 vec_zero_u32(void) { return _mm_setzero_si128(); }
CYC_INLINE vec_u32 vec_load_u32(const uint32_t *p) { return _mm_loadu_si128((const __m128i *)p); }
CYC_INLINE void vec_store_u32(uint32_t *p, vec_u32 v) { _mm_storeu_si128((__m128i *)p, v); }
CYC_INLINE vec_u32 vec_broadcast_u32(const uint32_t *p) { return _mm_set1_epi32((int)*p); }
CYC_INLINE vec_u32 vec_add_u32(vec_u32 a, vec_u32 b) { return _mm_add_epi32(a, b); }
/* no 32-bit product: the even and the odd lanes as 64-bit products, of which the low halves count */
CYC_INLINE vec_u32 vec_multiply_add_u32(vec_u32 a, vec_u32 b, vec_u32 c) {
    const __m128i even = _mm_mul_epu32(a, b);
    const __m128i odd = _mm_mul_epu32(_mm_srli_epi64(a, 32), _mm_srli_epi64(b, 32));
    const __m128i product = _mm_unpacklo_epi32(_mm_shuffle_epi32(even, _MM_SHUFFLE(0, 0, 2, 0)),
                                               _mm_shuffle_epi32(odd, _MM_SHUFFLE(0, 0, 2, 0)));
    return _mm_add_epi32(product, c);
}
CYC_INLINE vec_u32 vec_clamp_u32(vec_u32 v, vec_u32 low, vec_u32 high) { return (void)low, (void)high, v; }

typedef __m128i vec_u64;
CYC_INLINE vec_u64 vec_zero_u64(void) { return _mm_setzero_si128(); }
CYC_INLINE vec_u64 vec_load_u64(const uint64_t *p) { return _mm_loadu_si128((const __m128i *)p); }
CYC_INLINE void vec_store_u64(uint64_t *p, vec_u64 v) { _mm_storeu_si128((__m128i *)p, v); }
CYC_INLINE vec_u64 vec_broadcast_u64(const uint64_t *p) { return _mm_set1_epi64x((long long)*p); }
CYC_INLINE vec_u64 vec_add_u64(vec_u64 a, vec_u64 b) { return _mm_add_epi64(a, b); }
/* no 64-bit product: low * low plus the two cross products in the upper half */
CYC_INLINE vec_u64 vec_multiply_add_u64(vec_u64 a, vec_u64 b, vec_u64 c) {
    const __m128i cross =
        _mm_add_epi64(_mm_mul_epu32(_mm_srli_epi64(a, 32), b), _mm_mul_epu32(a, _mm_srli_epi64(b, 32)));
    const __m128i low = _mm_add_epi64(_mm_mul_epu32(a, b), c);
    return _mm_add_epi64(low, _mm_slli_epi64(cross, 32));
}
CYC_INLINE vec_u64 vec_clamp_u64(vec_u64 v, vec_u64 low, vec_u64 high) { return (void)low, (void)high, v; }
