"""aiortc as sites: what one encodes, the other decodes."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer

from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.site_peer import SitePeer
from camera_adapters.webrtc.conference.source import Source
from tests.camera_adapters.webrtc.conference.conftest import Meeting


class Site:
    """An aiortc peer in the meeting."""

    def __init__(self, meeting: Meeting) -> None:
        self.client = RTCPeerConnection()
        self.peer: SitePeer
        self._meeting = meeting
        self._sources: dict[str, Source] = {}
        self._changed = asyncio.Event()

    def on_connected(self) -> None:
        """See SiteEvents."""

    def on_source(self, publication: Publication, source: Source) -> None:
        self._sources[publication.kind] = source
        self._changed.set()

    def on_closed(self, reason: str) -> None:
        """See SiteEvents."""

    async def join(self) -> None:
        await self.client.setLocalDescription(await self.client.createOffer())
        self.peer, answer = self._meeting.conference.answer(self.client.localDescription.sdp, self)
        await self.client.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def source(self, kind: str) -> Source:
        """What it sends, when its first packets are here."""
        async with asyncio.timeout(60):
            while kind not in self._sources:
                self._changed.clear()
                await self._changed.wait()
        return self._sources[kind]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.VP8])
async def test_aiortc_decodes_what_aiortc_sends(meeting: Meeting, codec: Codec) -> None:
    sender, watcher = Site(meeting), Site(meeting)
    player = MediaPlayer("testsrc2=size=320x240:rate=25", format="lavfi")
    camera = sender.client.addTransceiver(player.video, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    camera.setCodecPreferences([one for one in known if one.name.lower() == codec])
    tone = MediaPlayer("sine=frequency=440:sample_rate=48000", format="lavfi")
    sender.client.addTransceiver(tone.audio, direction="sendonly")
    receivers = [
        watcher.client.addTransceiver(kind, direction="recvonly").receiver
        for kind in ("video", "audio")
    ]
    try:
        await sender.join()
        await watcher.join()
        pictures, sounds = (receiver.track for receiver in receivers)
        picture, voice = watcher.peer.slots
        found = await sender.source("video")
        assert found.codec is codec
        picture.show(found)
        voice.show(await sender.source("audio"))
        async with asyncio.timeout(60):
            frames = [await pictures.recv() for _ in range(10)]
            samples = [await sounds.recv() for _ in range(10)]
        assert {(frame.width, frame.height) for frame in frames} == {(320, 240)}
        assert max(abs(one.to_ndarray()).max() for one in samples) > 1000
    finally:
        await sender.client.close()
        await watcher.client.close()
