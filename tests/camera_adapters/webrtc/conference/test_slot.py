"""A slot goes from feed to feed; its receiver sees one stream without a gap."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Iterator

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from camera_adapters.stream import Codec
from camera_adapters.webrtc import wheel as wheel_module
from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.conference.answer import SlotFormat, SlotSection
from camera_adapters.webrtc.conference.slot import Slot
from camera_adapters.webrtc.distribution import AUDIO, VIDEO, Distribution
from camera_adapters.webrtc.header_extensions import SEND_TIME_URI
from camera_adapters.webrtc.packet_batch import PacketBatch, Scratch, runs_of_payloads
from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpKeys, SrtpSession
from camera_adapters.webrtc.udp_mux import UdpSocket
from camera_adapters.webrtc.wheel import Wheel

H264_TYPE, VP8_TYPE, AGAIN_TYPE = 96, 98, 97
BLOCK = (b"\xbe\xde\x00\x03" + b"\x22\0\0\0" + b"\x40v").ljust(16, b"\0")
NUMBER_BYTES = 4


@pytest.fixture(scope="module", autouse=True)
def unhurried() -> Iterator[None]:
    """What is to be sent is sent at once, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheel_module, "TURN_S", 60.0)
        yield


class Feed:
    """A feed that a test fills; pictures carry the feed's name and a number."""

    def __init__(self, name: int, wheel: Wheel, codec: Codec) -> None:
        self.name = name
        self.codec = codec
        self.wanted = 0
        log = BatchLog(1 << 20, 10)
        self.distribution = Distribution(log, wheel, self.want_keyframe)
        self._kind = AUDIO if codec is Codec.OPUS else VIDEO
        self._number = 0

    def codec_of(self, kind: str) -> Codec | None:
        return self.codec if (kind == "audio") == (self._kind == AUDIO) else None

    def want_keyframe(self) -> None:
        self.wanted += 1

    def publish(self, *, keyframe: bool, packets: int = 1, ahead_90k: int = 0) -> None:
        now_s = self.distribution.now_s()
        time_90k = self.distribution.now_90k(now_s) + ahead_90k
        head = bytes((self.name, keyframe)) + self._number.to_bytes(NUMBER_BYTES, "big")
        self._number += 1
        payloads = [(head, bytes(500)) for _ in range(packets)]
        batch = PacketBatch(self._kind, time_90k, keyframe, runs_of_payloads(payloads, marker=True))
        self.distribution.note_time(time_90k, now_s)
        self.distribution.append(batch)
        self.distribution.send()


class Path:
    """What a slot needs of a Transport, and libsrtp at the other end."""

    def __init__(self) -> None:
        profile = SRTP_PROFILES[0]
        size = profile.key_size + profile.salt_size
        keys = SrtpKeys(profile, os.urandom(size), os.urandom(size))
        self.srtp = SrtpSession(keys)
        self._receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._receiving.bind(("127.0.0.1", 0))
        self._receiving.setblocking(False)
        self._sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.path = (UdpSocket(self._sending), self._receiving.getsockname())
        policy = Policy(keys.ours, Policy.SSRC_ANY_INBOUND, 0, profile.libsrtp_profile)
        self._session = Session(policy)

    def received(self) -> Iterator[RtpPacket]:
        while True:
            try:
                datagram = self._receiving.recv(2048)
            except BlockingIOError:
                return
            yield RtpPacket.parse(self._session.unprotect(datagram), HeaderExtensionsMap())

    def close(self) -> None:
        self._receiving.close()
        self._sending.close()


def section(kind: str = "video") -> SlotSection:
    formats = {
        Codec.H264: SlotFormat(H264_TYPE, AGAIN_TYPE, 90000),
        Codec.VP8: SlotFormat(VP8_TYPE, 99, 90000),
    }
    if kind == "audio":
        formats = {Codec.OPUS: SlotFormat(111, None, 48000)}
    return SlotSection("v", kind, formats, 7, 8, BLOCK, timed=True)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 2), st.booleans(), st.integers(1, 5)),
        st.tuples(st.just("show"), st.sampled_from((None, 0, 1, 2))),
        st.tuples(st.just("lose"), st.just(None)),
        st.tuples(st.just("wait"), st.floats(0.001, 0.2)),
    ),
    max_size=40,
)


