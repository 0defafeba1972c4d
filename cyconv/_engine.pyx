"""The compiled engine as Python sees it: arrays in, checked geometry.

What can be wrong with a call is found before, in ``_arguments`` and ``_operands``, but for an algorithm that does not
apply, and for memory.
"""

import os

cimport numpy as np
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cyconv._arrays cimport (
    array_dtype,
    empty_result,
    has_channels_last,
    is_readable,
    memory_dtype,
    set_destination,
    set_source,
    split_parts,
)
from cyconv._cost_winograd cimport MAX_WINOGRAD_CHANNELS
from cyconv._fft cimport FFT_MEMORY_BUDGET, held_spectra_bytes
from cyconv._fft_run cimport run_fft
from cyconv._held cimport HeldWeight, trimmed_operands
from cyconv._isa cimport current_isa
from cyconv._kernels cimport *
from cyconv._panels cimport make_panels, panels_bytes
from cyconv._plan cimport (
    AUTO,
    DIRECT,
    FFT,
    INAPPLICABLE,
    ROWS,
    SPLIT,
    TILE,
    TURNED_TILE,
    WINOGRAD,
    Plan,
    Problem,
    free_plan,
    products,
)
from cyconv._plans cimport MAX_PLANS, KeptPlan, Plans
from cyconv._run cimport run_plan
from cyconv._task cimport Operands
from cyconv._threads cimport thread_limit
from cyconv._trim cimport Trim, trim_problem
from cyconv._wide cimport images_are_contiguous, plan_batch, run_wide, wide_bytes
from cyconv._window cimport CIRCULAR, REFLECT, REPLICATE, ZEROS

from cyconv._algorithms import NEEDS, REASONS, WIDE_REASON
from cyconv._arrays import RESULT_DTYPES
from cyconv._isa import available_isas, fma_peak, isa_name, suppose_lines, use_isa
from cyconv._threads import get_num_threads, openmp_runtime, set_num_threads

__all__ = [
    "automatic_choice",
    "available_isas",
    "convolve",
    "empty",
    "fma_peak",
    "get_num_threads",
    "isa_name",
    "openmp_runtime",
    "plan",
    "plans_made",
    "set_num_threads",
    "suppose_lines",
    "use_isa",
]

np.import_array()


cdef enum:
    # Waking threads costs some 5 microseconds; one core does this many multiply-adds meanwhile.
    MIN_MULTIPLY_ADDS_PER_THREAD = 250_000
    # How many times as long those of a single input channel take, whose inputs are hardly used again, and those of a
    # single pixel, whose weights are not.
    USED_ONCE_FACTOR = 3

PADDING_MODES = {"zeros": ZEROS, "reflect": REFLECT, "replicate": REPLICATE, "circular": CIRCULAR}
ACTIVATIONS = {None: CYC_NO_ACTIVATION, "relu": CYC_RELU, "relu6": CYC_RELU6}
ALGORITHM_NAMES = {
    FFT: "fft", SPLIT: "split", WINOGRAD: "winograd", ROWS: "rows", TURNED_TILE: "turned tile", TILE: "tile",
}
# "direct" leaves the choice among the direct ones; their own names are for tests and benchmarks.
ALGORITHM_CODES = {"auto": AUTO, "direct": DIRECT, **{name: number for number, name in ALGORITHM_NAMES.items()}}

# Of the calls whose weights no layer holds.
cdef Plans shared_plans = Plans(MAX_PLANS)

# What "auto" stands for: AUTO itself, or DIRECT.
cdef int automatic = AUTO


def _choose_automatic():
    global automatic
    wish = os.environ.get("CYCONV_ALGORITHM") or "auto"
    if wish not in ("auto", "direct"):
        raise ImportError(f"CYCONV_ALGORITHM: must be 'auto' or 'direct', got {wish!r}")
    automatic = ALGORITHM_CODES[wish]


_choose_automatic()


def automatic_choice():
    """What ``algorithm="auto"`` chooses among: "all" algorithms, or the "direct" ones."""
    return "all" if automatic == AUTO else "direct"


# ---------------------------------------------------------------------------------------------
# Prepare and run


