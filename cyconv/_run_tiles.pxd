"""A task by tiles, plain or turned."""

from cyconv._plan cimport Plan
from cyconv._task cimport Operands, Task
from cyconv._tiles cimport Spot


cdef void store_tile(
    const Plan *plan, const Operands *operands, const Task *task, const char *totals, Py_ssize_t output,
    Py_ssize_t outputs, const Spot *spot, Py_ssize_t output_pitch
) noexcept nogil
cdef void run_tile_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil
