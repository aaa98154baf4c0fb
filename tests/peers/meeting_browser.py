"""A page of a meeting with aiortc's media: it sends a grey and tells which greys it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

from tests.peers.running_gateway import Gateway

_SLOTS = 2


class Colour(MediaStreamTrack):
    """Ten small pictures a second, all of one grey: whose they are is seen by it."""

    kind = "video"

    def __init__(self, grey: int) -> None:
        super().__init__()
        self._grey = grey
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(0.1)
        frame = av.VideoFrame.from_ndarray(
            np.full((120, 160, 3), self._grey, np.uint8), format="rgb24"
        )
        frame.pts, frame.time_base = self._count * 9000, fractions.Fraction(1, 90000)
        self._count += 1
        return frame


class Browser:
    """A page of a meeting with aiortc's media. ``greys`` and ``heard`` are what it was sent."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, grey: int) -> None:
        self.told: list[dict[str, Any]] = []
        self.greys: dict[str, list[int]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.heard = 0
        self.slots: list[str] = []
        self.ended: str | None = None
        self._grey = grey
        self._socket = socket
        self._changed = asyncio.Event()
        bundled = RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._connection = RTCPeerConnection(bundled)
        self._tasks = [asyncio.create_task(self._listen())]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def hears_of(self, kind: str) -> dict[str, Any]:
        await self.until(lambda: any(one["type"] == kind for one in self.told))
        return next(one for one in reversed(self.told) if one["type"] == kind)

    async def say(self, **message: Any) -> None:
        await self._socket.send_str(json.dumps(message))

    async def connect(self) -> None:
        connection = self._connection
        microphone = connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
        camera = connection.addTransceiver(Colour(self._grey), direction="sendonly")
        kinds = ["audio", *["video"] * _SLOTS]
        received = [connection.addTransceiver(kind, direction="recvonly") for kind in kinds]
        await connection.setLocalDescription(await connection.createOffer())
        await self.say(
            type="offer",
            sdp=connection.localDescription.sdp,
            sends={microphone.mid: "microphone", camera.mid: "camera"},
        )
        answer = await self.hears_of("answer")
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        for one in received:
            if one.kind == "video":
                self.slots.append(one.mid)
            self._tasks.append(asyncio.create_task(self._watch(one.mid, one.receiver.track)))
        await self.say(type="device", microphone=True, camera=True)

    async def look(self, *participant_ids: str | None) -> None:
        await self.say(
            type="view",
            tiles=[
                {"slot": slot, "participant_id": who, "kind": "camera", "height_px": 360}
                for slot, who in zip(self.slots, participant_ids, strict=False)
            ],
        )

    def saw(self, slot: int, grey: int) -> bool:
        """Whether the newest picture in a slot is of this grey, as far as codecs keep it."""
        seen = self.greys.get(self.slots[slot], [])
        return bool(seen) and abs(seen[-1] - grey) < 12

    def is_inside(self) -> bool:
        """Whether it sits in the room, and waits before no door."""
        rooms = [one for one in self.told if one["type"] == "room"]
        return bool(rooms) and rooms[-1]["you"]["state"] == "connected"

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.close()
        await self._socket.close()

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                said = json.loads(message.data)
                self.told.append(said)
                if said["type"] == "end":
                    self.ended = said["reason"]
                self._changed.set()
        self.ended = self.ended or "lost"
        self._changed.set()

    async def _watch(self, mid: str, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    grey = int(frame.to_ndarray(format="gray").mean())
                    self.greys.setdefault(mid, []).append(grey)
                    self.sizes[mid] = (frame.width, frame.height)
                else:
                    self.heard += 1
                self._changed.set()


@contextlib.asynccontextmanager
async def joined(
    gateway: Gateway, path: str, form: dict[str, Any], grey: int
) -> AsyncIterator[tuple[Browser, dict[str, Any]]]:
    """In the meeting, as a page gets there: tried again while the shard is coming back."""
    async with asyncio.timeout(60):
        while (tried := await _try(gateway, path, form)) is None:  # noqa: ASYNC110 - by HTTP
            await asyncio.sleep(0.2)
    socket, seat = tried
    browser = Browser(socket, grey)
    try:
        await browser.hears_of("room")
        yield browser, seat
    finally:
        await browser.close()


async def _try(
    gateway: Gateway, path: str, form: dict[str, Any]
) -> tuple[aiohttp.ClientWebSocketResponse, dict[str, Any]] | None:
    async with gateway.client.post(gateway.url + path, json=form) as response:
        if response.status != 200:
            return None
        seat = await response.json()
    try:
        return await gateway.client.ws_connect(gateway.url + seat["url"]), seat
    except aiohttp.ClientError:
        return None
