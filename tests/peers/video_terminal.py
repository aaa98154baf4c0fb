"""A video terminal: the telephone of :mod:`tests.peers.telephone`, with GStreamer's camera and
screen (a process of its own: real encoder, RTP, RTCP, decoder).
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.peers.telephone import Telephone

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}
_NEAR = 60


class VideoTerminal(Telephone):
    """``colour`` is what its camera sees; ``shown`` what it decoded, newest last: width, height and
    the name of the colour in the middle.
    """

    def __init__(
        self,
        name: str,
        exchange_port: int,
        colour: str,
        *,
        size: tuple[int, int] = (320, 240),
        payload_type: int = 97,
        profile_level_id: str = "42e01f",
        parameters: str = ";packetization-mode=1;level-asymmetry-allowed=1",
        feedback: str = "a=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\n",
        bandwidth: str = "",
        direction: str = "sendrecv",
    ) -> None:
        super().__init__(name, exchange_port)
        self.shown: list[tuple[int, int, str]] = []
        self.forced = 0
        self.with_pictures = True
        self.direction = direction
        self.picture_port = 0
        self.remote_pictures = 0
        self._arguments = [colour, *map(str, size), str(payload_type)]
        self._format = (
            f"a=rtpmap:{payload_type} H264/90000\r\n"
            f"a=fmtp:{payload_type} profile-level-id={profile_level_id}{parameters}\r\n"
        )
        self._payload_type = payload_type
        self._feedback = feedback
        self._bandwidth = bandwidth
        self._changed = asyncio.Event()

    async def open(self) -> None:
        await super().open()
        self._process = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", str(Path(__file__).with_name("gstreamer_terminal.py")),
            *self._arguments, "constrained-baseline",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        first = await asyncio.wait_for(self._process.stdout.readline(), 30)
        self.picture_port = int(first.split()[1])
        self._watching = asyncio.create_task(self._watch())

    async def shut(self) -> None:
        """End the camera and the screen, and the telephone."""
        self.close()
        self._watching.cancel()
        self._process.kill()
        await self._process.wait()

    @property
    def sdp(self) -> str:
        if not self.with_pictures:
            return f"{super().sdp}m=video 0 RTP/AVP {self._payload_type}\r\n"
        return (
            f"{super().sdp}m=video {self.picture_port} RTP/AVP {self._payload_type}\r\n"
            f"{self._bandwidth}{self._format}{self._feedback}a={self.direction}\r\n"
        )

    def film(self, on: bool = True) -> None:
        """Send its picture to where the other side has said, or no more."""
        self._command(f"aim {self.remote_pictures}")
        self._command(f"film {int(on)}")

    async def until_shown(self, colour: str, limit_s: float = 30, after: int | None = None) -> int:
        """Wait for a picture of this colour that was decoded from now on (or since ``after``);
        gives how many had been before it.
        """
        seen = len(self.shown) if after is None else after
        async with asyncio.timeout(limit_s):
            while True:
                for index in range(seen, len(self.shown)):
                    if self.shown[index][2] == colour:
                        return index
                seen = len(self.shown)
                self._changed.clear()
                await self._changed.wait()

    def _command(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def _watch(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            words = line.split()
            if words[0] == b"shown":
                wide, high, *colour = map(int, words[1:])
                self.shown.append((wide, high, _name(colour)))
            elif words[0] == b"forced":
                self.forced += 1
            self._changed.set()

    def _take_sdp(self, message: str) -> None:
        super()._take_sdp(message)
        found = re.search(r"m=video (\d+)", self.remote_sdp)
        self.remote_pictures = int(found[1]) if found else 0


def _name(colour: list[int]) -> str:
    for name, known in COLOURS.items():
        if all(abs(one - other) < _NEAR for one, other in zip(colour, known, strict=True)):
            return name
    return "?"
