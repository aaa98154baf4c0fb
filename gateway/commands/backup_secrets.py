"""The keys of a backup: folders as one file, encrypted by a passphrase (scrypt, AES-256-GCM)."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from recorder.durable import sync_folder

_MAGIC = b"gridsight keys 1\n"
_SALT_BYTES = 16
_NONCE_BYTES = 12
# 64 MiB and a tenth of a second for each passphrase that is tried.
_SCRYPT_COST = 1 << 16


def seal_folders(folders: Mapping[str, Path], passphrase: str) -> bytes:
    """The files of these folders, each under the folder's name. Those that are not there are left
    out. Raises OSError.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, folder in folders.items():
            for path in sorted(one for one in folder.rglob("*") if one.is_file()):
                archive.add(path, f"{name}/{path.relative_to(folder).as_posix()}")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, packed.getvalue(), _MAGIC)
    return _MAGIC + salt + nonce + sealed


def open_sealed(data: bytes, passphrase: str, folders: Mapping[str, Path]) -> None:
    """Put the files back, mode 0600. A file that is there already must be the same.

    Raises OSError where the passphrase is wrong, or another key is in the place of one.
    """
    head = len(_MAGIC)
    if not data.startswith(_MAGIC):
        raise OSError("these are no keys of a backup")
    salt = data[head : head + _SALT_BYTES]
    nonce = data[head + _SALT_BYTES : head + _SALT_BYTES + _NONCE_BYTES]
    sealed = data[head + _SALT_BYTES + _NONCE_BYTES :]
    try:
        packed = AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, _MAGIC)
    except (InvalidTag, ValueError):
        raise OSError(
            "the keys cannot be opened: another passphrase, or they were altered"
        ) from None
    files = dict(_unpacked(packed, folders))
    # All are looked at before one is written.
    for path, content in files.items():
        if path.exists() and path.read_bytes() != content:
            raise FileExistsError(f"{path} is another one: a backup is restored to an empty place")
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = path.with_name(f"{path.name}.restoring")
        descriptor = os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.rename(path)
        sync_folder(path.parent)


def _unpacked(packed: bytes, folders: Mapping[str, Path]) -> list[tuple[Path, bytes]]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            name, *rest = PurePosixPath(member.name).parts
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or name not in folders or not rest or ".." in rest:
                raise OSError(f"the keys hold what does not belong there: {member.name}")
            found.append((folders[name].joinpath(*rest), content.read()))
    return found


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_COST, r=8, p=1).derive(passphrase.encode())
