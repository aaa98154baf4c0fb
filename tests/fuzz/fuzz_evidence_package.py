"""Anything may be handed in as a package: the verifier names faults, and never fails itself."""

from __future__ import annotations

import contextlib
import json

from gateway.evidence.keys import PackageSigner, TrustedKeys, canonical
from gateway.evidence.verify import EvidenceReport, _Package, _verify
from gateway.evidence.zip_layout import ZipEntry, ZipError, ZipLayout, read_directory

_SIGNER = PackageSigner(b"f" * 32)
_TRUSTED = TrustedKeys.of([key.public_key for key in _SIGNER.public_keys()])
_MANIFEST = canonical(
    {
        "format": "gridsight-evidence/1",
        "files": [{"path": "a", "size_bytes": 1, "sha256": "0", "sm3": "0"}],
        "signed_by": [
            {"algorithm": key.algorithm, "public_key": key.public_key}
            for key in _SIGNER.public_keys()
        ],
    }
)
_SIGNATURE = _SIGNER.sign(_MANIFEST)
_LAYOUT = ZipLayout([ZipEntry("a", 0, 0), ZipEntry("b/c", 0, 0)], 0x21 << 16)

SEEDS = [
    b"".join(head for _, head in _LAYOUT.heads()),
    _MANIFEST + b"\0" + _SIGNATURE,
    json.dumps({"format": "gridsight-evidence/1", "files": {}}).encode() + b"\0[]",
]


def target(data: bytes) -> None:
    """Read ``data`` as an archive, and its halves as manifest and signature."""
    with contextlib.suppress(ZipError):
        read_directory(len(data), lambda offset, length: data[offset : offset + length])
    manifest, _, signature = data.partition(b"\0")
    files = {"manifest.json": manifest, "manifest.sig": signature, "a": b"?"}
    report = EvidenceReport()
    package = _Package({name: len(held) for name, held in files.items()}, _reader(files))
    _verify(package, _TRUSTED, report, lambda _: None)
    assert report.faults


def _reader(files: dict[str, bytes]) -> object:
    def open_file(name: str) -> object:
        rest = [files[name]]

        def read(length: int) -> bytes:
            data, rest[0] = rest[0][:length], rest[0][length:]
            return data

        return read

    return open_file
