"""Window preparation: the strip of input that a block of outputs reads, padded and converted."""

from cyconv._kernels cimport cyc_load_fn, cyc_turn_fn


cdef enum PaddingMode:
    ZEROS
    REFLECT
    REPLICATE
    CIRCULAR


cdef struct Run:
    # Window positions that lie `stride` padded coordinates apart, for the taps that share them.
    Py_ssize_t first  # padded coordinate of position 0, counted from the block's first output
    Py_ssize_t length  # positions, for a block of full size
    Py_ssize_t start  # where the run begins among all positions of the axis


cdef struct Axis:
    Py_ssize_t size  # input coordinates
    Py_ssize_t before  # padding in front
    Py_ssize_t stride
    Py_ssize_t dilation
    Py_ssize_t taps
    Py_ssize_t out  # output coordinates
    Py_ssize_t block  # output coordinates of a block of full size
    Py_ssize_t blocks
    Py_ssize_t inner  # first output coordinate of the blocks that are read in place
    Py_ssize_t inner_end  # the outputs before and behind those make a block each
    int mode
    Py_ssize_t run_count
    Py_ssize_t length  # positions of all runs
    Py_ssize_t longest  # positions of the longest run
    Run *runs  # [taps], owned by the plan
    Py_ssize_t *tap_run  # [taps]
    Py_ssize_t *tap_position  # [taps], counted from the start of its run
    # [taps]: the first output for which a tap reads the input and not padding, and behind the last one; both descend,
    # or stay, from one tap to the next
    Py_ssize_t *reading
    Py_ssize_t *reading_end


cdef struct Source:
    # Where the input lies; strides in bytes, of any sign.
    const char *data
    Py_ssize_t batch_bytes
    Py_ssize_t channel_bytes
    Py_ssize_t row_bytes
    Py_ssize_t column_bytes
    Py_ssize_t part_bytes  # from the real to the imaginary part
    Py_ssize_t parts  # 2 for complex input, whose parts are channels of their own; else 1
    cyc_load_fn load
    cyc_turn_fn turn  # where elements lie side by side in a row and need no conversion; else NULL
    bint deals_phases  # loads take all phases of a row at once


cdef struct Window:
    # The layout in scratch: [channel][column run][row position][column position], in elements.
    Py_ssize_t row_pitch
    Py_ssize_t plane_pitch
    Py_ssize_t channel_pitch
    Py_ssize_t item


cdef Py_ssize_t shared_row_stride(const Axis *rows) noexcept nogil
cdef Py_ssize_t shared_row_step(const Axis *rows) noexcept nogil
cdef void find_reading(Axis *axis) noexcept nogil
cdef inline Py_ssize_t first_below(const Py_ssize_t *values, Py_ssize_t count, Py_ssize_t bound) noexcept nogil:
    """The index of the first of some values, none of which is more than the one before, below `bound`; or `count`."""
    cdef Py_ssize_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) // 2
        if values[middle] < bound:
            high = middle
        else:
            low = middle + 1
    return low


cdef void reading_taps(
    const Axis *axis, Py_ssize_t output, Py_ssize_t end, Py_ssize_t *first, Py_ssize_t *last
) noexcept nogil
cdef bint find_block(const Axis *axis, Py_ssize_t index, Py_ssize_t *first, Py_ssize_t *count) noexcept nogil
cdef void layout_axis(Axis *axis, Py_ssize_t block) noexcept nogil
cdef inline Py_ssize_t first_input(const Axis *axis, Py_ssize_t output) noexcept nogil:
    """The first input coordinate that outputs from `output` on read."""
    return min(axis.size, max(<Py_ssize_t>0, output * axis.stride - axis.before))


cdef inline Py_ssize_t input_count(const Axis *axis, Py_ssize_t output, Py_ssize_t count) noexcept nogil:
    """The input coordinates, from that one on, that `count` outputs read."""
    cdef Py_ssize_t end = (output + count - 1) * axis.stride - axis.before + (axis.taps - 1) * axis.dilation + 1
    return max(<Py_ssize_t>0, min(axis.size, end) - first_input(axis, output))


cdef Py_ssize_t shared_row_pitch(const Axis *columns) noexcept nogil
cdef void prepare_channels(
    const Window *window, const Axis *rows, const Axis *columns, const Source *source, const char *image,
    Py_ssize_t channel, Py_ssize_t channels, Py_ssize_t row, Py_ssize_t row_count, Py_ssize_t column,
    Py_ssize_t column_count, Py_ssize_t ahead, char *dst
) noexcept nogil
