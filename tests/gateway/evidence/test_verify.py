"""A package that is as it was signed, and every way in which it is not."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.evidence.keys import KeyFault, PackageSigner, TrustedKeys
from gateway.evidence.sm2 import Sm2PrivateKey
from gateway.evidence.verify import EvidenceReport, verify_package
from gateway.evidence.zip_layout import ZipEntry, ZipLayout, read_directory
from tests.gateway.evidence.packages import CONTENTS, make_folder, zipped
from tests.peers.running_gateway import gridsight

SIGNER = PackageSigner(b"k" * 32, Sm2PrivateKey(12345))
ED25519, SM2 = SIGNER.public_keys()
VIDEO = "original/camera-01_20261101-080000.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "package", SIGNER, CONTENTS)


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    zipped(folder, tmp_path / "package.zip")
    return tmp_path / "package.zip"


def verify(path: Path, *keys: str) -> EvidenceReport:
    return verify_package(path, TrustedKeys.of(keys or [ED25519.public_key]))


def test_a_package_is_sound_as_an_archive_and_unpacked(archive: Path, folder: Path) -> None:
    for path in (archive, folder, folder / "manifest.json"):
        report = verify(path)
        assert report.faults == []
        assert report.files == 3
        assert report.signed_by == [ED25519]
        assert report.also_signed_by == [SM2]


def test_other_programs_read_the_archive(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in CONTENTS} == CONTENTS
    done = subprocess.run(["unzip", "-t", str(archive)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("text", [SM2.public_key, SM2.fingerprint, ED25519.fingerprint.upper()])
def test_either_key_or_its_fingerprint_is_enough(archive: Path, text: str) -> None:
    assert verify(archive, text).faults == []


def test_a_key_may_come_as_pem_or_in_a_file(archive: Path, tmp_path: Path) -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(ED25519.public_key))
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for name, content in (("key.pem", pem), ("key.txt", ED25519.public_key + "\n")):
        (tmp_path / name).write_text(content)
        assert verify(archive, str(tmp_path / name)).faults == []


@pytest.mark.parametrize("text", ["", "abc", "zz", "/nowhere", "05" + "0" * 128])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyFault):
        TrustedKeys.of([text])


def test_another_key_is_not_enough(archive: Path) -> None:
    report = verify(archive, PackageSigner(b"x" * 32).public_keys()[0].public_key)
    assert report.faults == ["manifest.sig: none of the keys that you trust has signed this"]


def test_what_was_altered_is_missing_or_was_added_is_named(folder: Path) -> None:
    (folder / VIDEO).write_bytes(CONTENTS[VIDEO][:-1] + b"?")
    (folder / "index.html").unlink()
    (folder / "viewing" / "extra.mp4").write_bytes(b"!")
    assert sorted(verify(folder).faults) == [
        "index.html: is missing",
        f"{VIDEO}: was altered: its SHA-256 is another",
        "viewing/extra.mp4: is not in the manifest; it was added afterwards",
    ]


def test_a_rewritten_manifest_does_not_fit_its_signature(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["requested_by"]["name"] = "li"
    (folder / "manifest.json").write_text(json.dumps(manifest, sort_keys=True))
    faults = verify(folder).faults
    assert "manifest.json: does not fit its Ed25519 signature" in faults
    assert "manifest.json: does not fit its SM2-SM3 signature" in faults


@pytest.mark.parametrize(("digest", "named"), [("sha256", "SHA-256"), ("sm3", "SM3")])
def test_each_digest_is_compared(folder: Path, digest: str, named: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (entry,) = [one for one in manifest["files"] if one["path"] == VIDEO]
    entry[digest] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest, sort_keys=True))
    assert f"{VIDEO}: was altered: its {named} is another" in verify(folder).faults


def test_a_signature_that_was_taken_away_is_missed(folder: Path) -> None:
    signature = json.loads((folder / "manifest.sig").read_bytes())
    del signature["signatures"][1]
    text = json.dumps(signature, sort_keys=True, separators=(",", ":"))
    (folder / "manifest.sig").write_text(text)
    assert verify(folder).faults == [
        "manifest.sig: is not by the keys that the manifest names"
    ]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_changed_bit_anywhere_is_found(archive: Path, place: float, bit: int) -> None:
    data = bytearray(archive.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    changed = archive.with_name("changed.zip")
    changed.write_bytes(data)
    assert verify(changed).faults


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.binary(max_size=40), st.integers(-40, 40))
def test_what_is_put_in_front_or_behind_or_cut_is_found(
    archive: Path, extra: bytes, cut: int
) -> None:
    data = archive.read_bytes()
    changed = archive.with_name("changed.zip")
    for made in (extra + data, data + extra, data[cut:] if cut > 0 else data[:cut]):
        if made != data:
            changed.write_bytes(made)
            assert verify(changed).faults


def test_an_archive_of_more_than_4_gib_is_laid_out_as_others_read_it(tmp_path: Path) -> None:
    sizes = {"a": 5_000_000_000, "b": 3, "c": 0, "d": 0xFFFFFFFF}
    layout = ZipLayout([ZipEntry(name, size, 7) for name, size in sizes.items()], 0x21 << 16)
    path = tmp_path / "large.zip"
    with path.open("wb") as sparse:
        for offset, head in layout.heads():
            sparse.seek(offset)
            sparse.write(head)
    assert path.stat().st_size == layout.size_bytes
    with zipfile.ZipFile(path) as opened:
        assert {one.filename: one.file_size for one in opened.infolist()} == sizes
        offsets = {entry.path: offset for entry, offset in layout.files()}
        for one in opened.infolist():
            if one.file_size:
                extra = struct.unpack("<H", _bytes(path, one.header_offset + 28, 2))[0]
                assert offsets[one.filename] == one.header_offset + 30 + 1 + extra
    again = read_directory(layout.size_bytes, lambda at, length: _bytes(path, at, length))
    assert again.entries == layout.entries


def _bytes(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as opened:
        opened.seek(offset)
        return opened.read(length)


def _alter_video(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[data.index(CONTENTS[VIDEO][:20]) + 5] ^= 1
    archive.write_bytes(data)


async def test_the_command_works_without_a_gateway(archive: Path, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "no-gateway")
    arguments = ("evidence", "verify", str(archive))
    status, said = await gridsight(*arguments, "--data", elsewhere)
    assert status == 2 and "give --key" in said
    status, said = await gridsight(*arguments, "--key", ED25519.public_key, "--data", elsewhere)
    assert status == 0, said
    assert "王警官" in said and "sound: 3 files" in said
    _alter_video(archive)
    status, said = await gridsight(*arguments, "--key", ED25519.public_key)
    assert status == 1
    assert f"{VIDEO}: was altered" in said and "not to be trusted: 1 fault" in said


def test_a_folder_of_strangers_files_is_no_package(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "x", ignore_errors=True)
    (tmp_path / "x").mkdir()
    assert verify(tmp_path / "x").faults == [
        "manifest.json: is missing",
        "manifest.sig: is missing",
    ]


def test_a_manifest_made_to_break_the_reader_is_a_fault(folder: Path) -> None:
    for text in ("[" * 100_000, '{"files": 1, "format": "gridsight-evidence/1"}', "\0", "[1]"):
        for name in ("manifest.json", "manifest.sig"):
            kept = (folder / name).read_bytes()
            (folder / name).write_text(text)
            assert verify(folder).faults
            (folder / name).write_bytes(kept)
