"""The tracks of one meeting on their way into the recorder: each a Stream with a segment writer.

A Stream is there at once; its writer is fastened as soon as the rows say under which epoch it may
write. Times in between are a second's part at most, or a gap with a cause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog

from camera_adapters.stream import Codec, GapCause, Interruption, Stream, Variant
from gateway.control.channel import ControlError
from gateway.meetings.recording.rows import KIND
from recorder.recorder import Recorder
from recorder.rows import RowError, RowWriter
from recorder.segment_writer import SegmentWriter
from recorder.spool_header import RecordedSource

_log = structlog.get_logger(__name__)

_RETRY_US = 1_000_000


@dataclass(slots=True)
class _Track:
    stream_id: str
    kind: str
    participant_id: str | None
    codec: Codec
    stream: Stream
    writer: SegmentWriter | None = None
    opening: asyncio.Task[None] | None = None
    tried_us: int = 0
    ended: bool = False


@dataclass(slots=True)
class Tracks:
    """All tracks of one meeting's recording."""

    recorder: Recorder
    rows: RowWriter
    shard: str
    meeting_id: str
    now_us: Callable[[], int]
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _ending: list[asyncio.Task[None]] = field(default_factory=list)

    def open(self, kind: str, participant_id: str | None, codec: Codec) -> Stream:
        """A Stream that is recorded from now on, under the track's id."""
        stream_id = track_id(self.meeting_id, kind, participant_id)
        stream = Stream(self.meeting_id, Variant.MAIN)
        track = _Track(stream_id, kind, participant_id, codec, stream)
        self._tracks[stream_id] = track
        self._fasten(track)
        return stream

    def turn(self) -> None:
        """Put back what has come off."""
        at_us = self.now_us()
        for track in self._tracks.values():
            if not _is_written(track) and at_us - track.tried_us >= _RETRY_US:
                self._fasten(track)

    def end(self, cause: GapCause, detail: str) -> None:
        """Record none of them any more: what was gathered is written."""
        for track in self._tracks.values():
            track.ended = True
            if track.opening is not None:
                self._ending.append(track.opening)
            if track.writer is not None:
                track.stream.detach(track.writer)
                # What was missing before stays missing for its own reason.
                why = track.stream.interruption or Interruption(cause, detail)
                self.recorder.stop(track.stream_id, why.cause, why.detail)
            track.stream.close()
        self._tracks.clear()

    async def settled(self) -> None:
        """Wait until nothing is being opened any more."""
        opening = [one.opening for one in self._tracks.values() if one.opening is not None]
        await asyncio.gather(*opening, *self._ending, return_exceptions=True)
        self._ending.clear()

    def _fasten(self, track: _Track) -> None:
        if track.opening is None:
            track.tried_us = self.now_us()
            track.opening = asyncio.create_task(self._open(track))

    async def _open(self, track: _Track) -> None:
        try:
            epoch = await self.rows.write(
                "meetings.own_track",
                meeting_id=self.meeting_id,
                stream_id=track.stream_id,
                kind=track.kind,
                participant_id=track.participant_id,
                codec=str(track.codec),
                shard=self.shard,
                at_us=track.tried_us,
            )
            if track.ended:
                return
            writer = await self.recorder.record(
                RecordedSource(
                    id=track.stream_id,
                    kind=KIND,
                    camera_id=self.meeting_id,
                    variant=track.stream_id.partition("/")[2],
                    epoch=epoch,
                )
            )
            if track.ended:
                self.recorder.stop(track.stream_id, GapCause.NOT_SCHEDULED, "recording had ended")
                return
            track.writer = writer
            track.stream.attach(writer)
        except RowError as error:
            # The rows are ahead of us: the next look at them ends this recording.
            if error.code != "not_recorded":
                _log.warning("a track is not recorded yet", track=track.stream_id, why=str(error))
        except (ConnectionError, TimeoutError, ControlError, sa.exc.DBAPIError) as error:
            _log.warning("a track is not recorded yet", track=track.stream_id, why=str(error))
        except Exception:
            _log.exception("a track is not recorded yet", track=track.stream_id)
        finally:
            track.opening = None


def track_id(meeting_id: str, kind: str, participant_id: str | None) -> str:
    """The recorder's id of a track: ``MEETING/program``, ``MEETING/PARTICIPANT/microphone``."""
    return (
        f"{meeting_id}/{kind}"
        if participant_id is None
        else f"{meeting_id}/{participant_id}/{kind}"
    )


def _is_written(track: _Track) -> bool:
    writer = track.writer
    return (
        writer is not None
        and not writer.stopped
        and any(sink is writer for sink in track.stream.sinks)
    )
