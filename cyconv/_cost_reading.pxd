"""What reading the input takes."""

from cyconv._plan cimport Plan
from cyconv._window cimport Axis


cdef enum Reading:
    # Where tiles read their pixels: from the window; gathered, across the ends of rows; gathered, in tiles that end
    # with their row, so that they leave out the taps that it does.
    FROM_WINDOW
    GATHERED
    GATHERED_IN_ROWS
    READINGS


cdef double copy_slots(const Plan *plan, double elements, double rows) noexcept nogil
cdef double window_slots(const Plan *plan) noexcept nogil
cdef double far_slots(const Plan *plan, double elements) noexcept nogil
cdef double times_read(const Axis *axis, Py_ssize_t block) noexcept nogil
cdef double tile_window_slots(const Plan *plan) noexcept nogil
cdef double gather_slots(const Plan *plan, Py_ssize_t pixels) noexcept nogil
cdef double best_reading(Plan *plan, double (*cost_of_reading)(Plan *, Reading) noexcept nogil) noexcept nogil
