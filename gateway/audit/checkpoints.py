"""Signed heads of the chain, kept outside the database.

Within a second of each change the writer signs the head of the chain into ``audit/tip.json`` of the
data directory, and each minute, change or not, it adds a line to ``audit/checkpoints.jsonl``. Each
checkpoint also signs the one before it, so that none can be taken out. Copies of the minute's lines
go to other places, see :mod:`gateway.audit.outside`: who can write the database and both files and
read the key can forge all of them, but not what lies elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from gateway.audit.records import LOCAL_WRITER, head
from gateway.identifiers import now_us
from gateway.secrets import derive_key

_log = structlog.get_logger(__name__)

TIP_INTERVAL_S = 1.0
_LINE_BYTES_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: at ``at_us`` this was the head of the writer's chain."""

    writer: str
    sequence: int
    hash: str
    at_us: int
    previous_signature: str
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What the signature covers."""
        fields = [self.writer, self.sequence, self.hash, self.at_us, self.previous_signature]
        return json.dumps(fields, separators=(",", ":")).encode()

    def to_line(self) -> str:
        """As a line of JSON, without its end."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Checkpoint:
        """The inverse of :meth:`to_line`. Raises ValueError."""
        try:
            read = cls(**json.loads(line))
            if not all(
                isinstance(getattr(read, name), kind) for name, kind in _FIELD_TYPES.items()
            ):
                raise ValueError("a field is of another type")
        except (TypeError, RecursionError) as error:
            raise ValueError(str(error)) from None
        return read


_FIELD_TYPES: dict[str, type] = {
    "writer": str,
    "sequence": int,
    "hash": str,
    "at_us": int,
    "previous_signature": str,
    "signature": str,
}


class CheckpointError(Exception):
    """A file of checkpoints is unreadable, or was altered."""


def checkpoints_path(data_directory: Path) -> Path:
    """Where the checkpoints are kept, one a line."""
    return data_directory / "audit" / "checkpoints.jsonl"


def tip_path(data_directory: Path) -> Path:
    """Where the newest signature lies, of this minute."""
    return data_directory / "audit" / "tip.json"


def public_key_path(data_directory: Path) -> Path:
    """The key by which anybody can check the signatures (PEM); keep a copy elsewhere."""
    return data_directory / "audit" / "public_key.pem"


def signing_key(secret: bytes) -> Ed25519PrivateKey:
    """The key that signs checkpoints, derived from the cluster's secret."""
    return Ed25519PrivateKey.from_private_bytes(derive_key(secret, "audit checkpoints"))


def public_key_pem(key: Ed25519PublicKey) -> bytes:
    """The public key as a PEM file."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """The inverse of :func:`public_key_pem`. Raises ValueError."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("this is no Ed25519 key")
    return key


