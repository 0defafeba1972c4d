"""What tiles save where taps read nothing but zero padding, inlined where it is used."""

from cyconv._plan cimport MAX_SPAN_LISTS, Plan
from cyconv._window cimport ZEROS, Axis


cdef enum:
    # To find the taps of a tile, against the products that it leaves out: of full tiles with so many sums.
    SKIP_SLOTS = 200
    FULL_TILE = 24
    # A flat tile that leaves out kernel rows begins a span for each channel: few terms later its loop ends, which is
    # not foreseen. Measured, of three rows the last or the first left out: 28 on AVX2, 47 on AVX-512.
    SPAN_START_SLOTS = 40


cdef struct Sections:
    # Of an axis, each of outputs for which the same taps read the input: where it ends, and how many taps those are; as
    # far as there are lists for them.
    Py_ssize_t count
    Py_ssize_t[MAX_SPAN_LISTS] end
    Py_ssize_t[MAX_SPAN_LISTS] taps


cdef inline Py_ssize_t find_sections(const Axis *axis, Sections *sections) noexcept nogil:
    """The sections of an axis; how many.

    From the last tap on, the outputs that begin and cease to read the input are in ascending order.
    """
    cdef Py_ssize_t first = axis.taps - 1, last = axis.taps - 1, output = 0, end
    sections.count = 0
    while output < axis.out:
        while first >= 0 and axis.reading[first] <= output:
            first -= 1
        while last >= 0 and axis.reading_end[last] <= output:
            last -= 1
        end = axis.reading[first] if first >= 0 else axis.out
        output = min(end, axis.reading_end[last]) if last >= 0 else end
        if sections.count < <Py_ssize_t>MAX_SPAN_LISTS:
            sections.end[sections.count] = output
            sections.taps[sections.count] = max(<Py_ssize_t>0, last - first)
        sections.count += 1
    return sections.count


cdef inline double read_share(const Axis *axis) noexcept nogil:
    """The share of taps that read the input, not zero padding, over all outputs of an axis."""
    cdef Py_ssize_t tap, reads = 0
    if axis.mode != ZEROS:
        return 1.0
    for tap in range(axis.taps):
        reads += max(0, axis.reading_end[tap] - axis.reading[tap])
    return <double>reads / axis.taps / axis.out


cdef inline double skipping_share(const Plan *plan, const Axis *axis) noexcept nogil:
    """The share of taps that remain when those over padding are left out; 1 where that does not pay."""
    cdef double share = read_share(axis)
    return share if (1 - share) * plan.terms * FULL_TILE > SKIP_SLOTS else 1.0


cdef inline Py_ssize_t rows_of_tile(const Axis *rows, Py_ssize_t pixels, Py_ssize_t pitch) noexcept nogil:
    """Rows that a flat tile of so many pixels meets, if they lie `pitch` apart."""
    return min(rows.out, 1 + (pixels - 1 + pitch // 2) // pitch)


cdef inline double flat_share(const Axis *axis, Py_ssize_t rows) noexcept nogil:
    """The share of kernel rows that remain where flat tiles leave out those that none of their rows reads."""
    cdef Py_ssize_t last = axis.out - rows, tap
    cdef double reads = 0
    for tap in range(axis.taps):  # the first rows of the tiles that have a use for it
        reads += max(
            <Py_ssize_t>0,
            min(axis.reading_end[tap] - 1, last) - max(<Py_ssize_t>0, axis.reading[tap] - rows + 1) + 1
        )
    return reads / axis.taps / (last + 1)


cdef inline double flat_term_slots(
    const Plan *plan, double slots, Py_ssize_t tiles, Py_ssize_t pixels, Py_ssize_t pitch
) noexcept nogil:
    """What is left of the slots of a term where flat tiles, of so many pixels, leave out kernel rows that none of their
    rows reads. Rows lie `pitch` apart. Beyond the last list tiles take all taps.
    """
    cdef const Axis *axis = &plan.rows
    cdef Py_ssize_t rows = rows_of_tile(axis, pixels, pitch), last = axis.out - rows, whole
    cdef Sections sections
    if find_sections(axis, &sections) > MAX_SPAN_LISTS:
        return slots
    whole = min(axis.reading_end[axis.taps - 1] - 1, last) - max(<Py_ssize_t>0, axis.reading[0] - rows + 1) + 1
    return (
        slots * flat_share(axis, rows)
        + SPAN_START_SLOTS * tiles * (1 - max(<Py_ssize_t>0, whole) / <double>(last + 1))
        / (axis.taps * plan.columns.taps)
    )
