"""Checking a package on any machine: nothing but the package and a key that came another way.

What is checked: the archive's own bytes, each file's SHA-256 and SM3, that none is missing and none
was added, and that a trusted key signed the list of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gateway.evidence.digest import FileDigest, digest_of
from gateway.evidence.keys import SIGNATURE_FORMAT, PublicKey, TrustedKeys, canonical
from gateway.evidence.zip_layout import ZipError, read_directory

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
FORMAT = "gridsight-evidence/1"
_MANIFEST_BYTES_LIMIT = 64 * 1024 * 1024

Say = Callable[[str], None]


@dataclass(slots=True)
class EvidenceReport:
    """What was found. ``faults`` is empty when everything is as it was signed; each begins with the
    file that it speaks of. ``signed_by`` are trusted keys, ``also_signed_by`` others.
    """

    manifest: dict[str, Any] = field(default_factory=dict)
    files: int = 0
    size_bytes: int = 0
    signed_by: list[PublicKey] = field(default_factory=list)
    also_signed_by: list[PublicKey] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Package:
    """The files of a package, wherever they are."""

    sizes: dict[str, int]
    open: Callable[[str], Any]
    crcs: dict[str, int] = field(default_factory=dict)


def verify_package(path: Path, trusted: TrustedKeys, say: Say = lambda _: None) -> EvidenceReport:
    """Check a package: its ZIP, the folder that it was unpacked into, or the manifest in there.

    Raises OSError when it cannot be read. Blocks; ``say`` gets a line for each file.
    """
    report = EvidenceReport()
    if path.name == MANIFEST:
        path = path.parent
    with _opened(path, report) as package:
        if package is not None:
            _verify(package, trusted, report, say)
    return report


@contextmanager
def _opened(path: Path, report: EvidenceReport) -> Iterator[_Package | None]:
    if path.is_dir():
        yield _folder(path)
        return
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        try:
            layout = read_directory(size, read)
        except ZipError as error:
            report.faults.append(f"{path.name}: {error}")
            yield None
            return
        places = {entry.path: (offset, entry.size_bytes) for entry, offset in layout.files()}
        yield _Package(
            {name: length for name, (_, length) in places.items()},
            lambda name: _Slice(file, *places[name]).read,
            {entry.path: entry.crc32 for entry in layout.entries},
        )


class _Slice:
    """Part of a file, read from its beginning."""

    def __init__(self, file: IO[bytes], offset: int, length: int) -> None:
        self._file, self._at, self._end = file, offset, offset + length

    def read(self, length: int) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(min(length, self._end - self._at))
        self._at += len(data)
        return data


def _folder(path: Path) -> _Package:
    sizes = {
        one.relative_to(path).as_posix(): one.stat().st_size
        for one in sorted(path.rglob("*"))
        if one.is_file() and not one.is_symlink()
    }
    return _Package(sizes, lambda name: (path / name).open("rb").read)


def _verify(package: _Package, trusted: TrustedKeys, report: EvidenceReport, say: Say) -> None:
    manifest = _read_small(package, MANIFEST, report)
    signature = _read_small(package, SIGNATURE, report)
    if manifest is None:
        return
    try:
        document = json.loads(manifest)
        listed = {one["path"]: one for one in document["files"]}
        if document["format"] != FORMAT:
            raise ValueError(f"of another format: {document['format']!r}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        report.faults.append(f"{MANIFEST}: cannot be read ({error})")
        return
    report.manifest = document
    if signature is not None:
        _verify_signature(manifest, signature, document, trusted, report)
    for name in sorted(package.sizes.keys() - listed.keys() - {MANIFEST, SIGNATURE}):
        report.faults.append(f"{name}: is not in the manifest; it was added afterwards")
    for name, entry in listed.items():
        if name not in package.sizes:
            report.faults.append(f"{name}: is missing")
            continue
        found = digest_of(package.open(name))
        report.files += 1
        report.size_bytes += found.size_bytes
        fault = _difference(found, entry, package.crcs.get(name))
        if fault is not None:
            report.faults.append(f"{name}: {fault}")
        say(f"{name}: {fault or 'as it was signed'}")


def _read_small(package: _Package, name: str, report: EvidenceReport) -> bytes | None:
    size = package.sizes.get(name)
    if size is None or size > _MANIFEST_BYTES_LIMIT:
        report.faults.append(f"{name}: is missing" if size is None else f"{name}: is too large")
        return None
    read = package.open(name)
    data = bytes(read(size))
    crc = package.crcs.get(name)
    remembered = iter((data, b""))
    if crc is not None and digest_of(lambda _: next(remembered)).crc32 != crc:
        report.faults.append(f"{name}: was altered")
    return data


def _difference(found: FileDigest, entry: dict[str, Any], crc32: int | None) -> str | None:
    if found.size_bytes != entry.get("size_bytes"):
        return f"was altered: {found.size_bytes} bytes instead of {entry.get('size_bytes')}"
    if found.sha256 != entry.get("sha256"):
        return "was altered: its SHA-256 is another"
    if found.sm3 != entry.get("sm3"):
        return "was altered: its SM3 is another"
    if crc32 is not None and crc32 != found.crc32:
        return "its checksum in the archive was altered"
    return None


def _verify_signature(
    manifest: bytes,
    signature: bytes,
    document: dict[str, Any],
    trusted: TrustedKeys,
    report: EvidenceReport,
) -> None:
    try:
        parsed = json.loads(signature)
        if parsed["format"] != SIGNATURE_FORMAT or canonical(parsed) != signature:
            raise ValueError("of another format")
        given = [
            (PublicKey(one["algorithm"], one["public_key"]), bytes.fromhex(one["signature"]))
            for one in parsed["signatures"]
        ]
        promised = [PublicKey(one["algorithm"], one["public_key"]) for one in document["signed_by"]]
        for key, _ in given:
            _ = key.fingerprint
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        report.faults.append(f"{SIGNATURE}: cannot be read ({error})")
        return
    if [key for key, _ in given] != promised:
        report.faults.append(f"{SIGNATURE}: is not by the keys that the manifest names")
    for key, value in given:
        if not key.verifies(value, manifest):
            report.faults.append(f"{MANIFEST}: does not fit its {key.algorithm} signature")
        elif trusted.include(key):
            report.signed_by.append(key)
        else:
            report.also_signed_by.append(key)
    if not report.signed_by:
        report.faults.append(f"{SIGNATURE}: none of the keys that you trust has signed this")
