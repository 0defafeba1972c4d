"""The cost of Winograd's F(4x4, 3x3), and the block and the tile that go with it."""

from cyconv._integers cimport balanced, ceil_div
from cyconv._kernels cimport (
    CYC_KEEPS_TOTALS,
    CYC_MAX_TILE_VECTORS,
    CYC_WINOGRAD_IN,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_PRODUCTS,
    CYC_WINOGRAD_TAPS,
    most_rows,
)
from cyconv._plan cimport HELD_FACTORS_BUDGET, WINOGRAD_CHUNK, Plan, Problem
from cyconv._slots cimport TILE_START_SLOTS, tile_slots, vectors_slots
from cyconv._tile_block cimport TileBlock
from cyconv._window cimport CIRCULAR, REFLECT, Axis


cdef enum:
    # The factors of a block's inputs. One factor of all channels stays in the second-level
    # cache, the others wait in the third; the larger a block, the less often weights are read.
    FACTORS_BUDGET = 4 * 1024 * 1024
    MAX_WINOGRAD_CHANNELS = 1820  # of which a vector of 64 bytes fits the budget
    MAX_BLOCK_VECTORS = 8
    MIN_BLOCK_TILES = 8  # columns of tiles of the narrowest blocks, about
    BLOCK_START_SLOTS = 2000

# A vector of tiles of one input channel, window and phases included, and of one output
# channel, store included; the nine weights of an input and an output; a factor read from afar.
cdef double INPUT_TRANSFORM_SLOTS = 300
cdef double OUTPUT_TRANSFORM_SLOTS = 360
cdef double TURNED_OUTPUT_SLOTS = 560
cdef double WEIGHT_TRANSFORM_SLOTS = 24
cdef double FACTOR_READ_SLOTS = 0.1
# The call of a tile; a total of a chunk, through memory and in a register.
cdef double TILE_CALL_SLOTS = 400
cdef double TOTAL_SLOTS = 3
cdef double KEPT_TOTAL_SLOTS = 1


cdef bint reads_inside(const Axis *axis) noexcept nogil:
    """Whether whole tiles, which may reach beyond the padding, still find their inputs."""
    cdef Py_ssize_t last = (
        ceil_div(axis.out, CYC_WINOGRAD_OUT) * CYC_WINOGRAD_OUT + CYC_WINOGRAD_TAPS - 2 - axis.before
    )
    if axis.mode == REFLECT:
        return last <= 2 * (axis.size - 1)
    return axis.mode != CIRCULAR or last < 2 * axis.size


cdef bint suits_winograd(const Plan *plan) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef int which
    for which in range(2):
        if problem.kernel[which] != CYC_WINOGRAD_TAPS or problem.stride[which] != 1 or problem.dilation[which] != 1:
            return False
    return (
        plan.kernels.winograd_input != NULL and 0 < problem.in_channels <= MAX_WINOGRAD_CHANNELS
        and reads_inside(&plan.rows) and reads_inside(&plan.columns)
    )


cdef Py_ssize_t winograd_tile_rows(const Plan *plan, Py_ssize_t scalars) noexcept nogil:
    """The rows of a tile whose vectors are chosen: fewer where totals then stay in registers and that pays.

    Twice the tiles read their vectors twice, which pays for a panel's weights only: factors of the inputs
    come from the second-level cache.
    """
    cdef Py_ssize_t channels = plan.problem.in_channels, vectors = plan.tile_vectors, rows = plan.tile_rows
    cdef Py_ssize_t chunks = ceil_div(channels, <Py_ssize_t>WINOGRAD_CHUNK), fewer = rows
    cdef double whole, kept
    while fewer > 0 and not CYC_KEEPS_TOTALS(plan.kernels.registers, fewer, vectors):
        fewer -= 1
    if not plan.turned or fewer == 0 or fewer == rows:
        return rows
    fewer = balanced(scalars, fewer)
    whole = channels * tile_slots(plan.kernels, rows, vectors) + chunks * rows * vectors * TOTAL_SLOTS
    kept = channels * tile_slots(plan.kernels, fewer, vectors) + chunks * fewer * vectors * KEPT_TOTAL_SLOTS
    if ceil_div(scalars, fewer) * (kept + TILE_CALL_SLOTS) < ceil_div(scalars, rows) * (whole + TILE_CALL_SLOTS):
        return fewer
    return rows


