"""Weights held ready: packed once, and planned for, for all calls of a layer."""

import threading

cimport numpy as np
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp

from cyconv._fft cimport held_spectra_bytes, spectra_key
from cyconv._panels cimport holds_factors, pack_panels, panels_bytes
from cyconv._plan cimport ALIGNMENT, FFT, SPLIT, Plan, aligned
from cyconv._plans cimport Plans
from cyconv._spectra cimport fill_spectra
from cyconv._weights cimport trim_weight

__all__ = ["HeldWeight"]

np.import_array()


cdef enum:
    SPLIT_BY_TAPS = 8  # in the key of split weights, beside how many parts they are of


cdef inline Py_ssize_t form_key(const Plan *plan) noexcept nogil:
    if plan.algorithm == FFT:
        return spectra_key(plan)
    if plan.algorithm == SPLIT:
        return -plan.problem.split_parts - (SPLIT_BY_TAPS if plan.skips else 0)
    return plan.panel_width


cdef class HeldWeight:
    """A weight of the compute dtype with its packed panels and plans, made when first needed.

    Parameters
    ----------
    array : ndarray
        C-contiguous, of the compute dtype, (out_channels, in_channels / groups, kH, kW).
        Neither copied nor to be changed afterwards.
    number : int, optional
        NumPy's type number of the weight of which `array` is a form; by default its own.
    """

    def __cinit__(self, np.ndarray array not None, number=None):
        self.array = array
        self.number = np.PyArray_TYPE(array) if number is None else number
        self.form_count = 0
        self.plans = Plans(MAX_HELD_PLANS)
        self.trimmed = []
        self.lock = threading.Lock()

    def __dealloc__(self):
        cdef int index
        for index in range(self.form_count):
            free(self.forms[index].memory)

    def __reduce__(self):
        raise TypeError("a HeldWeight cannot be pickled; pickle its array")

    cdef const char *panels(self, const Plan *plan, int threads) except? NULL:
        """The panels, or spectra, that `plan` reads; NULL where the call has to make its own."""
        cdef Py_ssize_t size = max(panels_bytes(plan), held_spectra_bytes(plan)) + ALIGNMENT
        cdef Py_ssize_t key = form_key(plan)
        cdef int index, status = 0
        cdef char *memory
        cdef char *panels
        # never waiting: a child forked while another thread packs would wait forever
        if not self.lock.acquire(False):
            return NULL
        try:
            for index in range(self.form_count):
                if (
                    self.forms[index].isa == plan.isa
                    and self.forms[index].key == key
                    and self.forms[index].groups == plan.problem.groups
                    and self.forms[index].transformed == holds_factors(plan)
                ):
                    return self.forms[index].panels
            if self.form_count == MAX_HELD_FORMS:
                return NULL
            memory = <char *>malloc(size)
            panels = aligned(memory)
            if memory != NULL:
                with nogil:
                    if plan.algorithm == FFT:
                        status = fill_spectra(plan, np.PyArray_BYTES(self.array), panels, threads)
                    else:
                        pack_panels(plan, np.PyArray_BYTES(self.array), panels, threads)
            if memory == NULL or status != 0:
                free(memory)
                raise MemoryError(f"cannot allocate {size} bytes for packed weights")
            self.forms[self.form_count] = HeldForm(
                plan.isa, key, plan.problem.groups, holds_factors(plan), memory, panels
            )
            self.form_count += 1
            return panels
        finally:
            self.lock.release()

    cdef TrimmedWeight trimmed_to(self, const Trim *trim, const cyc_kernels *kernels, int threads):
        """What is left of it, held ready as well; None where the call has to make its own."""
        cdef TrimmedWeight found
        if not self.lock.acquire(False):  # never waiting, as in `panels`
            return None
        try:
            for found in self.trimmed:
                if memcmp(&found.trim, trim, sizeof(Trim)) == 0:
                    return found
            if len(self.trimmed) == MAX_TRIMMED:
                return None
            found = TrimmedWeight()
            found.trim = trim[0]
            array, found.spoilt = trim_weight(self.array, trim, kernels, threads)
            found.weight = HeldWeight(array)
            self.trimmed.append(found)
            return found
        finally:
            self.lock.release()


cdef tuple trimmed_operands(
    const Trim *trim, const cyc_kernels *kernels, np.ndarray weight, HeldWeight held, np.ndarray bias, int threads
):
    """Weight, held weight and bias of what is left of a kernel (_trim); without room to hold it, the weight alone."""
    cdef TrimmedWeight kept = held.trimmed_to(trim, kernels, threads) if held is not None else None
    if kept is not None:
        held, weight, spoilt = kept.weight, kept.weight.array, kept.spoilt
    else:
        held = None
        weight, spoilt = trim_weight(weight, trim, kernels, threads)
    if spoilt is not None:
        bias = spoilt if bias is None else bias + spoilt
    return weight, held, bias
