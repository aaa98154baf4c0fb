"""Checking the register."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.checkpoints import CheckpointError, checkpoints_path, read_checkpoints
from gateway.audit.records import GENESIS, LOCAL_WRITER, record_hash
from gateway.database.audit_tables import audit_log


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
