"""A task by the row kernel, or by the plane kernel."""

from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task


cdef void run_row_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil
