"""A terminal's screen between feeds: when it goes over, and what it does not show."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from camera_adapters.rtp import packetise_h264
from camera_adapters.stream import AccessUnit, Codec, Stream, Track, Variant
from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.distribution import VIDEO, Distribution
from camera_adapters.webrtc.fan_out import FanOut
from camera_adapters.webrtc.packet_batch import PAYLOAD_SIZE_LIMIT, PacketBatch, runs_of_payloads
from camera_adapters.webrtc.wheel import Wheel
from gateway.meetings.telephone.screen import Screen
from gateway.meetings.telephone.shown_format import ShownFormat
from tests.gateway.meetings.a_shard import parameter_sets

FORMAT = ShownFormat(97, 0, 3600, 14_000, 1, 31)
KBPS = 1000


class Feed:
    """Pictures as a test wants them; ``asked`` counts the wishes for keyframes."""

    def __init__(self, name: int, wheel: Wheel, codec: Codec = Codec.H264) -> None:
        self.asked = 0
        self.distribution = Distribution(BatchLog(1 << 22, 75), wheel, self.want_keyframe)
        self._name = name
        self._codec = codec
        self._time = 0

    def codec_of(self, kind: str) -> Codec | None:
        return self._codec

    def want_keyframe(self) -> None:
        self.asked += 1

    def picture(self, *, keyframe: bool = False, size: int = 40) -> None:
        self._time += 3600
        slice_ = bytes((0x65 if keyframe else 0x41, 0x88, self._name)) + bytes(size)
        unit = len(slice_).to_bytes(4, "big") + slice_
        sets = parameter_sets(320, 176) if keyframe else ()
        payloads = packetise_h264.payloads(unit, sets, PAYLOAD_SIZE_LIMIT)
        runs = runs_of_payloads(payloads, marker=True)
        self.distribution.append(PacketBatch(VIDEO, self._time, keyframe, runs))
        self.distribution.send()


@dataclass
class Watched:
    """A screen, and the packets that it was sent."""

    wheel: Wheel
    packets: list[bytes] = field(default_factory=list)
    whys: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.screen = Screen(self.packets.append, lambda: self.whys.append(self.screen.why))
        self.screen.agree((FORMAT,), KBPS)

    def shown(self) -> list[int]:
        """Whose pictures came, in order: the names of the feeds."""
        return [one[14] for one in self.packets if one[12] & 31 in (1, 5)]

    async def settled(self, count: int) -> None:
        """Wait for so many whole pictures."""
        async with asyncio.timeout(10):
            while sum(one[1] > 127 for one in self.packets) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
async def watched() -> Watched:
    return Watched(Wheel())


async def test_a_gop_that_has_just_begun_is_shown_from_its_beginning(watched: Watched) -> None:
    feed = Feed(1, watched.wheel)
    feed.picture(keyframe=True)
    feed.picture()
    assert watched.screen.show(feed)
    await watched.settled(2)
    assert feed.asked == 0
    assert watched.screen.showing is feed


async def test_of_an_older_gop_nothing_is_sent_and_a_keyframe_is_asked_for(
    watched: Watched,
) -> None:
    feed = Feed(1, watched.wheel)
    feed.picture(keyframe=True)
    for _ in range(20):
        feed.picture()
    watched.screen.show(feed)
    feed.picture()
    assert feed.asked
    assert watched.packets == []
    feed.picture(keyframe=True)
    feed.picture()
    await watched.settled(2)
    assert watched.shown() == [1, 1]


async def test_the_old_picture_stays_until_the_new_one_has_a_keyframe(watched: Watched) -> None:
    first, second = Feed(1, watched.wheel), Feed(2, watched.wheel)
    first.picture(keyframe=True)
    watched.screen.show(first)
    watched.screen.show(second)
    second.picture()
    first.picture()
    await watched.settled(2)
    assert watched.screen.showing is first
    assert watched.screen.wanted is second
    second.picture(keyframe=True)
    first.picture()
    second.picture()
    await watched.settled(4)
    assert watched.shown() == [1, 1, 2, 2]
    assert not first.distribution.wanted


async def test_who_changes_back_before_a_keyframe_sees_no_change(watched: Watched) -> None:
    first, second = Feed(1, watched.wheel), Feed(2, watched.wheel)
    first.picture(keyframe=True)
    watched.screen.show(first)
    watched.screen.show(second)
    watched.screen.show(first)
    second.picture(keyframe=True)
    first.picture()
    await watched.settled(2)
    assert watched.shown() == [1, 1]
    assert not second.distribution.wanted


async def test_a_feed_that_ends_leaves_an_empty_screen(watched: Watched) -> None:
    feed = Feed(1, watched.wheel)
    feed.picture(keyframe=True)
    watched.screen.show(feed)
    await watched.settled(1)
    feed.distribution.close("left")
    assert watched.screen.showing is None
    assert watched.screen.rtp_time(asyncio.get_running_loop().time()) is None


async def test_what_is_faster_than_the_terminal_takes_is_not_sent_on_for_a_while(
    watched: Watched,
) -> None:
    feed = Feed(1, watched.wheel)
    feed.picture(keyframe=True)
    watched.screen.show(feed)
    for second in range(3):
        for _ in range(25):
            feed.picture(size=KBPS * 1000 // 8 // 25 * 2)
        await watched.settled(1 + 25 * (second + 1))
        watched.screen.second(asyncio.get_running_loop().time() + second)
    assert watched.whys == ["rate"]
    assert watched.screen.showing is None
    assert not watched.screen.show(feed)


async def test_a_burst_is_sent_on(watched: Watched) -> None:
    feed = Feed(1, watched.wheel)
    feed.picture(keyframe=True, size=KBPS * 1000 // 8 * 2)
    watched.screen.show(feed)
    for second in range(5):
        feed.picture()
        await asyncio.sleep(0.02)
        watched.screen.second(asyncio.get_running_loop().time() + second)
    assert watched.screen.showing is feed


async def test_what_a_terminal_loses_makes_it_get_less_and_more_again_later(
    watched: Watched,
) -> None:
    limits = []
    for fraction in [0.3] * 20 + [0.05] * 50 + [0.0] * 100:
        watched.screen.note_loss(fraction)
        assert watched.screen.limit is not None
        limits.append(watched.screen.limit.bps)
    assert limits[0] == KBPS * 1000
    assert limits[19] == limits[69] == KBPS * 1000 // 8
    assert limits[-1] == KBPS * 1000


async def test_other_codecs_are_not_shown(watched: Watched) -> None:
    assert not watched.screen.show(Feed(1, watched.wheel, Codec.VP8))
    assert watched.screen.why == "codec"
    watched.screen.show(None)
    assert watched.screen.why is None


async def test_a_camera_of_the_gateway_is_shown_if_its_profile_is_one_of_the_terminals(
    watched: Watched,
) -> None:
    sps, pps = parameter_sets(320, 176)
    for profile, why in ((66, None), (100, "profile")):
        stream = Stream("cam", Variant.MAIN)
        camera = FanOut(stream, watched.wheel)
        sets = (bytes((sps[0], profile)) + sps[2:], pps)
        stream.start_run((Track("video", Codec.H264, 90_000, sets, 320, 176),))
        assert watched.screen.show(camera) == (why is None)
        assert watched.screen.why == why
        before = len(watched.packets)
        slice_ = b"\x65\x88\x07" + bytes(60)
        unit = len(slice_).to_bytes(4, "big") + slice_
        stream.publish(AccessUnit(0, unit, 3000, 3000, True, 0))
        if why is None:
            await watched.settled(1)
            assert watched.shown() == [7]
        assert (len(watched.packets) > before) == (why is None)
        camera.close()
        stream.close()


@pytest.mark.parametrize(
    ("level", "macroblocks", "written"),
    [(13, 396, 13), (31, 3600, 31), (40, 8192, 31), (12, 3600, 12), (10, 3600, 31)],
)
async def test_small_pictures_bear_a_level_that_the_terminal_takes(
    watched: Watched, level: int, macroblocks: int, written: int
) -> None:
    # The camera writes 3.1; a picture of 320 x 176 needs level 1.1.
    stream = Stream("cam", Variant.MAIN)
    camera = FanOut(stream, watched.wheel)
    sets = parameter_sets(320, 176)
    stream.start_run((Track("video", Codec.H264, 90_000, sets, 320, 176),))
    watched.screen.agree((ShownFormat(97, 0, macroblocks, 14_000, 1, level),), KBPS)
    assert watched.screen.show(camera)
    slice_ = b"\x65\x88\x07" + bytes(60)
    unit = len(slice_).to_bytes(4, "big") + slice_
    stream.publish(AccessUnit(0, unit, 3000, 3000, True, 0))
    await watched.settled(1)
    sent = b"".join(watched.packets)
    at = sent.index(sets[0][:3])
    assert sent[at + 3] == written
    assert sent[at + 4 : at + len(sets[0])] == sets[0][4:]
    camera.close()
    stream.close()


async def test_a_terminal_that_holds_the_line_is_sent_nothing_until_it_takes_it_up(
    watched: Watched,
) -> None:
    feed = Feed(1, watched.wheel)
    feed.picture(keyframe=True)
    watched.screen.show(feed)
    watched.screen.agree((), 0)
    feed.picture()
    assert watched.screen.showing is None
    assert not watched.screen.show(feed)
    watched.screen.agree((FORMAT,), KBPS)
    assert watched.screen.show(feed)
    feed.picture(keyframe=True)
    await watched.settled(3)
    numbers = [int.from_bytes(one[2:4], "big") for one in watched.packets]
    assert numbers == [(numbers[0] + step) & 0xFFFF for step in range(len(numbers))]
