"""2-D convolution for NumPy arrays, with the meaning of ``torch.nn.functional.conv2d``."""

from . import functional, nn
from ._config import get_num_threads, set_num_threads, show_config
from ._planning import Explanation, conv2d_output_shape, explain
from ._state import IncompatibleKeys
from ._version import __version__
from .functional import conv2d
from .nn import Conv2d

__all__ = [
    "Conv2d",
    "Explanation",
    "IncompatibleKeys",
    "__version__",
    "conv2d",
    "conv2d_output_shape",
    "explain",
    "functional",
    "get_num_threads",
    "nn",
    "set_num_threads",
    "show_config",
]
