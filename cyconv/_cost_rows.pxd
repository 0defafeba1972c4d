"""The cost of the row kernel and of the plane kernel."""

from cyconv._plan cimport Plan
from cyconv._window cimport Axis


cdef double window_slots(const Plan *plan) noexcept nogil
cdef double times_read(const Axis *axis, Py_ssize_t block) noexcept nogil
cdef double rows_cost(Plan *plan) noexcept nogil
