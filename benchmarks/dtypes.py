"""A few layers in every family of dtypes."""

from __future__ import annotations

import dataclasses

from .case import Case

_SHAPES = (
    Case("3x3 64 @56", (1, 64, 56, 56), (64, 64, 3, 3), padding=(1, 1)),
    Case("1x1 1024-256 @14", (1, 1024, 14, 14), (256, 1024, 1, 1)),
    Case("depthwise 144 @56", (1, 144, 56, 56), (144, 1, 3, 3), padding=(1, 1), groups=144),
    Case("7x7/2 stem", (1, 3, 224, 224), (64, 3, 7, 7), stride=(2, 2), padding=(3, 3)),
)
DTYPES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "complex64",
    "int32",
    "int64",
    "uint8",
)
# Of sums that no floating-point number holds.
_WIDE = ("int32", "int64")
TYPED = tuple(
    dataclasses.replace(shape, name=f"{shape.name} {dtype}", dtype=dtype)
    for shape in _SHAPES
    for dtype in DTYPES
) + tuple(
    dataclasses.replace(shape, name=f"{shape.name} wide {dtype}", dtype=dtype, wide=True)
    for shape in _SHAPES[:2]
    for dtype in _WIDE
)


def in_float32(case: Case) -> str:
    """Name of the same layer in float32."""
    return case.name.removesuffix(case.dtype).removesuffix("wide ") + "float32"
