"""Products of bfloat16 parts: cost, blocks and scratch."""

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport CYC_SPLIT_STEP, CYC_SPLIT_STEP_BYTES
from cyconv._plan cimport Plan


cdef enum:
    # Terms of a tile that is computed again, which go by together: their pixels and weights stay in the first level.
    DIRECT_TERMS = 128


cdef inline Py_ssize_t split_bytes(const Plan *plan, Py_ssize_t terms) noexcept nogil:
    """Of so many terms of a panel, or of a tile of pixels."""
    return ceil_div(terms, CYC_SPLIT_STEP) * CYC_SPLIT_STEP_BYTES(plan.problem.split_parts)


cdef double split_cost(Plan *plan) noexcept nogil
cdef void choose_split_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil
cdef void size_split_scratch(Plan *plan) noexcept nogil
