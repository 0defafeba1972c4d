/* The vocabulary of AVX-512 (x86-64-v4: F, CD, BW, DQ, VL): 32 registers of 64 bytes. */

/* R * V sums, V columns and a broadcast that the multiply-add may fold: R * V + V + 1 <= 32. In 7x4 the multiply-add
 * folds the load of the last column (`CYC_KEPT_COLUMNS`). */
#define CYC_TILE_SHAPES(X) CYC_ROWS_UP_TO_14(X, 1) CYC_ROWS_UP_TO_14(X, 2) CYC_ROWS_UP_TO_9(X, 3) CYC_ROWS_UP_TO_7(X, 4)
#define CYC_REGISTERS 32
#define CYC_ROW_VECTORS(X) X(4) X(2) X(1)
#define CYC_MOST_ROW_VECTORS 4
#define CYC_FMA_CHAINS 16 /* enough to hide latency, few enough for the registers */
#define CYC_MASKS 1
#define CYC_MASKED_LOADS 1
#define CYC_HALF_VECTORS 1 /* which take half the time where the core halves its vectors */
#define CYC_PERMUTES 1

typedef __m512 vec_f32;
CYC_INLINE vec_f32 vec_zero_f32(void) { return _mm512_setzero_ps(); }
CYC_INLINE vec_f32 vec_load_f32(const float *p) { return _mm512_loadu_ps(p); }
/* the even and the odd elements of a and b together; their low and their high halves, dealt out in turn */
CYC_INLINE vec_f32 vec_even_f32(vec_f32 a, vec_f32 b) {
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_ps(a, even, b);
}
CYC_INLINE vec_f32 vec_odd_f32(vec_f32 a, vec_f32 b) {
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_ps(a, odd, b);
}
CYC_INLINE vec_f32 vec_low_pairs_f32(vec_f32 a, vec_f32 b) {
    const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutex2var_ps(a, low, b);
}
CYC_INLINE vec_f32 vec_high_pairs_f32(vec_f32 a, vec_f32 b) {
    const __m512i high = _mm512_set_epi32(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8);
    return _mm512_permutex2var_ps(a, high, b);
}
/* a without its first element, then the first of b */
CYC_INLINE vec_f32 vec_shift_f32(vec_f32 a, vec_f32 b) {
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(b), _mm512_castps_si512(a), 1));
}
/* for each lane a place in a vector, or in two, those of the second behind those of the first */
typedef __m512i places_f32;
CYC_INLINE places_f32 vec_places_f32(const int32_t *p) { return _mm512_loadu_si512(p); }
CYC_INLINE vec_f32 vec_permute_f32(vec_f32 a, places_f32 places) { return _mm512_permutexvar_ps(places, a); }
CYC_INLINE vec_f32 vec_permute_two_f32(vec_f32 a, vec_f32 b, places_f32 places) {
    return _mm512_permutex2var_ps(a, places, b);
}
/* which lanes, by bits, and these from memory, zero elsewhere; does not read the others */
typedef __mmask16 lanes_f32;
CYC_INLINE lanes_f32 vec_lanes_f32(uint64_t bits) { return (lanes_f32)bits; }
CYC_INLINE vec_f32 vec_load_lanes_f32(const float *p, lanes_f32 lanes) { return _mm512_maskz_loadu_ps(lanes, p); }
/* the lower half of a vector, and a vector whose upper half is not defined */
typedef __m256 half_f32;
CYC_INLINE half_f32 vec_half_f32(vec_f32 v) { return _mm512_castps512_ps256(v); }
CYC_INLINE vec_f32 vec_whole_f32(half_f32 v) { return _mm512_castps256_ps512(v); }
CYC_INLINE half_f32 vec_half_load_lanes_f32(const float *p, lanes_f32 lanes) {
    return _mm256_maskz_loadu_ps((__mmask8)lanes, p);
}
CYC_INLINE half_f32 vec_half_broadcast_f32(const float *p) { return _mm256_set1_ps(*p); }
CYC_INLINE half_f32 vec_half_multiply_add_f32(half_f32 a, half_f32 b, half_f32 c) { return _mm256_fmadd_ps(a, b, c); }
CYC_INLINE void vec_store_f32(float *p, vec_f32 v) { _mm512_storeu_ps(p, v); }
CYC_INLINE void vec_store_lanes_f32(float *p, vec_f32 v, uint32_t bits) {
    _mm512_mask_storeu_ps(p, (__mmask16)bits, v);
}
CYC_INLINE void vec_store_first_f32(float *p, vec_f32 v, ptrdiff_t count) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), v);
}
CYC_INLINE vec_f32 vec_broadcast_f32(const float *p) { return _mm512_set1_ps(*p); }
CYC_INLINE vec_f32 vec_add_f32(vec_f32 a, vec_f32 b) { return _mm512_add_ps(a, b); }
CYC_INLINE vec_f32 vec_subtract_f32(vec_f32 a, vec_f32 b) { return _mm512_sub_ps(a, b); }
CYC_INLINE vec_f32 vec_multiply_f32(vec_f32 a, vec_f32 b) { return _mm512_mul_ps(a, b); }
CYC_INLINE vec_f32 vec_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm512_fmadd_ps(a, b, c); }
CYC_INLINE vec_f32 vec_negate_multiply_add_f32(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm512_fnmadd_ps(a, b, c); }
/* max and min return their second operand when either is NaN, which keeps a NaN in v */
CYC_INLINE vec_f32 vec_clamp_f32(vec_f32 v, vec_f32 low, vec_f32 high) {
    return _mm512_min_ps(high, _mm512_max_ps(low, v));
}

