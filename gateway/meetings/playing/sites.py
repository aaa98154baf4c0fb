"""Recordings and files in the meetings of a shard: each a participant that plays.

As with cameras, what lies beneath masks is shown to nobody: footage is covered by the masks of now
and by those that were in force at any time of the stretch that is played.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from camera_adapters.stream import Stream, Track
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.database.meeting_tables import meeting_recordings
from gateway.footage.footage_ids import track_footage_id
from gateway.footage.reader import FootageReader, FootageUnreadable
from gateway.identifiers import now_us
from gateway.masks import MaskReader, Polygons
from gateway.meetings.desired import Invited
from gateway.meetings.journal import Journal
from gateway.meetings.member import Member, unsaid
from gateway.meetings.playing.chain import Chain, Needs
from gateway.meetings.playing.material import FootageMaterial, Material, file_material
from gateway.meetings.playing.playback import Playback
from gateway.meetings.playing.player import Player
from gateway.meetings.playing.unpack import Unplayable
from gateway.meetings.recording.written import track_id
from gateway.meetings.room import Room
from gateway.meetings.rooms import Rooms
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.live_variant import QueuePosition
from recorder.stores import Store, StoreError

_log = structlog.get_logger(__name__)

_RETRY_S = 5.0
_NOTHING = "nothing_recorded"
_FILE_GONE = "file_gone"
_RECORDING_GONE = "recording_gone"


class _CannotPlay(Exception):
    """There is nothing to play: a code, as the page has words for."""


@dataclass(frozen=True, slots=True)
class Workings:
    """What players need of their shard. ``masks_now`` gives a camera's masks as the shard knows
    them, ``masks`` those of any time; ``clock_us`` stamps pictures.
    """

    engine: AsyncEngine
    store: Store
    reader: FootageReader
    masks: MaskReader
    masks_now: Callable[[str], Polygons]
    output: WebRtcOutput
    transcoder: TranscoderClient
    journal: Journal
    clock_us: Callable[[], int]


class RecordingSites:
    """All recordings in the meetings of this shard."""

    def __init__(self, rooms: Rooms, workings: Workings) -> None:
        self._rooms = rooms
        self._workings = workings
        self._sites: dict[tuple[str, str], _Site] = {}
        rooms.on_reconciled(self.reconcile)

    def __len__(self) -> int:
        return len(self._sites)

    def reconcile(self) -> None:
        """Have exactly the recordings that the rows name in the rooms, each where its row says."""
        wanted = {
            (room.meeting_id, invited.participant_id): (room, invited)
            for room in self._rooms.rooms.values()
            if room.leads
            for invited in room.state.invited.values()
            if invited.may_enter and invited.playback is not None
        }
        for key in self._sites.keys() - wanted.keys():
            self._sites.pop(key).close()
        for key, (room, invited) in wanted.items():
            site = self._sites.get(key)
            if site is not None and site.room is not room:
                site.close()
                site = None
            if site is None:
                self._sites[key] = _Site(room, invited, self._workings)
            else:
                site.follow(invited)

    def cover(self) -> None:
        """Masks were changed: footage of those cameras leaves every screen until it is covered as
        it must be now.
        """
        for site in self._sites.values():
            site.cover()

    async def close(self) -> None:
        """The shard stops: when this returns, nothing is held any more."""
        sites = [*self._sites.values()]
        self._sites.clear()
        for site in sites:
            site.close()
        if sites:
            await asyncio.wait([site.task for site in sites])


class _Site:
    """One recording in one meeting, from the moment it is brought until it is taken away."""

    def __init__(self, room: Room, invited: Invited, workings: Workings) -> None:
        assert invited.playback is not None
        self.room = room
        self._invited = invited
        self._playback: Playback = invited.playback
        self._workings = workings
        self._player: Player | None = None
        self._chain: Chain | None = None
        self._member: Member | None = None
        self._masks: Polygons = ()
        self._drawn = self._drawn_now()
        self._changed = asyncio.Event()
        self._covered = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run())

    def follow(self, invited: Invited) -> None:
        """The rows, as they are now."""
        self._invited = invited
        if invited.playback is None or invited.playback.command == self._playback.command:
            return
        self._playback = invited.playback
        self._changed.set()
        if self._player is not None:
            self._player.follow(invited.playback)

    def cover(self) -> None:
        """See RecordingSites."""
        drawn = self._drawn_now()
        if drawn != self._drawn and self._playback.camera_id is not None:
            self._drawn = drawn
            self._workings.masks.forget(self._playback.camera_id)
            self._hide("masks_changed")
            self._covered.set()

    def close(self) -> None:
        """Take it out of the meeting."""
        self.task.cancel()
        self._hide("removed")

    def stream_for(self, tracks: tuple[Track, ...]) -> Stream:
        """See Outlet."""
        needs = Needs.of(tracks, self._masks)
        if self._chain is None or self._chain.needs != needs:
            self._hide("no_picture")
            workings = self._workings
            chain = self._chain = Chain(
                self._invited.participant_id, needs, workings.output, workings.transcoder,
                self._on_queue,
            )  # fmt: skip
            member = self._member = Member(
                self._invited, None, say=unsaid, hang_up=unsaid, feed=chain.feed
            )
            self.room.enter(member)
            self.room.on_connected(member)
            self._say_problem(None)
        return self._chain.base

    async def _run(self) -> None:
        while not self.room.closed:
            self._changed.clear()
            self._covered.clear()
            try:
                await self._play()
            except (_CannotPlay, Unplayable) as error:
                unplayable = isinstance(error, Unplayable)
                self._say_problem(f"file_unplayable: {error}" if unplayable else str(error))
                self._hide("no_picture")
                await self._changed.wait()
                continue
            except (FootageUnreadable, StoreError, ConnectionError, TimeoutError) as error:
                self._say_problem(f"unreadable: {error}")
            except sa.exc.DBAPIError as error:
                _log.warning("a recording in a meeting cannot be read yet", why=str(error))
            except Exception:
                _log.exception("a recording in a meeting failed; trying again")
                self._say_problem("failed: the log says why")
            finally:
                self._player = None
                self._hide("no_picture")
            if not self._covered.is_set():
                await wait_for_event(self._changed, _RETRY_S)

    async def _play(self) -> None:
        async with self._material() as material:
            if material is None:
                raise _CannotPlay(_FILE_GONE)
            self._masks = await self._masks_now()
            player = self._player = Player(
                material, self, self._playback, self._on_moved, self._workings.clock_us
            )
            playing = asyncio.ensure_future(player.run())
            covered = asyncio.ensure_future(self._covered.wait())
            try:
                await asyncio.wait([playing, covered], return_when=asyncio.FIRST_COMPLETED)
                if playing.done() and not playing.result():
                    raise _CannotPlay(_NOTHING)
            finally:
                for one in (playing, covered):
                    one.cancel()
                await asyncio.gather(playing, covered, return_exceptions=True)

    def _drawn_now(self) -> Polygons:
        camera_id = self._playback.camera_id
        return () if camera_id is None else self._workings.masks_now(camera_id)

    async def _masks_now(self) -> Polygons:
        playback = self._playback
        if playback.camera_id is None or playback.start_us is None or playback.end_us is None:
            return ()
        return await self._workings.masks.covering(
            playback.camera_id, playback.start_us, playback.end_us
        )

    @contextlib.asynccontextmanager
    async def _material(self) -> AsyncIterator[Material | None]:
        playback, workings = self._playback, self._workings
        if playback.source == "file":
            assert playback.file_id is not None
            opening = file_material(
                workings.engine, workings.store, self.room.meeting_id, playback.file_id
            )
            async with opening as material:
                yield material
            return
        assert playback.start_us is not None and playback.end_us is not None
        footage_id = playback.camera_id or await self._program_of(playback.recording_id)
        yield FootageMaterial(workings.reader, footage_id, playback.start_us, playback.end_us)

    async def _program_of(self, recording_id: str | None) -> str:
        async with self._workings.engine.connect() as connection:
            meeting_id = await connection.scalar(
                sa.select(meeting_recordings.c.meeting_id).where(
                    meeting_recordings.c.id == recording_id,
                    meeting_recordings.c.removed_us.is_(None),
                )
            )
        if meeting_id is None:
            raise _CannotPlay(_RECORDING_GONE)
        return track_footage_id(track_id(meeting_id, "program", None))

    def _on_moved(self, playback: Playback) -> None:
        if playback.command == self._playback.command:
            self._playback = playback
        self._write(playback)

    def _on_queue(self, queue: QueuePosition | None) -> None:
        if queue is None:
            self._say_problem(None)
        else:
            self._say_problem(f"waits: {queue.position} of {queue.length}")

    def _say_problem(self, problem: str | None) -> None:
        if problem == self._playback.problem:
            return
        at_us = now_us()
        self._playback = replace(
            self._playback,
            position_us=self._playback.position_at(at_us),
            since_us=at_us,
            problem=problem,
        )
        self._write(self._playback)

    def _write(self, playback: Playback) -> None:
        self._workings.journal.note(
            "meetings.played",
            meeting_id=self.room.meeting_id,
            participant_id=self._invited.participant_id,
            command=playback.command,
            state=playback.state,
            position_us=playback.position_us,
            since_us=playback.since_us,
            problem=None if playback.problem is None else playback.problem[:300],
        )

    def _hide(self, reason: str) -> None:
        member, self._member = self._member, None
        chain, self._chain = self._chain, None
        # Nobody is shown what is let go of.
        if member is not None:
            self.room.leave(member, reason)
        if chain is not None:
            chain.close()
