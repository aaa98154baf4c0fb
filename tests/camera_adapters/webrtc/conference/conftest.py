"""A shard's conference on loopback, and sites that are connected to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.conference import ACCEPTED, Conference
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.site_peer import SitePeer
from camera_adapters.webrtc.conference.slot import Slot
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.output import WebRtcOutput
from tests.peers.meeting_site import MeetingSite


class Site:
    """A connected site: ``client`` is its own end, ``peer`` ours."""

    def __init__(
        self, conference: Conference, client: MeetingSite, accepted: Sequence[Codec]
    ) -> None:
        self.client = client
        self.connected = False
        self.sources: list[tuple[Publication, Source]] = []
        self.closed: list[str] = []
        self._changed = asyncio.Event()
        self.peer: SitePeer
        self.peer, self.answer = conference.answer(client.offer, self, accepted=accepted)

    def on_connected(self) -> None:
        self.connected = True
        self._changed.set()

    def on_source(self, publication: Publication, source: Source) -> None:
        self.sources.append((publication, source))
        self._changed.set()

    def on_closed(self, reason: str) -> None:
        self.closed.append(reason)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true by what the peer tells."""
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def source(self, mid: str, rid: str = "") -> Source:
        """The source of that name, when it is here."""

        def found() -> list[Source]:
            return [one for of, one in self.sources if (of.mid, one.rid) == (mid, rid)]

        await self.until(lambda: bool(found()))
        return found()[0]

    def slot(self, mid: str) -> Slot:
        """The slot of that name."""
        return next(one for one in self.peer.slots if one.mid == mid)

    def publication(self, mid: str) -> Publication:
        """What it sends in that section."""
        return next(one for one in self.peer.publications if one.mid == mid)


class Meeting:
    """Where sites join."""

    def __init__(self) -> None:
        self.output = WebRtcOutput.open()
        self.conference = Conference(
            self.output.mux,
            self.output.identity,
            self.output.wheel,
            self.output.scratch,
            SteadyClock().now_us,
        )

    async def join(
        self, client: MeetingSite | None = None, *, accepted: Sequence[Codec] = ACCEPTED
    ) -> Site:
        """A site, connected."""
        site = Site(self.conference, client or MeetingSite(), accepted)
        await site.client.connect(site.answer)
        await site.until(lambda: site.connected)
        return site


@pytest.fixture
async def meeting() -> AsyncIterator[Meeting]:
    """See Meeting."""
    one = Meeting()
    yield one
    one.conference.close()
    one.output.close()


async def settled(condition: Callable[[], bool]) -> None:
    """Until ``condition()`` holds, turning the loop."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
