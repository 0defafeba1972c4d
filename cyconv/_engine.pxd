"""What the compiled modules share of the engine."""

cimport numpy as np

from cyconv._held cimport HeldWeight
from cyconv._plan cimport Problem


cdef int execute(
    Problem *problem, np.ndarray input, np.ndarray weight, HeldWeight held, np.ndarray bias, np.ndarray out,
    Py_ssize_t leading, int input_dtype, int result_dtype, int parts, int activation, int algorithm,
) except -1