cdef double scalars_slots(
    const Plan *plan, Py_ssize_t scalars, Py_ssize_t tile_rows, Py_ssize_t vectors, Py_ssize_t most
) noexcept nogil:
    """One term of `scalars` scalars and `vectors` vectors in tiles of up to `tile_rows` and `most`."""
    cdef Py_ssize_t rows
    cdef double slots
    if scalars == 0:
        return 0
    rows = balanced(scalars, tile_rows)
    slots = scalars // rows * vectors_slots(plan.kernels, rows, vectors, most)
    if scalars % rows:
        slots += vectors_slots(plan.kernels, scalars % rows, vectors, most)
    return slots


cdef double turned_slots(
    const Plan *plan, const TileBlock *block, Py_ssize_t tile_rows, Py_ssize_t vectors, Py_ssize_t most
) noexcept nogil:
    """One term of all products, of which the last row and column of tiles may leave some out."""
    cdef Py_ssize_t rows_left = CYC_WINOGRAD_OUT - block.last_rows, columns_left = CYC_WINOGRAD_OUT - block.last_columns
    cdef Py_ssize_t without_row, without_column, products
    cdef double slots = 0
    for without_row in range(2):
        for without_column in range(2):
            products = rows_left if without_row else CYC_WINOGRAD_IN - rows_left
            products *= columns_left if without_column else CYC_WINOGRAD_IN - columns_left
            slots += products * scalars_slots(
                plan, (block.rows - without_row) * (block.columns - without_column), tile_rows, vectors, most
            )
    return slots


cdef inline Py_ssize_t last_outputs(const Plan *plan, int which) noexcept nogil:
    """Outputs of the last row or column of tiles."""
    return (plan.problem.out_size[which] - 1) % CYC_WINOGRAD_OUT + 1


cdef double winograd_tile_slots(Plan *plan, const TileBlock *block) noexcept nogil:
    """All products of one channel for all outputs of a block, and their share of the output transform.

    The kernel's best tile is set.
    """
    cdef Py_ssize_t lanes = plan.kernels.lanes, outputs = plan.problem.out_channels, most, rows, turned
    cdef Py_ssize_t scalars, vectors, tiles = block.rows * block.columns
    cdef double cost, output, best = -1
    for turned in range(2):
        scalars = tiles if turned else outputs
        vectors = ceil_div(outputs if turned else tiles, lanes)
        output = scalars * vectors * (TURNED_OUTPUT_SLOTS if turned else OUTPUT_TRANSFORM_SLOTS)
        for most in range(1, min(vectors, <Py_ssize_t>CYC_MAX_TILE_VECTORS) + 1):
            rows = most_rows(plan.kernels, most)
            if rows == 0:
                continue
            if turned:
                cost = turned_slots(plan, block, rows, vectors, most)
            else:
                cost = CYC_WINOGRAD_PRODUCTS * scalars_slots(plan, scalars, rows, vectors, most)
            # an output transform for each channel, which makes them comparable
            cost += output / plan.problem.in_channels
            if best < 0 or cost < best:
                best = cost
                plan.turned = turned
                plan.tile_vectors = most
                plan.tile_rows = balanced(scalars, rows)
    plan.tile_rows = winograd_tile_rows(plan, tiles if plan.turned else outputs)
    plan.pixel_tile = plan.tile_rows if plan.turned else plan.tile_vectors * lanes
    plan.panel_width = plan.tile_vectors * lanes if plan.turned else plan.tile_rows
    return best


