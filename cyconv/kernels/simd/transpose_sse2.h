/* Four columns of as many rows as a vector has lanes. */
#define CYC_LOADS_COLUMNS 1
CYC_INLINE void vec_load_columns_f32(const float *src, ptrdiff_t pitch, vec_f32 column[4]) {
    CYC_UNROLL for (int j = 0; j < 4; j++) column[j] = _mm_loadu_ps(src + j * pitch);
    _MM_TRANSPOSE4_PS(column[0], column[1], column[2], column[3]);
}
CYC_INLINE void vec_load_columns_f64(const double *src, ptrdiff_t pitch, vec_f64 column[4]) {
    CYC_UNROLL for (int j = 0; j < 4; j += 2) {
        const __m128d a = _mm_loadu_pd(src + j), b = _mm_loadu_pd(src + pitch + j);
        column[j] = _mm_unpacklo_pd(a, b);
        column[j + 1] = _mm_unpackhi_pd(a, b);
    }
}

/* Blocks of four by four of 64 bits, two rows at a time: registers hold no more. */
#define CYC_TRANSPOSE 1
CYC_INLINE void transpose_64(const double *src, ptrdiff_t src_pitch, double *dst, ptrdiff_t dst_pitch) {
    CYC_UNROLL for (int i = 0; i < 4; i += 2) {
        vec_f64 column[4];
        vec_load_columns_f64(src + i * src_pitch, src_pitch, column);
        CYC_UNROLL for (int j = 0; j < 4; j++) _mm_storeu_pd(dst + j * dst_pitch + i, column[j]);
    }
}
