"""The instruction set in use: chosen when the package is imported, by CYCONV_ISA or the best there is.

The C kernels are linked into this module.
"""

import os
import time

from cyconv._kernels cimport cyc_cpu_lines, cyc_isa, cyc_isas

__all__ = ["available_isas", "fma_peak", "isa_name", "suppose_lines", "use_isa"]

# By the CYC_..._LINES of kernels.h.
LINE_KINDS = ("halved", "whole", "late", "none")

cdef const cyc_isa *isa = NULL
cdef int lines = cyc_cpu_lines()


cdef const cyc_isa *current_isa() noexcept nogil:
    """The kernels in use; another thread may choose others meanwhile."""
    return isa


cdef int line_kind() noexcept nogil:
    """How the core fares with vectors of a cache line (kernels.h)."""
    return lines


def suppose_lines(str kind):
    """Let the cost model suppose a kind of core, whatever this one is: one of LINE_KINDS; what it was."""
    global lines
    before = lines
    lines = LINE_KINDS.index(kind)
    return LINE_KINDS[before]


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
