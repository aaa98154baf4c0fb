"""The register of who looked at what: appended, chained, signed, and checked.

Each record's hash covers its content and the hash of the record before it, so that an edited or a
missing record breaks the chain. A cut tail would break nothing; therefore the writer signs the head
of the chain (Ed25519) within a second of each change into ``audit/checkpoints.jsonl`` in the data
directory, outside the database. :func:`verify` compares both. Records younger than the last
checkpoint are reported as not yet covered. Keep copies of the checkpoints on another machine:
who can write both files and read the key can forge both.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.database.tables import audit_log
from gateway.identifiers import now_us
from gateway.secrets import derive_key
from recorder.rows import RowWriter, row_operation

_log = structlog.get_logger(__name__)

GENESIS = "0" * 64
LOCAL_WRITER = "local"
CHECKPOINT_INTERVAL_S = 1.0

_CONTENT = (
    "writer",
    "sequence",
    "at_us",
    "user_id",
    "user_name",
    "address",
    "action",
    "camera_id",
    "area_path",
    "start_us",
    "end_us",
    "reason",
    "detail",
    "previous_hash",
)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the register: who, from where, did what, to which camera, which minutes, why.

    ``action`` is a dotted name such as ``live.open`` or ``camera.change``.
    """

    action: str
    user_id: str | None = None
    user_name: str | None = None
    address: str | None = None
    camera_id: str | None = None
    area_path: str | None = None
    start_us: int | None = None
    end_us: int | None = None
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


# Built once: these run for every look at a camera.
_INSERT = sa.insert(audit_log)
_SELECT_HEAD = (
    sa.select(audit_log.c.sequence, audit_log.c.hash)
    .where(audit_log.c.writer == sa.bindparam("name"))
    .order_by(audit_log.c.sequence.desc())
    .limit(1)
)


async def append(rows: RowWriter, records: Sequence[AuditRecord]) -> None:
    """Write the records. When this returns they are durable; raises ConnectionError, RowError.

    What is to be looked at is opened after this, never before.
    """
    await rows.write("audit.append", records=[asdict(record) for record in records])


@row_operation("audit.append")
def append_rows(connection: sa.Connection, records: list[dict[str, Any]]) -> int:
    """Chain the records to the last one; gives the new head's sequence."""
    sequence, previous_hash = _head(connection, LOCAL_WRITER)
    for record in records:
        sequence += 1
        row = {
            **record,
            "writer": LOCAL_WRITER,
            "sequence": sequence,
            "at_us": now_us(),
            "detail": json.dumps(record.get("detail") or {}, ensure_ascii=False, sort_keys=True),
            "previous_hash": previous_hash,
        }
        row["hash"] = previous_hash = record_hash(row)
        connection.execute(_INSERT, row)
    return sequence


def record_hash(row: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of the content, the previous hash included."""
    content = json.dumps(
        [row.get(name) for name in _CONTENT], ensure_ascii=False, separators=(",", ":")
    )
    return hashlib.sha256(content.encode()).hexdigest()


def _head(connection: sa.Connection, writer: str) -> tuple[int, str]:
    row = connection.execute(_SELECT_HEAD, {"name": writer}).one_or_none()
    return (row.sequence, row.hash) if row is not None else (0, GENESIS)


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
            sequence, head = _head(connection, LOCAL_WRITER)
        last = self._last
        if last is not None and sequence < last.sequence:
            _log.error("the audit log was cut", signed=last.sequence, found=sequence)
            return
        if sequence == 0 or (last is not None and (sequence, head) == (last.sequence, last.hash)):
            return
        unsigned = Checkpoint(
            LOCAL_WRITER, sequence, head, now_us(), last.signature if last is not None else ""
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


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What :func:`verify` found. ``faults`` is empty when the register is whole."""

    records: int
    checkpoints: int
    covered_sequence: int
    faults: tuple[str, ...]


def verify(
    connection: sa.Connection, data_directory: Path, public_key: Ed25519PublicKey
) -> AuditReport:
    """Walk the whole chain and every checkpoint; name each fault. Reads only."""
    faults: list[str] = []
    expected_at = _verify_checkpoints(checkpoints_path(data_directory), public_key, faults)
    covered = max(expected_at, default=0)
    records, previous_hash, sequence = 0, GENESIS, 0
    rows = connection.execution_options(yield_per=2000).execute(
        sa.select(audit_log)
        .where(audit_log.c.writer == LOCAL_WRITER)
        .order_by(audit_log.c.sequence)
    )
    for row in rows.mappings():
        records += 1
        if row["sequence"] != sequence + 1:
            faults.append(f"records {sequence + 1} to {row['sequence'] - 1} are missing")
        elif row["previous_hash"] != previous_hash:
            faults.append(f"record {row['sequence']} does not follow the record before it")
        sequence = row["sequence"]
        if record_hash(dict(row)) != row["hash"]:
            faults.append(f"record {sequence} was altered")
        if expected_at.get(sequence, row["hash"]) != row["hash"]:
            faults.append(f"record {sequence} is not the one that was signed")
        previous_hash = row["hash"]
    if covered > sequence:
        faults.append(f"records {sequence + 1} to {covered} were cut off the end")
    if records and not expected_at:
        faults.append("there are records, but no checkpoints")
    return AuditReport(records, len(expected_at), covered, tuple(faults))


def _verify_checkpoints(
    path: Path, public_key: Ed25519PublicKey, faults: list[str]
) -> dict[int, str]:
    expected: dict[int, str] = {}
    if not path.exists():
        return expected
    previous = ""
    try:
        for number, checkpoint in enumerate(read_checkpoints(path), 1):
            try:
                public_key.verify(bytes.fromhex(checkpoint.signature), checkpoint.signed_bytes())
            except (InvalidSignature, ValueError):
                faults.append(f"checkpoint {number} has a wrong signature")
                continue
            if checkpoint.previous_signature != previous:
                faults.append(f"checkpoints are missing before number {number}")
            previous = checkpoint.signature
            known = expected.setdefault(checkpoint.sequence, checkpoint.hash)
            if known != checkpoint.hash:
                faults.append(f"record {checkpoint.sequence} was signed twice, differently")
    except CheckpointError as error:
        faults.append(str(error))
    return expected
