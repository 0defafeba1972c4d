"""1x1 kernels over pixels in place, whose blocks are runs of tiles that begin at whole vectors."""

from __future__ import annotations

import numpy as np
import pytest

import cyconv
from cyconv import _engine

from .arrays import guarded, needs_guard_pages

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("lines")]

# Channels, outputs, height, width: planes of whole vectors, lines and tiles, and of none of them;
# of one block of rows and of many; of rows narrower than a tile, and of fewer blocks than tasks.
LAYERS = [
    (7, 5, 1, 1),
    (7, 5, 3, 5),
    (30, 13, 4, 8),
    (30, 13, 7, 7),
    (20, 3, 1, 3000),
    (20, 3, 3000, 1),
    (70, 30, 28, 28),
    (130, 30, 33, 31),
    (260, 20, 65, 65),
    (300, 7, 56, 57),
    (300, 7, 100, 96),
    (60, 300, 12, 16),
    (160, 151, 13, 15),
]


def room_for(elements: int, first: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Poison an array; return it and its part from `first` elements after a cache line on."""
    room = np.full(elements + 128, np.nan, dtype)
    begin = -room.ctypes.data % 64 // room.itemsize + 32 + first
    return room, room[begin : begin + elements]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_wherever_input_and_result_begin(layer, threads: int, dtype: str, isas, rng):
    channels, outputs, height, width = layer
    batch = 3 if height * width < 1000 else 1
    cyconv.set_num_threads(threads)
    w = rng.integers(-4, 5, (outputs, channels, 1, 1)).astype(dtype)
    values = rng.integers(-4, 5, (batch, channels, height * width))
    expected = np.matmul(w[:, :, 0, 0].astype(np.int64), values)
    for isa in isas:
        _engine.use_isa(isa)
        for first, out_first in ((0, 0), (1, 0), (4, 4), (9, 4), (15, 15)):
            _, x = room_for(values.size, first, dtype)
            x[:] = values.ravel()
            room, out = room_for(expected.size, out_first, dtype)
            y = out.reshape(batch, outputs, height, width)
            cyconv.conv2d(x.reshape(batch, channels, height, width), w, algorithm="direct", out=y)
            assert np.array_equal(out, expected.ravel()), (isa, first, out_first)
            assert np.isnan(room).sum() == room.size - out.size, (isa, first, out_first)


@needs_guard_pages
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_nothing_beyond_input_and_result(layer, threads: int, isas, rng):
    channels, outputs, height, width = layer
    x = rng.integers(-4, 5, (1, channels, height, width)).astype("float32")
    w = rng.integers(-4, 5, (outputs, channels, 1, 1)).astype("float32")
    expected = np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x)
    cyconv.set_num_threads(threads)
    for isa in isas:
        _engine.use_isa(isa)
        for at_end in (False, True):
            out = guarded(np.full_like(expected, np.nan), at_end)
            cyconv.conv2d(guarded(x, at_end), w, algorithm="direct", out=out)
            assert np.array_equal(out, expected), (isa, at_end)


def test_the_same_with_gaps_between_the_rows_of_the_result(isas, rng):
    x = rng.integers(-4, 5, (2, 70, 33, 31)).astype("float32")
    w = rng.integers(-4, 5, (9, 70, 1, 1)).astype("float32")
    expected = np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x)
    for isa in isas:
        _engine.use_isa(isa)
        room = np.full((2, 9, 33, 40), np.nan, "float32")
        cyconv.conv2d(x, w, algorithm="direct", out=room[..., :31])
        assert np.array_equal(room[..., :31], expected), isa
        assert np.isnan(room[..., 31:]).all(), isa


# Views of one column whose stride is that of the rows, by the room that they are taken from.
ONE_COLUMN = {
    "channels last": ((3, 85, 1, 4), lambda room: room.transpose(0, 3, 1, 2)),
    "every second row": ((3, 4, 85, 2), lambda room: room[..., ::2]),
    "backwards": ((3, 4, 85, 1), lambda room: room[..., ::-1, ::-1]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", ONE_COLUMN)
@pytest.mark.parametrize("channels", [1, 8, 64])
def test_rows_of_a_single_column_are_no_run(channels: int, layout: str, dtype: str, isas, rng):
    x = rng.integers(-4, 5, (3, channels, 85, 1)).astype(dtype)
    w = rng.integers(-4, 5, (4, channels, 1, 1)).astype(dtype)
    expected = np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x)
    shape, view = ONE_COLUMN[layout]
    size = int(np.prod(shape))
    for isa in isas:
        _engine.use_isa(isa)
        room = np.full(size + 256, np.nan, dtype)
        out = view(room[128 : 128 + size].reshape(shape))
        assert out.strides[2] == out.strides[3]
        cyconv.conv2d(x, w, algorithm="direct", out=out)
        assert np.array_equal(out, expected), isa
        assert np.isnan(room).sum() == room.size - out.size, isa
