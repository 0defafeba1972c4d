"""A batch of small images, side by side as one wide image.

A tile ends with its image, so that images of a few pixels leave most of it empty. Their elements dealt out in turn,

    image 0   a b      image 1   c d      wide image   a c b d
              e f                g h                   e g f h

they are one image whose dilation and padding are as many times as wide: an output of any image reads what it
reads by itself. A tile then takes one pixel of many images, and the taps that read padding there are left out
exactly. The sums keep their terms and order, and so their bits. By Winograd's algorithm a vector has the same tile of
many images, and the factors of the weights, four times as many as these, are read for all of them at once.
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc

from cyconv._cost_winograd cimport dilated_tiles, most_tiles, weights_slots
from cyconv._integers cimport balanced, ceil_div, round_up
from cyconv._kernels cimport CYC_WINOGRAD_OUT, cyc_isa
from cyconv._plan cimport (
    ALIGNMENT,
    AUTO,
    DIRECT,
    MAX_OFFSET,
    PLAIN,
    TILE,
    TURNED,
    TURNED_TILE,
    WINOGRAD,
    Plan,
    Problem,
    aligned,
    free_plan,
    make_plan,
)
from cyconv._run cimport run_plan
from cyconv._slots cimport halves_lines
from cyconv._task cimport Destination, Operands
from cyconv._window cimport ZEROS, Source


cdef enum:
    # Larger images fill tiles by themselves: under one tap sooner, and where lines are halved.
    MAX_PIXELS = 100
    FEWER_MAX_PIXELS = 36
    # Of larger images Winograd's tiles use the factors of the weights often enough: Emerald Rapids, side by side 64
    # channels @16 15% slower, 16 @32 20%; eight images of 256 @14 4% faster, by two threads 16% slower.
    MAX_WINOGRAD_PIXELS = 144
    MIN_IMAGES = 2
    # Inputs and outputs of a wide image, in all; with the window of a task, in the caches of a core or two.
    WIDE_BUDGET = 2 * 1024 * 1024
    # What a thread transposes at a time, 32 KiB of float32: a multiple of the elements of a cache line, and as many
    # images.
    CHUNK_ELEMENTS = 512
    CHUNK_IMAGES = 16

# Of an element that is moved, there or back: of four images together, of fewer one by one. Of a weight, which every
# image or wide image reads again.
cdef double MOVE_SLOTS = 0.7
cdef double MOVE_ONE_SLOTS = 2.5
cdef double WIDE_READ_SLOTS = 0.3
# The memory of a wide image and the loops over it, which several threads begin and end together.
cdef double WIDE_START_SLOTS = 6000.0
cdef double THREAD_START_SLOTS = 36000.0  # each
# The least that a product of vectors may be expected to take, with taps over padding left out.
cdef double LIKELY_PRODUCT_SLOTS = 0.8
cdef double WINOGRAD_SAVING = 4.0  # products of the direct sum for each of Winograd's


cdef inline Py_ssize_t inputs_of(const Problem *problem) noexcept nogil:
    """Elements of an image of the input."""
    return problem.groups * problem.in_channels * problem.in_size[0] * problem.in_size[1]


cdef inline Py_ssize_t outputs_of(const Problem *problem) noexcept nogil:
    """Elements of an image of the result."""
    return problem.groups * problem.out_channels * problem.out_size[0] * problem.out_size[1]


cdef bint images_are_contiguous(
    const Problem *problem, const Source *source, const Destination *to, Py_ssize_t item
) noexcept nogil:
    """Whether the elements of an image of the input lie side by side, and all of the result."""
    cdef Py_ssize_t channel_bytes = problem.out_size[0] * problem.out_size[1] * item
    return (
        source.row_bytes == problem.in_size[1] * item
        and source.channel_bytes == problem.in_size[0] * source.row_bytes
        and source.batch_bytes % item == 0
        and to.row_bytes == problem.out_size[1] * item
        and to.channel_bytes == channel_bytes
        and to.batch_bytes == problem.groups * problem.out_channels * channel_bytes
    )


cdef double slots_of(const Plan *plan, Py_ssize_t images) noexcept nogil:
    """The estimated cost of a batch, which shares what is made once for all images."""
    cdef double once = plan.once_slots, each
    if plan.algorithm == WINOGRAD:  # whose cost has what reading the weights takes
        once = 0 if plan.transforms_in_task else weights_slots(plan)
        return plan.problem.groups * (images * (plan.slots - once) + once)
    each = plan.slots - once + WIDE_READ_SLOTS * plan.terms * plan.problem.out_channels
    return plan.problem.groups * (images * each + once)


cdef bint has_short_tiles(const Problem *problem) noexcept nogil:
    """Whether some of Winograd's tiles have fewer than four rows or columns."""
    cdef int axis
    for axis in range(2):
        if problem.out_size[axis] % (CYC_WINOGRAD_OUT * problem.dilation[axis]):
            return True
    return False


