"""The direct algorithms in the place of one that does not sum products.

A transform mixes the outputs of a block, so that a value that is not finite spoils all of them; and it
has sums larger than any output's, which may overflow alone. The direct algorithms have neither, and
serve for what a transform cannot compute: a block, or everything.
"""

from libc.stdlib cimport free

from cyconv._panels cimport make_panels, panels_bytes
from cyconv._plan cimport DIRECT, Plan, Problem, free_plan, make_plan
from cyconv._run cimport run_plan
from cyconv._task cimport Operands


cdef int run_problem(Problem *problem, const Plan *plan, Operands *operands, int threads) noexcept nogil:
    """0, or -1 without memory."""
    cdef Plan direct
    cdef char *owned = NULL
    cdef int status = 0
    problem.held = False
    if make_plan(&direct, problem, plan.isa, DIRECT, threads) != 0:
        return -1
    operands.panels = NULL
    if panels_bytes(&direct):
        operands.panels = make_panels(&direct, operands.weight, threads, &owned)
        status = -1 if operands.panels == NULL else 0
    if status == 0:
        status = run_plan(&direct, operands, threads)
    free(owned)
    free_plan(&direct)
    return status


cdef int run_directly(const Plan *plan, const Operands *operands, int threads) noexcept nogil:
    """The whole of a plan's problem; 0, or -1 without memory."""
    cdef Problem problem = plan.problem
    cdef Operands copy = operands[0]
    return run_problem(&problem, plan, &copy, threads)


cdef int run_block_directly(
    const Plan *plan, const Operands *operands, Py_ssize_t image, Py_ssize_t group, const Py_ssize_t *start,
    const Py_ssize_t *count
) noexcept nogil:
    """A rectangle of outputs, all channels of a group, as a problem of its own; 0, or -1 without memory."""
    cdef Problem problem = plan.problem
    cdef Operands part = operands[0]
    cdef Py_ssize_t channel, which
    problem.batch = problem.groups = 1
    for which in range(2):
        problem.before[which] -= start[which] * problem.stride[which]  # negative: the block begins in the input
        problem.out_size[which] = count[which]
    channel = group * problem.in_channels
    part.source.data += image * part.source.batch_bytes + channel // part.source.parts * part.source.channel_bytes
    channel = group * problem.out_channels
    part.destination.data += (
        image * part.destination.batch_bytes + channel // part.destination.parts * part.destination.channel_bytes
        + start[0] * part.destination.row_bytes + start[1] * part.destination.column_bytes
    )
    part.weight += channel * plan.terms * plan.kernels.item
    part.bias += channel * plan.kernels.item
    return run_problem(&problem, plan, &part, 1)
