/* Blocks of four by four of 64 bits, two by two at a time: registers hold no more. */
#define CYC_TRANSPOSE 1
CYC_INLINE void transpose_64(const double *src, ptrdiff_t src_pitch, double *dst, ptrdiff_t dst_pitch) {
    CYC_UNROLL for (int i = 0; i < 4; i += 2) {
        CYC_UNROLL for (int j = 0; j < 4; j += 2) {
            const __m128d a = _mm_loadu_pd(src + i * src_pitch + j), b = _mm_loadu_pd(src + (i + 1) * src_pitch + j);
            _mm_storeu_pd(dst + j * dst_pitch + i, _mm_unpacklo_pd(a, b));
            _mm_storeu_pd(dst + (j + 1) * dst_pitch + i, _mm_unpackhi_pd(a, b));
        }
    }
}
