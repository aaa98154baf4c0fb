"""``gridsight area|camera|user import|export``: sheets, for who has the machine."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from gateway.audit import AuditRecord
from gateway.commands.camera import wake
from gateway.commands.rows import open_rows
from gateway.database.engine import create_sync_reader_engine
from gateway.identifiers import now_us
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.sheets.files import Kind, check_file, export_rows, write_file
from gateway.sheets.plan import Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import BYTES_LIMIT, SheetError
from gateway.sheets.writing import write_plan


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file does, or did; and name, display name and one-time password of new accounts."""

    plan: Plan
    passwords: list[tuple[str, str, str]]


async def import_sheet(settings: Settings, kind: Kind, path: Path, *, dry_run: bool) -> Imported:
    """Check a file, and unless it has faults or this is a dry run, write all of it.

    Raises OSError, SheetError, RowError.
    """
    content = await asyncio.to_thread(_read, path)
    secret = cluster_secret(settings)
    async with open_rows(settings) as rows:
        plan = await asyncio.to_thread(_check, settings, kind, content, secret)
        if plan.faults or dry_run:
            return Imported(plan, [])
        detail = {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()}
        by = AuditRecord("import", user_name="(command line)")
        passwords = await write_plan(rows, kind, plan, by, detail)
    await wake(settings, secret)
    return Imported(plan, passwords)


async def export_sheet(settings: Settings, kind: Kind, path: Path) -> int:
    """Write what there is; ``.xlsx`` in the name makes it a workbook. Gives the number of rows."""
    async with open_rows(settings):
        pass  # Makes the tables where there are none.
    content, count = await asyncio.to_thread(_export, settings, kind, path.suffix.lower())
    await asyncio.to_thread(path.write_bytes, content)
    return count


def _read(path: Path) -> bytes:
    if path.stat().st_size > BYTES_LIMIT:
        raise SheetError("too_large", f"{path} has more than {BYTES_LIMIT} bytes: split it")
    return path.read_bytes()


def _check(settings: Settings, kind: Kind, content: bytes, secret: bytes) -> Plan:
    engine = create_sync_reader_engine(settings)
    with engine.connect() as connection:
        plan = check_file(connection, kind, content, Scope(), secret=secret, now_us=now_us())
    engine.dispose()
    return plan


def _export(settings: Settings, kind: Kind, suffix: str) -> tuple[bytes, int]:
    engine = create_sync_reader_engine(settings)
    with engine.connect() as connection:
        rows = list(export_rows(connection, kind, Scope(), axis=None, within=""))
    engine.dispose()
    content = write_file(kind, "xlsx" if suffix == ".xlsx" else "csv", iter(rows))
    return content, len(rows) - 1
