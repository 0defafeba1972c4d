"""The unit of the cost model, inlined where it is used: what a tile takes.

Time is counted in slots: a vector multiply-add on a core that starts two a cycle and loads two
vectors a cycle. Cores that do one of each have the same ratios; one that halves its vectors starts
one multiply-add a cycle, or loads two scalars or two halves of a vector.
"""

from cyconv._integers cimport CACHE_LINE, balanced
from cyconv._isa cimport line_kind
from cyconv._kernels cimport (
    CYC_KEEPS_TOTALS,
    CYC_KEPT_COLUMNS,
    CYC_HALVED_LINES,
    CYC_LATE_LINES,
    CYC_NO_LINES,
    CYC_WHOLE_LINES,
    cyc_kernels,
    most_tile_rows,
)


cdef enum:
    SHORTER_THAN_A_LINE = -1  # beside the kinds of kernels.h
    # See cycle_slots. Measured on Granite Rapids: 2.1 for Winograd's transforms, 2.2 for Fourier's, 1.9 for the row
    # kernel.
    WHOLE_LINE_CYCLE_PERCENT = 210
    # Instruction sets with fewer have tiles of twelve sums at most.
    MANY_REGISTERS = 32
    # Fewer sums than this cannot hide the four cycles that a multiply-add takes.
    LATENCY_SLOTS = 8
    # Packing and the tile loops cost this before the first product.
    TILE_START_SLOTS = 1200
    # The call of a tile. A total of a chunk: through memory, in a register.
    TILE_CALL_SLOTS = 20
    TOTAL_SLOTS = 3
    KEPT_TOTAL_SLOTS = 1
    # Twelve sums hide less of what is beside their products. Measured on Zen 3: the totals of a chunk take 40 cycles,
    # a term of 8 sums takes 9.5 slots with them, of 10 sums 11, of 12 sums 13.
    FEW_SUMS_LATENCY_SLOTS = 9
    FEW_SUMS_TOTAL_SLOTS = 7
    # A term of vectors of whole lines, beside the larger of its products and loads. Late ones: measured on Granite
    # Rapids, in tiles of 12 to 28 sums, and fitted to 75 shapes. Others: fitted to Winograd's products on Zen 5, which
    # makes 95% of the products in every tile that has its operands near.
    WHOLE_TERM_SLOTS = 3
    LATE_TERM_SLOTS = 5
    # Likewise, where each row loads the last vector: what decides where 14x2 or 6x4 would do, which take 8 to 14% less
    # than 7x4 there.
    LATE_LAST_VECTOR_SLOTS = 2
    # A scalar that several products share is loaded by an instruction of its own. Where vectors are halved,
    # that takes part of a product's place: measured, 1 to 3%.
    UNFOLDED_PERCENT = 2
    # The second level of cores with whole vectors of 64 bytes, and the percentage of it that is filled without losses.
    SECOND_LEVEL = 2 * 1024 * 1024
    KEPT_PERCENT = 25
    # Cores that halve lines have a second level of 1 MiB. Arrays beyond it are fetched ahead.
    HALVED_SECOND_LEVEL = 1024 * 1024
    # Arrays of more bytes come from memory: half of a third level of 32 MiB, in which others on the host have theirs.
    FAR_ARRAYS = 16 * 1024 * 1024


cdef struct Terms:
    # Of a sum, and how many of them share a total.
    Py_ssize_t count
    Py_ssize_t chunk


cdef inline double load_slots(const cyc_kernels *kernels) noexcept nogil:
    """An unaligned vector load: one more where it crosses a cache line."""
    return 1.0 + <double>(kernels.lanes * kernels.item) / CACHE_LINE


cdef inline int lines_of(const cyc_kernels *kernels) noexcept nogil:
    """How the core fares with the vectors of these kernels (kernels.h); SHORTER_THAN_A_LINE if they are."""
    return line_kind() if kernels.lanes * kernels.item == CACHE_LINE else SHORTER_THAN_A_LINE


cdef inline bint has_whole_lines(const cyc_kernels *kernels) noexcept nogil:
    """Whether vectors are of a cache line, of which the core multiplies two a cycle."""
    cdef int lines = lines_of(kernels)
    return lines == CYC_WHOLE_LINES or lines == CYC_LATE_LINES


cdef inline bint has_late_lines(const cyc_kernels *kernels) noexcept nogil:
    """Likewise, and waits for those that the second level provides."""
    return lines_of(kernels) == CYC_LATE_LINES


cdef inline bint waits_with_few_registers(const cyc_kernels *kernels) noexcept nogil:
    """Whether the core waits for lines, and kernels of few registers load what others keep."""
    return kernels.registers < MANY_REGISTERS and line_kind() == CYC_LATE_LINES


cdef inline bint halves_lines(const cyc_kernels *kernels) noexcept nogil:
    """Whether vectors are of a cache line, which the core takes in halves."""
    return lines_of(kernels) == CYC_HALVED_LINES


