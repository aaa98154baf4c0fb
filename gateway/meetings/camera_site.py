"""A camera of the gateway in a meeting: its Streams fanned out into the members' slots.

Where the camera has masks, the meeting is shown the masked variant, at once when masks are drawn:
everybody in it looks. Else small tiles are sent its sub-stream, where it has one that browsers can
be shown. A camera that another shard holds comes over the control channel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from camera_adapters.event_wait import wait_for_event
from camera_adapters.stream import Codec, GapCause, Interruption, Stream, Track, Variant
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.control.channel import ControlClient, ControlError
from gateway.live.waiting import run_begins
from gateway.meetings.desired import Invited
from gateway.meetings.member import Member, unsaid
from gateway.meetings.room import Room
from gateway.meetings.rooms import Rooms
from gateway.shard.shard import MediaShard
from gateway.transcoder.wire import track_from_wire, units_from_wire

_log = structlog.get_logger(__name__)

_FIRST_RUN_S = 15.0
_LOOK_S = 2.0
_SILENT_S = 10.0
"""A camera that has sent nothing for so long has left; it is back with its first picture."""
_RETRY_S = 2.0

OpenOwner = Callable[[str], Awaitable[ControlClient | None]]
"""The control channel of the shard that holds a camera; None when no other does."""


class CameraSites:
    """All cameras in the meetings of this shard. They share ``output``'s fan-outs with viewers;
    ``open_owner`` reaches the shard of a camera that this one does not hold.
    """

    def __init__(
        self,
        rooms: Rooms,
        shard: MediaShard,
        output: WebRtcOutput,
        open_owner: OpenOwner,
    ) -> None:
        self._rooms = rooms
        self._shard = shard
        self._output = output
        self._open_owner = open_owner
        self._sites: dict[tuple[str, str], _Site] = {}
        rooms.on_reconciled(self.reconcile)

    def __len__(self) -> int:
        return len(self._sites)

    def reconcile(self) -> None:
        """Have exactly the cameras that the rows name in the rooms."""
        wanted = {
            (room.meeting_id, invited.participant_id): (room, invited)
            for room in self._rooms.rooms.values()
            for invited in room.state.invited.values()
            if invited.kind == "camera" and invited.may_enter and invited.camera_id is not None
        }
        for key in self._sites.keys() - wanted.keys():
            self._sites.pop(key).close()
        for key, (room, invited) in wanted.items():
            site = self._sites.get(key)
            if site is not None and site.room is not room:
                site.close()
                site = None
            if site is None:
                self._sites[key] = _Site(room, invited, self._shard, self._output, self._open_owner)
            else:
                site.invited = invited

    def cover(self) -> None:
        """Masks were changed: whoever must not see beneath them is sent the other variant now."""
        for site in self._sites.values():
            site.cover()

    async def close(self) -> None:
        """The shard stops: when this returns, nothing of a Stream is held any more."""
        sites = [*self._sites.values()]
        self._sites.clear()
        for site in sites:
            site.close()
        await asyncio.gather(*(site.closed() for site in sites))


class _Site:
    """One camera in one meeting, from the moment it is brought until it is taken away."""

    def __init__(
        self,
        room: Room,
        invited: Invited,
        shard: MediaShard,
        output: WebRtcOutput,
        open_owner: OpenOwner,
    ) -> None:
        self.room = room
        self.invited = invited
        self._shard = shard
        self._output = output
        self._open_owner = open_owner
        self._member: Member | None = None
        self._changed = asyncio.Event()
        self._masks = self._masks_now()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cover(self) -> None:
        """See CameraSites."""
        masks = self._masks_now()
        if masks != self._masks:
            self._masks = masks
            # Nothing of the old variant is shown from here on, whatever the new one needs.
            self._leave("masks_changed")
            self._changed.set()

    def close(self) -> None:
        """Take it out of the meeting."""
        self._task.cancel()
        self._leave("removed")

    async def closed(self) -> None:
        """Wait until everything is let go of."""
        await asyncio.wait((self._task,))

    @property
    def _camera_id(self) -> str:
        assert self.invited.camera_id is not None
        return self.invited.camera_id

    def _masks_now(self) -> object:
        return self._shard.derived.masks(self._camera_id)

    async def _run(self) -> None:
        while not self.room.closed:
            self._changed.clear()
            try:
                async with contextlib.AsyncExitStack() as stack:
                    stream = await self._open(stack)
                    if stream is not None:
                        await self._show(stream)
            except (ConnectionError, TimeoutError, ControlError, LookupError) as error:
                _log.info("a camera cannot come to a meeting yet", camera=self._camera_id,
                          why=str(error))  # fmt: skip
            except Exception:
                _log.exception("a camera in a meeting failed; trying again")
            finally:
                self._leave("no_picture")
            await wait_for_event(self._changed, _RETRY_S)

    async def _open(self, stack: contextlib.AsyncExitStack) -> Stream | None:
        """The variant that may be shown, with a run; None when the camera sends nothing."""
        variant = Variant.MASKED if self._is_masked else Variant.MAIN
        stream = await self._stream(stack, variant)
        return None if stream is None else self._playable(stream)

    @property
    def _is_masked(self) -> bool:
        # Whoever brought it: everybody in the meeting looks.
        return bool(self._masks)

    async def _stream(self, stack: contextlib.AsyncExitStack, variant: Variant) -> Stream | None:
        """A variant of the camera with a run, of this shard or of another; None without one."""
        try:
            stream = self._shard.stream(self._camera_id, variant)
        except LookupError:
            owner = await self._open_owner(self._camera_id)
            if owner is None:
                return None
            stream = await stack.enter_async_context(borrowed(owner, self._camera_id, variant))
        if not stream.running and not await run_begins(stream, _FIRST_RUN_S):
            return None
        return stream

    def _playable(self, stream: Stream) -> Stream:
        """What browsers can be shown: H.264 without reordering, and sound as Opus."""
        tracks = stream.tracks
        if not _is_shown_as_it_is(tracks):
            stream = self._shard.derived.get(stream, Variant.H264)
        if any(track.kind == "audio" and track.codec is not Codec.OPUS for track in tracks):
            stream = self._shard.derived.get(stream, Variant.OPUS)
        return stream

    async def _show(self, stream: Stream) -> None:
        if not stream.running and not await run_begins(stream, _FIRST_RUN_S):
            return
        if self._changed.is_set():
            return  # masks were drawn while it was waited for
        feed = self._output.claim(stream)
        try:
            member = self._member = Member(
                self.invited, None, say=unsaid, hang_up=unsaid, feed=feed
            )
            self.room.enter(member)
            self.room.on_connected(member)
            small = asyncio.ensure_future(self._offer_small(member))
            try:
                await self._watch(stream, member)
            finally:
                self._leave("no_picture")
                small.cancel()
                await asyncio.gather(small, return_exceptions=True)
        finally:
            # Nobody is shown what is let go of.
            self._leave("no_picture")
            self._output.release(feed)

    async def _offer_small(self, member: Member) -> None:
        """The camera's sub-stream for small tiles, while it comes and browsers can be shown it as
        it is. Beneath masks there is none: it would be made anew a second time.
        """
        if self._is_masked:
            return
        async with contextlib.AsyncExitStack() as stack:
            try:
                stream = await self._stream(stack, Variant.SUB)
            except (ConnectionError, TimeoutError, ControlError, LookupError):
                return
            if stream is None:
                return
            feed = self._output.claim(stream)
            stack.callback(self._output.release, feed)
            while not (member.gone or stream.closed):
                comes = stream.running and _is_shown_as_it_is(stream.tracks)
                member.small_feed = feed if comes else None
                await wait_for_event(self._changed, _LOOK_S)
                if self._changed.is_set():
                    return
            if not member.gone:
                member.small_feed = None

    async def _watch(self, stream: Stream, member: Member) -> None:
        """Until the camera is silent for long, gone, or to be shown otherwise."""
        loop = asyncio.get_running_loop()
        ran_s = loop.time()
        while not (member.gone or stream.closed or self._changed.is_set()):
            if stream.running:
                ran_s = loop.time()
            elif loop.time() - ran_s >= _SILENT_S:
                return
            await wait_for_event(self._changed, _LOOK_S)

    def _leave(self, reason: str) -> None:
        member, self._member = self._member, None
        if member is not None:
            self.room.leave(member, reason)


def _is_shown_as_it_is(tracks: tuple[Track, ...]) -> bool:
    video = next((track for track in tracks if track.kind == "video"), None)
    return video is None or (video.codec is Codec.H264 and video.reorder_depth == 0)


@contextlib.asynccontextmanager
async def borrowed(owner: ControlClient, camera_id: str, variant: Variant) -> AsyncIterator[Stream]:
    """A Stream of a camera that another shard holds, for as long as the context lasts. It is closed
    when that shard is lost.
    """
    stream = Stream(camera_id, variant)
    task = asyncio.get_running_loop().create_task(_pull(owner, stream))
    try:
        yield stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _pull(owner: ControlClient, stream: Stream) -> None:
    try:
        async with owner.stream(
            "stream.units", camera_id=stream.camera_id, variant=str(stream.variant)
        ) as messages:
            async for message in messages:
                _take(stream, message)
    except (ConnectionError, TimeoutError, ControlError) as error:
        _log.info("a camera of another shard was lost", camera=stream.camera_id, why=str(error))
    finally:
        stream.close()


def _take(stream: Stream, message: dict[str, Any]) -> None:
    match message["type"]:
        case "run":
            stream.start_run(tuple(track_from_wire(one) for one in message["tracks"]))
        case "units":
            # Where some were skipped, the next is a keyframe: nothing refers to what is missing.
            for unit in units_from_wire(message["units"]):
                stream.publish(unit)
        case "interrupted":
            stream.interrupt(Interruption(GapCause(message["cause"]), message["detail"]))
