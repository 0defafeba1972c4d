"""The cost model."""

from cyconv._plan cimport Plan


cdef void choose_algorithm(Plan *plan, int wanted) noexcept nogil
