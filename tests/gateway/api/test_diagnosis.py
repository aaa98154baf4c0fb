"""The steps of a diagnosis: what each says of what was measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from camera_adapters.codecs.h264 import parse_sps
from camera_adapters.source import SourceCounters
from camera_adapters.stream import Codec, Track
from gateway.api.diagnosis import (
    clock_step,
    loss_step,
    picture_step,
    same_picture_step,
    stream_step,
)
from gateway.shard.sampling import profile_of
from tests.peers.parameter_sets import H264_PPS, H264_SPS

LIVE = {
    "state": "live", "since_us": 1, "codec": "h264", "width": 1920, "height": 1080,
    "frames_per_second": 25.0, "gop_s": 2.0, "bitrate_bps": 2_000_000, "has_b_frames": False,
}  # fmt: skip


def sample(
    before: dict[str, Any] | None = None, after: dict[str, Any] | None = None, **facts: Any
) -> dict[str, Any]:
    return {
        "state": {**LIVE, **facts},
        "before": asdict(SourceCounters(**(before or {}))),
        "after": asdict(SourceCounters(**(after or {}))),
    }


def test_a_stream_says_its_fault_and_a_disabled_camera_none() -> None:
    refused = sample(state="refused", fault="refused", detail="the password is wrong")
    step = stream_step("main", refused)
    assert (step.result, step.code) == ("fail", "refused")
    assert step.figures["detail"] == "the password is wrong"
    assert stream_step("main", None).result == "fail"
    assert stream_step("sub", None).code == "no_sub"
    assert stream_step("main", None, enabled=False).result == "skip"
    assert stream_step("main", sample()).code == "live"


def test_pictures_that_browsers_do_not_play_are_warned_of() -> None:
    assert picture_step("main", sample()).result == "ok"
    assert picture_step("main", sample(codec="h265")).code == "h265"
    assert picture_step("main", sample(codec="mjpeg")).code == "not_h264_h265"
    assert picture_step("main", sample(has_b_frames=True)).code == "b_frames"
    assert picture_step("main", sample(gop_s=10.0)).code == "long_gop"
    assert picture_step("main", sample(state="offline")).result == "fail"


def test_the_sub_stream_is_smaller_and_of_much_the_same_shape() -> None:
    main = sample()
    assert same_picture_step(main, sample(width=640, height=360)).result == "ok"
    assert same_picture_step(main, sample(width=704, height=576)).result == "ok"
    assert same_picture_step(main, sample(width=480, height=720)).code == "other_shape"
    assert same_picture_step(main, sample()).code == "sub_not_smaller"
    assert same_picture_step(main, None).result == "skip"


def test_loss_is_what_was_lost_within_the_sample() -> None:
    before = {"packets": 1000, "lost": 500, "bytes": 1000}
    none = {"packets": 3000, "lost": 500, "bytes": 9000}
    assert loss_step(sample(before, none)).code == "none"
    some = loss_step(sample(before, {**none, "lost": 504}))
    assert (some.result, some.code, some.figures["lost"]) == ("warn", "some", 4)
    assert loss_step(sample(before, {**none, "lost": 600})).result == "fail"
    assert loss_step(sample(before, before)).code == "not_measured"
    assert loss_step(None).result == "skip"


def test_the_worse_of_both_clocks_counts() -> None:
    right = sample(after={"camera_clock_offset_us": 20_000})
    assert clock_step(right, None).code == "right"
    assert clock_step(right, -2_000_000).code == "off"
    assert clock_step(sample(after={"camera_clock_offset_us": 90_000_000}), 0).code == "far_off"
    assert clock_step(sample(), None).code == "unknown"
    assert clock_step(None, None).result == "skip"


def test_a_profile_is_called_by_its_name() -> None:
    track = Track("video", Codec.H264, 90000, (H264_SPS, H264_PPS))
    told = profile_of((track,))
    assert told["codec_string"].startswith("avc1.")
    names = {66: "Baseline", 77: "Main", 100: "High"}
    assert told["profile"] == names[parse_sps(H264_SPS).profile_idc]
    assert profile_of((Track("video", Codec.H264, 90000, (b"\x67",)),)) == {}
    assert profile_of(()) == {}
