"""The cost model."""

from cyconv._plan cimport Plan


cdef bint choose_algorithm(Plan *plan, int wanted) noexcept nogil
