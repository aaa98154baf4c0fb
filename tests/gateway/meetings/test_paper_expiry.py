"""What was said and handed out goes when its days are over; what the meeting decided stays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.database.audit_tables import audit_log
from gateway.database.meeting_tables import (
    meeting_agenda,
    meeting_files,
    meeting_messages,
    meeting_minutes,
    meeting_recordings,
    meeting_subtitles,
    roll_call_answers,
)
from gateway.identifiers import now_us
from gateway.meetings import paper_expiry
from gateway.meetings.paper_expiry import PaperExpiry
from gateway.settings import Settings
from recorder.retention import DAY_US
from recorder.rows import LocalRowWriter
from recorder.stores import DirectoryStoreConfig, StoreError
from recorder.stores.directory import DirectoryStore
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_county import Rows, a_county


@dataclass
class Cabinet:
    """A county's rows and its store; ``passed`` is housekeeping's turn."""

    rows: Rows
    store: DirectoryStore
    expiry: PaperExpiry
    folder: Path

    async def passed(self, days: float) -> None:
        await self.expiry.run(now_us() + round(days * DAY_US))

    async def put(self, key: str) -> str:
        path = self.folder / "object"
        path.write_bytes(b"x")
        await self.store.put(key, path)
        return key

    async def keys(self) -> list[str]:
        return sorted([item.key async for item in self.store.list("")])

    def records(self) -> list[dict[str, object]]:
        found = self.rows.all(audit_log, audit_log.c.action == "meeting.papers_expire")
        return [json.loads(row.detail) for row in found]


@pytest.fixture
async def cabinet(tmp_path: Path) -> AsyncIterator[Cabinet]:
    with a_county(tmp_path) as rows:
        engine = reader_beside(rows.engine)
        writer = LocalRowWriter(rows.engine)
        store = DirectoryStore(DirectoryStoreConfig(tmp_path / "store"))
        settings = Settings(data_directory=tmp_path)
        yield Cabinet(rows, store, PaperExpiry(settings, engine, writer, store), tmp_path)
        await store.close()
        await engine.dispose()
        writer.close()


async def a_meeting(cabinet: Cabinet, *, over: bool = True) -> str:
    """One of which everything is kept that can be."""
    rows = cabinet.rows
    meeting_id = rows.called(records=True)
    (site,) = rows.invite(meeting_id, "a")
    rows.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    by = {"participant_id": site, "user_id": rows.users["clerk"], "author": "a"}
    said = {**by, "text": "收到", "to_participant_id": None}
    rows.write("meetings.say", meeting_id=meeting_id, columns=said)
    for name in ("mfi_1", "mfi_2"):
        key = await cabinet.put(f"meetings/{meeting_id}/files/{name}{meeting_id}")
        file = {
            **by, "id": f"{name}{meeting_id}", "name": "通知.pdf", "size_bytes": 1,
            "sha256": "0", "key": key,
        }  # fmt: skip
        rows.write("meetings.keep_file", meeting_id=meeting_id, columns=file, limit_bytes=99)
    items = [{"title": "汛情", "speaker": "", "planned_s": None}]
    rows.write("meetings.agenda", meeting_id=meeting_id, items=items)
    line = {
        "text": "上堤", "kind": "decision", "at_us": now_us(), "agenda_id": None, "author": "chair",
        "user_id": rows.users["chair"],
    }  # fmt: skip
    rows.write("meetings.minute", meeting_id=meeting_id, minute_id=None, columns=line)
    call = rows.write(
        "roll_calls.begin", meeting_id=meeting_id, area_id=None, title="", late_after_s=300,
        user_id=rows.users["chair"],
    )  # fmt: skip
    key = await cabinet.put(f"meetings/{meeting_id}/{call}/{site}-1.jpg")
    rows.write(
        "roll_calls.picture", roll_call_id=call, participant_id=site, key=key, at_us=now_us()
    )
    heard = {"meeting_id": meeting_id, "participant_id": site, "at_us": 1, "end_us": 2, "text": "x"}
    with rows.engine.begin() as connection:
        connection.execute(sa.insert(meeting_subtitles).values(heard))
    # Left by a kill between the object and its row; and the one MP4, which goes with its recording.
    await cabinet.put(f"meetings/{meeting_id}/files/mfi_nobodys")
    await cabinet.put(f"meetings/{meeting_id}/renders/mrc_1-0123.mp4")
    if over:
        rows.write("meetings.end", meeting_id=meeting_id, reason="chair")
    return meeting_id


async def test_what_was_said_and_handed_out_goes_with_a_record(cabinet: Cabinet) -> None:
    meeting_id = await a_meeting(cabinet)
    await cabinet.passed(179)
    assert cabinet.records() == []
    assert len(await cabinet.keys()) == 5
    await cabinet.passed(181)
    rows = cabinet.rows
    for table in (meeting_messages, meeting_files, meeting_subtitles):
        assert rows.all(table) == []
    assert await cabinet.keys() == [f"meetings/{meeting_id}/renders/mrc_1-0123.mp4"]
    (answer,) = rows.all(roll_call_answers)
    assert (answer.snapshot_key, answer.snapshot_us) == (None, None)
    # What the meeting decided, and who was there, is its record.
    assert len(rows.all(meeting_agenda)) == len(rows.all(meeting_minutes)) == 1
    (record,) = cabinet.records()
    counts = {"messages": 1, "subtitles": 1, "files": 2, "pictures": 1}
    assert record == {"meeting": meeting_id, "title": "防汛会商", **counts}
    await cabinet.passed(182)
    assert len(cabinet.records()) == 1


async def test_a_hold_on_a_recording_keeps_the_papers_of_its_meeting(cabinet: Cabinet) -> None:
    held, _ = await a_meeting(cabinet), await a_meeting(cabinet)
    (recording,) = cabinet.rows.all(meeting_recordings, meeting_recordings.c.meeting_id == held)
    cabinet.rows.write(
        "meetings.hold_recording", recording_id=recording.id, by="usr_1", reason="诉讼"
    )
    await cabinet.passed(181)
    assert {row.meeting_id for row in cabinet.rows.all(meeting_messages)} == {held}
    assert len(cabinet.rows.all(meeting_files)) == 2
    cabinet.rows.write("meetings.release_recording", recording_id=recording.id)
    await cabinet.passed(181)
    assert cabinet.rows.all(meeting_messages) == cabinet.rows.all(meeting_files) == []
    assert len(cabinet.records()) == 2


async def test_of_a_meeting_that_still_runs_nothing_goes(cabinet: Cabinet) -> None:
    meeting_id = await a_meeting(cabinet, over=False)
    await cabinet.passed(10_000)
    assert len(cabinet.rows.all(meeting_messages)) == 1
    # Nor by a pass that had looked before the meeting was over.
    assert not cabinet.rows.write("meetings.expire_papers", meeting_id=meeting_id, before_us=0)


async def test_one_that_cannot_be_deleted_is_in_the_way_of_no_other(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_expiry, "_AT_ONCE", 1)
    every = sorted([await a_meeting(cabinet) for _ in range(3)])
    delete = cabinet.store.delete

    async def refuse(keys: Sequence[str]) -> None:
        if any(every[0] in key for key in keys):
            raise StoreError("failed", "this folder is another's")
        await delete(keys)

    monkeypatch.setattr(cabinet.store, "delete", refuse)
    with pytest.raises(StoreError):
        await cabinet.passed(181)
    assert {row.meeting_id for row in cabinet.rows.all(meeting_files)} == {every[0]}


async def test_what_a_store_refuses_is_tried_again_and_is_on_record_once(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_meeting(cabinet)

    async def refuse(keys: object) -> None:
        raise StoreError("unreachable", "the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr(cabinet.store, "delete", refuse)
        with pytest.raises(StoreError):
            await cabinet.passed(181)
    # Nobody finds them meanwhile.
    assert all(row.removed_us is not None for row in cabinet.rows.all(meeting_files))
    assert cabinet.rows.all(roll_call_answers)[0].snapshot_us is None
    await cabinet.passed(181)
    assert cabinet.rows.all(meeting_files) == []
    assert len(await cabinet.keys()) == 1
    assert len(cabinet.records()) == 1
