/* Loading windows and storing results, for one compute dtype of one instruction set (see kernels.h).
 * One load per source dtype, one store per destination dtype.
 *
 * Elements of arrays go through memcpy: they may be unaligned. The inner loops are written so that
 * the compiler vectorises the contiguous case.
 */

/* Zeros for a few elements: a loop of stores would become a call of memset, which costs more. */
CYC_INLINE void CYC_NAME(clear)(CYC_ELEMENT *dst, ptrdiff_t count) {
    for (; count >= CYC_LANES; count -= CYC_LANES, dst += CYC_LANES) CYC_OP(store)(dst, CYC_OP(zero)());
    if (count > 0) CYC_OP(store_first)(dst, CYC_OP(zero)(), count);
}

#if CYC_FLOATING
#include "load_turned.inc.h"
#define CYC_LOAD_ROWS(ARGS, SOURCE, TYPE) CYC_NAME(load_pixels)(ARGS, CYC_NAME(load_##SOURCE), sizeof(TYPE))
#else
#define CYC_LOAD_ROWS(ARGS, SOURCE, TYPE) 0
#endif

#define CYC_LOAD_COLUMNS(STEP)                          \
    for (ptrdiff_t x = 0; x < columns; x++) {           \
        memcpy(&value, src + x * (STEP), sizeof value); \
        dst[x] = CYC_FROM(value);                       \
    }

#define CYC_LOAD_FUNCTION(SOURCE, TYPE)                                                                    \
    static void CYC_NAME(load_##SOURCE)(const cyc_load_args *args) {                                       \
        const ptrdiff_t columns = args->columns, step = args->column_bytes;                                \
        if (CYC_LOAD_ROWS(args, SOURCE, TYPE)) return;                                                     \
        for (ptrdiff_t c = 0; c < args->channels; c++) {                                                   \
            const char *rows = args->src + c * args->channel_bytes;                                        \
            CYC_ELEMENT *restrict dst = (CYC_ELEMENT *)args->dst + c * args->channel_pitch + args->before; \
            for (ptrdiff_t r = 0; r < args->rows; r++, dst += args->row_pitch) {                           \
                const char *restrict src = rows + r * args->row_bytes;                                     \
                TYPE value;                                                                                \
                CYC_NAME(clear)(dst - args->before, args->before);                                         \
                if (step == sizeof value)                                                                  \
                    CYC_LOAD_CONTIGUOUS                                                                    \
                else if (step == 2 * sizeof value)                                                         \
                    CYC_LOAD_STRIDE_2                                                                      \
                else                                                                                       \
                    CYC_LOAD_ANY_STEP                                                                      \
                CYC_NAME(clear)(dst + columns, args->after);                                               \
            }                                                                                              \
        }                                                                                                  \
    }

#define CYC_STORE_FUNCTION(DESTINATION, TYPE)                                                      \
    static void CYC_NAME(store_##DESTINATION)(const cyc_store_args *args) {                        \
        const ptrdiff_t columns = args->columns, step = args->column_bytes;                        \
        const ptrdiff_t fetched = args->ahead ? columns * step : 0;                                \
        CYC_STORE_BOUNDS(TYPE)                                                                     \
        for (ptrdiff_t r = 0; r < args->rows; r++) {                                               \
            const CYC_ELEMENT *restrict src = (const CYC_ELEMENT *)args->src + r * args->row_step; \
            const CYC_ELEMENT bias = ((const CYC_ELEMENT *)args->bias)[r * args->bias_step];       \
            char *restrict dst = args->dst + r * args->row_bytes;                                  \
            if (step != sizeof(TYPE)) {                                                            \
                CYC_STORE_COLUMNS(TYPE, step)                                                      \
                continue;                                                                          \
            }                                                                                      \
            for (ptrdiff_t byte = 0; byte < fetched; byte += CYC_LINE_BYTES)                       \
                CYC_PREFETCH_FAR(dst + args->ahead + byte);                                        \
            CYC_STORE_CONTIGUOUS(TYPE)                                                             \
        }                                                                                          \
    }

