"""Writing a plan: one row operation with its records, whole or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.audit import AuditRecord, act
from gateway.people.passwords import hash_one_time_passwords, one_time_password
from gateway.sheets.files import Kind
from gateway.sheets.plan import Plan
from gateway.sheets.register import import_records
from recorder.rows import RowWriter


async def write_plan(
    rows: RowWriter, kind: Kind, plan: Plan, by: AuditRecord, detail: dict[str, Any]
) -> list[tuple[str, str, str]]:
    """Do what the plan says; gives name, display name and one-time password of each new account.

    ``by`` says who does it and ``detail`` from which file. Raises RowError (``changed_meanwhile``
    and others: nothing was written), ConnectionError.
    """
    if not plan.steps:
        return []
    arguments: dict[str, Any] = {"steps": plan.steps}
    passwords: list[tuple[str, str, str]] = []
    if kind == "users":
        arguments["granted_by"] = by.user_id
        new = [step for step in plan.steps if step["do"] == "create"]
        chosen = [one_time_password() for _ in new]
        hashes = await hash_one_time_passwords(chosen)
        for step, password, password_hash in zip(new, chosen, hashes, strict=True):
            step["password_hash"] = password_hash
            passwords.append((step["name"], step["display_name"], password))
    # Thousands of records take a while: not on the loop.
    records = await asyncio.to_thread(import_records, kind, plan, by, detail)
    await act(rows, f"sheets.{kind}", arguments, records)
    return passwords
