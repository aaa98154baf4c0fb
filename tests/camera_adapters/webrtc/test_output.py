"""The whole way to viewers, over real UDP, DTLS and SRTP."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket

from camera_adapters.codecs.nal import iterate_nal_units
from camera_adapters.stream import (
    AccessUnit,
    Codec,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)
from camera_adapters.webrtc import ice_lite, peer, udp_mux
from camera_adapters.webrtc.fan_out import FanOut
from camera_adapters.webrtc.follower import Follower
from camera_adapters.webrtc.offer_answering import OfferRefused
from camera_adapters.webrtc.output import WebRtcOutput
from camera_adapters.webrtc.retransmission import SendHistory
from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpProfile
from camera_adapters.webrtc.viewer import Viewer
from tests.peers.clip_stream import ClipPlayer, read_clip
from tests.peers.srtp_viewer import SrtpViewer

H264 = Track("video", Codec.H264, 90000, (b"\x67\x42\xe0\x1f", b"\x68\xce"))
PCMA = Track("audio", Codec.PCMA, 8000, channels=1)
FRAME_90K = 3600


@pytest.fixture
async def output() -> AsyncIterator[WebRtcOutput]:
    opened = WebRtcOutput.open()
    yield opened
    opened.close()


def stream_of(*tracks: Track) -> Stream:
    stream = Stream("cam_test", Variant.MAIN)
    stream.start_run(tracks or (H264,))
    return stream


def picture(number: int, *, keyframe: bool = False, size: int = 40) -> AccessUnit:
    """Its NAL unit says its number, so that a receiver can tell."""
    nal = bytes((0x65 if keyframe else 0x41,)) + number.to_bytes(4, "big") + bytes(size)
    pts = number * FRAME_90K
    return AccessUnit(0, len(nal).to_bytes(4, "big") + nal, pts, pts, keyframe, 0)


def numbers(packets: list[RtpPacket]) -> list[int]:
    """Of the pictures in single NAL unit packets, in order of arrival."""
    kept = [one for one in packets if one.payload[0] & 31 in (1, 5)]
    return [int.from_bytes(one.payload[1:5], "big") for one in kept]


class Watching:
    """A viewer that is connected, with what the output knows of it."""

    def __init__(self, output: WebRtcOutput, stream: Stream, client: SrtpViewer) -> None:
        self.client = client
        self.reasons: list[str] = []
        self._gone = asyncio.Event()
        self.viewer: Viewer
        self.viewer, self.answer = output.answer(stream, client.offer, on_closed=self._closed)

    def _closed(self, reason: str) -> None:
        self.reasons.append(reason)
        self._gone.set()

    async def reason(self) -> str:
        """Why it was closed, when it is."""
        await asyncio.wait_for(self._gone.wait(), 10)
        return self.reasons[0]


async def watch(output: WebRtcOutput, stream: Stream, client: SrtpViewer | None = None) -> Watching:
    watching = Watching(output, stream, client or SrtpViewer())
    await watching.client.connect(watching.answer)
    return watching


async def settled(condition: Callable[[], bool]) -> None:
    """Until ``condition()`` holds, turning the loop."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def joined(watching: Watching) -> None:
    await settled(lambda: watching.viewer.transport.srtp is not None)


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda one: one.name)
async def test_every_srtp_profile_reaches_the_viewer(
    output: WebRtcOutput, profile: SrtpProfile
) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True, size=5000))
    watching = await watch(output, stream, SrtpViewer(profile=profile.name))
    client = watching.client
    await client.until(lambda: any(one.marker for one in client.packets))
    stream.publish(picture(1, size=60))
    await client.until(lambda: 1 in numbers(client.packets))
    assert len({one.ssrc for one in client.packets}) == 1
    assert [one.marker for one in client.packets].count(1) == 2


async def test_a_late_joiner_gets_the_gop_compressed_to_the_newest_picture(
    output: WebRtcOutput,
) -> None:
    stream = stream_of()
    for number in range(40):
        stream.publish(picture(number, keyframe=number == 0))
    client = (await watch(output, stream)).client
    await client.until(lambda: 39 in numbers(client.packets))
    stream.publish(picture(40))
    await client.until(lambda: 40 in numbers(client.packets))
    assert numbers(client.packets) == list(range(41))
    stamps = [one.timestamp for one in client.packets if one.payload[0] & 31 in (1, 5)]
    steps = [(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)]
    assert sum(steps[:-1]) < 0.1 * 90000  # 39 pictures, 1.6 s long, shown within a moment
    assert min(steps) > 0
    assert steps[-1] == FRAME_90K  # and from the newest on in real time
    first = client.packets[0].sequence_number
    assert [one.sequence_number for one in client.packets] == [
        (first + index) & 0xFFFF for index in range(len(client.packets))
    ]