#define CYC_STORE_COLUMNS(TYPE, STEP)                       \
    for (ptrdiff_t x = 0; x < columns; x++) {               \
        const TYPE value = CYC_FINISH(TYPE, src[x] + bias); \
        memcpy(dst + x * (STEP), &value, sizeof value);     \
    }

#define CYC_STORE_CONTIGUOUS(TYPE) CYC_STORE_COLUMNS(TYPE, (ptrdiff_t)sizeof(TYPE))

/* Integers wrap to the destination first, so that its sign is what the activation sees. Bounds, not branches: the
 * compiler would make a loop for each activation. */
#define CYC_LEAST(TYPE) ((TYPE)~0 < (TYPE)1 ? (TYPE)((uint64_t)1 << (8 * sizeof(TYPE) - 1)) : (TYPE)0)
#define CYC_STORE_BOUNDS(TYPE)                                                          \
    const TYPE low = args->activation == CYC_NO_ACTIVATION ? CYC_LEAST(TYPE) : (TYPE)0; \
    const TYPE high = args->activation == CYC_RELU6 ? (TYPE)6 : (TYPE)(-1 - CYC_LEAST(TYPE));
#define CYC_FINISH_INTEGER(TYPE, VALUE) ((TYPE)(VALUE) < low ? low : (TYPE)(VALUE) > high ? high : (TYPE)(VALUE))
#if CYC_FLOATING
/* Integers whose sums the compute dtype holds exactly. */
#define CYC_FINISH(TYPE, VALUE) CYC_FINISH_INTEGER(TYPE, (CYC_WHOLE_NUMBER)(VALUE))
#if CYC_DTYPE == CYC_DTYPE_F32
#define CYC_WHOLE_NUMBER int32_t
CYC_STORE_FUNCTION(int8, int8_t)
CYC_STORE_FUNCTION(uint8, uint8_t)
CYC_STORE_FUNCTION(int16, int16_t)
CYC_STORE_FUNCTION(uint16, uint16_t)
CYC_STORE_FUNCTION(int32, int32_t)
CYC_STORE_FUNCTION(uint32, uint32_t)
#else
#define CYC_WHOLE_NUMBER int64_t
#endif
CYC_STORE_FUNCTION(int64, int64_t)
CYC_STORE_FUNCTION(uint64, uint64_t)
#undef CYC_WHOLE_NUMBER
#undef CYC_FINISH
#undef CYC_STORE_BOUNDS
#define CYC_STORE_BOUNDS(TYPE)

/* Floats are clamped in the compute dtype and rounded once; the comparisons keep NaN. */
CYC_INLINE CYC_ELEMENT CYC_NAME(activate)(CYC_ELEMENT value, int activation) {
    if (activation != CYC_NO_ACTIVATION && value < 0) value = 0;
    if (activation == CYC_RELU6 && value > 6) value = 6;
    return value;
}
#define CYC_FINISH(TYPE, VALUE) CYC_TO(TYPE, CYC_NAME(activate)(VALUE, args->activation))
#else
#define CYC_FINISH CYC_FINISH_INTEGER
#endif

/* Dtypes that need only a cast. */
#define CYC_LOAD_CONTIGUOUS CYC_LOAD_COLUMNS((ptrdiff_t)sizeof value)
#define CYC_LOAD_STRIDE_2 CYC_LOAD_COLUMNS(2 * (ptrdiff_t)sizeof value)
/* The vectors that GCC would put together from single elements are larger, and no faster. */
#define CYC_LOAD_ANY_STEP                                  \
    for (ptrdiff_t x = 0; x < columns; x++, src += step) { \
        memcpy(&value, src, sizeof value);                 \
        CYC_FORGET(src);                                   \
        dst[x] = CYC_FROM(value);                          \
    }