cdef void set_geometry(Problem *problem, stride, padding, dilation, padding_mode) except *:
    problem.stride[0], problem.stride[1] = stride
    problem.before[0] = padding[0]
    problem.before[1] = padding[2]
    problem.dilation[0], problem.dilation[1] = dilation
    problem.padding_mode = PADDING_MODES[padding_mode]


cdef int useful_threads(const Problem *problem) noexcept nogil:
    """Threads that the work is worth; the limit is asked for only where it matters."""
    cdef double multiply_adds = products(problem)
    if problem.in_channels == 1 or problem.batch * problem.out_size[0] * problem.out_size[1] == 1:
        multiply_adds *= USED_ONCE_FACTOR
    if multiply_adds < 2 * MIN_MULTIPLY_ADDS_PER_THREAD:
        return 1
    return <int>min(<double>thread_limit(), multiply_adds / MIN_MULTIPLY_ADDS_PER_THREAD)


cdef object inapplicable(str algorithm):
    """The error of an algorithm that was asked for by name."""
    needs = NEEDS[algorithm].format(
        megabytes=FFT_MEMORY_BUDGET >> 20, channels=MAX_WINOGRAD_CHANNELS, tiles=CYC_WINOGRAD_MAX_TILES
    )
    return ValueError(f"algorithm={algorithm!r} does not apply: it needs {needs}")


cdef int execute(
    Problem *problem, np.ndarray input, np.ndarray weight, HeldWeight held, np.ndarray bias, np.ndarray out,
    Py_ssize_t leading, int input_dtype, int result_dtype, int parts, int activation, int algorithm,
) except -1:
    """Plan and run a problem whose padding, stride, dilation, groups and dtype are set.

    `input` and `out` lack `leading` axes of four; their sizes and the kernel's come from the arrays.
    """
    cdef Operands operands
    cdef KeptPlan kept
    cdef const cyc_isa *chosen = current_isa()
    cdef const cyc_kernels *kernels = chosen.dtype[problem.dtype]
    cdef char *owned = NULL
    cdef char *no_bias = NULL
    cdef Py_ssize_t kernel_axis = np.PyArray_NDIM(weight) - 2
    cdef Py_ssize_t outputs = np.PyArray_DIM(weight, 0) if kernel_axis == 2 else 1
    cdef int status = 0, threads, which
    cdef Trim trim

    problem.batch = np.PyArray_DIM(out, 0) if leading == 0 else 1
    problem.in_channels = np.PyArray_DIM(weight, 1) if kernel_axis == 2 else 1
    problem.out_channels = outputs // problem.groups
    problem.held = held is not None
    problem.split_parts = split_parts(result_dtype)
    for which in range(2):
        problem.in_size[which] = np.PyArray_DIM(input, 2 + which - leading)
        problem.out_size[which] = np.PyArray_DIM(out, 2 + which - leading)
        problem.kernel[which] = np.PyArray_DIM(weight, kernel_axis + which)
    set_source(&operands.source, input, leading, kernels.load[input_dtype], parts)
    threads = useful_threads(problem)
    if trim_problem(problem, algorithm, &trim):
        weight, held, bias = trimmed_operands(&trim, kernels, weight, held, bias, threads)
        operands.source.data += (
            trim.unread[0] * operands.source.row_bytes + trim.unread[1] * operands.source.column_bytes
        )
        threads = useful_threads(problem)
    set_destination(
        &operands.destination, out, leading, kernels, result_dtype, parts, activation,
        problem.dtype == CYC_F32 or problem.dtype == CYC_F64,
    )
    problem.readable = is_readable(input, &operands.source, input_dtype, problem.dtype, kernels.item)
    problem.channels_last = has_channels_last(input, &operands.source)
    operands.source.turn = kernels.turn if problem.readable else NULL
    operands.source.deals_phases = problem.readable and kernels.deals_phases
    problem.contiguous = problem.readable and operands.destination.stored_by_kernel and images_are_contiguous(
        problem, &operands.source, &operands.destination, kernels.item
    )
    operands.images = problem.batch
    operands.weight = np.PyArray_BYTES(weight)
    operands.bias = np.PyArray_BYTES(bias) if bias is not None else NULL
    operands.panels = NULL

    if algorithm == AUTO:
        algorithm = automatic
    kept = (held.plans if held is not None else shared_plans).plan_for(problem, chosen, algorithm, threads, &status)
    cdef const Plan *plan = &kept.plan
    if status == 0 and held is not None and (panels_bytes(plan) or held_spectra_bytes(plan)):
        operands.panels = held.panels(plan, threads)
    with nogil:
        if status == 0 and operands.bias == NULL:
            no_bias = <char *>calloc(outputs, kernels.item)
            operands.bias = no_bias
            status = -1 if no_bias == NULL else 0
        if status == 0 and operands.panels == NULL and panels_bytes(plan):
            operands.panels = make_panels(plan, operands.weight, threads, &owned)
            status = -1 if operands.panels == NULL else 0
        if status == 0:
            if plan.algorithm == FFT:
                status = run_fft(plan, &operands, threads)
            elif kept.images > 0:
                status = run_wide(plan, &operands, kept.images, threads)
            else:
                status = run_plan(plan, &operands, threads)
        free(no_bias)
        free(owned)
    if status == INAPPLICABLE:
        raise inapplicable(ALGORITHM_NAMES[algorithm])
    if status != 0:
        raise MemoryError("cannot allocate scratch memory for conv2d, or its taps lie too far apart in it")
    return 0


