/* The vocabulary of AVX2, FMA and F16C (x86-64-v3): 16 registers of 32 bytes. */

/* R * V sums, V columns and a broadcast: R * V + V + 1 <= 16. */
#define CYC_TILE_SHAPES(X) CYC_ROWS_UP_TO_14(X, 1) CYC_ROWS_UP_TO_6(X, 2) CYC_ROWS_UP_TO_4(X, 3) CYC_ROWS_UP_TO_2(X, 4)
#define CYC_REGISTERS 16
#define CYC_ROW_VECTORS(X) X(2) X(1)
#define CYC_MOST_ROW_VECTORS 2
#define CYC_FMA_CHAINS 12 /* enough to hide latency, few enough for the registers */
#define CYC_MASKED_LOADS 1
/* Loads under a mask take ten cycles on Zen 1; a load and an AND take one or two on every core. */
#define CYC_CLEARS_LANES 1
#define CYC_TIGHT_TILES 1
/* Totals of twelve sums after sixteen terms would take 30% of the time, after 24 they take 22. The errors of 32 reach
 * 4.3 times those of direct sums, and four times is the limit. */
#define CYC_WINOGRAD_CHUNK 24

typedef __m256 vec_f32;
CYC_INLINE vec_f32 vec_zero_f32(void) { return _mm256_setzero_ps(); }
CYC_INLINE vec_f32 vec_load_f32(const float *p) { return _mm256_loadu_ps(p); }
/* the even and the odd elements of a and b together; their low and their high halves, dealt out in turn */
CYC_INLINE vec_f32 vec_even_f32(vec_f32 a, vec_f32 b) {
    const __m256 halves = _mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(halves), _MM_SHUFFLE(3, 1, 2, 0)));
}
CYC_INLINE vec_f32 vec_odd_f32(vec_f32 a, vec_f32 b) {
    const __m256 halves = _mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(halves), _MM_SHUFFLE(3, 1, 2, 0)));
}
CYC_INLINE vec_f32 vec_low_pairs_f32(vec_f32 a, vec_f32 b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
CYC_INLINE vec_f32 vec_high_pairs_f32(vec_f32 a, vec_f32 b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}
/* a without its first element, then the first of b */
CYC_INLINE vec_f32 vec_shift_f32(vec_f32 a, vec_f32 b) {
    const __m256i after = _mm256_set_epi32(0, 7, 6, 5, 4, 3, 2, 1);
    return _mm256_permutevar8x32_ps(_mm256_blend_ps(a, b, 1), after);
}
/* which lanes, by bits, and these from memory, zero elsewhere; does not read the others */
typedef __m256i lanes_f32;
CYC_INLINE lanes_f32 vec_lanes_f32(uint64_t bits) {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane);
}
CYC_INLINE vec_f32 vec_load_lanes_f32(const float *p, lanes_f32 lanes) { return _mm256_maskload_ps(p, lanes); }
/* zero elsewhere */
CYC_INLINE vec_f32 vec_keep_lanes_f32(vec_f32 v, lanes_f32 lanes) {
    return _mm256_and_ps(v, _mm256_castsi256_ps(lanes));
}
CYC_INLINE void vec_store_f32(float *p, vec_f32 v) { _mm256_storeu_ps(p, v); }
CYC_INLINE vec_f32 vec_broadcast_f32(const float *p) { return _mm256_broadcast_ss(p); }
CYC_INLINE vec_f32 vec_add_f32(vec_f32 a, vec_f32 b) { return _mm256_add_ps(a, b); }
CYC_INLINE vec_f32 vec_subtract_f32(vec_f32 a, vec_f32 b) { return _mm256_sub_ps(a, b); }
CYC_INLINE vec_f32 vec_multiply_f32(vec_f32 a, vec_f32 b) { return _mm256_mul_ps(a, b); }
CYC_INLINE vec_f32 vec_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm256_fmadd_ps(a, b, c); }
CYC_INLINE vec_f32 vec_negate_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm256_fnmadd_ps(a, b, c); }
/* max and min return their second operand when either is NaN, which keeps a NaN in v */
CYC_INLINE vec_f32 vec_clamp_f32(vec_f32 v, vec_f32 low, vec_f32 high) {
    return _mm256_min_ps(high, _mm256_max_ps(low, v));
}

