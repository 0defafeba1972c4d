"""The keys of a layer's state against those of a dict that is to be loaded into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


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
