"""AMF 0 (Adobe's specification of 2007): the values of RTMP commands."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TypeAlias

_DEPTH_LIMIT = 8
_VALUES_LIMIT = 512

Value: TypeAlias = "float | bool | str | dict[str, Value] | list[Value] | None"


class AmfError(ValueError):
    """The bytes are no AMF 0."""


def decode(data: bytes) -> list[Value]:
    """All values, one behind the other. Raises AmfError. Objects and arrays are nested at most 8
    deep, and have at most 512 values in all.
    """
    reader = _Reader(data)
    values: list[Value] = []
    while reader.position < len(data):
        values.append(reader.value(0))
    return values


def encode(*values: Value) -> bytes:
    """The values, one behind the other."""
    return b"".join(map(_encoded, values))


def _encoded(value: Value) -> bytes:
    match value:
        case bool():
            return b"\x01" + bytes((value,))
        case int() | float():
            return b"\x00" + struct.pack(">d", value)
        case str():
            text = value.encode("utf-8", "replace")
            if len(text) > 0xFFFF:
                return b"\x0c" + struct.pack(">I", len(text)) + text
            return b"\x02" + struct.pack(">H", len(text)) + text
        case None:
            return b"\x05"
        case Mapping():
            pieces = [b"\x03"]
            for name, one in value.items():
                key = name.encode("utf-8", "replace")[:0xFFFF]
                pieces += (struct.pack(">H", len(key)), key, _encoded(one))
            return b"".join(pieces) + b"\x00\x00\x09"
        case list():
            return b"\x0a" + struct.pack(">I", len(value)) + encode(*value)
    raise TypeError(f"no AMF 0 for {type(value).__name__}")


class _Reader:
    """Walks over the bytes; bounded in depth and number."""

    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data
        self._values = 0

    def value(self, depth: int) -> Value:
        self._values += 1
        if depth > _DEPTH_LIMIT or self._values > _VALUES_LIMIT:
            raise AmfError("the values are nested too deeply, or too many")
        marker = self._take(1)[0]
        match marker:
            case 0x00:
                number: float = struct.unpack(">d", self._take(8))[0]
                return number
            case 0x01:
                return self._take(1) != b"\x00"
            case 0x02:
                return self._text(2)
            case 0x03:
                return self._properties(depth)
            case 0x05 | 0x06:
                return None
            case 0x08:
                self._take(4)
                return self._properties(depth)
            case 0x0A:
                count = int.from_bytes(self._take(4), "big")
                if count > _VALUES_LIMIT:
                    raise AmfError("an array is too long")
                return [self.value(depth + 1) for _ in range(count)]
            case 0x0B:
                moment: float = struct.unpack(">d", self._take(10)[:8])[0]
                return moment
            case 0x0C:
                return self._text(4)
        raise AmfError(f"AMF 0 marker {marker}")

    def _properties(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while True:
            name = self._text(2)
            if not name and self._data[self.position : self.position + 1] == b"\x09":
                self.position += 1
                return found
            found[name] = self.value(depth + 1)

    def _text(self, length_bytes: int) -> str:
        length = int.from_bytes(self._take(length_bytes), "big")
        return self._take(length).decode("utf-8", "replace")

    def _take(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if self.position > len(self._data):
            raise AmfError("the values end early")
        return self._data[start : self.position]
