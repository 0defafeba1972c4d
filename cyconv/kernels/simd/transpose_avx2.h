/* Four columns of as many rows as a vector has lanes. Of 32 bits two rows meet in a vector as they are loaded, half of
 * each, so that only pairs within halves remain to be exchanged. */
#define CYC_LOADS_COLUMNS 1
#define CYC_TURNS_LINES 1
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
