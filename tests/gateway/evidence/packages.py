"""Small packages, made without footage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gateway.evidence.digest import write_file
from gateway.evidence.keys import PackageSigner, canonical
from gateway.evidence.manifest import build_manifest, page_document
from gateway.evidence.verify import MANIFEST, SIGNATURE
from gateway.evidence.zip_layout import ZipEntry, ZipLayout, dos_time
from gateway.footage.playback_index import Range
from tests.gateway.evidence.conftest import ORDER, START_US


def make_folder(folder: Path, signer: PackageSigner, contents: dict[str, bytes]) -> Path:
    """A signed package, unpacked."""
    files: list[dict[str, Any]] = [
        page_document(path, write_file(folder / path, data)) for path, data in contents.items()
    ]
    camera = {
        "id": "cam_one", "name": "村口", "area": ["县"], "gaps": [], "clock_offsets": [],
        "segments": [],
    }  # fmt: skip
    manifest = canonical(
        build_manifest(
            job_id="exp_1",
            created_us=START_US,
            wanted=Range(START_US, START_US + 1),
            order=ORDER,
            cameras=[camera],
            files=files,
            keys=signer.public_keys(),
            gateway="here",
        )
    )
    write_file(folder / MANIFEST, manifest)
    write_file(folder / SIGNATURE, signer.sign(manifest))
    return folder


def zipped(folder: Path, target: Path) -> bytes:
    """The folder as the archive that would be sent."""
    entries = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        data = path.read_bytes()
        digest = write_file(target.with_suffix(".scratch"), data)
        name = path.relative_to(folder).as_posix()
        entries.append(ZipEntry(name, digest.size_bytes, digest.crc32))
    target.with_suffix(".scratch").unlink()
    layout = ZipLayout(entries, dos_time(START_US, 480))
    data = b"".join(
        piece if isinstance(piece, bytes) else (folder / piece[0]).read_bytes()[piece[1] : piece[2]]
        for piece in layout.pieces(0, layout.size_bytes)
    )
    target.write_bytes(data)
    return data


CONTENTS = {
    "index.html": b"<p>page</p>",
    "original/camera-01_20261101-080000.mp4": os.urandom(3000),
    "viewing/camera-01_20261101-080000.mp4": b"",
}
