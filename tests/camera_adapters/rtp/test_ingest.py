"""From packets to a Stream: runs, keyframes, losses, formats that change."""

from __future__ import annotations

import struct
from base64 import b64encode
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from camera_adapters import sdp
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.ingest import Ingest
from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.rtp.rtcp import us_to_ntp
from camera_adapters.rtp.tracks import choose_tracks
from camera_adapters.stream import (
    AccessUnit,
    Codec,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)
from camera_adapters.stream_runs import merge_parameter_sets
from tests.peers.parameter_sets import H264_PPS, H264_SPS
from tests.peers.rtp_packets import packet, packets_of, pictures, video_track

START_US = 1_700_000_000_000_000
# A 640×480 SPS, for a change of resolution in mid-stream.
OTHER_SPS = bytes.fromhex("6742c01eda0280f6840000030004000003007a3c58ba80")


@dataclass
class Recorded:
    """A Sink that keeps what it is told."""

    runs: list[tuple[Track, ...]] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        raise AssertionError("nobody closes it")


class Camera:
    """An Ingest with a Sink behind it, fed picture by picture."""

    def __init__(
        self,
        codec: Codec = Codec.H264,
        sound: str = "",
        reordering: bool = False,
        clock: CameraClock | None = None,
    ) -> None:
        body = f"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 {codec.value.upper()}/90000\n{sound}"
        self.sink = Recorded()
        stream = Stream("cam", Variant.MAIN)
        stream.attach(self.sink)
        self.clock = clock or CameraClock()
        plans = choose_tracks(sdp.parse(body.encode()))
        self.ingest = Ingest(stream, plans, self.clock, reordering=reordering)
        self.now_us = START_US

    def send(self, groups: list[list[bytes]], track: int = 0, step_us: int = 40_000) -> None:
        for group in groups:
            for one in group:
                self.ingest.receivers[track].receive_packet(one, 0, len(one), self.now_us)
            self.now_us += step_us


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_every_picture_arrives_as_it_was(codec: Codec) -> None:
    camera = Camera(codec)
    sent = pictures(codec, 20)
    camera.send(packets_of(sent, codec))
    assert [(u.payload, u.keyframe) for u in camera.sink.units] == [
        (u.payload, u.keyframe) for u in sent
    ]
    (run,) = camera.sink.runs
    assert (run[0].width, run[0].height, run[0].codec) == (768, 576, codec)
    assert camera.sink.units[0].pts_90k == 0
    assert all(a.wall_us < b.wall_us for a, b in pairwise(camera.sink.units))
    assert camera.ingest.counters.gop_pictures == 5


def test_a_run_begins_at_a_keyframe() -> None:
    camera = Camera()
    camera.send(packets_of(pictures(Codec.H264, 12))[3:])
    assert camera.sink.units[0].keyframe
    assert len(camera.sink.units) == 7


def test_a_torn_picture_is_dropped_and_its_dependants_are_kept() -> None:
    camera = Camera()
    groups = packets_of(pictures(Codec.H264, 10))
    del groups[2][1]
    camera.send(groups)
    assert len(camera.sink.units) == 9
    assert camera.sink.interruptions == []
    assert camera.ingest.counters.damaged == 1


def test_a_torn_keyframe_interrupts_until_the_next() -> None:
    camera = Camera()
    groups = packets_of(pictures(Codec.H264, 15))
    del groups[5][2]
    camera.send(groups)
    assert [i.cause for i in camera.sink.interruptions] == [GapCause.BAD_MEDIA]
    assert len(camera.sink.runs) == 2
    assert len(camera.sink.units) == 10
    walls = [unit.wall_us for unit in camera.sink.units]
    assert walls == sorted(set(walls))


