"""Copies of the signatures lie where whoever holds this machine cannot take them back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from minio import Minio
from minio.error import S3Error
from pydantic import SecretStr, ValidationError

from gateway.audit.checkpoints import Checkpoint
from gateway.audit.outside import (
    OutsideBucket,
    OutsideCopies,
    OutsideDirectory,
    OutsideError,
    configured_outside,
)
from gateway.settings import AuditSettings, LockedStoreSettings
from tests.gateway.audit.register import PUBLIC_KEY, Register
from tests.peers.ceph_rgw import S3Server


def _files(directory: Path) -> list[Path]:
    return list(directory.glob("gw-*.jsonl"))


def _only_file(directory: Path) -> Path:
    (file,) = _files(directory)
    return file


class Stubborn:
    """A place that takes nothing at first. An :class:`gateway.audit.outside.Outside`."""

    place = "stubborn"

    def __init__(self, refusals: int, why: type[Exception] = OutsideError) -> None:
        self.refusals = refusals
        self.why = why
        self.kept: list[Checkpoint] = []

    def keep(self, checkpoint: Checkpoint) -> None:
        if self.refusals:
            self.refusals -= 1
            raise self.why("the share is not mounted")
        self.kept.append(checkpoint)

    def read(self) -> Iterator[Checkpoint]:
        yield from self.kept


async def test_a_place_that_failed_has_all_with_the_next_copy(register: Register) -> None:
    place = Stubborn(refusals=1)
    copies = OutsideCopies(register.checkpoints, [place])
    copies.copy_newest()
    assert copies.state()[0]["error"] is None, "there was nothing to copy yet"
    await register.look(2)
    copies.copy_newest()
    assert copies.state()[0]["error"] == "the share is not mounted"
    await register.look(1)
    copies.copy_newest()
    copies.copy_newest()
    assert [one.sequence for one in place.kept] == [3]
    assert copies.state() == [
        {"place": "stubborn", "sequence": 3, "at_us": place.kept[0].at_us, "error": None}
    ]
    assert register.verify([place]).faults == ()


async def test_no_failure_of_one_place_ends_the_copies(register: Register) -> None:
    unforeseen, place = Stubborn(1, RuntimeError), Stubborn(0)
    copies = OutsideCopies(register.checkpoints, [unforeseen, place])
    await register.look(1)
    copies.copy_newest()
    assert "not mounted" in str(copies.state()[0]["error"])
    await register.look(1)
    copies.copy_newest()
    assert [one.sequence for one in unforeseen.kept] == [2]
    assert [one.sequence for one in place.kept] == [1, 2]
    assert copies.state()[0]["error"] is None


async def test_copies_follow_the_signatures(register: Register, tmp_path: Path) -> None:
    copies = OutsideCopies(register.checkpoints, [OutsideDirectory(tmp_path, "gw")])
    running = asyncio.create_task(copies.run())
    await register.look(3)
    async with asyncio.timeout(30):
        while copies.state()[0]["sequence"] != 3:  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_directory_only_grows_and_mends_its_torn_line(
    register: Register, tmp_path: Path
) -> None:
    outside = OutsideDirectory(tmp_path, "gw")
    await register.look(1)
    assert register.checkpoints.newest_line is not None
    outside.keep(register.checkpoints.newest_line)
    file = _only_file(tmp_path)
    first = file.read_bytes()
    with file.open("ab") as torn:
        torn.write(b'{"writer": "lo')
    await register.look(1)
    OutsideDirectory(tmp_path, "gw").keep(register.checkpoints.newest_line)
    assert file.read_bytes().startswith(first)
    assert [one.sequence for one in outside.read()] == [1, 2]
    assert list(OutsideDirectory(tmp_path, "another gateway").read()) == []


async def test_where_files_can_only_grow_what_follows_a_torn_line_goes_beside_it(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = OutsideDirectory(tmp_path, "gw")
    await register.look(1)
    assert register.checkpoints.newest_line is not None
    outside.keep(register.checkpoints.newest_line)
    with _only_file(tmp_path).open("ab") as torn:
        torn.write(b'{"writer": "lo')

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("gateway.audit.checkpoints.os.truncate", refused)
    again = OutsideDirectory(tmp_path, "gw")
    for _ in range(2):
        await register.look(1)
        again.keep(register.checkpoints.newest_line)
    assert len(_files(tmp_path)) == 2
    assert sorted(one.sequence for one in outside.read()) == [1, 2, 3]
    assert register.verify([outside]).faults == ()


async def test_what_is_wrong_with_a_place_is_said(register: Register, tmp_path: Path) -> None:
    await register.look(1)
    gone = OutsideDirectory(tmp_path / "not mounted", "gw")
    assert register.checkpoints.newest_line is not None
    with pytest.raises(OutsideError, match="not mounted"):
        gone.keep(register.checkpoints.newest_line)
    assert any("cannot be read" in fault for fault in register.verify([gone]).faults)
    (tmp_path / "gw-2026-11.jsonl").write_text("?\n")
    faults = register.verify([OutsideDirectory(tmp_path, "gw")]).faults
    assert any("line 1 is no checkpoint" in fault for fault in faults)


async def test_a_forged_copy_is_named(register: Register, tmp_path: Path) -> None:
    await register.look(1)
    forged = Checkpoint("local", 9, "0" * 64, 1, "", "00" * 64)
    outside = OutsideDirectory(tmp_path, "gw")
    outside.keep(forged)
    assert "has a wrong signature" in register.verify([outside]).faults[0]


def test_the_settings_name_the_places(tmp_path: Path) -> None:
    assert configured_outside(AuditSettings(), PUBLIC_KEY) == []
    both = AuditSettings(
        checkpoint_directory=tmp_path,
        store=LockedStoreSettings(endpoint="127.0.0.1:1", bucket="locked", secure=False),
    )
    places = [one.place for one in configured_outside(both, PUBLIC_KEY)]
    assert places == [str(tmp_path), "s3://127.0.0.1:1/locked"]
    with pytest.raises(ValidationError, match="go together"):
        LockedStoreSettings(endpoint="127.0.0.1:1")


@pytest.mark.ceph
@pytest.mark.timeout(240)
async def test_nobody_takes_back_what_a_bucket_has_locked(
    register: Register, ceph_rgw: S3Server
) -> None:
    settings = LockedStoreSettings(
        endpoint=ceph_rgw.endpoint,
        bucket=f"locked-{secrets.token_hex(4)}",
        access_key=ceph_rgw.access_key,
        secret_key=SecretStr(ceph_rgw.secret_key),
        secure=False,
        lock_days=1,
    )
    outside = OutsideBucket(settings, "gw")
    for _ in range(2):
        await register.look(2)
        assert register.checkpoints.newest_line is not None
        await asyncio.to_thread(outside.keep, register.checkpoints.newest_line)
    assert [one.sequence for one in outside.read()] == [2, 4]

    owner = Minio(
        ceph_rgw.endpoint,
        access_key=ceph_rgw.access_key,
        secret_key=ceph_rgw.secret_key,
        secure=False,
    )
    assert settings.bucket is not None
    versions = list(
        owner.list_objects(
            bucket_name=settings.bucket, prefix="audit/", recursive=True, include_version=True
        )
    )
    for one in versions:
        assert one.object_name is not None
        # Without a version it is only hidden.
        owner.remove_object(bucket_name=settings.bucket, object_name=one.object_name)
        with pytest.raises(S3Error) as refused:
            owner.remove_object(
                bucket_name=settings.bucket,
                object_name=one.object_name,
                version_id=one.version_id,
            )
        assert refused.value.code == "AccessDenied"
    assert [one.sequence for one in outside.read()] == [2, 4]
    report = register.verify([outside])
    assert (report.faults, report.outside_checkpoints) == ((), 2)

    owner.make_bucket(bucket_name="unlocked")
    unlocked = OutsideBucket(settings.model_copy(update={"bucket": "unlocked"}), "gw")
    with pytest.raises(OutsideError, match="made with object lock"):
        unlocked.keep(register.checkpoints.newest_line)
    wrong = settings.model_copy(update={"secret_key": SecretStr("wrong")})
    with pytest.raises(OutsideError, match=r"AccessDenied|SignatureDoesNotMatch"):
        OutsideBucket(wrong, "gw").keep(register.checkpoints.newest_line)
