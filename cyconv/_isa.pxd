"""The instruction set in use."""

from cyconv._kernels cimport cyc_isa


cdef const cyc_isa *current_isa() noexcept nogil
cdef int line_kind() noexcept nogil
