"""``relay.units``: this shard's cameras for other shards, whose viewers watch them there.

Each other shard asks once for each variant, on a connection that carries nothing else, and says
what it knows of the camera's masks. Where the two do not agree nothing is sent: what lies beneath
masks must not leave for a shard that does not know of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from camera_adapters.stream import Stream, Variant
from gateway.control.channel import ControlError
from gateway.relay.backlog import Backlog, Event
from gateway.shard.shard import MediaShard

MASKS_DIFFER = "masks_differ"


class RelaySending:
    """All relays to other shards. ``reconcile`` has the rows read anew."""

    def __init__(self, shard: MediaShard, reconcile: Callable[[], Awaitable[None]]) -> None:
        self._shard = shard
        self._reconcile = reconcile
        self._open: set[_Sent] = set()
        # Of relays that have ended, by receiver.
        self._past: dict[str, Counter[str]] = {}

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``relay.units``."""
        return {"relay.units": self._units}

    def cover(self) -> None:
        """Masks were changed: whoever does not know of them is sent nothing more."""
        for sent in tuple(self._open):
            if not self._agrees(sent):
                sent.refuse()

    def viewers(self) -> Counter[tuple[str, Variant]]:
        """How many watch on other shards, by camera and variant."""
        found: Counter[tuple[str, Variant]] = Counter()
        for sent in self._open:
            found[sent.stream.camera_id, sent.stream.variant] += sent.viewers
        return found

    def figures(self) -> dict[str, dict[str, int]]:
        """By receiver: ``streams`` now; ``bytes``, ``pictures`` and ``units_dropped`` since the
        start.
        """
        found = {peer: Counter(past) for peer, past in self._past.items()}
        for sent in self._open:
            counted = found.setdefault(sent.receiver, Counter())
            counted.update(sent.counted())
            counted["streams"] += 1
        return {peer: {"streams": 0, **counted} for peer, counted in found.items()}

    async def _units(
        self,
        camera_id: str,
        variant: str,
        made_from: str,
        masked: bool,
        receiver: str,
        incoming: AsyncIterator[Mapping[str, Any]],
    ) -> AsyncIterator[list[Event]]:
        if masked != self._is_masked(camera_id):
            await self._reconcile()
        try:
            stream = self._shard.stream(camera_id, Variant(variant), Variant(made_from))
        except (LookupError, ValueError) as error:
            raise ControlError("not_found", str(error)) from None
        sent = _Sent(stream, masked, receiver)
        if not self._agrees(sent):
            raise _masks_differ()
        self._open.add(sent)
        listening = asyncio.create_task(sent.listen(incoming))
        stream.attach(sent.backlog)
        try:
            while events := await sent.take():
                yield events
        finally:
            stream.detach(sent.backlog)
            listening.cancel()
            self._open.discard(sent)
            self._past.setdefault(receiver, Counter()).update(sent.counted())
        if sent.refused:
            raise _masks_differ()

    def _is_masked(self, camera_id: str) -> bool:
        return bool(self._shard.derived.masks(camera_id))

    def _agrees(self, sent: _Sent) -> bool:
        return sent.masked == self._is_masked(sent.stream.camera_id)


class _Sent:
    """One variant on its way to one other shard, and what that shard says."""

    def __init__(self, stream: Stream, masked: bool, receiver: str) -> None:
        self.stream = stream
        self.masked = masked
        self.receiver = receiver
        self.viewers = 0
        self.refused = False
        self._waiting = asyncio.Event()
        self.backlog = Backlog(
            self._waiting.set, stream.want_keyframe, asyncio.get_running_loop().time
        )

    async def take(self) -> list[Event]:
        """What waits, as soon as something does; empty at the end."""
        while not (events := self.backlog.take()):
            if self.backlog.closed:
                break
            self._waiting.clear()
            await self._waiting.wait()
        return events

    async def listen(self, incoming: AsyncIterator[Mapping[str, Any]]) -> None:
        """``{keyframe}``: its viewers need one; ``{viewers}``: how many there are."""
        async for message in incoming:
            if message.get("keyframe"):
                self.stream.want_keyframe()
            if "viewers" in message:
                self.viewers = int(message["viewers"])

    def refuse(self) -> None:
        """Send nothing more, and say why."""
        self.refused = True
        self.backlog.close()

    def counted(self) -> dict[str, int]:
        backlog = self.backlog
        return {
            "bytes": backlog.bytes_sent,
            "pictures": backlog.pictures_sent,
            "units_dropped": backlog.units_dropped,
        }


def _masks_differ() -> ControlError:
    return ControlError(MASKS_DIFFER, "the masks of this camera were changed: read the rows anew")
