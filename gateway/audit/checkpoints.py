"""Signed heads of the chain."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.records import LOCAL_WRITER, head
from gateway.identifiers import now_us
from gateway.secrets import derive_key

_log = structlog.get_logger(__name__)

CHECKPOINT_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: at ``at_us`` this was the head of the chain."""

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


class CheckpointError(Exception):
    """The file of checkpoints is missing, unreadable, or was altered."""


def checkpoints_path(data_directory: Path) -> Path:
    """Where the checkpoints are kept."""
    return data_directory / "audit" / "checkpoints.jsonl"


def signing_key(secret: bytes) -> Ed25519PrivateKey:
    """The key that signs checkpoints, derived from the cluster's secret."""
    return Ed25519PrivateKey.from_private_bytes(derive_key(secret, "audit checkpoints"))


class CheckpointWriter:
    """Signs the head of the chain whenever it has moved. Belongs to the writer process."""

    def __init__(self, engine: sa.Engine, data_directory: Path, secret: bytes) -> None:
        self._engine = engine
        self._path = checkpoints_path(data_directory)
        self._key = signing_key(secret)
        self._last: Checkpoint | None = None

    def open(self) -> None:
        """Take up the chain of checkpoints where it ended. Raises CheckpointError."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path.exists():
            cut_torn_line(self._path)
            for checkpoint in read_checkpoints(self._path):
                self._last = checkpoint

    def write_if_moved(self) -> None:
        """Sign and append one line, synced to the disk, unless the head stands still."""
        with self._engine.connect() as connection:
            sequence, head_hash = head(connection, LOCAL_WRITER)
        last = self._last
        if last is not None and sequence < last.sequence:
            _log.error("the audit log was cut", signed=last.sequence, found=sequence)
            return
        if sequence == 0 or (
            last is not None and (sequence, head_hash) == (last.sequence, last.hash)
        ):
            return
        unsigned = Checkpoint(
            LOCAL_WRITER, sequence, head_hash, now_us(), last.signature if last is not None else ""
        )
        signature = self._key.sign(unsigned.signed_bytes()).hex()
        signed = Checkpoint(**{**asdict(unsigned), "signature": signature})
        line = json.dumps(asdict(signed), separators=(",", ":")) + "\n"
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._last = signed

    async def run(self) -> None:
        """Keep signing until cancelled; the last signature is :meth:`write_if_moved`'s caller's."""
        while True:
            try:
                await asyncio.to_thread(self.write_if_moved)
            except (OSError, sa.exc.DBAPIError):
                _log.exception("the audit log cannot be signed; trying again")
            await asyncio.sleep(CHECKPOINT_INTERVAL_S)


def cut_torn_line(path: Path) -> None:
    """Remove a last line without its end: the power went while it was being written."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as opened:
            opened.truncate(whole)


def read_checkpoints(path: Path) -> Iterator[Checkpoint]:
    """The checkpoints in order. Raises CheckpointError on a line that is none."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield Checkpoint(**json.loads(line))
            except (ValueError, TypeError):
                raise CheckpointError(f"{path}: line {number} is no checkpoint") from None