#define CYC_FROM(VALUE) ((CYC_ELEMENT)(VALUE))
#define CYC_TO(TYPE, VALUE) ((TYPE)(VALUE))
CYC_LOAD_FUNCTION(int8, int8_t)
CYC_LOAD_FUNCTION(uint8, uint8_t)
CYC_LOAD_FUNCTION(int16, int16_t)
CYC_LOAD_FUNCTION(uint16, uint16_t)
#if CYC_DTYPE == CYC_DTYPE_F64
CYC_LOAD_FUNCTION(float32, float)
#endif
CYC_LOAD_FUNCTION(int32, int32_t)
CYC_LOAD_FUNCTION(uint32, uint32_t)
#if CYC_DTYPE != CYC_DTYPE_U32
CYC_LOAD_FUNCTION(int64, int64_t)
CYC_LOAD_FUNCTION(uint64, uint64_t)
#endif
#if CYC_DTYPE == CYC_DTYPE_U32
CYC_STORE_FUNCTION(int8, int8_t)
CYC_STORE_FUNCTION(uint8, uint8_t)
CYC_STORE_FUNCTION(int16, int16_t)
CYC_STORE_FUNCTION(uint16, uint16_t)
#endif

#undef CYC_LOAD_ANY_STEP
#define CYC_LOAD_ANY_STEP CYC_LOAD_COLUMNS(step)

/* Floats of the compute dtype itself are the common case: whole vectors, and masks for the rest. */
#if CYC_FLOATING
#undef CYC_LOAD_CONTIGUOUS
#define CYC_LOAD_CONTIGUOUS                                                                \
    {                                                                                      \
        ptrdiff_t x = 0;                                                                   \
        for (; x + CYC_LANES <= columns; x += CYC_LANES)                                   \
            CYC_OP(store)(dst + x, CYC_OP(load)((const CYC_ELEMENT *)src + x));            \
        if (x < columns) CYC_OP(copy_first)(dst + x, src + x * sizeof value, columns - x); \
    }
/* Up to a vector of every other element; behind the last one there may be nothing to read. */
CYC_INLINE void CYC_NAME(copy_last_even)(CYC_ELEMENT *dst, const char *src, ptrdiff_t count) {
    for (ptrdiff_t x = 0; x < count; x++) memcpy(dst + x, src + 2 * x * sizeof *dst, sizeof *dst);
}
#undef CYC_LOAD_ROWS
#define CYC_LOAD_ROWS(ARGS, SOURCE, TYPE) CYC_NAME(load_turned)(ARGS)
#ifdef CYC_MASKED_LOADS
#include "load_rows.inc.h"
#undef CYC_LOAD_ROWS
#define CYC_LOAD_ROWS(ARGS, SOURCE, TYPE) (CYC_NAME(load_turned)(ARGS) || CYC_NAME(load_rows)(ARGS))
#endif
#undef CYC_LOAD_STRIDE_2
#define CYC_LOAD_STRIDE_2                                                                                       \
    {                                                                                                           \
        const CYC_ELEMENT *const p = (const CYC_ELEMENT *)src;                                                  \
        ptrdiff_t x = 0;                                                                                        \
        for (; x + CYC_LANES < columns; x += CYC_LANES)                                                         \
            CYC_OP(store)(dst + x, CYC_OP(even)(CYC_OP(load)(p + 2 * x), CYC_OP(load)(p + 2 * x + CYC_LANES))); \
        CYC_NAME(copy_last_even)(dst + x, src + 2 * x * sizeof value, columns - x);                             \
    }
