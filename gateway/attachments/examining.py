"""What a file is and what is kept of it: judged by its first bytes, read in its own process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.attachments.kinds import HEAD_BYTES, FileRefused, Sniffed, sniff
from gateway.settings.attachments import AttachmentSettings

_PATIENCE_S = 90.0
_MIB = 1024 * 1024
_SLOW = FileRefused("too_slow", "this file takes too long to read: send a shorter or smaller one")


@dataclass(frozen=True, slots=True)
class Examined:
    """``path`` is what is to be kept; ``columns`` go into the row, ``thumbnail`` beside it."""

    path: Path
    thumbnail: Path | None
    columns: dict[str, Any]


def limit_bytes(settings: AttachmentSettings, sniffed: Sniffed) -> int:
    """How large a file of this kind may be."""
    limits = {
        "photo": settings.photo_bytes_limit,
        "video": settings.video_bytes_limit,
        "sound": settings.sound_bytes_limit,
        "document": settings.document_bytes_limit,
    }
    return limits[sniffed.kind]


def examine(source: Path, name: str, settings: AttachmentSettings) -> Examined:
    """Read ``source``; what is made of it lies beside it. Blocks, for seconds.

    Raises :class:`FileRefused`, OSError.
    """
    with source.open("rb") as file:
        sniffed = sniff(file.read(HEAD_BYTES), name)
    size = source.stat().st_size
    limit = limit_bytes(settings, sniffed)
    if size > limit:
        raise FileRefused(
            "too_large",
            f"this {sniffed.kind} has {size / _MIB:.0f} MB; it may have {limit // _MIB}: "
            "send a smaller or shorter one",
        )
    columns: dict[str, Any] = {"kind": sniffed.kind, "media_type": sniffed.media_type}
    made, thumbnail = source, None
    if sniffed.kind != "document":
        made, picture = source.with_suffix(".made"), source.with_suffix(".thumbnail")
        told = _ask(source, made, picture, sniffed, limit)
        if told.pop("sound_only", False):
            columns["kind"] = "sound"
            columns["media_type"] = sniffed.media_type.replace("video/", "audio/")
        columns |= told
        thumbnail = picture if picture.exists() else None
    with made.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    columns |= {
        "name": name,
        "sha256": digest,
        "size_bytes": made.stat().st_size,
        "has_thumbnail": thumbnail is not None,
    }
    return Examined(made, thumbnail, columns)


def _ask(source: Path, made: Path, thumbnail: Path, sniffed: Sniffed, limit: int) -> dict[str, Any]:
    asked = {"kind": sniffed.kind, "container": sniffed.container, "limit_bytes": limit}
    command = [
        sys.executable, "-m", "gateway.attachments.worker",
        str(source), str(made), str(thumbnail), json.dumps(asked),
    ]  # fmt: skip
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _SLOW from None
    line = process.stdout.partition(b"\n")[0]
    if not line:
        raise FileRefused(
            "damaged", "this file is damaged in a way that its reader did not survive"
        )
    told: dict[str, Any] = json.loads(line)
    if "code" in told:
        raise FileRefused(told["code"], told["message"])
    return told
