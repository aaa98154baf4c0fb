"""One worker process of the pool: decodes and encodes what it is told, in order, and nothing else.

It speaks length-prefixed msgpack on an inherited socket, and ends when that closes. A decoder that
crashes takes down this process, and with it only the jobs that were here.

Requests: ``open`` (job, kind, track, live, masks, stamp), ``units`` (job, units), ``start_at``
(job, pts_90k, keyframes_90k), ``finish`` (job, token), ``close`` (job), ``picture`` (job, track,
units, at_90k, width, masks, lines). Replies carry the job and ``opened``, ``units`` with ``taken``,
``finished``, ``closed``, ``picture`` or ``failed``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
from typing import Any

import msgpack

from camera_adapters.codecs import CodecError
from camera_adapters.stream import Codec
from gateway.transcoder.audio import AudioTranscoder
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.picture import jpeg_at
from gateway.transcoder.stamp import Stamp
from gateway.transcoder.video import VideoTranscoder
from gateway.transcoder.wire import (
    track_from_wire,
    track_to_wire,
    units_from_wire,
    units_to_wire,
)

LENGTH = struct.Struct(">I")
NICENESS = 5


class JobRunner:
    """The worker without its socket: a request in, its replies out. Never raises on bad media."""

    def __init__(self) -> None:
        self._jobs: dict[int, VideoTranscoder | AudioTranscoder] = {}

    def handle(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Do one request; None where there is nothing to say."""
        job = request["job"]
        try:
            return self._handle(job, request)
        except (TranscodeError, CodecError) as error:
            self._jobs.pop(job, None)
            code = error.code if isinstance(error, TranscodeError) else "undecodable"
            return {"job": job, "type": "failed", "code": code, "message": str(error)}
        except Exception as error:
            self._jobs.pop(job, None)
            message = f"{type(error).__name__}: {error}"
            return {"job": job, "type": "failed", "code": "undecodable", "message": message}

    def _handle(self, job: int, request: dict[str, Any]) -> dict[str, Any] | None:
        match request["type"]:
            case "open":
                track = track_from_wire(request["track"])
                if request["kind"] == "video":
                    stamp = request.get("stamp")
                    self._jobs[job] = VideoTranscoder(
                        track,
                        live=request["live"],
                        masks=request["masks"],
                        stamp=Stamp.from_wire(stamp) if stamp is not None else None,
                    )
                else:
                    self._jobs[job] = AudioTranscoder(track, Codec(request["kind"]))
                opened = track_to_wire(self._jobs[job].track)
                return {"job": job, "type": "opened", "track": opened}
            case "picture":
                jpeg = jpeg_at(
                    track_from_wire(request["track"]),
                    units_from_wire(request["units"]),
                    at_90k=request["at_90k"],
                    width=request["width"],
                    masks=request["masks"],
                    lines=request["lines"],
                )
                return {"job": job, "type": "picture", "jpeg": jpeg}
            case "close":
                self._jobs.pop(job, None)
                return {"job": job, "type": "closed"}
        transcoder = self._jobs.get(job)
        if transcoder is None:
            return None
        return self._transcode(job, transcoder, request)

    @staticmethod
    def _transcode(
        job: int, transcoder: VideoTranscoder | AudioTranscoder, request: dict[str, Any]
    ) -> dict[str, Any] | None:
        match request["type"]:
            case "units":
                made = transcoder.push(units_from_wire(request["units"]))
                taken = len(request["units"])
                return {"job": job, "type": "units", "units": units_to_wire(made), "taken": taken}
            case "finish":
                made = transcoder.finish()
                wire = units_to_wire(made)
                return {"job": job, "type": "finished", "units": wire, "token": request["token"]}
            case "start_at":
                if isinstance(transcoder, VideoTranscoder):
                    transcoder.start_at(request["pts_90k"], request["keyframes_90k"])
        return None


def serve(connection: socket.socket) -> None:
    """Answer requests until the other side closes."""
    runner = JobRunner()
    reader = connection.makefile("rb")
    while True:
        header = reader.read(LENGTH.size)
        if len(header) < LENGTH.size:
            return
        body = reader.read(LENGTH.unpack(header)[0])
        reply = runner.handle(msgpack.unpackb(body))
        if reply is not None:
            packed = msgpack.packb(reply)
            connection.sendall(LENGTH.pack(len(packed)) + packed)


def main() -> None:
    """Entry point: ``python -m gateway.transcoder.worker FILE_DESCRIPTOR``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pool decides when this ends
    os.nice(NICENESS)
    import av.logging

    av.logging.set_level(None)
    connection = socket.socket(fileno=int(sys.argv[1]))
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        serve(connection)


if __name__ == "__main__":
    main()
