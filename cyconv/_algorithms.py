"""What each algorithm is good for and what it needs, in words."""

from __future__ import annotations

# Why it was chosen.
REASONS = {
    "fft": (
        "the kernel is so large that products of spectra take less time than products of pixels"
    ),
    "split": (
        "bfloat16 parts of these numbers are multiplied in less time than the numbers themselves"
    ),
    "winograd": "36 products for each 4 x 4 outputs instead of 144",
    "rows": "each input row, once loaded, serves every output row whose kernel covers it",
    "turned tile": "vectors over output channels fill better than vectors over rows this short",
    "tile": "vectors over pixels, each serving several output channels",
}
WIDE_REASON = "{} images of few pixels lie side by side, so that tiles take the same pixel of many"

# What it may have to refuse, if it is asked for by name; tiles take everything.
NEEDS = {
    "fft": (
        "a floating-point or complex dtype, input channels, and a kernel and channels whose "
        "transforms take at most {megabytes} MiB"
    ),
    "split": "a CPU with AMX or AVX512_BF16, and float32, complex64, float16 or bfloat16",
    "winograd": (
        "a kernel of 3 x 3, stride 1, a floating-point or complex dtype, 1 to {channels} channels "
        "in a group, dilations whose product is at most {tiles}, or what many channels leave room "
        "for, and with reflect or circular padding an input that whole tiles do not wrap around"
    ),
    "rows": "a stride within the kernel, and channels that fit one window",
}
