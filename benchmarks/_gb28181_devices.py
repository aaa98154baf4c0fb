"""Part of ``benchmarks.gb28181``: thousands of devices in one process, each with its own socket.

Written without the project's SIP modules, as small as a device can be: REGISTER with digest,
retransmission, Keepalive, and an answer to what a platform asks. Given its commands on stdin as
JSON lines, it answers with JSON lines on stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import json
import re
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

DOMAIN = "3402000000"
PLATFORM = "34020000002000000001"
PASSWORD = "12345678a"

_NONCE = re.compile(rb'nonce="([^"]+)"')
_ECHOED = re.compile(rb"^(?:Via|From|Call-ID|CSeq): [^\r]*\r\n", re.MULTILINE | re.IGNORECASE)
_TO = re.compile(rb"^To: [^\r]*", re.MULTILINE | re.IGNORECASE)
_SN = re.compile(rb"<SN>(\d+)</SN>")
_COMMAND = re.compile(rb"<CmdType>(\w+)</CmdType>")


def code_of(number: int) -> str:
    """The code of a device."""
    return f"340200000013200{number:05}"


@dataclass(slots=True)
class Device:
    """One device and what it waits for."""

    number: int
    code: str
    socket: socket.socket
    state: str = "new"
    message: bytes = b""
    interval_s: float = 0.5
    serial: int = 0
    cseq: int = 0
    asked_cseq: int = 0


class Devices:
    """All of them, on one loop."""

    def __init__(self, count: int, port: int) -> None:
        self.platform = ("127.0.0.1", port)
        self.loop = asyncio.get_running_loop()
        self.devices: list[Device] = []
        self.timers: list[tuple[float, int, int]] = []
        self.registered = 0
        self.all_registered = asyncio.Event()
        self.kept_alive = 0
        self.retransmissions = 0
        self.refused = 0
        self.steered: asyncio.Queue[float] = asyncio.Queue()
        for number in range(count):
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            own.setblocking(False)
            own.bind(("127.0.0.1", 0))
            own.connect(self.platform)
            device = Device(number, code_of(number), own)
            self.devices.append(device)
            self.loop.add_reader(own.fileno(), self._readable, device)

    def _headers(self, device: Device, method: str, call: str) -> str:
        port = device.socket.getsockname()[1]
        own = f"<sip:{device.code}@{DOMAIN}>"
        to = own if method == "REGISTER" else f"<sip:{PLATFORM}@{DOMAIN}>"
        device.cseq += 1
        return (
            f"{method} sip:{PLATFORM}@{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;"
            f"branch=z9hG4bK{device.number}x{device.cseq}\r\n"
            f"From: {own};tag={device.number}\r\nTo: {to}\r\nCall-ID: {call}{device.number}\r\n"
            f"CSeq: {device.cseq} {method}\r\nMax-Forwards: 70\r\n"
        )

    def register(self, device: Device, nonce: str = "") -> None:
        port = device.socket.getsockname()[1]
        head = self._headers(device, "REGISTER", "register")
        head += f"Contact: <sip:{device.code}@127.0.0.1:{port}>\r\nExpires: 86400\r\n"
        if nonce:
            uri = f"sip:{PLATFORM}@{DOMAIN}"
            secret = _md5(f"{device.code}:{DOMAIN}:{PASSWORD}")
            answer = _md5(f"{secret}:{nonce}:00000001:c:auth:{_md5(f'REGISTER:{uri}')}")
            head += (
                f'Authorization: Digest username="{device.code}", realm="{DOMAIN}", '
                f'nonce="{nonce}", uri="{uri}", response="{answer}", algorithm=MD5, '
                'qop=auth, nc=00000001, cnonce="c"\r\n'
            )
        device.state = "proving" if nonce else "registering"
        self._send(device, (head + "Content-Length: 0\r\n\r\n").encode())

    def keepalive(self, device: Device) -> None:
        device.state = "alive?"
        self._send(device, self._message(device, "Notify", "Keepalive", "<Status>OK</Status>"))

    def alarm(self, device: Device, kind: int) -> float:
        """Tell an alarm of the camera; gives when."""
        method, number = _ALARMS[kind]
        rest = (
            f"<AlarmPriority>1</AlarmPriority><AlarmMethod>{method}</AlarmMethod>"
            f"<Info><AlarmType>{number}</AlarmType></Info>"
        )
        device.state = "alive?"
        message = self._message(device, "Notify", "Alarm", rest)
        channel = _channel(device.code)
        body = message.replace(
            f"<DeviceID>{device.code}<".encode(), f"<DeviceID>{channel}<".encode()
        )
        self._send(device, body)
        return time.time()

    def _message(
        self, device: Device, category: str, command: str, rest: str, number: str = ""
    ) -> bytes:
        device.serial += 1
        lines = (
            '<?xml version="1.0" encoding="GB2312"?>',
            f"<{category}>",
            f"<CmdType>{command}</CmdType>",
            f"<SN>{number or device.serial}</SN>",
            f"<DeviceID>{device.code}</DeviceID>",
            rest,
            f"</{category}>",
        )
        body = "\r\n".join(lines)
        head = self._headers(device, "MESSAGE", f"m{device.serial}x")
        head += f"Content-Type: Application/MANSCDP+xml\r\nContent-Length: {len(body)}\r\n\r\n"
        return (head + body).encode()

    def _send(self, device: Device, message: bytes) -> None:
        device.message, device.interval_s = message, 0.5
        device.asked_cseq = device.cseq
        self._put(device, message)
        heapq.heappush(self.timers, (self.loop.time() + 0.5, device.number, device.cseq))

    def _put(self, device: Device, message: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            device.socket.send(message)

    async def repeat(self) -> None:
        """Retransmit what is not answered (RFC 3261 timer E)."""
        while True:
            await asyncio.sleep(0.02)
            now = self.loop.time()
            while self.timers and self.timers[0][0] <= now:
                _, number, cseq = heapq.heappop(self.timers)
                device = self.devices[number]
                if device.message and device.asked_cseq == cseq:
                    self.retransmissions += 1
                    self._put(device, device.message)
                    device.interval_s = min(4.0, 2 * device.interval_s)
                    heapq.heappush(self.timers, (now + device.interval_s, number, cseq))

    def _readable(self, device: Device) -> None:
        try:
            data = device.socket.recv(65_536)
        except OSError:
            return
        if data.startswith(b"SIP/2.0"):
            self._answered(device, data)
        else:
            self._asked(device, data)

    def _answered(self, device: Device, data: bytes) -> None:
        status = data[8:11]
        if b"CSeq: %d " % device.asked_cseq not in data:
            return  # the answer to a retransmission of what was answered before
        if b"REGISTER" in data:
            if status == b"401" and device.state == "registering":
                nonce = _NONCE.search(data)
                assert nonce is not None
                self.register(device, nonce[1].decode())
            elif status == b"200" and device.state == "proving":
                device.state, device.message = "registered", b""
                self.registered += 1
                if self.registered == len(self.devices):
                    self.all_registered.set()
            elif status not in (b"401", b"200"):
                self.refused += 1
        elif device.state == "alive?" and status == b"200":
            device.state, device.message = "registered", b""
            self.kept_alive += 1

    def _asked(self, device: Device, data: bytes) -> None:
        to = _TO.search(data)
        if to is None or data.startswith(b"ACK"):
            return
        answer = b"SIP/2.0 200 OK\r\n" + b"".join(_ECHOED.findall(data))
        answer += to[0] + (b"" if b";tag=" in to[0] else b";tag=d") + b"\r\n"
        if data.startswith(b"SUBSCRIBE"):
            answer += f"Contact: <sip:{device.code}@127.0.0.1>\r\nExpires: 3600\r\n".encode()
        self._put(device, answer + b"Content-Length: 0\r\n\r\n")
        if b"PTZCmd" in data:
            self.steered.put_nowait(time.perf_counter())
        number, command = _SN.search(data), _COMMAND.search(data)
        if number is None or command is None or b"<Query>" not in data:
            return
        rest = _ANSWERS.get(command[1].decode())
        if rest is not None:
            text = rest.replace("CODE", device.code).replace("CHANNEL", _channel(device.code))
            reply = self._message(device, "Response", command[1].decode(), text, number[1].decode())
            self._put(device, reply)


# AlarmMethod and AlarmType: tampering, lost video, a faulty disk, a call for help.
_ALARMS = ((2, 2), (2, 1), (6, 1), (1, 0))

_ANSWERS = {
    "DeviceInfo": "<Result>OK</Result><Manufacturer>Bench</Manufacturer><Model>1</Model>",
    "DeviceStatus": "<Result>OK</Result><Online>ONLINE</Online><Status>OK</Status>",
    "Catalog": '<SumNum>1</SumNum><DeviceList Num="1"><Item><DeviceID>CHANNEL</DeviceID>'
    "<Name>Camera</Name><ParentID>CODE</ParentID><Status>ON</Status></Item></DeviceList>",
}


def _channel(code: str) -> str:
    return code[:10] + "131" + code[13:]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


async def _main(count: int, port: int) -> None:
    devices = Devices(count, port)
    repeating = asyncio.create_task(devices.repeat())
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    _say({"ready": True})
    async for line in commands:
        command: dict[str, Any] = json.loads(line)
        if command["do"] == "register":
            started = time.perf_counter()
            for device in devices.devices:
                devices.register(device)
                if device.number % 50 == 49:
                    await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(command["within_s"]):
                    await devices.all_registered.wait()
            _say(
                {
                    "registered": devices.registered,
                    "took_s": time.perf_counter() - started,
                    "retransmissions": devices.retransmissions,
                    "refused": devices.refused,
                }
            )
        elif command["do"] == "keep_alive":
            before, again = devices.kept_alive, devices.retransmissions
            interval_s = command["every_s"] / count
            started = time.perf_counter()
            sent = 0
            while time.perf_counter() - started < command["for_s"]:
                due = int((time.perf_counter() - started) / interval_s)
                while sent < due:
                    devices.keepalive(devices.devices[sent % count])
                    sent += 1
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.0)
            _say(
                {
                    "sent": sent,
                    "answered": devices.kept_alive - before,
                    "retransmissions": devices.retransmissions - again,
                }
            )
        elif command["do"] == "alarm":
            _say({"at_s": devices.alarm(devices.devices[command["number"]], 0)})
        elif command["do"] == "storm":
            before, started, sent = devices.kept_alive, time.perf_counter(), 0
            telling = deque(devices.devices[command["first"] :])
            told = [0] * count
            while (elapsed_s := time.perf_counter() - started) < command["for_s"]:
                while sent < int(elapsed_s * command["per_s"]):
                    # Each waits for the answer to what it told before, and nobody for another.
                    for _ in range(len(telling)):
                        device = telling[0]
                        telling.rotate(-1)
                        if device.state == "registered":
                            break
                    else:
                        break
                    devices.alarm(device, told[device.number] % len(_ALARMS))
                    told[device.number] += 1
                    sent += 1
                await asyncio.sleep(0.005)
            last_s = time.time()
            for _ in range(600):
                if devices.kept_alive - before >= sent:
                    break
                await asyncio.sleep(0.05)
            answered = devices.kept_alive - before
            _say({"sent": sent, "answered": answered, "last_s": last_s})
        elif command["do"] == "steered":
            try:
                async with asyncio.timeout(5):
                    _say({"at_s": await devices.steered.get()})
            except TimeoutError:
                _say({"at_s": None})
    repeating.cancel()


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
