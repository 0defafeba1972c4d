"""The cost of Winograd's F(4x4, 3x3)."""

from cyconv._plan cimport Plan


cdef double winograd_cost(Plan *plan) noexcept nogil
