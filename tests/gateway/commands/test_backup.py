"""A backup is whole or not there; what comes back is what was saved; nothing is overwritten."""

from __future__ import annotations

import fcntl
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.audit import AuditRecord
from gateway.commands import backup_database
from gateway.commands.audit import verify_register
from gateway.commands.backup import (
    BackupError,
    create_backup,
    read_backup,
    read_passphrase,
    restore_backup,
)
from gateway.commands.rows import open_rows
from gateway.database.engine import create_sync_reader_engine
from gateway.database.tables import areas
from gateway.secrets import cluster_secret, seal, secrets_folder, unseal
from gateway.settings import Settings

pytestmark = pytest.mark.sqlite

PASSPHRASE = "a horse that keeps keys"


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """A data directory with an area, a register of it, and keys."""
    made = Settings(data_directory=tmp_path / "data")
    async with open_rows(made) as rows:
        await rows.write("areas.create", parent_id=None, name="钟祥县")
        await rows.write("audit.append", records=[AuditRecord("area.create").to_message()])
    return made


def area_names(settings: Settings) -> list[str]:
    engine = create_sync_reader_engine(settings)
    with engine.connect() as connection:
        names = list(connection.scalars(sa.select(areas.c.name)))
    engine.dispose()
    return names


def quiet(_: str) -> None:
    return


async def test_what_was_saved_comes_back_and_its_register_and_sealed_secrets_open(
    settings: Settings, tmp_path: Path
) -> None:
    sealed = seal(cluster_secret(settings), "k9#camera", "cam_1")
    saved = create_backup(settings, tmp_path / "monday", PASSPHRASE)
    assert (saved.database, saved.has_secrets) == ("sqlite", True)
    # What was written afterwards is not in it.
    async with open_rows(settings) as rows:
        await rows.write("areas.create", parent_id=None, name="later")
    elsewhere = Settings(data_directory=tmp_path / "elsewhere")
    restore_backup(elsewhere, tmp_path / "monday", PASSPHRASE, quiet)
    assert area_names(elsewhere) == ["钟祥县"]
    assert unseal(cluster_secret(elsewhere), sealed, "cam_1") == "k9#camera"
    assert verify_register(elsewhere, None, []).faults == ()
    # And it lives on.
    async with open_rows(elsewhere) as rows:
        await rows.write("areas.create", parent_id=None, name="another")
    assert verify_register(elsewhere, None, []).faults == ()


async def test_only_its_owner_may_read_it_and_no_key_stands_in_it(
    settings: Settings, tmp_path: Path
) -> None:
    create_backup(settings, tmp_path / "monday", PASSPHRASE)
    key = (secrets_folder(settings) / "cluster.key").read_bytes()
    for path in [tmp_path / "monday", *(tmp_path / "monday").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.is_dir(), path
        if path.is_file():
            assert key not in path.read_bytes(), path
    assert stat.S_IMODE((tmp_path / "monday").stat().st_mode) == 0o700
    assert not create_backup(settings, tmp_path / "tuesday", None).has_secrets
    assert not (tmp_path / "tuesday" / "secrets.sealed").exists()


async def test_without_the_keys_it_is_restored_only_to_where_they_were_put(
    settings: Settings, tmp_path: Path
) -> None:
    create_backup(settings, tmp_path / "monday", None)
    elsewhere = Settings(data_directory=tmp_path / "elsewhere")
    with pytest.raises(BackupError, match="put your copy of them into"):
        restore_backup(elsewhere, tmp_path / "monday", None, quiet)
    secrets_folder(settings).rename(tmp_path / "safe")
    secrets_folder(elsewhere).parent.mkdir(exist_ok=True)
    (tmp_path / "safe").rename(secrets_folder(elsewhere))
    restore_backup(elsewhere, tmp_path / "monday", None, quiet)
    assert verify_register(elsewhere, None, []).faults == ()


@pytest.mark.parametrize("name", ["gridsight.db", "audit/checkpoints.jsonl", "secrets.sealed"])
async def test_whatever_was_altered_lost_or_added_is_named_before_anything_is_restored(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "monday"
    create_backup(settings, folder, PASSPHRASE)
    read_backup(folder)
    file = folder / name
    whole = file.read_bytes()
    elsewhere = Settings(data_directory=tmp_path / "elsewhere")
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BackupError, match="is damaged"):
        restore_backup(elsewhere, folder, PASSPHRASE, quiet)
    file.unlink()
    with pytest.raises(BackupError, match="lacks"):
        restore_backup(elsewhere, folder, PASSPHRASE, quiet)
    file.write_bytes(whole)
    (folder / "stray").write_text("what is this?")
    with pytest.raises(BackupError, match="holds what it did not: stray"):
        restore_backup(elsewhere, folder, PASSPHRASE, quiet)
    assert not elsewhere.data_directory.exists()


async def test_one_that_was_interrupted_is_none_and_does_not_stop_the_next(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_out = backup_database.copy_out

    def dies(*arguments: object) -> None:
        copy_out(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(backup_database, "copy_out", dies)
    with pytest.raises(KeyboardInterrupt):
        create_backup(settings, tmp_path / "monday", PASSPHRASE)
    assert not (tmp_path / "monday").exists()
    with pytest.raises(BackupError, match="was not finished"):
        read_backup(tmp_path / "monday.partial")
    monkeypatch.undo()
    create_backup(settings, tmp_path / "monday", PASSPHRASE)
    with pytest.raises(BackupError, match="is there already"):
        create_backup(settings, tmp_path / "monday", PASSPHRASE)


async def test_a_restore_that_was_interrupted_is_finished_by_running_it_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_backup(settings, tmp_path / "monday", PASSPHRASE)
    elsewhere = Settings(data_directory=tmp_path / "elsewhere")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backup_database, "copy_in", dies)
    with pytest.raises(KeyboardInterrupt):
        restore_backup(elsewhere, tmp_path / "monday", PASSPHRASE, quiet)
    monkeypatch.undo()
    restore_backup(elsewhere, tmp_path / "monday", PASSPHRASE, quiet)
    assert area_names(elsewhere) == ["钟祥县"]


async def test_nothing_that_is_there_is_overwritten(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "monday"
    create_backup(settings, folder, PASSPHRASE)
    with pytest.raises(OSError, match="restored to an empty place"):
        restore_backup(settings, folder, PASSPHRASE, quiet)
    elsewhere = Settings(data_directory=tmp_path / "elsewhere")
    other = cluster_secret(elsewhere)
    with pytest.raises(OSError, match=r"cluster\.key is another one"):
        restore_backup(elsewhere, folder, PASSPHRASE, quiet)
    assert cluster_secret(elsewhere) == other
    fresh = Settings(data_directory=tmp_path / "fresh")
    for passphrase, why in ((None, "give --passphrase-file"), ("a wrong horse", "cannot be open")):
        with pytest.raises(OSError, match=why):
            restore_backup(fresh, folder, passphrase, quiet)
    assert not (fresh.data_directory / "gridsight.db").exists()
    fresh.effective_run_directory.mkdir(parents=True, exist_ok=True)
    with (fresh.effective_run_directory / "supervisor.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="stop the gateway first"):
            restore_backup(fresh, folder, PASSPHRASE, quiet)


def test_a_passphrase_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\nand more\n")
    assert read_passphrase(file) == PASSPHRASE
    file.write_text("short\n")
    with pytest.raises(BackupError, match="12 characters"):
        read_passphrase(file)
