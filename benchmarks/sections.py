"""What each section times, with which engines, and which ratios it draws from the times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .batches import BATCHES
from .case import Case
from .dtypes import TYPED
from .filters import FILTERS
from .layers import LAYERS

FUNCTION, HELD, DIRECT, GIVEN = "conv2d", "Conv2d", "Conv2d direct", "conv2d out="
SESSIONS = ("torch", "onnxruntime", "openvino", "ncnn", "opencv")
IMAGE_LIBRARIES = (
    "opencv",
    "opencv dst=",
    "scipy fftconvolve",
    "scipy oaconvolve",
    "scipy ndimage",
    "scipy correlate2d",
)


def _always(case: Case, peer: str) -> bool:
    return True


def _direct(case: Case, peer: str) -> bool:
    return not (peer == "ncnn" and case.suits_winograd)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The ratio of the best peer's time to ours, over the peers that `fair` lets in."""

    title: str
    ours: str
    peers: tuple[str, ...]
    fair: Callable[[Case, str], bool] = _always


@dataclasses.dataclass(frozen=True)
class Subset:
    """Cases whose geometric mean is worth a line of its own."""

    title: str
    contains: Callable[[Case], bool]


@dataclasses.dataclass(frozen=True)
class Section:
    """A list of cases, timed in one table."""

    name: str
    title: str
    cases: tuple[Case, ...]
    engines: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    subsets: tuple[Subset, ...] = ()


def _winograd(case: Case) -> bool:
    return case.suits_winograd and case.weight[0] >= 16 and case.weight[1] >= 16


SMALL = (
    Case("4x4 by 2x3", (1, 1, 4, 4), (1, 1, 2, 3)),
    Case("5x5 by 3x3, padding 1", (1, 1, 5, 5), (1, 1, 3, 3), padding=(1, 1)),
    Case("5x5 by 3x3, stride 2", (1, 1, 5, 5), (1, 1, 3, 3), stride=(2, 2)),
    Case("8 channels 8x8 by 3x3", (1, 8, 8, 8), (8, 8, 3, 3), padding=(1, 1)),
    *(
        Case(f"4x4 by 2x3 {dtype}", (1, 1, 4, 4), (1, 1, 2, 3), dtype=dtype)
        for dtype in ("int64", "uint8", "float16")
    ),
)

LAYER_COMPARISONS = (
    Comparison("conv2d / torch", FUNCTION, ("torch",)),
    Comparison("Conv2d / best", HELD, SESSIONS),
    Comparison("direct / best direct", DIRECT, SESSIONS, _direct),
)

SECTIONS = {
    section.name: section
    for section in (
        Section(
            "layers",
            "The public list of layers, float32",
            LAYERS,
            (*SESSIONS, FUNCTION, HELD, DIRECT),
            LAYER_COMPARISONS,
            (Subset("3x3 stride 1, 16 channels or more", _winograd),),
        ),
        Section(
            "batches",
            "Batches and large depthwise layers, float32",
            BATCHES,
            (*SESSIONS, FUNCTION, HELD, DIRECT),
            LAYER_COMPARISONS,
        ),
        Section(
            "images",
            "Filters over one image",
            FILTERS,
            (*IMAGE_LIBRARIES, FUNCTION, GIVEN, HELD),
            (
                Comparison("conv2d / opencv", FUNCTION, ("opencv",)),
                Comparison("out= / opencv dst=", GIVEN, ("opencv dst=",)),
                Comparison("conv2d / best", FUNCTION, IMAGE_LIBRARIES),
                Comparison("conv2d / ndimage", FUNCTION, ("scipy ndimage",)),
            ),
        ),
        Section(
            "dtypes",
            "Other dtypes",
            TYPED,
            ("torch", FUNCTION, HELD),
            (
                Comparison("conv2d / torch", FUNCTION, ("torch",)),
                Comparison("Conv2d / torch", HELD, ("torch",)),
            ),
        ),
        Section(
            "small",
            "What a small call costs",
            SMALL,
            (*SESSIONS, FUNCTION, GIVEN, HELD),
            (
                Comparison("conv2d / torch", FUNCTION, ("torch",)),
                Comparison("conv2d / best", FUNCTION, SESSIONS),
                Comparison("Conv2d / best", HELD, SESSIONS),
            ),
        ),
    )
}
