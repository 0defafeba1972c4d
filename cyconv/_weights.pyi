"""Types of the conversions of weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["expand_complex", "widen_halves"]

def widen_halves(halves: NDArray[np.float16]) -> NDArray[np.float32]: ...
def expand_complex(weight: NDArray[Any], real: NDArray[Any]) -> None: ...