cdef inline Py_ssize_t most_image_pixels(const Plan *plan) noexcept nogil:
    if plan.algorithm == WINOGRAD:
        return MAX_WINOGRAD_PIXELS
    return FEWER_MAX_PIXELS if plan.one_tap or halves_lines(plan.kernels) else MAX_PIXELS


cdef Py_ssize_t widen(Plan *plan, const cyc_isa *isa, Py_ssize_t threads) noexcept nogil:
    """Replace a plan by that of wide images, if that is estimated to take less time; images side by side, or 0.

    The new plan's problem is one wide image. A sum of products that may be any of the direct ones is replaced by those
    of tiles, Winograd's by Winograd's, whose tiles of all images are then a period of dilated ones.
    """
    cdef const Problem *problem = &plan.problem
    cdef Problem wide = problem[0]
    cdef Plan other
    cdef int wanted = DIRECT
    cdef Py_ssize_t lanes = plan.kernels.lanes, images, blocks, far, elements = inputs_of(problem) + outputs_of(problem)
    cdef double aside, likely  # slots beside those of the new plan, and of that
    if (
        problem.batch < MIN_IMAGES
        or problem.out_size[0] * problem.out_size[1] > most_image_pixels(plan)
        or not problem.contiguous or problem.padding_mode != ZEROS
        or problem.stride[1] != 1 or plan.algorithm not in (WINOGRAD, TURNED_TILE, TILE)
    ):
        return 0
    aside = WIDE_START_SLOTS if threads == 1 else threads * THREAD_START_SLOTS
    aside += (MOVE_SLOTS if problem.batch >= 4 else MOVE_ONE_SLOTS) * elements * problem.batch
    likely = (
        LIKELY_PRODUCT_SLOTS * plan.multiply_adds / lanes / (WINOGRAD_SAVING if plan.algorithm == WINOGRAD else 1)
        + WIDE_READ_SLOTS * plan.terms * problem.out_channels * problem.groups
    )
    if likely + aside > slots_of(plan, problem.batch):
        return 0
    images = WIDE_BUDGET // (elements * plan.kernels.item)
    if plan.algorithm == WINOGRAD:
        wanted = WINOGRAD
        if has_short_tiles(problem):
            wide.orientation = TURNED if plan.turned else PLAIN
        images = min(images, most_tiles(plan) // dilated_tiles(plan))  # a block has a period at least
    images = balanced(problem.batch, max(<Py_ssize_t>1, images))
    if images < MIN_IMAGES:
        return 0
    # whole vectors of images, unless they would waste more than an eighth
    if wanted == DIRECT and round_up(images, lanes) * 7 <= images * 8:
        images = round_up(images, lanes)
        wanted = TILE
    # so far away there is only padding, whose size could not be multiplied; nothing bounds that before a single output
    far = max(problem.before[1], (problem.kernel[1] - 1) * problem.dilation[1] + problem.out_size[1])
    if far > MAX_OFFSET // images:
        return 0
    blocks = ceil_div(problem.batch, images)
    wide.batch = 1  # they go by one after the other, each shared by all threads
    wide.in_size[1] *= images
    wide.out_size[1] *= images
    wide.before[1] *= images
    wide.dilation[1] *= images
    if make_plan(&other, &wide, isa, wanted, threads) != 0:
        return 0
    if slots_of(&other, blocks) + aside > slots_of(plan, problem.batch):
        free_plan(&other)
        return 0
    other.multiply_adds = plan.multiply_adds
    free_plan(plan)
    plan[0] = other
    return images


cdef int plan_batch(
    Plan *plan, const Problem *problem, const cyc_isa *isa, int wanted, Py_ssize_t threads, Py_ssize_t *images
) noexcept nogil:
    """``make_plan``, or the plan of wide images; `images` are those side by side in one, or 0."""
    cdef int status = make_plan(plan, problem, isa, wanted, threads)
    images[0] = 0
    if status == 0 and (wanted == AUTO or wanted == DIRECT or wanted == WINOGRAD):
        images[0] = widen(plan, isa, threads)
    return status


cdef Py_ssize_t wide_bytes(const Plan *plan) noexcept nogil:
    """Memory of a wide image and its result, one of each for all threads."""
    cdef const Problem *problem = &plan.problem
    cdef Py_ssize_t item = plan.kernels.item
    return round_up(inputs_of(problem) * item, ALIGNMENT) + outputs_of(problem) * item + ALIGNMENT


cdef int run_wide(const Plan *plan, const Operands *operands, Py_ssize_t images, int threads) noexcept nogil:
    """Compute a batch by the plan that ``widen`` made, for so many images side by side; 0, or -1 without memory."""
    cdef const Problem *problem = &plan.problem
    cdef Operands wide = operands[0]
    cdef Py_ssize_t item = plan.kernels.item, first, index, count
    cdef Py_ssize_t inputs = inputs_of(problem), outputs = outputs_of(problem)
    cdef Py_ssize_t image_outputs = outputs // images
    cdef Py_ssize_t input_pitch = operands.source.batch_bytes // item, image_inputs = inputs // images, start
    cdef Py_ssize_t result_offset = round_up(inputs * item, ALIGNMENT)
    cdef char *owned = <char *>malloc(wide_bytes(plan))
    cdef char *memory = aligned(owned)
    cdef char *result = memory + result_offset
    cdef int status = 0
    if owned == NULL:
        return -1
    wide.source.data = memory
    wide.source.row_bytes = problem.in_size[1] * item
    wide.source.channel_bytes = problem.in_size[0] * wide.source.row_bytes
    wide.destination.data = result
    wide.destination.row_bytes = problem.out_size[1] * item
    wide.destination.channel_bytes = problem.out_size[0] * wide.destination.row_bytes
    wide.destination.out_pitch = problem.out_size[0] * problem.out_size[1]
    first = 0
    while first < operands.images and status == 0:
        count = min(images, operands.images - first)
        for index in prange(
            ceil_div(image_inputs, CHUNK_ELEMENTS), num_threads=threads, use_threads_if=threads > 1,
            schedule="static",
        ):
            start = index * CHUNK_ELEMENTS
            plan.kernels.pack(
                operands.source.data + (first * input_pitch + start) * item, input_pitch, count, images,
                min(<Py_ssize_t>CHUNK_ELEMENTS, image_inputs - start), memory + start * images * item,
            )
        status = run_plan(plan, &wide, threads)
        for index in prange(
            ceil_div(count, CHUNK_IMAGES), num_threads=threads, use_threads_if=threads > 1, schedule="static"
        ):
            start = index * CHUNK_IMAGES
            plan.kernels.turn(
                result + start * item, images, image_outputs,
                operands.destination.data + (first + start) * image_outputs * item, image_outputs,
                min(<Py_ssize_t>CHUNK_IMAGES, count - start),
            )
        first += count
    free(owned)
    return status
