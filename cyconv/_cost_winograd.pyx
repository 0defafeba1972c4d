"""The cost of Winograd's F(4x4, 3x3), and the block and the tile that go with it."""

from cyconv._cost_reading cimport far_slots
from cyconv._integers cimport CACHE_LINE, balanced, ceil_div, round_up
from cyconv._kernels cimport (
    CYC_WINOGRAD_BY_TWO,
    CYC_WINOGRAD_MAX_TILES,
    CYC_WINOGRAD_MIN_TOGETHER,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_PRODUCTS,
    CYC_WINOGRAD_TAPS,
)
from cyconv._plan cimport PLAIN, TURNED, PRODUCTS_BUDGET, Plan, Problem
from cyconv._slots cimport (
    MANY_REGISTERS,
    TILE_START_SLOTS,
    cycle_slots,
    far_share,
    halves_lines,
    has_late_lines,
    waits_with_few_registers,
)
from cyconv._tile_block cimport TileBlock, last_tiles, outputs_of_last, tiles_over
from cyconv._window cimport CIRCULAR, REFLECT, Axis
from cyconv._winograd_products cimport (
    Products,
    best_products_slots,
    far_weights_share,
    forget_products,
    products_slots,
    set_winograd_tile,
    transforms_weights,
)


cdef enum:
    # The factors of a block's inputs. One factor of all channels stays in the second-level
    # cache, the others wait in the third; the larger a block, the less often weights are read.
    FACTORS_BUDGET = 4 * 1024 * 1024
    MAX_BLOCK_VECTORS = 8
    MIN_BLOCK_TILES = 8  # columns of tiles of the narrowest blocks, about
    BLOCK_START_SLOTS = 2000
    # Tiles of few registers: the factors of so many channels, a line of each, and those of a panel fill the first
    # level, unless they are gathered, which many outputs pay for; not where the factors of all tiles are in two lines.
    MIN_GATHERED_FACTOR_CHANNELS = 192
    MIN_GATHERED_FACTOR_OUTPUTS = 64

# A vector of tiles of one input channel, window included.
cdef double INPUT_TRANSFORM_SLOTS = 300
cdef double TWO_ROWS_SLOTS = 380  # of two short rows of tiles
cdef double TOGETHER_SLOTS = 450  # of several, and each of these
cdef double TOGETHER_ROW_SLOTS = 80
cdef double DILATED_INPUT_SLOTS = 60  # dilated, a vector of six rows of the window
cdef double DILATED_TRANSFORM_SLOTS = 150  # and a vector of tiles
# A vector of tiles of one output channel, store included.
cdef double OUTPUT_TRANSFORM_SLOTS = 360
cdef double TURNED_OUTPUT_SLOTS = 420
cdef double STORE_ROW_SLOTS = 110  # a further row in it
cdef double ORDER_SLOTS = 65  # dilated ones put in order
# The nine weights of an input and an output channel; packed already, where lines come late. Both where they are halved:
# measured on Zen 4, 128 to 1024 channels.
cdef double WEIGHT_TRANSFORM_SLOTS = 24
cdef double PACKED_TRANSFORM_SLOTS = 12
cdef double HALVED_TRANSFORM_SLOTS = 13.5
cdef double HALVED_PACKED_TRANSFORM_SLOTS = 8.7
cdef double FACTOR_READ_SLOTS = 0.1  # a factor of them, from afar
# How much longer transforms take whose thirty-six values do not stay in the registers: measured on AVX2, of Zen and
# where lines come late.
cdef double SPILLING_FACTOR = 1.4
cdef double LATE_SPILLING_FACTOR = 2.1
# How much longer those of the inputs take on cores that halve vectors of a line, which store one in two cycles; and
# there, a line of factors, for each MiB of them beyond the first. Zen 4, fitted to 6,400 shapes of few outputs.
cdef double HALVED_INPUT_FACTOR = 1.35
cdef double HALVED_FAR_LINE_SLOTS = 1.2
# On cores with whole vectors of 64 bytes whose lines come late, a line of factors or products, or of weights, which are
# fetched ahead, that the second level does not keep until it is read.
cdef double FAR_FACTOR_LINE_SLOTS = 19
cdef double FAR_WEIGHT_LINE_SLOTS = 6
# What few outputs of undilated tiles take more than their parts. Emerald Rapids, 430 layers: those with fewer than 32
# take a tenth more, with more 4%; the choice loses 0.5% instead of 0.8%, at worst 23% instead of 39%.
cdef Py_ssize_t MANY_OUTPUTS = 32
cdef double FEW_OUTPUTS_FACTOR = 1.1
cdef double HALVED_FEW_OUTPUTS_FACTOR = 1.05  # where lines are halved: Zen 4, 1,350 layers
cdef double MEBIBYTE = 1024 * 1024