def test_missing_markers_change_nothing_but_the_last_picture() -> None:
    camera = Camera()
    sent = pictures(Codec.H264, 10)
    groups = [
        [bytes((one[0], one[1] & 0x7F)) + one[2:] for one in group] for group in packets_of(sent)
    ]
    camera.send(groups)
    assert [unit.payload for unit in camera.sink.units] == [unit.payload for unit in sent[:-1]]


def test_markers_inside_pictures_are_found_out() -> None:
    camera = Camera()
    groups = []
    for number in range(12):
        head = b"\x65" if number % 4 == 0 else b"\x41"
        slices = [head + b"\x88" + bytes((number,)) * 50, head + b"\x08" + bytes((number,)) * 50]
        sets = [H264_SPS, H264_PPS] if number % 4 == 0 else []
        payloads = [*sets, *slices]
        first = number * 10
        groups.append(
            [
                packet(p, first + n, number * 3600, marker=p in slices)
                for n, p in enumerate(payloads)
            ]
        )
        groups[-1] += [
            packet(b"\x06\x01", first + n, number * 3600) for n in range(len(payloads), 10)
        ]
    camera.send(groups)
    whole = [unit for unit in camera.sink.units if len(unit.payload) > 100]
    # The first GOP is given up, with its keyframe published in halves; the last picture is open.
    assert len(whole) == 7


def test_a_resolution_switch_starts_a_new_run() -> None:
    camera = Camera()
    groups = packets_of(pictures(Codec.H264, 10), sequence=0)
    switched = [
        [one[:12] + OTHER_SPS if one[12:] == H264_SPS else one for one in group]
        for group in groups[5:]
    ]
    aggregated = any(one[12] & 31 == 24 for group in groups for one in group)
    if aggregated:
        switched = [
            [_with_sps(one) if one[12] & 31 == 24 else one for one in group] for group in groups[5:]
        ]
    camera.send([*groups[:5], *switched])
    assert [(run[0].width, run[0].height) for run in camera.sink.runs] == [(768, 576), (640, 480)]
    assert camera.sink.units[5].pts_90k == 0


def _with_sps(one: bytes) -> bytes:
    pieces = [OTHER_SPS, H264_PPS]
    return one[:12] + one[12:13] + b"".join(len(p).to_bytes(2, "big") + p for p in pieces)


def test_repeated_parameter_sets_are_no_change() -> None:
    camera = Camera()
    camera.send(packets_of(pictures(Codec.H264, 30)))
    assert len(camera.sink.runs) == 1


def test_merging_parameter_sets() -> None:
    second_pps = b"\x68\x4f\x01\x02"  # pic_parameter_set_id 1
    known = merge_parameter_sets(Codec.H264, (), [H264_PPS, H264_SPS])
    assert known == (H264_SPS, H264_PPS)
    assert merge_parameter_sets(Codec.H264, known, [second_pps]) == (H264_SPS, H264_PPS, second_pps)
    assert merge_parameter_sets(Codec.H264, known, [OTHER_SPS, H264_PPS]) == (OTHER_SPS, H264_PPS)


def test_without_parameter_sets_nothing_is_published() -> None:
    camera = Camera()
    groups = packets_of(pictures(Codec.H264, 6))
    camera.send([[one for one in group if one[12] & 31 not in (7, 8, 24)] for group in groups])
    assert camera.sink.units == []
    assert camera.ingest.counters.undecodable > 0


def test_undeclared_b_frames_give_a_new_run_with_their_depth() -> None:
    camera = Camera()
    sent = pictures(Codec.H264, 24, gop=8)
    order = [0, 3, 1, 2, 6, 4, 5, 7]
    shuffled = []
    for gop in range(3):
        for place, shown in enumerate(order):
            unit = sent[gop * 8 + place]
            shuffled.append(
                AccessUnit(0, unit.payload, (gop * 8 + shown) * 3600, 0, unit.keyframe, 0)
            )
    camera.send(packets_of(shuffled))
    assert [run[0].reorder_depth for run in camera.sink.runs] == [0, 1]
    second = camera.sink.units[8:]
    assert all(unit.dts_90k <= unit.pts_90k for unit in second)
    assert all(a.dts_90k < b.dts_90k for a, b in pairwise(second))


