"""The control channel: named calls and streams between the processes of one cluster.

A server offers handlers by name: an ``async def`` answers a call; an async generator function
answers a stream, and takes the caller's items if it has a parameter ``incoming``. Arguments,
results and items are what msgpack can carry: None, bool, int, float, str, bytes, list, dict.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import structlog

from gateway.control.address import Address, Locate, RemoteAddress, process_of
from gateway.control.frames import FrameError, Kind, Message
from gateway.control.handshake import ClientHandshake, ServerHandshake
from gateway.control.link import HANDSHAKE_TIMEOUT_S, Flow, Link
from gateway.settings import Settings

_log = structlog.get_logger(__name__)

Handler = Callable[..., Any]

CALL_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
_RETRY_S = 0.05
# A process elsewhere is looked for in the database each time.
_RETRY_ELSEWHERE_S = 0.5
_GOODBYE_S = 1.0
# A machine that did not even refuse is not waited for again so soon, by anybody.
_AWAY_S = 3.0
_UNIX_PATH_BYTES_LIMIT = 107


class ControlError(Exception):
    """The other side refused or failed. ``code`` is stable; handlers raise it to refuse."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# Each machine has these, and nobody calls another machine's by them.
_OF_THIS_MACHINE = frozenset({"writer", "transcoder", "supervisor"})


def is_of_this_machine(process: str) -> bool:
    """Whether the name means the process on the caller's machine, whichever that is."""
    return process in _OF_THIS_MACHINE


def control_path(settings: Settings, process: str) -> Path:
    """The Unix socket on which ``process`` answers."""
    if is_of_this_machine(process):
        process = settings.name_here(process)
    return settings.effective_run_directory / f"{process}.sock"


class ControlServer:
    """Answers calls on a Unix socket that only this user may open, and only with the secret.

    With ``tls`` it answers other machines too, on the listening socket that ``open_port`` gives.
    """

    def __init__(
        self,
        path: Path,
        secret: bytes,
        handlers: Mapping[str, Handler],
        *,
        tls: ssl.SSLContext | None = None,
        open_port: Callable[[], socket.socket] | None = None,
    ) -> None:
        self._path = path
        self._secret = secret
        self._handlers = dict(handlers)
        self._tls = tls
        self._open_port = open_port
        self._server: asyncio.Server | None = None
        self._elsewhere: asyncio.Server | None = None
        self._links: dict[Link, dict[int, asyncio.Task[None]]] = {}
        self.port: int | None = None

    async def start(self) -> None:
        """Listen; ``port`` is then where other machines connect to. A socket file left by a dead
        process is replaced. Raises OSError.
        """
        if self._tls is not None and self._open_port is not None:
            listening = self._open_port()
            self.port = listening.getsockname()[1]
            self._elsewhere = await asyncio.get_running_loop().create_server(
                self._accept,
                sock=listening,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        mask = os.umask(0o177)
        try:
            with _ShortPath(self._path) as path:
                self._server = await loop.create_unix_server(self._accept, path)
        finally:
            os.umask(mask)

    async def close(self) -> None:
        """Stop listening, cancel what is being answered, close the connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        if self._elsewhere is not None:
            self._elsewhere.close()
            self._elsewhere = None
        tasks = [task for running in self._links.values() for task in running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in tuple(self._links):
            link.close()

    def _accept(self) -> Link:
        link = Link(ServerHandshake(self._secret), self._on_message, self._on_lost)
        self._links[link] = {}
        return link

    def _on_lost(self, link: Link) -> None:
        for task in self._links.pop(link, {}).values():
            task.cancel()

    def _on_message(self, link: Link, message: Message) -> None:
        kind, identifier = message[0], message[1]
        tasks = self._links[link]
        if kind in (Kind.CALL, Kind.OPEN):
            if identifier in tasks:
                raise FrameError("a call's id is in use")
            handler = self._handlers.get(message[2])
            is_stream = handler is not None and inspect.isasyncgenfunction(handler)
            if handler is None or is_stream != (kind == Kind.OPEN):
                link.send([Kind.ERROR, identifier, "unknown_call", f"no such call: {message[2]}"])
                return
            answer: Callable[[], Awaitable[None]]
            if is_stream:
                flow = link.flows[identifier] = Flow(link, identifier)
                answer = partial(self._answer_stream, link, flow, identifier, handler, message[3])
            else:
                answer = partial(self._answer_call, link, identifier, handler, message[3])
            task = tasks[identifier] = asyncio.create_task(self._guard(link, message, answer))
            task.add_done_callback(lambda _: self._finished(link, identifier))
        elif kind == Kind.CANCEL:
            running = tasks.get(identifier)
            if running is not None:
                running.cancel()
        else:
            _to_flow(link, message)

    def _finished(self, link: Link, identifier: int) -> None:
        link.flows.pop(identifier, None)
        self._links.get(link, {}).pop(identifier, None)

    async def _answer_call(
        self, link: Link, identifier: int, handler: Handler, arguments: dict[str, Any]
    ) -> None:
        link.send([Kind.RESULT, identifier, await handler(**arguments)])
        await link.drained()

    async def _answer_stream(
        self,
        link: Link,
        flow: Flow,
        identifier: int,
        handler: Handler,
        arguments: dict[str, Any],
    ) -> None:
        if "incoming" in inspect.signature(handler).parameters:
            arguments = {**arguments, "incoming": flow}
        generator = handler(**arguments)
        try:
            async for item in generator:
                await flow.send(item)
        finally:
            await generator.aclose()
        link.send([Kind.RESULT, identifier, None])

    async def _guard(
        self, link: Link, message: Message, answer: Callable[[], Awaitable[None]]
    ) -> None:
        identifier, name = message[1], message[2]
        try:
            # Made here: a task that is cancelled before its first step would leave it unawaited.
            await answer()
        except asyncio.CancelledError:
            if link.open:
                link.send([Kind.ERROR, identifier, "cancelled", f"{name} was cancelled"])
        except ControlError as error:
            link.send([Kind.ERROR, identifier, error.code, str(error)])
        except ConnectionError:
            if link.open:
                link.send([Kind.ERROR, identifier, "unavailable", f"{name}: a peer is away"])
        except Exception as error:
            _log.exception("control call failed", call=name)
            link.send([Kind.ERROR, identifier, "failed", f"{name}: {type(error).__name__}"])


class ControlClient:
    """Calls one process. Connects when first needed, and again after a loss.

    ``where``: its address, or who tells it, asked anew at each attempt. ``tls`` is needed where
    that may be on another machine.

    Raises ConnectionError when the process cannot be reached within :data:`CONNECT_TIMEOUT_S`, or
    is lost during a call (which may or may not have been carried out), :class:`ControlError` when
    it refuses, TimeoutError when it does not answer. Of a machine that was silent for so long,
    those who ask in the next three seconds are told at once.
    """

    def __init__(
        self,
        where: Address | Locate,
        secret: bytes,
        *,
        tls: ssl.SSLContext | None = None,
        call_timeout_s: float = CALL_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._where = where
        self._secret = secret
        self._tls = tls
        self._call_timeout_s = call_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._link: Link | None = None
        self._connecting = asyncio.Lock()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._next_id = 0
        self._closed = False
        self._away_until_s = 0.0
        self._away_why = ""

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """Call and wait for the answer."""
        link = await self._connected()
        identifier = self._take_id()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[identifier] = future
        try:
            link.send([Kind.CALL, identifier, name, arguments])
            async with asyncio.timeout(self._call_timeout_s):
                await link.drained()
                return await future
        except (asyncio.CancelledError, TimeoutError):
            if link.open:
                link.send([Kind.CANCEL, identifier])
            raise
        finally:
            self._calls.pop(identifier, None)

    def stream(self, name: str, /, **arguments: Any) -> ControlStream:
        """Open a stream (at its first use): iterate it for items, :meth:`ControlStream.send` up."""
        return ControlStream(self, name, arguments)

    async def close(self) -> None:
        """Close the connection; calls under way raise ConnectionError."""
        self._closed = True
        if self._link is not None:
            self._link.close()

    async def _open(self, name: str, arguments: dict[str, Any]) -> tuple[Link, int, Flow]:
        link = await self._connected()
        identifier = self._take_id()
        flow = Flow(link, identifier)
        link.flows[identifier] = flow
        try:
            link.send([Kind.OPEN, identifier, name, arguments])
        except (FrameError, TypeError):
            del link.flows[identifier]
            raise
        return link, identifier, flow

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id

    async def _connected(self) -> Link:
        if self._closed:
            raise ConnectionError("this control client is closed")
        if self._link is not None and self._link.open:
            return self._link
        async with self._connecting:
            if self._link is not None and self._link.open:
                return self._link
            self._link = await self._connect()
            return self._link

    async def _connect(self) -> Link:
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until_s:
            raise ConnectionError(self._away_why)
        deadline = loop.time() + self._connect_timeout_s
        while True:
            retry_s, name = _RETRY_ELSEWHERE_S, "looked for"
            address: Address | None = None
            try:
                async with asyncio.timeout(max(0.1, deadline - loop.time())):
                    where = self._where
                    address = await where() if callable(where) else where
                    name = process_of(address)
                    if isinstance(address, Path):
                        retry_s = _RETRY_S
                    link = await self._open_link(address)
                    await self._become_ready(link)
                    return link
            except (OSError, TimeoutError) as error:
                # ENOENT and ECONNREFUSED: the process is just being restarted.
                if loop.time() + retry_s >= deadline or self._closed:
                    why = f"process {name} does not answer: {str(error) or 'its machine is silent'}"
                    if isinstance(error, TimeoutError) and isinstance(address, RemoteAddress):
                        self._away_until_s, self._away_why = loop.time() + _AWAY_S, why
                    raise ConnectionError(why) from None
            await asyncio.sleep(retry_s)

    async def _open_link(self, address: Address) -> Link:
        loop = asyncio.get_running_loop()
        if isinstance(address, Path):
            with _ShortPath(address) as path:
                return (await loop.create_unix_connection(self._new_link, path))[1]
        if self._tls is None:
            raise ConnectionError(f"{address.process} is on another machine, and TLS is not set up")
        return await self._open_encrypted(address, self._tls)

    async def _open_encrypted(self, address: RemoteAddress, tls: ssl.SSLContext) -> Link:
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            self._new_link,
            address.host,
            address.port,
            ssl=tls,
            server_hostname=address.process,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            ssl_shutdown_timeout=_GOODBYE_S,
        )
        return link

    async def _become_ready(self, link: Link) -> None:
        try:
            await link.ready
        except BaseException:
            link.close()
            raise

    def _new_link(self) -> Link:
        return Link(ClientHandshake(self._secret), self._on_message, self._on_lost)

    def _on_lost(self, link: Link) -> None:
        if link is self._link:
            self._link = None
            calls, self._calls = self._calls, {}
            for future in calls.values():
                if not future.done():
                    future.set_exception(ConnectionError("the control connection was lost"))

    def _on_message(self, link: Link, message: Message) -> None:
        kind, identifier = message[0], message[1]
        future = self._calls.get(identifier)
        if future is not None and kind in (Kind.RESULT, Kind.ERROR):
            if not future.done():
                if kind == Kind.RESULT:
                    future.set_result(message[2])
                else:
                    future.set_exception(_error_of(message))
        elif kind in (Kind.CALL, Kind.OPEN):
            raise FrameError("a server does not call")
        else:
            _to_flow(link, message)


class ControlStream:
    """The caller's side of one stream. Iterate it to its end, or use it in ``async with``."""

    def __init__(self, client: ControlClient, name: str, arguments: dict[str, Any]) -> None:
        self._client = client
        self._name = name
        self._arguments = arguments
        self._opened: tuple[Link, int, Flow] | None = None
        self._done = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __aenter__(self) -> Self:
        await self._ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def __anext__(self) -> Any:
        if self._done:
            raise StopAsyncIteration
        _, _, flow = await self._ready()
        try:
            return await flow.__anext__()
        except asyncio.CancelledError:
            await self.close()
            raise
        except BaseException:
            self._done = True
            raise

    async def send(self, item: Any) -> None:
        """Send one item to the handler's ``incoming``; waits while it is full."""
        _, _, flow = await self._ready()
        await flow.send(item)

    async def end(self) -> None:
        """Say that no more items come from here; the handler may still send."""
        _, _, flow = await self._ready()
        flow.end()

    async def close(self) -> None:
        """Lose interest: the handler is cancelled. May be called twice."""
        if self._opened is None or self._done:
            self._done = True
            return
        self._done = True
        link, identifier, flow = self._opened
        if link.flows.pop(identifier, None) is not None and link.open:
            link.send([Kind.CANCEL, identifier])
        flow.fail(ConnectionError("the stream was closed"))

    async def _ready(self) -> tuple[Link, int, Flow]:
        if self._opened is None:
            self._opened = await self._client._open(self._name, self._arguments)
        return self._opened


def _to_flow(link: Link, message: Message) -> None:
    kind, identifier = message[0], message[1]
    flow = link.flows.get(identifier)
    if flow is None:
        # Crossed on the way with the other side's END or CANCEL.
        return
    if kind == Kind.ITEM:
        flow.take(message[2])
    elif kind == Kind.CREDIT:
        flow.take_credit(message[2])
    elif kind == Kind.END:
        flow.take_end()
    elif kind == Kind.RESULT:
        flow.finish()
        link.flows.pop(identifier, None)
    elif kind == Kind.ERROR:
        flow.fail(_error_of(message))
        link.flows.pop(identifier, None)


def _error_of(message: Message) -> Exception:
    code, text = message[2], message[3]
    if code == "unavailable":
        return ConnectionError(text)
    return ControlError(code, text)


class _ShortPath:
    """The path to bind or connect to: a Unix address holds 107 bytes, a data directory may not.

    A longer path goes through ``/proc/self/fd`` of its folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= _UNIX_PATH_BYTES_LIMIT:
            return str(self._path)
        self._descriptor = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._descriptor}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
