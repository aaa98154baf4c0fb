"""What a start does with the spool that an earlier process left: cut, adopt, finish the order.

Each file ends after its last whole fragment and becomes pending, so that the uploader brings it
into store and index as if nothing had happened. A file without a whole fragment held nothing that
could be played, and goes; one whose header is damaged is set aside in ``unreadable`` and named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from recorder.fmp4.reader import Mp4Error
from recorder.fmp4.recovery import recover
from recorder.spool import Spool
from recorder.spool_file import FileState, SpoolFile

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RecoveryReport:
    """File names by what became of them; ``cut_bytes`` is what lay behind the last fragments."""

    recovered: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    cut_bytes: int = 0


def recover_file(path: Path) -> SpoolFile | None:
    """Cut one file and describe it; None when it holds no whole fragment. Blocks.

    Raises Mp4Error when its header is damaged, OSError when it cannot be read or cut.
    """
    data = path.read_bytes()
    found = recover(data)
    if not found.entries:
        return None
    if found.size_bytes < len(data):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, found.size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return SpoolFile(
        found.header,
        data[: found.header_bytes],
        path,
        thread=0,
        composition_90k=found.composition_90k,
        state=FileState.PENDING,
        entries=found.entries,
        written_bytes=found.size_bytes,
        enqueued_bytes=found.size_bytes,
        enqueued_end_us=found.end_us,
        end_us=found.end_us,
    )


def recover_files(spool: Spool) -> tuple[list[SpoolFile], RecoveryReport]:
    """Recover all files of a claimed spool, oldest first. Blocks; one bad file harms no other."""
    files = []
    report = RecoveryReport()
    for path in spool.file_paths():
        try:
            before = path.stat().st_size
            file = recover_file(path)
        except (Mp4Error, OSError) as error:
            if path.stat().st_size < _LEAST_BYTES:
                file, before = None, 0  # killed while writing the header: nothing was in it
            else:
                _log.error("a spool file is unreadable", path=str(path), error=str(error))
                folder = path.parent / "unreadable"
                folder.mkdir(exist_ok=True)
                path.rename(folder / path.name)
                report.unreadable.append(path.name)
                continue
        if file is None:
            path.unlink()
            report.empty.append(path.name)
            continue
        report.cut_bytes += before - file.written_bytes
        report.recovered.append(path.name)
        files.append(file)
    return files, report


# Header and first fragment are written at once; shorter than this there is no whole header.
_LEAST_BYTES = 512
