"""``gridsight audit verify|key|report|export``: for who has the machine, or a copy of its data."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit.checkpoints import public_key_pem, read_public_key, signing_key
from gateway.audit.outside import OutsideDirectory, configured_outside, fingerprint
from gateway.audit.reading import (
    REPORT_COLUMNS,
    SHEET_COLUMNS,
    RecordFilter,
    make_report,
    report_lines,
    select_records,
    sheet_line,
)
from gateway.audit.report import Report
from gateway.audit.verify import VerifyReport, verify
from gateway.database.audit_tables import audit_log
from gateway.database.engine import create_sync_reader_engine
from gateway.identifiers import US_PER_S
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.sheets.csv_sheet import write_csv

_SHEET_PAGE = 5000


def verify_register(
    settings: Settings, public_key: Path | None, copies: Sequence[Path]
) -> VerifyReport:
    """Check the whole register, also against the configured copies and those of ``copies``.

    With ``public_key`` (PEM) none of the gateway's secrets is needed. Raises ValueError, OSError.
    """
    key = _public_key(settings, public_key)
    outside = configured_outside(settings.audit, key)
    outside += [OutsideDirectory(one, fingerprint(key)) for one in copies]
    with _connection(settings) as connection:
        return verify(connection, settings.data_directory, key, outside)


def show_key(settings: Settings) -> tuple[str, str]:
    """The public key as PEM, and its fingerprint, which names the copies."""
    key = _public_key(settings, None)
    return public_key_pem(key).decode(), fingerprint(key)


def report_of(settings: Settings, first: str, last: str, utc_offset_minutes: int) -> Report:
    """The auditors' report from the day ``first`` through ``last``. Raises ValueError, OSError."""
    start_us, end_us = days(first, last, utc_offset_minutes)
    with _connection(settings) as connection:
        return make_report(
            connection,
            settings.accountability,
            start_us=start_us,
            end_us=end_us,
            utc_offset_minutes=utc_offset_minutes,
        )


def write_report(report: Report, file: Path, utc_offset_minutes: int) -> None:
    """The report as a sheet. Raises OSError."""
    file.write_bytes(write_csv([REPORT_COLUMNS, *report_lines(report, utc_offset_minutes)]))


def export_records(
    settings: Settings, first: str, last: str, file: Path, utc_offset_minutes: int
) -> int:
    """Every record of those days as a sheet; gives their number. Raises ValueError, OSError."""
    start_us, end_us = days(first, last, utc_offset_minutes)
    wanted = select_records(RecordFilter(start_us=start_us, end_us=end_us), [""])
    written = after = 0
    with _connection(settings) as connection, file.open("wb") as sheet:
        sheet.write(write_csv([SHEET_COLUMNS]))
        while True:
            page = wanted.where(audit_log.c.sequence > after).order_by(audit_log.c.sequence)
            rows = connection.execute(page.limit(_SHEET_PAGE)).mappings().all()
            if not rows:
                return written
            lines = [sheet_line(row, utc_offset_minutes) for row in rows]
            sheet.write(write_csv(lines, "utf-8"))
            written, after = written + len(rows), rows[-1]["sequence"]


def days(first: str, last: str, utc_offset_minutes: int) -> tuple[int, int]:
    """From the beginning of one local day to the end of another. Raises ValueError."""
    zone = datetime.timezone(datetime.timedelta(minutes=utc_offset_minutes))
    try:
        begin, end = (
            datetime.datetime.combine(
                datetime.date.fromisoformat(day), datetime.time(), tzinfo=zone
            )
            for day in (first, last)
        )
    except ValueError:
        raise ValueError("days are given like 2026-11-22") from None
    if end < begin:
        raise ValueError("the last day is before the first")
    day_us = 24 * 3600 * US_PER_S
    return round(begin.timestamp()) * US_PER_S, round(end.timestamp()) * US_PER_S + day_us


def _public_key(settings: Settings, file: Path | None) -> Ed25519PublicKey:
    if file is not None:
        return read_public_key(file.read_bytes())
    return signing_key(cluster_secret(settings)).public_key()


@contextlib.contextmanager
def _connection(settings: Settings) -> Iterator[sa.Connection]:
    engine = create_sync_reader_engine(settings)
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise OSError(f"the database cannot be read: {error.orig}") from None
    finally:
        engine.dispose()
