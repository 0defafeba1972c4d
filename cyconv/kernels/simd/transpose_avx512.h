/* Blocks of sixteen by sixteen of 32 bits: sixteen rows and as many intermediate vectors fit 32 registers. */
#define CYC_TRANSPOSE_LINES 1
CYC_INLINE void transpose_lines_32(const float *src, ptrdiff_t src_pitch, float *dst, ptrdiff_t dst_pitch) {
    __m512 row[16], pair[16];
    CYC_UNROLL for (int i = 0; i < 16; i++) row[i] = _mm512_loadu_ps(src + i * src_pitch);
    CYC_UNROLL for (int i = 0; i < 16; i += 2) {
        pair[i] = _mm512_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm512_unpackhi_ps(row[i], row[i + 1]);
    }
    CYC_UNROLL for (int i = 0; i < 16; i += 4) { /* quarter q of row[i + j]: column 4 * q + j of four rows */
        CYC_UNROLL for (int j = 0; j < 2; j++) {
            const __m512d low = _mm512_castps_pd(pair[i + j]), high = _mm512_castps_pd(pair[i + j + 2]);
            row[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            row[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    CYC_UNROLL for (int j = 0; j < 4; j++) { /* 0x88 takes even quarters of both, 0xdd the odd ones */
        const __m512 upper_even = _mm512_shuffle_f32x4(row[j], row[4 + j], 0x88);
        const __m512 upper_odd = _mm512_shuffle_f32x4(row[j], row[4 + j], 0xdd);
        const __m512 lower_even = _mm512_shuffle_f32x4(row[8 + j], row[12 + j], 0x88);
        const __m512 lower_odd = _mm512_shuffle_f32x4(row[8 + j], row[12 + j], 0xdd);
        _mm512_storeu_ps(dst + j * dst_pitch, _mm512_shuffle_f32x4(upper_even, lower_even, 0x88));
        _mm512_storeu_ps(dst + (4 + j) * dst_pitch, _mm512_shuffle_f32x4(upper_odd, lower_odd, 0x88));
        _mm512_storeu_ps(dst + (8 + j) * dst_pitch, _mm512_shuffle_f32x4(upper_even, lower_even, 0xdd));
        _mm512_storeu_ps(dst + (12 + j) * dst_pitch, _mm512_shuffle_f32x4(upper_odd, lower_odd, 0xdd));
    }
}
