"""What the engine asks of the conversions of weights."""

cimport numpy as np

from cyconv._kernels cimport cyc_kernels
from cyconv._trim cimport Trim


cdef tuple trim_weight(np.ndarray weight, const Trim *trim, const cyc_kernels *kernels, int threads)
