/* Whether values are finite, for one compute dtype of one instruction set (see kernels.h). */

/* Zero times anything finite is zero, times anything else NaN: one pass, no branches. */
static int CYC_NAME(finite)(const void *values, ptrdiff_t count) {
#if CYC_FLOATING
    const CYC_ELEMENT *value = (const CYC_ELEMENT *)values;
    CYC_ELEMENT lanes[sizeof(CYC_VECTOR) / sizeof(CYC_ELEMENT)], rest = 0;
    const CYC_VECTOR zero = CYC_OP(zero)();
    CYC_VECTOR sum[4] = {zero, zero, zero, zero}; /* to hide the latency of the multiply-add */
    ptrdiff_t i = 0;
    for (; i + 4 * CYC_LANES <= count; i += 4 * CYC_LANES) {
    CYC_UNROLL for (int j = 0; j < 4; j++)
            sum[j] = CYC_OP(multiply_add)(CYC_OP(load)(value + i + j * CYC_LANES), zero, sum[j]);
    }
    if (count >= CYC_LANES) {
        for (; i < count; i += CYC_LANES) { /* the last vector overlaps the one before */
            const ptrdiff_t at = i + CYC_LANES <= count ? i : count - CYC_LANES;
            sum[0] = CYC_OP(multiply_add)(CYC_OP(load)(value + at), zero, sum[0]);
        }
    }
    for (; i < count; i++) rest += value[i] * 0;
    CYC_OP(store)(lanes, CYC_OP(add)(CYC_OP(add)(sum[0], sum[1]), CYC_OP(add)(sum[2], sum[3])));
    for (i = 0; i < CYC_LANES; i++) rest += lanes[i];
    return rest == 0;
#else
    (void)values, (void)count;
    return 1;
#endif
}
