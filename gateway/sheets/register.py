"""What an import leaves in the register: itself, and each thing that it creates or changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gateway.audit import AuditRecord
from gateway.sheets.files import Kind
from gateway.sheets.plan import Plan

# What the register's actions call each kind: "area.import", "camera.create".
THINGS: dict[Kind, str] = {"areas": "area", "cameras": "camera", "users": "user"}
# Derived, or secret: their names say nothing, or too much.
_UNTOLD = frozenset({"search_key"})


def import_records(
    kind: Kind, plan: Plan, by: AuditRecord, detail: dict[str, Any]
) -> list[AuditRecord]:
    """``by`` says who and from where; ``detail`` which file. The import comes first."""
    counts = {"created": plan.count("create"), "changed": plan.count("change")}
    whole = replace(by, action=f"{THINGS[kind]}.import", detail={**by.detail, **detail, **counts})
    return [whole, *_each(kind, plan, by)]


def _each(kind: Kind, plan: Plan, by: AuditRecord) -> Iterator[AuditRecord]:
    for step in plan.steps:
        thing = "area" if step["do"] == "area" else THINGS[kind]
        done = "change" if step["do"] == "change" else "create"
        columns = step.get("columns", step)
        told: dict[str, Any] = {"id": step["id"]} if "id" in step else {}
        if "name" in columns:
            told["name"] = columns["name"]
        if done == "change":
            names = set(columns) - _UNTOLD if "columns" in step else {"name", "code", "position"}
            if "place_ids" in step:
                names.add("place_ids")
            told["fields"] = sorted(
                "password" if name == "password_sealed" else name for name in names
            )
        if thing == "user":
            told |= {name: columns[name] for name in ("granted", "enabled") if name in columns}
        yield replace(
            by,
            action=f"{thing}.{done}",
            camera_id=step["id"] if thing == "camera" else None,
            area_path=step.get("area_path"),
            detail={**by.detail, **told},
        )