/* STORE(p, vector) and STORE_FIRST(p, vector, count) write results at p. */
#define CYC_STORE_VECTORS(TYPE, STORE, STORE_FIRST)                                             \
    {                                                                                           \
        const int clamps = args->activation != CYC_NO_ACTIVATION;                               \
        const CYC_ELEMENT bounds[2] = {0, args->activation == CYC_RELU6 ? 6 : CYC_INFINITY};    \
        const CYC_VECTOR low = CYC_OP(broadcast)(bounds), high = CYC_OP(broadcast)(bounds + 1); \
        const CYC_VECTOR biases = CYC_OP(broadcast)(&bias);                                     \
        for (ptrdiff_t x = 0; x < columns; x += CYC_LANES) {                                    \
            const CYC_VECTOR sum = CYC_OP(add)(CYC_OP(load)(src + x), biases);                  \
            const CYC_VECTOR result = clamps ? CYC_OP(clamp)(sum, low, high) : sum;             \
            TYPE *const p = (TYPE *)dst + x;                                                    \
            if (columns - x >= CYC_LANES)                                                       \
                STORE(p, result);                                                               \
            else                                                                                \
                STORE_FIRST(p, result, columns - x);                                            \
        }                                                                                       \
    }
#undef CYC_STORE_CONTIGUOUS
#define CYC_STORE_CONTIGUOUS(TYPE) CYC_STORE_VECTORS(TYPE, CYC_OP(store), CYC_OP(store_first))
#endif
#if CYC_DTYPE == CYC_DTYPE_F32
CYC_LOAD_FUNCTION(float32, float)
CYC_STORE_FUNCTION(float32, float)
#elif CYC_DTYPE == CYC_DTYPE_F64
CYC_LOAD_FUNCTION(float64, double)
CYC_STORE_FUNCTION(float64, double)
#elif CYC_DTYPE == CYC_DTYPE_U32
CYC_STORE_FUNCTION(int32, int32_t)
CYC_STORE_FUNCTION(uint32, uint32_t)
#else
CYC_STORE_FUNCTION(int64, int64_t)
CYC_STORE_FUNCTION(uint64, uint64_t)
#endif
#if CYC_FLOATING
#undef CYC_LOAD_ROWS
#define CYC_LOAD_ROWS(ARGS, SOURCE, TYPE) CYC_NAME(load_pixels)(ARGS, CYC_NAME(load_##SOURCE), sizeof(TYPE))
#endif
#undef CYC_LOAD_CONTIGUOUS
#define CYC_LOAD_CONTIGUOUS CYC_LOAD_COLUMNS((ptrdiff_t)sizeof value)
#undef CYC_LOAD_STRIDE_2
#define CYC_LOAD_STRIDE_2 CYC_LOAD_COLUMNS(2 * (ptrdiff_t)sizeof value)
#undef CYC_STORE_CONTIGUOUS
#define CYC_STORE_CONTIGUOUS(TYPE) CYC_STORE_COLUMNS(TYPE, (ptrdiff_t)sizeof(TYPE))
#undef CYC_FROM
#undef CYC_TO

/* bfloat16 and float16: whole vectors, where the instruction set has them, and the rest under a mask or through a buffer. */
#if CYC_FLOATING
#if CYC_DTYPE == CYC_DTYPE_F32 && defined(CYC_HALVES)
#ifdef CYC_HALF_MASKS
#define CYC_FIRST_OF(NAME)                                                            \
    CYC_INLINE void load_first_##NAME(float *dst, const char *src, ptrdiff_t count) { \
        vec_store_first_f32(dst, vec_load_first_##NAME(src, count), count);           \
    }                                                                                 \
    CYC_INLINE void store_first_##NAME(uint16_t *dst, vec_f32 v, ptrdiff_t count) {   \
        vec_store_first_##NAME(dst, v, count);                                        \
    }
#else
#define CYC_FIRST_OF(NAME)                                                            \
    CYC_INLINE void load_first_##NAME(float *dst, const char *src, ptrdiff_t count) { \
        uint16_t buffer[sizeof(vec_f32) / sizeof(float)] = {0};                       \
        memcpy(buffer, src, (size_t)count * sizeof *buffer);                          \
        vec_store_first_f32(dst, vec_load_##NAME(buffer), count);                     \
    }                                                                                 \
    CYC_INLINE void store_first_##NAME(uint16_t *dst, vec_f32 v, ptrdiff_t count) {   \
        uint16_t buffer[sizeof(vec_f32) / sizeof(float)];                             \
        vec_store_##NAME(buffer, v);                                                  \
        memcpy(dst, buffer, (size_t)count * sizeof *buffer);                          \
    }