typedef __m512d vec_f64;
CYC_INLINE vec_f64 vec_zero_f64(void) { return _mm512_setzero_pd(); }
CYC_INLINE vec_f64 vec_load_f64(const double *p) { return _mm512_loadu_pd(p); }
CYC_INLINE vec_f64 vec_even_f64(vec_f64 a, vec_f64 b) {
    return _mm512_permutex2var_pd(a, _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), b);
}
CYC_INLINE vec_f64 vec_odd_f64(vec_f64 a, vec_f64 b) {
    return _mm512_permutex2var_pd(a, _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1), b);
}
CYC_INLINE vec_f64 vec_low_pairs_f64(vec_f64 a, vec_f64 b) {
    return _mm512_permutex2var_pd(a, _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), b);
}
CYC_INLINE vec_f64 vec_high_pairs_f64(vec_f64 a, vec_f64 b) {
    return _mm512_permutex2var_pd(a, _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4), b);
}
CYC_INLINE vec_f64 vec_shift_f64(vec_f64 a, vec_f64 b) {
    return _mm512_castsi512_pd(_mm512_alignr_epi64(_mm512_castpd_si512(b), _mm512_castpd_si512(a), 1));
}
typedef __m512i places_f64;
CYC_INLINE places_f64 vec_places_f64(const int32_t *p) {
    return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)p));
}
CYC_INLINE vec_f64 vec_permute_f64(vec_f64 a, places_f64 places) { return _mm512_permutexvar_pd(places, a); }
CYC_INLINE vec_f64 vec_permute_two_f64(vec_f64 a, vec_f64 b, places_f64 places) {
    return _mm512_permutex2var_pd(a, places, b);
}
typedef __mmask8 lanes_f64;
CYC_INLINE lanes_f64 vec_lanes_f64(uint64_t bits) { return (lanes_f64)bits; }
CYC_INLINE vec_f64 vec_load_lanes_f64(const double *p, lanes_f64 lanes) { return _mm512_maskz_loadu_pd(lanes, p); }
typedef __m256d half_f64;
CYC_INLINE half_f64 vec_half_f64(vec_f64 v) { return _mm512_castpd512_pd256(v); }
CYC_INLINE vec_f64 vec_whole_f64(half_f64 v) { return _mm512_castpd256_pd512(v); }
CYC_INLINE half_f64 vec_half_load_lanes_f64(const double *p, lanes_f64 lanes) {
    return _mm256_maskz_loadu_pd(lanes, p);
}
CYC_INLINE half_f64 vec_half_broadcast_f64(const double *p) { return _mm256_set1_pd(*p); }
CYC_INLINE half_f64 vec_half_multiply_add_f64(half_f64 a, half_f64 b, half_f64 c) { return _mm256_fmadd_pd(a, b, c); }
CYC_INLINE void vec_store_f64(double *p, vec_f64 v) { _mm512_storeu_pd(p, v); }
CYC_INLINE void vec_store_lanes_f64(double *p, vec_f64 v, uint32_t bits) {
    _mm512_mask_storeu_pd(p, (__mmask8)bits, v);
}
CYC_INLINE void vec_store_first_f64(double *p, vec_f64 v, ptrdiff_t count) {
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1), v);
}
CYC_INLINE vec_f64 vec_broadcast_f64(const double *p) { return _mm512_set1_pd(*p); }
CYC_INLINE vec_f64 vec_add_f64(vec_f64 a, vec_f64 b) { return _mm512_add_pd(a, b); }
CYC_INLINE vec_f64 vec_subtract_f64(vec_f64 a, vec_f64 b) { return _mm512_sub_pd(a, b); }
CYC_INLINE vec_f64 vec_multiply_f64(vec_f64 a, vec_f64 b) { return _mm512_mul_pd(a, b); }
CYC_INLINE vec_f64 vec_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm512_fmadd_pd(a, b, c); }
CYC_INLINE vec_f64 vec_negate_multiply_add_f64(vec_f64 a, vec_f64 b, vec_f64 c) { return _mm512_fnmadd_pd(a, b, c); }
CYC_INLINE vec_f64 vec_clamp_f64(vec_f64 v, vec_f64 low, vec_f64 high) {
    return _mm512_min_pd(high, _mm512_max_pd(low, v));
}

