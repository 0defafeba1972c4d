"""Running a plan of Fourier transforms."""

from cyconv._plan cimport Plan
from cyconv._run cimport Operands


cdef int run_fft(const Plan *plan, const Operands *operands, int threads) noexcept nogil