def empty(tuple shape, np.dtype dtype):
    """A C-contiguous array of undefined values, which begins with a cache line if it is large.

    Parameters
    ----------
    shape : tuple of int
        Of at most four axes.
    dtype : dtype
        In native byte order.

    Returns
    -------
    ndarray
    """
    cdef np.npy_intp sizes[4]
    cdef int axis
    for axis in range(len(shape)):
        sizes[axis] = shape[axis]
    return empty_result(<int>len(shape), sizes, dtype, NULL)


def convolve(
    np.ndarray input not None, weight, np.ndarray bias, np.ndarray out not None,
    stride, padding, dilation, Py_ssize_t groups, padding_mode, activation, algorithm,
):
    """Convolve checked operands into `out`.

    Parameters
    ----------
    input : ndarray, (N, C, H, W)
        Any strides, native byte order.
    weight : ndarray or HeldWeight
        C-contiguous, of the compute dtype, (out_channels, C / groups, kH, kW) in real channels:
        complex ones count twice. Of integers, float32 or float64 where that is exact.
    bias : ndarray or None
        C-contiguous, of the compute dtype, (out_channels,).
    out : ndarray, (N, out_channels, H', W')
        Any writable strides, native byte order, sharing no memory with the other arrays.
    stride, dilation : tuple of int
        Vertical, horizontal.
    padding : tuple of int
        Top, bottom, left, right.
    groups : int
    padding_mode, activation, algorithm : str or None

    Raises
    ------
    ValueError
        When the algorithm does not apply to such a convolution.
    MemoryError
        When scratch or packed weights cannot be allocated.
    """
    cdef HeldWeight held = weight if isinstance(weight, HeldWeight) else None
    cdef np.ndarray array = held.array if held is not None else weight
    cdef Problem problem
    if np.PyArray_SIZE(out) == 0:
        check_empty(input, array, out, stride, padding, dilation, groups, padding_mode, algorithm)
        return
    memset(&problem, 0, sizeof(problem))  # plans are found by its bytes
    set_geometry(&problem, stride, padding, dilation, padding_mode)
    problem.groups = groups
    problem.dtype, result_dtype, parts = RESULT_DTYPES[out.dtype.name]
    if np.PyArray_TYPE(array) == np.NPY_FLOAT32:  # also of integers, where the caller knows that to be exact
        problem.dtype = CYC_F32
    elif np.PyArray_TYPE(array) == np.NPY_FLOAT64:
        problem.dtype = CYC_F64
    execute(
        &problem, input, array, held, bias, out, 0, array_dtype(input), result_dtype, parts, ACTIVATIONS[activation],
        ALGORITHM_CODES[algorithm],
    )


