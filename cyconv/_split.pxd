"""Products of bfloat16 parts: cost, blocks and scratch."""

from libc.stdint cimport uint32_t

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport (
    CYC_SPLIT_CHUNK,
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
    # Bytes of the weights of a panel that stay in the first level, of 48 KiB, through half of which the pixels of all
    # tiles pass; and the most that are divided into such parts. Of more, loads run ahead as fast as they are used.
    NEAR_BYTES = 24 * 1024
    MOST_DIVIDED_BYTES = 60 * 1024


cdef struct DoubtfulTile:
    # Of a panel; with some results to be computed again.
    Py_ssize_t spot
    uint32_t[CYC_SPLIT_TILE] lanes  # [output]: these pixels
    float[CYC_SPLIT_TILE * CYC_SPLIT_TILE] totals
    float[CYC_SPLIT_TILE * CYC_SPLIT_TILE] direct


cdef inline Py_ssize_t split_bytes(const Plan *plan, Py_ssize_t terms) noexcept nogil:
    """Of so many terms of a panel, or of a tile of pixels."""
    return ceil_div(terms, CYC_SPLIT_STEP) * CYC_SPLIT_STEP_BYTES(plan.problem.split_parts)


cdef inline Py_ssize_t chunk_steps(const Plan *plan) noexcept nogil:
    """Steps of a chunk: of whole groups of channels, where each step is a tap of one."""
    cdef Py_ssize_t most = CYC_SPLIT_CHUNK // CYC_SPLIT_STEP, taps = plan.rows.taps * plan.columns.taps
    return most // taps * taps if plan.skips else most


cdef inline Py_ssize_t near_end(const Plan *plan, Py_ssize_t step, Py_ssize_t steps) noexcept nogil:
    """Where the steps end that all tiles take from `step` on: a chunk, or a part of it whose weights stay near."""
    cdef Py_ssize_t chunk = chunk_steps(plan), begin = step // chunk * chunk, count = min(chunk, steps - begin)
    cdef Py_ssize_t bytes = count * CYC_SPLIT_STEP_BYTES(plan.problem.split_parts)
    cdef Py_ssize_t parts = ceil_div(bytes, NEAR_BYTES) if bytes <= MOST_DIVIDED_BYTES else 1
    return min(begin + count, step + ceil_div(count, parts))


cdef inline bint keeps_totals(const Plan *plan) noexcept nogil:
    """Whether all tiles of a panel have sums of their own, as each of them goes by more than once."""
    cdef Py_ssize_t steps = ceil_div(plan.terms, CYC_SPLIT_STEP)
    return near_end(plan, 0, steps) < steps


cdef inline void clear_range(cyc_split_range *found) noexcept nogil:
    """That of no numbers."""
    cdef Py_ssize_t index
    for index in range(CYC_SPLIT_TILE):
        found.least[index] = CYC_SPLIT_NO_EXPONENT
        found.most[index] = 0


cdef double split_cost(Plan *plan) noexcept nogil
cdef void choose_split_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil
cdef void size_split_scratch(Plan *plan) noexcept nogil
