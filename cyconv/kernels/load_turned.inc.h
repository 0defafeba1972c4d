/* Loading the channels of a pixel that lie side by side, as in images whose channels come last, for one floating compute
 * dtype of one instruction set (see kernels.h). Part of move.inc.h.
 */

/* Rows of pixels with their channels side by side are taken in parts, as far as a block reaches, which the CPU does not
 * fetch by itself. */
CYC_INLINE void CYC_NAME(fetch_next_row)(const cyc_load_args *args, ptrdiff_t r) {
    if (args->rows > 1) cyc_fetch_rows(args->src + (r + 1) * args->row_bytes, 1, 0, args->columns * args->column_bytes);
}

/* Whether it loaded them, elements of the compute dtype. */
CYC_INLINE int CYC_NAME(load_turned)(const cyc_load_args *args) {
    const ptrdiff_t step = args->column_bytes / (ptrdiff_t)sizeof(CYC_ELEMENT);
    const ptrdiff_t row_step = args->rows > 1 ? args->row_bytes : 0;
    if (args->channel_bytes != sizeof(CYC_ELEMENT) || args->channels < 2 || args->phases > 1) return 0;
    if (args->channels < 4 && step != args->channels) return 0; /* of which turn_few knows only these */
    if (((uintptr_t)args->src | (uintptr_t)args->column_bytes | (uintptr_t)row_step) % sizeof(CYC_ELEMENT)) return 0;
    for (ptrdiff_t r = 0; r < args->rows; r++) {
        const CYC_ELEMENT *src = (const CYC_ELEMENT *)(args->src + r * args->row_bytes);
        CYC_ELEMENT *dst = (CYC_ELEMENT *)args->dst + r * args->row_pitch;
        CYC_NAME(fetch_next_row)(args, r);
        for (ptrdiff_t c = 0; c < args->channels; c++) {
            CYC_NAME(clear)(dst + c * args->channel_pitch, args->before);
            CYC_NAME(clear)(dst + c * args->channel_pitch + args->before + args->columns, args->after);
        }
        CYC_NAME(turn_over)(src, step, args->columns, dst + args->before, args->channel_pitch, args->channels);
    }
    return 1;
}

/* Elements that are converted together on their way to where they are turned, which stay in the first level; and the
 * channels of them, of which that leaves whole lines of pixels. */
#define CYC_PIXELS_BUFFER 1024
#define CYC_PIXELS_CHANNELS 64

/* Whether it loaded them, by `load` of elements of so many bytes. They are converted as they lie, some pixels at a time,
 * and turned. A few of many channels are not: each pixel would be a row of its own, shorter than a vector. */
CYC_SHARED int CYC_NAME(load_pixels)(const cyc_load_args *args, cyc_load_fn load, ptrdiff_t item) {
    CYC_ELEMENT buffer[CYC_PIXELS_BUFFER];
    if (args->channel_bytes != item || args->channels < 2 || args->phases > 1) return 0;
    if (args->channels < CYC_LANES && args->column_bytes != args->channels * item) return 0;
    for (ptrdiff_t c = 0; c < args->channels; c += CYC_PIXELS_CHANNELS) {
        const ptrdiff_t left = args->channels - c, channels = left < CYC_PIXELS_CHANNELS ? left : CYC_PIXELS_CHANNELS;
        const ptrdiff_t most = CYC_PIXELS_BUFFER / channels;
        const int dense = args->column_bytes == channels * item;
        cyc_load_args part = {.dst = buffer,
                              .column_bytes = item,
                              .row_bytes = args->column_bytes,
                              .channels = 1,
                              .row_pitch = channels,
                              .phases = 1}; /* .channel_bytes = 0: not turned once more */
        for (ptrdiff_t r = 0; r < args->rows; r++) {
            CYC_ELEMENT *dst = (CYC_ELEMENT *)args->dst + c * args->channel_pitch + r * args->row_pitch;
            for (ptrdiff_t i = 0; i < channels; i++) {
                CYC_NAME(clear)(dst + i * args->channel_pitch, args->before);
                CYC_NAME(clear)(dst + i * args->channel_pitch + args->before + args->columns, args->after);
            }
            CYC_NAME(fetch_next_row)(args, r);
            for (ptrdiff_t x = 0; x < args->columns; x += most) {
                const ptrdiff_t pixels = args->columns - x < most ? args->columns - x : most;
                part.src = args->src + r * args->row_bytes + x * args->column_bytes + c * item;
                part.rows = dense ? 1 : pixels;
                part.columns = dense ? pixels * channels : channels;
                load(&part);
                CYC_NAME(turn_over)(buffer, channels, pixels, dst + args->before + x, args->channel_pitch, channels);
            }
        }
    }
    return 1;
}
#undef CYC_PIXELS_BUFFER
#undef CYC_PIXELS_CHANNELS
