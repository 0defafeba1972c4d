"""A task by products of bfloat16 parts."""

from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task


cdef void run_split_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil
