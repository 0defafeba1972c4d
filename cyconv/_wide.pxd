"""A batch of small images, side by side as one wide image."""

from cyconv._kernels cimport cyc_isa
from cyconv._plan cimport Plan, Problem
from cyconv._task cimport Destination, Operands
from cyconv._window cimport Source


cdef bint images_are_contiguous(
    const Problem *problem, const Source *source, const Destination *to, Py_ssize_t item
) noexcept nogil
cdef int plan_batch(
    Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads, Py_ssize_t *images
) noexcept nogil
cdef Py_ssize_t wide_bytes(const Plan *plan) noexcept nogil
cdef int run_wide(const Plan *plan, const Operands *operands, Py_ssize_t images, int threads) noexcept nogil
