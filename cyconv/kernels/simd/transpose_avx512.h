/* Blocks of sixteen by sixteen of 32 bits. Four rows meet in a vector as they are loaded, a quarter of each, so
 * that only pairs within quarters remain to be exchanged, and no load crosses a line of an array aligned to 16. */
#define CYC_TRANSPOSE_LINES 1
CYC_INLINE void transpose_lines_32(const float *src, ptrdiff_t src_pitch, float *dst, ptrdiff_t dst_pitch) {
    CYC_UNROLL for (int q = 0; q < 16; q += 4) { /* columns q to q + 3 */
        __m512 row[4], pair[4];
        CYC_UNROLL for (int j = 0; j < 4; j++) { /* quarter i of row[j] is of row 4 * i + j */
            const float *p = src + j * src_pitch + q;
            row[j] = _mm512_castps128_ps512(_mm_loadu_ps(p));
            row[j] = _mm512_insertf32x4(row[j], _mm_loadu_ps(p + 4 * src_pitch), 1);
            row[j] = _mm512_insertf32x4(row[j], _mm_loadu_ps(p + 8 * src_pitch), 2);
            row[j] = _mm512_insertf32x4(row[j], _mm_loadu_ps(p + 12 * src_pitch), 3);
        }
        CYC_UNROLL for (int j = 0; j < 4; j += 2) {
            pair[j] = _mm512_unpacklo_ps(row[j], row[j + 1]);
            pair[j + 1] = _mm512_unpackhi_ps(row[j], row[j + 1]);
        }
        CYC_UNROLL for (int j = 0; j < 2; j++) { /* columns q + 2 * j and the next */
            const __m512d low = _mm512_castps_pd(pair[j]), high = _mm512_castps_pd(pair[j + 2]);
            float *out = dst + (q + 2 * j) * dst_pitch;
            _mm512_storeu_ps(out, _mm512_castpd_ps(_mm512_unpacklo_pd(low, high)));
            _mm512_storeu_ps(out + dst_pitch, _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)));
        }
    }
}
