/* The vocabulary of plain C: a vector of one element, which any compiler for any target accepts. */
#define CYC_TILE_SHAPES(X) CYC_ROWS_UP_TO_4(X, 1) CYC_ROWS_UP_TO_4(X, 2) CYC_ROWS_UP_TO_2(X, 3) CYC_ROWS_UP_TO_2(X, 4)
#define CYC_REGISTERS 0 /* the compiler knows */
#define CYC_ROW_VECTORS(X) X(2) X(1)
#define CYC_MOST_ROW_VECTORS 2
#define CYC_FMA_CHAINS 12 /* enough to hide latency, few enough for the registers */

#define CYC_SCALAR_VOCABULARY(TYPE, SUFFIX)                                          \
    typedef TYPE vec_##SUFFIX;                                                       \
    CYC_INLINE TYPE vec_zero_##SUFFIX(void) { return 0; }                            \
    CYC_INLINE TYPE vec_load_##SUFFIX(const TYPE *p) {                               \
        TYPE v;                                                                      \
        memcpy(&v, p, sizeof v);                                                     \
        return v;                                                                    \
    }                                                                                \
    CYC_INLINE void vec_store_##SUFFIX(TYPE *p, TYPE v) { memcpy(p, &v, sizeof v); } \
    CYC_INLINE TYPE vec_broadcast_##SUFFIX(const TYPE *p) { return *p; }             \
    CYC_INLINE TYPE vec_add_##SUFFIX(TYPE a, TYPE b) { return a + b; }               \
    CYC_INLINE TYPE vec_multiply_add_##SUFFIX(TYPE a, TYPE b, TYPE c) { return a * b + c; }

#define CYC_SCALAR_FLOAT_VOCABULARY(TYPE, SUFFIX)                                  \
    CYC_INLINE TYPE vec_shift_##SUFFIX(TYPE a, TYPE b) { return (void)a, b; }      \
    CYC_INLINE TYPE vec_high_pairs_##SUFFIX(TYPE a, TYPE b) { return (void)a, b; } \
    CYC_INLINE TYPE vec_low_pairs_##SUFFIX(TYPE a, TYPE b) { return (void)b, a; }  \
    CYC_INLINE TYPE vec_odd_##SUFFIX(TYPE a, TYPE b) { return (void)a, b; }        \
    CYC_INLINE TYPE vec_even_##SUFFIX(TYPE a, TYPE b) { return (void)b, a; }       \
    CYC_INLINE TYPE vec_subtract_##SUFFIX(TYPE a, TYPE b) { return a - b; }        \
    CYC_INLINE TYPE vec_multiply_##SUFFIX(TYPE a, TYPE b) { return a * b; }        \
    CYC_INLINE TYPE vec_negate_multiply_add_##SUFFIX(TYPE a, TYPE b, TYPE c) { return c - a * b; }

/* the comparisons are false for NaN, which keeps it */
#define CYC_SCALAR_CLAMP(TYPE, SUFFIX) \
    CYC_INLINE TYPE vec_clamp_##SUFFIX(TYPE v, TYPE low, TYPE high) { return v < low ? low : v > high ? high : v; }
#define CYC_SCALAR_NO_CLAMP(TYPE, SUFFIX) \
    CYC_INLINE TYPE vec_clamp_##SUFFIX(TYPE v, TYPE low, TYPE high) { return (void)low, (void)high, v; }

CYC_SCALAR_VOCABULARY(float, f32)
CYC_SCALAR_VOCABULARY(double, f64)
CYC_SCALAR_VOCABULARY(uint32_t, u32)
CYC_SCALAR_VOCABULARY(uint64_t, u64)
CYC_SCALAR_FLOAT_VOCABULARY(float, f32)
CYC_SCALAR_FLOAT_VOCABULARY(double, f64)
CYC_SCALAR_CLAMP(float, f32)
CYC_SCALAR_CLAMP(double, f64)
CYC_SCALAR_NO_CLAMP(uint32_t, u32)
CYC_SCALAR_NO_CLAMP(uint64_t, u64)
