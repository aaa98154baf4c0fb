"""Checking the register: the chain of records, the signatures, and the copies kept elsewhere.

Whatever was done behind the gateway's back is named: a record that was altered, that is missing,
that stands in another's place, a tail that was cut off, a chain that was computed anew, signatures
that were taken away or forged.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.checkpoints import (
    Checkpoint,
    CheckpointError,
    checkpoints_path,
    read_checkpoints,
    read_tip,
    tip_path,
)
from gateway.audit.outside import Outside, OutsideError
from gateway.audit.records import GENESIS, LOCAL_WRITER, record_hash
from gateway.database.audit_tables import audit_log
from gateway.identifiers import US_PER_S

FAULTS_LIMIT = 1000
# Altered rows in whose places others are looked for: each is tried in each other's.
_EXCHANGED_LIMIT = 200
_SILENCE_US = 300 * US_PER_S
_NOTES_LIMIT = 20


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What :func:`verify` found. ``faults`` is empty when the register is whole.

    ``notes`` is what may be right and should be known: times in which nothing was signed, records
    that are younger than the last signature.
    """

    records: int
    checkpoints: int
    outside_checkpoints: int
    covered_sequence: int
    faults: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Findings:
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unnamed: int = 0

    def fault(self, text: str) -> None:
        if len(self.faults) < FAULTS_LIMIT:
            self.faults.append(text)
        else:
            self.unnamed += 1

    def note(self, text: str) -> None:
        if len(self.notes) < _NOTES_LIMIT:
            self.notes.append(text)


@dataclass(frozen=True, slots=True)
class _Signed:
    hash: str
    at_us: int
    place: str


def verify(
    connection: sa.Connection,
    data_directory: Path,
    public_key: Ed25519PublicKey,
    outside: Sequence[Outside] = (),
) -> VerifyReport:
    """Walk every chain and every signature; name each fault. Reads only."""
    found = _Findings()
    # Each before what is older: a gateway that runs goes on writing while this reads, and of what
    # was read then nothing may seem to lack what it stands on.
    elsewhere = [
        (one.place, checkpoint)
        for one in outside
        for checkpoint in _outside_checkpoints(one, public_key, found)
    ]
    local = _local_checkpoints(data_directory, public_key, found)
    _compare_places(local, elsewhere, found)
    signed: dict[str, dict[int, list[_Signed]]] = defaultdict(lambda: defaultdict(list))
    for place, one in [*(("this machine", one) for one in local), *elsewhere]:
        signed[one.writer][one.sequence].append(_Signed(one.hash, one.at_us, place))
    writers = set(connection.execute(sa.select(audit_log.c.writer).distinct()).scalars())
    records = sum(
        _verify_chain(connection, writer, signed.get(writer, {}), found)
        for writer in sorted(writers | set(signed))
    )
    if records and not signed:
        found.fault("there are records, but no signatures of them")
    if found.unnamed:
        found.faults.append(f"and {found.unnamed} more faults")
    return VerifyReport(
        records,
        len(local),
        len(elsewhere),
        max(signed.get(LOCAL_WRITER, {}), default=0),
        tuple(found.faults),
        tuple(found.notes),
    )


# ---- signatures


def _local_checkpoints(
    data_directory: Path, public_key: Ed25519PublicKey, found: _Findings
) -> list[Checkpoint]:
    tip = _tip(data_directory, public_key, found)
    path, kept, previous = checkpoints_path(data_directory), [], None
    try:
        for number, one in enumerate(read_checkpoints(path) if path.exists() else (), 1):
            if not _is_signed(one, public_key):
                found.fault(f"checkpoint {number} has a wrong signature")
                continue
            if one.previous_signature != (previous.signature if previous else ""):
                found.fault(f"checkpoints are missing before number {number}, of {_utc(one)}")
            elif previous is not None and one.at_us - previous.at_us > _SILENCE_US:
                found.note(
                    f"nothing was signed from {_utc(previous)} to {_utc(one)}: "
                    "was the gateway not running?"
                )
            kept.append(one)
            previous = one
    except CheckpointError as error:
        found.fault(str(error))
    if tip is not None:
        # A tip follows the last line; one that was left by the line after it says nothing new.
        known = {one.signature for one in kept} | {""}
        if tip.previous_signature not in known:
            found.fault(f"the checkpoint before the newest, of {_utc(tip)}, is missing")
        kept.append(tip)
    return kept


def _tip(data_directory: Path, public_key: Ed25519PublicKey, found: _Findings) -> Checkpoint | None:
    path = tip_path(data_directory)
    try:
        tip = read_tip(path) if path.exists() else None
    except CheckpointError as error:
        found.fault(str(error))
        return None
    if tip is not None and not _is_signed(tip, public_key):
        found.fault("the newest checkpoint has a wrong signature")
        return None
    return tip


