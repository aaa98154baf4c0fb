"""``multipart/x-mixed-replace``: pictures one after the other, as old cameras send them."""

from __future__ import annotations

import re

PICTURE_BYTES_LIMIT = 8 * 1024 * 1024
_HEAD_BYTES_LIMIT = 8 * 1024
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_LENGTH = re.compile(rb"^content-length:\s*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)
_JPEG_BEGIN = b"\xff\xd8"
# Frame headers that tell the size (ITU-T T.81 Annex B): all SOF but DHT, JPG and DAC.
_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


class MultipartError(ValueError):
    """The bytes are no multipart pictures; the message says why."""


def boundary_of(content_type: str) -> bytes:
    """The boundary with its two hyphens in front. Raises MultipartError."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise MultipartError("the server names no boundary between its pictures")
    named = match[1].strip().encode("utf-8", "replace")
    # Many cameras write the hyphens into the name.
    return named if named.startswith(b"--") else b"--" + named


class MultipartReader:
    """Takes the body's bytes, gives whole pictures. Memory is bounded by PICTURE_BYTES_LIMIT."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary
        self._rest = bytearray()
        self._length: int | None = None
        self._in_body = False

    def receive(self, data: bytes) -> list[bytes]:
        """Take the next bytes. Raises MultipartError."""
        self._rest += data
        pictures: list[bytes] = []
        while self._step(pictures):
            continue
        if len(self._rest) > PICTURE_BYTES_LIMIT:
            raise MultipartError("a picture is longer than 8 MiB, or the boundary never comes")
        return pictures

    def _step(self, pictures: list[bytes]) -> bool:
        rest = self._rest
        if not self._in_body:
            at = rest.find(self._boundary)
            if at < 0:
                # The beginning of a boundary may be the last thing that came.
                del rest[: max(0, len(rest) - len(self._boundary))]
                return False
            end = rest.find(b"\r\n\r\n", at)
            marks = 4
            if end < 0:
                end, marks = rest.find(b"\n\n", at), 2
            if end < 0:
                if len(rest) - at > _HEAD_BYTES_LIMIT:
                    raise MultipartError("the heading of a picture does not end")
                return False
            match = _LENGTH.search(bytes(rest[at:end]).replace(b"\r", b""))
            self._length = int(match[1]) if match else None
            if self._length is not None and self._length > PICTURE_BYTES_LIMIT:
                raise MultipartError("a picture is longer than 8 MiB")
            del rest[: end + marks]
            self._in_body = True
            return True
        if self._length is not None:
            if len(rest) < self._length:
                return False
            body, cut = bytes(rest[: self._length]), self._length
        else:
            cut = rest.find(b"\n" + self._boundary)
            if cut < 0:
                return False
            body = bytes(rest[:cut]).rstrip(b"\r")
        del rest[:cut]
        self._in_body = False
        if body.startswith(_JPEG_BEGIN):
            pictures.append(body)
        return True


def jpeg_size(picture: bytes) -> tuple[int, int]:
    """Width and height. Raises MultipartError when the picture does not say."""
    position, end = 2, len(picture)
    while position + 9 <= end and picture[position] == 0xFF:
        marker = picture[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _SIZES:
            height = picture[position + 5] << 8 | picture[position + 6]
            width = picture[position + 7] << 8 | picture[position + 8]
            if width and height:
                return width, height
            break
        position += 2 + (picture[position + 2] << 8 | picture[position + 3])
    raise MultipartError("a picture is no JPEG")
