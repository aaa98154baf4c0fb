"""The process in which a recogniser runs: sound in, lines out, as lines of JSON.

``python -m gateway.meetings.subtitles.worker NAME OPTIONS``. Opus is decoded here, nowhere else.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import IO, Any

import av
import av.error
from av.audio.resampler import AudioResampler

from camera_adapters.stream import Codec, Track
from gateway.meetings.subtitles.recogniser import (
    SAMPLE_RATE,
    TEXT_LIMIT,
    Line,
    Recogniser,
    find_recogniser,
)
from gateway.transcoder.audio import open_audio_decoder

_TRACK = Track("audio", Codec.OPUS, 48_000, channels=1)


class _Ear:
    """One speaker's packets as samples."""

    def __init__(self) -> None:
        self._decoder = open_audio_decoder(_TRACK)
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def samples(self, packet: bytes) -> bytes:
        """Of one packet; nothing of what cannot be decoded."""
        found = b""
        try:
            frames = self._decoder.decode(av.Packet(packet))
        except av.error.FFmpegError:
            return found
        for frame in frames:
            frame.pts = None
            for part in self._resampler.resample(frame):
                found += part.to_ndarray().tobytes()
        return found


def serve(recogniser: Recogniser, incoming: Iterable[str], outgoing: IO[str]) -> None:
    """Until there is nothing more to hear. What the recogniser raises ends it."""
    ears: dict[str, _Ear] = {}
    for text in incoming:
        message = json.loads(text)
        speaker = message["speaker"]
        if "opus" in message:
            ear = ears.get(speaker)
            if ear is None:
                ear = ears[speaker] = _Ear()
            samples = ear.samples(base64.b64decode(message["opus"]))
            lines = recogniser.hear(speaker, message["at_us"], samples) if samples else ()
        else:
            ears.pop(speaker, None)
            lines = recogniser.leave(speaker)
        for line in lines:
            outgoing.write(_told(speaker, line))
            outgoing.flush()


def _told(speaker: str, line: Line) -> str:
    document: dict[str, Any] = asdict(line)
    document["text"] = " ".join(line.text.split())[:TEXT_LIMIT]
    return json.dumps({"speaker": speaker, **document}, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    """See the module."""
    name, options = arguments
    try:
        recogniser = find_recogniser(name)(json.loads(options))
    except LookupError as error:
        sys.exit(str(error))
    serve(recogniser, sys.stdin, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
