"""A recording goes when its days are over: footage first, then all that was made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.database.audit_tables import audit_log
from gateway.database.meeting_tables import meeting_recordings, meeting_tracks
from gateway.meetings.recording.expiry import RecordingExpiry
from gateway.retention import camera_policies, default_policy
from gateway.settings import Settings
from recorder.retention import DAY_US, Retention
from recorder.rows import LocalRowWriter
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from recorder.tables import assignments, gaps, segments, sources
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.recording.rooms import a_meeting, a_studio
from tests.gateway.meetings.recording.senders import Camera


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with a_county(tmp_path) as county:
        yield county


async def passed(rows: Rows, folder: Path, at_us: int) -> None:
    """Housekeeping's turn at that time."""
    settings = Settings(data_directory=folder)
    engine = reader_beside(rows.engine)
    writer = LocalRowWriter(rows.engine)
    store = DirectoryStore(DirectoryStoreConfig(folder / "store"))
    retention = Retention(engine, writer, store, default=default_policy(settings))
    async with engine.connect() as connection:
        retention.policies = await camera_policies(connection, settings)
    await retention.run(at_us)
    await RecordingExpiry(settings, engine, writer, store).run(at_us)
    await engine.dispose()
    writer.close()


async def test_what_is_over_goes_and_what_is_held_stays(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, _) = a_meeting(rows)
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.room.sources = {(one, "camera"): cameras[0]}
        studio.put_on(one)
        await studio.ready()
        await studio.run(3, cameras[0])
        rows.write("meetings.end", meeting_id=meeting_id, reason="chair")
        studio.watcher.on_room_closed("ended")
        await studio.stored()
        end_us = studio.at_us
    (recording,) = rows.all(meeting_recordings)
    rendered = tmp_path / "made.mp4"
    rendered.write_bytes(b"made of it")
    store = DirectoryStore(DirectoryStoreConfig(tmp_path / "store"))
    key = f"meetings/{meeting_id}/renders/{recording.id}-0123.mp4"
    await store.put(key, rendered)
    with rows.engine.begin() as connection:
        connection.execute(
            sa.update(meeting_recordings).values(render_key=key, render_state="done")
        )
    # Longer than footage of cameras.
    await passed(rows, tmp_path, end_us + 100 * DAY_US)
    assert len(rows.all(segments)) == 1
    rows.write("meetings.hold_recording", recording_id=recording.id, by="usr_1", reason="诉讼")
    await passed(rows, tmp_path, end_us + 200 * DAY_US)
    assert len(rows.all(segments)) == 1
    assert rows.all(meeting_recordings)[0].removed_us is None
    rows.write("meetings.release_recording", recording_id=recording.id)
    await passed(rows, tmp_path, end_us + 200 * DAY_US)
    assert rows.all(segments) == rows.all(sources) == rows.all(meeting_tracks) == []
    assert rows.all(assignments) == rows.all(gaps) == []
    (gone,) = rows.all(meeting_recordings)
    assert gone.removed_us is not None
    assert gone.render_key is None
    assert [item.key async for item in store.list("")] == []
    assert len(rows.all(audit_log, audit_log.c.action == "meeting.recording_expire")) == 1
    await store.close()


async def test_a_running_recording_does_not_expire(rows: Rows, tmp_path: Path) -> None:
    a_meeting(rows)
    (recording,) = rows.all(meeting_recordings)
    await passed(rows, tmp_path, recording.started_us + 1000 * DAY_US)
    assert rows.all(meeting_recordings)[0].removed_us is None
    assert rows.write("meetings.expire_recording", recording_id=recording.id) is False
