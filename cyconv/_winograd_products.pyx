"""What the products of Winograd's F(4x4, 3x3) take, in tiles of each shape, and the tile of a plan."""

from cyconv._integers cimport balanced, ceil_div
from cyconv._kernels cimport (
    CYC_MAX_TILE_VECTORS,
    CYC_WINOGRAD_IN,
    CYC_WINOGRAD_OUT,
    CYC_WINOGRAD_PRODUCTS,
)
from cyconv._plan cimport HELD_FACTORS_BUDGET, Plan, Problem
from cyconv._slots cimport Terms, candidate_rows, far_share, has_late_lines, scalars_slots
from cyconv._tile_block cimport TileBlock, tiles_over


# What a line of weights takes that comes late from beyond the second level, if its products take less: in terms of one
# or two of them, of more.
cdef double STREAM_SLOTS = 8
cdef double WIDE_STREAM_SLOTS = 14
# How much longer panels may take that two threads share more evenly, as a share of what that spares the busier one.
cdef double EVEN_PANELS_SHARE = 0.25
# What it takes more in any case in terms of four of them: the lower tiles are, the more often they read it.
cdef double LOW_TILE_SLOTS = 2


cdef double best_scalars_slots(
    const Plan *plan, Py_ssize_t scalars, Py_ssize_t vectors, Py_ssize_t most, Py_ssize_t *tile_rows
) noexcept nogil:
    """One term of one product, with the better rows of a tile."""
    cdef Terms terms = Terms(plan.problem.in_channels, plan.kernels.winograd_chunk)
    cdef Py_ssize_t rows
    cdef double slots, best = -1
    cdef int keeps
    for keeps in range(2):
        rows = candidate_rows(plan.kernels, most, keeps)
        if rows == 0:
            continue
        slots = scalars_slots(plan.kernels, scalars, rows, vectors, most, &terms)
        if best < 0 or slots < best:
            best = slots
            tile_rows[0] = balanced(scalars, rows)
    return best


cdef double turned_slots(
    const Plan *plan, const TileBlock *block, Py_ssize_t vectors, Py_ssize_t most, Products *known
) noexcept nogil:
    """One term of all products, of which the last rows and columns of tiles may leave some out."""
    cdef Py_ssize_t rows_left = CYC_WINOGRAD_OUT - block.last_rows, columns_left = CYC_WINOGRAD_OUT - block.last_columns
    cdef Py_ssize_t without_row, without_column, products, tiles, unused
    cdef double *slots
    cdef double sum = 0
    for without_row in range(2):
        for without_column in range(2):
            products = rows_left if without_row else CYC_WINOGRAD_IN - rows_left
            products *= columns_left if without_column else CYC_WINOGRAD_IN - columns_left
            tiles = (
                (block.rows - without_row * block.short_rows) * (block.columns - without_column * block.short_columns)
            )
            if products * tiles == 0:
                continue
            slots = &known.turned[tiles][most - 1]
            if slots[0] < 0:
                slots[0] = best_scalars_slots(plan, tiles, vectors, most, &unused)
            sum += products * slots[0]
    return sum


cdef bint transforms_weights(const Plan *plan) noexcept nogil:
    """Whether a call makes the factors of the weights: a layer holds none, or there are too many of them."""
    cdef const Problem *problem = &plan.problem
    return not problem.held or (
        CYC_WINOGRAD_PRODUCTS * plan.kernels.item * problem.groups * problem.in_channels * problem.out_channels
        > HELD_FACTORS_BUDGET
    )


cdef bint is_image(const Plan *plan, const TileBlock *block) noexcept nogil:
    """Whether a block has all tiles of an image."""
    return (
        block.rows == tiles_over(plan.problem.out_size[0], plan.rows.dilation)
        and block.columns == tiles_over(plan.problem.out_size[1], plan.columns.dilation)
    )


cdef bint makes_factors_near(const Plan *plan, const TileBlock *block) noexcept nogil:
    """Whether it makes them where they are used, as the image is one block."""
    return transforms_weights(plan) and is_image(plan, block)


