"""How much of the image, of the terms and of the outputs a task takes at a time."""

from cyconv._plan cimport Plan


cdef enum:
    # The window of a block, in a second-level cache of 512 KiB or more, as the CPUs of the last ten years have.
    TILE_WINDOW_BUDGET = 256 * 1024
    # Below this many pixels in a block, reading the panels costs more than using them: from that cache, and from beyond
    # it where the weights are too many for one pass.
    MIN_BLOCK_PIXELS = 128
    MIN_BLOCK_PIXELS_OF_PASSES = 384
    # Tasks for each thread, so that none waits long for another.
    TASKS_PER_THREAD = 8


cdef inline Py_ssize_t window_bytes(const Plan *plan, Py_ssize_t channels) noexcept nogil:
    return channels * plan.window.channel_pitch * plan.kernels.item


cdef Py_ssize_t most_block_rows(
    Plan *plan, Py_ssize_t most, Py_ssize_t columns, Py_ssize_t channels, Py_ssize_t budget
) noexcept nogil
cdef Py_ssize_t share_rows(
    const Plan *plan, Py_ssize_t block, Py_ssize_t least, Py_ssize_t parts, Py_ssize_t threads
) noexcept nogil
cdef Py_ssize_t channels_of_near_panels(const Plan *plan) noexcept nogil
cdef Py_ssize_t rows_of_near_panels(const Plan *plan, Py_ssize_t columns) noexcept nogil
cdef void choose_blocks(Plan *plan, Py_ssize_t threads) noexcept nogil