typedef __m512i vec_u32;
CYC_INLINE vec_u32 vec_zero_u32(void) { return _mm512_setzero_si512(); }
CYC_INLINE vec_u32 vec_load_u32(const uint32_t *p) { return _mm512_loadu_si512(p); }
CYC_INLINE void vec_store_u32(uint32_t *p, vec_u32 v) { _mm512_storeu_si512(p, v); }
CYC_INLINE void vec_store_lanes_u32(uint32_t *p, vec_u32 v, uint32_t bits) {
    _mm512_mask_storeu_epi32(p, (__mmask16)bits, v);
}
CYC_INLINE void vec_store_first_u32(uint32_t *p, vec_u32 v, ptrdiff_t count) {
    _mm512_mask_storeu_epi32(p, (__mmask16)((1u << count) - 1), v);
}
CYC_INLINE vec_u32 vec_broadcast_u32(const uint32_t *p) { return _mm512_set1_epi32((int)*p); }
CYC_INLINE vec_u32 vec_add_u32(vec_u32 a, vec_u32 b) { return _mm512_add_epi32(a, b); }
CYC_INLINE vec_u32 vec_multiply_add_u32(vec_u32 a, vec_u32 b, vec_u32 c) {
    return _mm512_add_epi32(_mm512_mullo_epi32(a, b), c);
}
CYC_INLINE vec_u32 vec_clamp_u32(vec_u32 v, vec_u32 low, vec_u32 high) { return (void)low, (void)high, v; }

