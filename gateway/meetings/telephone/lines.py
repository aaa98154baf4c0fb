"""Telephones' lines into the rooms of a shard: what a telephone says is a source like any
other, what it may hear goes to its worker; a terminal's pictures both ways likewise.

A stream of the control channel holds each: ``telephone.sit`` gives ``{type: "sits", address,
inside}``, then ``inside``, ``muted {muted}``, ``called``, ``recorded``, ``keyframe`` (the terminal
is to be asked for one), and last ``ended {reason}``; it takes ``{type: "answer_call"}``,
``{type: "pictures", agreed}`` (see :meth:`Terminal.agree`), ``{type: "keyframe"}``. When its
caller goes, so does the member.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog

from camera_adapters.webrtc.wheel import Wheel
from gateway.control.channel import ControlError
from gateway.meetings.desired import Invited
from gateway.meetings.room import Room
from gateway.meetings.rooms import Rooms
from gateway.meetings.telephone import wire
from gateway.meetings.telephone.line import Line

_log = structlog.get_logger(__name__)

_READS_PER_WAKE = 256
_SITS_LIMIT = 200
_TURN_S = 0.1
_TURNS_PER_S = 10
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024


class TelephoneLines:
    """All telephones in the meetings of this shard. ``clock_us`` stamps what arrives."""

    def __init__(self, rooms: Rooms, wheel: Wheel, clock_us: Callable[[], int]) -> None:
        self._rooms = rooms
        self._wheel = wheel
        self._clock_us = clock_us
        self._lines: dict[bytes, Line] = {}
        self._loop = asyncio.get_running_loop()
        # Made with the first call: most shards never have one.
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._turns = 0

    def __len__(self) -> int:
        return len(self._lines)

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``telephone.sit`` of the control channel."""
        return {"telephone.sit": self.sit}

    async def sit(
        self,
        meeting_id: str,
        participant_id: str,
        session_id: str,
        token: bytes,
        voices: list[Any],
        incoming: AsyncIterator[Any],
    ) -> AsyncIterator[dict[str, Any]]:
        """See the module. ``token`` is the call's in :mod:`.wire`, ``voices`` its worker's address.
        Refused with ``not_here``, ``removed``, ``busy``.
        """
        if len(self._lines) >= _SITS_LIMIT:
            raise ControlError("busy", "this media process carries no more telephones")
        if len(token) != wire.TOKEN_BYTES or token in self._lines:
            raise ControlError("invalid", "a token is new, and has 16 bytes")
        room, invited = await self._find(meeting_id, participant_id, session_id)
        own = self._opened()
        worker = (str(voices[0]), int(voices[1]))

        def send(datagram: bytes) -> None:
            # A full socket loses it, as any network may.
            with contextlib.suppress(OSError):
                own.sendto(token + datagram, worker)

        line = Line(room, invited, session_id, send, self._wheel, self._clock_us)
        self._lines[token] = line
        listening = self._loop.create_task(line.obey(incoming))
        try:
            line.take()
            yield {
                "type": "sits",
                "address": list(own.getsockname()),
                "inside": line.member.inside,
            }
            async for told in line.told():
                yield told
        finally:
            listening.cancel()
            del self._lines[token]
            line.close()

    def close(self) -> None:
        """The shard stops."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            self._socket.bind(("127.0.0.1", 0))
            self._loop.add_reader(self._socket.fileno(), self._read)
        if self._timer is None:
            self._timer = self._loop.call_later(_TURN_S, self._turn)
        return self._socket

    def _turn(self) -> None:
        """Some times a second while anybody is there."""
        self._timer = self._loop.call_later(_TURN_S, self._turn) if self._lines else None
        self._turns += 1
        now_s, now_us = self._loop.time(), self._clock_us()
        for line in tuple(self._lines.values()):
            try:
                line.turn(now_s, now_us)
                if self._turns % _TURNS_PER_S == 0:
                    line.second(now_s, now_us)
            except Exception:
                # One telephone's trouble is nobody else's.
                _log.exception("a telephone's line failed")

    async def _find(
        self, meeting_id: str, participant_id: str, session_id: str
    ) -> tuple[Room, Invited]:
        found = self._look(meeting_id, participant_id, session_id)
        if found is None:
            # What was written a moment ago may not have been read yet.
            await self._rooms.reconcile()
            found = self._look(meeting_id, participant_id, session_id)
        if found is None:
            raise ControlError("not_here", "this meeting is over, or goes on elsewhere")
        if not found[1].may_enter:
            raise ControlError("removed", "this caller is not in the meeting any more")
        return found

    def _look(
        self, meeting_id: str, participant_id: str, session_id: str
    ) -> tuple[Room, Invited] | None:
        room = self._rooms.rooms.get(meeting_id)
        invited = None if room is None else room.state.invited.get(participant_id)
        if room is None or invited is None or invited.session_id != session_id:
            return None
        return room, invited

    def _read(self) -> None:
        now_s, now_us = self._loop.time(), self._clock_us()
        touched: set[Line] = set()
        for _ in range(_READS_PER_WAKE):
            try:
                assert self._socket is not None
                datagram = self._socket.recv(wire.DATAGRAM_BYTES_LIMIT)
            except OSError:
                break
            line = self._lines.get(datagram[: wire.TOKEN_BYTES])
            if line is not None:
                line.receive(datagram, now_s, now_us)
                touched.add(line)
        for line in touched:
            line.expire(now_us)
