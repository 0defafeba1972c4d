from typing import Any

from numpy.typing import NDArray

__all__ = ["convolve_plain"]

def convolve_plain(
    input: object,
    weight: object,
    bias: object,
    stride: object,
    padding: object,
    dilation: object,
    groups: object,
    padding_mode: object,
    activation: object,
    algorithm: object,
    out: object,
) -> NDArray[Any] | None: ...
