"""Any media file as Tracks and AccessUnits, and files to try: made by ffmpeg, judged by ffprobe."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import av

from camera_adapters.codecs import aac, h264, h265
from camera_adapters.codecs.nal import annex_b_to_payload, split_annex_b
from camera_adapters.stream import AccessUnit, Codec, Track

_CODECS = {
    "h264": Codec.H264,
    "hevc": Codec.H265,
    "aac": Codec.AAC,
    "opus": Codec.OPUS,
    "pcm_alaw": Codec.PCMA,
    "pcm_mulaw": Codec.PCMU,
}


def read_media(path: Path, *, wall_us: int = 0) -> tuple[tuple[Track, ...], list[AccessUnit]]:
    """All units in decoding order, times from 0 on; ``wall_us`` is the instant of time 0."""
    with av.open(str(path)) as container:
        streams = [s for s in container.streams if s.type in ("video", "audio")]
        tracks: dict[int, Track] = {}
        filters = {
            stream.index: av.BitStreamFilterContext(
                "hevc_mp4toannexb" if stream.codec.name == "hevc" else "h264_mp4toannexb", stream
            )
            for stream in streams
            if stream.type == "video"
        }
        found: list[tuple[int, int, int, bool, bytes]] = []
        for packet in container.demux(streams):
            if packet.dts is None:
                continue
            index, codec = packet.stream.index, _CODECS[packet.stream.codec.name]
            scale = packet.time_base * 90000
            pts, dts, keyframe = (
                round(packet.pts * scale),
                round(packet.dts * scale),
                (packet.is_keyframe),
            )
            if index not in filters:
                tracks.setdefault(index, _audio_track(packet.stream, codec))
                found.append((index, pts, dts, True, bytes(packet)))
                continue
            for filtered in filters[index].filter(packet):
                data = bytes(filtered)
                if index not in tracks:
                    tracks[index] = _video_track(codec, split_annex_b(data))
                found.append((index, pts, dts, keyframe, annex_b_to_payload(codec, data)))
    order = sorted(tracks)
    origin = min(dts for _, _, dts, _, _ in found)
    found.sort(key=lambda unit: unit[2])
    units = [
        AccessUnit(
            order.index(index),
            payload,
            pts - origin,
            dts - origin,
            keyframe,
            wall_us + (pts - origin) * 100 // 9,
        )
        for index, pts, dts, keyframe, payload in found
    ]
    return tuple(tracks[index] for index in order), units


def _video_track(codec: Codec, nal_units: list[bytes]) -> Track:
    if codec is Codec.H264:
        sps, pps = (next(u for u in nal_units if u[0] & 0x1F == kind) for kind in (7, 8))
        return h264.track_from_parameter_sets(sps, pps)
    vps, sps, pps = (
        next(u for u in nal_units if u[0] >> 1 & 0x3F == kind) for kind in (32, 33, 34)
    )
    return h265.track_from_parameter_sets(vps, sps, pps)


def _audio_track(stream: av.AudioStream, codec: Codec) -> Track:
    if codec is Codec.AAC:
        return aac.track_from_audio_specific_config(bytes(stream.codec_context.extradata or b""))
    return Track("audio", codec, stream.rate, channels=stream.channels)


def make_media(path: Path, *arguments: str) -> Path:
    """Run ffmpeg with these arguments, writing ``path``."""
    command = ["ffmpeg", "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


def decoded_frames(path: Path) -> dict[str, int]:
    """Codec name → frames that ffprobe decodes; fails when a full decode complains of anything."""
    probe = subprocess.run(
        [
            "ffprobe", "-v", "error", "-count_frames", "-of", "json",
            "-show_entries", "stream=codec_name,nb_read_frames", str(path),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert probe.returncode == 0, probe.stderr
    assert probe.stderr == "", probe.stderr
    decode = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(path), "-map", "0", "-f", "null", "-"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert decode.returncode == 0, decode.stderr
    complaints = [
        line for line in decode.stderr.splitlines() if "Guessed Channel Layout" not in line
    ]
    assert not complaints, decode.stderr
    return {
        stream["codec_name"]: int(stream["nb_read_frames"])
        for stream in json.loads(probe.stdout)["streams"]
    }
