"""A task: the part of a convolution that one thread computes at a time, and the arrays that it touches."""

from libc.math cimport INFINITY

from cyconv._integers cimport ceil_div, round_up
from cyconv._kernels cimport CYC_F32, CYC_NO_ACTIVATION, CYC_RELU6
from cyconv._plan cimport MAX_OFFSET, TURNED_TILE, Plan, stays_in_place
from cyconv._window cimport Source, find_block, prepare_channels


cdef enum:
    # Of a block whose pixels are in a near cache, from which vectors that lie in two lines cost less than one more.
    MAX_TILES_ASTRIDE = 8


cdef Task find_task(const Plan *plan, Py_ssize_t index) noexcept nogil:
    """Task number `index`; the parts of one image are neighbours, so that they share its cache."""
    cdef Task task
    cdef Py_ssize_t groups = ceil_div(plan.problem.groups, plan.group_block)
    cdef bint inner = find_block(&plan.columns, index % plan.columns.blocks, &task.column, &task.column_count)
    task.following = index + 1
    index //= plan.columns.blocks
    inner = find_block(&plan.rows, index % plan.rows.blocks, &task.row, &task.row_count) and inner
    index //= plan.rows.blocks
    task.panel = index % plan.panel_blocks * plan.panel_block
    task.panel_count = min(plan.panel_block, plan.panels - task.panel)
    index //= plan.panel_blocks
    task.group = index % groups * plan.group_block
    task.group_count = min(plan.group_block, plan.problem.groups - task.group)
    task.image = index // groups
    task.in_place = plan.in_place and inner
    return task


cdef char *output_address(
    const Plan *plan, const Destination *to, const Task *task, Py_ssize_t channel
) noexcept nogil:
    """The first output pixel of the task, of real output channel `channel` of its group."""
    channel += task.group * plan.problem.out_channels
    return (
        to.data + task.image * to.batch_bytes
        + channel // to.parts * to.channel_bytes + channel % to.parts * to.part_bytes
        + task.row * to.row_bytes + task.column * to.column_bytes
    )


cdef char *channel_address(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t channel
) noexcept nogil:
    """The first input pixel of a channel of the task's group; not to be written."""
    cdef const Source *source = &operands.source
    channel += task.group * plan.problem.in_channels
    return <char *>source.data + task.image * source.batch_bytes + channel * source.channel_bytes


cdef bint window_in_input(const Plan *plan, const Operands *operands, const Task *task) noexcept nogil:
    """Whether the input is laid out as the window of a tile algorithm would be, which reads nothing beyond it.

    That is a kernel of one tap over rows without gaps between them. A turned tile reads its pixels only, others whole
    vectors, which may end in rows after those of the task, or with the task, if the last of several tiles overlaps the
    one before. The lines of a term lie far from those of the next: where many panels read many terms, a copy costs
    less.
    """
    cdef const Source *source = &operands.source
    cdef Py_ssize_t item = plan.kernels.item, columns = plan.problem.in_size[1], pitch, pixels
    cdef Py_ssize_t most = MAX_OFFSET // max(<Py_ssize_t>1, plan.channel_block)
    if not plan.one_tap or not plan.problem.readable:
        return False
    if plan.window.row_pitch != columns or source.row_bytes != columns * item:
        return False
    pitch = source.channel_bytes // item
    if source.channel_bytes % item or max(pitch, -pitch) > most:
        return False
    if plan.algorithm == TURNED_TILE or plan.gathers:
        return True
    if not stays_in_place(plan, task.panel_count):
        return False
    if makes_runs(plan, operands):
        pixels = plan.problem.in_size[0] * columns
        return pixels % plan.kernels.lanes == 0 or pixels > plan.pixel_tile
    if columns % plan.kernels.lanes == 0:
        return True
    return plan.flat and (ends_in_input(plan, task) or task.row_count * columns > plan.pixel_tile)


cdef Py_ssize_t pixels_beyond_vector(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t pixel
) noexcept nogil:
    """How far from the beginning of a whole vector a pixel of the input lies; 0 if channels differ in that."""
    cdef Py_ssize_t item = plan.kernels.item, vector = plan.kernels.lanes * item
    if operands.source.channel_bytes % vector:
        return 0
    return (<size_t>operands.source.data + task.image * operands.source.batch_bytes + pixel * item) % vector // item


