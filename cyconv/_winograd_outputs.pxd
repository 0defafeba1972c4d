"""From Winograd's products to the result of a task."""

from libc.stdint cimport int32_t

from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport cyc_span, cyc_tap
from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task
from cyconv._tile_block cimport TileBlock


cdef struct Scratch:
    char *window  # of a few channels
    # Of the tiles; one plane further on until they are gathered. The window of all channels where tiles are computed
    # again.
    char *factors
    const char *inputs  # the factors, or those that threads have made together
    char *products  # of the panels of a pass; direct sums where tiles are computed again
    char *pixels  # [output][four rows for each row of tiles]: of one output channel, turned of a panel
    char *lines  # [row of a tile]: a row of dilated tiles, its pixels in order
    char *sums  # of the pixels of each tile: [tile], turned [tile][output]
    char *panel  # factors of a panel's weights, where the task makes them; its direct weights
    char *doubtful  # [output][tile]: not finite, to be computed again
    cyc_tap *taps
    cyc_span *spans
    int32_t *offsets  # of the channels of a plane, where factors are gathered from it


cdef inline Py_ssize_t fill_chunks(cyc_span *spans, Py_ssize_t terms, Py_ssize_t chunk) noexcept nogil:
    """Spans of all terms in chunks; how many."""
    cdef Py_ssize_t index, count = ceil_div(terms, chunk)
    for index in range(count):
        spans[index].begin = <int>(index * chunk)
        spans[index].end = <int>min(terms, (index + 1) * chunk)
        spans[index].ends_chunk = True
    return count


cdef inline Py_ssize_t padded_outputs(const Plan *plan, Py_ssize_t outputs) noexcept nogil:
    """Outputs of a panel as its products have them: turned, whole vectors."""
    return round_up(outputs, plan.kernels.lanes) if plan.turned else outputs


cdef bint store_panel(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block,
    Py_ssize_t panel, const char *products
) noexcept nogil
cdef void compute_again(
    const Plan *plan, const Operands *operands, const Task *task, const Scratch *scratch, const TileBlock *block
) noexcept nogil
