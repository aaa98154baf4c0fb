"""The process that carries the sound of all calls: RTP sockets, decoding, mixing, encoding; and
terminals' pictures, as they are (:mod:`.picture_relay`).

It reads commands from its standard input and tells events on its standard output, a JSON object a
line each; it ends with its input. One clock beats every 20 ms for all calls.

Commands: ``open {call, codec, payload_type, digits_type, hosts, remote, hears, pictures}``
(``remote`` None until it is known; ``pictures`` as :meth:`PictureRelay.aim` has it), ``aim`` (the
same, of a call that is open), ``open_pictures {call}``, ``link {call, shard, token}`` and
``unlink {call}``, ``mute {call, muted}``, ``play {call, tone}``, ``hush {call}`` (no more of
what is played), ``close {call}``. Events:
``ready {voices}``, ``opened {call, port}``, ``failed {call, why}``, ``digit {call, key}``,
``pictures_opened {call, port}`` (0: there is none),
``silent {call}`` (nothing came for :data:`SILENT_S`), ``busy {share, calls}`` every few seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import sys
import time
from typing import Any

from gateway.meetings.telephone import wire
from gateway.meetings.telephone.picture_relay import PictureRelay
from gateway.meetings.telephone.sound import CallSound
from gateway.meetings.telephone.tones import TONES

TICK_S = 0.02
SILENT_S = 30.0
_BEHIND_S = 0.2
_BUSY_TICKS = 250
_PACKETS_PER_WAKE = 64
_PAIR_TRIES = 64
_SHOWN_S = 10.0
_LINE_BYTES_LIMIT = 64 * 1024
_VOICES_BUFFER_BYTES = 4 * 1024 * 1024
_LOOPBACK = "127.0.0.1"


class Worker:
    """``host`` is where telephones send to, on a port out of ``ports``."""

    def __init__(self, host: str, ports: range) -> None:
        self._host = host
        self._ports = ports
        self._next_port = 0
        self._selector = selectors.DefaultSelector()
        self._calls: dict[str, _Call] = {}
        self._by_token: dict[bytes, _Call] = {}
        self._voices = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._voices.setblocking(False)
        self._voices.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _VOICES_BUFFER_BYTES)
        self._voices.bind((_LOOPBACK, 0))
        self._input = bytearray()
        self._ended = False
        self._spent_s = 0.0
        self._ticks = 0

    def run(self) -> None:
        """Until the input ends."""
        self._selector.register(self._voices, selectors.EVENT_READ, self._read_voices)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._read_commands)
        _tell("ready", voices=list(self._voices.getsockname()))
        due_s = time.monotonic() + TICK_S
        while not self._ended:
            # Without calls nothing beats.
            wait_s = max(0.0, due_s - time.monotonic()) if self._calls else None
            for key, _ in self._selector.select(wait_s):
                started = time.thread_time()
                key.data()
                self._spent_s += time.thread_time() - started
            now_s = time.monotonic()
            if now_s - due_s > _BEHIND_S:
                due_s = now_s  # The machine stood still: nobody is sent a burst.
            while self._calls and now_s >= due_s:
                started = time.thread_time()
                self._tick(now_s)
                self._spent_s += time.thread_time() - started
                due_s += TICK_S

    def _tick(self, now_s: float) -> None:
        for call in self._calls.values():
            call.tick()
            if now_s - call.heard_s > SILENT_S and not call.shows_itself(now_s):
                call.heard_s = now_s
                _tell("silent", call=call.name)
        self._ticks += 1
        if self._ticks >= _BUSY_TICKS:
            share = self._spent_s / (self._ticks * TICK_S)
            _tell("busy", share=round(share, 4), calls=len(self._calls))
            self._ticks, self._spent_s = 0, 0.0

    def _read_voices(self) -> None:
        """What is heard in the meetings."""
        for _ in range(_PACKETS_PER_WAKE):
            try:
                datagram = self._voices.recv(wire.DATAGRAM_BYTES_LIMIT)
            except OSError:
                return
            call = self._by_token.get(datagram[: wire.TOKEN_BYTES])
            if call is None:
                continue
            frame = wire.read_heard_frame(datagram)
            if frame is not None:
                call.sound.hear(*frame)
            else:
                call.show(datagram[wire.KIND_AT : wire.BODY_AT], datagram[wire.BODY_AT :])

    def _read_commands(self) -> None:
        data = os.read(sys.stdin.fileno(), _LINE_BYTES_LIMIT)
        if not data:
            self._ended = True
            return
        self._input += data
        *lines, rest = self._input.split(b"\n")
        self._input = bytearray(rest)
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, command: dict[str, Any]) -> None:
        name = command["call"]
        call = self._calls.get(name)
        if command["do"] == "open":
            self._open(name, command)
        elif call is None:
            return
        elif command["do"] == "aim":
            call.aim(command)
        elif command["do"] == "open_pictures":
            self._open_pictures(call)
        elif command["do"] == "link":
            self._unlink(call)
            call.shard = (command["shard"][0], command["shard"][1])
            call.token = bytes.fromhex(command["token"])
            self._by_token[call.token] = call
        elif command["do"] == "unlink":
            self._unlink(call)
        elif command["do"] == "mute":
            call.sound.muted = command["muted"]
        elif command["do"] == "play":
            call.sound.play(TONES[command["tone"]])
        elif command["do"] == "hush":
            call.sound.hush()
        elif command["do"] == "close":
            self._unlink(call)
            del self._calls[name]
            self._selector.unregister(call.socket)
            call.socket.close()
            if call.pictures is not None:
                for one, _ in call.pictures.sockets:
                    self._selector.unregister(one)
                call.pictures.close()

    def _open(self, name: str, command: dict[str, Any]) -> None:
        try:
            opened, port = self._bind()
        except OSError as error:
            _tell("failed", call=name, why=str(error))
            return
        call = _Call(name, opened, command, self._voices)
        self._calls[name] = call
        self._selector.register(opened, selectors.EVENT_READ, call.read)
        _tell("opened", call=name, port=port)

    def _open_pictures(self, call: _Call) -> None:
        port = 0
        if call.pictures is None:
            with contextlib.suppress(OSError):
                relay = PictureRelay(*self._bind_pair(), call.film)
                for one, read in relay.sockets:
                    self._selector.register(one, selectors.EVENT_READ, read)
                call.pictures = relay
        if call.pictures is not None:
            port = call.pictures.port
        _tell("pictures_opened", call=call.name, port=port)

    def _bind(self) -> tuple[socket.socket, int]:
        """An even port (RFC 3550 §11). Raises OSError."""
        even = [port for port in self._ports if port % 2 == 0] or [0]
        for _ in even:
            port = even[self._next_port % len(even)]
            self._next_port += 1
            with contextlib.suppress(OSError):
                made = self._bound(port)
                return made, int(made.getsockname()[1])
        raise OSError("every port for telephones' sound is in use")

    def _bind_pair(self) -> tuple[socket.socket, socket.socket]:
        """An even port, and the one behind it. Raises OSError."""
        for _ in range(_PAIR_TRIES):
            first, port = self._bind()
            if port % 2 == 0:
                try:
                    return first, self._bound(port + 1)
                except OSError:
                    pass
            first.close()
        raise OSError("no two ports beside each other are free")

    def _bound(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.bind((self._host, port))
        except OSError:
            made.close()
            raise
        return made

    def _unlink(self, call: _Call) -> None:
        self._by_token.pop(call.token, None)
        call.token, call.shard = b"", None
        call.sound.hear_nobody()


class _Call:
    """One call. Only its own telephone is listened to: from the hosts that it named or signals
    from, and after its first packet only from where that came.
    """

    def __init__(
        self, name: str, opened: socket.socket, command: dict[str, Any], voices: socket.socket
    ) -> None:
        self.name = name
        self.pictures: PictureRelay | None = None
        self._voices = voices
        self.socket = opened
        self.shard: tuple[str, int] | None = None
        self.token = b""
        self.heard_s = time.monotonic()
        self.sound = CallSound(command["codec"], command["payload_type"], command["digits_type"])
        self._hosts: frozenset[str] = frozenset()
        self._remote: tuple[str, int] | None = None
        self._seen = False
        self.aim(command)

    def aim(self, command: dict[str, Any]) -> None:
        self.sound.agree(command["codec"], command["payload_type"], command["digits_type"])
        self.sound.hears = command["hears"]
        self._hosts = frozenset(command["hosts"])
        remote = command["remote"]
        self._remote = None if remote is None else (remote[0], remote[1])
        self._seen = False
        if self.pictures is not None:
            self.pictures.aim(command["hosts"], command["pictures"])

    def film(self, kind: bytes, packet: bytes) -> None:
        """What the terminal sends of pictures."""
        self._to_shard(kind + packet)

    def show(self, kind: bytes, packet: bytes) -> None:
        """What it is sent of pictures."""
        if self.pictures is not None:
            self.pictures.send(kind, packet)

    def shows_itself(self, now_s: float) -> bool:
        """Whether pictures come, though it says nothing."""
        return self.pictures is not None and now_s - self.pictures.heard_s < _SHOWN_S

    def read(self) -> None:
        for _ in range(_PACKETS_PER_WAKE):
            try:
                packet, address = self.socket.recvfrom(wire.DATAGRAM_BYTES_LIMIT)
            except OSError:
                return
            source = (address[0], address[1])
            if source != self._remote or not self._seen:
                if self._seen or source[0] not in self._hosts:
                    continue
                # Behind a NAT it sends from elsewhere than it says.
                self._remote, self._seen = source, True
            self.heard_s = time.monotonic()
            key = self.sound.receive(packet)
            if key is not None:
                _tell("digit", call=self.name, key=key)

    def tick(self) -> None:
        if self.shard is not None:
            spoken = self.sound.speak()
            if spoken is not None:
                self._to_shard(wire.VOICE + spoken)
        packet = self.sound.sound()
        if packet is not None and self._remote is not None:
            with contextlib.suppress(OSError):
                self.socket.sendto(packet, self._remote)

    def _to_shard(self, datagram: bytes) -> None:
        if self.shard is not None:
            with contextlib.suppress(OSError):
                self._voices.sendto(self.token + datagram, self.shard)


def _tell(event: str, **more: Any) -> None:
    line = json.dumps({"event": event, **more}, separators=(",", ":")) + "\n"
    os.write(sys.stdout.fileno(), line.encode())


def main() -> None:
    """``worker HOST FIRST_PORT LAST_PORT``; ports 0 0: any."""
    host, first, last = sys.argv[1:4]
    ports = range(int(first), int(last) + 1) if int(first) else range(0)
    Worker(host, ports).run()


if __name__ == "__main__":
    main()
