"""Filters over one image, as the image libraries know them."""

from __future__ import annotations

from .case import Case


def _filter(
    size: int,
    *,
    dtype: str = "float32",
    input_dtype: str = "",
    image: tuple[int, int] = (1080, 1920),
    note: str = "",
    channels: tuple[int, int, int] = (1, 1, 1),
    nan_share: float = 0.0,
    channels_last: bool = False,
) -> Case:
    """A size x size filter, "same" padded; `channels` are those in, those out, and the groups."""
    inside, outside, groups = channels
    return Case(
        f"{size}x{size} {note or dtype} {image[0]}p",
        (1, inside, *image),
        (outside, inside // groups, size, size),
        padding=(size // 2, size // 2),
        groups=groups,
        dtype=dtype,
        input_dtype=input_dtype,
        nan_share=nan_share,
        channels_last=channels_last,
    )


FILTERS = (
    *(_filter(size) for size in (3, 5, 7, 9, 11, 15, 31, 41, 63)),
    *(_filter(size, dtype="float64") for size in (3, 7, 31, 41, 63)),
    *(_filter(size, nan_share=0.01, note="fft 1% NaN") for size in (31, 63)),
    _filter(3, input_dtype="uint8", note="uint8 to float32"),
    _filter(7, input_dtype="uint8", note="uint8 to float32"),
    _filter(3, channels=(1, 16, 1), note="bank of 16"),
    _filter(5, channels=(3, 3, 3), note="each of RGB"),
    *(
        _filter(
            5,
            channels=channels,
            input_dtype=dtype,
            note=f"{note}, RGB by pixel {dtype}",
            channels_last=True,
        )
        for channels, note in (((3, 3, 3), "each"), ((3, 1, 1), "sum"))
        for dtype in ("float32", "uint8")
    ),
    _filter(3, image=(2160, 3840)),
    _filter(15, image=(2160, 3840)),
)
