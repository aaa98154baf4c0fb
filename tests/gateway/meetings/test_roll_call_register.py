"""What makes a site present is in the register, under the name of who said it."""

from __future__ import annotations

import json
from typing import Any

from gateway.database.audit_tables import audit_log
from gateway.database.meeting_tables import roll_call_answers
from gateway.identifiers import now_us
from tests.gateway.meetings.a_county import Rows


def test_an_answer_from_the_room_is_recorded_once_with_the_name_of_who_sits_there(
    rows: Rows,
) -> None:
    meeting_id = rows.called()
    (village,) = rows.invite(meeting_id, "a")
    rows.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    rows.joined(meeting_id, village, "ses_clerk")
    roll_call_id = rows.write(
        "roll_calls.begin", meeting_id=meeting_id, area_id=None, title="点名", late_after_s=60,
        user_id=rows.users["chair"],
    )  # fmt: skip
    said: dict[str, Any] = {
        "roll_call_id": roll_call_id, "participant_id": village, "at_us": now_us(),
        "session_id": "ses_clerk",
    }  # fmt: skip

    def recorded() -> list[Any]:
        return rows.all(audit_log, audit_log.c.action == "meeting.answer")

    # Before it is called there is nothing to answer, and nothing to record.
    rows.write("meetings.observe", facts=[["roll_calls.answered", said]])
    assert recorded() == []
    rows.write("roll_calls.call", roll_call_id=roll_call_id, participant_id=village)
    for _ in range(2):
        outcomes = rows.write("meetings.observe", facts=[["roll_calls.answered", said]])
        assert outcomes == [[roll_call_id, None]]
    (answer,) = rows.all(roll_call_answers, roll_call_answers.c.participant_id == village)
    assert answer.answered_us is not None
    (record,) = recorded()
    assert (record.user_id, record.user_name) == (rows.users["clerk"], "clerk")
    detail = json.loads(record.detail)
    assert (detail["participant"], detail["roll_call"]) == (village, roll_call_id)
