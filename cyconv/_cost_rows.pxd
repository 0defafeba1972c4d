"""The cost of the row kernel and of the plane kernel."""

from cyconv._plan cimport Plan


cdef double rows_cost(Plan *plan) noexcept nogil
