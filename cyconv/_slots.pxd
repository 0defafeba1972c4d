"""The unit of the cost model, inlined where it is used: what a term of a tile takes.

Time is counted in slots: a vector multiply-add on a core that starts two a cycle and loads two
vectors a cycle. Cores that do one of each have the same ratios.
"""

from cyconv._kernels cimport cyc_kernels


cdef enum:
    CACHE_LINE = 64
    # Fewer sums than this cannot hide the four cycles that a multiply-add takes.
    LATENCY_SLOTS = 8
    # Packing and the tile loops cost this before the first product.
    TILE_START_SLOTS = 1500


cdef inline double load_slots(const cyc_kernels *kernels) noexcept nogil:
    """An unaligned vector load: one more where it crosses a cache line."""
    return 1.0 + <double>(kernels.lanes * kernels.item) / CACHE_LINE


cdef inline double tile_slots(const cyc_kernels *kernels, Py_ssize_t rows, Py_ssize_t vectors) noexcept nogil:
    """One term of a tile: its products, or what it loads."""
    return max(max(<double>(rows * vectors), rows + load_slots(kernels) * vectors + 1), LATENCY_SLOTS)


cdef inline double vectors_slots(
    const cyc_kernels *kernels, Py_ssize_t rows, Py_ssize_t vectors, Py_ssize_t most
) noexcept nogil:
    """One term of `vectors` vectors in tiles of up to `most`."""
    cdef double slots = vectors // most * tile_slots(kernels, rows, most)
    if vectors % most:
        slots += tile_slots(kernels, rows, vectors % most)
    return slots