cdef check_empty(input, weight, out, stride, padding, dilation, groups, padding_mode, algorithm):
    """Refuse for no image an algorithm that is refused for one; arguments as for ``convolve``."""
    if algorithm == "auto":
        return
    plan(
        (1, *input.shape[1:]), (out.shape[1], input.shape[1] // groups, *weight.shape[2:]),
        stride, padding, dilation, groups, padding_mode, out.dtype, algorithm, False,
    )


def plans_made():
    """How many calls whose weights no layer holds have found no plan of an earlier one."""
    return shared_plans.made


def plan(
    input_shape, weight_shape, stride, padding, dilation, Py_ssize_t groups, padding_mode, dtype, algorithm, held
):
    """What ``convolve`` would do for these shapes, as a dict; arguments as there, checked."""
    cdef Problem problem
    cdef Plan plan
    cdef Py_ssize_t images
    cdef Trim trim
    cdef double multiply_adds
    cdef int threads, wanted, chosen, status
    cdef const cyc_isa *isa
    compute, stored, parts = RESULT_DTYPES[dtype.name]
    memset(&problem, 0, sizeof(problem))
    set_geometry(&problem, stride, padding, dilation, padding_mode)
    problem.batch = input_shape[0]
    problem.groups = groups
    problem.in_channels = weight_shape[1] * parts
    problem.out_channels = weight_shape[0] // groups * parts
    for axis in range(2):
        extent = dilation[axis] * (weight_shape[2 + axis] - 1) + 1
        padded = input_shape[2 + axis] + padding[2 * axis] + padding[2 * axis + 1]
        problem.in_size[axis] = input_shape[2 + axis]
        problem.kernel[axis] = weight_shape[2 + axis]
        problem.out_size[axis] = (padded - extent) // stride[axis] + 1
    problem.dtype = compute
    problem.held = held
    problem.split_parts = split_parts(stored)
    problem.readable = problem.contiguous = parts == 1 and stored == memory_dtype(compute)
    multiply_adds = products(&problem)
    wanted = ALGORITHM_CODES[algorithm]
    if trim_problem(&problem, wanted, &trim):
        problem.contiguous = problem.contiguous and trim.unread[0] == 0 and trim.unread[1] == 0
    threads = useful_threads(&problem)
    chosen = automatic if wanted == AUTO else wanted
    isa = current_isa()
    with nogil:  # kernels of millions of taps take seconds
        status = plan_batch(&plan, &problem, isa, chosen, threads, &images)
    if status == INAPPLICABLE:
        raise inapplicable(algorithm)
    if status != 0:
        raise MemoryError("cannot allocate the tables of a plan")
    if plan.algorithm != FFT and images == 0:  # all threads deal images out
        threads = <int>min(<Py_ssize_t>threads, max(<Py_ssize_t>1, plan.tasks))
    reason = REASONS[ALGORITHM_NAMES[plan.algorithm]] if wanted == AUTO or wanted == DIRECT else "asked for by name"
    lanes = plan.kernels.lanes
    names = {
        FFT: f"2 blocks of {plan.fft.block[0]} x {plan.fft.block[1]} in {plan.fft.points[0]} x {plan.fft.points[1]}",
        ROWS: f"{plan.tile_rows} rows x {plan.tile_vectors * lanes} columns",
        TURNED_TILE: f"{plan.tile_rows} pixels x {plan.tile_vectors * lanes} outputs",
        SPLIT: (
            f"{plan.tile_rows} outputs x {plan.pixel_tile} pixels, {plan.problem.split_parts} part"
            + ("s" if plan.problem.split_parts > 1 else "")
            + (", tap by tap" if plan.skips else "")
        ),
        TILE: f"{plan.tile_rows} outputs x {plan.tile_vectors * lanes} pixels",
        WINOGRAD: (
            f"{plan.tile_rows} tiles of 4 x 4 pixels x {plan.tile_vectors * lanes} outputs" if plan.turned
            else f"{plan.tile_rows} outputs x {plan.tile_vectors * lanes} tiles of 4 x 4 pixels"
        ),
    }
    try:
        return {
            "algorithm": ALGORITHM_NAMES[plan.algorithm],
            "reason": WIDE_REASON.format(images) if images else reason,
            "isa": isa_name(),
            "tile": names[plan.algorithm] + (
                "" if not plan.gathers or plan.algorithm == SPLIT
                else ", factors gathered" if plan.algorithm == WINOGRAD else ", pixels gathered"
            ),
            "threads": threads,
            "scratch_bytes": (
                plan.scratch_bytes + (plan.shared_bytes + (wide_bytes(&plan) if images else 0)) // threads
            ),
            "flops": int(2 * multiply_adds),
        }
    finally:
        free_plan(&plan)
