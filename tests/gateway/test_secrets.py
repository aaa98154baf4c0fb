"""What is stored sealed: bound to its row, and to a key that is not in the database."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.commands import rotate_secrets as command
from gateway.commands.rotate_secrets import rotate_secrets
from gateway.commands.rows import open_rows
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import load_tables
from gateway.database.tables import audit_log, cameras
from gateway.secrets import (
    NEXT_SEALING_KEY,
    SEALING_KEY,
    ClusterSecret,
    SealError,
    cluster_secret,
    create_key,
    derive_key,
    seal,
    seal_with,
    unseal,
)
from gateway.settings import Settings

PASSWORD = "k9#camera"


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """A data directory with one camera, whose password is sealed."""
    made = Settings(data_directory=tmp_path)
    async with open_rows(made) as rows:
        area_id = await rows.write("areas.create", parent_id=None, name="county")
        sealed = seal(cluster_secret(made), PASSWORD, "cam_1")
        row = {
            "id": "cam_1", "area_id": area_id, "name": "gate", "main_url": "rtsp://127.0.0.1/x",
            "password_sealed": sealed, "transport": "tcp", "record": "off", "enabled": True,
        }  # fmt: skip
        await rows.write("cameras.create", cameras_columns=[row])
    return made


def stored(settings: Settings) -> str:
    engine = create_writer_engine(settings)
    with engine.connect() as connection:
        sealed: str = connection.execute(sa.select(cameras.c.password_sealed)).scalar_one()
    engine.dispose()
    return sealed


def keys(settings: Settings) -> set[str]:
    return {path.name for path in (settings.data_directory / "secrets").iterdir()}


def test_a_sealed_secret_opens_for_its_row_alone(tmp_path: Path) -> None:
    secret = cluster_secret(Settings(data_directory=tmp_path))
    sealed = seal(secret, PASSWORD, "cam_1")
    assert unseal(secret, sealed, "cam_1") == PASSWORD
    assert seal(secret, PASSWORD, "cam_1") != sealed
    for other in ("cam_2", ""):
        with pytest.raises(SealError):
            unseal(secret, sealed, other)
    another = ("B" if sealed[0] == "A" else "A") + sealed[1:]
    for damaged in (sealed[:-4], another, "", "no base64 at all", "é"):
        with pytest.raises(SealError):
            unseal(secret, damaged, "cam_1")


def test_the_keys_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "medium"
    settings = Settings(data_directory=tmp_path / "data", secrets_directory=elsewhere)
    assert cluster_secret(settings) == cluster_secret(settings)
    assert {path.name for path in elsewhere.iterdir()} == {"cluster.key", SEALING_KEY}
    assert not (tmp_path / "data").exists()


def test_what_was_sealed_before_keys_could_be_exchanged_still_opens(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path)
    (tmp_path / "secrets").mkdir()
    create_key(tmp_path / "secrets" / "cluster.key")
    secret = cluster_secret(settings)
    sealed = seal_with(derive_key(secret, "seal"), PASSWORD, "cam_1")
    assert unseal(secret, sealed, "cam_1") == PASSWORD
    assert unseal(bytes(secret), seal(secret, PASSWORD, "cam_1"), "cam_1") == PASSWORD


async def test_rotation_seals_everything_anew_and_forgets_the_old_key(settings: Settings) -> None:
    old, before = cluster_secret(settings), stored(settings)
    assert rotate_secrets(settings) == 1
    after = stored(settings)
    assert after != before
    new = cluster_secret(settings)
    assert new == old  # tickets and signatures stay good
    assert unseal(new, after, "cam_1") == PASSWORD
    for secret, sealed in ((old, after), (new, before)):
        with pytest.raises(SealError):
            unseal(secret, sealed, "cam_1")
    assert keys(settings) == {"cluster.key", SEALING_KEY}
    engine = create_writer_engine(settings)
    with engine.connect() as connection:
        actions = connection.execute(sa.select(audit_log.c.action)).scalars().all()
    engine.dispose()
    assert actions[-1] == "secrets.rotate"


def test_a_new_key_has_a_durable_name_before_anything_is_sealed_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    create_key(tmp_path / NEXT_SEALING_KEY)
    assert synced[-1] == str(tmp_path)


@pytest.mark.parametrize("crash", ["before the rows", "after the rows"])
async def test_a_rotation_that_broke_off_loses_nothing_and_is_finished(
    settings: Settings, crash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    if crash == "before the rows":
        monkeypatch.setattr(command, "_seal_anew", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        rotate_secrets(settings)
    monkeypatch.undo()
    # A gateway that starts now opens what it stored, with either key, and stores more.
    between = cluster_secret(settings)
    assert isinstance(between, ClusterSecret)
    assert len(between.sealing_keys) == 2
    assert unseal(between, stored(settings), "cam_1") == PASSWORD
    assert unseal(between, seal(between, "x", "cam_2"), "cam_2") == "x"
    assert rotate_secrets(settings) == 1
    assert NEXT_SEALING_KEY not in keys(settings)
    assert unseal(cluster_secret(settings), stored(settings), "cam_1") == PASSWORD


async def test_it_is_refused_while_the_gateway_runs(settings: Settings) -> None:
    with (settings.effective_run_directory / "supervisor.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="stop the gateway first"):
            rotate_secrets(settings)
    assert keys(settings) == {"cluster.key", SEALING_KEY}


async def test_a_secret_that_does_not_open_stops_it_before_anything_changes(
    settings: Settings,
) -> None:
    before = stored(settings)
    (settings.data_directory / "secrets" / SEALING_KEY).write_bytes(bytes(32))
    with pytest.raises(SealError):
        rotate_secrets(settings)
    assert stored(settings) == before


def test_every_sealed_column_is_sealed_anew() -> None:
    declared = {
        (table.name, column.name)
        for table in load_tables().tables.values()
        for column in table.c
        if column.name.endswith("_sealed")
    }
    assert {(one.table.name, one.name) for _, one, _ in command._SEALED} == declared
