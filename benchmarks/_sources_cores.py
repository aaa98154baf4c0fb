"""The cores of ``benchmarks.sources``: one stream's bytes at once, and the processor time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from camera_adapters import sdp
from camera_adapters.flv.media import FlvMedia
from camera_adapters.flv.tags import TagReader
from camera_adapters.media_ingest import MediaIngest
from camera_adapters.mpeg_ts.demultiplex import TransportDemultiplexer, TsPicture
from camera_adapters.rtmp.chunks import ChunkReader, ChunkWriter
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.ingest import Ingest
from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.rtp.tracks import TrackPlan
from camera_adapters.stream import AccessUnit, Codec, Stream, Variant
from camera_adapters.webrtc.incoming import IncomingPeer
from camera_adapters.webrtc.publication import _Taker
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpKeys, SrtpSession

_READ_BYTES = 8192
_START_US = 1_700_000_000_000_000


def core_percent(kind: str, data: bytes, seconds: float) -> float:
    """% of a core for a stream of ``seconds``: the best of three."""
    prepare = {"rtmp": _rtmp, "mpeg_ts": _mpeg_ts, "webrtc_in": _webrtc_in}[kind]
    best = min(asyncio.run(_timed(prepare(data, seconds))) for _ in range(3))
    return best / seconds * 100


async def _timed(work: Callable[[], int]) -> float:
    before = time.process_time()
    pictures = work()
    used = time.process_time() - before
    if not pictures:
        raise RuntimeError("no picture came out")
    return used


def _ingest() -> MediaIngest:
    return MediaIngest(Stream("cam", Variant.MAIN), CameraClock())


def _rtmp(data: bytes, seconds: float) -> Callable[[], int]:
    writer = ChunkWriter()
    wire = [writer.message(1, (4096).to_bytes(4, "big"), chunk_stream=2)]
    writer.chunk_bytes = 4096
    wire += (
        writer.message(
            tag.kind, tag.body, timestamp_ms=tag.timestamp_ms, stream_id=1, chunk_stream=4
        )
        for tag in TagReader().receive(data)
    )
    joined = b"".join(wire)

    def work() -> int:
        ingest, reader = _ingest(), ChunkReader()
        media = FlvMedia(ingest)
        for start in range(0, len(joined), _READ_BYTES):
            now_us = _START_US + int(start / len(joined) * seconds * 1e6)
            for message in reader.receive(joined[start : start + _READ_BYTES]):
                media.take(message.kind, message.timestamp_ms, message.body, now_us)
        ingest.close()
        return ingest.counters.pictures

    return work


def _mpeg_ts(data: bytes, seconds: float) -> Callable[[], int]:
    def work() -> int:
        ingest, demultiplexer = _ingest(), TransportDemultiplexer()
        for start in range(0, len(data), _READ_BYTES):
            now_us = _START_US + int(start / len(data) * seconds * 1e6)
            for unit in demultiplexer.receive(data[start : start + _READ_BYTES]):
                if isinstance(unit, TsPicture):
                    ingest.picture(unit.codec, unit.nal_units, unit.pts_90k, unit.dts_90k, now_us)
                else:
                    ingest.sound(unit.track, unit.payload, unit.pts_90k, now_us)
        ingest.close()
        return ingest.counters.pictures

    return work


class _Kept:
    """A Sink that keeps pictures."""

    def __init__(self) -> None:
        self.tracks: tuple[object, ...] = ()
        self.units: list[AccessUnit] = []

    def on_run_started(self, tracks: tuple[object, ...]) -> None:
        self.tracks = tracks

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units += [unit] if unit.track_index == 0 else []

    def on_interrupted(self, interruption: object) -> None:
        pass

    def on_closed(self) -> None:
        pass


def _protected(session: Session, packet: bytes) -> bytes:
    """pylibsrtp's own call takes shorter packets only."""
    buffer, length = ffi.new("char[]", 2048), ffi.new("int *", len(packet))
    ffi.memmove(buffer, packet, len(packet))
    if lib.srtp_protect(session._srtp[0], buffer, length):
        raise RuntimeError("a packet could not be encrypted")
    return bytes(ffi.buffer(buffer, length[0]))


def _webrtc_in(data: bytes, seconds: float) -> Callable[[], int]:
    kept, stream = _Kept(), Stream("made", Variant.MAIN)
    stream.attach(kept)
    ingest = MediaIngest(stream, CameraClock())
    for unit in TransportDemultiplexer().receive(data):
        if isinstance(unit, TsPicture):
            ingest.picture(unit.codec, unit.nal_units, unit.pts_90k, unit.dts_90k, _START_US)
    ingest.close()
    packetiser = TrackPacketiser(kept.tracks[0], 0, 96, 1, 7)  # type: ignore[arg-type]
    profile = SRTP_PROFILES[0]
    material = bytes(range(SrtpKeys.exported_size(profile)))
    keys = SrtpKeys.from_exported(profile, material, server=True)
    policy = Policy(
        key=keys.theirs, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.libsrtp_profile
    )
    sending = Session(policy)
    pictures: list[list[bytes]] = []
    for picture in kept.units:
        framed, position, packets = packetiser.packetise(picture).interleaved, 0, []
        while position < len(framed):
            end = position + 4 + int.from_bytes(framed[position + 2 : position + 4], "big")
            packets.append(_protected(sending, framed[position + 4 : end]))
            position = end
        pictures.append(packets)

    def work() -> int:
        now_us = _START_US
        plan = TrackPlan("video", Codec.H264, sdp.Format(96, "H264", 90_000), "")
        taking = Ingest(Stream("cam", Variant.MAIN), [plan], CameraClock(), reordering=True)
        track = IncomingTrack("video", Codec.H264, "0", 96, plan.format, 0, ("nack",))
        peer = IncomingPeer([track], lambda: now_us, lambda reason: None)
        peer.on_secured(SrtpSession(keys))
        peer.take([_Taker(taking, 0)])
        for packets in pictures:
            now_us += 40_000
            for packet in packets:
                peer.on_rtp(packet)
            peer.turn(now_us)
        taking.close()
        return taking.counters.pictures

    return work
