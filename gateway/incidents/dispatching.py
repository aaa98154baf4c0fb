"""What whoever dispatches does: gives out, urges, extends, suspends, merges, splits, closes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from gateway.attachments.rows import attach as attach_files
from gateway.database.incident_tables import incident_attachments, incidents
from gateway.database.tables import areas
from gateway.incidents.categories import find_category
from gateway.incidents.handling import give_to, is_late
from gateway.incidents.opening import NewIncident, lie_in, note, open_incident
from gateway.incidents.steps import UNDER_WAY, Step, find_incident, step, write
from gateway.incidents.timing import OVER, is_suspended
from gateway.incidents.units import find_unit, responsible_unit
from recorder.rows import RowError

DISPATCHING = frozenset(
    {"assign", "up", "urge", "extend", "suspend", "resume", "refuse", "send_back", "close",
     "reopen", "merge", "split", "change", "rate"}
)  # fmt: skip
"""The steps of who gives out incidents of a place. They also note how the reporter rates it."""

_NOT_ANSWERED = UNDER_WAY - {"answered"}
_CHANGED = ("title", "words", "priority", "place", "longitude", "latitude", "happened_us",
            "reporter_name", "reporter_phone")  # fmt: skip


@step("assign", _NOT_ANSWERED)
def assign(taken: Step) -> None:
    """To a unit; without one to that which is responsible for the area."""
    unit_id = taken.fields.get("unit_id") or responsible_unit(
        taken.connection, taken.row["area_path"], taken.row["category_id"]
    )
    if unit_id is None:
        raise RowError("invalid", "no unit is responsible for this area: choose one")
    if unit_id == taken.row["unit_id"]:
        raise RowError("invalid", "they have it already: choose another unit, or urge them")
    give_to(taken, unit_id)


@step("up", _NOT_ANSWERED - {"open"})
def pass_up(taken: Step) -> None:
    """To the unit above the one that has it."""
    above = find_unit(taken.connection, taken.row["unit_id"]).parent_id
    if above is None:
        raise RowError("invalid", "there is no unit above: assign it straight")
    give_to(taken, above)


@step("urge", _NOT_ANSWERED - {"open"})
def urge(taken: Step) -> None:
    """Hurry them; with ``reply_due_us`` they must reply by then."""
    taken.row["urges"] += 1
    due_us = taken.fields.get("reply_due_us")
    if due_us is not None:
        if due_us <= taken.at_us:
            raise RowError("invalid", "a reply is due in the future")
        taken.row["reply_due_us"] = due_us
        taken.detail["reply_due_us"] = due_us


@step("extend", _NOT_ANSWERED)
def extend(taken: Step) -> None:
    """More time to resolve it, also where the unit has asked for that."""
    taken.require_words()
    if taken.row["resolve"] is None:
        raise RowError("invalid", "it has no limit that could be extended")
    taken.row["extended_us"] += taken.fields["us"]
    taken.row["asked"] = None
    taken.detail["us"] = taken.fields["us"]


@step("suspend", _NOT_ANSWERED)
def suspend(taken: Step) -> None:
    """The clocks stand still until it is resumed."""
    taken.require_words()
    if is_suspended(taken.row):
        raise RowError("conflict", "it is suspended already")
    taken.row["suspensions"] = [*taken.row["suspensions"], [taken.at_us, None]]
    taken.row["asked"] = None


@step("resume", UNDER_WAY)
def resume(taken: Step) -> None:
    """They run on."""
    if not is_suspended(taken.row):
        raise RowError("conflict", "it is not suspended")
    _end_suspension(taken)


@step("refuse", _NOT_ANSWERED)
def refuse(taken: Step) -> None:
    """What the unit has asked for is not given."""
    taken.require_words()
    if taken.row["asked"] is None:
        raise RowError("conflict", "nothing was asked for")
    taken.detail["what"] = taken.row["asked"]["what"]
    taken.row["asked"] = None


@step("send_back", frozenset({"answered"}))
def send_back(taken: Step) -> None:
    """It is not done yet: the unit goes on, and its time has run on meanwhile."""
    taken.require_words()
    row = taken.row
    row["state"] = "accepted" if row["arrived_us"] is None else "arrived"
    row["answered_us"] = None
    row["resolved_late"] = None


@step("close", UNDER_WAY)
def close(taken: Step) -> None:
    """It is over. One that no unit has answered is closed by who says what became of it."""
    row = taken.row
    if row["answered_us"] is None:
        taken.require_words()
        row["resolved_late"] = is_late(row["resolve_due_us"], taken.at_us)
    if is_suspended(row):
        _end_suspension(taken)
    row["state"] = "closed"
    row["closed_us"] = taken.at_us
    row["result"] = taken.fields["result"]
    if taken.words.strip():
        row["result_words"] = taken.words
    row["asked"] = row["reply_due_us"] = None
    taken.detail |= {"result": row["result"], "late": bool(row["resolved_late"])}


@step("reopen", frozenset({"closed"}))
def reopen(taken: Step) -> None:
    """It was not over. Its clocks have run on."""
    taken.require_words()
    row = taken.row
    row |= {"closed_us": None, "result": None, "answered_us": None, "resolved_late": None}
    if row["unit_id"] is None:
        row["state"] = "open"
    else:
        row["state"] = "accepted" if row["arrived_us"] is None else "arrived"


@step("merge", UNDER_WAY)
def merge(taken: Step) -> None:
    """It is the same as another one, which has what belongs to it from now on."""
    into = find_incident(taken.connection, taken.fields["into_id"])
    if into["id"] == taken.row["id"] or into["state"] in OVER:
        raise RowError("invalid", "choose another incident that is under way")
    if is_suspended(taken.row):
        _end_suspension(taken)
    taken.row |= {
        "state": "merged",
        "closed_us": taken.at_us,
        "merged_into": into["id"],
        "asked": None,
        "reply_due_us": None,
    }
    # Whatever was merged into it before belongs there, too.
    taken.connection.execute(
        sa.update(incidents)
        .where(incidents.c.merged_into == taken.row["id"])
        .values(merged_into=into["id"])
    )
    _give_attachments(taken, into["id"])
    taken.detail["into"] = into["id"]
    detail = {"incident_id": taken.row["id"], "number": taken.row["number"]}
    write(taken.connection, into, max(taken.at_us, into["changed_us"] + 1))
    note(taken.connection, into["id"], taken.at_us, "merged_in", taken.by, into["unit_id"],
         taken.words, detail)  # fmt: skip


@step("split", UNDER_WAY)
def split(taken: Step) -> None:
    """Part of it is another matter, which becomes an incident of its own."""
    row, fields = taken.row, taken.fields
    new_id = open_incident(
        taken.connection,
        replace(
            _like(row),
            # As often as somebody splits it.
            origin_id=f"{row['origin_id'][:70]}/{row['version']}",
            title=fields["title"],
            words=taken.words,
            category=fields.get("category_id") or row["category_id"],
            area_id=fields.get("area_id") or row["area_id"],
            opened_by=taken.by[0],
            opened_name=taken.by[1],
        ),
    )
    taken.connection.execute(
        sa.update(incidents).where(incidents.c.id == new_id).values(split_from=row["id"])
    )
    taken.detail["incident_id"] = new_id


@step("change", UNDER_WAY)
def change(taken: Step) -> None:
    """What it is about. Another category brings its own limits, from the opening on."""
    row, fields = taken.row, taken.fields
    for name in _CHANGED:
        if name in fields and fields[name] != row[name]:
            taken.detail[name] = [row[name], fields[name]]
            row[name] = fields[name]
    if fields.get("category_id") and fields["category_id"] != row["category_id"]:
        category = find_category(taken.connection, fields["category_id"])
        taken.detail["category_id"] = [row["category_id"], category.id]
        row |= {"category_id": category.id, "arrive": category.arrive, "resolve": category.resolve}
    if fields.get("area_id") and fields["area_id"] != row["area_id"]:
        _move(taken, fields["area_id"])
    if not taken.detail:
        raise RowError("invalid", "nothing would change")


@step("rate", frozenset({"closed"}))
def rate(taken: Step) -> None:
    """By who reported it, or by who asked them on the telephone."""
    taken.row["rating"] = taken.detail["rating"] = taken.fields["rating"]
    taken.row["feedback"] = taken.words


def _move(taken: Step, area_id: str) -> None:
    place = taken.connection.execute(
        sa.select(areas.c.path, areas.c.axis).where(areas.c.id == area_id)
    ).one_or_none()
    if place is None or place.axis != "area":
        raise RowError("not_found", "there is no such area in the county's own tree")
    taken.detail["area_id"] = [taken.row["area_id"], area_id]
    taken.row |= {"area_id": area_id, "area_path": place.path}
    lie_in(taken.connection, taken.row["id"], place.path, taken.row["opened_us"])


def _give_attachments(taken: Step, into_id: str) -> None:
    table = incident_attachments.c
    own = table.incident_id == taken.row["id"]
    files = taken.connection.scalars(sa.select(table.subject_id).where(own, table.kind == "file"))
    attach_files(taken.connection, files.all(), "incident", into_id, None)
    taken.connection.execute(sa.update(incident_attachments).where(own).values(incident_id=into_id))


def _end_suspension(taken: Step) -> None:
    *earlier, (start_us, _) = taken.row["suspensions"]
    taken.row["suspensions"] = [*earlier, [start_us, taken.at_us]]


def _like(row: dict[str, Any]) -> NewIncident:
    copied = ("origin", "origin_id", "area_id", "title", "priority", "place", "longitude",
              "latitude", "camera_id", "happened_us", "reporter_user_id", "reporter_name",
              "reporter_phone")  # fmt: skip
    return NewIncident(**{name: row[name] for name in copied})
