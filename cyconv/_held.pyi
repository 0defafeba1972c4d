"""Types of weights held ready."""

from typing import Any, Self, final

from numpy.typing import NDArray

__all__ = ["HeldWeight"]

@final
class HeldWeight:
    def __new__(cls, array: NDArray[Any], number: int | None = None) -> Self: ...
    @property
    def array(self) -> NDArray[Any]: ...