cdef inline bint fetches_far(const cyc_kernels *kernels, double bytes, double near) noexcept nogil:
    """Whether kernels fetch what no prefetcher of the hardware follows: where lines come late, or are halved and the
    arrays of so many bytes do not stay in a level of `near`.
    """
    return has_late_lines(kernels) or halves_lines(kernels) and bytes > near


cdef inline double far_share(Py_ssize_t in_use) noexcept nogil:
    """How much of what is read again does not come from the second level, by the bytes that are in use meanwhile."""
    return max(0.0, <double>in_use / SECOND_LEVEL - KEPT_PERCENT / 100.0)


cdef inline double cycle_slots(const cyc_kernels *kernels) noexcept nogil:
    """Slots that a cycle of loads, stores and permutations counts: one on a core with a slot a cycle; where a cycle has
    two of whole lines, such work takes as many cycles, and so twice the slots.
    """
    return WHOLE_LINE_CYCLE_PERCENT / 100.0 if has_whole_lines(kernels) else 1.0


cdef inline bint wants_near_panels(const cyc_kernels *kernels) noexcept nogil:
    """Whether a tile reads its panel faster than the second level provides it: 64 bytes of each term in the six
    cycles of twelve products, or 128 in fourteen. Where vectors are halved these products take twelve.
    """
    if kernels.registers < MANY_REGISTERS:
        return line_kind() != CYC_NO_LINES
    return has_late_lines(kernels)


cdef inline Py_ssize_t candidate_rows(const cyc_kernels *kernels, Py_ssize_t vectors, int keeps) noexcept nogil:
    """The most rows of a tile of `vectors` vectors, or of one that keeps its totals in registers; 0: none."""
    cdef Py_ssize_t rows = most_tile_rows(kernels, vectors)
    while keeps and rows > 0 and not CYC_KEEPS_TOTALS(kernels.registers, rows, vectors):
        rows -= 1
    return rows


cdef inline Py_ssize_t kept_rows(const cyc_kernels *kernels, Py_ssize_t vectors, int keeps) noexcept nogil:
    """The most rows of a tile that loads each vector of a term once, as those of a window cross cache lines."""
    cdef Py_ssize_t rows = candidate_rows(kernels, vectors, keeps)
    while rows > 0 and CYC_KEPT_COLUMNS(kernels.registers, rows, vectors) < vectors:
        rows -= 1
    return rows


cdef inline double tile_slots(
    const cyc_kernels *kernels, Py_ssize_t rows, Py_ssize_t vectors, const Terms *terms
) noexcept nogil:
    """One term of a tile: its products, or what it loads; and its share of totals and call."""
    cdef Py_ssize_t kept = CYC_KEPT_COLUMNS(kernels.registers, rows, vectors)
    cdef double vector_loads = load_slots(kernels) * (kept if kept == vectors else kept + rows)
    cdef double loads = rows + vector_loads + 1, latency = LATENCY_SLOTS
    cdef double sums = rows * vectors, total = TOTAL_SLOTS, beside = 0
    cdef int lines = lines_of(kernels)
    if kernels.registers < MANY_REGISTERS:
        latency = FEW_SUMS_LATENCY_SLOTS
        total = FEW_SUMS_TOTAL_SLOTS
    if lines == CYC_HALVED_LINES:
        loads = (loads + vector_loads) / 2
        latency /= 2
        if vectors > 1:
            sums += sums * UNFOLDED_PERCENT / 100
    elif lines == CYC_WHOLE_LINES:
        beside = WHOLE_TERM_SLOTS
    elif lines == CYC_LATE_LINES:
        beside = LATE_TERM_SLOTS
        if kept < vectors:
            beside += LATE_LAST_VECTOR_SLOTS
    if CYC_KEEPS_TOTALS(kernels.registers, rows, vectors):
        total = KEPT_TOTAL_SLOTS
    return (
        max(max(sums, loads) + beside, latency) + total * sums / terms.chunk
        + TILE_CALL_SLOTS / <double>max(<Py_ssize_t>1, terms.count)
    )


cdef inline double vectors_slots(
    const cyc_kernels *kernels, Py_ssize_t rows, Py_ssize_t vectors, Py_ssize_t most, const Terms *terms
) noexcept nogil:
    """One term of `vectors` vectors in tiles of up to `most`."""
    cdef double slots = vectors // most * tile_slots(kernels, rows, most, terms)
    if vectors % most:
        slots += tile_slots(kernels, rows, vectors % most, terms)
    return slots


cdef inline double scalars_slots(
    const cyc_kernels *kernels, Py_ssize_t scalars, Py_ssize_t rows, Py_ssize_t vectors, Py_ssize_t most,
    const Terms *terms
) noexcept nogil:
    """One term of `scalars` scalars and `vectors` vectors in tiles of up to `rows` and `most`."""
    cdef double slots
    if scalars == 0:
        return 0
    rows = balanced(scalars, rows)
    slots = scalars // rows * vectors_slots(kernels, rows, vectors, most, terms)
    if scalars % rows:
        slots += vectors_slots(kernels, scalars % rows, vectors, most, terms)
    return slots
