"""What may become of a meeting and of who takes part, on a real database."""

from __future__ import annotations

import pytest

from gateway.database.meeting_tables import meeting_floor
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.floor import FloorHistory, OnAir
from recorder.rows import RowError
from tests.gateway.meetings.a_county import Rows

pytestmark = pytest.mark.both_databases


def refused(rows: Rows, operation: str, **arguments: object) -> str:
    with pytest.raises(RowError) as refusal:
        rows.write(operation, **arguments)
    return refusal.value.code


def started(rows: Rows, *villages: str, **columns: object) -> tuple[str, list[str]]:
    meeting_id = rows.called(**columns)
    ids = rows.invite(meeting_id, *villages)
    rows.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    return meeting_id, ids


def test_everything_that_changes_raises_the_version(rows: Rows) -> None:
    meeting_id, (a, _) = started(rows, "a", "b")
    rows.joined(meeting_id, a)
    for operation, arguments in (
        ("lock", {"locked": True}),
        ("layout", {"layout": "grid"}),
        ("polling", {"interval_s": 5, "area_id": None}),
        ("mute", {"participant_ids": None, "muted": True}),
        ("give_floor", {"participant_id": a, "given": True}),
        ("hand", {"participant_id": a, "raised": True}),
        ("pin", {"participant_id": a, "kind": "camera"}),
        ("role", {"participant_id": a, "role": "co_chair"}),
        ("link", {"code_hash": "x", "expires_us": 2**60}),
        ("ring", {"participant_ids": None}),
        ("change", {"columns": {"title": "新"}}),
        ("end", {"reason": "chair"}),
    ):
        before = rows.meeting(meeting_id).version
        rows.write(f"meetings.{operation}", meeting_id=meeting_id, **arguments)
        assert rows.meeting(meeting_id).version > before, operation


