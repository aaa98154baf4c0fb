"""Subtitles of a shard's meetings: who is heard is listened to, what was understood is told to the
room and kept with its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from camera_adapters.stream import Stream
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.fan_out import FanOut
from gateway.meetings.documents import as_text
from gateway.meetings.floor import OnAir
from gateway.meetings.journal import Journal
from gateway.meetings.recording.feeds import Recordable, StreamVoice, VoiceFeed, voice_of
from gateway.meetings.room import Room
from gateway.meetings.subtitles.ear import RecogniserProcess
from gateway.meetings.subtitles.recogniser import Line
from gateway.meetings.wire import What
from gateway.settings.meetings import SubtitleSettings

_log = structlog.get_logger(__name__)

_TURN_S = 0.5


class Subtitles:
    """Of all rooms of a shard. Give it rooms by :meth:`room_opened`; ``run`` goes on for ever."""

    def __init__(self, settings: SubtitleSettings, journal: Journal) -> None:
        self._journal = journal
        self._rooms: dict[str, _RoomSubtitles] = {}
        self._process = RecogniserProcess(settings.recogniser, settings.options, self._on_line)

    def room_opened(self, room: Room) -> None:
        """A room of this shard, as soon as it is there."""
        subtitles = _RoomSubtitles(room, self._process, self._rooms)
        self._rooms[room.meeting_id] = subtitles
        room.watch(subtitles)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._process.run(), self._turn_for_ever())

    async def _turn_for_ever(self) -> None:
        while True:
            for room in tuple(self._rooms.values()):
                try:
                    room.turn()
                except Exception:
                    _log.exception("a meeting's subtitles failed; trying again")
            await asyncio.sleep(_TURN_S)

    def _on_line(self, speaker: str, line: Line) -> None:
        for subtitles in self._rooms.values():
            invited = subtitles.room.state.invited.get(speaker)
            if invited is None:
                continue
            subtitles.room.tell_all(
                as_text(
                    {
                        "type": "subtitle", "participant_id": speaker, "name": invited.name,
                        "text": line.text, "at_us": line.at_us, "final": line.final,
                    }
                )
            )  # fmt: skip
            if line.final:
                self._journal.note(
                    "meetings.subtitle", meeting_id=subtitles.room.meeting_id,
                    participant_id=speaker, at_us=line.at_us, end_us=line.end_us,
                    text=line.text,
                )  # fmt: skip
            return


class _RoomSubtitles:
    """Listens to who is heard in one room: a RoomWatcher."""

    def __init__(
        self, room: Room, process: RecogniserProcess, rooms: dict[str, _RoomSubtitles]
    ) -> None:
        self.room = room
        self._process = process
        self._rooms = rooms
        self._heard: tuple[str, ...] = ()
        self._voices: dict[str, VoiceFeed | StreamVoice] = {}

    def turn(self) -> None:
        """Whoever is heard may have come back by another connection."""
        for participant_id in self._voices.keys() - set(self._heard):
            self._voices.pop(participant_id).close()
            self._process.leave(participant_id)
        for participant_id in self._heard:
            source = _source(self.room.source(participant_id, "microphone"))
            voice = self._voices.get(participant_id)
            if voice is not None and voice.source is not source:
                self._voices.pop(participant_id).close()
                voice = None
            if voice is None and source is not None:
                self._listen(participant_id, source)

    def on_program(self, on_air: OnAir | None, at_us: int) -> None:
        """See RoomWatcher."""

    def on_heard(self, participant_ids: Sequence[str]) -> None:
        """See RoomWatcher: nobody is listened to whom the meeting does not hear."""
        self._heard = tuple(participant_ids)
        self.turn()

    def on_speaking(self, participant_ids: Sequence[str]) -> None:
        """See RoomWatcher."""

    def on_source(self, participant_id: str, what: What, rid: str, source: Source) -> None:
        """See RoomWatcher."""
        self.turn()

    def on_source_gone(self, participant_id: str, what: What, rid: str) -> None:
        """See RoomWatcher."""
        self.turn()

    def on_room_closed(self, reason: str) -> None:
        """See RoomWatcher."""
        self._heard = ()
        self.turn()
        self._rooms.pop(self.room.meeting_id, None)

    def _listen(self, participant_id: str, source: Recordable | Stream) -> None:
        def on_sound(packet: bytes, at_us: int) -> None:
            self._process.hear(participant_id, at_us, packet)

        self._voices[participant_id] = voice_of(source, on_sound)


def _source(feed: Source | FanOut | None) -> Recordable | Stream | None:
    return feed.stream if isinstance(feed, FanOut) else feed
