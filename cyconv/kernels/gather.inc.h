/* Gathering the pixels of a tile, for one compute dtype of one instruction set (see kernels.h).
 *
 * A tile of a few registers makes only twelve products for the eight operands of a term. Read from the window, whose
 * rows lie far apart, pixels come from the second-level cache; gathered once for all panels they lie side by side in
 * the first.
 */

CYC_INLINE void CYC_NAME(gather_copies)(const cyc_gather_args *args, const ptrdiff_t count) {
    const CYC_ELEMENT *window = (const CYC_ELEMENT *)args->window;
    const int32_t *offsets = args->offsets, *end = offsets + args->terms;
    const cyc_copy *copies = args->copies;
    CYC_ELEMENT *dst = (CYC_ELEMENT *)args->dst;
    const ptrdiff_t width = args->width, rest = args->rest, whole = rest ? count - 1 : count;
    for (; offsets < end; offsets++, dst += width) {
        const CYC_ELEMENT *src = window + *offsets;
    CYC_UNROLL for (ptrdiff_t i = 0; i < whole; i++)
            CYC_OP(store)(dst + copies[i].to, CYC_OP(load)(src + copies[i].from));
        for (ptrdiff_t i = 0; i < rest; i++) dst[copies[whole].to + i] = src[copies[whole].from + i];
    }
}

static void CYC_NAME(gather)(const cyc_gather_args *args) {
    const ptrdiff_t count = args->rest ? 0 : args->copy_count;
    if (count == 1) CYC_NAME(gather_copies)(args, 1);
    else if (count == 2) CYC_NAME(gather_copies)(args, 2);
    else if (count == 3) CYC_NAME(gather_copies)(args, 3);
    else if (count == 4) CYC_NAME(gather_copies)(args, 4);
    else CYC_NAME(gather_copies)(args, args->copy_count);
}
