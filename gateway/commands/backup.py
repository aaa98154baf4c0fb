"""``gridsight backup``: what the gateway knows, as one folder; and a gateway made of it again.

Made while everything runs: the register's proof first, then the database as of one instant, so
that no signature speaks of a record that is not there. Restored in the other order of need: keys,
proof, and the database last, whose being there is what a start looks for. Footage is not in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from gateway.commands import backup_database
from gateway.commands.backup_secrets import open_sealed, seal_folders
from gateway.identifiers import now_us
from gateway.secrets import secrets_folder
from gateway.settings import Settings
from gateway.transport.tls import tls_folder
from gateway.version import VERSION
from recorder.durable import sync_folder

_MANIFEST = "backup.json"
_FORMAT = 1
_AUDIT = "audit"
_SECRETS = "secrets.sealed"

Say = Callable[[str], None]


class BackupError(OSError):
    """It cannot be made, or used. Says what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One folder. ``database``: the kind of database, ``sqlite`` or ``postgresql``."""

    folder: Path
    made_us: int
    version: str
    database: str
    has_secrets: bool


def create_backup(settings: Settings, folder: Path, passphrase: str | None) -> Backup:
    """Write a backup to ``folder``, which must not be there yet. It has its name when it is whole.

    With a passphrase the keys are in it, encrypted; without one they are not. Raises OSError.
    """
    if folder.exists():
        raise BackupError(f"{folder} is there already: give each backup a folder of its own")
    url = make_url(settings.effective_database_url)
    making = folder.with_name(f"{folder.name}.partial")
    # What an interrupted one left; nobody else gives such a name.
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    proof = settings.data_directory / _AUDIT
    if proof.is_dir():
        shutil.copytree(proof, making / _AUDIT)
    backup_database.copy_out(url, making)
    if passphrase is not None:
        _write_private(making / _SECRETS, seal_folders(_secret_folders(settings), passphrase))
    manifest = {
        "format": _FORMAT,
        "made_us": now_us(),
        "version": VERSION,
        "database": url.get_backend_name(),
        "files": {
            str(path.relative_to(making)): {"size": path.stat().st_size, "sha256": _digest(path)}
            for path in _files(making)
        },
    }
    for path in _files(making):
        path.chmod(0o600)
        _sync(path)
    _write_private(making / _MANIFEST, json.dumps(manifest, indent=1).encode())
    for inner in [*(path for path in making.rglob("*") if path.is_dir()), making]:
        sync_folder(inner)
    making.rename(folder)
    sync_folder(folder.parent)
    return read_backup(folder)


def read_backup(folder: Path) -> Backup:
    """Read what a backup says of itself, and compare every byte with it. Raises BackupError."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if manifest["format"] != _FORMAT:
            raise BackupError(f"{folder} is of another format: {manifest['format']}")
        wanted = {name: (one["size"], one["sha256"]) for name, one in manifest["files"].items()}
        made = Backup(
            folder,
            int(manifest["made_us"]),
            str(manifest["version"]),
            str(manifest["database"]),
            _SECRETS in wanted,
        )
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup, or one that was not finished") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{folder / _MANIFEST} is damaged: {error}") from None
    found = {str(path.relative_to(folder)): path for path in _files(folder)}
    found.pop(_MANIFEST, None)
    if missing := wanted.keys() - found.keys():
        raise BackupError(f"{folder} lacks {', '.join(sorted(missing))}")
    if strange := found.keys() - wanted.keys():
        raise BackupError(f"{folder} holds what it did not: {', '.join(sorted(strange))}")
    for name, (size, sha256) in wanted.items():
        if found[name].stat().st_size != size or _digest(found[name]) != sha256:
            raise BackupError(f"{found[name]} is damaged: its bytes are not those that were saved")
    return made


def restore_backup(settings: Settings, folder: Path, passphrase: str | None, say: Say) -> Backup:
    """Make the data directory of a backup, and fill the configured database, which must both be
    empty. May be run again after it was interrupted. Raises OSError.
    """
    backup = read_backup(folder)
    url = make_url(settings.effective_database_url)
    _refuse_other_kind(backup, url)
    if backup.has_secrets and passphrase is None:
        raise BackupError("the backup holds the keys, encrypted: give --passphrase-file")
    settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    run_directory = settings.effective_run_directory
    run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (run_directory / "supervisor.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("stop the gateway first") from None
        backup_database.refuse_used(settings)
        if backup.has_secrets and passphrase is not None:
            sealed = (folder / _SECRETS).read_bytes()
            open_sealed(sealed, passphrase, _secret_folders(settings))
        else:
            if not (secrets_folder(settings) / "cluster.key").exists():
                raise BackupError(
                    f"the keys are not in this backup: put your copy of them into "
                    f"{secrets_folder(settings)} first"
                )
            say(f"the keys in {secrets_folder(settings)} are used")
        if (folder / _AUDIT).is_dir():
            kept = settings.data_directory / _AUDIT
            shutil.copytree(folder / _AUDIT, kept, dirs_exist_ok=True)
            sync_folder(kept)
        backup_database.copy_in(url, folder)
    return backup


def read_passphrase(file: Path | None) -> str | None:
    """The first line of a file. Raises BackupError where it is shorter than 12 characters."""
    if file is None:
        return None
    lines = file.read_text().splitlines()
    if not lines or len(lines[0]) < 12:
        raise BackupError(f"{file}: its first line is the passphrase, of 12 characters or more")
    return lines[0]


def _secret_folders(settings: Settings) -> dict[str, Path]:
    return {"secrets": secrets_folder(settings), "tls": tls_folder(settings)}


def _refuse_other_kind(backup: Backup, url: URL) -> None:
    if url.get_backend_name() != backup.database:
        raise BackupError(
            f"the backup is of {backup.database}, and database_url means "
            f"{url.get_backend_name()}: restore it to the same kind"
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
