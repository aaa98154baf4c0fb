"""Footage files of others, read as the gateway's own access units; nothing is re-encoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext

from camera_adapters.codecs import CodecError, h264, h265
from camera_adapters.codecs.aac import build_audio_specific_config, parse_audio_specific_config
from camera_adapters.codecs.nal import nal_units_to_payload, split_annex_b
from camera_adapters.stream import AccessUnit, Codec, Track

CLOCK_90K = 90_000
_VIDEO = {"h264": Codec.H264, "hevc": Codec.H265}
_AUDIO = {"aac": Codec.AAC, "opus": Codec.OPUS, "pcm_alaw": Codec.PCMA, "pcm_mulaw": Codec.PCMU}

_LEADS_NOWHERE = {"protocol_whitelist": "file"}


class MediaFileError(Exception):
    """The file cannot be used. The message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """What follows has these formats, and its time stamps count from here.

    ``offset_90k``: where this run begins, counted from the first picture of the file.
    """

    tracks: tuple[Track, ...]
    offset_90k: int


@dataclass(slots=True)
class _Input:
    stream: Any
    codec: Codec
    kind: str
    filter: Any | None


def read_media_file(path: Path, formats: str | None = None) -> Iterator[RunStarted | AccessUnit]:
    """Walk a file's units in its own order; :class:`RunStarted` comes first, and again where the
    format changes. Blocks on the disk. ``wall_us`` of the units is 0: a file does not know it.
    ``formats``: libavformat's names of what it may be (such as ``mov``); then it leads nowhere
    else, whatever is in it.

    Sound in a codec that the gateway does not carry is left out. Raises MediaFileError when the
    file cannot be opened, has no H.264 or H.265 video, or breaks before the first picture; damage
    further on ends the walk with MediaFileError after everything before it was given.
    """
    options = {} if formats is None else {**_LEADS_NOWHERE, "format_whitelist": formats}
    try:
        container = av.open(str(path), mode="r", options=options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaFileError(f"{path}: not a media file that can be read ({error})") from error
    with container:
        inputs = _choose_streams(path, container)
        yield from _walk(path, container, inputs)


def duration_of(path: Path) -> float:
    """Seconds of media as the file's header says, 0.0 where it does not. Raises MediaFileError."""
    try:
        with av.open(str(path), mode="r") as container:
            return (container.duration or 0) / av.time_base
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaFileError(f"{path}: not a media file that can be read ({error})") from error


def _choose_streams(path: Path, container: Any) -> list[_Input]:
    video = next((s for s in container.streams.video if _named(s) in _VIDEO), None)
    if video is None:
        found = ", ".join(map(_named, container.streams.video)) or "none"
        raise MediaFileError(
            f"{path}: no H.264 or H.265 video in it (found: {found}); convert it first"
        )
    annex_b = "h264_mp4toannexb" if _named(video) == "h264" else "hevc_mp4toannexb"
    inputs = [_Input(video, _VIDEO[_named(video)], "video", None)]
    inputs[0].filter = BitStreamFilterContext(annex_b, in_stream=video)
    audio = next((s for s in container.streams.audio if _named(s) in _AUDIO), None)
    if audio is not None and _audio_track(audio, _AUDIO[_named(audio)]) is not None:
        inputs.append(_Input(audio, _AUDIO[_named(audio)], "audio", None))
    return inputs


def _named(stream: Any) -> str:
    """The stream's codec; of one that libavcodec does not know there is no context."""
    context = stream.codec_context
    return "unknown" if context is None else str(context.name)


def _audio_track(stream: Any, codec: Codec) -> Track | None:
    channels = int(stream.codec_context.channels or 1)
    rate = int(stream.codec_context.sample_rate or 0)
    if codec is not Codec.AAC:
        return Track("audio", codec, rate or 8000, channels=channels)
    config = bytes(stream.codec_context.extradata or b"") or _config_of_adts(stream, rate, channels)
    try:
        parsed = parse_audio_specific_config(config)
    except CodecError:
        return None
    return Track("audio", codec, parsed.sampling_frequency, (config,), channels=parsed.channels)


def _config_of_adts(stream: Any, rate: int, channels: int) -> bytes:
    """MPEG-TS has no AudioSpecificConfig: what it would say. Empty when that cannot be told."""
    high_efficiency = str(stream.codec_context.profile or "").startswith("HE")
    try:
        # With implicit SBR the decoder tells the doubled rate; the core stream has half of it.
        return build_audio_specific_config(rate // 2 if high_efficiency else rate, channels)
    except CodecError:
        return b""


def _without_adts(payload: bytes) -> bytes:
    """The raw access unit behind an ADTS header (ISO/IEC 14496-3 §1.A.2.2), where there is one."""
    if len(payload) > 7 and payload[0] == 0xFF and payload[1] & 0xF6 == 0xF0:
        return payload[7 if payload[1] & 1 else 9 :]
    return payload


def _walk(path: Path, container: Any, inputs: list[_Input]) -> Iterator[RunStarted | AccessUnit]:
    by_index = {item.stream.index: position for position, item in enumerate(inputs)}
    reader = _RunReader(inputs)
    try:
        for packet in container.demux([item.stream for item in inputs]):
            position = by_index[packet.stream_index]
            yield from reader.read(position, packet)
    except (av.error.FFmpegError, CodecError) as error:
        raise MediaFileError(f"{path}: damaged, read up to here ({error})") from error
    if not reader.started:
        raise MediaFileError(f"{path}: no keyframe in it")


class _RunReader:
    """Packets to units: parameter sets out of the pictures into tracks, times from the run's start.

    Containers may begin at any time, even below zero; the run begins at the first keyframe.
    """

    def __init__(self, inputs: list[_Input]) -> None:
        self._inputs = inputs
        self._tracks: tuple[Track, ...] = ()
        self._parameter_sets: dict[int, bytes] = {}
        self._first_90k = 0
        self._run_90k = 0
        self._last_dts: list[int | None] = [None] * len(inputs)
        self._depth = 0
        self.started = False

    def read(self, position: int, packet: Any) -> Iterator[RunStarted | AccessUnit]:
        item = self._inputs[position]
        if item.filter is None:
            if packet.size and self.started:
                payload = bytes(packet)
                if item.codec is Codec.AAC:
                    payload = _without_adts(payload)
                yield from self._unit(position, packet, payload, True)
            return
        for filtered in item.filter.filter(packet if packet.size else None):
            yield from self._picture(position, filtered)

    def _picture(self, position: int, packet: Any) -> Iterator[RunStarted | AccessUnit]:
        codec = self._inputs[position].codec
        units = split_annex_b(bytes(packet))
        changed = self._take_parameter_sets(codec, units)
        keyframe = packet.is_keyframe
        if keyframe and (changed or not self.started):
            yield self._start_run(packet)
        payload = nal_units_to_payload(codec, units)
        if payload and self.started:
            yield from self._unit(position, packet, payload, keyframe)

    def _take_parameter_sets(self, codec: Codec, units: list[bytes]) -> bool:
        changed = False
        for unit in units:
            kind = unit[0] & 31 if codec is Codec.H264 else (unit[0] >> 1) & 63
            wanted = (7, 8) if codec is Codec.H264 else (32, 33, 34)
            if kind in wanted and self._parameter_sets.get(kind) != unit:
                self._parameter_sets[kind] = unit
                changed = True
        return changed

    def _start_run(self, packet: Any) -> RunStarted:
        sets = self._parameter_sets
        first = self._inputs[0]
        try:
            if first.codec is Codec.H264:
                video = h264.track_from_parameter_sets(sets[7], sets[8])
            else:
                video = h265.track_from_parameter_sets(sets[32], sets[33], sets[34])
        except KeyError:
            raise CodecError("a keyframe without parameter sets") from None
        rate = float(first.stream.average_rate or 0) or video.frames_per_second
        depth = max(video.reorder_depth, int(first.stream.codec_context.has_b_frames))
        video = replace(video, frames_per_second=rate, reorder_depth=depth)
        sound = [_audio_track(item.stream, item.codec) for item in self._inputs[1:]]
        self._tracks = (video, *(track for track in sound if track is not None))
        start = _to_90k(packet.dts if packet.dts is not None else packet.pts, packet.time_base)
        if not self.started:
            self._first_90k = start
        self._run_90k = start
        self._last_dts = [None] * len(self._inputs)
        self.started = True
        return RunStarted(self._tracks, start - self._first_90k)

    def _unit(
        self, position: int, packet: Any, payload: bytes, keyframe: bool
    ) -> Iterator[AccessUnit]:
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            return
        dts = _to_90k(packet.dts if packet.dts is not None else time, packet.time_base)
        pts = _to_90k(time, packet.time_base)
        dts, pts = dts - self._run_90k, pts - self._run_90k
        last = self._last_dts[position]
        if dts < 0 or (last is not None and dts < last):
            return
        self._last_dts[position] = dts
        yield AccessUnit(position, payload, max(pts, dts), dts, keyframe, 0)


def _to_90k(time: int, time_base: Fraction) -> int:
    return round((time * CLOCK_90K) * time_base)
