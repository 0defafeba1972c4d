"""Shapes around the edges of tiles, vectors, summation chunks and strips, compared exactly.

The small sweep never fills a register tile. Here the output channels and the output width pass
every tile edge, the terms of a sum every chunk edge, and the image the strips that stay in cache.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from . import oracle
from .arrays import available, dtype_of, poisoned
from .oracle import Geometry

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("lines")]

COMPUTE = ("float32", "float64", "uint32", "uint64")
EVERY_KIND = available(("float16", "bfloat16", "complex64", "complex128", "int8", "int16", "int64"))


def integer_valued(rng: np.random.Generator, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Draw values whose sums stay exact in the dtype, however many terms these tests add."""
    values = rng.integers(-2, 3, shape)
    if np.dtype(dtype_of(name)).kind == "c":
        values = values + 1j * rng.integers(-2, 3, shape)
    return values.astype(dtype_of(name))


def expected_result(x, w, b, geometry: Geometry) -> np.ndarray:
    """Convolve in an exact type and round once to the dtype of the operands."""
    kind = x.dtype.kind
    exact = "c16" if kind == "c" else ("u8" if kind in "iu" else "f8")
    y = oracle.conv2d(*(a.astype(exact) for a in (x, w, b)), geometry)
    # float32 holds these sums exactly, so that bfloat16 is rounded once.
    return y.astype("f4").astype(x.dtype) if exact == "f8" else y.astype(x.dtype)


def check(rng, isas, x_shape, w_shape, geometry: Geometry, name: str) -> int:
    """Compare one configuration on every instruction set; count the results."""
    x = integer_valued(rng, x_shape, name)
    w = integer_valued(rng, w_shape, name)
    b = integer_valued(rng, w_shape[:1], name)
    expected = expected_result(x, w, b, geometry)
    for isa in isas:
        _engine.use_isa(isa)
        out = poisoned(expected.shape, expected.dtype)
        cyconv.conv2d(x, w, b, **geometry.keywords(), algorithm="direct", out=out)
        wrong = np.argwhere(out != expected)
        where = wrong[0].tolist() if len(wrong) else None
        assert not len(wrong), (isa, name, x_shape, w_shape, geometry, len(wrong), where)
    return len(isas)


@pytest.mark.parametrize("name", COMPUTE)
def test_output_channels_by_output_widths(name: str, rng, isas, share, tally: Counter):
    channels = [*range(1, 18), 23, 24, 27, 28, 29, 31, 32, 33, 42, 47, 48, 49, 63, 64, 65]
    widths = [*range(1, 20), 31, 32, 33, 47, 48, 49, 63, 64, 65, 95, 96, 97, 129]
    pairs = [(o, w) for o in channels for w in widths][:: round(1 / share)]
    for turn, (o, width) in enumerate(pairs):
        c, height = 1 + turn % 5, 1 + turn % 3
        shape = (1 + turn % 2, c, height + 1, width + 2)
        cases = check(rng, isas, shape, (o, c, 2, 3), Geometry(), name)
        tally["exact integer-valued results, tile edges"] += cases


