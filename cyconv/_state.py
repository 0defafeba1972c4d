"""The keys of a layer's state against those of a dict that is to be loaded into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._arguments import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray


class IncompatibleKeys(NamedTuple):
    """What `Conv2d.load_state_dict` did not find, and what it had no use for.

    Attributes
    ----------
    missing_keys : list of str
        Of the layer's, those that the dict lacks.
    unexpected_keys : list of str
        Of the dict's, those that the layer lacks.

    Examples
    --------
    >>> import cyconv
    >>> layer = cyconv.Conv2d(3, 8, 3, bias=False)
    >>> layer.load_state_dict({"bias": 0}, strict=False)
    IncompatibleKeys(missing_keys=['weight'], unexpected_keys=['bias'])
    """

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )

    def problems(self) -> list[str]:
        """Say what is missing and what unexpected, for the message of an error."""
        named = {"missing": self.missing_keys, "unexpected": self.unexpected_keys}
        return [f"{kind} {quoted(keys)}" for kind, keys in named.items() if keys]


def quoted(names: Iterable[object]) -> str:
    """List names, each in double quotes."""
    return ", ".join(f'"{name}"' for name in names)


def take_state(
    state: Mapping[str, ArrayLike],
    own: Mapping[str, tuple[int, ...]],
    copy: Callable[[ArrayLike, str, tuple[int, ...]], NDArray[Any]],
    strict: bool,
    layer: str,
) -> tuple[IncompatibleKeys, dict[str, NDArray[Any]]]:
    """Return a copy of each value of `state` under a key of `own`, which has the shapes.

    `copy` makes it, or raises ValueError or TypeError. All problems of a state are told together,
    as those of the class `layer`: as a TypeError if one of them is.
    """
    if not hasattr(state, "keys") or not hasattr(state, "__getitem__"):
        raise TypeError(f"state_dict must be a mapping, got {shown(state)}")
    if not isinstance(strict, (bool, np.bool_)):
        raise TypeError(f"strict must be a bool, got {shown(strict)}")
    given = list(state.keys())
    keys = IncompatibleKeys(
        [key for key in own if key not in given], [key for key in given if key not in own]
    )
    problems = keys.problems() if strict else []
    sort: type[ValueError | TypeError] = ValueError
    copies = {}
    for key, shape in own.items():
        if key in given:
            try:
                copies[key] = copy(state[key], key, shape)
            except (ValueError, TypeError) as error:
                problems.append(str(error))
                sort = TypeError if isinstance(error, TypeError) else sort
    if problems:
        raise sort(
            f"state_dict does not fit {layer}, which has {quoted(own)}: " + "; ".join(problems)
        )
    return keys, copies
