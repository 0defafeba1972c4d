"""How tasks are dealt out: each thread has a share of neighbours, and takes from the others' when it has none left.

The shares are the same in each call, so that a thread finds what its tasks read and write in its own cache, where a
call or the layer before has left it. A thread that is late keeps nothing back.
"""

cdef extern from *:
    """
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    #ifdef _WIN64
    #define cyc_fetch_add(counter, n) ((Py_ssize_t)_InterlockedExchangeAdd64((volatile __int64 *)(counter), (n)))
    #else
    #define cyc_fetch_add(counter, n) ((Py_ssize_t)_InterlockedExchangeAdd((volatile long *)(counter), (n)))
    #endif
    #else
    #define cyc_fetch_add(counter, n) __atomic_fetch_add((counter), (n), __ATOMIC_RELAXED)
    #endif
    """
    Py_ssize_t cyc_fetch_add(Py_ssize_t *counter, Py_ssize_t n) nogil  # atomic; the value before


cdef struct Share:
    # At the beginning of a thread's memory.
    Py_ssize_t next  # the first task that nobody has taken, unless it is beyond the last
    Py_ssize_t end
    bint begun  # the scratch behind it is in use


cdef inline Share *share_of_thread(char *memory, Py_ssize_t thread_bytes, int thread) noexcept nogil:
    return <Share *>(memory + thread * thread_bytes)


cdef inline void deal_tasks(char *memory, Py_ssize_t thread_bytes, Py_ssize_t tasks, int threads) noexcept nogil:
    """Begin the memory of each of some threads, `thread_bytes` apart, with its share."""
    cdef int thread
    cdef Share *share
    for thread in range(threads):
        share = share_of_thread(memory, thread_bytes, thread)
        share.next = thread * tasks // threads
        share.end = (thread + 1) * tasks // threads
        share.begun = False


cdef inline Py_ssize_t take_task(char *memory, Py_ssize_t thread_bytes, int threads, int thread) noexcept nogil:
    """The next task of a thread's share, or of those that come after it; -1: all are taken."""
    cdef int step
    cdef Py_ssize_t index
    cdef Share *share
    for step in range(threads):
        share = share_of_thread(memory, thread_bytes, (thread + step) % threads)
        index = cyc_fetch_add(&share.next, 1)
        if index < share.end:
            return index
    return -1
