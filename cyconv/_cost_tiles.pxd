"""The cost of the tiles."""

from cyconv._plan cimport Plan


cdef double least_tile_slots(const Plan *plan) noexcept nogil
cdef double tiles_cost(Plan *plan, int algorithm) noexcept nogil
cdef double tiles_start_slots(const Plan *plan) noexcept nogil