async def test_without_a_gop_a_viewer_waits_for_the_next_keyframe(output: WebRtcOutput) -> None:
    stream = stream_of()
    watching = await watch(output, stream)
    await joined(watching)
    stream.publish(picture(1))
    stream.publish(picture(2, keyframe=True))
    stream.publish(picture(3))
    await watching.client.until(lambda: 3 in numbers(watching.client.packets))
    assert numbers(watching.client.packets) == [2, 3]


async def test_a_camera_that_comes_back_continues_the_same_peer(output: WebRtcOutput) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True))
    watching = await watch(output, stream)
    client = watching.client
    await client.until(lambda: numbers(client.packets) == [0])
    stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "unplugged"))
    stream.start_run((H264,))
    stream.publish(picture(7, keyframe=True))
    await client.until(lambda: 7 in numbers(client.packets))
    sequence = [one.sequence_number for one in client.packets]
    assert sequence == [(sequence[0] + index) & 0xFFFF for index in range(len(sequence))]
    first, last = client.packets[0].timestamp, client.packets[-1].timestamp
    assert 0 < (last - first) & 0xFFFFFFFF < 20 * 90000
    assert watching.reasons == []


async def test_a_changed_codec_closes_the_viewer(output: WebRtcOutput) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True))
    watching = await watch(output, stream)
    await watching.client.until(lambda: bool(watching.client.packets))
    stream.start_run((Track("video", Codec.H265, 90000, (b"\x40\x01", b"\x42\x01", b"\x44\x01")),))
    assert await watching.reason() == "codec_changed"
    await watching.client.until(lambda: watching.client.closed)
    assert output.viewers == []
    assert stream.sinks == ()


async def test_a_codec_changed_while_connecting_closes_the_viewer_too(
    output: WebRtcOutput,
) -> None:
    stream = stream_of()
    watching = Watching(output, stream, SrtpViewer())
    stream.start_run((Track("video", Codec.H265, 90000, (b"\x40\x01", b"\x42\x01", b"\x44\x01")),))
    await watching.client.connect(watching.answer)
    assert await watching.reason() == "codec_changed"
    assert watching.client.packets == []


async def test_one_viewer_that_fails_harms_no_other(
    output: WebRtcOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_of()
    broken, fine = await watch(output, stream), await watch(output, stream)
    await joined(broken)
    await joined(fine)

    def fail(_: float) -> bool:
        raise RuntimeError("a bug")

    monkeypatch.setattr(
        Follower,
        "_pump",
        lambda self, feed, now_s, right=Follower._pump: (
            fail(now_s) if self is broken.viewer.follower else right(self, feed, now_s)
        ),
    )
    stream.publish(picture(0, keyframe=True))
    assert await broken.reason() == "failed"
    await fine.client.until(lambda: numbers(fine.client.packets) == [0])
    assert len(stream.sinks) == 1


async def test_b_frames_are_refused_before_and_during(output: WebRtcOutput) -> None:
    with_b = Track("video", Codec.H264, 90000, H264.parameter_sets, reorder_depth=2)
    with pytest.raises(OfferRefused, match="h264 variant") as refused:
        output.answer(stream_of(with_b), SrtpViewer().offer, on_closed=lambda reason: None)
    assert (refused.value.status, refused.value.code) == (422, "has_b_frames")
    stream = stream_of()
    watching = await watch(output, stream)
    await joined(watching)
    stream.start_run((with_b,))
    assert await watching.reason() == "has_b_frames"


async def test_a_closed_stream_closes_its_viewers(output: WebRtcOutput) -> None:
    stream = stream_of()
    watching = await watch(output, stream)
    await joined(watching)
    stream.close()
    assert await watching.reason() == "stream_closed"


async def test_a_viewer_that_is_gone_leaves_nothing_to_the_garbage_collector(
    output: WebRtcOutput,
) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True, size=5000))
    watching = await watch(output, stream)
    await joined(watching)
    gc.collect()
    gc.disable()
    try:
        watching.viewer.close("ended_by_viewer")
        del watching.viewer
        # The loop may hold on to what it has just called.
        await asyncio.sleep(0)
        kinds = (Viewer, Follower, SendHistory, FanOut, peer.Transport)
        assert [one for one in gc.get_objects() if isinstance(one, kinds)] == []
    finally:
        gc.enable()


