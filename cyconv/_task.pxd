"""A task: the part of a convolution that one thread computes at a time, and the arrays that it touches."""

from cyconv._integers cimport round_up
from cyconv._kernels cimport cyc_store_fn
from cyconv._plan cimport TILE, Plan
from cyconv._window cimport Source


cdef struct Destination:
    # Where the result goes; strides in bytes, of any sign.
    char *data
    Py_ssize_t batch_bytes
    Py_ssize_t channel_bytes
    Py_ssize_t row_bytes
    Py_ssize_t column_bytes
    Py_ssize_t part_bytes  # from the real to the imaginary part
    Py_ssize_t parts  # 2 for a complex result; else 1
    Py_ssize_t out_pitch  # elements between output channels, where a kernel may store by itself
    bint stored_by_kernel  # columns are contiguous, aligned and of the compute dtype
    int activation
    bint floating  # kernels may apply it to sums; integers wrap first
    cyc_store_fn store


cdef struct Operands:
    Source source
    Destination destination
    const char *weight  # [group][output][term]
    const char *panels  # packed weights: [group][panel][term][output of the panel], then flags
    const char *bias  # [group][output], of the compute dtype
    Py_ssize_t images  # of the batch
    const char *factors  # of the inputs, by Winograd, if threads have made them together; or NULL


cdef struct Task:
    Py_ssize_t image
    Py_ssize_t group  # first group
    Py_ssize_t group_count
    Py_ssize_t panel  # first panel
    Py_ssize_t panel_count
    Py_ssize_t row  # first output row
    Py_ssize_t row_count
    Py_ssize_t column
    Py_ssize_t column_count
    bint in_place  # no window: the kernel reads the input
    Py_ssize_t following  # number of the task that the thread is likely to take next


cdef Task find_task(const Plan *plan, Py_ssize_t index) noexcept nogil
cdef char *output_address(
    const Plan *plan, const Destination *to, const Task *task, Py_ssize_t channel
) noexcept nogil
cdef char *channel_address(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t channel
) noexcept nogil
cdef inline bint ends_in_input(const Plan *plan, const Task *task) noexcept nogil:
    """Whether the last of the vectors that run over all pixels of a task in place does."""
    cdef Py_ssize_t columns = plan.problem.in_size[1]
    return (
        task.row * columns + task.column + round_up(task.row_count * task.column_count, plan.kernels.lanes)
        <= plan.problem.in_size[0] * columns
    )


cdef inline bint takes_vectors(const Plan *plan, const Destination *to) noexcept nogil:
    """Whether kernels may write vectors of pixels to the result, and go from row to row by elements."""
    return to.stored_by_kernel and to.row_bytes % plan.kernels.item == 0


cdef inline bint makes_runs(const Plan *plan, const Operands *operands) noexcept nogil:
    """Whether plain tiles in place may run on over the ends of rows: neither input, which is read in place, nor result
    has gaps there.
    """
    cdef const Destination *to = &operands.destination
    return (
        plan.one_tap and plan.algorithm == TILE and plan.flat and not plan.gathers
        and to.row_bytes == plan.problem.out_size[1] * to.column_bytes
    )


cdef bint window_in_input(const Plan *plan, const Operands *operands, const Task *task) noexcept nogil
cdef Task run_of_pixels(const Plan *plan, const Operands *operands, const Task *task) noexcept nogil
cdef Py_ssize_t lead_pixels(const Plan *plan, const Operands *operands, const Task *task) noexcept nogil
cdef void prepare_window(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t channel, Py_ssize_t channels,
    Py_ssize_t ahead, char *window
) noexcept nogil
cdef const void *clamp_bounds(const Plan *plan, const Destination *to, double *storage) noexcept nogil
