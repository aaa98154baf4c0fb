"""A telephone made of independent parts: its SIP is written by hand, its G.711 is PyAV's.

It calls or is called, presses keys, says a tone, and knows the tone that it hears.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import struct
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame

_RTP = struct.Struct(">BBHII")
_numbers = itertools.count(1)


class Telephone(asyncio.DatagramProtocol):
    """``name`` is who calls. Open it with :meth:`open`; everything is on 127.0.0.1."""

    def __init__(self, name: str, exchange_port: int) -> None:
        self.name = name
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.heard: list[bytes] = []
        self.remote_sound: tuple[str, int] | None = None
        self.acknowledges = True
        self._exchange = ("127.0.0.1", exchange_port)
        self._decoder: Any = av.CodecContext.create("pcm_alaw", "r")
        self._decoder.sample_rate, self._decoder.layout = 8000, "mono"
        self._encoder: Any = av.CodecContext.create("pcm_alaw", "w")
        self._encoder.sample_rate = 8000
        self._encoder.layout, self._encoder.format = "mono", "s16"
        self._call_id = secrets.token_hex(8)
        self._tag = secrets.token_hex(4)
        self._to = ""
        self._uri = ""
        self._cseq = 0
        self._sequence = 0
        self._timestamp = 1000
        self._talking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._sip, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._sound, _ = await loop.create_datagram_endpoint(
            lambda: _Ear(self.heard), local_addr=("127.0.0.1", 0)
        )
        self.port = int(self._sip.get_extra_info("sockname")[1])
        self._sound_port = int(self._sound.get_extra_info("sockname")[1])

    def close(self) -> None:
        if self._talking is not None:
            self._talking.cancel()
        self._sip.close()
        self._sound.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = data.decode()
        if message.startswith(("BYE", "INFO")):
            names = ("Via", "From", "To", "Call-ID", "CSeq")
            fields = [f"{name}: {_field(message, name)}" for name in names]
            text = "\r\n".join(["SIP/2.0 200 OK", *fields, "Content-Length: 0", "", ""])
            self._sip.sendto(text.encode(), addr)
        self.said.put_nowait(message)

    @property
    def sdp(self) -> str:
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self._sound_port} RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\n"
            "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n"
        )

    async def call(self, user: str, body: str | None = None, more: str = "") -> int:
        """INVITE; gives the final status, acknowledged."""
        self._uri = f"sip:{user}@127.0.0.1:{self._exchange[1]}"
        return await self.invite(body, more)

    async def invite(self, body: str | None = None, more: str = "") -> int:
        """The next INVITE: a re-INVITE when the call stands."""
        self._cseq += 1
        self._request("INVITE", self.sdp if body is None else body, more=more)
        while True:
            answer = await asyncio.wait_for(self.said.get(), 30)
            if f"CSeq: {self._cseq} INVITE" not in answer or not answer.startswith("SIP/2.0"):
                continue
            status = int(answer.split()[1])
            if status < 200:
                continue
            self.answer = answer
            before, self._to = self._to, _field(answer, "To")
            if self.acknowledges:
                self._request("ACK", "")
            if status == 200:
                self._take_sdp(answer)
            else:
                self._to = before
            return status

    async def ring(self, status: str = "200 OK") -> str:
        """Await their INVITE and answer; gives the INVITE."""
        while True:
            invite = await asyncio.wait_for(self.said.get(), 30)
            if invite.startswith("INVITE"):
                break
        body = self.sdp if status.startswith("200") else ""
        lines = [f"SIP/2.0 {status}", *re.findall(r"^Via: .*$", invite, re.MULTILINE)]
        lines += [f"From: {_field(invite, 'From')}", f"To: {_field(invite, 'To')};tag={self._tag}"]
        lines += [f"Call-ID: {_field(invite, 'Call-ID')}", f"CSeq: {_field(invite, 'CSeq')}"]
        lines += [f"Contact: <sip:{self.name}@127.0.0.1:{self.port}>"]
        lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}", "", body]
        text = "\r\n".join(line.strip("\r") for line in lines[:-1]) + "\r\n" + body
        self._sip.sendto(text.encode(), self._exchange)
        if body:
            self._take_sdp(invite)
            # The dialog is theirs from here on, as seen from the side that was called.
            self._call_id, self._to = _field(invite, "Call-ID"), _field(invite, "From")
            contact = re.search(r"<(.*?)>", _field(invite, "Contact"))
            assert contact is not None
            self._uri = contact[1]
        return invite

    async def hears(self, start: str) -> str:
        """Await a message of theirs that begins so."""
        while True:
            message = await asyncio.wait_for(self.said.get(), 30)
            if message.startswith(start):
                return message

    def hang_up(self) -> None:
        self._cseq += 1
        self._request("BYE", "")

    def inform(self, content_type: str, body: str) -> None:
        """INFO with this body."""
        self._cseq += 1
        self._request("INFO", body, content_type=content_type)

    def register(self, expires_s: int, authorization: str = "") -> None:
        self._cseq += 1
        self._uri = f"sip:127.0.0.1:{self._exchange[1]}"
        more = f"Expires: {expires_s}\r\n{authorization}"
        self._request("REGISTER", "", to=f"<sip:{self.name}@127.0.0.1>", more=more)

    def press(self, keys: str, payload_type: int = 96) -> None:
        """RFC 4733: three packets of the press, three of its end."""
        for key in keys:
            event = "0123456789*#ABCD".index(key)
            self._timestamp += 1600
            for number in range(6):
                end = 0x80 if number >= 3 else 0
                payload = struct.pack(">BBH", event, end | 10, 160 * (number + 1))
                self._send(payload_type, payload)

    def talk(self, hertz: float) -> None:
        """Say this tone from now on."""
        self._talking = asyncio.get_running_loop().create_task(self._talk(hertz))

    def sound(self, last_packets: int) -> Any:
        """The samples that were heard last."""
        sound = b"".join(packet[12:] for packet in self.heard[-last_packets:])
        if not sound:
            return np.zeros(0)
        frames = self._decoder.decode(av.Packet(sound))
        return np.concatenate([one.to_ndarray().reshape(-1) for one in frames]).astype(float)

    def tone(self, last_packets: int = 40) -> dict[int, float]:
        """What was heard last: how much of each of a few frequencies, 1.0 for all of it."""
        return strengths(self.sound(last_packets), 8000)

    async def until_tone(self, hertz: int, share: float = 0.5) -> None:
        """Wait until this tone is most of what is heard."""
        async with asyncio.timeout(30):
            while self.tone().get(hertz, 0.0) < share:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def _talk(self, hertz: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in itertools.count():
            at = np.arange(160) + 160 * number
            samples = (9000 * np.sin(2 * np.pi * hertz * at / 8000)).astype(np.int16)
            frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate = 8000
            self._timestamp += 160
            self._send(8, b"".join(bytes(one) for one in self._encoder.encode(frame)))
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _send(self, payload_type: int, payload: bytes) -> None:
        assert self.remote_sound is not None
        self._sequence += 1
        head = _RTP.pack(0x80, payload_type, self._sequence & 0xFFFF, self._timestamp, 77)
        self._sound.sendto(head + payload, self.remote_sound)

    def _take_sdp(self, message: str) -> None:
        body = message.partition("\r\n\r\n")[2]
        self.remote_sdp = body
        found = re.search(r"m=audio (\d+)", body)
        assert found is not None
        self.remote_sound = ("127.0.0.1", int(found[1]))

    def _request(
        self,
        method: str,
        body: str,
        *,
        to: str = "",
        more: str = "",
        content_type: str = "application/sdp",
    ) -> None:
        branch = f"z9hG4bK{next(_numbers)}x{secrets.token_hex(4)}"
        kind = f"Content-Type: {content_type}\r\n" if body else ""
        text = (
            f"{method} {self._uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch={branch}\r\n"
            f"From: <sip:{self.name}@127.0.0.1>;tag={self._tag}\r\n"
            f"To: {to or self._to or f'<{self._uri}>'}\r\n"
            f"Call-ID: {self._call_id}\r\nCSeq: {self._cseq} {method}\r\nMax-Forwards: 70\r\n"
            f"Contact: <sip:{self.name}@127.0.0.1:{self.port}>\r\n{more}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._sip.sendto(text.encode(), self._exchange)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, heard: list[bytes]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._heard.append(data)


def strengths(samples: Any, rate: int) -> dict[int, float]:
    """The share of the sound that lies at each multiple of 100 Hz; empty in silence."""
    if not len(samples) or np.abs(samples).max() < 500:
        return {}
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / rate)
    whole = float(power.sum())
    return {
        hertz: float(power[np.abs(at - hertz) < 25].sum()) / whole
        for hertz in range(100, 3600, 100)
    }


def _field(message: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*?)\r?$", message, re.MULTILINE)
    assert found is not None, message
    return found[1]
