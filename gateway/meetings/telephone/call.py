"""One call: its sound and pictures at the worker, its keys, its SIP dialog. Who holds it awaits
what it says.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

from camera_adapters.sip.incoming import IncomingRequest
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.session import SipError, SipSession
from gateway.identifiers import new_id
from gateway.meetings.telephone import call_sdp
from gateway.meetings.telephone.call_sdp import Agreed, NothingInCommon
from gateway.meetings.telephone.picture_sdp import Pictures
from gateway.meetings.telephone.voices import Voices

KEY_S = 20.0
_KEYS_LIMIT = 64
_SIGNAL = re.compile(rb"^\s*Signal\s*=\s*([0-9A-D*#])\s*$", re.IGNORECASE | re.MULTILINE)
_SDP = "application/sdp"
_CONTROL = "application/media_control+xml"
_WANTS_KEYFRAME = re.compile(rb"<\s*(?:\w+:)?picture_fast_update\b")
_PICTURE_FAST_UPDATE = (
    b'<?xml version="1.0" encoding="utf-8"?>\r\n<media_control><vc_primitive><to_encoder>'
    b"<picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n"
)
_NEWS_LIMIT = 16


class Over(Exception):
    """The call has ended, or is to end; why."""


class Call:
    """``caller`` is the other side's name; ``kbps`` what a terminal may send of pictures, 0: none.
    :meth:`open`, then :meth:`hold`; last :meth:`close`. ``news`` is for the media process: what
    was agreed about pictures (newest last), and that the terminal needs a keyframe.
    """

    def __init__(
        self, voices: Voices, caller: str, peer: Peer, media_host: str, kbps: int = 0
    ) -> None:
        self.id = new_id("tel")
        self.caller = caller
        self.peer = peer
        self.muted = False
        self.pictures: Pictures | None = None
        self.news: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_NEWS_LIMIT)
        self._kbps = kbps
        self._picture_port = 0
        self._asking: asyncio.Task[None] | None = None
        self._changing: asyncio.Task[None] | None = None
        self._voices = voices
        self._media_host = media_host
        self._port = 0
        self._version = 1
        self._keys: asyncio.Queue[str] = asyncio.Queue(_KEYS_LIMIT)
        self._session: SipSession | None = None
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def reach(self, peer: Peer, media_host: str) -> None:
        """Before :meth:`open`: where the other side turned out to be."""
        self.peer, self._media_host = peer, media_host

    async def open(self, agreed: Agreed | None, *, pictures: bool = False) -> bytes:
        """Have the sound carried; gives our description: the answer to what was offered, or an
        offer, with ``pictures`` or without. Raises NoVoice.

        Nothing is sent to where an offer says before :meth:`aim`: its sender may have forged it.
        """
        quiet = {**self._aim(agreed), "remote": None, "hosts": []}
        self._port = await self._voices.open(self.id, self._on_sound, **quiet)
        if pictures if agreed is None else agreed.pictures is not None:
            await self._have_pictures()
        if agreed is None:
            return call_sdp.offer(
                self._media_host, self._port, self._version, self._picture_port, self._kbps
            )
        return self._answer(agreed)

    def without_pictures(self) -> bytes:
        """Our offer once more, of sound alone: they could not make anything of the other."""
        self._kbps = self._picture_port = 0
        return call_sdp.offer(self._media_host, self._port, self._version)

    def aim(self, agreed: Agreed) -> None:
        """They are where they say: sound and pictures go there."""
        self._voices.say("aim", self.id, **self._aim(agreed))
        self.pictures = agreed.pictures if self._picture_port else None
        self.tell_pictures()

    def tell_pictures(self) -> None:
        """Say anew what is agreed about pictures."""
        pictures = self.pictures
        agreed = None if pictures is None else pictures.to_message()
        if agreed is not None:
            agreed["kbps"] = min(agreed["kbps"] or self._kbps, self._kbps)
        self._tell({"type": "pictures", "agreed": agreed})

    def ask_keyframe(self) -> None:
        """Have the terminal begin its picture anew (RFC 5168); one question at a time."""
        if self._session is not None and (self._asking is None or self._asking.done()):
            self._asking = asyncio.get_running_loop().create_task(self._ask_for_keyframe())

    def agree(self, body: bytes) -> None:
        """They have answered our offer. Raises NothingInCommon."""
        self.aim(call_sdp.read(body))

    def hold(self, session: SipSession) -> None:
        """The dialog stands."""
        self._session = session
        session.on_request = self._on_request
        session.on_end = self.end

    def end(self, reason: str) -> None:
        """It is over, for this reason; the first one counts."""
        if not self._over.done():
            self._over.set_result(reason)

    @property
    def ended(self) -> str | None:
        """Why it is over; None while it is not."""
        return self._over.result() if self._over.done() else None

    async def over(self) -> str:
        """Wait for the end; gives the reason."""
        return await asyncio.shield(self._over)

    async def key(self, within_s: float | None = None) -> str:
        """The next key. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            return await self._keys.get()

    async def ask(self, tone: str, digits: int) -> str:
        """Have so many digits, or some and ``#``, dialled behind a tone. ``*`` begins anew. Raises
        TimeoutError when no key comes for :data:`KEY_S`.
        """
        self.play(tone)
        found = ""
        while len(found) < digits:
            key = await self.key(KEY_S)
            if key == "*":
                found = ""
                self.play(tone)
            elif key == "#":
                break
            else:
                found += key
        return found

    def play(self, tone: str) -> None:
        """Let them hear one of the tones."""
        self._voices.say("play", self.id, tone=tone)

    def hush(self) -> None:
        """Of the tones that they were to hear, no more."""
        self._voices.say("hush", self.id)

    def mute(self, muted: bool) -> None:
        """Nothing of what they say leaves the worker."""
        self.muted = muted
        self._voices.say("mute", self.id, muted=muted)

    def link(self, shard: list[Any], token: bytes) -> None:
        """Their voice goes to a shard, and what that sends is heard."""
        self._voices.say("link", self.id, shard=shard, token=token.hex())

    def unlink(self) -> None:
        """Neither any more."""
        self._voices.say("unlink", self.id)

    async def close(self) -> None:
        """Hang up, if they have not. May be called twice."""
        self.end("closed")
        self._voices.close_call(self.id)
        for task in (self._asking, self._changing):
            if task is not None:
                task.cancel()
        if self._session is not None:
            await self._session.end()

    def _aim(self, agreed: Agreed | None) -> dict[str, Any]:
        if agreed is None:
            return {
                "codec": "PCMA", "payload_type": 8, "digits_type": call_sdp.OUR_DIGITS_TYPE,
                "hosts": [self.peer.host], "remote": None, "hears": True, "pictures": None,
            }  # fmt: skip
        pictures, shown, hosts = agreed.pictures, None, [agreed.host, self.peer.host]
        if pictures is not None and self._picture_port:
            hosts = [pictures.host, pictures.reports_host, *hosts]
            shown = {
                "remote": [pictures.host, pictures.port], "muxed": pictures.muxed,
                "reports": [pictures.reports_host, pictures.reports_port], "kbps": self._kbps,
            }  # fmt: skip
        return {
            "codec": agreed.codec, "payload_type": agreed.payload_type,
            "digits_type": agreed.digits_type, "hosts": hosts,
            "remote": [agreed.host, agreed.port], "hears": agreed.hears, "pictures": shown,
        }  # fmt: skip

    def _on_sound(self, event: str, detail: dict[str, Any]) -> None:
        if event == "digit":
            self._press(detail["key"])
        else:
            self.end("silent" if event == "silent" else "lost")

    def _press(self, key: str) -> None:
        if not self._keys.full():
            self._keys.put_nowait(key)

    def _on_request(self, incoming: IncomingRequest) -> None:
        request = incoming.request
        if request.method == "INFO":
            pressed = _SIGNAL.search(request.body)
            incoming.respond(200)
            if pressed is not None:
                self._press(pressed[1].decode().upper())
            elif _WANTS_KEYFRAME.search(request.body):
                self._tell({"type": "keyframe"})
        elif request.method == "INVITE":
            self._change(incoming)
        else:
            incoming.respond(501)

    def _change(self, incoming: IncomingRequest) -> None:
        """Held, taken up again, moved to another place or codec, with pictures or without."""
        try:
            agreed = call_sdp.read(incoming.request.body)
        except NothingInCommon:
            incoming.respond(488)
            return
        if self._changing is not None and not self._changing.done():
            # RFC 3261 §14.2: one offer at a time.
            incoming.respond(500, headers=[("Retry-After", "1")])
        elif agreed.pictures is not None and not self._picture_port:
            loop = asyncio.get_running_loop()
            self._changing = loop.create_task(self._change_with_pictures(incoming, agreed))
        else:
            self._answer_change(incoming, agreed)

    async def _change_with_pictures(self, incoming: IncomingRequest, agreed: Agreed) -> None:
        await self._have_pictures()
        self._answer_change(incoming, agreed)

    def _answer_change(self, incoming: IncomingRequest, agreed: Agreed) -> None:
        self._version += 1
        if incoming.change(body=self._answer(agreed), content_type=_SDP):
            self.aim(agreed)

    def _answer(self, agreed: Agreed) -> bytes:
        return call_sdp.answer(
            agreed, self._media_host, self._port, self._version, self._picture_port, self._kbps
        )

    async def _have_pictures(self) -> None:
        if self._kbps and not self._picture_port:
            self._picture_port = await self._voices.open_pictures(self.id)

    async def _ask_for_keyframe(self) -> None:
        assert self._session is not None
        with contextlib.suppress(SipError):
            await self._session.request("INFO", body=_PICTURE_FAST_UPDATE, content_type=_CONTROL)

    def _tell(self, news: dict[str, Any]) -> None:
        if self.news.full():
            # What is agreed must arrive; of wishes for keyframes the next one will.
            if news["type"] == "keyframe":
                return
            self.news.get_nowait()
        self.news.put_nowait(news)
