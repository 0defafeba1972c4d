"""Running a plan: the loops over tasks, blocks and tiles."""

from cyconv._kernels cimport cyc_store_fn
from cyconv._plan cimport Plan
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
    bint direct  # a kernel may store by itself: contiguous columns of the compute dtype
    int activation
    cyc_store_fn store


cdef struct Operands:
    Source source
    Destination destination
    const char *weight  # [group][output][term]
    const char *panels  # packed weights: [group][panel][term][output of the panel], then flags
    const char *bias  # [group][output], of the compute dtype


cdef int run_plan(const Plan *plan, const Operands *operands, int threads) noexcept nogil
