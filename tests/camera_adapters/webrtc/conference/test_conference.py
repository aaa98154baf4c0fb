"""Sites of a meeting over real UDP: what one sends is what the others are shown."""

from __future__ import annotations

import itertools
import os
import struct

import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRtpfbPacket, RtpPacket

from camera_adapters.rtp import redundant_audio
from camera_adapters.rtp.group import Group
from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference import site_peer, source
from camera_adapters.webrtc.feedback import Feedback, parse_feedback, receiver_estimate
from camera_adapters.webrtc.offer_answering import OfferRefused
from tests.camera_adapters.webrtc.conference.conftest import Meeting, settled
from tests.peers.meeting_site import H264_AGAIN, OPUS, RED, VP8, MeetingSite, Sending

SETS = (bytes.fromhex("6742e01f8d680a03da6c"), b"\x68\xce\x3c\x80")


def picture(number: int, *, keyframe: bool = False, size: int = 40) -> list[bytes]:
    """H.264 payloads; a keyframe's parameter sets come first. The slice says its number."""
    slice_ = bytes((0x65 if keyframe else 0x41, 0x88)) + number.to_bytes(4, "big") + bytes(size)
    return [*SETS, slice_] if keyframe else [slice_]


def fragments(number: int, count: int) -> list[bytes]:
    """A picture in ``count`` fragments (RFC 6184 §5.8)."""
    found = []
    for index in range(count):
        flags = 0x80 * (index == 0) | 0x40 * (index == count - 1)
        head = b"\x88" + number.to_bytes(4, "big") if index == 0 else b""
        found.append(bytes((0x5C, flags | 1)) + head + bytes(1000))
    return found


def shown(packets: list[RtpPacket]) -> list[int]:
    """The numbers of the pictures whose first slice came whole or begins in a packet."""
    numbers = []
    for packet in packets:
        payload = packet.payload
        if payload and payload[0] & 31 in (1, 5):
            numbers.append(int.from_bytes(payload[2:6], "big"))
        elif payload and payload[0] & 31 == 28 and payload[1] & 0x80:
            numbers.append(int.from_bytes(payload[3:7], "big"))
    return numbers


def asked(client: MeetingSite, kind: type) -> list[RtcpPacket]:
    """What the client was asked for by RTCP."""
    return [one for data in client.reports for one in RtcpPacket.parse(data) if type(one) is kind]


async def test_a_slot_shows_a_source_from_its_keyframe_on(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    found = await sender.source("cam")
    watcher.slot("v1").show(found)
    for number in range(1, 5):
        camera.send(*picture(number))
    client = watcher.client
    await client.until(lambda: 4 in shown(client.in_slot("v1")))
    assert shown(client.in_slot("v1")) == [0, 1, 2, 3, 4]
    assert client.in_slot("v0") == []
    assert (found.width, found.height) != (0, 0)


async def test_sound_is_forwarded_packet_by_packet(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    microphone = sender.client.microphone()
    microphone.send(b"\x78first", ticks=960, level=30)
    watcher.slot("a0").show(await sender.source("mic"))
    for number in range(5):
        microphone.send(b"\x78" + bytes((number,)), ticks=960, level=30)
    client = watcher.client
    await client.until(lambda: len(client.in_slot("a0")) == 5)
    packets = client.in_slot("a0")
    assert [one.payload for one in packets] == [b"\x78" + bytes((number,)) for number in range(5)]
    steps = [b.timestamp - a.timestamp for a, b in itertools.pairwise(packets)]
    assert [one % 2**32 for one in steps] == [960] * 4


async def test_sound_is_sent_twice_to_who_loses_packets(meeting: Meeting) -> None:
    sender, watcher, other = await meeting.join(), await meeting.join(), await meeting.join()
    microphone = sender.client.microphone()
    microphone.send(b"\x78first", ticks=960)
    found = await sender.source("mic")
    for site in (watcher, other):
        site.slot("a0").show(found)
    microphone.send(b"\x78second", ticks=960)
    client = watcher.client
    await client.until(lambda: len(client.packets) == 1)
    for highest, lost in ((1000, 0), (1100, 5)):
        block = struct.pack("!IIIIII", watcher.slot("a0").ssrc, lost, highest, 0, 0, 0)
        client.send_rtcp(struct.pack("!BBHI", 0x81, 201, 7, 1) + block)
    await settled(lambda: watcher.slot("a0").lossy)
    microphone.send(b"\x78third", ticks=960)
    await client.until(lambda: bool(client.of(RED)))
    await other.client.until(lambda: len(other.client.packets) == 2)
    (twice,) = client.of(RED)
    assert twice.payload.endswith(b"\x78first\x78second\x78third")
    assert {one.payload_type for one in other.client.packets} == {OPUS}
    first = client.of(OPUS)[0]
    assert twice.sequence_number == (first.sequence_number + 1) % 65536
    assert 0 < (twice.timestamp - first.timestamp) % 2**32 < 48000
    watcher.slot("a0").lossy = False
    microphone.send(b"\x78fourth", ticks=960)
    await client.until(lambda: len(client.of(OPUS)) == 2)


async def test_of_sound_that_comes_twice_each_packet_is_forwarded_once(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    microphone = Sending(sender.client, "mic", RED)
    before: list[tuple[int, bytes]] = []

    def speak(text: bytes, *, lost: bool = False) -> None:
        data = b"\x78" + text
        payload = redundant_audio.payload(OPUS, microphone.timestamp, data, before[-2:], 1000)
        packet = microphone.packet(payload, marker=False, level=30)
        if not lost:
            sender.client.send_rtp(packet)
        before.append((microphone.timestamp, data))
        microphone.timestamp += 960

    speak(b"one")
    found = await sender.source("mic")
    watcher.slot("a0").show(found)
    said = (b"two", b"three", b"four", b"five", b"six")
    for text in said:
        speak(text, lost=text in (b"three", b"four"))
    client = watcher.client
    await client.until(lambda: len(client.of(OPUS)) == 5)
    assert [one.payload[1:] for one in client.of(OPUS)] == list(said)
    steps = [b.timestamp - a.timestamp for a, b in itertools.pairwise(client.of(OPUS))]
    assert [one % 2**32 for one in steps] == [960] * 4
    assert found.receiver.counters.lost == 0
    assert sender.publication("mic").level_dbov < 127


async def test_each_quality_is_a_source_and_only_the_shown_one_leaves(meeting: Meeting) -> None:
    sender = await meeting.join(MeetingSite(qualities=("l", "m", "h")))
    watcher = await meeting.join()
    cameras = {rid: sender.client.camera(rid) for rid in ("l", "m", "h")}
    for at, camera in enumerate(cameras.values()):
        camera.send(*picture(100 * at, keyframe=True))
    low, high = await sender.source("cam", "l"), await sender.source("cam", "h")
    assert set(sender.publication("cam").layers) <= {"l", "m", "h"}
    watcher.slot("v0").show(high)
    watcher.slot("v1").show(low)
    for at, camera in enumerate(cameras.values()):
        camera.send(*picture(100 * at + 1))
    client = watcher.client
    await client.until(lambda: len(shown(client.packets)) == 4)
    assert shown(client.in_slot("v0")) == [200, 201]
    assert shown(client.in_slot("v1")) == [0, 1]
    assert {rid for of, one in sender.sources if of.kind == "video" for rid in [one.rid]} == {
        "l",
        "m",
        "h",
    }


async def test_vp8_leaves_without_the_senders_picture_numbers(meeting: Meeting) -> None:
    sender = await meeting.join(accepted=(Codec.VP8,))
    watcher = await meeting.join()
    frame = b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xb4\x00" + os.urandom(2000)
    camera = sender.client.camera(payload_type=VP8)
    # X, then I and a picture id of 15 bits; S in the first.
    camera.send(b"\x90\x80\x81\x23" + frame[:1100], b"\x80\x80\x81\x23" + frame[1100:])
    found = await sender.source("cam")
    assert found.codec is Codec.VP8
    watcher.slot("v0").show(found)
    client = watcher.client
    await client.until(lambda: len(client.packets) == 2)
    assert [one.payload[0] for one in client.packets] == [0x10, 0x00]
    assert b"".join(one.payload[1:] for one in client.packets) == frame
    assert {one.payload_type for one in client.packets} == {VP8}
    assert (found.width, found.height) == (320, 180)


async def test_a_torn_picture_stops_the_source_until_a_keyframe_comes(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_VIDEO_WAIT_US", 20_000)
    sender, watcher = await meeting.join(), await meeting.join()
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    watcher.slot("v0").show(await sender.source("cam"))
    pieces = fragments(1, 3)
    for index, piece in enumerate(pieces):
        packet = camera.packet(piece, marker=index == 2)
        if index != 1:
            sender.client.send_rtp(packet)
    camera.timestamp += 3000
    for number in (2, 3, 4):
        camera.send(*picture(number))
    await sender.client.until(lambda: bool(asked(sender.client, RtcpPsfbPacket)))
    camera.send(*picture(5))
    camera.send(*picture(6, keyframe=True))
    camera.send(*picture(7))
    client = watcher.client
    await client.until(lambda: 7 in shown(client.packets))
    assert shown(client.packets) == [0, 6, 7]
    numbers = [one.sequence_number for one in client.in_slot("v0")]
    assert [(b - a) % 65536 for a, b in itertools.pairwise(numbers)] == [1] * (len(numbers) - 1)


@pytest.mark.parametrize("again", [False, True])
async def test_what_the_sender_repeats_closes_the_gap(meeting: Meeting, again: bool) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    watcher.slot("v0").show(await sender.source("cam"))
    missing = camera.packet(picture(1)[0], marker=True)
    number = int.from_bytes(missing[2:4], "big")
    camera.timestamp += 3000
    camera.send(*picture(2))
    await sender.client.until(lambda: bool(asked(sender.client, RtcpRtpfbPacket)))
    assert asked(sender.client, RtcpRtpfbPacket)[0].lost == [number]
    if again:  # in a stream of its own (RFC 4588), known by the payload type
        repeating = sender.client.camera(payload_type=H264_AGAIN)
        repeating.timestamp = int.from_bytes(missing[4:8], "big")
        repeating.send(missing[2:4] + picture(1)[0])
    else:
        sender.client.send_rtp(missing)
    client = watcher.client
    await client.until(lambda: 2 in shown(client.packets))
    assert shown(client.packets) == [0, 1, 2]


async def test_lost_packets_are_sent_to_a_watcher_again(meeting: Meeting) -> None:
    dropped: list[int] = []

    def lose(packet: bytes) -> bool:
        number = int.from_bytes(packet[2:4], "big")
        if packet[1] & 0x7F == 96 and not dropped and len(client.packets) > 3:
            dropped.append(number)
            return True
        return False

    client = MeetingSite(lose=lose)
    sender, watcher = await meeting.join(), await meeting.join(client)
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    watcher.slot("v0").show(await sender.source("cam"))
    for number in range(1, 8):
        camera.send(*picture(number))
    await client.until(lambda: 7 in shown(client.packets))
    client.ask_again(watcher.slot("v0").ssrc, dropped)
    await client.until(lambda: bool(client.of(H264_AGAIN)))
    (repeated,) = client.of(H264_AGAIN)
    assert repeated.payload[:2] == dropped[0].to_bytes(2, "big")
    assert repeated.extensions.mid == "v0"
    assert watcher.peer.statistics.retransmitted == 1


async def test_many_wishes_for_a_keyframe_become_one(meeting: Meeting) -> None:
    sender = await meeting.join()
    watchers = [await meeting.join() for _ in range(3)]
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    found = await sender.source("cam")
    camera.send(*picture(1))
    for watcher in watchers:
        watcher.slot("v0").show(found)
    for watcher in watchers:
        await watcher.client.until(lambda client=watcher.client: 1 in shown(client.packets))
        watcher.client.ask_keyframe(watcher.slot("v0").ssrc)
    await settled(lambda: all(one.peer.statistics.keyframes_wanted for one in watchers))
    await sender.client.until(lambda: bool(asked(sender.client, RtcpPsfbPacket)))
    camera.send(*picture(2, keyframe=True))
    for watcher in watchers:
        await watcher.client.until(lambda client=watcher.client: 2 in shown(client.packets))
    assert len([one for one in asked(sender.client, RtcpPsfbPacket) if one.fmt == 1]) == 1


async def test_who_comes_late_gets_the_pictures_since_the_keyframe(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    camera = sender.client.camera()
    for number in range(5):
        camera.send(*picture(number, keyframe=number == 0))
    found = await sender.source("cam")
    await settled(lambda: found.pictures == 5)
    watcher.slot("v0").show(found)
    await watcher.client.until(lambda: 4 in shown(watcher.client.packets))
    assert shown(watcher.client.packets) == [0, 1, 2, 3, 4]
    assert asked(sender.client, RtcpPsfbPacket) == []


async def test_who_comes_long_after_a_keyframe_gets_a_new_one(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    camera = sender.client.camera()
    count = source.GOP_PICTURES_LIMIT + 5
    for number in range(count):
        camera.send(*picture(number, keyframe=number == 0))
    found = await sender.source("cam")
    await settled(lambda: found.pictures == count)
    watcher.slot("v0").show(found)
    await sender.client.until(lambda: bool(asked(sender.client, RtcpPsfbPacket)))
    camera.send(*picture(500, keyframe=True))
    await watcher.client.until(lambda: bool(shown(watcher.client.packets)))
    assert shown(watcher.client.packets) == [500]


async def test_nothing_of_a_publication_that_is_not_accepted_leaves(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    microphone = sender.client.microphone()
    publication = sender.publication("mic")
    microphone.send(b"\x78one", level=20)
    found = await sender.source("mic")
    taken: list[Group] = []
    found.attach(taken.append)
    watcher.slot("a0").show(found)
    publication.accepted = False
    for _ in range(20):
        microphone.send(b"\x78muted", level=0)
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    await sender.source("cam")  # all that was sent before has come
    assert publication.level_dbov == 127
    assert taken == []
    assert found.bitrate_bps == 0
    publication.accepted = True
    for _ in range(3):
        microphone.send(b"\x78again", level=20)
    await watcher.client.until(lambda: len(watcher.client.packets) == 3)
    assert {one.payload for one in watcher.client.packets} == {b"\x78again"}


async def test_loudness_is_the_senders_smoothed(meeting: Meeting) -> None:
    sender = await meeting.join()
    microphone = sender.client.microphone()
    publication = sender.publication("mic")
    assert publication.level_dbov == 127
    for _ in range(40):
        microphone.send(b"\x78loud", level=0x80 | 20)
    await settled(lambda: publication.level_dbov < 25)
    assert publication.voice
    microphone.send(b"\x78soft", level=90)
    await settled(lambda: not publication.voice)
    assert 20 <= publication.level_dbov < 40


async def test_a_tap_gets_whole_groups_in_order_and_one_that_fails_harms_nobody(
    meeting: Meeting,
) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    found = await sender.source("cam")
    groups: list[Group] = []

    def broken(_: Group) -> None:
        raise RuntimeError("a bug")

    found.attach(broken)
    found.attach(groups.append)
    watcher.slot("v0").show(found)
    camera.send(*fragments(1, 3))
    camera.send(*picture(2))
    await watcher.client.until(lambda: 2 in shown(watcher.client.packets))
    assert [len(one.bodies) for one in groups] == [3, 1]
    assert groups[0].payloads == fragments(1, 3)
    found.detach(groups.append)


async def test_a_site_that_leaves_empties_the_slots_that_showed_it(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    sender.client.camera().send(*picture(0, keyframe=True))
    found = await sender.source("cam")
    watcher.slot("v0").show(found)
    sender.peer.close("removed")
    assert sender.closed == ["removed"]
    assert found.closed
    assert watcher.slot("v0").showing is None
    assert meeting.conference.peers == [watcher.peer]
    sender.peer.close("twice")
    assert sender.closed == ["removed"]


async def test_what_is_beyond_a_sites_share_is_not_opened(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    monkeypatch.setattr(sender.peer, "_bytes_left", 20_000)
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    found = await sender.source("cam")
    for number in range(1, 60):
        camera.send(*picture(number, size=1000))
    await settled(lambda: sender.peer.statistics.packets_refused > 30)
    assert found.pictures < 30
    other = await meeting.join()
    other.client.camera().send(*picture(0, keyframe=True))
    watcher.slot("v0").show(await other.source("cam"))
    await watcher.client.until(lambda: shown(watcher.client.packets) == [0])


async def test_a_flood_of_reports_is_cut_off(meeting: Meeting) -> None:
    sender = await meeting.join()
    report = receiver_estimate(1, [2], 1_000_000)
    for _ in range(site_peer._RTCP_PER_S_LIMIT + 50):
        sender.client.send_rtcp(report)
    await settled(lambda: sender.peer.statistics.packets_refused > 0)
    assert sender.closed == []


async def test_forged_and_damaged_datagrams_change_nothing(meeting: Meeting) -> None:
    sender, watcher = await meeting.join(), await meeting.join()
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    watcher.slot("v0").show(await sender.source("cam"))
    for size in (1, 12, 40, 1200, 1500):
        for first in (0x80, 0x90, 0xB0, 0xBF):
            sender.client.send_raw(bytes((first, 96)) + os.urandom(size))
            sender.client.send_raw(bytes((first, 200)) + os.urandom(size))
    camera.send(*picture(1))
    await watcher.client.until(lambda: 1 in shown(watcher.client.packets))
    assert shown(watcher.client.packets) == [0, 1]
    assert [one.rid for _, one in sender.sources] == [""]
    assert sender.closed == []


async def test_more_sources_than_any_browser_has_are_ignored(meeting: Meeting) -> None:
    sender = await meeting.join()
    sender.client.camera().send(*picture(0, keyframe=True))
    await sender.source("cam")
    for _ in range(200):
        sender.client.camera().send(*picture(1, keyframe=True))
    microphone = sender.client.microphone()
    microphone.send(b"\x78")
    last = sender.client.camera()
    last.send(*picture(1))
    await settled(lambda: sender.peer._reception._adopted >= 128)
    assert len(sender.peer._reception._by_ssrc) <= 16
    assert len(sender.publication("cam").layers) == 1


async def test_reports_tell_the_sender_how_its_packets_arrive(meeting: Meeting) -> None:
    sender = await meeting.join()
    camera = sender.client.camera()
    camera.send(*picture(0, keyframe=True))
    await sender.source("cam")
    await sender.client.until(lambda: any(data[1] == 201 for data in sender.client.reports))
    report = next(data for data in sender.client.reports if data[1] == 201)
    parsed = RtcpPacket.parse(report)
    assert parsed[0].reports[0].ssrc == camera.ssrc
    assert b"REMB" in report


async def test_a_site_is_told_when_its_packets_came(meeting: Meeting) -> None:
    client = MeetingSite(numbered=True)
    sender = await meeting.join(client)
    first = client.next_number
    camera = client.camera()
    camera.send(*picture(0, keyframe=True))
    await sender.source("cam")
    for number in range(1, 20):
        camera.send(*picture(number))

    def told() -> list[Feedback]:
        of_transport = [data for data in client.reports if data[:2] == b"\x8f\xcd"]
        assert all(data[8:12] == camera.ssrc.to_bytes(4, "big") for data in of_transport)
        return [parse_feedback(data) for data in of_transport]

    count = (client.next_number - first) & 0xFFFF
    await client.until(lambda: sum(one.transport_received for one in told()) == count)
    assert not any(one.transport_missing for one in told())
    assert all(b"REMB" not in data for data in client.reports)


async def test_a_receivers_falling_estimate_limits_what_it_can_take(meeting: Meeting) -> None:
    watcher = await meeting.join()
    for bps in (900_000, 700_000):
        watcher.client.send_rtcp(receiver_estimate(1, [watcher.slot("v0").ssrc], bps))
    await settled(lambda: watcher.peer.estimate_bps is not None)
    assert abs((watcher.peer.estimate_bps or 0) - 700_000) < 1000


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        ("", "offer_malformed"),
        ("v=0\r\nm=video\r\n", "offer_malformed"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 AV1/90000\r\n", "not_playable"),
        ("v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", "not_playable"),
        (MeetingSite().offer.replace("a=ice-ufrag", "a=x-ufrag"), "offer_malformed"),
        (
            MeetingSite().offer.replace("a=mid:cam", "a=mid:cam\na=simulcast:sned l"),
            "offer_malformed",
        ),
    ],
)
async def test_an_offer_that_cannot_be_answered_says_why(
    meeting: Meeting, offer: str, code: str
) -> None:
    with pytest.raises(OfferRefused) as caught:
        meeting.conference.answer(offer, None)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert meeting.conference.peers == []
