"""Products of bfloat16 parts: cost, blocks and scratch."""

from libc.stdint cimport uint32_t

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport (
    CYC_SPLIT_NO_EXPONENT,
    CYC_SPLIT_STEP,
    CYC_SPLIT_STEP_BYTES,
    CYC_SPLIT_TILE,
    cyc_split_range,
)
from cyconv._plan cimport Plan


cdef enum:
    # Terms of a tile that is computed again, which go by together: their pixels and weights stay in the first level.
    DIRECT_TERMS = 128
    # Outputs of a panel in tiles of the direct kernels, whose last may have as many columns as the others.
    DIRECT_OUTPUTS = 2 * CYC_SPLIT_TILE


cdef struct DoubtfulTile:
    # Of a panel; with some results to be computed again.
    Py_ssize_t spot
    uint32_t[CYC_SPLIT_TILE] lanes  # [output]: these pixels
    float[CYC_SPLIT_TILE * CYC_SPLIT_TILE] totals
    float[CYC_SPLIT_TILE * CYC_SPLIT_TILE] direct


cdef inline Py_ssize_t split_bytes(const Plan *plan, Py_ssize_t terms) noexcept nogil:
    """Of so many terms of a panel, or of a tile of pixels."""
    return ceil_div(terms, CYC_SPLIT_STEP) * CYC_SPLIT_STEP_BYTES(plan.problem.split_parts)


cdef inline void clear_range(cyc_split_range *found) noexcept nogil:
    """That of no numbers."""
    cdef Py_ssize_t index
    for index in range(CYC_SPLIT_TILE):
        found.least[index] = CYC_SPLIT_NO_EXPONENT
        found.most[index] = 0


cdef double split_cost(Plan *plan) noexcept nogil
cdef void choose_split_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil
cdef void size_split_scratch(Plan *plan) noexcept nogil
