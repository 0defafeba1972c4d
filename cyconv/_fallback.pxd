"""The direct algorithms in the place of one that does not sum products."""

from cyconv._plan cimport Plan
from cyconv._run cimport Operands


cdef int run_directly(const Plan *plan, const Operands *operands, int threads) noexcept nogil
cdef int run_block_directly(
    const Plan *plan, const Operands *operands, Py_ssize_t image, Py_ssize_t group, const Py_ssize_t *start,
    const Py_ssize_t *count
) noexcept nogil
