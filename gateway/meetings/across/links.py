"""One link between a meeting's home and each other shard at which some of it sit: who is where,
how loud they are, and what the home has decided. Media take their own way (:mod:`.sending`).

The other shard opens it, and again when it was lost. While there is none the home and that shard
show and hear their own people each, and say so in their figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import structlog

from gateway.control.channel import ControlClient, ControlError
from gateway.meetings.across.far import FarMedia
from gateway.meetings.across.others import Others
from gateway.meetings.across.report import (
    Entry,
    Told,
    decided_message,
    decided_of,
    entry_of,
    is_told,
    levels_of,
)
from gateway.meetings.room import Room
from gateway.meetings.rooms import Rooms
from gateway.meetings.stage import Decided

_log = structlog.get_logger(__name__)

TURN_S = 0.1
MEMBERS_EVERY_TURNS = 2
ALIVE_EVERY_TURNS = 10
SILENT_S = 4.0
"""A link on which nothing came for so long is lost: each side says something once a second."""
RETRY_S = 0.5


class Links:
    """All links of this shard, ``name``. ``peer`` gives a channel to a shard, beside that of media:
    a picture must not keep a decision waiting.
    """

    def __init__(
        self, name: str, rooms: Rooms, media: FarMedia, peer: Callable[[str], ControlClient]
    ) -> None:
        self._name = name
        self._rooms = rooms
        self._media = media
        self._peer = peer
        self._following: dict[Room, asyncio.Task[None]] = {}
        # Those of them whose home is heard.
        self._heard: set[Room] = set()
        self._links = 0
        rooms.on_room(self._room_opened)

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``meetings.link``."""
        return {"meetings.link": self._link}

    def figures(self) -> dict[str, int]:
        """``meetings_seated_here``: meetings of other shards of which some sit here;
        ``meetings_cut_off``: those of them whose home cannot be heard; ``meeting_links``: of the
        meetings that are run here, to other shards.
        """
        return {
            "meetings_seated_here": len(self._following),
            "meetings_cut_off": len(self._following.keys() - self._heard),
            "meeting_links": self._links,
        }

    async def close(self) -> None:
        """End all of them: the shard stops."""
        tasks = tuple(self._following.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _room_opened(self, room: Room) -> None:
        if not room.leads:
            task = asyncio.get_running_loop().create_task(self._follow(room))
            self._following[room] = task
            task.add_done_callback(lambda _: self._following.pop(room, None))

    async def _link(
        self, meeting_id: str, shard: str, incoming: AsyncIterator[Mapping[str, Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        """The home's side."""
        room = self._rooms.rooms.get(meeting_id)
        if room is None or not room.leads:
            raise ControlError("not_found", "this meeting is not run here")
        side = _Side(room, self._name, lambda one: one.shard != shard, Others(room, self._media))
        listening = asyncio.create_task(side.listen(incoming))
        self._links += 1
        try:
            while not (room.closed or listening.done()):
                for message in side.turn():
                    yield message
                await asyncio.sleep(TURN_S)
        finally:
            self._links -= 1
            listening.cancel()
            side.others.close()
            (outcome,) = await asyncio.gather(listening, return_exceptions=True)
            if isinstance(outcome, Exception):
                _log.info("a shard of a meeting is not heard any more",
                          meeting=meeting_id, shard=shard, why=repr(outcome))  # fmt: skip

    async def _follow(self, room: Room) -> None:
        """The other side, for as long as the room is open."""
        while not room.closed:
            try:
                await self._follow_once(room)
            except (ConnectionError, TimeoutError, ControlError) as error:
                _log.info(
                    "a meeting's home is not heard for now; its people here go on alone",
                    meeting=room.meeting_id,
                    home=room.state.home,
                    why=str(error),
                )
            except Exception:
                _log.exception("a meeting's home is not heard; trying again")
            await asyncio.sleep(RETRY_S)

    async def _follow_once(self, room: Room) -> None:
        home = room.state.home
        others = Others(room, self._media)
        side = _Side(room, self._name, lambda one: one.shard == self._name, others)
        messages = self._peer(home).stream(
            "meetings.link", meeting_id=room.meeting_id, shard=self._name
        )
        async with messages:
            listening = asyncio.create_task(side.listen(messages))
            self._heard.add(room)
            try:
                while not (room.closed or listening.done() or room.state.home != home):
                    for message in side.turn():
                        await messages.send(message)
                    await asyncio.sleep(TURN_S)
                if listening.done():
                    listening.result()
            finally:
                self._heard.discard(room)
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                room.lead(None)
                others.close()


class _Side:
    """What one side of a link says and hears. ``tells`` picks whose entries go out."""

    def __init__(
        self, room: Room, name: str, tells: Callable[[Entry], bool], others: Others
    ) -> None:
        self.others = others
        self._room = room
        self._name = name
        self._tells = tells
        self._told = Told()
        self._version: int | None = None
        self._decided: Decided | None = None
        self._loud = False
        self._turns = 0

    def turn(self) -> Iterator[dict[str, Any]]:
        """What is new, ten times a second."""
        room = self._room
        self.others.tick()
        message: dict[str, Any] = {}
        if self._version != room.connections_version and self._turns % MEMBERS_EVERY_TURNS == 0:
            self._version = room.connections_version
            entries = (entry_of(one, self._name) for one in room.members.values() if is_told(one))
            message |= self._told.news(one for one in entries if self._tells(one))
        if room.leads:
            decided = room.decided
            if decided != self._decided:
                self._decided = decided
                message["decided"] = decided_message(decided)
        else:
            levels = levels_of(room)
            if levels or self._loud:
                self._loud = bool(levels)
                message["levels"] = levels
        if message or self._turns % ALIVE_EVERY_TURNS == 0:
            yield message
        self._turns += 1

    async def listen(self, messages: AsyncIterator[Mapping[str, Any]]) -> None:
        """Until the other side ends. Raises TimeoutError when it is silent, and what it fails
        with.
        """
        while True:
            async with asyncio.timeout(SILENT_S):
                try:
                    message = await anext(messages)
                except StopAsyncIteration:
                    return
            self.others.take(message)
            if "decided" in message:
                self._room.lead(decided_of(message["decided"]))
