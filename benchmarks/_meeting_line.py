"""A page's line to its meeting, as the console's: the API gives a ticket, a WebSocket opens by it.

What it is told is looked at no more than a page has to for its media: the lists of everybody are
taken off the socket and not read.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

_READ_BYTES = 1 << 18
_JOIN_S = 30.0
# As for the console: trying again cannot change these (web/src/meetings/line.ts).
_FINAL = (400, 403, 404, 409, 410, 422)
_connections = threading.local()


class Line:
    """One WebSocket. ``on_message`` is called with each message that concerns media, as JSON."""

    def __init__(self, base: str, path: str, on_message: Callable[[dict[str, Any]], None]) -> None:
        uri = parse_uri(f"ws{base.removeprefix('http')}{path}")
        self.socket = socket.create_connection((uri.host, uri.port))
        self.bytes = self.messages = 0
        self.ended = False
        self._protocol = ClientProtocol(uri, max_size=None)
        self._on_message = on_message
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def say(self, message: dict[str, Any]) -> None:
        """Say something; nothing where it has ended."""
        if not self.ended and self._protocol.state is State.OPEN:
            self._protocol.send_text(json.dumps(message).encode())
            self._flush()

    def drain(self) -> None:
        """Take what there is off the socket."""
        if self.ended:
            return
        try:
            data = self.socket.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        self.bytes += len(data)
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.end()
                return
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                for line in bytes(event.data).split(b"\n"):
                    self.messages += 1
                    self._take(line)
        if not self.ended:
            self._flush()

    def end(self) -> None:
        """It is over. May be called twice."""
        self.ended = True
        self.socket.close()

    def _take(self, text: bytes) -> None:
        kind = text[9 : text.find(b'"', 9)] if text.startswith(b'{"type":"') else b""
        if kind == b"room":
            self._on_message({"type": "room"})
        elif kind in (b"answer", b"send", b"end"):
            self._on_message(json.loads(text))

    def _flush(self) -> None:
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self.socket.sendall(data)
        except OSError:
            self.end()


class Joining:
    """Asks the API for tickets, a few at a time as so many browsers would; ``fileno`` is readable
    when there are answers.
    """

    def __init__(self, base: str, threads: int) -> None:
        self._address = base.removeprefix("http://")
        self._asked: queue.SimpleQueue[tuple[Any, dict[str, Any]]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Any, dict[str, Any] | None]] = queue.SimpleQueue()
        self._readable, self._wake = socket.socketpair()
        self._readable.setblocking(False)
        for _ in range(threads):
            threading.Thread(target=self._run, daemon=True).start()

    def fileno(self) -> int:
        """For a selector."""
        return self._readable.fileno()

    def ask(self, who: Any, plan: dict[str, Any]) -> None:
        """Join as the participant of a plan."""
        self._asked.put((who, plan))

    def answers(self) -> list[tuple[Any, dict[str, Any] | None]]:
        """Who was answered with what; None: try again; nothing: there is nothing to join."""
        try:
            self._readable.recv(4096)
        except BlockingIOError:
            return []
        found = []
        while not self._answers.empty():
            found.append(self._answers.get())
        return found

    def _run(self) -> None:
        while True:
            who, plan = self._asked.get()
            self._answers.put((who, self._join(plan)))
            self._wake.send(b"!")

    def _join(self, plan: dict[str, Any]) -> dict[str, Any] | None:
        connection = getattr(_connections, "api", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._address, timeout=_JOIN_S)
            _connections.api = connection
        body = json.dumps({"participant_id": plan["participant_id"]})
        headers = {
            "Content-Type": "application/json",
            "X-Gridsight": "1",
            "Cookie": plan["cookie"],
        }
        try:
            connection.request("POST", f"/api/meetings/{plan['meeting_id']}/join", body, headers)
            answer = connection.getresponse()
            document: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            _connections.api = None
            return None
        if answer.status in _FINAL:
            if document["error"]["code"] == "meeting_over":
                return {}
            print(f"somebody cannot join: {answer.status} {document}", file=sys.stderr)
            return {}
        return document if answer.status == 200 else None
