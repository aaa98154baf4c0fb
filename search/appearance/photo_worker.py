"""Reads one photo in a process of its own, with bounded memory and time.

A decoder that is led astray by a file takes this process with it and nothing else. The process is
given the bytes of memory that it may use as its argument, and the file on standard input. It writes
one line of JSON, then the pixels: ``{"height", "width"}``, or ``{"code", "message"}`` of a refusal.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys

import numpy as np

from search.appearance.photos import LARGEST_FILE_BYTES, PhotoRefused, read_photo
from search.objects import Picture

PATIENCE_S = 15.0
MEMORY_BYTES = 2 * 1024**3
_PROCESSOR_S = 12
_SLOW = (
    "too_slow",
    "this photo takes too long to read; save it anew as a plain JPEG, or smaller",
)


def read_photo_apart(
    data: bytes, patience_s: float = PATIENCE_S, memory_bytes: int = MEMORY_BYTES
) -> Picture:
    """:func:`search.appearance.photos.read_photo` in a process that may die of it; blocks.

    Raises :class:`PhotoRefused`, also where the file kills its reader (``damaged``) or takes longer
    than ``patience_s`` (``too_slow``), or more memory than ``memory_bytes``. Whoever calls bounds
    how many run at once.
    """
    if len(data) > LARGEST_FILE_BYTES:
        read_photo(data)  # refuses, without looking further
    try:
        process = subprocess.run(
            [sys.executable, "-m", "search.appearance.photo_worker", str(memory_bytes)],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PhotoRefused(*_SLOW) from None
    return _picture(process.stdout, process.returncode)


def _picture(answer: bytes, returncode: int) -> Picture:
    line, _, pixels = answer.partition(b"\n")
    if not line:
        if returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            raise PhotoRefused(*_SLOW)
        raise PhotoRefused(
            "damaged", "this photo is damaged in a way that its reader did not survive"
        )
    told = json.loads(line)
    if "code" in told:
        raise PhotoRefused(told["code"], told["message"])
    return np.frombuffer(pixels, np.uint8).reshape(told["height"], told["width"], 3).copy()


def _confine(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read one photo from standard input."""
    _confine(int(sys.argv[1]))
    try:
        picture = read_photo(sys.stdin.buffer.read(LARGEST_FILE_BYTES + 1))
    except PhotoRefused as refusal:
        told = {"code": refusal.code, "message": str(refusal)}
        sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
        return
    told_size = {"height": picture.shape[0], "width": picture.shape[1]}
    sys.stdout.buffer.write(json.dumps(told_size).encode() + b"\n")
    sys.stdout.buffer.write(picture.tobytes())


if __name__ == "__main__":
    main()