#endif
CYC_FIRST_OF(bfloats)
CYC_FIRST_OF(halves)
#undef CYC_FIRST_OF
#define CYC_LOAD_VECTORS(NAME)                                                            \
    {                                                                                     \
        ptrdiff_t x = 0;                                                                  \
        for (; x + CYC_LANES <= columns; x += CYC_LANES)                                  \
            vec_store_f32(dst + x, vec_load_##NAME((const uint16_t *)src + x));           \
        if (x < columns) load_first_##NAME(dst + x, src + x * sizeof value, columns - x); \
    }
#undef CYC_LOAD_CONTIGUOUS
#undef CYC_STORE_CONTIGUOUS
#define CYC_LOAD_CONTIGUOUS CYC_LOAD_VECTORS(bfloats)
#undef CYC_LOAD_STRIDE_2
#define CYC_LOAD_STRIDE_2                                                                                         \
    {                                                                                                             \
        const uint16_t *const p = (const uint16_t *)src;                                                          \
        ptrdiff_t x = 0;                                                                                          \
        for (; x + CYC_LANES < columns; x += CYC_LANES) vec_store_f32(dst + x, vec_load_even_bfloats(p + 2 * x)); \
        for (; x < columns; x++) {                                                                                \
            memcpy(&value, p + 2 * x, sizeof value);                                                              \
            dst[x] = CYC_FROM(value);                                                                             \
        }                                                                                                         \
    }
#define CYC_STORE_CONTIGUOUS(TYPE) CYC_STORE_VECTORS(TYPE, vec_store_bfloats, store_first_bfloats)
#endif
#define CYC_FROM(VALUE) ((CYC_ELEMENT)cyc_float_from_bfloat(VALUE))
#define CYC_TO(TYPE, VALUE) cyc_bfloat_from_float(VALUE)
CYC_LOAD_FUNCTION(bfloat16, uint16_t)
#if CYC_DTYPE == CYC_DTYPE_F32
CYC_STORE_FUNCTION(bfloat16, uint16_t)
#endif
#undef CYC_FROM
#undef CYC_TO
#undef CYC_LOAD_STRIDE_2
#define CYC_LOAD_STRIDE_2 CYC_LOAD_COLUMNS(2 * (ptrdiff_t)sizeof value)
#ifdef CYC_LOAD_VECTORS
#undef CYC_LOAD_CONTIGUOUS
#undef CYC_STORE_CONTIGUOUS
#define CYC_LOAD_CONTIGUOUS CYC_LOAD_VECTORS(halves)
#define CYC_STORE_CONTIGUOUS(TYPE) CYC_STORE_VECTORS(TYPE, vec_store_halves, store_first_halves)
#endif
#define CYC_FROM(VALUE) ((CYC_ELEMENT)cyc_float_from_half(VALUE))
#define CYC_TO(TYPE, VALUE) cyc_half_from_float(VALUE)
CYC_LOAD_FUNCTION(float16, uint16_t)
#if CYC_DTYPE == CYC_DTYPE_F32
CYC_STORE_FUNCTION(float16, uint16_t)
#endif
#undef CYC_FROM
#undef CYC_TO
#undef CYC_LOAD_VECTORS
#endif

#undef CYC_LOAD_FUNCTION
#undef CYC_LOAD_ROWS
#undef CYC_LOAD_COLUMNS
#undef CYC_LOAD_ANY_STEP
#undef CYC_LOAD_STRIDE_2
#undef CYC_LOAD_CONTIGUOUS
#undef CYC_STORE_FUNCTION
#undef CYC_STORE_COLUMNS
#undef CYC_STORE_VECTORS
#undef CYC_STORE_CONTIGUOUS
#undef CYC_FINISH
#undef CYC_FINISH_INTEGER
#undef CYC_STORE_BOUNDS
#undef CYC_LEAST
