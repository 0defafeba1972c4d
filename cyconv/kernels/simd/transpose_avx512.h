/* Four columns of as many rows as a vector has lanes. Rows meet in a vector as they are loaded, 16 or 32 bytes of each,
 * so that only pairs remain to be exchanged, and no load crosses a line of an array aligned to as much. */
#define CYC_LOADS_COLUMNS 1
#define CYC_TURNS_LINES 1
CYC_INLINE void vec_load_columns_f32(const float *src, ptrdiff_t pitch, vec_f32 column[4]) {
    __m512 row[4], pair[4];
    CYC_UNROLL for (int j = 0; j < 4; j++) { /* quarter i of row[j] is of row 4 * i + j */
        const float *p = src + j * pitch;
        row[j] = _mm512_castps128_ps512(_mm_loadu_ps(p));
        row[j] = _mm512_insertf32x4(row[j], _mm_loadu_ps(p + 4 * pitch), 1);
        row[j] = _mm512_insertf32x4(row[j], _mm_loadu_ps(p + 8 * pitch), 2);
        row[j] = _mm512_insertf32x4(row[j], _mm_loadu_ps(p + 12 * pitch), 3);
    }
    CYC_UNROLL for (int j = 0; j < 4; j += 2) {
        pair[j] = _mm512_unpacklo_ps(row[j], row[j + 1]);
        pair[j + 1] = _mm512_unpackhi_ps(row[j], row[j + 1]);
    }
    CYC_UNROLL for (int j = 0; j < 2; j++) {
        const __m512d low = _mm512_castps_pd(pair[j]), high = _mm512_castps_pd(pair[j + 2]);
        column[2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
        column[2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
}
CYC_INLINE void vec_load_columns_f64(const double *src, ptrdiff_t pitch, vec_f64 column[4]) {
    __m512d row[4], even[2], odd[2];
    CYC_UNROLL for (int j = 0; j < 4; j++) { /* rows 0, 1, 4 and 5, each with the second one after it */
        const double *p = src + (j + j / 2 * 2) * pitch;
        row[j] = _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(p)), _mm256_loadu_pd(p + 2 * pitch), 1);
    }
    CYC_UNROLL for (int j = 0; j < 2; j++) { /* quarters: columns 0 or 1, 2 or 3 of two rows, those of the next two */
        even[j] = _mm512_unpacklo_pd(row[2 * j], row[2 * j + 1]);
        odd[j] = _mm512_unpackhi_pd(row[2 * j], row[2 * j + 1]);
    }
    column[0] = _mm512_shuffle_f64x2(even[0], even[1], 0x88);
    column[1] = _mm512_shuffle_f64x2(odd[0], odd[1], 0x88);
    column[2] = _mm512_shuffle_f64x2(even[0], even[1], 0xdd);
    column[3] = _mm512_shuffle_f64x2(odd[0], odd[1], 0xdd);
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