def test_sound_on_the_pictures_line() -> None:
    camera = Camera(sound="m=audio 0 RTP/AVP 8\n")
    video = packets_of(pictures(Codec.H264, 10))
    for number, group in enumerate(video):
        camera.send([group], step_us=0)
        sound = packet(b"\xd5" * 320, number, number * 320 + 5, payload_type=8, ssrc=9)
        camera.send([[sound]], track=1)
    heard = [unit for unit in camera.sink.units if unit.track_index == 1]
    seen = [unit for unit in camera.sink.units if unit.track_index == 0]
    assert len(heard) == 10
    assert all(abs(a.pts_90k - v.pts_90k) < 900 for a, v in zip(heard, seen, strict=True))


def sender_report(timestamp: int, wall_us: int) -> bytes:
    ntp = us_to_ntp(wall_us)
    return struct.pack(">BBHIQIII", 0x80, 200, 6, 7, ntp, timestamp & 0xFFFF_FFFF, 0, 0)


FIRST_TIMESTAMP = 0xFFFF_0000  # of packets_of(), as a test below shows


def test_a_gop_sent_at_connect_is_filed_in_the_past() -> None:
    camera = Camera()
    sent = packets_of(pictures(Codec.H264, 60))
    camera.send(sent[:30], step_us=1_000)
    assert camera.sink.units == []
    camera.now_us += 20_000
    newest_us = camera.now_us
    camera.send(sent[30:])
    walls = [unit.wall_us for unit in camera.sink.units]
    assert len(walls) == 60
    assert walls[0] == newest_us - 30 * 40_000
    assert all(abs(later - earlier - 40_000) <= 12 for earlier, later in pairwise(walls))
    assert max(walls) <= camera.now_us


def test_after_a_gop_silence_ends_the_waiting() -> None:
    camera = Camera()
    camera.send(packets_of(pictures(Codec.H264, 10)), step_us=0)
    camera.ingest.expire(START_US + 30_000)
    assert (camera.ingest.settled, camera.sink.units) == (False, [])
    camera.ingest.expire(START_US + 70_000)
    assert camera.ingest.settled
    assert [unit.wall_us for unit in camera.sink.units][-1] == START_US


def test_a_report_in_front_of_a_gop_places_it_at_once() -> None:
    camera = Camera()
    sent = packets_of(pictures(Codec.H264, 30))
    report = sender_report(FIRST_TIMESTAMP + 30 * 3600, START_US - 5_000)
    camera.ingest.receive_rtcp(0, report, START_US)
    camera.send(sent[:1], step_us=0)
    (first,) = camera.sink.units
    assert abs(first.wall_us - (START_US - 5_000 - 30 * 40_000)) <= 1
    camera.send(sent[1:], step_us=100)
    assert max(unit.wall_us for unit in camera.sink.units) < START_US
    assert len(camera.sink.runs) == 1


def test_sound_in_a_gop_lies_where_its_pictures_do() -> None:
    camera = Camera(sound="m=audio 0 RTP/AVP 8\n")
    for number, group in enumerate(packets_of(pictures(Codec.H264, 30))):
        sound = packet(b"\xd5" * 320, number, number * 320 + 5, payload_type=8, ssrc=9)
        camera.send([group], step_us=0)
        camera.send([[sound]], track=1, step_us=40_000 if number > 25 else 500)
    heard = [unit for unit in camera.sink.units if unit.track_index == 1]
    seen = [unit for unit in camera.sink.units if unit.track_index == 0]
    assert len(seen) == len(heard) == 30
    assert all(abs(a.wall_us - v.wall_us) < 10_000 for a, v in zip(heard, seen, strict=True))


