"""A task by Winograd's algorithm."""

from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task


cdef void run_winograd_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil
