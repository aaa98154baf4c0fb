"""A call in its meeting, from the door to the end: held on whichever shard runs the meeting, found
again when that one is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from gateway.cluster.peers import peer_client
from gateway.control.channel import ControlClient, ControlError, ControlStream
from gateway.database.meeting_tables import meetings
from gateway.identifiers import new_id
from gateway.meetings.telephone import wire
from gateway.meetings.telephone.accepting import GOODBYE_S
from gateway.meetings.telephone.call import Call
from gateway.meetings.telephone.voices import Voices
from gateway.settings import Settings
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_WAITING_TONE_S = 8.0
_FIND_AGAIN_S = 30.0
_RETRY_S = 0.5


class Shards:
    """The control channels of the shards; one each, kept."""

    def __init__(self, settings: Settings, secret: bytes, reader: AsyncEngine) -> None:
        self._settings = settings
        self._secret = secret
        self._reader = reader
        self._clients: dict[str, ControlClient] = {}

    async def of_meeting(self, meeting_id: str) -> ControlClient | None:
        """The shard that runs it; None when it does not run. Raises DBAPIError."""
        async with self._reader.connect() as connection:
            name = await connection.scalar(
                sa.select(meetings.c.shard).where(
                    meetings.c.id == meeting_id, meetings.c.state == "running"
                )
            )
        if name is None:
            return None
        client = self._clients.get(name)
        if client is None:
            client = peer_client(self._settings, self._secret, self._reader, name)
            self._clients[name] = client
        return client

    async def close(self) -> None:
        """Close all."""
        with contextlib.suppress(OSError):
            await asyncio.gather(*(one.close() for one in self._clients.values()))


class Sitting:
    """One call in one meeting. :meth:`run` goes on until the meeting has no place for it."""

    def __init__(
        self,
        call: Call,
        meeting_id: str,
        participant_id: str,
        session_id: str,
        *,
        rows: RowWriter,
        voices: Voices,
        find_shard: Callable[[str], Awaitable[ControlClient | None]],
    ) -> None:
        self._call = call
        self._meeting_id = meeting_id
        self._participant_id = participant_id
        self._session_id = session_id
        self._rows = rows
        self._voices = voices
        self._find_shard = find_shard
        self._hand_up = False
        self._stream: ControlStream | None = None
        self._inside = asyncio.Event()

    async def run(self) -> str:
        """Why it ended: what the room said, or ``lost`` when no shard could be found again. Raises
        NoVoice, RowError.
        """
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(work)
            for work in (self._obey_keys(), self._wait_tones(), self._tell_news())
        ]
        try:
            lost_s: float | None = None
            while True:
                sat, reason = await self._sit()
                self._call.unlink()
                if reason is not None:
                    self._call.play("over")
                    await asyncio.sleep(GOODBYE_S)
                    return reason
                now_s = loop.time()
                lost_s = now_s if sat or lost_s is None else lost_s
                if now_s - lost_s > _FIND_AGAIN_S:
                    return "lost"
                await asyncio.sleep(_RETRY_S)
                if sat:
                    await self._renew()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sit(self) -> tuple[bool, str | None]:
        """Whether it sat at all, and why it is over; None when it may go on elsewhere."""
        sat = False
        try:
            shard = await self._find_shard(self._meeting_id)
            if shard is None:
                return sat, "ended"
            token = secrets.token_bytes(wire.TOKEN_BYTES)
            async with shard.stream(
                "telephone.sit",
                meeting_id=self._meeting_id,
                participant_id=self._participant_id,
                session_id=self._session_id,
                token=token,
                voices=list(await self._voices.address()),
            ) as stream:
                self._stream = stream
                async for told in stream:
                    sat = True
                    if told["type"] == "ended":
                        moved = told["reason"] in ("moved", "shard_stopping")
                        return sat, None if moved else told["reason"]
                    self._take(told, token)
        except ControlError as error:
            if error.code in ("removed", "busy"):
                return sat, error.code
            _log.info("a telephone has no seat yet", why=str(error))
        except (ConnectionError, TimeoutError, sa.exc.DBAPIError) as error:
            _log.info("a telephone's media process is lost", why=str(error))
        finally:
            self._stream = None
        return sat, None

    def _take(self, told: dict[str, Any], token: bytes) -> None:
        match told["type"]:
            case "sits":
                self._call.link(told["address"], token)
                self._call.tell_pictures()
                if told["inside"]:
                    self._enter()
            case "inside":
                self._enter()
            case "muted":
                self._call.play("muted" if told["muted"] else "unmuted")
            case "called":
                self._call.play("called")
            case "recorded":
                self._call.play("recorded")
            case "keyframe":
                self._call.ask_keyframe()

    def _enter(self) -> None:
        if not self._inside.is_set():
            self._inside.set()
            self._call.play("inside")

    async def _renew(self) -> None:
        session_id = new_id("ses")
        await self._rows.write(
            "meetings.resumed_call", participant_id=self._participant_id, session_id=session_id
        )
        self._session_id = session_id

    async def _wait_tones(self) -> None:
        while not self._inside.is_set():
            self._call.play("waiting")
            await wait_for_event(self._inside, _WAITING_TONE_S)

    async def _tell_news(self) -> None:
        """What is new about the call's pictures, to whichever shard it sits on."""
        while True:
            news = await self._call.news.get()
            if self._stream is not None:
                with contextlib.suppress(ConnectionError, ControlError):
                    await self._stream.send(news)

    async def _obey_keys(self) -> None:
        """``*6`` silent and back, ``*9`` the hand up and down, ``*1`` "here" at a roll call."""
        before = ""
        while True:
            key = await self._call.key()
            if before == "*" and self._inside.is_set():
                await self._obey(key)
            before = key

    async def _obey(self, key: str) -> None:
        if key == "6":
            self._call.mute(not self._call.muted)
            self._call.play("muted" if self._call.muted else "unmuted")
        elif key == "9":
            try:
                await self._rows.write(
                    "meetings.hand",
                    meeting_id=self._meeting_id,
                    participant_id=self._participant_id,
                    raised=not self._hand_up,
                )
            except (RowError, ConnectionError, TimeoutError, ControlError) as error:
                _log.info("a telephone's hand could not be raised", why=str(error))
                return
            self._hand_up = not self._hand_up
            self._call.play("heard")
        elif key == "1" and self._stream is not None:
            with contextlib.suppress(ConnectionError, ControlError):
                await self._stream.send({"type": "answer_call"})
                self._call.play("heard")
