"""Running a plan: the loop over tasks, and the scratch of each thread.

    task = image x group x part of the outputs x block of the output image     (prange over shares of them)
      for each block of terms          window of its channels: prepare_channels (_window)
                                       and from it the pixels of each tile, where they are gathered (_gather)
        for each panel of outputs      its packed weights stay in cache
          for each tile of pixels      kernel: sums of the terms                (kernels/)
            after the last terms       epilogue: bias, activation, store

That is a task by tiles (_run_tiles), of parts of bfloat16 as well (_run_split). Others are shorter: rows have no panels
(_run_rows); Winograd's products take the place of the terms (_run_winograd). FFT has tasks of its own (_fft_run).
"""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from cyconv._plan cimport ALIGNMENT, ROWS, SPLIT, TILE, TURNED_TILE, WINOGRAD, Plan, aligned
from cyconv._run_rows cimport run_row_task
from cyconv._run_split cimport run_split_task
from cyconv._run_tiles cimport run_tile_task
from cyconv._run_winograd cimport run_winograd_task
from cyconv._shares cimport Share, deal_tasks, share_of_thread, take_task
from cyconv._task cimport Operands, Task, find_task, window_in_input
from cyconv._tiles cimport placed_bytes
from cyconv._winograd_factors cimport transform_share


cdef void run_task(const Plan *plan, const Operands *operands, const Task *task, char *memory) noexcept nogil:
    if plan.algorithm == SPLIT:
        run_split_task(plan, operands, task, memory)
    elif plan.algorithm == WINOGRAD:
        run_winograd_task(plan, operands, task, memory)
    elif plan.algorithm == ROWS:
        run_row_task(plan, operands, task, memory)
    else:
        run_tile_task(plan, operands, task, memory)


cdef Py_ssize_t bytes_to_clear(const Plan *plan, const Operands *operands, const Task *task) noexcept nogil:
    """The beginning of a scratch, as far as kernels read whole vectors of pixels there.

    They compute the lanes past the end of a row, a plane or a block too, on whatever lies there, and drop them. But a
    product of subnormal numbers, as integers and pointers look like, takes some 150 cycles: zeros are faster.
    """
    cdef Py_ssize_t tiles
    if plan.algorithm == SPLIT:  # products of parts take subnormal numbers for zeros
        return 0
    if plan.algorithm == ROWS:
        return plan.window_bytes
    if plan.algorithm == TILE:
        return placed_bytes() + (0 if window_in_input(plan, operands, task) else plan.window_bytes)
    if plan.algorithm == TURNED_TILE:  # reads single pixels
        return placed_bytes()
    tiles = plan.block_rows * plan.block_columns
    if plan.turned or plan.rows.blocks * plan.columns.blocks == 1 and tiles == plan.positions:
        return plan.window_bytes
    return plan.window_bytes + plan.factor_bytes


cdef char *scratch_of_thread(const Plan *plan, const Operands *operands, const Task *task, Share *share) noexcept nogil:
    """The scratch of a thread, which lies behind its share."""
    cdef char *memory = aligned(<char *>(share + 1))
    if not share.begun:
        share.begun = True
        memset(memory, 0, bytes_to_clear(plan, operands, task))
    return memory


cdef void run_tasks_of_thread(
    const Plan *plan, const Operands *operands, char *memory, Py_ssize_t thread_bytes, int threads, int thread
) noexcept nogil:
    cdef Share *share = share_of_thread(memory, thread_bytes, thread)
    cdef Py_ssize_t index = take_task(memory, thread_bytes, threads, thread)
    cdef Task task
    while index >= 0:
        task = find_task(plan, index)
        run_task(plan, operands, &task, scratch_of_thread(plan, operands, &task, share))
        index = take_task(memory, thread_bytes, threads, thread)


cdef void transform_share_of_thread(
    const Plan *plan, const Operands *operands, Share *share, int threads, int thread, char *factors
) noexcept nogil:
    """The factors of the inputs of the only block, of this thread's share of the channels."""
    cdef Task task = find_task(plan, 0)
    transform_share(plan, operands, &task, thread, threads, scratch_of_thread(plan, operands, &task, share), factors)


cdef int run_plan(const Plan *plan, const Operands *operands, int threads) noexcept nogil:
    """Compute the convolution; 0, or -1 without memory."""
    cdef Py_ssize_t thread_bytes = plan.scratch_bytes + 2 * ALIGNMENT
    cdef int thread
    cdef char *memory
    cdef char *factors
    cdef Operands shared = operands[0]
    threads = <int>min(<Py_ssize_t>threads, plan.tasks)
    memory = <char *>malloc(thread_bytes * threads + plan.shared_bytes + ALIGNMENT)
    if memory == NULL:
        return -1
    deal_tasks(memory, thread_bytes, plan.tasks, threads)
    shared.factors = NULL
    operands = &shared
    if plan.shares_factors and threads > 1:
        factors = aligned(memory + thread_bytes * threads)
        for thread in prange(threads, num_threads=threads, schedule="static"):
            transform_share_of_thread(
                plan, operands, share_of_thread(memory, thread_bytes, thread), threads, thread, factors
            )
        shared.factors = factors
    if threads == 1:
        run_tasks_of_thread(plan, operands, memory, thread_bytes, 1, 0)
    else:
        for thread in prange(threads, num_threads=threads, schedule="static"):
            run_tasks_of_thread(plan, operands, memory, thread_bytes, threads, thread)
    free(memory)
    return 0
