"""A small cache of byte strings, bounded by their size; the longest unused goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class ByteCache:
    """Not shared between threads."""

    def __init__(self, bytes_limit: int) -> None:
        self._limit = bytes_limit
        self._bytes = 0
        self._items: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """What was put, if it is still there."""
        value = self._items.get(key)
        if value is not None:
            self._items.move_to_end(key)
        return value

    def put(self, key: Hashable, value: bytes) -> None:
        """Keep ``value``. What is larger than an eighth of the cache is not kept."""
        if len(value) > self._limit // 8:
            return
        self._bytes += len(value) - len(self._items.pop(key, b""))
        self._items[key] = value
        while self._bytes > self._limit:
            self._bytes -= len(self._items.popitem(last=False)[1])