@pytest.mark.parametrize("retransmission", [True, False], ids=["rtx", "plain"])
async def test_lost_packets_are_sent_again_when_asked_for(
    output: WebRtcOutput, retransmission: bool
) -> None:
    """RFC 4588 where the viewer knows it, the very same bytes where it does not."""
    fresh = 0

    def every_third(packet: bytes) -> bool:
        nonlocal fresh
        if packet[1] & 0x7F != 96 or len(client.lost) >= 10:
            return False
        fresh += 1
        return fresh % 3 == 0

    client = SrtpViewer(retransmission=retransmission, lose=every_third)
    stream = stream_of()
    watching = await watch(output, stream, client)
    await joined(watching)
    for number in range(30):
        stream.publish(picture(number, keyframe=number == 0, size=3000 if number == 5 else 50))
    await client.until(lambda: 29 in numbers(client.packets))
    lost = list(client.lost)
    assert len(lost) == 10
    before = len(client.packets)
    client.ask_again(client.of(96)[0].ssrc, lost)
    await client.until(lambda: len(client.packets) == before + len(lost))
    again = client.packets[before:]
    if retransmission:
        assert {one.payload_type for one in again} == {97}
        assert [int.from_bytes(one.payload[:2], "big") for one in again] == lost
        assert len({one.ssrc for one in client.packets}) == 2
    else:
        assert [one.sequence_number for one in again] == lost
        assert {one.payload_type for one in again} == {96}
    assert watching.viewer.statistics.retransmitted == len(lost)


async def test_a_plain_retransmission_is_the_very_same_bytes(output: WebRtcOutput) -> None:
    """Anything else under the same number would use AES-GCM's nonce twice (RFC 7714 §8.4)."""
    client = SrtpViewer(retransmission=False)
    stream = stream_of()
    stream.publish(picture(0, keyframe=True, size=2500))
    await watch(output, stream, client)
    await client.until(lambda: any(one.marker for one in client.packets))
    ssrc = client.packets[0].ssrc
    asked = [one.sequence_number for one in client.packets]
    client.ask_again(ssrc, asked)
    await client.until(lambda: all(len(client.encrypted[ssrc, one]) == 2 for one in asked))
    for first, second in client.encrypted.values():
        assert first == second


async def test_a_keyframe_is_given_again_at_most_once_a_second(output: WebRtcOutput) -> None:
    stream = stream_of()
    for number in range(5):
        stream.publish(picture(number, keyframe=number == 0))
    watching = await watch(output, stream)
    client = watching.client
    await client.until(lambda: 4 in numbers(client.packets))
    ssrc = client.packets[0].ssrc
    watching.viewer._keyframe_at_s -= 1.0  # as if the GOP had been sent a second ago
    client.ask_keyframe(ssrc)
    await client.until(lambda: numbers(client.packets).count(4) == 2)
    client.ask_keyframe(ssrc)
    await settled(lambda: watching.viewer.statistics.keyframes_wanted == 2)
    stream.publish(picture(5))
    await client.until(lambda: 5 in numbers(client.packets))
    assert numbers(client.packets) == [*range(5), *range(5), 5]
    stamps = [one.timestamp for one in client.packets]
    assert all((b - a) & 0xFFFFFFFF < 1 << 31 for a, b in itertools.pairwise(stamps))


async def test_sender_reports_put_picture_and_sound_on_one_clock(output: WebRtcOutput) -> None:
    """RFC 3550 §6.4.1: the same moment in both clocks, whatever their random bases."""
    stream = stream_of(H264, PCMA)
    watching = await watch(output, stream)
    await joined(watching)
    stream.publish(picture(100, keyframe=True))
    stream.publish(AccessUnit(1, bytes(160), 100 * FRAME_90K, 100 * FRAME_90K, True, 0))
    client = watching.client
    await client.until(lambda: len(client.reports) >= 2)
    reports = {}
    for data in client.reports[:2]:
        first = RtcpPacket.parse(data)[0]
        assert isinstance(first, RtcpSrPacket)
        reports[first.ssrc] = first.sender_info
    video, audio = client.of(96)[-1], client.of(8)[-1]
    video_age_s = ((reports[video.ssrc].rtp_timestamp - video.timestamp) & 0xFFFFFFFF) / 90000
    audio_age_s = ((reports[audio.ssrc].rtp_timestamp - audio.timestamp) & 0xFFFFFFFF) / 8000
    assert video_age_s == pytest.approx(audio_age_s, abs=0.002)
    assert 0 <= video_age_s < 3
    wall_s = reports[video.ssrc].ntp_timestamp / 2**32 - 2_208_988_800
    assert wall_s == pytest.approx(time.time(), abs=5)


