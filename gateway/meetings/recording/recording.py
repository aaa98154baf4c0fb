"""Recording a shard's meetings: each room's program, and the tracks beside it.

What is to be recorded stands in the rows; here it is only done. Nothing of it is decoded. A track
that comes off (a disk that failed, rows that were away) is put back by the next turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from camera_adapters.stream import Codec, GapCause, Interruption, Stream
from camera_adapters.webrtc.fan_out import FanOut
from gateway.meetings.desired import MeetingState
from gateway.meetings.floor import OnAir
from gateway.meetings.recording.feeds import Recordable
from gateway.meetings.recording.program import ProgramStream
from gateway.meetings.recording.tracks import PictureStream, VoiceStream
from gateway.meetings.recording.written import Tracks
from gateway.meetings.wire import What
from recorder.recorder import Recorder
from recorder.rows import RowWriter

_log = structlog.get_logger(__name__)

TURN_S = 0.25
# Beside the program: the pictures of who leads and of who has the floor.
PICTURES_LIMIT = 4

_NOBODY = Interruption(GapCause.NOT_SCHEDULED, "nobody was on the program")
_SILENT = Interruption(GapCause.CAMERA_SILENT, "who was on the program sent no picture")
_UNHEARD = Interruption(GapCause.NOT_SCHEDULED, "this voice was not heard in the meeting")
_UNSEEN = Interruption(GapCause.NOT_SCHEDULED, "this picture was not recorded by itself")
_OFF = Interruption(GapCause.CAMERA_SILENT, "this camera was off")
_OVER = (GapCause.NOT_SCHEDULED, "the meeting was over")
_MOVED = (GapCause.NOT_SCHEDULED, "the meeting went on with another media process")
_SWITCHED_OFF = (GapCause.NOT_SCHEDULED, "recording was switched off")
_STOPPED = (GapCause.GATEWAY_STOPPED, "the gateway was stopped")


class RecordedRoom(Protocol):
    """What a recording asks of a room: see :class:`gateway.meetings.room.Room`."""

    state: MeetingState

    @property
    def meeting_id(self) -> str:
        """Whose room it is."""

    def watch(self, watcher: RoomRecording) -> None:
        """Tell it of everything from now on, first of what there is."""

    def keep(self, participant_id: str, what: What, rid: str | None = None) -> None:
        """Have a layer sent that nobody looks at."""

    def release(self, participant_id: str, what: What, rid: str | None = None) -> None:
        """What :meth:`keep` asked for is needed no more."""

    def source(self, participant_id: str, what: What) -> Recordable | FanOut | None:
        """What arrives of this now, the best of it; None while nothing does."""


class MeetingRecording:
    """All recordings of one shard. ``now_us`` is the clock by which packets arrive."""

    def __init__(
        self, recorder: Recorder, rows: RowWriter, shard: str, now_us: Callable[[], int]
    ) -> None:
        self._recorder = recorder
        self._rows = rows
        self._shard = shard
        self._now_us = now_us
        self._rooms: dict[str, RoomRecording] = {}
        self._stopping = False

    def room_opened(self, room: RecordedRoom) -> None:
        """A room of this shard, as soon as it is there."""
        tracks = Tracks(self._recorder, self._rows, self._shard, room.meeting_id, self._now_us)
        recording = RoomRecording(room, tracks, self._now_us, self._forget)
        self._rooms[room.meeting_id] = recording
        room.watch(recording)

    async def run(self) -> None:
        """For ever: what is due several times a second."""
        while True:
            for recording in tuple(self._rooms.values()):
                try:
                    recording.turn()
                except Exception:
                    _log.exception("a meeting's recording failed; trying again")
            await asyncio.sleep(TURN_S)

    async def close(self) -> None:
        """The shard stops: what was gathered is written. To be called before rooms are closed."""
        self._stopping = True
        for recording in tuple(self._rooms.values()):
            recording.end(*_STOPPED)
            await recording.tracks.settled()
        self._rooms.clear()

    def figures(self) -> dict[str, int]:
        """For process.status."""
        return {"meetings_recorded": sum(one.stream is not None for one in self._rooms.values())}

    def _forget(self, meeting_id: str) -> None:
        if not self._stopping:
            self._rooms.pop(meeting_id, None)


class RoomRecording:
    """One room's recording: a watcher of the room."""

    def __init__(
        self,
        room: RecordedRoom,
        tracks: Tracks,
        now_us: Callable[[], int],
        on_closed: Callable[[str], None],
    ) -> None:
        self.tracks = tracks
        self._room = room
        self._now_us = now_us
        self._on_closed = on_closed
        self._program: ProgramStream | None = None
        self._voices: dict[str, VoiceStream] = {}
        self._pictures: dict[str, PictureStream] = {}
        self._on_air: OnAir | None = None
        self._heard: tuple[str, ...] = ()
        self._speaking: tuple[str, ...] = ()
        self._kept: set[tuple[str, What]] = set()
        # What is recorded of those that are no browsers: it does not end with their going.
        self._streams: dict[str, Stream] = {}
        self._closed = False

    @property
    def stream(self) -> Stream | None:
        """The program; None while it is not recorded."""
        return None if self._program is None else self._program.stream

    def on_program(self, on_air: OnAir | None, at_us: int) -> None:
        """See RoomWatcher."""
        self._on_air = on_air
        self._follow()

    def on_heard(self, participant_ids: Sequence[str]) -> None:
        """See RoomWatcher."""
        self._heard = tuple(participant_ids)
        self._follow()

    def on_speaking(self, participant_ids: Sequence[str]) -> None:
        """See RoomWatcher."""
        self._speaking = tuple(participant_ids)
        self._follow()

    def on_source(self, participant_id: str, what: What, rid: str, source: object) -> None:
        """See RoomWatcher: the room is asked for the best that arrives."""
        self._follow()

    def on_source_gone(self, participant_id: str, what: What, rid: str) -> None:
        """See RoomWatcher. A camera of the gateway goes on by itself, and may have been taken out
        because nobody here may see it as it is: not a picture more of it is recorded.
        """
        stream = self._streams.pop(participant_id, None)
        if stream is not None and self._program is not None:
            self._program.drop(stream)
            tracks: list[VoiceStream | PictureStream] = [*self._voices.values()]
            for track in (*tracks, *self._pictures.values()):
                if track.source is stream:
                    track.stop(_OFF)
        self._follow()

    def on_room_closed(self, reason: str) -> None:
        """See RoomWatcher."""
        self._closed = True
        self.end(*{"moved": _MOVED, "shard_stopping": _STOPPED}.get(reason, _OVER))
        self._on_closed(self._room.meeting_id)

    def turn(self) -> None:
        """Begin, end, and go on: called some times a second."""
        wanted = self._room.state.records and not self._closed
        if wanted and self._program is None:
            self._begin()
        elif not wanted and self._program is not None:
            self.end(*_SWITCHED_OFF)
        self._follow()
        now_us = self._now_us()
        if self._program is not None:
            self._program.turn(now_us)
        for picture in self._pictures.values():
            picture.turn(now_us)
        self.tracks.turn()

    def end(self, cause: GapCause, detail: str) -> None:
        """Record no more; what was gathered is written. May be called twice."""
        program, self._program = self._program, None
        if program is None:
            return
        program.close()
        why = Interruption(cause, detail)
        tracks: list[VoiceStream | PictureStream] = [*self._voices.values()]
        for track in (*tracks, *self._pictures.values()):
            if track.source is not None:
                track.stop(why)
        self._voices.clear()
        self._pictures.clear()
        self._keep_only(set())
        self.tracks.end(cause, detail)

    def _begin(self) -> None:
        self._program = ProgramStream(self.tracks.open("program", None, Codec.H264))

    def _follow(self) -> None:
        program = self._program
        if program is None:
            return
        now_us = self._now_us()
        beside = self._beside()
        keep: set[tuple[str, What]] = {(one, "camera") for one in beside}
        on_air = self._on_air
        if on_air is None:
            program.show(None, _NOBODY, now_us)
        else:
            keep.add((on_air.participant_id, on_air.picture))
            source = self._source(on_air.participant_id, on_air.picture)
            if source is not None and not _is_recordable(source):
                program.show(None, _of_codec(source), now_us)
            else:
                program.show(source, _SILENT, now_us)
        self._keep_only(keep)
        self._follow_voices(program)
        self._follow_pictures(beside, now_us)

    def _follow_voices(self, program: ProgramStream) -> None:
        program_voice = self._program_voice()
        program.hear(None if program_voice is None else self._source(program_voice, "microphone"))
        for participant_id in self._heard:
            source = self._source(participant_id, "microphone")
            if source is None:
                continue
            voice = self._voices.get(participant_id)
            if voice is None:
                stream = self.tracks.open("microphone", participant_id, Codec.OPUS)
                voice = self._voices[participant_id] = VoiceStream(stream)
            voice.hear(source)
        for participant_id, voice in self._voices.items():
            if participant_id not in self._heard and voice.source is not None:
                voice.stop(_UNHEARD)

    def _program_voice(self) -> str | None:
        """Whose sound belongs to the program: of who is on, unless they are silent and another,
        who is heard, speaks.
        """
        own = self._on_air.participant_id if self._on_air is not None else None
        speaking = [one for one in self._speaking if one in self._heard]
        if own in self._heard and (own in speaking or not speaking):
            return own
        return next(iter([*speaking, *self._heard]), None)

    def _follow_pictures(self, beside: list[str], now_us: int) -> None:
        for participant_id in beside:
            source = self._source(participant_id, "camera")
            picture = self._pictures.get(participant_id)
            if source is None or not _is_recordable(source):
                if picture is not None and picture.source is not None:
                    picture.stop(_OFF if source is None else _of_codec(source))
                continue
            if picture is None:
                stream = self.tracks.open("camera", participant_id, Codec.H264)
                picture = self._pictures[participant_id] = PictureStream(stream)
            picture.show(source, now_us)
        for participant_id, picture in self._pictures.items():
            if participant_id not in beside and picture.source is not None:
                picture.stop(_UNSEEN)

    def _beside(self) -> list[str]:
        """Whose cameras are recorded beside the program: they are not on it."""
        shown = self._on_air
        invited = self._room.state.invited.values()
        leading = [one for one in invited if one.role == "chair"]
        leading += sorted(
            (one for one in invited if one.floor_us is not None and one.role != "chair"),
            key=lambda one: -(one.floor_us or 0),
        )
        found = [
            one.participant_id
            for one in leading
            if shown is None
            or (shown.participant_id, shown.picture) != (one.participant_id, "camera")
        ]
        return found[:PICTURES_LIMIT]

    def _source(self, participant_id: str, what: What) -> Recordable | Stream | None:
        feed = self._room.source(participant_id, what)
        if not isinstance(feed, FanOut):
            return feed
        self._streams[participant_id] = feed.stream
        return feed.stream

    def _keep_only(self, wanted: set[tuple[str, What]]) -> None:
        """Have the uplinks sent that are recorded, though nobody should look at them."""
        before, self._kept = self._kept, wanted
        for participant_id, what in before - wanted:
            self._room.release(participant_id, what)
        for participant_id, what in wanted - before:
            self._room.keep(participant_id, what)


def _is_recordable(source: Recordable | Stream) -> bool:
    if isinstance(source, Stream):
        return not source.running or any(track.codec is Codec.H264 for track in source.tracks)
    return source.codec is Codec.H264


def _of_codec(source: Recordable | Stream) -> Interruption:
    codec = "another codec" if isinstance(source, Stream) else str(source.codec).upper()
    return Interruption(GapCause.BAD_MEDIA, f"{codec} was sent: only H.264 can be recorded")