cdef double far_weights_share(const Plan *plan, const TileBlock *block) noexcept nogil:
    """How much of the factors of the weights comes from beyond the second level, where lines come late."""
    if not has_late_lines(plan.kernels) or makes_factors_near(plan, block):
        return 0
    return min(1.0, far_share(
        CYC_WINOGRAD_PRODUCTS * plan.kernels.item * plan.problem.in_channels * plan.problem.out_channels
    ))


cdef double with_far_weights(
    const Plan *plan, const TileBlock *block, Py_ssize_t most, double slots
) noexcept nogil:
    """All products of one channel in turned tiles of up to `most` vectors, which take `slots` with its weights near.

    Few products do not hide how long they take to come, and low tiles read them more often.
    """
    cdef double lines = (
        far_weights_share(plan, block) * CYC_WINOGRAD_PRODUCTS * ceil_div(plan.problem.out_channels, plan.kernels.lanes)
    )
    slots = max(slots, lines * (STREAM_SLOTS if most <= 2 else WIDE_STREAM_SLOTS))
    return slots + (LOW_TILE_SLOTS * lines if most == CYC_MAX_TILE_VECTORS else 0.0)


cdef double products_slots(
    const Plan *plan, const TileBlock *block, bint turned, Py_ssize_t most, Products *known
) noexcept nogil:
    """All products of one channel for all outputs of a block, in tiles of up to `most` vectors."""
    cdef Py_ssize_t lanes = plan.kernels.lanes, outputs = plan.problem.out_channels, vectors, unused
    cdef double *slots
    if turned:
        return with_far_weights(
            plan, block, most, turned_slots(plan, block, ceil_div(outputs, lanes), most, known)
        )
    vectors = ceil_div(block.rows * block.columns, lanes)
    slots = &known.plain[vectors][most - 1]
    if slots[0] < 0:
        slots[0] = CYC_WINOGRAD_PRODUCTS * best_scalars_slots(plan, outputs, vectors, most, &unused)
    return slots[0]


cdef inline double uneven_share(Py_ssize_t vectors, Py_ssize_t most) noexcept nogil:
    """How much more than half of some vectors the busier of two threads has, in panels of up to `most`."""
    return 2 * min(vectors, ceil_div(ceil_div(vectors, most), <Py_ssize_t>2) * most) / <double>vectors - 1


cdef double best_products_slots(
    const Plan *plan, const TileBlock *block, bint turned, Products *known, Py_ssize_t *tile_vectors
) noexcept nogil:
    """Those of the best tile, whose vectors `tile_vectors` become.

    The outputs of an only block are what threads share: as evenly as panels allow, as long as one thread loses less.
    """
    cdef Py_ssize_t lanes = plan.kernels.lanes, most
    cdef Py_ssize_t vectors = ceil_div(plan.problem.out_channels if turned else block.rows * block.columns, lanes)
    cdef bint shared = turned and is_image(plan, block)
    cdef double cost, weighed, slots = -1, best = -1
    for most in range(1, min(vectors, <Py_ssize_t>CYC_MAX_TILE_VECTORS) + 1):
        if candidate_rows(plan.kernels, most, False) == 0:
            continue
        cost = weighed = products_slots(plan, block, turned, most, known)
        if shared:
            weighed *= 1 + EVEN_PANELS_SHARE * uneven_share(vectors, most)
        if best < 0 or weighed < best:
            best = weighed
            slots = cost
            tile_vectors[0] = most
    return slots


cdef void set_winograd_tile(Plan *plan, const TileBlock *block) noexcept nogil:
    """The rest of the tile whose vectors are chosen."""
    cdef Py_ssize_t lanes = plan.kernels.lanes, outputs = plan.problem.out_channels
    cdef Py_ssize_t tiles = block.rows * block.columns
    best_scalars_slots(
        plan, tiles if plan.turned else outputs, ceil_div(outputs if plan.turned else tiles, lanes),
        plan.tile_vectors, &plan.tile_rows
    )
    plan.pixel_tile = plan.tile_rows if plan.turned else plan.tile_vectors * lanes
    plan.panel_width = plan.tile_vectors * lanes if plan.turned else plan.tile_rows
