"""Whatever is done to a meeting, in whatever order: its rows never contradict one another."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from gateway.database.meeting_tables import (
    meeting_attendance,
    meeting_floor,
    meeting_participants,
    meetings,
    roll_call_answers,
    roll_calls,
)
from gateway.database.tables import viewing_sessions
from recorder.rows import RowError
from tests.gateway.meetings.a_county import Rows

VILLAGES = ("a", "b", "c")
people = st.sampled_from([*VILLAGES, "chair"])
moments = st.integers(0, 1000)
# What refers to others first.
_TABLES = (
    roll_call_answers,
    roll_calls,
    meeting_floor,
    meeting_attendance,
    meeting_participants,
    meetings,
)


class Meeting(RuleBasedStateMachine):
    """One meeting with three villages, to which anything may happen that anybody may send."""

    # One for all runs: a schema takes longer to make than a run.
    rows: ClassVar[Rows]

    def __init__(self) -> None:
        super().__init__()
        with self.rows.engine.begin() as connection:
            for table in _TABLES:
                connection.execute(sa.delete(table))
            connection.execute(sa.delete(viewing_sessions))
        self.sessions: dict[str, list[str]] = {}
        self.version = 0
        self.clock_us = 0

    @initialize(lobby=st.booleans(), muted=st.booleans())
    def begin(self, lobby: bool, muted: bool) -> None:
        self.meeting_id = self.rows.called(lobby=lobby, muted_on_entry=muted)
        self.ids = dict(zip(VILLAGES, self.rows.invite(self.meeting_id, *VILLAGES), strict=True))
        (chair,) = [row.id for row in self.rows.all(meeting_participants) if row.role == "chair"]
        self.ids["chair"] = chair
        self.rows.write("meetings.start", meeting_id=self.meeting_id, shard="shard-1")

    def try_to(self, operation: str, **arguments: Any) -> Any:
        """Do it, or be refused; a refusal changes nothing."""
        before = self._dump()
        try:
            return self.rows.write(operation, **arguments)
        except RowError:
            assert self._dump() == before
            return None

    @rule(who=people)
    def join(self, who: str) -> None:
        session = f"{who}-{len(self.sessions.get(who, []))}"
        viewing = {
            "user_id": self.rows.users["clerk"], "token_hash": None, "process": "shard-1",
            "action": "meeting", "camera_ids": [],
        }  # fmt: skip
        if self.try_to(
            "meetings.join", meeting_id=self.meeting_id, participant_id=self.ids[who],
            session_id=session, viewing=viewing, records=[],
        ):  # fmt: skip
            self.sessions.setdefault(who, []).append(session)

    @rule(who=people, back=st.integers(0, 2), after_us=moments)
    def arrive(self, who: str, back: int, after_us: int) -> None:
        self._of_session("meetings.arrived", who, back, after_us)

    @rule(who=people, back=st.integers(0, 2), after_us=moments)
    def depart(self, who: str, back: int, after_us: int) -> None:
        self._of_session("meetings.departed", who, back, after_us, reason="left")

    @rule(who=people, back=st.integers(0, 2), after_us=moments)
    def wait(self, who: str, back: int, after_us: int) -> None:
        self._of_session("meetings.waits", who, back, after_us)

    @rule(who=people)
    def come(self, who: str) -> None:
        self.join(who)
        self._command("admit", participant_ids=[self.ids[who]], user_id="x")
        self.arrive(who, 0, 1)

    @rule(kept=st.sets(people), after_us=moments)
    def seen(self, kept: set[str], after_us: int) -> None:
        held = [self.sessions[who][-1] for who in kept if self.sessions.get(who)]
        self.try_to("meetings.seen", shard="shard-1", session_ids=held, at_us=self._later(after_us))

    @rule()
    def lose(self) -> None:
        self.try_to("meetings.lost", meeting_id=self.meeting_id)

    @rule(who=people)
    def admit(self, who: str) -> None:
        self._command("admit", participant_ids=[self.ids[who]], user_id="x")

    @rule(who=people)
    def remove(self, who: str) -> None:
        self._command("remove", participant_id=self.ids[who])

    @rule(who=st.sampled_from(VILLAGES))
    def invite_again(self, who: str) -> None:
        area = self.rows.areas[who]
        site = {"kind": "site", "subject": area, "area_id": area, "name": who}
        self._command("invite", participants=[site], invited_by="x")

    @rule(who=people, role=st.sampled_from(["chair", "co_chair", "site", "observer"]))
    def give_role(self, who: str, role: str) -> None:
        self._command("role", participant_id=self.ids[who], role=role)

    @rule(who=people, given=st.booleans())
    def floor(self, who: str, given: bool) -> None:
        self._command("give_floor", participant_id=self.ids[who], given=given)

    @rule(who=people, raised=st.booleans())
    def hand(self, who: str, raised: bool) -> None:
        self._command("hand", participant_id=self.ids[who], raised=raised)

    @rule(who=people, kind=st.sampled_from(["camera", "screen", None]))
    def pin(self, who: str, kind: str | None) -> None:
        self._command("pin", participant_id=self.ids[who], kind=kind)

    @rule(locked=st.booleans())
    def lock(self, locked: bool) -> None:
        self._command("lock", locked=locked)

    @rule()
    def ring(self) -> None:
        self._command("ring", participant_ids=None)

    @rule(who=people)
    def refuse(self, who: str) -> None:
        self.try_to("meetings.refused_call", participant_id=self.ids[who], why="")

    @rule(who=st.one_of(st.none(), people), at_us=moments)
    def show(self, who: str | None, at_us: int) -> None:
        self.try_to(
            "meetings.program", meeting_id=self.meeting_id, kind="camera", why="speaker",
            participant_id=None if who is None else self.ids[who], at_us=at_us,
        )  # fmt: skip

    @rule()
    def begin_roll_call(self) -> None:
        self.try_to(
            "roll_calls.begin", meeting_id=self.meeting_id, area_id=None, title="",
            late_after_s=0, user_id="x",
        )  # fmt: skip

    @rule(who=st.one_of(st.none(), people))
    def call(self, who: str | None) -> None:
        for row in self.rows.all(roll_calls):
            participant = None if who is None else self.ids[who]
            self.try_to("roll_calls.call", roll_call_id=row.id, participant_id=participant)

    @rule(who=people)
    def answer(self, who: str) -> None:
        self.try_to("roll_calls.answer", meeting_id=self.meeting_id, participant_id=self.ids[who])

    @rule()
    def end_roll_call(self) -> None:
        for row in self.rows.all(roll_calls):
            self.try_to("roll_calls.end", roll_call_id=row.id)

    @rule(reason=st.sampled_from(["chair", "abandoned"]))
    def end(self, reason: str) -> None:
        self._command("end", reason=reason)

    @invariant()
    def there_is_one_chair(self) -> None:
        roles = [row.role for row in self.rows.all(meeting_participants)]
        assert roles.count("chair") == 1

    @invariant()
    def who_is_connected_has_one_open_span_and_nobody_else_has(self) -> None:
        open_spans = [
            row.participant_id
            for row in self.rows.all(meeting_attendance, meeting_attendance.c.left_us.is_(None))
        ]
        assert len(open_spans) == len(set(open_spans))
        states = {row.id: row for row in self.rows.all(meeting_participants)}
        here = {one for one, row in states.items() if row.state == "connected"}
        # Who was just removed, or has joined elsewhere, is still on the line until the room says.
        assert here <= set(open_spans)
        for row in self.rows.all(meeting_attendance):
            assert row.left_us is None or row.left_us >= row.connected_us

    @invariant()
    def nobody_waits_who_was_let_in_and_nobody_removed_keeps_anything(self) -> None:
        for row in self.rows.all(meeting_participants):
            if row.state == "removed":
                assert (row.session_id, row.floor_us, row.hand_us) == (None, None, None)

    @invariant()
    def a_meeting_with_people_is_not_empty(self) -> None:
        meeting = self.rows.meeting(self.meeting_id)
        open_spans = self.rows.all(meeting_attendance, meeting_attendance.c.left_us.is_(None))
        if meeting.state == "running":
            assert (meeting.empty_since_us is None) == bool(open_spans)
        else:
            assert not open_spans
            assert not self.rows.all(meeting_floor, meeting_floor.c.end_us.is_(None))
            assert not self.rows.all(roll_calls, roll_calls.c.ended_us.is_(None))

    @invariant()
    def one_thing_at_a_time_is_on_the_program(self) -> None:
        assert len(self.rows.all(meeting_floor, meeting_floor.c.end_us.is_(None))) <= 1

    @invariant()
    def one_roll_call_is_on_and_only_the_called_have_answered(self) -> None:
        running = self.rows.all(roll_calls, roll_calls.c.ended_us.is_(None))
        meeting = self.rows.meeting(self.meeting_id)
        assert [row.id for row in running] == (
            [meeting.roll_call_id] if meeting.roll_call_id else []
        )
        for row in self.rows.all(roll_call_answers):
            assert row.answered_us is None or row.called_us is not None

    @invariant()
    def the_version_never_goes_back(self) -> None:
        version = self.rows.meeting(self.meeting_id).version
        assert version >= self.version
        self.version = version

    def _command(self, name: str, **arguments: Any) -> None:
        before = self.rows.meeting(self.meeting_id).version
        shown = self._shown()
        self.try_to(f"meetings.{name}", meeting_id=self.meeting_id, **arguments)
        # What a room would show differently it must see.
        if self._shown() != shown:
            assert self.rows.meeting(self.meeting_id).version > before

    def _of_session(
        self, operation: str, who: str, back: int, after_us: int, **arguments: Any
    ) -> None:
        known = self.sessions.get(who, [])
        if back < len(known):
            self.try_to(
                operation, participant_id=self.ids[who], session_id=known[-1 - back],
                at_us=self._later(after_us), **arguments,
            )  # fmt: skip

    def _later(self, after_us: int) -> int:
        self.clock_us += after_us
        return self.clock_us

    def _shown(self) -> list[str]:
        return [str(tuple(row)) for row in self.rows.all(meeting_participants)]

    def _dump(self) -> list[str]:
        return [str(tuple(row)) for table in _TABLES for row in self.rows.all(table)]


@pytest.mark.timeout(400)
def test_rows_never_contradict_one_another(rows: Rows) -> None:
    if rows.engine.dialect.name == "sqlite":
        sa.event.listen(rows.engine, "connect", _without_sync)
        rows.engine.dispose()
    Meeting.rows = rows
    run_state_machine_as_test(Meeting, settings=_RUNS)


def _without_sync(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")


_RUNS = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
