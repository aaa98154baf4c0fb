"""Fuzz target: FLV as it comes from anywhere."""

from __future__ import annotations

from camera_adapters.flv.media import FlvMedia
from camera_adapters.flv.tags import FlvError, TagReader
from camera_adapters.media_ingest import MediaIngest
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.stream import Stream, Variant

SEEDS = [
    b"FLV\x01\x05\x00\x00\x00\x09" + bytes(4),
    b"\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x04\x68\xe9\x70\x6c",
    b"\x91hvc1\x00\x00\x00\x00\x00\x00\x02\x26\x01",
    b"\xaf\x00\x12\x10",
    b"\x90Opus",
]


def target(data: bytes) -> None:
    """Must raise nothing: FlvError is how it refuses."""
    ingest = MediaIngest(Stream("cam", Variant.MAIN), CameraClock())
    media = FlvMedia(ingest)
    media.take(9, 0, data, 0)
    media.take(8, 0, data, 0)
    reader = TagReader()
    try:
        for start in range(0, len(data), 7):
            for tag in reader.receive(data[start : start + 7]):
                media.take(tag.kind, tag.timestamp_ms, tag.body, start)
    except FlvError:
        pass
    ingest.close()
