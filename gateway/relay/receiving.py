"""Cameras of other shards, as Streams of this one: pulled while somebody here watches.

A Stream lives as long as it has sinks and some seconds longer. Meanwhile the camera may move, and
its shard may die: it is asked for at whoever owns it then, and its viewers stay. Where nobody gives
it for half a minute the Stream ends, so that they ask the API, which knows why.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog

from camera_adapters.stream import (
    AccessUnit,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)
from gateway.control.channel import ControlClient, ControlError, ControlStream
from gateway.relay.backlog import Event
from gateway.relay.sending import MASKS_DIFFER
from gateway.shard.on_demand import IdleTimer
from gateway.shard.shard import MediaShard
from gateway.transcoder.wire import track_from_wire, units_from_wire

_log = structlog.get_logger(__name__)

GRACE_S = 5.0
OWNERS_INTERVAL_S = 2.0
# A shard whose machine is the only one is waited for about half of this.
GIVE_UP_S = 30.0
_KEYFRAME_INTERVAL_S = 1.0
_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_AWAY = Interruption(GapCause.GATEWAY_STOPPED, "the media process of this camera is away")

Owners = Callable[[Iterable[str]], Awaitable[Mapping[str, str]]]
"""Camera id → the shard that owns it, of those that are owned. Raises ConnectionError."""

_MADE = frozenset({Variant.MASKED, Variant.H264})

_Key = tuple[str, Variant, Variant]


class Relays:
    """All Streams of this shard, ``name``, that other shards send.

    ``open_peer`` gives a channel to a shard, which relays alone use. ``reconcile`` has the rows
    read anew, where another shard knows of other masks.
    """

    def __init__(
        self,
        name: str,
        shard: MediaShard,
        owners: Owners,
        open_peer: Callable[[str], ControlClient],
        reconcile: Callable[[], Awaitable[None]],
        *,
        grace_s: float = GRACE_S,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        self.name = name
        self.shard = shard
        self.owners = owners
        self.reconcile = reconcile
        self.give_up_s = give_up_s
        self.received: dict[str, Counter[str]] = {}
        self._open_peer = open_peer
        self._grace_s = grace_s
        self._peers: dict[str, ControlClient] = {}
        self._relays: dict[_Key, _Relay] = {}

    def __len__(self) -> int:
        return len(self._relays)

    def stream(self, camera_id: str, variant: Variant, made_from: Variant = Variant.MAIN) -> Stream:
        """The Stream of a camera that another shard owns; its first run is still to come."""
        key = (camera_id, variant, made_from if variant in _MADE else Variant.MAIN)
        relay = self._relays.get(key)
        if relay is None:
            relay = self._relays[key] = _Relay(self, key, lambda: self._end(key))
            idle = IdleTimer(lambda: self._end(key), self._grace_s)
            relay.stream.on_sinks_changed = lambda stream: (
                idle.used() if stream.sinks else idle.unused()
            )
            idle.unused()
        return relay.stream

    def peer(self, name: str) -> ControlClient:
        """The channel to a shard."""
        if name not in self._peers:
            self._peers[name] = self._open_peer(name)
        return self._peers[name]

    async def run(self, viewers: Callable[[], Mapping[tuple[str, Variant], int]]) -> None:
        """Follow cameras that move, and tell their shards how many watch here, for ever."""
        while True:
            await asyncio.sleep(OWNERS_INTERVAL_S)
            try:
                await self.look(viewers())
            except ConnectionError as error:
                _log.warning("owners cannot be read; relays stay as they are", why=str(error))
            except Exception:
                _log.exception("relays could not be looked after; trying again")

    async def look(self, viewers: Mapping[tuple[str, Variant], int]) -> None:
        """See :meth:`run`. Raises ConnectionError."""
        relays = tuple(self._relays.values())
        if not relays:
            return
        owners = await self.owners({relay.stream.camera_id for relay in relays})
        for relay in relays:
            relay.follow(owners.get(relay.stream.camera_id))
            relay.tell_viewers(viewers.get((relay.stream.camera_id, relay.stream.variant), 0))

    def figures(self) -> dict[str, dict[str, int]]:
        """By sending shard: ``streams`` now; ``bytes``, ``pictures`` and ``units_skipped`` since
        the start.
        """
        now = Counter(relay.owner for relay in self._relays.values() if relay.owner)
        return {
            peer: {"streams": now[peer], **self.received.get(peer, {})}
            for peer in self.received.keys() | now.keys()
        }

    async def close(self) -> None:
        """End all of them: the shard stops."""
        relays = tuple(self._relays.values())
        self._relays.clear()
        await asyncio.gather(*(relay.close() for relay in relays))
        await asyncio.gather(*(peer.close() for peer in self._peers.values()))

    def _end(self, key: _Key) -> None:
        relay = self._relays.pop(key, None)
        if relay is not None:
            relay.end()


class _Relay:
    """One variant of one camera, from whoever owns it."""

    def __init__(self, relays: Relays, key: _Key, give_up: Callable[[], None]) -> None:
        camera_id, self._variant, self._made_from = key
        self.stream = Stream(camera_id, self._variant)
        self.stream.on_keyframe_wanted = lambda _: self._want_keyframe()
        self.owner: str | None = None
        self._relays = relays
        self._give_up = give_up
        self._given_s = asyncio.get_running_loop().time()
        self._viewers = 0
        self._keyframe_wanted = False
        self._tries = 0
        self._wake = asyncio.Event()
        self._source: asyncio.Task[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def follow(self, owner: str | None) -> None:
        """The rows say that this shard owns the camera now."""
        if owner is not None and self.owner not in (None, owner) and self._source is not None:
            self._source.cancel()

    def tell_viewers(self, viewers: int) -> None:
        """So many watch here."""
        if viewers != self._viewers:
            self._viewers = viewers
            self._wake.set()

    def end(self) -> None:
        """Pull no more."""
        self._task.cancel()
        self.stream.close()

    async def close(self) -> None:
        """As :meth:`end`; returns when nothing of it is left."""
        self.end()
        await asyncio.gather(self._task, return_exceptions=True)

    def _want_keyframe(self) -> None:
        self._keyframe_wanted = True
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while loop.time() - self._given_s < self._relays.give_up_s:
                try:
                    await self._turn()
                except (ConnectionError, TimeoutError, ControlError, LookupError) as error:
                    await self._lost(error)
                except Exception:
                    _log.exception("a relay failed; trying again", camera=self.stream.camera_id)
                self.owner = None
                if self.stream.running or self.stream.interruption is None:
                    self.stream.interrupt(_AWAY)
                await asyncio.sleep(_RETRY_S[min(self._tries, len(_RETRY_S) - 1)])
                self._tries += 1
            self._give_up()
        finally:
            if self._source is not None:
                self._source.cancel()
                await asyncio.gather(self._source, return_exceptions=True)

    async def _turn(self) -> None:
        camera_id = self.stream.camera_id
        owner = (await self._relays.owners((camera_id,))).get(camera_id)
        if owner is None:
            raise ConnectionError("nobody owns the camera")
        self.owner = owner
        source = self._pull(owner) if owner != self._relays.name else self._forward()
        loop = asyncio.get_running_loop()
        self._source = loop.create_task(source)
        await asyncio.wait((self._source,))
        if self._tries == 0:
            self._given_s = loop.time()
        if not self._source.cancelled():
            self._source.result()

    async def _lost(self, error: Exception) -> None:
        camera_id = self.stream.camera_id
        _log.info("a camera is not relayed for now", camera=camera_id, why=str(error))
        if isinstance(error, ControlError) and error.code == MASKS_DIFFER:
            # Before it is asked for again: who must not see beneath them is sent away by this.
            with contextlib.suppress(Exception):
                await self._relays.reconcile()

    async def _pull(self, owner: str) -> None:
        counted = self._relays.received.setdefault(owner, Counter())
        messages = self._relays.peer(owner).stream(
            "relay.units",
            camera_id=self.stream.camera_id,
            variant=str(self._variant),
            made_from=str(self._made_from),
            masked=bool(self._relays.shard.derived.masks(self.stream.camera_id)),
            receiver=self._relays.name,
        )
        async with messages:
            asking = asyncio.create_task(self._ask(messages))
            try:
                async for events in messages:
                    self._tries = 0
                    for event in events:
                        take_event(self.stream, event, counted)
            finally:
                asking.cancel()

    async def _ask(self, messages: ControlStream) -> None:
        """Pass on what viewers need: of all their wishes for a keyframe one a second."""
        told = 0
        with contextlib.suppress(ConnectionError, ControlError):
            while True:
                if self._viewers != told:
                    told = self._viewers
                    await messages.send({"viewers": told})
                if self._keyframe_wanted:
                    self._keyframe_wanted = False
                    await messages.send({"keyframe": True})
                await asyncio.sleep(_KEYFRAME_INTERVAL_S)
                self._wake.clear()
                if not self._keyframe_wanted and self._viewers == told:
                    await self._wake.wait()

    async def _forward(self) -> None:
        """The camera has come to this shard itself."""
        source = self._relays.shard.stream(self.stream.camera_id, self._variant, self._made_from)
        forward = _Forward(self.stream)
        source.attach(forward)
        before, self.stream.on_keyframe_wanted = (
            self.stream.on_keyframe_wanted,
            lambda _: source.want_keyframe(),
        )
        try:
            self._tries = 0
            await forward.over.wait()
        finally:
            self.stream.on_keyframe_wanted = before
            source.detach(forward)


class _Forward:
    """A Sink that hands everything to another Stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.over = asyncio.Event()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See Sink."""
        self._stream.start_run(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See Sink."""
        self._stream.publish(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See Sink."""
        self._stream.interrupt(interruption)

    def on_closed(self) -> None:
        """See Sink."""
        self.over.set()


def take_event(stream: Stream, event: Event, counted: Counter[str]) -> None:
    """Do to ``stream`` what its owner's shard tells of it, and count it."""
    match event:
        case ["run", tracks]:
            stream.start_run(tuple(track_from_wire(one) for one in tracks))
        case ["units", units]:
            for unit in units_from_wire(units):
                counted["bytes"] += len(unit.payload)
                counted["pictures"] += stream.tracks[unit.track_index].kind == "video"
                stream.publish(unit)
        case ["skipped", count]:
            # The next is a keyframe: nothing refers to what is missing.
            counted["units_skipped"] += count
        case ["interrupted", cause, detail]:
            stream.interrupt(Interruption(GapCause(cause), detail))
