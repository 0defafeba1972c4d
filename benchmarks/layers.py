"""The public list: layers of well-known networks, and three image filters."""

from __future__ import annotations

from .case import Case

LAYERS = (
    Case("resnet50.conv1 7x7/2", (1, 3, 224, 224), (64, 3, 7, 7), stride=(2, 2), padding=(3, 3)),
    Case("resnet50.l1.1x1 64-64", (1, 64, 56, 56), (64, 64, 1, 1)),
    Case("resnet50.l1.3x3 64", (1, 64, 56, 56), (64, 64, 3, 3), padding=(1, 1)),
    Case("resnet50.l1.1x1 64-256", (1, 64, 56, 56), (256, 64, 1, 1)),
    Case("resnet50.l2.3x3 128", (1, 128, 28, 28), (128, 128, 3, 3), padding=(1, 1)),
    Case(
        "resnet50.l2.3x3/2 128", (1, 128, 56, 56), (128, 128, 3, 3), stride=(2, 2), padding=(1, 1)
    ),
    Case("resnet50.l2.down 1x1/2", (1, 256, 56, 56), (512, 256, 1, 1), stride=(2, 2)),
    Case("resnet50.l3.3x3 256", (1, 256, 14, 14), (256, 256, 3, 3), padding=(1, 1)),
    Case("resnet50.l3.1x1 1024-256", (1, 1024, 14, 14), (256, 1024, 1, 1)),
    Case("resnet50.l4.3x3 512", (1, 512, 7, 7), (512, 512, 3, 3), padding=(1, 1)),
    Case("resnet50.l4.1x1 512-2048", (1, 512, 7, 7), (2048, 512, 1, 1)),
    Case("vgg16.conv1_1", (1, 3, 224, 224), (64, 3, 3, 3), padding=(1, 1)),
    Case("vgg16.conv1_2", (1, 64, 224, 224), (64, 64, 3, 3), padding=(1, 1)),
    Case("vgg16.conv3_2", (1, 256, 56, 56), (256, 256, 3, 3), padding=(1, 1)),
    Case("vgg16.conv5_1", (1, 512, 14, 14), (512, 512, 3, 3), padding=(1, 1)),
    Case("mobilenetv2.stem 3x3/2", (1, 3, 224, 224), (32, 3, 3, 3), stride=(2, 2), padding=(1, 1)),
    Case(
        "mobilenetv2.dw 96 /2",
        (1, 96, 112, 112),
        (96, 1, 3, 3),
        stride=(2, 2),
        padding=(1, 1),
        groups=96,
    ),
    Case("mobilenetv2.dw 144", (1, 144, 56, 56), (144, 1, 3, 3), padding=(1, 1), groups=144),
    Case("mobilenetv2.dw 576", (1, 576, 14, 14), (576, 1, 3, 3), padding=(1, 1), groups=576),
    Case("mobilenetv2.pw 144-24", (1, 144, 56, 56), (24, 144, 1, 1)),
    Case("mobilenetv2.pw 320-1280", (1, 320, 7, 7), (1280, 320, 1, 1)),
    Case("efficientnet.dw5x5 240", (1, 240, 28, 28), (240, 1, 5, 5), padding=(2, 2), groups=240),
    Case("convnext.dw7x7 96", (1, 96, 56, 56), (96, 1, 7, 7), padding=(3, 3), groups=96),
    Case("resnext50.g32 3x3 128", (1, 128, 56, 56), (128, 4, 3, 3), padding=(1, 1), groups=32),
    Case(
        "deeplab.atrous 3x3 d6", (1, 512, 33, 33), (256, 512, 3, 3), padding=(6, 6), dilation=(6, 6)
    ),
    Case("yolov8.stem 3x3/2 640", (1, 3, 640, 640), (16, 3, 3, 3), stride=(2, 2), padding=(1, 1)),
    Case("unet.3x3 64@256", (1, 64, 256, 256), (64, 64, 3, 3), padding=(1, 1)),
    Case("inception.1x7 192", (1, 192, 17, 17), (192, 192, 1, 7), padding=(0, 3)),
    Case("batch8 l2.3x3 128", (8, 128, 28, 28), (128, 128, 3, 3), padding=(1, 1)),
    Case("batch16 l3.1x1 1024-256", (16, 1024, 14, 14), (256, 1024, 1, 1)),
    Case("mnist 5x5 1-32", (1, 1, 28, 28), (32, 1, 5, 5), padding=(2, 2)),
    Case("cifar 3x3 16-16", (1, 16, 32, 32), (16, 16, 3, 3), padding=(1, 1)),
    Case("tiny seed 2x3", (1, 1, 4, 4), (1, 1, 2, 3)),
    Case("image sobel 1080p", (1, 1, 1080, 1920), (1, 1, 3, 3), padding=(1, 1)),
    Case("image gauss 15x15 1080p", (1, 1, 1080, 1920), (1, 1, 15, 15), padding=(7, 7)),
    Case("image rgb dw5x5 1080p", (1, 3, 1080, 1920), (3, 1, 5, 5), padding=(2, 2), groups=3),
)