def _outside_checkpoints(
    outside: Outside, public_key: Ed25519PublicKey, found: _Findings
) -> list[Checkpoint]:
    kept = []
    try:
        for one in outside.read():
            if _is_signed(one, public_key):
                kept.append(one)
            else:
                found.fault(f"a checkpoint of {_utc(one)} in {outside.place} has a wrong signature")
    except OutsideError as error:
        found.fault(f"the copies cannot be read: {error}")
    return kept


def _compare_places(
    local: Iterable[Checkpoint], elsewhere: Iterable[tuple[str, Checkpoint]], found: _Findings
) -> None:
    known = {one.signature for one in local}
    for place, one in elsewhere:
        if one.signature not in known:
            found.fault(
                f"the checkpoint of {_utc(one)} (record {one.sequence}) is kept in {place}, "
                "but not on this machine: its file was cut or replaced"
            )


def _is_signed(one: Checkpoint, public_key: Ed25519PublicKey) -> bool:
    try:
        public_key.verify(bytes.fromhex(one.signature), one.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True


# ---- records


def _verify_chain(
    connection: sa.Connection,
    writer: str,
    signed: dict[int, list[_Signed]],
    found: _Findings,
) -> int:
    records, sequence, previous_hash = 0, 0, GENESIS
    altered: list[dict[str, Any]] = []
    unlike_signed = _Unlike(found)
    rows = connection.execution_options(yield_per=2000).execute(
        sa.select(audit_log).where(audit_log.c.writer == writer).order_by(audit_log.c.sequence)
    )
    for mapping in rows.mappings():
        row = dict(mapping)
        records += 1
        expected, sequence = sequence + 1, int(row["sequence"])
        whole = record_hash(row) == row["hash"]
        if sequence != expected:
            found.fault(f"{_named(expected, sequence - 1, 'is', 'are')} missing")
        elif row["previous_hash"] != previous_hash and whole:
            found.fault(
                f"record {sequence} was chained to another record than {sequence - 1}, which was "
                "altered, exchanged or put in"
                if sequence > 1
                else "record 1 was chained to another record: those before it were taken away"
            )
        if not whole:
            altered.append(row)
        for one in signed.get(sequence, ()):
            unlike_signed.compare(sequence, row["hash"], one)
        previous_hash = row["hash"]
    unlike_signed.close()
    _name_altered(altered, found)
    covered = max(signed, default=0)
    if covered > sequence:
        last = signed[covered][0]
        found.fault(
            f"{_named(sequence + 1, covered, 'was', 'were')} cut off the end: "
            f"record {covered} was signed at {_utc(last)} (kept on {last.place})"
        )
    elif sequence > covered > 0:
        found.note(f"{_named(covered + 1, sequence, 'is', 'are')} younger than the last signature")
    return records


class _Unlike:
    """Records that are not those that were signed: neighbours are named together."""

    def __init__(self, found: _Findings) -> None:
        self._found = found
        self._intact: int = 0
        self._first: tuple[int, _Signed] | None = None
        self._count = 0

    def compare(self, sequence: int, found_hash: str, signed: _Signed) -> None:
        """Take the next record that was signed."""
        if signed.hash == found_hash:
            self.close()
            self._intact = sequence
            return
        self._count += 1
        if self._first is None:
            self._first = (sequence, signed)

    def close(self) -> None:
        """Name what was collected."""
        if self._first is None:
            return
        sequence, signed = self._first
        more = f" (and {self._count - 1} later signatures differ too)" if self._count > 1 else ""
        self._found.fault(
            f"record {sequence} is not the one that was signed at {_utc(signed)} "
            f"(kept on {signed.place}): of records {self._intact + 1} to {sequence} some were "
            f"altered, taken out or put in, and the chain was computed anew{more}"
        )
        self._first, self._count = None, 0


def _name_altered(altered: list[dict[str, Any]], found: _Findings) -> None:
    """An altered record whose hash is right for another's place was moved, not altered."""
    places = [int(row["sequence"]) for row in altered]
    for row in altered:
        sequence = int(row["sequence"])
        home = None
        if len(altered) <= _EXCHANGED_LIMIT:
            home = next(
                (
                    place
                    for place in places
                    if place != sequence and record_hash({**row, "sequence": place}) == row["hash"]
                ),
                None,
            )
        if home is not None:
            found.fault(f"record {sequence} is in truth record {home}: records were reordered")
        else:
            found.fault(f"record {sequence} was altered")


def _named(first: int, last: int, one: str, many: str) -> str:
    return f"record {first} {one}" if first == last else f"records {first} to {last} {many}"


def _utc(signed: Checkpoint | _Signed) -> str:
    at = datetime.datetime.fromtimestamp(signed.at_us // US_PER_S, datetime.UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
