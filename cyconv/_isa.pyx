"""The instruction set in use: chosen when the package is imported, by CYCONV_ISA or the best there is.

The C kernels are linked into this module.
"""

import os
import time

from cyconv._kernels cimport cyc_cpu_splits_vectors, cyc_isa, cyc_isas, cyc_kernels

__all__ = ["available_isas", "fma_peak", "isa_name", "suppose_split_vectors", "use_isa"]

cdef enum:
    SPLIT_BYTES = 64  # of a vector

cdef const cyc_isa *isa = NULL
cdef bint split = cyc_cpu_splits_vectors()


cdef const cyc_isa *current_isa() noexcept nogil:
    """The kernels in use; another thread may choose others meanwhile."""
    return isa


cdef bint splits_vectors(const cyc_kernels *kernels) noexcept nogil:
    """Whether the core computes on the vectors of these kernels in two halves."""
    return split and kernels.lanes * kernels.item == SPLIT_BYTES


def suppose_split_vectors(bint supposed):
    """Let the cost model take 64-byte vectors for split or whole, whatever the core does; what it took before."""
    global split
    before = split
    split = supposed
    return before


def available_isas():
    """Names of the instruction sets that this CPU can run, slowest first."""
    cdef Py_ssize_t index = 0
    names = []
    while cyc_isas[index] != NULL:
        if cyc_isas[index].available():
            names.append(cyc_isas[index].name.decode("ascii"))
        index += 1
    return names


def use_isa(str name):
    """Use the kernels of one instruction set from now on; ValueError if the CPU has it not."""
    global isa
    cdef Py_ssize_t index = 0
    while cyc_isas[index] != NULL:
        if cyc_isas[index].name.decode("ascii") == name and cyc_isas[index].available():
            isa = cyc_isas[index]
            return
        index += 1
    raise ValueError(f"instruction set {name!r} is not available; this CPU has {', '.join(available_isas())}")


def isa_name():
    """Name of the instruction set in use."""
    return isa.name.decode("ascii")


def _choose_isa():
    wish = os.environ.get("CYCONV_ISA")
    try:
        use_isa(wish if wish else available_isas().pop())
    except ValueError as error:
        raise ImportError(f"CYCONV_ISA: {error}") from None


_choose_isa()


def fma_peak(str dtype="float32"):
    """Measure the multiply-add peak of one core.

    Parameters
    ----------
    dtype : {"float32", "float64"}

    Returns
    -------
    float
        GFLOP/s in the instruction set in use, a multiply-add counting as two operations.
    """
    cdef double best = 0, operations
    for _ in range(20):
        start = time.perf_counter()
        operations = isa.fma_loop(200_000)
        best = max(best, operations / (time.perf_counter() - start))
    return best / 1e9 / {"float32": 1, "float64": 2}[dtype]
