"""What the products of Winograd's F(4x4, 3x3) take."""

from cyconv._integers cimport ceil_div
from cyconv._kernels cimport CYC_MAX_TILE_VECTORS, CYC_WINOGRAD_MAX_TILES
from cyconv._plan cimport Plan
from cyconv._tile_block cimport TileBlock


cdef struct Products:
    # What one term of all products takes, by the size of a block and the vectors of a tile; negative: not
    # known yet. Sizes come again in many blocks.
    double plain[CYC_WINOGRAD_MAX_TILES + 1][CYC_MAX_TILE_VECTORS]  # vectors of tiles
    double turned[CYC_WINOGRAD_MAX_TILES + 1][CYC_MAX_TILE_VECTORS]  # tiles, of one product


cdef inline void forget_products(const Plan *plan, Py_ssize_t tiles, Products *known) noexcept nogil:
    """None are known of blocks of up to so many tiles."""
    cdef Py_ssize_t vectors, count
    for vectors in range(CYC_MAX_TILE_VECTORS):
        for count in range(tiles + 1):
            known.turned[count][vectors] = -1
        for count in range(ceil_div(tiles, plan.kernels.lanes) + 1):
            known.plain[count][vectors] = -1


cdef bint transforms_weights(const Plan *plan) noexcept nogil
cdef double far_weights_share(const Plan *plan, const TileBlock *block) noexcept nogil
cdef double products_slots(
    const Plan *plan, const TileBlock *block, bint turned, Py_ssize_t most, Products *known
) noexcept nogil
cdef double best_products_slots(
    const Plan *plan, const TileBlock *block, bint turned, Products *known, Py_ssize_t *tile_vectors
) noexcept nogil
cdef void set_winograd_tile(Plan *plan, const TileBlock *block) noexcept nogil