cdef Py_ssize_t lead_pixels(const Plan *plan, const Operands *operands, const Task *task) noexcept nogil:
    """The pixels of the first tile of a block in place, for the others to begin at whole vectors of the input, and for
    the last to end in it.

    Arrays begin anywhere, and vectors of a line would be loaded from two. A whole tile where that cannot be helped, as
    channels begin at different places in a line, or saves a vector, of a small block, but the last tile would read
    beyond the input. 0: all tiles are alike.
    """
    cdef Py_ssize_t pixels = task.row_count * task.column_count, lanes = plan.kernels.lanes, beyond, lead
    if not plan.flat or pixels <= plan.pixel_tile:
        return 0
    beyond = pixels_beyond_vector(plan, operands, task, task.row * plan.problem.in_size[1] + task.column)
    lead = plan.pixel_tile - beyond
    if (
        pixels <= MAX_TILES_ASTRIDE * plan.pixel_tile
        and ceil_div(lead, lanes) + ceil_div(pixels - lead, lanes) > ceil_div(pixels, lanes)
    ):
        beyond = 0
    if beyond > 0:
        return lead
    return 0 if ends_in_input(plan, task) else plan.pixel_tile


cdef Py_ssize_t run_boundary(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t pixel
) noexcept nogil:
    """Where the run of whole tiles ends that has pixel `pixel` - 1, the last of a block of rows.

    Tiles are counted from the first whole vector of the image, so that blocks share it out between tiles, not between
    rows. No run is so short that its only tile might end beyond the input.
    """
    cdef Py_ssize_t pixels = plan.problem.in_size[0] * plan.problem.in_size[1], tile = plan.pixel_tile
    cdef Py_ssize_t beyond = pixels_beyond_vector(plan, operands, task, 0), lead, boundary
    if pixel == 0:
        return 0
    lead = tile - beyond if beyond > 0 else 0
    boundary = lead + round_up(max(<Py_ssize_t>0, pixel - lead), tile)
    return boundary if boundary + tile < pixels else pixels


cdef Task run_of_pixels(const Plan *plan, const Operands *operands, const Task *task) noexcept nogil:
    """The pixels of a task of rows in place as a single row, from one whole tile to another; there may be none.

    Tiles that are not whole take as long as others, or half as long: with one at either end of each block of rows,
    layers of one tap take 3 to 8% longer.
    """
    cdef Task run = task[0]
    cdef Py_ssize_t columns = plan.problem.in_size[1]
    run.row = 0
    run.row_count = 1
    run.column = run_boundary(plan, operands, task, task.row * columns)
    run.column_count = run_boundary(plan, operands, task, (task.row + task.row_count) * columns) - run.column
    return run


cdef void prepare_window(
    const Plan *plan, const Operands *operands, const Task *task, Py_ssize_t channel, Py_ssize_t channels,
    Py_ssize_t ahead, char *window
) noexcept nogil:
    """The window of some channels for the outputs of a task; what lies `ahead` bytes after them is fetched, or 0."""
    prepare_channels(
        &plan.window, &plan.rows, &plan.columns, &operands.source,
        operands.source.data + task.image * operands.source.batch_bytes,
        task.group * plan.problem.in_channels + channel, channels,
        task.row, task.row_count, task.column, task.column_count, ahead, window,
    )


cdef const void *clamp_bounds(const Plan *plan, const Destination *to, double *storage) noexcept nogil:
    """The bounds of the activation, two elements of the compute dtype, in `storage`; NULL: sums have none."""
    cdef double low = 0.0, high = 6.0 if to.activation == CYC_RELU6 else INFINITY
    if to.activation == CYC_NO_ACTIVATION or not to.floating:
        return NULL
    storage[0] = low
    storage[1] = high
    if plan.problem.dtype == CYC_F32:
        (<float *>storage)[0] = <float>low
        (<float *>storage)[1] = <float>high
    return storage
