"""What a file is, by its first bytes: its name and what its sender says of it prove nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["photo", "video", "sound", "document"]

HEAD_BYTES = 64

_OFFICE = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_OLDER_OFFICE = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "wps": "application/vnd.ms-works",
    "et": "application/octet-stream",
}
_SOUND_BRANDS = (b"M4A ", b"M4B ")
_PHOTO_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"avif")


class FileRefused(Exception):
    """Why a file is not taken, in words for whoever brought it. ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sniffed:
    """``container`` is what PyAV calls the format of a video or of sound."""

    kind: Kind
    media_type: str
    container: str = ""


def sniff(head: bytes, name: str) -> Sniffed:
    """What a file that begins so is. Raises :class:`FileRefused` ``not_accepted``."""
    suffix = name.rpartition(".")[2].lower()
    if head[:3] == b"\xff\xd8\xff" or head[:8] == b"\x89PNG\r\n\x1a\n":
        return Sniffed("photo", "image/jpeg")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Sniffed("photo", "image/jpeg")
    if head[4:8] == b"ftyp":
        if head[8:12] in _PHOTO_BRANDS:
            return Sniffed("photo", "image/jpeg")
        if head[8:12] in _SOUND_BRANDS:
            return Sniffed("sound", "audio/mp4", "mp4")
        return Sniffed("video", "video/mp4", "mp4")
    if head[:4] == b"\x1aE\xdf\xa3":
        return Sniffed("video", "video/webm", "matroska")
    if head[:4] == b"OggS":
        return Sniffed("sound", "audio/ogg", "ogg")
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Sniffed("sound", "audio/wav", "wav")
    if head[:3] == b"ID3" or head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return Sniffed("sound", "audio/mpeg", "mp3")
    if head[:5] == b"%PDF-":
        return Sniffed("document", "application/pdf")
    if head[:4] == b"PK\x03\x04" and suffix in _OFFICE:
        return Sniffed("document", _OFFICE[suffix])
    if head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" and suffix in _OLDER_OFFICE:
        return Sniffed("document", _OLDER_OFFICE[suffix])
    raise FileRefused(
        "not_accepted",
        "this kind of file is not taken: send a photo (JPEG, PNG, WebP, HEIC), a video or sound "
        "(MP4, MOV, WebM, M4A, OGG, MP3, WAV) or a document (PDF, Word, Excel, PowerPoint)",
    )