cdef double winograd_block_slots(Plan *plan, const TileBlock *block) noexcept nogil:
    cdef Py_ssize_t channels = plan.problem.in_channels
    return (
        BLOCK_START_SLOTS
        + channels * INPUT_TRANSFORM_SLOTS * block.rows * ceil_div(block.columns, plan.kernels.lanes)
        + channels * winograd_tile_slots(plan, block)
        + CYC_WINOGRAD_PRODUCTS * channels * FACTOR_READ_SLOTS * plan.problem.out_channels
    )


cdef double winograd_blocks_slots(Plan *plan, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """All blocks of an image, of `rows` by `columns` tiles but for the last ones.

    The tile is set that suits the first block best.
    """
    cdef Py_ssize_t tile_rows = ceil_div(plan.problem.out_size[0], CYC_WINOGRAD_OUT)
    cdef Py_ssize_t tile_columns = ceil_div(plan.problem.out_size[1], CYC_WINOGRAD_OUT)
    cdef Py_ssize_t row_blocks = ceil_div(tile_rows, rows), column_blocks = ceil_div(tile_columns, columns)
    cdef Py_ssize_t row_count, column_count
    cdef bint last_row, last_column
    cdef double slots = 0
    cdef TileBlock block
    for last_row in (True, False):
        row_count = 1 if last_row else row_blocks - 1
        block.rows = tile_rows - (row_blocks - 1) * rows if last_row else rows
        block.last_rows = last_outputs(plan, 0) if last_row else CYC_WINOGRAD_OUT
        for last_column in (True, False):
            column_count = 1 if last_column else column_blocks - 1
            if row_count * column_count == 0:
                continue
            block.columns = tile_columns - (column_blocks - 1) * columns if last_column else columns
            block.last_columns = last_outputs(plan, 1) if last_column else CYC_WINOGRAD_OUT
            slots += row_count * column_count * winograd_block_slots(plan, &block)
    return slots


cdef double winograd_cost(Plan *plan) noexcept nogil:
    """-1 where the algorithm does not apply; sets the block as well, whose waste it counts."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t lanes = plan.kernels.lanes, channels = problem.in_channels, outputs = problem.out_channels
    cdef Py_ssize_t tile_rows = ceil_div(problem.out_size[0], CYC_WINOGRAD_OUT)
    cdef Py_ssize_t tile_columns = ceil_div(problem.out_size[1], CYC_WINOGRAD_OUT)
    cdef Py_ssize_t most, rows, columns, blocks, factors
    cdef double cost, best = -1
    cdef int which
    if not suits_winograd(plan):
        return -1
    plan.flat = True
    plan.cut = plan.skips = False
    most = FACTORS_BUDGET // (CYC_WINOGRAD_PRODUCTS * channels * plan.kernels.item) // lanes * lanes
    most = min(most, MAX_BLOCK_VECTORS * lanes)
    for blocks in range(1, ceil_div(tile_columns, <Py_ssize_t>MIN_BLOCK_TILES) + 1):
        columns = ceil_div(tile_columns, blocks)
        if columns > most and columns > MIN_BLOCK_TILES:
            continue
        for rows in range(1, min(tile_rows, max(<Py_ssize_t>1, most // columns)) + 1):
            cost = winograd_blocks_slots(plan, rows, columns)
            if best < 0 or cost < best:
                best = cost
                plan.block_rows = rows
                plan.block_columns = columns
    winograd_blocks_slots(plan, plan.block_rows, plan.block_columns)
    for which in range(2):
        plan.last_outputs[which] = last_outputs(plan, which) if plan.turned else CYC_WINOGRAD_OUT
    factors = CYC_WINOGRAD_PRODUCTS * plan.kernels.item * channels * problem.groups * outputs
    if not problem.held or factors > HELD_FACTORS_BUDGET:
        best += WEIGHT_TRANSFORM_SLOTS * channels * outputs
    return best + TILE_START_SLOTS