typedef __m512i vec_u64;
CYC_INLINE vec_u64 vec_zero_u64(void) { return _mm512_setzero_si512(); }
CYC_INLINE vec_u64 vec_load_u64(const uint64_t *p) { return _mm512_loadu_si512(p); }
CYC_INLINE void vec_store_u64(uint64_t *p, vec_u64 v) { _mm512_storeu_si512(p, v); }
CYC_INLINE void vec_store_lanes_u64(uint64_t *p, vec_u64 v, uint32_t bits) {
    _mm512_mask_storeu_epi64(p, (__mmask8)bits, v);
}
CYC_INLINE void vec_store_first_u64(uint64_t *p, vec_u64 v, ptrdiff_t count) {
    _mm512_mask_storeu_epi64(p, (__mmask8)((1u << count) - 1), v);
}
CYC_INLINE vec_u64 vec_broadcast_u64(const uint64_t *p) { return _mm512_set1_epi64((long long)*p); }
CYC_INLINE vec_u64 vec_add_u64(vec_u64 a, vec_u64 b) { return _mm512_add_epi64(a, b); }
CYC_INLINE vec_u64 vec_multiply_add_u64(vec_u64 a, vec_u64 b, vec_u64 c) {
    return _mm512_add_epi64(_mm512_mullo_epi64(a, b), c);
}
CYC_INLINE vec_u64 vec_clamp_u64(vec_u64 v, vec_u64 low, vec_u64 high) { return (void)low, (void)high, v; }

CYC_INLINE void vec_copy_first_f32(float *dst, const char *src, ptrdiff_t count) {
    const __mmask16 mask = (__mmask16)((1u << count) - 1);
    _mm512_mask_storeu_ps(dst, mask, _mm512_maskz_loadu_ps(mask, src));
}
CYC_INLINE void vec_copy_first_f64(double *dst, const char *src, ptrdiff_t count) {
    const __mmask8 mask = (__mmask8)((1u << count) - 1);
    _mm512_mask_storeu_pd(dst, mask, _mm512_maskz_loadu_pd(mask, src));
}

#define CYC_HALVES 1
#define CYC_HALF_MASKS 1
CYC_INLINE vec_f32 vec_from_halves(__m256i halves) { return _mm512_cvtph_ps(halves); }
CYC_INLINE __m256i vec_to_halves(vec_f32 v) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }
CYC_INLINE vec_f32 vec_from_bfloats(__m256i bfloats) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bfloats), 16));
}
CYC_INLINE vec_f32 vec_load_even_bfloats(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}
CYC_INLINE __m256i vec_to_bfloats(vec_f32 v) {
    const __m512i bits = _mm512_castps_si512(v), down = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
    const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    const __m512i rounded = _mm512_mask_add_epi32(down, odd, down, _mm512_set1_epi32(1));
    const __m512i upper = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), bits,
                                               _mm512_set1_epi32(0x400000)); /* NaN must not round to infinity */
    const __m512i odd_words = _mm512_set_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31, 29, 27, 25, 23, 21,
                                               19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_castsi512_si256(_mm512_permutexvar_epi16(odd_words, upper));
}

#define CYC_MASKED_HALVES(NAME)                                                                                       \
    CYC_INLINE vec_f32 vec_load_##NAME(const uint16_t *p) {                                                           \
        return vec_from_##NAME(_mm256_loadu_si256((const __m256i *)p));                                               \
    }                                                                                                                 \
    CYC_INLINE void vec_store_##NAME(uint16_t *p, vec_f32 v) { _mm256_storeu_si256((__m256i *)p, vec_to_##NAME(v)); } \
    CYC_INLINE vec_f32 vec_load_first_##NAME(const char *p, ptrdiff_t count) {                                        \
        return vec_from_##NAME(_mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), p));                          \
    }                                                                                                                 \
    CYC_INLINE void vec_store_first_##NAME(uint16_t *p, vec_f32 v, ptrdiff_t count) {                                 \
        _mm256_mask_storeu_epi16(p, (__mmask16)((1u << count) - 1), vec_to_##NAME(v));                                \
    }
CYC_MASKED_HALVES(halves)
CYC_MASKED_HALVES(bfloats)
#undef CYC_MASKED_HALVES
