"""Layers over batches of images, whose arrays outgrow the caches, and a large depthwise one."""

from __future__ import annotations

from .case import Case

BATCHES = (
    Case("8 x 7x7/2 3-64 @224", (8, 3, 224, 224), (64, 3, 7, 7), stride=(2, 2), padding=(3, 3)),
    Case("4 x 3x3 3-64 @224", (4, 3, 224, 224), (64, 3, 3, 3), padding=(1, 1)),
    Case("8 x 3x3 64 @56", (8, 64, 56, 56), (64, 64, 3, 3), padding=(1, 1)),
    Case("8 x 3x3 256 @14", (8, 256, 14, 14), (256, 256, 3, 3), padding=(1, 1)),
    Case("8 x 3x3 512 @7", (8, 512, 7, 7), (512, 512, 3, 3), padding=(1, 1)),
    Case("8 x 3x3/2 128 @56", (8, 128, 56, 56), (128, 128, 3, 3), stride=(2, 2), padding=(1, 1)),
    Case("8 x 1x1 64-256 @56", (8, 64, 56, 56), (256, 64, 1, 1)),
    Case("8 x 1x1 256-64 @56", (8, 256, 56, 56), (64, 256, 1, 1)),
    Case("8 x 1x1 144-24 @56", (8, 144, 56, 56), (24, 144, 1, 1)),
    Case("8 x 1x1 512-2048 @7", (8, 512, 7, 7), (2048, 512, 1, 1)),
    Case("8 x dw3x3 144 @56", (8, 144, 56, 56), (144, 1, 3, 3), padding=(1, 1), groups=144),
    Case(
        "8 x dw3x3/2 96 @112",
        (8, 96, 112, 112),
        (96, 1, 3, 3),
        stride=(2, 2),
        padding=(1, 1),
        groups=96,
    ),
    Case("8 x dw7x7 96 @56", (8, 96, 56, 56), (96, 1, 7, 7), padding=(3, 3), groups=96),
    Case("dw3x3 128 @256", (1, 128, 256, 256), (128, 1, 3, 3), padding=(1, 1), groups=128),
)