typedef __m256d vec_f64;
CYC_INLINE vec_f64 vec_zero_f64(void) { return _mm256_setzero_pd(); }
CYC_INLINE vec_f64 vec_load_f64(const double *p) { return _mm256_loadu_pd(p); }
CYC_INLINE vec_f64 vec_even_f64(vec_f64 a, vec_f64 b) {
    return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), _MM_SHUFFLE(3, 1, 2, 0));
}
CYC_INLINE vec_f64 vec_odd_f64(vec_f64 a, vec_f64 b) {
    return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), _MM_SHUFFLE(3, 1, 2, 0));
}
CYC_INLINE vec_f64 vec_low_pairs_f64(vec_f64 a, vec_f64 b) {
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x20);
}
CYC_INLINE vec_f64 vec_high_pairs_f64(vec_f64 a, vec_f64 b) {
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x31);
}
CYC_INLINE vec_f64 vec_shift_f64(vec_f64 a, vec_f64 b) {
    return _mm256_permute4x64_pd(_mm256_blend_pd(a, b, 1), _MM_SHUFFLE(0, 3, 2, 1));
}
typedef __m256i lanes_f64;
CYC_INLINE lanes_f64 vec_lanes_f64(uint64_t bits) {
    const __m256i lane = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((long long)bits), lane), lane);
}
CYC_INLINE vec_f64 vec_load_lanes_f64(const double *p, lanes_f64 lanes) { return _mm256_maskload_pd(p, lanes); }
CYC_INLINE vec_f64 vec_keep_lanes_f64(vec_f64 v, lanes_f64 lanes) {
    return _mm256_and_pd(v, _mm256_castsi256_pd(lanes));
}
CYC_INLINE void vec_store_f64(double *p, vec_f64 v) { _mm256_storeu_pd(p, v); }
CYC_INLINE vec_f64 vec_broadcast_f64(const double *p) { return _mm256_broadcast_sd(p); }
CYC_INLINE vec_f64 vec_add_f64(vec_f64 a, vec_f64 b) { return _mm256_add_pd(a, b); }
CYC_INLINE vec_f64 vec_subtract_f64(vec_f64 a, vec_f64 b) { return _mm256_sub_pd(a, b); }
CYC_INLINE vec_f64 vec_multiply_f64(vec_f64 a, vec_f64 b) { return _mm256_mul_pd(a, b); }
CYC_INLINE vec_f64 vec_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm256_fmadd_pd(a, b, c); }
CYC_INLINE vec_f64 vec_negate_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm256_fnmadd_pd(a, b, c); }
CYC_INLINE vec_f64 vec_clamp_f64(vec_f64 v, vec_f64 low, vec_f64 high) {
    return _mm256_min_pd(high, _mm256_max_pd(low, v));
}

typedef __m256i vec_u32;
CYC_INLINE vec_u32 vec_zero_u32(void) { return _mm256_setzero_si256(); }
CYC_INLINE vec_u32 vec_load_u32(const uint32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
CYC_INLINE void vec_store_u32(uint32_t *p, vec_u32 v) { _mm256_storeu_si256((__m256i *)p, v); }
CYC_INLINE vec_u32 vec_broadcast_u32(const uint32_t *p) { return _mm256_set1_epi32((int)*p); }
CYC_INLINE vec_u32 vec_add_u32(vec_u32 a, vec_u32 b) { return _mm256_add_epi32(a, b); }
CYC_INLINE vec_u32 vec_multiply_add_u32(vec_u32 a, vec_u32 b, vec_u32 c) {
    return _mm256_add_epi32(_mm256_mullo_epi32(a, b), c);
}
CYC_INLINE vec_u32 vec_clamp_u32(vec_u32 v, vec_u32 low, vec_u32 high) { return (void)low, (void)high, v; }

typedef __m256i vec_u64;
CYC_INLINE vec_u64 vec_zero_u64(void) { return _mm256_setzero_si256(); }
CYC_INLINE vec_u64 vec_load_u64(const uint64_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
CYC_INLINE void vec_store_u64(uint64_t *p, vec_u64 v) { _mm256_storeu_si256((__m256i *)p, v); }
CYC_INLINE vec_u64 vec_broadcast_u64(const uint64_t *p) { return _mm256_set1_epi64x((long long)*p); }
CYC_INLINE vec_u64 vec_add_u64(vec_u64 a, vec_u64 b) { return _mm256_add_epi64(a, b); }
/* no 64-bit product: low * low plus the two cross products in the upper half */
CYC_INLINE vec_u64 vec_multiply_add_u64(vec_u64 a, vec_u64 b, vec_u64 c) {
    const __m256i cross =
        _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), b), _mm256_mul_epu32(a, _mm256_srli_epi64(b, 32)));
    const __m256i low = _mm256_add_epi64(_mm256_mul_epu32(a, b), c);
    return _mm256_add_epi64(low, _mm256_slli_epi64(cross, 32));
}
CYC_INLINE vec_u64 vec_clamp_u64(vec_u64 v, vec_u64 low, vec_u64 high) { return (void)low, (void)high, v; }

#define CYC_HALVES 1
CYC_INLINE vec_f32 vec_load_halves(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
CYC_INLINE void vec_store_halves(uint16_t *p, vec_f32 v) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
CYC_INLINE vec_f32 vec_load_bfloats(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
CYC_INLINE vec_f32 vec_load_even_bfloats(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)p), 16));
}
CYC_INLINE void vec_store_bfloats(uint16_t *p, vec_f32 v) {
    const __m256i bits = _mm256_castps_si256(v),
                  odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000)); /* NaN must not round to infinity */
    const __m256 chosen =
        _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i upper = _mm256_srli_epi32(_mm256_castps_si256(chosen), 16);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1)));
}
