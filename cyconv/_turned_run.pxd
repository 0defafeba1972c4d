"""The sums of turned tiles side by side, until they are stored together.

A tile of a few pixels is a part of a line of each output. Lines a multiple of 4 KiB apart, as those of 64 outputs of
256x256 pixels are, share a set of the caches: stored tile by tile, each would leave them before the next tile adds to
it.
"""

from cyconv._kernels cimport cyc_turned_args
from cyconv._plan cimport Plan


cdef inline void store_run(const Plan *plan, cyc_turned_args *run) noexcept nogil:
    """Finish and store the tiles of a run, if it has any, and begin another."""
    if run.pixels > 0:
        plan.kernels.store_turned(run)
        run.pixels = 0


cdef inline void add_to_run(
    const Plan *plan, cyc_turned_args *run, const char *totals, Py_ssize_t pixels, char *out
) noexcept nogil:
    """Let a tile wait in `run`, or in another one unless both its sums and its pixels follow those of the run."""
    cdef Py_ssize_t item = plan.kernels.item
    if run.pixels > 0 and (
        totals != <const char *>run.totals + run.pixels * run.pitch * item or out != <char *>run.out + run.pixels * item
    ):
        store_run(plan, run)
    if run.pixels == 0:
        run.totals = totals
        run.out = out
    run.pixels += pixels
