"""Fuzz target: both halves of RTMP, behind the handshake too."""

from __future__ import annotations

import contextlib

from camera_adapters.rtmp import amf0
from camera_adapters.rtmp.chunks import COMMAND_AMF0, ChunkWriter, RtmpError
from camera_adapters.rtmp.client import RtmpClient, parse_rtmp_url
from camera_adapters.rtmp.server import PublishAsked, RtmpServer

_HANDSHAKE = b"\x03" + bytes(1536) + bytes(1536)


def _command(*values: amf0.Value) -> bytes:
    return ChunkWriter().message(COMMAND_AMF0, amf0.encode(*values), chunk_stream=3)


SEEDS = [
    _command("connect", 1.0, {"app": "push", "tcUrl": "rtmp://h/push"}),
    _command("connect", 1.0, {"app": "push"}) + _command("publish", 2.0, None, "gate?key=x"),
    _command("_result", 1.0, None, None) + _command("_result", 2.0, None, 1.0),
    _command("onStatus", 0.0, None, {"code": "NetStream.Play.Start"}),
]


def target(data: bytes) -> None:
    """Must raise nothing: RtmpError and AmfError are how they refuse."""
    with contextlib.suppress(amf0.AmfError):
        amf0.decode(data)
    for core in (RtmpServer(), RtmpClient(parse_rtmp_url("rtmp://h/a/b"))):
        for received in (data, _HANDSHAKE + data):
            try:
                for event in core.receive(received):
                    if isinstance(event, PublishAsked) and isinstance(core, RtmpServer):
                        core.accept()
            except RtmpError:
                break
            core.data_to_send()