@given(steps, st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_whatever_is_shown_numbers_go_on_and_every_change_begins_with_a_keyframe(
    todo: list[tuple[object, ...]], slots_count: int
) -> None:
    asyncio.run(_walk(todo, slots_count))


async def _walk(todo: list[tuple[object, ...]], slots_count: int) -> None:
    loop = asyncio.get_running_loop()
    offset = 0.0
    now = loop.time
    loop.time = lambda: now() + offset  # type: ignore[method-assign]
    wheel, scratch = Wheel(), Scratch()
    codecs = (Codec.H264, Codec.VP8, Codec.H264)
    feeds = [Feed(index, wheel, codec) for index, codec in enumerate(codecs)]
    paths = [Path() for _ in range(slots_count)]
    slots = [Slot(section(), scratch) for _ in paths]
    for slot, path in zip(slots, paths, strict=True):
        slot.secure(path.srtp, path)  # type: ignore[arg-type]
    got: list[list[RtpPacket]] = [[] for _ in paths]
    for step, *arguments in todo:
        if step == "publish":
            index, keyframe, packets = arguments
            feeds[index].publish(keyframe=keyframe, packets=packets)  # type: ignore[index, arg-type]
        elif step == "show":
            chosen = None if arguments[0] is None else feeds[arguments[0]]  # type: ignore[index]
            slots[0].show(chosen)
            for slot in slots[1:]:
                slot.show(feeds[0])
        elif step == "wait":
            offset += arguments[0]  # type: ignore[operator]
        else:
            slots[0].want_keyframe(loop.time())
        for mine, path in zip(got, paths, strict=True):
            mine += path.received()
    for slot, path, mine in zip(slots, paths, got, strict=True):
        slot.close()
        mine += path.received()
        path.close()
        check(mine)


def check(packets: list[RtpPacket]) -> None:
    """Of one slot's packets, in order of arrival."""
    for before, after in itertools.pairwise(packets):
        assert (after.sequence_number - before.sequence_number) % 65536 == 1
        step = (after.timestamp - before.timestamp) % 2**32
        assert step < 2**31  # never back
        assert (step == 0) == (before.payload[:6] == after.payload[:6] and not before.marker)
    showing: bytes | None = None
    for packet in packets:
        name, keyframe, number = packet.payload[0], packet.payload[1], packet.payload[2:6]
        if keyframe:
            showing = bytes((name,)) + number
        else:
            assert showing is not None and showing[0] == name  # never a picture without its key
            expected = int.from_bytes(showing[1:], "big")
            assert int.from_bytes(number, "big") - expected in (0, 1)
            showing = bytes((name,)) + number
        assert packet.payload_type == (VP8_TYPE if name == 1 else H264_TYPE)


@pytest.fixture
def path() -> Iterator[Path]:
    one = Path()
    yield one
    one.close()


async def test_the_old_picture_stays_until_the_new_feeds_keyframe(path: Path) -> None:
    wheel = Wheel()
    old, new = (Feed(index, wheel, Codec.H264) for index in range(2))
    slot = Slot(section(), Scratch())
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    old.publish(keyframe=True)
    slot.show(old)
    slot.show(new)
    assert (slot.showing, slot.wanted, new.wanted) == (old, new, 1)
    old.publish(keyframe=False)
    new.publish(keyframe=False)
    new.publish(keyframe=True)
    old.publish(keyframe=False)
    assert slot.showing is new
    names = [packet.payload[:2] for packet in path.received()]
    assert names == [b"\0\1", b"\0\0", b"\1\1"]


async def test_back_to_what_is_shown_forgets_the_switch_that_was_waited_for(path: Path) -> None:
    wheel = Wheel()
    old, new = (Feed(index, wheel, Codec.H264) for index in range(2))
    slot = Slot(section(), Scratch())
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    old.publish(keyframe=True)
    for feed in (old, new, old):
        slot.show(feed)
    new.publish(keyframe=True)
    old.publish(keyframe=False)
    assert [packet.payload[:2] for packet in path.received()] == [b"\0\1", b"\0\0"]


async def test_nothing_is_sent_while_nothing_is_shown(path: Path) -> None:
    feed = Feed(0, Wheel(), Codec.H264)
    slot = Slot(section(), Scratch())
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    feed.publish(keyframe=True)
    slot.show(feed)
    slot.show(None)
    feed.publish(keyframe=True)
    assert len(list(path.received())) == 1
    assert feed.distribution.followers == []


async def test_what_was_shown_before_the_handshake_is_sent_after_it(path: Path) -> None:
    feed = Feed(0, Wheel(), Codec.H264)
    feed.publish(keyframe=True)
    slot = Slot(section(), Scratch())
    slot.show(feed)
    assert slot.showing is None
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    assert slot.showing is feed
    assert len(list(path.received())) == 1


async def test_a_feed_that_ends_leaves_the_slot_empty(path: Path) -> None:
    feed = Feed(0, Wheel(), Codec.H264)
    slot = Slot(section(), Scratch())
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    slot.show(feed)
    feed.distribution.close("gone")
    assert (slot.showing, slot.wanted) == (None, None)


async def test_what_the_receiver_did_not_offer_is_not_shown(path: Path) -> None:
    wheel = Wheel()
    slot = Slot(section(), Scratch())
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    assert not slot.show(Feed(0, wheel, Codec.H265))
    assert not slot.show(Feed(0, wheel, Codec.OPUS))
    assert slot.showing is None


async def test_sound_changes_at_once_and_time_keeps_its_pace(path: Path) -> None:
    wheel = Wheel()
    first, second = (Feed(index, wheel, Codec.OPUS) for index in range(2))
    slot = Slot(section("audio"), Scratch())
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    slot.show(first)
    first.publish(keyframe=False)
    slot.show(second)
    second.publish(keyframe=False)
    first.publish(keyframe=False)
    packets = list(path.received())
    assert [packet.payload[0] for packet in packets] == [0, 1]
    assert 0 < (packets[1].timestamp - packets[0].timestamp) % 2**32 < 48000


async def test_one_whose_time_is_ahead_takes_no_others_along(path: Path) -> None:
    wheel, scratch, other_path = Wheel(), Scratch(), Path()
    hasty, steady = (Feed(index, wheel, Codec.H264) for index in (0, 2))
    one, other = Slot(section(), scratch), Slot(section(), scratch)
    one.secure(other_path.srtp, other_path)  # type: ignore[arg-type]
    other.secure(path.srtp, path)  # type: ignore[arg-type]
    steady.publish(keyframe=True)
    other.show(steady)
    hasty.publish(keyframe=True)
    one.show(hasty)
    hasty.publish(keyframe=False, ahead_90k=10 * 90000)
    one.show(steady)
    steady.publish(keyframe=False)
    steady.publish(keyframe=False)
    stamps = [packet.timestamp for packet in path.received()]
    assert all((stamp - stamps[0]) % 2**32 < 9 * 90000 for stamp in stamps)
    check(list(other_path.received()))
    other_path.close()


async def test_the_time_of_sending_is_in_every_packet(path: Path) -> None:
    feed = Feed(0, Wheel(), Codec.H264)
    slot = Slot(section(), Scratch())
    slot.secure(path.srtp, path)  # type: ignore[arg-type]
    feed.publish(keyframe=True, packets=3)
    slot.show(feed)  # by itself
    feed.publish(keyframe=False, packets=3)  # in a cohort
    extensions = HeaderExtensionsMap()
    known = RTCRtpHeaderExtensionParameters(id=2, uri=SEND_TIME_URI)
    extensions.configure(RTCRtpParameters(headerExtensions=[known]))
    now = int(feed.distribution.now_s() * (1 << 18)) & 0xFFFFFF
    raw = path._receiving
    stamps = []
    for _ in range(6):
        packet = path._session.unprotect(raw.recv(2048))
        stamps.append(RtpPacket.parse(packet, extensions).extensions.abs_send_time)
    assert slot.follower is not None and slot.follower.cohort is not None
    assert all(0 <= (now - stamp) % (1 << 24) < 5 << 18 for stamp in stamps)