async def test_sender_reports_are_frequent_at_first_and_then_every_fifth_second(
    output: WebRtcOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 3550 §6.2: five seconds between reports are enough once the streams are in step."""
    stream = stream_of()
    watching = await watch(output, stream)
    await joined(watching)
    stream.publish(picture(0, keyframe=True))
    client = watching.client
    await client.until(lambda: len(client.packets) > 0)
    calls: list[int] = []
    monkeypatch.setattr(peer.Transport, "send_rtcp", lambda self, packet: calls.append(-1))
    for second in range(30):
        watching.viewer.send_reports(0.0)
        calls.append(second)
    sent = [call + 1 for call, after in itertools.pairwise(calls) if after == -1]
    assert sent[:3] == [1, 2, 3]
    assert {b - a for a, b in itertools.pairwise(sent[5:])} == {5}


async def test_a_viewer_that_stops_checking_loses_consent(
    output: WebRtcOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching = await watch(output, stream_of())
    await joined(watching)
    monkeypatch.setattr(ice_lite, "CONSENT_S", 0.2)
    watching.client.close()
    assert await watching.reason() == "no_consent"
    assert output.viewers == []


async def test_a_viewer_that_never_comes_is_given_up(
    output: WebRtcOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "CONNECT_S", 0.1)
    watching = Watching(output, stream_of(), SrtpViewer())
    assert await watching.reason() == "not_connected"


async def test_another_certificate_than_the_offers_gets_no_media(output: WebRtcOutput) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True))
    honest, impostor = SrtpViewer(), SrtpViewer()
    impostor._ufrag, impostor._password = honest._ufrag, honest._password
    watching = Watching(output, stream, honest)
    connecting = asyncio.create_task(impostor.connect(watching.answer))
    assert await watching.reason() == "dtls_failed"
    connecting.cancel()
    assert impostor.packets == []


async def test_forged_datagrams_change_nothing(output: WebRtcOutput) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True))
    watching = await watch(output, stream)
    client = watching.client
    await client.until(lambda: bool(client.packets))
    for forged in (b"\x80\xc9" + bytes(40), b"\x16\xfe\xfd" + bytes(50), b"\0\1", b"\xff", b"\x80"):
        client._transport.sendto(forged, client._remote)
    stream.publish(picture(1))
    await client.until(lambda: 1 in numbers(client.packets))
    assert watching.reasons == []


async def test_a_full_socket_skips_to_the_next_keyframe(
    output: WebRtcOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True))
    watching = await watch(output, stream)
    client = watching.client
    await client.until(lambda: numbers(client.packets) == [0])
    port, _ = watching.viewer.transport.path or (None, None)
    assert isinstance(port, udp_mux.UdpSocket)

    def full(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "no room")

    working = port._sendto
    assert watching.viewer.follower.cohort is not None
    port._sendto = full  # type: ignore[assignment]
    with monkeypatch.context() as patch:
        patch.setattr(udp_mux, "_sendmmsg", lambda *_: -1)
        stream.publish(picture(1))
    assert watching.viewer.follower.cohort is None
    port._sendto = working
    stream.publish(picture(2))
    stream.publish(picture(3, keyframe=True))
    stream.publish(picture(4))
    await client.until(lambda: 4 in numbers(client.packets))
    assert numbers(client.packets) == [0, 3, 4]
    assert watching.viewer.statistics.pictures_skipped == 1
    assert output.sends_blocked == 1


async def test_without_segmentation_offload_packets_go_one_by_one(output: WebRtcOutput) -> None:
    stream = stream_of()
    watching = await watch(output, stream)
    await joined(watching)
    port, _ = watching.viewer.transport.path or (None, None)
    assert isinstance(port, udp_mux.UdpSocket)

    def refused(*_: object) -> None:
        raise OSError(errno.EIO, "no checksum offload")

    port._sendmsg = refused  # type: ignore[assignment]
    stream.publish(picture(0, keyframe=True, size=9000))
    client = watching.client
    await client.until(lambda: any(one.marker for one in client.packets))
    assert not port.offload
    assert len(client.packets) > 8
    assert watching.viewer.statistics.pictures_skipped == 0


async def test_statistics_come_from_the_viewers_reports(output: WebRtcOutput) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True))
    watching = await watch(output, stream)
    client = watching.client
    await client.until(lambda: len(client.packets) == 2)
    block = (
        client.packets[0].ssrc.to_bytes(4, "big")
        + bytes((128, 0, 0, 5))
        + bytes(4)
        + (900).to_bytes(4, "big")
        + bytes(8)
    )
    client.send_rtcp(bytes.fromhex("81c9000700000001") + block)
    await settled(lambda: watching.viewer.statistics.packets_lost == 5)
    statistics = watching.viewer.statistics
    assert statistics.fraction_lost == 0.5
    assert statistics.jitter_ms == 10.0
    assert statistics.packets_sent == 2
    assert statistics.round_trip_ms is None
    here = output.figures()
    assert (here["viewers"], here["packets_sent"], here["packets_lost"]) == (1, 2, 5)
    assert (here["fraction_lost_worst"], here["jitter_ms_worst"]) == (0.5, 10.0)
    watching.viewer.close("revoked")
    # Counters never go back when a viewer leaves; what is true of those here now does.
    after = output.figures()
    assert (after["viewers"], after["packets_sent"], after["packets_lost"]) == (0, 2, 5)
    assert after["fraction_lost_worst"] == 0.0


async def test_many_viewers_of_one_camera_all_get_everything(output: WebRtcOutput) -> None:
    stream = stream_of()
    stream.publish(picture(0, keyframe=True, size=90_000))
    everyone = await asyncio.gather(*(watch(output, stream) for _ in range(30)))
    for number in range(1, 10):
        stream.publish(picture(number))
    for watching in everyone:
        client = watching.client
        await client.until(lambda client=client: 9 in numbers(client.packets))  # type: ignore[misc]
        assert numbers(client.packets) == list(range(1, 10))
        assert client.packets[0].payload[0] & 31 == 24
        fragments = [one for one in client.packets if one.payload[0] & 31 == 28]
        assert sum(len(one.payload) - 2 for one in fragments) == 90_004
    assert len(stream.sinks) == 1


async def test_the_whole_way_over_ipv6() -> None:
    output = WebRtcOutput.open(advertise_addresses=("::1",))
    try:
        stream = stream_of()
        stream.publish(picture(0, keyframe=True, size=5000))
        clients = [(await watch(output, stream)).client for _ in range(3)]
        for client in clients:
            await client.until(lambda client=client: any(one.marker for one in client.packets))
        assert all(viewer.follower.cohort is not None for viewer in output.viewers)
        for number in range(1, 6):
            stream.publish(picture(number))
        for client in clients:
            await client.until(lambda client=client: 5 in numbers(client.packets))
            assert numbers(client.packets) == [1, 2, 3, 4, 5]
    finally:
        output.close()


async def test_h265_reaches_a_viewer_that_offers_it(
    output: WebRtcOutput, pedestrians_h265: Path
) -> None:
    clip = read_clip(pedestrians_h265, seconds=1)
    stream = stream_of(*clip.tracks)
    stream.publish(clip.units[0])
    client = (await watch(output, stream)).client
    await client.until(lambda: any(one.marker for one in client.packets))
    assert {one.payload_type for one in client.packets} == {98}
    first, *others = client.packets
    assert first.payload[0] >> 1 & 63 == 48  # aggregation packet (RFC 7798 §4.4.2)
    for parameter_set in clip.tracks[0].parameter_sets:
        assert parameter_set in first.payload
    rebuilt = b""
    for one in others:
        kind = one.payload[0] >> 1 & 63
        if kind != 49:
            rebuilt += one.payload
        else:
            start = one.payload[2] & 0x80
            header = bytes((one.payload[0] & 0x81 | (one.payload[2] & 63) << 1, one.payload[1]))
            rebuilt += header * bool(start) + one.payload[3:]
    assert rebuilt == b"".join(iterate_nal_units(clip.units[0].payload))


async def test_aiortc_decodes_real_pictures(output: WebRtcOutput, pedestrians_h264: Path) -> None:
    clip = read_clip(pedestrians_h264, seconds=4)
    stream = Stream("cam_test", Variant.MAIN)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    gone: list[str] = []
    try:
        async with ClipPlayer(stream, clip.stretched(25)):
            receiver = connection.addTransceiver("video", direction="recvonly").receiver
            await connection.setLocalDescription(await connection.createOffer())
            offer = connection.localDescription.sdp
            _, answer = output.answer(stream, offer, on_closed=gone.append)
            await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            frames = [await asyncio.wait_for(receiver.track.recv(), 10) for _ in range(30)]
    finally:
        await connection.close()
    assert {(frame.width, frame.height) for frame in frames} == {(768, 576)}
    stamps = [frame.pts for frame in frames]
    assert stamps == sorted(set(stamps))
    # A real picture, not grey: its brightness varies.
    assert frames[-1].to_ndarray(format="gray").std() > 10
    await settled(lambda: gone == ["ended_by_viewer"])
