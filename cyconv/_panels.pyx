"""Packed weights: panels that the kernels read from one end to the other.

A panel is the weights of one tile's output channels, transposed to [term][output]; it serves the tile
either way round. Behind all panels there is a byte for each: its weights are finite.
"""

from cython.parallel cimport prange

from cyconv._plan cimport FFT, ROWS, Plan


cdef void pack_panel(
    const Plan *plan, const char *weight, Py_ssize_t index, Py_ssize_t term, Py_ssize_t terms, char *panel
) noexcept nogil:
    """Pack some terms of panel number `index` of all groups."""
    cdef Py_ssize_t output = index % plan.panels * plan.panel_width
    cdef Py_ssize_t row = index // plan.panels * plan.problem.out_channels + output
    plan.kernels.pack(
        weight + (row * plan.terms + term) * plan.kernels.item, plan.terms,
        min(plan.panel_width, plan.problem.out_channels - output), plan.panel_width, terms, panel,
    )


cdef inline Py_ssize_t panel_count(const Plan *plan) noexcept nogil:
    return plan.problem.groups * plan.panels


cdef char *finite_flags(const Plan *plan, const char *panels) noexcept nogil:
    """A byte for each panel, behind the panels: its weights are finite."""
    return <char *>panels + panel_count(plan) * plan.panel_width * plan.terms * plan.kernels.item


cdef Py_ssize_t panels_bytes(const Plan *plan) noexcept nogil:
    """Size of all packed weights; 0 where they are read as they are, or packed by the tasks."""
    if plan.algorithm == FFT or plan.algorithm == ROWS or plan.packs_in_task:
        return 0
    return panel_count(plan) * (plan.panel_width * plan.terms * plan.kernels.item + 1)


cdef void pack_panels(const Plan *plan, const char *weight, char *panels, int threads) noexcept nogil:
    """Pack all weights."""
    cdef Py_ssize_t index, elements = plan.panel_width * plan.terms
    cdef char *panel
    for index in prange(panel_count(plan), num_threads=threads, use_threads_if=threads > 1, schedule="static"):
        panel = panels + index * elements * plan.kernels.item
        pack_panel(plan, weight, index, 0, plan.terms, panel)
        finite_flags(plan, panels)[index] = plan.kernels.finite(panel, elements)
