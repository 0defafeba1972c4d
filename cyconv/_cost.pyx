"""The cost model: what each algorithm would take for one group of one image, and the choice.

The list, in order; the cheapest that applies wins and order breaks ties:

    shape, dtype, instruction set
      |
      |-- fft           products of spectra (_fft): large kernels, of few channels
      |-- split         six products of bfloat16 parts for each of float32, where matrix units, or vectors of
      |                 bfloat16, make them: many channels in and out
      |-- winograd      36 products for each 4 x 4 outputs instead of 144: 3x3 with stride 1 and enough
      |                 channels to pay for the transforms
      |-- rows          an input row in registers serves every output row whose kernel covers it:
      |                 few output channels for each input (depthwise, filters over images)
      |-- turned tile   vectors over output channels, pixels broadcast: small images, where rows of
      |                 pixels would waste lanes, and dilated ones, where it leaves out most padding
      '-- tile          vectors over pixels, output channels broadcast: everything, last resort

The choice never looks at the batch size, the threads or the layout. The last three, among which
"direct" chooses, sum in the same order, so that their results agree bit for bit.

Time is counted in slots (_slots), of which a core starts two a cycle.
"""

from cyconv._cost_rows cimport rows_cost
from cyconv._cost_tiles cimport least_tile_slots, tiles_cost, tiles_start_slots
from cyconv._cost_winograd cimport winograd_cost
from cyconv._fft cimport fft_cost
from cyconv._plan cimport (
    ALGORITHMS_END,
    AUTO,
    DIRECT,
    FFT,
    ROWS,
    SPLIT,
    TILE,
    TURNED_TILE,
    WINOGRAD,
    Plan,
)
from cyconv._split cimport split_cost


cdef enum:
    # Transforms cannot pay for kernels of fewer taps, and small calls do not wait for their cost.
    MIN_FFT_TAPS = 36
    # Tiles of so few outputs, or steps of so few terms, are half empty.
    MIN_SPLIT_OUTPUTS = 8
    MIN_SPLIT_TERMS = 16
    # With fewer channels its error is more than four times that of the direct algorithms.
    MIN_WINOGRAD_CHANNELS = 6


cdef double cost_of(Plan *plan, int algorithm) noexcept nogil:
    """The cost of one entry of the list, whose tile the plan then has; negative: does not apply."""
    plan.gathers = False
    if algorithm == FFT:
        return fft_cost(plan)
    if algorithm == ROWS:
        return rows_cost(plan)
    if algorithm == SPLIT:
        return split_cost(plan)
    if algorithm == WINOGRAD:
        return winograd_cost(plan)
    return tiles_cost(plan, algorithm)


cdef bint choose_algorithm(Plan *plan, int wanted) noexcept nogil:
    """Set the algorithm and its tile, if it applies; the window is laid out for the whole image."""
    cdef int algorithm
    cdef double cost
    cdef Plan chosen
    cdef bint one_pixel = plan.problem.out_size[0] * plan.problem.out_size[1] == 1
    cdef bint fills_vectors = plan.problem.out_channels >= plan.kernels.lanes
    plan.algorithm = wanted
    plan.slots = -1
    if wanted == AUTO or wanted == DIRECT:
        chosen = plan[0]
        for algorithm in range(<int>FFT if wanted == AUTO else <int>ROWS, <int>ALGORITHMS_END):
            # Of a single pixel others waste all lanes but one, and the turned tile those beyond few outputs. A plain
            # tile is considered where that wastes some, too.
            if one_pixel and (algorithm < ROWS or algorithm == TILE and fills_vectors):
                continue
            if algorithm == FFT and plan.problem.kernel[0] * plan.problem.kernel[1] < MIN_FFT_TAPS:
                continue
            if algorithm == SPLIT and (
                plan.problem.out_channels < MIN_SPLIT_OUTPUTS or plan.terms < MIN_SPLIT_TERMS
            ):
                continue
            if algorithm == WINOGRAD and plan.problem.in_channels < MIN_WINOGRAD_CHANNELS:
                continue
            if algorithm > ROWS and 0 <= chosen.slots <= least_tile_slots(plan):
                break  # tiny calls do not wait for the cost of tiles either
            cost = cost_of(plan, algorithm)
            if cost >= 0 and (chosen.slots < 0 or cost < chosen.slots):
                chosen = plan[0]
                chosen.algorithm = algorithm
                chosen.slots = cost
        plan[0] = chosen
    else:
        plan.slots = cost_of(plan, wanted)
    if plan.algorithm == TILE or plan.algorithm == TURNED_TILE:
        plan.once_slots = tiles_start_slots(plan)
    return plan.slots >= 0
