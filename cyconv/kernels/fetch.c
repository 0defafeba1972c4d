/* Fetching what is going to be read or written. */
#include "kernels.h"
#include "target.h"

void cyc_fetch_rows(const void *first, ptrdiff_t rows, ptrdiff_t pitch, ptrdiff_t bytes) {
    const char *row = (const char *)first;
    for (; rows > 0; rows--, row += pitch) {
        for (ptrdiff_t byte = 0; byte < bytes; byte += CYC_LINE_BYTES) CYC_PREFETCH_FAR(row + byte);
    }
}
