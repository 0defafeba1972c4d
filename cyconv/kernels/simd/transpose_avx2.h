/* Four columns of as many rows as a vector has lanes. Of 32 bits two rows meet in a vector as they are loaded, half of
 * each, so that only pairs within halves remain to be exchanged. */
#define CYC_LOADS_COLUMNS 1
CYC_INLINE void vec_load_columns_f32(const float *src, ptrdiff_t pitch, vec_f32 column[4]) {
    __m256 row[4], pair[4];
    CYC_UNROLL for (int j = 0; j < 4; j++) { /* rows j and j + 4 */
        const float *p = src + j * pitch;
        row[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * pitch), 1);
    }
    CYC_UNROLL for (int j = 0; j < 4; j += 2) {
        pair[j] = _mm256_unpacklo_ps(row[j], row[j + 1]);
        pair[j + 1] = _mm256_unpackhi_ps(row[j], row[j + 1]);
    }
    CYC_UNROLL for (int j = 0; j < 2; j++) {
        const __m256d low = _mm256_castps_pd(pair[j]), high = _mm256_castps_pd(pair[j + 2]);
        column[2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
        column[2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
    }
}
CYC_INLINE void vec_load_columns_f64(const double *src, ptrdiff_t pitch, vec_f64 column[4]) {
    load_columns_64(src, pitch, column);
}

/* Blocks of eight rows by a cache line of 32-bit elements. */
#define CYC_TRANSPOSE_LINES 8
CYC_INLINE void transpose_lines_32(const float *src, ptrdiff_t src_pitch, float *dst, ptrdiff_t dst_pitch) {
    CYC_UNROLL for (int q = 0; q < 16; q += 4) {
        vec_f32 column[4];
        vec_load_columns_f32(src + q, src_pitch, column);
        CYC_UNROLL for (int j = 0; j < 4; j++) _mm256_storeu_ps(dst + (q + j) * dst_pitch, column[j]);
    }
}
