"""Program streams: whole feeds by UDP and TCP, with a byte string cut into packets."""

from __future__ import annotations

from camera_adapters.gb28181.intake import MediaIntake
from camera_adapters.gb28181.recorded_line import RecordedLine
from camera_adapters.media_ingest import MediaIngest
from camera_adapters.mpeg_ps.multiplex import PsMultiplexer
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.stream import AccessUnit, Codec, Stream, Track, Variant
from tests.peers.program_streams import RtpCutter, framed
from tests.peers.rtp_packets import pictures, video_track


def _seed(codec: Codec, *, sound: bool, interleaved: bool) -> bytes:
    tracks = [video_track(codec)]
    if sound:
        tracks.append(Track("audio", Codec.PCMA, 8000, channels=1))
    multiplexer, cutter = PsMultiplexer(tracks), RtpCutter(7)
    made = b""
    for unit in pictures(codec, 4, gop=3, size=200):
        data = multiplexer.multiplex(unit)
        if sound:
            voice = AccessUnit(1, bytes(80), unit.pts_90k, unit.pts_90k, True, 0)
            data += multiplexer.multiplex(voice)
        for packet in cutter.packets(data, unit.pts_90k):
            made += framed(packet, interleaved=interleaved)
    return made


SEEDS = [
    _seed(Codec.H264, sound=True, interleaved=False),
    _seed(Codec.H265, sound=False, interleaved=False),
    _seed(Codec.H264, sound=False, interleaved=True),
]
_FORMATS = ({96: "PS/90000"}, {96: "H264/90000"}, {})


def target(data: bytes) -> None:
    for number, formats in enumerate(_FORMATS):
        _feed(data, formats, tcp=True, recorded=number == 2)
        _feed(data, formats, tcp=False, recorded=False)


def _feed(data: bytes, formats: dict[int, str], *, tcp: bool, recorded: bool) -> None:
    stream = Stream("fuzz", Variant.MAIN)
    clock = CameraClock()
    ingest = RecordedLine(stream, 1_000_000) if recorded else MediaIngest(stream, clock)
    intake = MediaIntake(ingest, clock, ssrc=7, any_ssrc=recorded, formats=formats, tcp=tcp)
    now_us = 1_700_000_000_000_000
    for at in range(0, len(data), 333):
        now_us += 20_000
        piece = data[at : at + 333]
        if tcp:
            intake.receive_stream(piece, now_us)
        else:
            intake.receive_datagrams(b"$\x00" + len(piece).to_bytes(2, "big") + piece, now_us)
        intake.receive_report(piece, now_us)
        intake.expire(now_us)
        assert intake.fault is None or intake.fault.line
        intake.receiver_report(1, now_us)
    intake.close()
    ingest.close()
    assert stream.gop_bytes <= 2 * len(data) + 64
