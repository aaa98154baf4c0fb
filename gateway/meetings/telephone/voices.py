"""The worker for telephones' sound and pictures, as the signalling process holds it: started when
first needed, started again when it dies. Its calls end then: a telephone that hears nothing must
not hang on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

import structlog

_log = structlog.get_logger(__name__)

_START_S = 20.0
_OPEN_S = 5.0
_STOP_S = 3.0

OnEvent = Callable[[str, dict[str, Any]], None]
"""``digit``, ``silent``, ``lost``, and what was told with it."""


class NoVoice(Exception):
    """The sound of a call cannot be carried now."""


class Voices:
    """``address`` is where telephones send their sound; ``ports`` the first and last, (0, 0): any.
    All methods run on the event loop; only :meth:`open` and :meth:`open_pictures` wait.
    """

    def __init__(self, address: str, ports: tuple[int, int]) -> None:
        self.share = 0.0
        self._arguments = [address, str(ports[0]), str(ports[1])]
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._calls: dict[str, OnEvent] = {}
        self._opening: dict[str, asyncio.Future[int]] = {}
        self._opening_pictures: dict[str, asyncio.Future[int]] = {}
        self._address: asyncio.Future[tuple[str, int]] | None = None
        self._closed = False

    @property
    def process(self) -> asyncio.subprocess.Process | None:
        """The worker; None before it is needed."""
        return self._process

    async def open(self, call: str, on_event: OnEvent, **command: Any) -> int:
        """Carry a call's sound; gives the port for it. See :mod:`.worker`. Raises NoVoice."""
        try:
            async with asyncio.timeout(_START_S):
                await self._started()
            async with asyncio.timeout(_OPEN_S):
                opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                self._opening[call] = opened
                self._calls[call] = on_event
                self._say("open", call, **command)
                return await opened
        except (TimeoutError, OSError, NoVoice) as error:
            self._calls.pop(call, None)
            raise NoVoice(f"no sound for a telephone: {error}") from None
        finally:
            self._opening.pop(call, None)

    async def open_pictures(self, call: str) -> int:
        """The port for the pictures of a call that is open; 0 where there is none, and the call is
        carried by its sound.
        """
        if call not in self._calls or call in self._opening_pictures:
            return 0
        opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._opening_pictures[call] = opened
        try:
            async with asyncio.timeout(_OPEN_S):
                self._say("open_pictures", call)
                return await opened
        except (TimeoutError, NoVoice):
            return 0
        finally:
            self._opening_pictures.pop(call, None)

    async def address(self) -> tuple[str, int]:
        """Where the shard sends what is heard. Raises NoVoice."""
        if self._address is None:
            raise NoVoice("the worker is not there")
        return await asyncio.shield(self._address)

    def say(self, do: str, call: str, **command: Any) -> None:
        """A command to a call that is open; nothing when it is not."""
        if call in self._calls:
            self._say(do, call, **command)

    def close_call(self, call: str) -> None:
        """The call is over. May be called twice."""
        if self._calls.pop(call, None) is not None:
            self._say("close", call)

    async def close(self) -> None:
        """End the worker."""
        self._closed = True
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _started(self) -> None:
        async with self._starting:
            if self._closed:
                raise NoVoice("the gateway stops")
            if self._process is None:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "gateway.meetings.telephone.worker", *self._arguments),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
                loop = asyncio.get_running_loop()
                self._address = loop.create_future()
                self._reading = loop.create_task(self._read(self._process))
            assert self._address is not None
            await asyncio.shield(self._address)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._take(json.loads(line))
        status = await process.wait()
        if self._process is process:
            self._process = None
            _log.error("the worker for telephones' sound has ended", status=status)
        if self._address is not None and not self._address.done():
            self._address.set_exception(NoVoice("the worker did not start"))
            self._address.exception()
        for opened in (*self._opening.values(), *self._opening_pictures.values()):
            if not opened.done():
                opened.set_exception(NoVoice("the worker has ended"))
        calls, self._calls = self._calls, {}
        for on_event in calls.values():
            on_event("lost", {})

    def _take(self, event: dict[str, Any]) -> None:
        call = event.get("call", "")
        opened = self._opening.get(call)
        match event["event"]:
            case "ready":
                assert self._address is not None
                self._address.set_result((event["voices"][0], event["voices"][1]))
            case "opened" if opened is not None and not opened.done():
                opened.set_result(event["port"])
            case "failed" if opened is not None and not opened.done():
                opened.set_exception(NoVoice(event["why"]))
            case "pictures_opened":
                waiting = self._opening_pictures.get(call)
                if waiting is not None and not waiting.done():
                    waiting.set_result(event["port"])
            case "busy":
                self.share = event["share"]
            case "digit" | "silent" as name if call in self._calls:
                self._calls[call](name, event)

    def _say(self, do: str, call: str, **command: Any) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        process.stdin.write(json.dumps({"do": do, "call": call, **command}).encode() + b"\n")
