/* Words that AVX2 and AVX-512 share: blocks of four by four of 64 bits fit registers of 32 bytes. */
#define CYC_TRANSPOSE 1
CYC_INLINE void load_columns_64(const double *src, ptrdiff_t pitch, __m256d column[4]) {
    const __m256d a = _mm256_loadu_pd(src), b = _mm256_loadu_pd(src + pitch);
    const __m256d c = _mm256_loadu_pd(src + 2 * pitch), d = _mm256_loadu_pd(src + 3 * pitch);
    const __m256d ab_even = _mm256_unpacklo_pd(a, b), ab_odd = _mm256_unpackhi_pd(a, b);
    const __m256d cd_even = _mm256_unpacklo_pd(c, d), cd_odd = _mm256_unpackhi_pd(c, d);
    column[0] = _mm256_permute2f128_pd(ab_even, cd_even, 0x20);
    column[1] = _mm256_permute2f128_pd(ab_odd, cd_odd, 0x20);
    column[2] = _mm256_permute2f128_pd(ab_even, cd_even, 0x31);
    column[3] = _mm256_permute2f128_pd(ab_odd, cd_odd, 0x31);
}
CYC_INLINE void transpose_64(const double *src, ptrdiff_t src_pitch, double *dst, ptrdiff_t dst_pitch) {
    __m256d column[4];
    load_columns_64(src, src_pitch, column);
    CYC_UNROLL for (int j = 0; j < 4; j++) _mm256_storeu_pd(dst + j * dst_pitch, column[j]);
}