def test_a_gop_that_was_recorded_already_passes_without_overlap_or_gap() -> None:
    camera = Camera()
    sent = packets_of(pictures(Codec.H264, 60))
    camera.send(sent[:40])
    camera.ingest.close()
    last_us = camera.sink.units[-1].wall_us
    again = Camera(clock=camera.clock)
    again.now_us = camera.now_us + 400_000
    again.send(sent[:50], step_us=100)  # the connection was lost for half a second
    again.send(sent[50:])
    walls = [unit.wall_us for unit in again.sink.units]
    assert walls[0] > last_us
    assert all(later > earlier for earlier, later in pairwise(walls))
    # Ten pictures are news, and each is at its own place; those before passed quickly.
    assert walls[38] - walls[0] < 20_000
    assert all(abs(b - a - 40_000) <= 12 for a, b in pairwise(walls[-12:]))
    assert max(walls) <= again.now_us


def test_a_new_connection_goes_on_behind_the_old_one() -> None:
    camera = Camera()
    camera.send(packets_of(pictures(Codec.H264, 10)))
    camera.ingest.close()
    last = camera.sink.units[-1].wall_us
    again = Camera(clock=camera.clock)
    again.now_us = START_US  # the gateway's clock was set back meanwhile
    again.send(packets_of(pictures(Codec.H264, 5)))
    assert again.sink.units[0].wall_us > last


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_parameter_sets_in_the_description_only(codec: Codec) -> None:
    texts = [b64encode(one).decode() for one in video_track(codec).parameter_sets]
    if codec is Codec.H264:
        given = f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={','.join(texts)}\n"
    else:
        names = ("sprop-vps", "sprop-sps", "sprop-pps")
        pairs = (f"{name}={text}" for name, text in zip(names, texts, strict=True))
        given = f"a=fmtp:96 {';'.join(pairs)}\n"
    camera = Camera(codec, given)
    sent = pictures(codec, 10)
    packetiser = TrackPacketiser(video_track(codec), 0, 7, 0, 0)
    for unit in sent:
        unit.keyframe, keyframe = False, unit.keyframe  # no sets in front of it
        packets = [bytes(one) for one in packetiser.packetise(unit).datagrams()]
        unit.keyframe = keyframe
        camera.send([packets])
    assert [unit.payload for unit in camera.sink.units] == [unit.payload for unit in sent]
    assert camera.sink.runs[0][0].parameter_sets == video_track(codec).parameter_sets


def test_a_goodbye_and_a_broken_report() -> None:
    camera = Camera()
    camera.send(packets_of(pictures(Codec.H264, 3)))
    assert not camera.ingest.receive_rtcp(0, b"\x00nonsense", camera.now_us)
    assert camera.ingest.counters.malformed == 1
    assert not camera.ingest.receive_rtcp(0, b"\x81\xcb\x00\x01\x00\x00\x00\x63", camera.now_us)
    assert camera.ingest.receive_rtcp(0, b"\x81\xcb\x00\x01\x00\x00\x00\x07", camera.now_us)


def test_a_camera_eight_hours_ahead_does_not_move_the_recording() -> None:
    camera = Camera()
    eight_hours_us = 8 * 3_600_000_000
    for number, group in enumerate(packets_of(pictures(Codec.H264, 40))):
        camera.send([group])
        if number % 10 == 0:
            timestamp = 0xFFFF_0000 + number * 3600 & 0xFFFF_FFFF
            wall_us = START_US + number * 40_000 + eight_hours_us
            report = struct.pack(">BBHIQIII", 0x80, 200, 6, 7, us_to_ntp(wall_us), timestamp, 0, 0)
            camera.ingest.receive_rtcp(0, report, camera.now_us)
    assert not camera.clock.trusted
    assert camera.clock.offset_us is not None
    assert abs(camera.clock.offset_us - eight_hours_us) < 100_000
    assert all(
        abs(unit.wall_us - START_US - number * 40_000) < 60_000
        for number, unit in enumerate(camera.sink.units)
    )
