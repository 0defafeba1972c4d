/* A word that SSE2, AVX2 and AVX-512 share: blocks of four by four of 32 bits need no wider registers. */
CYC_INLINE void transpose_32(const float *src, ptrdiff_t src_pitch, float *dst, ptrdiff_t dst_pitch) {
    __m128 a = _mm_loadu_ps(src), b = _mm_loadu_ps(src + src_pitch);
    __m128 c = _mm_loadu_ps(src + 2 * src_pitch), d = _mm_loadu_ps(src + 3 * src_pitch);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(dst, a);
    _mm_storeu_ps(dst + dst_pitch, b);
    _mm_storeu_ps(dst + 2 * dst_pitch, c);
    _mm_storeu_ps(dst + 3 * dst_pitch, d);
}
