"""A task by tiles, plain or turned."""

from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task


cdef void run_tile_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil
