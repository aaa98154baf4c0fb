"""What lies beside a spool file whose segment is being uploaded in parts: the upload's id, and a
line for each part that the store has.

The note is a help, not a truth: what it says is compared with the file's bytes before it is relied
on, and where it is lost the segment is uploaded anew. Everything here blocks.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from recorder.stores.parts import StoredPart

SUFFIX = ".upload"


@dataclass(slots=True)
class UploadNote:
    """An upload in parts of ``part_bytes``. ``compared``: its parts are known to be this file's."""

    path: Path
    key: str
    upload_id: str
    part_bytes: int
    parts: list[StoredPart] = field(default_factory=list)
    compared: bool = False

    @property
    def sent_bytes(self) -> int:
        """How much of the file the store has."""
        return sum(part.size_bytes for part in self.parts)

    def write(self) -> None:
        """Begin the file anew with all that is known. Raises OSError."""
        facts = {"key": self.key, "upload_id": self.upload_id, "part_bytes": self.part_bytes}
        lines = [facts, *(_facts(part) for part in self.parts)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        temporary = self.path.with_suffix(".upload-new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path)

    def add_line(self) -> None:
        """Write down the newest part. Raises OSError."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_facts(self.parts[-1])) + "\n")


def note_path(spool_file: Path) -> Path:
    """Where the note of a spool file lies."""
    return spool_file.with_suffix(SUFFIX)


def read_note(path: Path) -> UploadNote | None:
    """The note; None where there is none, or nothing can be made of it. A torn end is cut off."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return None
    try:
        head = json.loads(lines[0])
        key, upload_id, part_bytes = head["key"], head["upload_id"], head["part_bytes"]
        if not (isinstance(key, str) and isinstance(upload_id, str) and upload_id):
            return None
        if not isinstance(part_bytes, int) or part_bytes < 1:
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    note = UploadNote(path, key, upload_id, part_bytes)
    for line in lines[1:]:
        part = _part(line)
        # Only the last part may be shorter, and then the upload was as good as finished.
        if part is None or part.number != len(note.parts) + 1 or part.size_bytes > part_bytes:
            break
        note.parts.append(part)
        if part.size_bytes < part_bytes:
            break
    return note


def compare(note: UploadNote, spool_file: Path, size_bytes: int) -> None:
    """Forget the parts that are not the file's bytes, from the first on that is not: a power cut
    may have taken what was sent, and cut the file elsewhere. Raises OSError.
    """
    at = 0
    kept: list[StoredPart] = []
    with spool_file.open("rb", buffering=0) as file:
        for part in note.parts:
            end = at + part.size_bytes
            if end > size_bytes or (part.size_bytes < note.part_bytes and end != size_bytes):
                break
            data = os.pread(file.fileno(), part.size_bytes, at)
            if hashlib.md5(data, usedforsecurity=False).hexdigest() != part.etag:
                break
            kept.append(part)
            at = end
    note.parts = kept
    note.compared = True


def _facts(part: StoredPart) -> dict[str, object]:
    return {"part": part.number, "etag": part.etag, "size_bytes": part.size_bytes}


def _part(line: str) -> StoredPart | None:
    try:
        facts = json.loads(line)
        number, etag, size = facts["part"], facts["etag"], facts["size_bytes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(number, int) and isinstance(etag, str) and isinstance(size, int)):
        return None
    return StoredPart(number, etag, size) if size > 0 else None
