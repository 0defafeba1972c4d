/* Blocks of eight rows by a cache line of 32-bit elements. Two rows meet in a vector as they are loaded, half of each,
 * so that only pairs within halves remain to be exchanged. */
#define CYC_TRANSPOSE_LINES 8
CYC_INLINE void transpose_lines_32(const float *src, ptrdiff_t src_pitch, float *dst, ptrdiff_t dst_pitch) {
    CYC_UNROLL for (int q = 0; q < 16; q += 4) { /* columns q to q + 3 */
        __m256 row[4], pair[4];
        CYC_UNROLL for (int j = 0; j < 4; j++) { /* rows j and j + 4 */
            const float *p = src + j * src_pitch + q;
            row[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * src_pitch), 1);
        }
        CYC_UNROLL for (int j = 0; j < 4; j += 2) {
            pair[j] = _mm256_unpacklo_ps(row[j], row[j + 1]);
            pair[j + 1] = _mm256_unpackhi_ps(row[j], row[j + 1]);
        }
        CYC_UNROLL for (int j = 0; j < 2; j++) { /* columns q + 2 * j and the next */
            const __m256d low = _mm256_castps_pd(pair[j]), high = _mm256_castps_pd(pair[j + 2]);
            float *out = dst + (q + 2 * j) * dst_pitch;
            _mm256_storeu_ps(out, _mm256_castpd_ps(_mm256_unpacklo_pd(low, high)));
            _mm256_storeu_ps(out + dst_pitch, _mm256_castpd_ps(_mm256_unpackhi_pd(low, high)));
        }
    }
}
