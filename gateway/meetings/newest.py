"""What somebody says again and again, taken at most so often: the newest word counts."""

from __future__ import annotations

from typing import Generic, TypeVar

_T = TypeVar("_T")


class Newest(Generic[_T]):
    """Told by :meth:`put`, asked by :meth:`due`; ``now_s`` never goes back."""

    __slots__ = ("_every_s", "_next_s", "_said")

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_s = 0.0
        self._said: _T | None = None

    @property
    def waits(self) -> bool:
        """Whether something was said that was not taken yet."""
        return self._said is not None

    def put(self, said: _T) -> None:
        """Somebody says this, and whatever waits is said no more."""
        self._said = said

    def due(self, now_s: float) -> _T | None:
        """What was said, if it may be taken now; None: nothing, or not yet."""
        if self._said is None or now_s < self._next_s:
            return None
        said, self._said = self._said, None
        self._next_s = now_s + self._every_s
        return said
