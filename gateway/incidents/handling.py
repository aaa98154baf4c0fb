"""What the unit does that an incident is given to: takes it, comes, answers, or gives it back."""

from __future__ import annotations

from gateway.incidents.steps import UNDER_WAY, WITH_A_UNIT, Step, step
from gateway.incidents.timing import OVER
from gateway.incidents.units import find_unit
from recorder.rows import RowError

HANDLING = frozenset({"accept", "arrive", "reply", "answer", "return", "hand_over", "ask"})
"""The steps that a unit takes with what it has."""

_COMING = frozenset({"assigned", "accepted"})


@step("accept", frozenset({"assigned"}))
def accept(taken: Step) -> None:
    """Somebody of the unit takes it."""
    row = taken.row
    row["state"] = "accepted"
    row["accepted_us"] = taken.at_us
    row["handler_id"], row["handler_name"] = taken.by


@step("arrive", _COMING)
def arrive(taken: Step) -> None:
    """They are on the spot. Who has not accepted it before does so by coming."""
    row = taken.row
    if row["state"] == "assigned":
        accept(taken)
    row["state"] = "arrived"
    row["arrived_us"] = taken.at_us
    row["arrived_late"] = is_late(row["arrive_due_us"], taken.at_us)
    taken.detail["late"] = row["arrived_late"]
    for name in ("longitude", "latitude"):
        if taken.fields.get(name) is not None:
            taken.detail[name] = taken.fields[name]


@step("reply", UNDER_WAY)
def reply(taken: Step) -> None:
    """Word of how it goes; what was demanded is given with it."""
    taken.require_words()
    if taken.row["reply_due_us"] is not None:
        taken.detail["late"] = is_late(taken.row["reply_due_us"], taken.at_us)
        taken.row["reply_due_us"] = None


@step("answer", WITH_A_UNIT)
def answer(taken: Step) -> None:
    """It is done: what was done, for whoever closes it."""
    taken.require_words()
    row = taken.row
    if row["state"] == "assigned":
        accept(taken)
    row["state"] = "answered"
    row["answered_us"] = taken.at_us
    row["resolved_late"] = is_late(row["resolve_due_us"], taken.at_us)
    if row["arrive"] is not None and row["arrived_us"] is None:
        # It was settled from afar: by then at the latest somebody had seen to it.
        row["arrived_late"] = is_late(row["arrive_due_us"], taken.at_us)
    row["result_words"] = taken.words
    row["reply_due_us"] = None
    row["asked"] = None
    taken.detail["late"] = row["resolved_late"]


@step("return", WITH_A_UNIT)
def give_back(taken: Step) -> None:
    """It is not theirs: whoever dispatches gives it to somebody else."""
    taken.require_words()
    leave_unit(taken)
    taken.row["state"] = "open"


@step("hand_over", WITH_A_UNIT)
def hand_over(taken: Step) -> None:
    """To another unit, directly."""
    taken.require_words()
    unit_id = taken.fields["unit_id"]
    if unit_id == taken.row["unit_id"]:
        raise RowError("invalid", "they have it already: choose another unit")
    give_to(taken, unit_id)


@step("ask", WITH_A_UNIT)
def ask(taken: Step) -> None:
    """For more time, or that the clocks stand still."""
    taken.require_words()
    taken.row["asked"] = {
        "what": taken.fields["what"],
        "us": taken.fields.get("us"),
        "words": taken.words,
        "by": taken.by[0],
        "name": taken.by[1],
        "at_us": taken.at_us,
    }
    taken.detail |= {"what": taken.fields["what"], "us": taken.fields.get("us")}


@step("comment", UNDER_WAY | frozenset(OVER))
def comment(taken: Step) -> None:
    """A remark for the history."""
    taken.require_words()


@step("attach", UNDER_WAY | frozenset(OVER))
def add(taken: Step) -> None:
    """What is attached is added by who takes the step; nothing else changes."""


def give_to(taken: Step, unit_id: str) -> None:
    """The unit has it from now on."""
    find_unit(taken.connection, unit_id)
    leave_unit(taken)
    taken.row["unit_id"] = unit_id
    taken.row["assigned_us"] = taken.at_us
    taken.row["state"] = "assigned"
    taken.detail["unit_id"] = unit_id


def leave_unit(taken: Step) -> None:
    """Nobody has it; that somebody was on the spot stays true."""
    taken.detail["from_unit_id"] = taken.row["unit_id"]
    taken.row |= {
        "unit_id": None,
        "handler_id": None,
        "handler_name": None,
        "assigned_us": None,
        "accepted_us": None,
        "asked": None,
    }


def is_late(due_us: int | None, at_us: int) -> bool:
    """Whether its time was used up then."""
    return due_us is not None and due_us <= at_us
