/* Gathering the pixels of a tile, for one compute dtype of one instruction set (see kernels.h).
 *
 * A tile of a few registers makes only twelve products for the eight operands of a term. Read from the window, whose
 * rows lie far apart, pixels come from the second-level cache; gathered once for all panels they lie side by side in
 * the first.
 */

/* So many copies have loops of their own, which keep all places in registers. */
#define CYC_FEW_COPIES 4

CYC_INLINE void CYC_NAME(gather_few)(const cyc_gather_args *args, const int count) {
    const CYC_ELEMENT *window = (const CYC_ELEMENT *)args->window;
    const int32_t *offsets = args->offsets, *end = offsets + args->terms;
    const ptrdiff_t width = args->width;
    CYC_ELEMENT *restrict dst = (CYC_ELEMENT *)args->dst;
    ptrdiff_t from[CYC_FEW_COPIES], to[CYC_FEW_COPIES];
    CYC_UNROLL for (int i = 0; i < count; i++) from[i] = args->copies[i].from, to[i] = args->copies[i].to;
    for (; offsets < end; offsets++, dst += width) {
        const CYC_ELEMENT *src = window + *offsets;
        CYC_UNROLL for (int i = 0; i < count; i++) CYC_OP(store)(dst + to[i], CYC_OP(load)(src + from[i]));
    }
}

static void CYC_NAME(gather)(const cyc_gather_args *args) {
    const ptrdiff_t rest = args->rest, whole = rest ? args->copy_count - 1 : args->copy_count;
    if (!rest && whole <= CYC_FEW_COPIES) {
        if (whole == 1) CYC_NAME(gather_few)(args, 1);
        if (whole == 2) CYC_NAME(gather_few)(args, 2);
        if (whole == 3) CYC_NAME(gather_few)(args, 3);
        if (whole == 4) CYC_NAME(gather_few)(args, 4);
        return;
    }
    const cyc_copy *const copies = args->copies;
    for (ptrdiff_t k = 0; k < args->terms; k++) {
        const CYC_ELEMENT *src = (const CYC_ELEMENT *)args->window + args->offsets[k];
        CYC_ELEMENT *dst = (CYC_ELEMENT *)args->dst + k * args->width;
        for (ptrdiff_t i = 0; i < whole; i++)
            CYC_OP(store)(dst + copies[i].to, CYC_OP(load)(src + copies[i].from));
        for (ptrdiff_t i = 0; i < rest; i++) dst[copies[whole].to + i] = src[copies[whole].from + i];
    }
}
#undef CYC_FEW_COPIES
