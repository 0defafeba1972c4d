"""How many threads a call may use."""

cdef int thread_limit() noexcept nogil