@pytest.mark.parametrize("name", COMPUTE)
def test_depthwise_widths_kernels_and_strides(name: str, rng, isas, share, tally: Counter):
    widths = [*range(1, 20), 31, 32, 33, 63, 64, 65, 66, 130]
    layers = [(w, k, s) for w in widths for k in (1, 2, 3, 5, 7) for s in (1, 2, 3)]
    for turn, (width, k, s) in enumerate(layers[:: round(1 / share)]):
        channels, multiplier = 1 + turn % 7, 1 + turn % 3
        dilation = (1 + turn % 2, 1 + turn // 2 % 3)
        left = dilation[1] * (k - 1) // 2
        geometry = Geometry(
            (s, s), (k // 2, k - 1, left, dilation[1] * (k - 1)), dilation, channels
        )
        shape = (1, channels, 5 + k, width)
        cases = check(rng, isas, shape, (channels * multiplier, 1, k, k), geometry, name)
        tally["exact integer-valued results, depthwise"] += cases


@pytest.mark.parametrize("name", COMPUTE)
@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (3, 3), (5, 5)])
def test_terms_around_chunk_edges(kernel, name: str, rng, isas, share, tally: Counter):
    area = kernel[0] * kernel[1]
    terms = [63, 64, 65, 95, 96, 97, 127, 128, 129, 143, 144, 145, 255, 256, 257, 385, 511, 513]
    counts = sorted({max(1, t // area + extra) for t in terms for extra in (0, 1)})
    for turn, c in enumerate(counts[:: round(1 / share)]):
        o = (3, 14, 16, 33)[turn % 4]
        width = (5, 33, 14)[turn % 3] + kernel[1]
        shape = (1, c, kernel[0] + 1, width)
        cases = check(rng, isas, shape, (o, c, *kernel), Geometry(), name)
        tally["exact integer-valued results, chunk edges"] += cases


IMAGES = {
    "one channel 3x3": ((1, 1, 301, 517), (1, 1, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "one channel 15x15": ((1, 1, 150, 301), (1, 1, 15, 15), Geometry((1, 1), (7, 7, 7, 7))),
    "one to many": ((1, 1, 120, 200), (19, 1, 5, 5), Geometry((1, 1), (2, 2, 2, 2))),
    "stem": ((1, 3, 161, 163), (17, 3, 7, 7), Geometry((2, 2), (3, 3, 3, 3))),
    "depthwise": ((2, 9, 120, 130), (9, 1, 3, 3), Geometry((1, 1), (1, 1, 1, 1), (1, 1), 9)),
    "depthwise strided": (
        (1, 6, 201, 130),
        (12, 1, 5, 5),
        Geometry((2, 3), (2, 2, 2, 2), (1, 1), 6),
    ),
    "grouped": ((1, 12, 90, 101), (18, 4, 3, 3), Geometry((1, 1), (1, 1, 1, 1), (1, 1), 3)),
    "dilated": ((1, 4, 140, 150), (10, 4, 3, 3), Geometry((1, 1), (12, 12, 12, 12), (12, 12))),
    "1x1": ((2, 40, 60, 61), (35, 40, 1, 1), Geometry()),
    "1x1 strided": ((1, 40, 61, 61), (35, 40, 1, 1), Geometry((2, 2))),
    "small deep": ((1, 130, 7, 7), (140, 130, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "tall": ((1, 2, 2003, 5), (3, 2, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "wide": ((1, 2, 5, 20011), (3, 2, 3, 3), Geometry((1, 1), (1, 1, 1, 1))),
    "one row": ((2, 40, 1, 3001), (33, 40, 1, 3), Geometry((1, 1), (0, 0, 1, 1))),
    "one row, strided": ((1, 300, 1, 2003), (20, 300, 1, 3), Geometry((1, 2), (0, 0, 2, 1))),
    "wide strided": ((1, 3, 9, 9001), (2, 3, 4, 4), Geometry((3, 5), (1, 2, 3, 1), (2, 2))),
    "reflect": (
        (1, 3, 150, 151),
        (5, 3, 5, 5),
        Geometry((1, 1), (9, 8, 7, 6), (1, 1), 1, "reflect"),
    ),
    "circular": (
        (1, 3, 50, 51),
        (5, 3, 5, 5),
        Geometry((2, 1), (50, 49, 48, 51), (1, 2), 1, "circular"),
    ),
    "replicate": (
        (1, 3, 50, 51),
        (5, 3, 5, 5),
        Geometry((2, 1), (70, 60, 99, 100), (1, 2), 1, "replicate"),
    ),
    "mostly padding": ((1, 3, 2, 3), (5, 3, 3, 3), Geometry((1, 1), (40, 30, 99, 100))),
}


@pytest.mark.parametrize("name", COMPUTE + EVERY_KIND)
@pytest.mark.parametrize("layer", IMAGES)
def test_images_larger_than_a_strip(layer: str, name: str, rng, isas, tally: Counter):
    cases = check(rng, isas, *IMAGES[layer], name)
    tally["exact integer-valued results, images"] += cases


@pytest.mark.parametrize("name", COMPUTE)
@pytest.mark.parametrize("channels", [1, 2])
def test_kernels_whose_window_of_a_channel_is_large(channels: int, name: str, isas, rng):
    """Many blocks of terms take their pixels from one channel, whose window is made once."""
    x_shape, w_shape = (1, channels, 262, 263), (1, channels, 257, 258)
    assert check(rng, isas, x_shape, w_shape, Geometry(padding=(1, 0, 0, 1)), name) == len(isas)