cdef bint reads_inside(const Axis *axis) noexcept nogil:
    """Whether whole tiles, which may reach beyond the padding, still find their inputs."""
    cdef Py_ssize_t last = (
        round_up(axis.out, CYC_WINOGRAD_OUT * axis.dilation) - 1 + (CYC_WINOGRAD_TAPS - 1) * axis.dilation - axis.before
    )
    if axis.mode == REFLECT:
        return last <= 2 * (axis.size - 1)
    return axis.mode != CIRCULAR or last < 2 * axis.size


cdef Py_ssize_t dilated_tiles(const Plan *plan) noexcept nogil:
    """The tiles of a period of rows and one of columns, the least that a block can have, or too many for one."""
    cdef Py_ssize_t most = CYC_WINOGRAD_MAX_TILES + 1
    return min(plan.rows.dilation, most) * min(plan.columns.dilation, most)


cdef Py_ssize_t most_tiles(const Plan *plan) noexcept nogil:
    """The tiles of a block, at most, but for blocks of a single row."""
    cdef Py_ssize_t lanes = plan.kernels.lanes
    cdef Py_ssize_t most = FACTORS_BUDGET // (CYC_WINOGRAD_PRODUCTS * plan.problem.in_channels * plan.kernels.item)
    most = min(most // lanes * lanes, <Py_ssize_t>CYC_WINOGRAD_MAX_TILES)
    if dilated_tiles(plan) <= most:
        return max(dilated_tiles(plan), min(most, MAX_BLOCK_VECTORS * lanes))
    return most


cdef bint suits_winograd(const Plan *plan) noexcept nogil:
    cdef const Problem *problem = &plan.problem
    cdef int which
    for which in range(2):
        if problem.kernel[which] != CYC_WINOGRAD_TAPS or problem.stride[which] != 1:
            return False
    return (
        plan.kernels.winograd_input != NULL and 0 < problem.in_channels <= MAX_WINOGRAD_CHANNELS
        and dilated_tiles(plan) <= most_tiles(plan)
        and reads_inside(&plan.rows) and reads_inside(&plan.columns)
    )


cdef inline double transform_factor(const Plan *plan) noexcept nogil:
    if plan.kernels.registers < MANY_REGISTERS:
        return LATE_SPILLING_FACTOR if waits_with_few_registers(plan.kernels) else SPILLING_FACTOR
    return cycle_slots(plan.kernels)


cdef inline double input_factor(const Plan *plan) noexcept nogil:
    return HALVED_INPUT_FACTOR if halves_lines(plan.kernels) else transform_factor(plan)


cdef double output_slots(const Plan *plan, const TileBlock *block, bint turned) noexcept nogil:
    """The output transform of a block."""
    cdef Py_ssize_t lanes = plan.kernels.lanes, outputs = plan.problem.out_channels, tiles = block.rows * block.columns
    if turned:
        return transform_factor(plan) * tiles * ceil_div(outputs, lanes) * TURNED_OUTPUT_SLOTS
    return transform_factor(plan) * outputs * ceil_div(tiles, lanes) * OUTPUT_TRANSFORM_SLOTS


cdef double far_factors_slots(const Plan *plan, const TileBlock *block) noexcept nogil:
    """What factors and products of a block take longer than in the second level."""
    cdef Py_ssize_t of_tile = CYC_WINOGRAD_PRODUCTS * plan.kernels.item
    cdef Py_ssize_t channels = plan.problem.in_channels, outputs = plan.problem.out_channels
    cdef Py_ssize_t positions = round_up(block.rows * block.columns, plan.kernels.lanes)
    cdef Py_ssize_t factors = of_tile * positions * channels, products = of_tile * positions * outputs
    cdef Py_ssize_t weights = of_tile * channels * outputs
    if halves_lines(plan.kernels):
        return HALVED_FAR_LINE_SLOTS * max(0.0, factors / MEBIBYTE - 1) * factors / CACHE_LINE
    if not has_late_lines(plan.kernels):
        return 0
    return (
        FAR_FACTOR_LINE_SLOTS * far_share(factors + min(products, <Py_ssize_t>PRODUCTS_BUDGET)) * (factors + products)
        + FAR_WEIGHT_LINE_SLOTS * far_weights_share(plan, block) * weights
    ) / CACHE_LINE


cdef double rows_slots(const Plan *plan, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """The input transform of rows of tiles and, if they are dilated, putting the pixels of all outputs in order.

    Short rows go several to a vector. Of dilated tiles, a vector is filled from one period.
    """
    cdef Py_ssize_t dilation = plan.columns.dilation, lanes = plan.kernels.lanes, inputs, vectors
    if dilation == 1 and plan.kernels.permutes and CYC_WINOGRAD_BY_TWO(lanes, rows, columns):
        return plan.problem.in_channels * TWO_ROWS_SLOTS * ceil_div(rows, <Py_ssize_t>2)
    if dilation == 1 and CYC_WINOGRAD_MIN_TOGETHER * columns <= lanes:
        return plan.problem.in_channels * (
            TOGETHER_SLOTS * ceil_div(rows, lanes // columns) + TOGETHER_ROW_SLOTS * rows
        )
    if dilation == 1:
        return plan.problem.in_channels * INPUT_TRANSFORM_SLOTS * ceil_div(columns, lanes) * rows
    inputs = (CYC_WINOGRAD_OUT * ceil_div(columns, dilation) + CYC_WINOGRAD_TAPS - 1) * dilation
    vectors = columns // dilation * ceil_div(dilation, lanes) + ceil_div(columns % dilation, lanes)
    return rows * (
        plan.problem.in_channels * (DILATED_INPUT_SLOTS * ceil_div(inputs, lanes) + DILATED_TRANSFORM_SLOTS * vectors)
        + plan.problem.out_channels * ORDER_SLOTS * vectors
    )


cdef double winograd_block_slots(const Plan *plan, const TileBlock *block, bint turned, double products) noexcept nogil:
    """A block, of which the products of a channel take `products`."""
    cdef Py_ssize_t channels = plan.problem.in_channels
    cdef Py_ssize_t short_rows = block.rows - ceil_div(block.rows * block.columns, plan.kernels.lanes)
    short_rows = max(<Py_ssize_t>0, short_rows)  # beside those of which each vector has one
    return (
        BLOCK_START_SLOTS
        + input_factor(plan) * rows_slots(plan, block.rows, block.columns)
        + channels * products + output_slots(plan, block, turned)
        + STORE_ROW_SLOTS * short_rows * plan.problem.out_channels
        + CYC_WINOGRAD_PRODUCTS * channels * FACTOR_READ_SLOTS * plan.problem.out_channels
        + far_factors_slots(plan, block)
    )


cdef Py_ssize_t set_block_axis(
    const Plan *plan, int which, Py_ssize_t block_periods, bint is_last, Py_ssize_t *tiles, Py_ssize_t *short_tiles,
    Py_ssize_t *outputs
) noexcept nogil:
    """The tiles along an axis of the last block or of the others, which have `block_periods`; how many such blocks."""
    cdef Py_ssize_t dilation = plan.problem.dilation[which], size = block_periods * CYC_WINOGRAD_OUT * dilation
    cdef Py_ssize_t others = ceil_div(periods(plan, which), block_periods) - 1
    if is_last:
        size = plan.problem.out_size[which] - others * size
    tiles[0] = tiles_over(size, dilation)
    short_tiles[0] = last_tiles(size, dilation)
    outputs[0] = outputs_of_last(size, dilation)
    return 1 if is_last else others


cdef double winograd_blocks_slots(
    const Plan *plan, Py_ssize_t rows, Py_ssize_t columns, bint turned, Products *known, Py_ssize_t *tile_vectors
) noexcept nogil:
    """All blocks of an image, of `rows` by `columns` periods but for the last ones.

    `tile_vectors` become those of the tile that suits the first block best.
    """
    cdef Py_ssize_t row_count, column_count
    cdef bint last_row, last_column
    cdef double slots = 0
    cdef TileBlock block
    for last_row in (True, False):
        row_count = set_block_axis(plan, 0, rows, last_row, &block.rows, &block.short_rows, &block.last_rows)
        for last_column in (True, False):
            column_count = set_block_axis(
                plan, 1, columns, last_column, &block.columns, &block.short_columns, &block.last_columns
            )
            if row_count * column_count == 0:
                continue
            slots += row_count * column_count * winograd_block_slots(
                plan, &block, turned, best_products_slots(plan, &block, turned, known, tile_vectors)
            )
    return slots


cdef double winograd_rows_slots(const Plan *plan, Py_ssize_t rows, double *inputs) noexcept nogil:
    """A block of `rows` periods of rows and the plan's columns, by its tiles; `inputs`: of that, their transform."""
    cdef Products known
    cdef TileBlock block
    block.rows = rows * plan.rows.dilation
    block.columns = plan.block_columns
    block.short_rows = block.short_columns = 0
    block.last_rows = block.last_columns = CYC_WINOGRAD_OUT
    forget_products(plan, block.rows * block.columns, &known)
    inputs[0] = input_factor(plan) * rows_slots(plan, block.rows, block.columns)
    return winograd_block_slots(
        plan, &block, plan.turned, products_slots(plan, &block, plan.turned, plan.tile_vectors, &known)
    )


cdef inline double weight_transform_slots(const Plan *plan) noexcept nogil:
    if halves_lines(plan.kernels):
        return HALVED_PACKED_TRANSFORM_SLOTS if plan.problem.held else HALVED_TRANSFORM_SLOTS
    return PACKED_TRANSFORM_SLOTS if plan.problem.held and has_late_lines(plan.kernels) else WEIGHT_TRANSFORM_SLOTS


cdef double weights_slots(const Plan *plan) noexcept nogil:
    """The factors of all weights, where a call makes them."""
    if not transforms_weights(plan):
        return 0
    return weight_transform_slots(plan) * plan.problem.in_channels * plan.problem.out_channels


cdef double winograd_cost(Plan *plan) noexcept nogil:
    """-1 where the algorithm does not apply; sets the block as well, whose waste it counts."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t channels = problem.in_channels, outputs = problem.out_channels
    cdef Py_ssize_t row_periods, column_periods, most, rows, columns, tiles, blocks, narrowest, tile_vectors = 1
    cdef double cost, best = -1
    cdef double elements = (
        <double>channels * problem.in_size[0] * problem.in_size[1]
        + <double>outputs * problem.out_size[0] * problem.out_size[1]
    )
    cdef int which, turned
    cdef Products known
    cdef TileBlock block
    if not suits_winograd(plan):
        return -1
    row_periods = periods(plan, 0)
    column_periods = periods(plan, 1)
    plan.flat = True
    plan.cut = plan.skips = False
    most = most_tiles(plan)
    tiles = (
        tiles_over(problem.out_size[0], plan.rows.dilation) * tiles_over(problem.out_size[1], plan.columns.dilation)
    )
    tiles = min(tiles, max(most, <Py_ssize_t>MIN_BLOCK_TILES))  # of the largest block
    forget_products(plan, tiles, &known)
    narrowest = 1 if dilated_tiles(plan) > 1 else <int>MIN_BLOCK_TILES
    for blocks in range(1, ceil_div(column_periods, narrowest) + 1):
        columns = ceil_div(column_periods, blocks)
        tiles = columns * dilated_tiles(plan)  # of a period of rows
        if tiles > most and columns > narrowest:
            continue
        for rows in range(1, min(row_periods, max(<Py_ssize_t>1, most // tiles)) + 1):
            if rows != balanced(row_periods, rows):  # fewer make as many blocks
                continue
            for turned in range(2):
                if problem.orientation == (PLAIN if turned else TURNED):
                    continue
                cost = winograd_blocks_slots(plan, rows, columns, turned, &known, &tile_vectors)
                if best < 0 or cost < best:
                    best = cost
                    plan.block_rows = rows * plan.rows.dilation
                    plan.block_columns = columns * plan.columns.dilation
                    plan.turned = turned
                    plan.tile_vectors = tile_vectors
    if best < 0:
        return -1
    block.rows = plan.block_rows
    block.columns = plan.block_columns
    set_winograd_tile(plan, &block)
    plan.gathers = (
        plan.kernels.registers < MANY_REGISTERS and channels >= MIN_GATHERED_FACTOR_CHANNELS
        and outputs >= MIN_GATHERED_FACTOR_OUTPUTS and block.rows * block.columns * plan.kernels.item > 2 * CACHE_LINE
    )
    for which in range(2):
        plan.last_outputs[which] = CYC_WINOGRAD_OUT
        if plan.turned:
            plan.last_outputs[which] = outputs_of_last(problem.out_size[which], problem.dilation[which])
    best += weights_slots(plan) + TILE_START_SLOTS
    if outputs < MANY_OUTPUTS and dilated_tiles(plan) == 1:
        best *= HALVED_FEW_OUTPUTS_FACTOR if halves_lines(plan.kernels) else FEW_OUTPUTS_FACTOR
    return best + far_slots(plan, elements)