class CheckpointWriter:
    """Signs the head of the chain. Belongs to the writer process."""

    def __init__(
        self,
        engine: sa.Engine,
        data_directory: Path,
        secret: bytes,
        *,
        interval_s: float = 60.0,
    ) -> None:
        self._engine = engine
        self._path = checkpoints_path(data_directory)
        self._tip_path = tip_path(data_directory)
        self._key_path = public_key_path(data_directory)
        self._key = signing_key(secret)
        self._interval_s = interval_s
        self._line: Checkpoint | None = None
        self._tip: Checkpoint | None = None
        self._line_due_s = 0.0
        # A thread that signs outlives the task that waits for it: the last line waits for that.
        self._signing = threading.Lock()

    @property
    def newest_line(self) -> Checkpoint | None:
        """The last checkpoint of the file: what is to be kept elsewhere too."""
        return self._line

    @property
    def signed(self) -> Checkpoint | None:
        """The newest signature of all."""
        return self._tip or self._line

    def open(self) -> None:
        """Take up the chain of checkpoints where it ended. Raises CheckpointError."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path.exists():
            cut_torn_line(self._path)
            self._line = last_checkpoint(self._path)
        if self._tip_path.exists():
            # It may be older than the last line, or another's when files were restored.
            tip = read_tip(self._tip_path)
            if tip.previous_signature == (self._line.signature if self._line else ""):
                self._tip = tip
        pem = public_key_pem(self._key.public_key())
        if not self._key_path.exists() or self._key_path.read_bytes() != pem:
            self._key_path.write_bytes(pem)

    def write_if_moved(self) -> None:
        """Sign the head into the tip, synced to the disk, unless it stands still."""
        with self._signing:
            sequence, head_hash = self._head()
            last = self.signed
            if sequence == 0 or (
                last is not None and (sequence, head_hash) == (last.sequence, last.hash)
            ):
                return
            tip = self._sign(sequence, head_hash)
            staged = self._tip_path.with_suffix(".staged")
            with staged.open("w", encoding="utf-8") as opened:
                opened.write(tip.to_line() + "\n")
                opened.flush()
                os.fsync(opened.fileno())
            staged.replace(self._tip_path)
            self._tip = tip

    def write_line(self) -> None:
        """Sign the head into the file, moved or not: silence is a statement too."""
        with self._signing:
            sequence, head_hash = self._head()
            if sequence == 0:
                return
            line = self._sign(sequence, head_hash)
            append_line(self._path, line.to_line())
            self._line, self._tip = line, None

    async def run(self) -> None:
        """Keep signing until cancelled; the last signature is :meth:`write_line`'s caller's."""
        while True:
            try:
                await asyncio.to_thread(self._turn)
            except Exception:
                # Whatever it is: that the register is signed must not end with it.
                _log.exception("the register cannot be signed; trying again")
            await asyncio.sleep(TIP_INTERVAL_S)

    def _turn(self) -> None:
        if time.monotonic() >= self._line_due_s:
            self.write_line()
            self._line_due_s = time.monotonic() + self._interval_s
        else:
            self.write_if_moved()

    def _head(self) -> tuple[int, str]:
        with self._engine.connect() as connection:
            return head(connection, LOCAL_WRITER)

    def _sign(self, sequence: int, head_hash: str) -> Checkpoint:
        last = self.signed
        if last is not None and sequence < last.sequence:
            # What is left is signed all the same: `audit verify` goes on naming the cut for ever.
            _log.error("the register was cut", signed=last.sequence, found=sequence)
        previous = self._line.signature if self._line is not None else ""
        unsigned = Checkpoint(LOCAL_WRITER, sequence, head_hash, now_us(), previous)
        return replace(unsigned, signature=self._key.sign(unsigned.signed_bytes()).hex())


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, durably; what of it was written before the disk refused is taken out
    again, where files may be cut. Raises OSError.
    """
    rest = f"{line}\n".encode()
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def cut_torn_line(path: Path) -> None:
    """Remove a last line without its end: the power went while it was being written."""
    with path.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - _LINE_BYTES_LIMIT))
        tail = opened.read()
    whole = size - len(tail) + tail.rfind(b"\n") + 1
    if whole < size:
        os.truncate(path, whole)


def last_checkpoint(path: Path) -> Checkpoint | None:
    """The last of a file, None of an empty one. Raises CheckpointError."""
    with path.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - _LINE_BYTES_LIMIT))
        lines = opened.read().splitlines()
    if not lines:
        return None
    try:
        return Checkpoint.from_line(lines[-1].decode())
    except ValueError:
        raise CheckpointError(f"{path}: the last line is no checkpoint") from None


def read_tip(path: Path) -> Checkpoint:
    """The newest signature. Raises CheckpointError."""
    try:
        return Checkpoint.from_line(path.read_text(encoding="utf-8"))
    except ValueError:
        raise CheckpointError(f"{path} is no checkpoint") from None


def read_checkpoints(path: Path, *, torn_end: bool = False) -> Iterator[Checkpoint]:
    """The checkpoints in order. ``torn_end``: a last line without its end is passed over. Raises
    CheckpointError on a line that is none.
    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if torn_end and not line.endswith("\n"):
                return
            try:
                yield Checkpoint.from_line(line)
            except ValueError:
                raise CheckpointError(f"{path}: line {number} is no checkpoint") from None
