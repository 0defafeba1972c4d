"""The number of threads, and what this installation of cyconv consists of."""

from __future__ import annotations

import numpy as np

from . import _engine
from ._arguments import INT32_MAX, integer
from ._version import __version__


def set_num_threads(n: int) -> None:
    """Set the largest number of threads that one convolution may use.

    The limits set by ``OMP_NUM_THREADS``, ``OMP_THREAD_LIMIT`` and threadpoolctl still hold, and
    without the first the CPU affinity and the quota of the container: the smallest of them counts.
    Results do not depend on the number of threads, to the last bit.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    TypeError
        If `n` is not an int.
    ValueError
        If `n` is less than 1 or more than 2**31 - 1.

    See Also
    --------
    get_num_threads : The number of threads that a convolution may use now.

    Examples
    --------
    >>> import cyconv
    >>> before = cyconv.get_num_threads()
    >>> cyconv.set_num_threads(1)
    >>> cyconv.get_num_threads()
    1
    >>> cyconv.set_num_threads(before)
    """
    _engine.set_num_threads(integer(n, "n", lowest=1, highest=INT32_MAX))


def get_num_threads() -> int:
    """Return the largest number of threads that one convolution may use now.

    Returns
    -------
    int
        At least 1. Small convolutions use fewer.

    See Also
    --------
    set_num_threads : Change it.

    Examples
    --------
    >>> import cyconv
    >>> cyconv.get_num_threads() >= 1
    True
    """
    return _engine.get_num_threads()


def show_config() -> None:
    """Print the version, the instruction set in use, what "auto" chooses among, threads and OpenMP.

    ``python -m cyconv`` prints the same.

    See Also
    --------
    cyconv.explain : What one convolution would do.

    Examples
    --------
    >>> import cyconv
    >>> cyconv.show_config()
    cyconv           ...
    numpy            2...
    python           3...
    instruction set  ... (available: scalar...)
    algorithms       ...
    threads          ...
    openmp runtime   ...
    """
    # Here, since it is slow to import and nothing else needs it.
    import platform

    rows = {
        "cyconv": __version__,
        "numpy": np.__version__,
        "python": f"{platform.python_version()} ({platform.machine()})",
        "instruction set": (
            f"{_engine.isa_name()} (available: {', '.join(_engine.available_isas())})"
        ),
        "algorithms": _engine.automatic_choice(),
        "threads": str(_engine.get_num_threads()),
        "openmp runtime": _engine.openmp_runtime(),
    }
    for label, value in rows.items():
        print(f"{label:<16} {value}")
