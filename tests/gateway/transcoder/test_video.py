from __future__ import annotations

import random
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from camera_adapters.codecs.h264 import parse_sps
from camera_adapters.codecs.nal import to_annex_b
from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.video import VideoTranscoder, output_size, output_track
from tests.peers.media_file import make_media, read_media


def decode(track: Track, units: list[AccessUnit]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264" if track.codec is Codec.H264 else "hevc", "r")
    frames = []
    for unit in units:
        packet = av.Packet(to_annex_b(track, unit.payload, unit.keyframe))
        packet.pts, packet.dts = unit.pts_90k, unit.dts_90k
        packet.time_base = Fraction(1, 90000)
        frames += decoder.decode(packet)
    return frames + decoder.decode(None)


def psnr(a: av.VideoFrame, b: av.VideoFrame) -> float:
    left = a.to_ndarray(format="gray").astype(np.float64)
    right = b.to_ndarray(format="gray").astype(np.float64)
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((left - right) ** 2))))


@pytest.mark.parametrize("live", [True, False])
def test_h265_becomes_constrained_baseline_h264_with_every_picture(h265, live) -> None:
    transcoder = VideoTranscoder(h265.track, live=live)
    made = transcoder.push(h265.units[:100]) + transcoder.finish()
    assert [unit.pts_90k for unit in made] == [unit.pts_90k for unit in h265.units[:100]]
    assert [unit.dts_90k for unit in made] == [unit.pts_90k for unit in made]
    sps = parse_sps(transcoder.track.parameter_sets[0])
    assert (sps.profile_idc, sps.constraint_flags & 0xC0) == (66, 0xC0)
    frames = decode(transcoder.track, made)
    assert len(frames) == 100
    originals = decode(h265.track, h265.units[:100])
    assert min(map(psnr, frames, originals)) > 28


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_live_loses_no_picture_of_a_source_with_b_frames(tmp_path: Path, encoder: str) -> None:
    source = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-t", "2")
    codec = ("-c:v", encoder, "-bf", "3", "-g", "25", "-preset", "veryfast")
    quiet = ("-x265-params", "log-level=none") if encoder == "libx265" else ()
    tracks, units = read_media(make_media(tmp_path / "b.mp4", *source, *codec, *quiet))
    assert tracks[0].reorder_depth > 0
    transcoder = VideoTranscoder(tracks[0], live=True)
    made = [picture for unit in units for picture in transcoder.push([unit])]
    made += transcoder.finish()
    assert [picture.pts_90k for picture in made] == sorted(unit.pts_90k for unit in units)
    assert [picture.dts_90k for picture in made] == [picture.pts_90k for picture in made]


def test_each_keyframe_stays_one(h265) -> None:
    transcoder = VideoTranscoder(h265.track, live=False)
    made = transcoder.push(h265.units) + transcoder.finish()
    kept = [unit.pts_90k for unit in made if unit.keyframe]
    assert kept == [unit.pts_90k for unit in h265.units if unit.keyframe]


def test_live_gives_each_picture_at_once_and_a_keyframe_every_two_seconds(h264) -> None:
    track = replace(h264.track, reorder_depth=0)
    units = [
        replace(unit, keyframe=unit.keyframe and index < 20)
        for index, unit in enumerate(h264.units[:20])
    ]
    # One GOP of 40 s: the same clip slowed down, as cameras with "smart" codecs send it.
    units = [replace(u, pts_90k=u.pts_90k * 20, dts_90k=u.dts_90k * 20) for u in units]
    transcoder = VideoTranscoder(track, live=True)
    for unit in units:
        (made,) = transcoder.push([unit])
        assert made.pts_90k == unit.pts_90k
        assert made.keyframe


def test_pieces_encoded_apart_play_behind_one_initialisation_segment(h265) -> None:
    keyframes = [i for i, unit in enumerate(h265.units) if unit.keyframe][:3]
    first = VideoTranscoder(h265.track, live=False)
    second = VideoTranscoder(h265.track, live=False)
    made = first.push(h265.units[: keyframes[1]]) + first.finish()
    made += second.push(h265.units[keyframes[1] : keyframes[2]]) + second.finish()
    assert first.track == second.track == output_track(h265.track)
    assert len(decode(first.track, made)) == keyframes[2]


def test_what_lies_before_the_start_is_decoded_only(h265) -> None:
    transcoder = VideoTranscoder(h265.track, live=False)
    at = h265.units[12].pts_90k
    transcoder.start_at(at, [h265.units[15].pts_90k])
    made = transcoder.push(h265.units[:20]) + transcoder.finish()
    assert [unit.pts_90k for unit in made] == [unit.pts_90k for unit in h265.units[12:20]]
    assert [unit.keyframe for unit in made] == [i in (0, 3) for i in range(8)]
    assert psnr(decode(transcoder.track, made)[0], decode(h265.track, h265.units[:20])[12]) > 28


def test_finish_makes_it_ready_for_another_place(h265) -> None:
    transcoder = VideoTranscoder(h265.track, live=False)
    later = [i for i, unit in enumerate(h265.units) if unit.keyframe][2]
    for start in (later, 0):
        units = h265.units[start : start + 15]
        made = transcoder.push(units) + transcoder.finish()
        assert [unit.pts_90k for unit in made] == [unit.pts_90k for unit in units]


def test_damaged_pictures_are_skipped(h265) -> None:
    damage = random.Random(7)
    units = [
        replace(unit, payload=_damaged(unit.payload, damage)) if 10 <= index < 14 else unit
        for index, unit in enumerate(h265.units[:60])
    ]
    transcoder = VideoTranscoder(h265.track, live=False)
    made = transcoder.push(units) + transcoder.finish()
    assert len(decode(transcoder.track, made)) >= 50


def test_a_stream_without_a_picture_is_refused(h265) -> None:
    transcoder = VideoTranscoder(h265.track, live=True)
    garbage = AccessUnit(0, b"\0\0\0\x10" + bytes(range(16)), 0, 0, True, 0)
    with pytest.raises(TranscodeError) as refusal:
        transcoder.push([replace(garbage, pts_90k=i, dts_90k=i) for i in range(1000)])
    assert refusal.value.code == "undecodable"


@pytest.mark.parametrize(
    ("given", "made"),
    [((768, 576), (768, 576)), ((3840, 2160), (1920, 1080)), ((705, 577), (704, 576))],
)
def test_sizes_are_even_and_bounded(given, made) -> None:
    assert output_size(*given) == made


def _damaged(payload: bytes, source: random.Random) -> bytes:
    broken = bytearray(payload)
    for _ in range(40):
        broken[source.randrange(8, len(broken))] = source.randrange(256)
    return bytes(broken)
