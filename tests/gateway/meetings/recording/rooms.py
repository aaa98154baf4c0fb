"""A room with senders and no network, recorded into a real store under real rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from camera_adapters.webrtc.fan_out import FanOut
from gateway.database.meeting_tables import meeting_participants
from gateway.identifiers import now_us
from gateway.meetings.desired import Invited, MeetingState
from gateway.meetings.floor import OnAir
from gateway.meetings.recording.recording import MeetingRecording, RoomRecording
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.segment_writer import SegmentWriter
from recorder.spool import SpoolConfig
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.recording.senders import PICTURE_US, Camera, Microphone

SHARD = "shard-1"


def invited(participant_id: str, *, role: str = "site", floor_us: int | None = None) -> Invited:
    return Invited(
        participant_id, "site", participant_id, role, "connected", participant_id, None, "", None,
        None, 0, True, None, False, floor_us, None, None, None,
    )  # fmt: skip


def state(meeting_id: str, members: Sequence[Invited], *, records: bool = True) -> MeetingState:
    return MeetingState(
        meeting_id, 1, "会商", "area", 0, False, False, records, "speaker", None, None, None, None,
        0, {one.participant_id: one for one in members},
    )  # fmt: skip


@dataclass
class MadeRoom:
    """See :class:`gateway.meetings.recording.recording.RecordedRoom`."""

    state: MeetingState
    sources: dict[tuple[str, str], Camera | Microphone | FanOut] = field(default_factory=dict)
    kept: set[tuple[str, str]] = field(default_factory=set)
    watcher: RoomRecording | None = None

    @property
    def meeting_id(self) -> str:
        return self.state.meeting_id

    def watch(self, watcher: RoomRecording) -> None:
        self.watcher = watcher
        watcher.on_program(None, now_us())
        watcher.on_heard(())

    def keep(self, participant_id: str, what: str, rid: str | None = None) -> None:
        self.kept.add((participant_id, what))

    def release(self, participant_id: str, what: str, rid: str | None = None) -> None:
        self.kept.discard((participant_id, what))

    def source(self, participant_id: str, what: str) -> Any:
        return self.sources.get((participant_id, what))

    def records(self, on: bool) -> None:
        self.state = replace(self.state, records=on)


@dataclass
class Studio:
    """A shard's recorder, its meetings' recording, one room, and a clock that tests move."""

    rows: Rows
    writer: LocalRowWriter
    store: DirectoryStore
    folder: Path
    meeting_id: str
    at_us: int
    recorder: Recorder
    recording: MeetingRecording
    room: MadeRoom

    @property
    def watcher(self) -> RoomRecording:
        assert self.room.watcher is not None
        return self.room.watcher

    def put_on(self, participant_id: str | None, picture: Any = "camera") -> None:
        on_air = None if participant_id is None else OnAir(participant_id, picture, "floor")
        self.watcher.on_program(on_air, self.at_us)

    async def ready(self) -> None:
        """Every track that was begun is written."""
        self.watcher.turn()
        await self.watcher.tracks.settled()

    async def run(self, seconds: float, *senders: Camera | Microphone) -> None:
        """These send for so long."""
        for number in range(round(seconds * 1_000_000 / PICTURE_US)):
            for sender in senders:
                sender.send(self.at_us)
                if isinstance(sender, Microphone):
                    sender.send(self.at_us + PICTURE_US // 2)
            self.at_us += PICTURE_US
            if number % 6 == 0:
                self.watcher.turn()
                await asyncio.sleep(0)

    async def stored(self) -> None:
        """All that was gathered is in store and index, and gaps in their rows."""
        assert await self.recorder.uploader.drain(30)
        await self.recorder.gaps.drain()

    def all(self, table: sa.Table, *where: Any) -> list[Any]:
        return self.rows.all(table, *where)


def a_meeting(rows: Rows, *, records: bool = True) -> tuple[str, list[str]]:
    """A running meeting of two villages; gives its id and theirs."""
    meeting_id = rows.called(records=records)
    sites = rows.invite(meeting_id, "a", "b")
    rows.write("meetings.start", meeting_id=meeting_id, shard=SHARD)
    return meeting_id, sites


def sites_of(rows: Rows, meeting_id: str) -> list[Invited]:
    found = rows.all(meeting_participants, meeting_participants.c.meeting_id == meeting_id)
    return [invited(one.id, role=one.role) for one in found]


@asynccontextmanager
async def a_studio(
    rows: Rows, folder: Path, meeting_id: str, *, at_us: int | None = None
) -> AsyncIterator[Studio]:
    """The shard runs, until it is stopped in order."""
    writer = LocalRowWriter(rows.engine)
    store = DirectoryStore(DirectoryStoreConfig(folder / "store"))
    recorder = Recorder(
        RecorderConfig(SpoolConfig(folder / "spool", fsync_interval_s=0.05), segment_s=10),
        writer,
        store,
    )
    await recorder.start()
    studio: Studio
    recording = MeetingRecording(recorder, writer, SHARD, lambda: studio.at_us)
    room = MadeRoom(state(meeting_id, sites_of(rows, meeting_id)))
    studio = Studio(
        rows, writer, store, folder, meeting_id, at_us or now_us(), recorder, recording, room
    )
    recording.room_opened(room)

    def clocked(*arguments: Any, **named: Any) -> SegmentWriter:
        # Sent faster than in real time: the clock that never steps goes as the packets' does.
        now_us = lambda: studio.at_us  # noqa: E731
        return SegmentWriter(*arguments, **named, now_us=now_us, monotonic_us=now_us)

    try:
        with patch("recorder.recorder.SegmentWriter", clocked):
            yield studio
    finally:
        await recording.close()
        await recorder.close()
        writer.close()