def test_who_is_invited_rings_when_it_starts_and_the_chair_does_not(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    assert [rows.participant(one).state for one in (a, b)] == ["ringing", "ringing"]
    assert rows.participant(a).rings == 1
    (late,) = rows.invite(meeting_id, "c")
    assert rows.participant(late).state == "ringing"
    silent, (one,) = started(rows, "a", rings=False)
    assert rows.participant(one).state == "invited"
    assert refused(rows, "meetings.start", meeting_id=silent, shard="x") == "meeting_started"


def test_a_meeting_is_not_called_into_the_past(rows: Rows) -> None:
    with pytest.raises(RowError):
        rows.called(scheduled_us=now_us() - 600_000_000)


def test_sites_stand_in_the_order_of_the_tree_whenever_they_were_invited(rows: Rows) -> None:
    meeting_id = rows.called()
    (c,) = rows.invite(meeting_id, "c")
    (town, a) = rows.invite(meeting_id, "town", "a")
    positions = [rows.participant(one).position for one in (town, a, c)]
    assert positions == [0, 1, 2]


def test_inviting_twice_invites_once(rows: Rows) -> None:
    meeting_id = rows.called()
    assert rows.invite(meeting_id, "a", "b") == rows.invite(meeting_id, "a", "b")


def test_who_was_removed_joins_no_more_until_invited_again(rows: Rows) -> None:
    meeting_id, (a,) = started(rows, "a")
    assert rows.joined(meeting_id, a) == "connected"
    gone = rows.write("meetings.remove", meeting_id=meeting_id, participant_id=a)
    assert gone == "ses"
    with pytest.raises(RowError) as refusal:
        rows.joined(meeting_id, a)
    assert refusal.value.code == "removed"
    arrived = {"participant_id": a, "session_id": "ses", "at_us": 1}
    assert rows.write("meetings.arrived", **arrived) == "gone"
    assert rows.invite(meeting_id, "a") == [a]
    assert rows.joined(meeting_id, a, "anew") == "connected"


def test_a_second_session_takes_the_seat_and_the_first_does_not_get_it_back(rows: Rows) -> None:
    meeting_id, (a,) = started(rows, "a")
    rows.joined(meeting_id, a, "first")
    rows.joined(meeting_id, a, "second")
    again = {"participant_id": a, "session_id": "first", "at_us": now_us()}
    assert rows.write("meetings.arrived", **again) == "gone"
    # That the first one ends now makes nobody leave.
    rows.write("meetings.departed", **again, reason="replaced")
    assert rows.participant(a).state == "connected"
    first, second = rows.spans(a)
    assert first.left_us is not None
    assert second.left_us is None


def test_who_takes_the_seat_and_does_not_come_is_not_connected(rows: Rows) -> None:
    meeting_id, (a,) = started(rows, "a")
    rows.joined(meeting_id, a, "first")
    viewing = {
        "user_id": rows.users["clerk"], "token_hash": None, "process": "shard-1",
        "action": "meeting", "camera_ids": [],
    }  # fmt: skip
    rows.write(
        "meetings.join", meeting_id=meeting_id, participant_id=a, session_id="second",
        records=[], viewing=viewing,
    )  # fmt: skip
    first = {"participant_id": a, "session_id": "first", "at_us": now_us()}
    rows.write("meetings.departed", **first, reason="closed")
    assert rows.participant(a).state == "left"
    second = {"participant_id": a, "session_id": "second", "at_us": now_us()}
    assert rows.write("meetings.arrived", **second) == "connected"
    assert rows.participant(a).state == "connected"


def test_nothing_goes_on_the_program_of_a_meeting_that_is_over(rows: Rows) -> None:
    meeting_id, (a,) = started(rows, "a")
    rows.write("meetings.end", meeting_id=meeting_id, reason="chair")
    rows.write(
        "meetings.program", meeting_id=meeting_id, participant_id=a, kind="camera", why="speaker",
        at_us=now_us(),
    )  # fmt: skip
    assert rows.all(meeting_floor) == []


def test_where_there_is_a_lobby_nobody_is_there_before_they_are_let_in(rows: Rows) -> None:
    meeting_id, (a,) = started(rows, "a", lobby=True)
    assert rows.joined(meeting_id, a) == "lobby"
    assert rows.participant(a).state == "lobby"
    assert rows.spans(a) == []
    rows.write("meetings.admit", meeting_id=meeting_id, participant_ids=[a], user_id="x")
    here = {"participant_id": a, "session_id": "ses", "at_us": now_us()}
    assert rows.write("meetings.arrived", **here) == "connected"
    # Once let in, always let in: a lost line is no second visit to the lobby.
    rows.write("meetings.departed", **here, reason="line")
    assert rows.joined(meeting_id, a, "next") == "connected"


def test_a_locked_meeting_lets_back_in_who_was_in_it_and_nobody_else(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    rows.joined(meeting_id, a)
    rows.write("meetings.lock", meeting_id=meeting_id, locked=True)
    assert rows.joined(meeting_id, a, "again") == "connected"
    with pytest.raises(RowError) as refusal:
        rows.joined(meeting_id, b)
    assert refusal.value.code == "meeting_locked"
    guest = {"meeting_id": meeting_id, "name": "客", "token_hash": "h"}
    assert refused(rows, "meetings.guest", **guest) == "meeting_locked"


def test_guests_wait_in_every_meeting_and_only_so_many(rows: Rows) -> None:
    meeting_id, _ = started(rows)
    guest = rows.write("meetings.guest", meeting_id=meeting_id, name="客", token_hash="0")
    assert rows.joined(meeting_id, guest) == "lobby"
    for number in range(1, 50):
        rows.write("meetings.guest", meeting_id=meeting_id, name="客", token_hash=str(number))
    full = {"meeting_id": meeting_id, "name": "客", "token_hash": "50"}
    assert refused(rows, "meetings.guest", **full) == "too_many"


def test_there_is_always_one_chair(rows: Rows) -> None:
    meeting_id, (a, _) = started(rows, "a", "b")
    (chair,) = [
        row.id
        for row in rows.all(meeting_floor.metadata.tables["meeting_participants"])
        if row.role == "chair"
    ]
    step_down = {"meeting_id": meeting_id, "participant_id": chair, "role": "site"}
    assert refused(rows, "meetings.role", **step_down) == "last_chair"
    remove = {"meeting_id": meeting_id, "participant_id": chair}
    assert refused(rows, "meetings.remove", **remove) == "last_chair"
    rows.write("meetings.role", meeting_id=meeting_id, participant_id=a, role="chair")
    assert rows.participant(a).role == "chair"
    assert rows.participant(chair).role == "co_chair"
    guest = rows.write("meetings.guest", meeting_id=meeting_id, name="客", token_hash="h")
    lead = {"meeting_id": meeting_id, "participant_id": guest, "role": "chair"}
    assert refused(rows, "meetings.role", **lead) == "conflict"


def test_the_floor_is_heard_lowers_the_hand_and_gives_the_mute_back(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    rows.joined(meeting_id, a, "one")
    rows.joined(meeting_id, b, "two")
    rows.write("meetings.mute", meeting_id=meeting_id, participant_ids=None, muted=True)
    for one in (b, a):
        rows.write("meetings.hand", meeting_id=meeting_id, participant_id=one, raised=True)
    queue = sorted((a, b), key=lambda one: rows.participant(one).hand_us)
    assert queue == [b, a]
    floor = {"meeting_id": meeting_id, "participant_id": b}
    rows.write("meetings.give_floor", **floor, given=True)
    row = rows.participant(b)
    assert (row.muted, row.hand_us) == (False, None)
    assert row.floor_us is not None
    rows.write("meetings.give_floor", **floor, given=False)
    row = rows.participant(b)
    assert (row.muted, row.floor_us) == (True, None)


def test_mute_all_spares_who_leads_and_holds_for_who_comes_later(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    rows.write("meetings.role", meeting_id=meeting_id, participant_id=b, role="co_chair")
    rows.write("meetings.mute", meeting_id=meeting_id, participant_ids=None, muted=True)
    assert [rows.participant(one).muted for one in (a, b)] == [True, False]
    (c,) = rows.invite(meeting_id, "c")
    assert rows.participant(c).muted


def test_calling_again_rings_the_absent_and_leaves_the_present_alone(rows: Rows) -> None:
    meeting_id, (a, b, c) = started(rows, "a", "b", "c")
    rows.joined(meeting_id, a)
    assert rows.write("meetings.refused_call", participant_id=b, why="busy")
    assert not rows.write("meetings.refused_call", participant_id=b, why="busy")
    assert rows.participant(b).refusal == "busy"
    assert rows.write("meetings.ring", meeting_id=meeting_id, participant_ids=None) == [b, c]
    assert rows.participant(b).state == "ringing"
    assert rows.participant(b).refusal is None
    assert rows.write("meetings.ring", meeting_id=meeting_id, participant_ids=[a, c]) == [c]


@pytest.mark.parametrize("lobby", [False, True])
def test_who_refused_the_call_may_join_after_all(rows: Rows, lobby: bool) -> None:
    meeting_id, (a,) = started(rows, "a", lobby=lobby)
    rows.write("meetings.refused_call", participant_id=a, why="busy")
    assert rows.joined(meeting_id, a) == ("lobby" if lobby else "connected")
    row = rows.participant(a)
    assert (row.state, row.refusal) == ("lobby" if lobby else "connected", None)


def test_a_meeting_without_people_is_empty_and_with_one_it_is_not(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    assert rows.meeting(meeting_id).empty_since_us is not None
    rows.joined(meeting_id, a, "one")
    rows.joined(meeting_id, b, "two")
    assert rows.meeting(meeting_id).empty_since_us is None
    assert refused(rows, "meetings.end", meeting_id=meeting_id, reason="abandoned") == "conflict"
    leave = {"at_us": now_us(), "reason": "left"}
    rows.write("meetings.departed", participant_id=a, session_id="one", **leave)
    assert rows.meeting(meeting_id).empty_since_us is None
    rows.write("meetings.departed", participant_id=b, session_id="two", **leave)
    assert rows.meeting(meeting_id).empty_since_us is not None
    rows.write("meetings.end", meeting_id=meeting_id, reason="abandoned")
    assert rows.meeting(meeting_id).state == "ended"


def test_a_meeting_is_empty_when_the_last_was_taken_out(rows: Rows) -> None:
    meeting_id, (a,) = started(rows, "a")
    rows.joined(meeting_id, a)
    rows.write("meetings.remove", meeting_id=meeting_id, participant_id=a)
    rows.write(
        "meetings.departed", participant_id=a, session_id="ses", at_us=now_us(), reason="removed"
    )
    assert rows.meeting(meeting_id).empty_since_us is not None


def test_two_halls_by_codecs_hold_a_meeting_and_a_camera_alone_does_not(rows: Rows) -> None:
    meeting_id, _ = started(rows)
    brought = [
        {"kind": kind, "subject": "", "name": kind, "token_hash": kind if kind == "whip" else None}
        for kind in ("camera", "whip")
    ]
    camera, codec = rows.write(
        "meetings.invite", meeting_id=meeting_id, participants=brought, invited_by="x"
    )
    came = {"session_id": None, "at_us": now_us()}
    rows.write("meetings.arrived", participant_id=camera, **came)
    assert rows.meeting(meeting_id).empty_since_us is not None
    rows.write("meetings.arrived", participant_id=codec, **came)
    assert rows.meeting(meeting_id).empty_since_us is None


def test_nobody_waits_in_the_lobby_of_a_shard_that_does_not_hold_them(rows: Rows) -> None:
    meeting_id, (a, b, c) = started(rows, "a", "b", "c", lobby=True)
    for participant_id in (a, b, c):
        rows.joined(meeting_id, participant_id, f"ses-{participant_id}")
        assert rows.participant(participant_id).state == "lobby"
    seen = {"shard": "shard-1", "session_ids": [f"ses-{a}"]}
    # Who has just been given a ticket may be on the way.
    rows.write("meetings.seen", at_us=now_us(), **seen)
    assert rows.participant(b).state == "lobby"
    # One of another shard is not ours to judge.
    rows.write("meetings.seen", shard="shard-2", session_ids=[], at_us=now_us() + 60 * US_PER_S)
    assert rows.participant(b).state == "lobby"
    version = rows.meeting(meeting_id).version
    rows.write("meetings.seen", at_us=now_us() + 60 * US_PER_S, **seen)
    assert [rows.participant(one).state for one in (a, b, c)] == ["lobby", "left", "left"]
    assert rows.meeting(meeting_id).version > version
    # They may come again, and wait again.
    rows.joined(meeting_id, b, "ses-again")
    assert rows.participant(b).state == "lobby"


def test_what_was_on_is_recorded_although_the_clock_was_set_back(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    history = FloorHistory()
    for on_air, at_us in (
        (OnAir(a, "camera", "floor"), 5000),
        (OnAir(b, "camera", "floor"), 70),
        (OnAir(a, "camera", "pinned"), 80),
    ):
        history.put(on_air, at_us)
        assert history.current is not None
        rows.write(
            "meetings.program", meeting_id=meeting_id, participant_id=on_air.participant_id,
            kind="camera", why=on_air.cause, at_us=history.current.start_us,
        )  # fmt: skip
    turns = rows.all(meeting_floor, meeting_floor.c.meeting_id == meeting_id)
    turns.sort(key=lambda turn: turn.begin_us)
    assert [turn.participant_id for turn in turns] == [a, b, a]
    assert [turn.end_us is None for turn in turns] == [False, False, True]


def test_what_a_room_says_twice_counts_once(rows: Rows) -> None:
    meeting_id, (a,) = started(rows, "a")
    rows.joined(meeting_id, a)
    again = {"participant_id": a, "session_id": "ses", "at_us": now_us()}
    assert rows.write("meetings.arrived", **again) == "connected"
    for _ in range(2):
        rows.write(
            "meetings.program", meeting_id=meeting_id, participant_id=a, kind="camera",
            why="floor", at_us=now_us(),
        )  # fmt: skip
        rows.write("meetings.departed", **again, reason="left")
    assert len(rows.spans(a)) == 1
    assert len(rows.all(meeting_floor)) == 1
    rows.write(
        "meetings.program", meeting_id=meeting_id, participant_id=None, kind="camera", why="floor",
        at_us=now_us(),
    )  # fmt: skip
    (chapter,) = rows.all(meeting_floor)
    assert chapter.end_us is not None


def test_what_a_room_says_again_after_the_end_brings_nobody_back(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    rows.joined(meeting_id, a)
    said = {"participant_id": a, "session_id": "ses", "at_us": now_us()}
    rows.write("meetings.departed", **said, reason="left")
    rows.write("meetings.arrived", **said)
    assert rows.participant(a).state == "left"
    assert len(rows.spans(a)) == 1
    turns = [(a, 10), (b, 20), (a, 10), (b, 20)]
    for participant_id, at_us in turns:
        rows.write(
            "meetings.program", meeting_id=meeting_id, participant_id=participant_id,
            kind="camera", why="speaker", at_us=at_us,
        )  # fmt: skip
    chapters = [(row.begin_us, row.end_us) for row in rows.all(meeting_floor)]
    assert sorted(chapters, key=str) == [(10, 20), (20, None)]


def test_presence_ends_where_a_lost_shard_last_spoke_of_it(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    rows.joined(meeting_id, a, "one")
    rows.joined(meeting_id, b, "two")
    seen_us = now_us() + 5
    said = {"shard": "shard-1", "session_ids": ["one", "two"], "at_us": seen_us}
    assert rows.write("meetings.seen", **said) == []
    assert rows.write("meetings.seen", shard="shard-2", session_ids=[], at_us=seen_us) == []
    # It came back, and holds one of them.
    said = {"shard": "shard-1", "session_ids": ["one"], "at_us": seen_us + 9}
    assert rows.write("meetings.seen", **said) == [b]
    assert rows.participant(b).state == "left"
    assert rows.spans(b)[0].left_us == seen_us
    assert rows.write("meetings.lost", meeting_id=meeting_id) == [a]
    assert rows.spans(a)[0].left_us == seen_us + 9
    assert rows.meeting(meeting_id).empty_since_us is not None
    assert rows.write("meetings.move", meeting_id=meeting_id, shard="shard-2", gone="shard-1")
    assert not rows.write("meetings.move", meeting_id=meeting_id, shard="shard-3", gone="shard-1")


def test_an_end_closes_everything_that_was_open(rows: Rows) -> None:
    meeting_id, (a, b) = started(rows, "a", "b")
    rows.joined(meeting_id, a)
    rows.write(
        "roll_calls.begin", meeting_id=meeting_id, area_id=None, title="", late_after_s=0,
        user_id="x",
    )  # fmt: skip
    rows.write("meetings.end", meeting_id=meeting_id, reason="chair")
    meeting = rows.meeting(meeting_id)
    assert (meeting.state, meeting.end_reason, meeting.roll_call_id) == ("ended", "chair", None)
    assert [rows.participant(one).state for one in (a, b)] == ["left", "invited"]
    assert rows.spans(a)[0].left_us == meeting.ended_us
    for operation in ("start", "end", "lock"):
        arguments = {"start": {"shard": "x"}, "end": {"reason": "chair"}, "lock": {"locked": True}}
        code = refused(rows, f"meetings.{operation}", meeting_id=meeting_id, **arguments[operation])
        assert code == "meeting_over"
