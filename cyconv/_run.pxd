"""Running a plan: the loops over tasks, blocks and tiles."""

from cyconv._plan cimport Plan
from cyconv._task cimport Operands


cdef int run_plan(const Plan *plan, const Operands *operands, int threads) noexcept nogil
