/* Blocks of sixteen by sixteen of 32 bits. Four rows meet in a vector as they are loaded, a quarter of each, so
 * that only pairs within quarters remain to be exchanged, and no load crosses a line of an array aligned to 16. */
#define CYC_TRANSPOSE_LINES 16
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

/* Lane l of four vectors of 32 bits to dst + l * dst_pitch, side by side. */
#define CYC_TRANSPOSE_QUADS 1
CYC_INLINE void transpose_quads_32(const vec_f32 *column, float *dst, ptrdiff_t dst_pitch) {
    __m512 pair[4];
    CYC_UNROLL for (int j = 0; j < 2; j++) { /* lanes 4 * q + 2 * j and the next, in quarter q */
        pair[2 * j] = j ? _mm512_unpackhi_ps(column[0], column[1]) : _mm512_unpacklo_ps(column[0], column[1]);
        pair[2 * j + 1] = j ? _mm512_unpackhi_ps(column[2], column[3]) : _mm512_unpacklo_ps(column[2], column[3]);
    }
    CYC_UNROLL for (int j = 0; j < 4; j++) {
        const __m512d low = _mm512_castps_pd(pair[j / 2 * 2]), high = _mm512_castps_pd(pair[j / 2 * 2 + 1]);
        const __m512 quads = _mm512_castpd_ps(j % 2 ? _mm512_unpackhi_pd(low, high) : _mm512_unpacklo_pd(low, high));
        float *out = dst + j * dst_pitch;
        _mm_storeu_ps(out, _mm512_castps512_ps128(quads));
        _mm_storeu_ps(out + 4 * dst_pitch, _mm512_extractf32x4_ps(quads, 1));
        _mm_storeu_ps(out + 8 * dst_pitch, _mm512_extractf32x4_ps(quads, 2));
        _mm_storeu_ps(out + 12 * dst_pitch, _mm512_extractf32x4_ps(quads, 3));
    }
}
