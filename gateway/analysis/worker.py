"""One worker process: loads the models once, then looks at what it is given, in order.

It speaks length-prefixed msgpack on an inherited socket, and ends when that closes. What kills it,
be it a model or a picture, kills nothing else. Its first message is ``setup``, answered by
``ready`` or ``refused``; then ``model``, ``round`` and ``forget`` as in
:mod:`gateway.analysis.analyst`,
``picture`` and ``photo`` as in :mod:`gateway.analysis.looking`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from gateway.analysis.framing import packed, read_message

NICENESS = 10
_PR_SET_PDEATHSIG = 1


def serve(connection: socket.socket) -> None:
    """Answer until the other side closes."""
    reader = connection.makefile("rb")
    setup = read_message(reader)
    if setup is None:
        return
    answer, analyst = _prepare(setup)
    connection.sendall(packed(answer))
    if analyst is None:
        return
    share = setup["cpu_percent"] / 100
    while (request := read_message(reader)) is not None:
        began = time.perf_counter()
        reply = _handle(analyst, request)
        if reply is not None:
            connection.sendall(packed(reply))
        if share < 1 and request["type"] == "round":
            time.sleep(min(10.0, (time.perf_counter() - began) * (1 / share - 1)))


def _prepare(setup: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    from gateway.analysis.analyst import Analyst
    from search.appearance.embed import EmbedderRefused, load_embedder
    from search.attributes.describe import Describer
    from search.detectors.interface import Detector, ModelRefused
    from search.detectors.loading import load_detector

    def path(name: str) -> Path | None:
        return None if setup[name] is None else Path(setup[name])

    def load(file: Path | None) -> Detector:
        return load_detector(
            file, threads=threads, provider=setup["provider"], score=setup["score"]
        )

    def load_named(name: str) -> Detector:
        if name not in setup["models"]:
            raise ModelRefused(f"there is no {name} in search.models")
        return load(Path(setup["models"][name]))

    threads = setup["threads"]
    try:
        detector = load(path("detector"))
        embedder = load_embedder(path("appearance"), threads)
        describer = Describer(threads)
    except (ModelRefused, EmbedderRefused) as error:
        return {"type": "refused", "message": str(error)}, None
    analyst = Analyst(
        detector,
        describer,
        embedder,
        load_named=load_named,
        moving_fps=setup["moving_fps"],
        keyframes_only=setup["keyframes_only"],
    )
    answer: dict[str, Any] = {
        "type": "ready",
        "model": detector.name,
        "provider": detector.provider,
        "classes": sorted(str(one) for one in detector.classes),
        "vector_kind": embedder.kind,
        "vector_size": embedder.size,
    }
    return answer, analyst


def _handle(analyst: Any, request: dict[str, Any]) -> dict[str, Any] | None:
    match request["type"]:
        case "round":
            try:
                reply: dict[str, Any] = analyst.round(request)
                return reply
            except Exception as error:
                message = f"{type(error).__name__}: {error}"
                return {"type": "failed", "number": request["number"], "message": message}
        case "model":
            try:
                return {"type": "model", "model": analyst.named(request["name"]).name}
            except Exception as error:  # ModelRefused, and whatever a library makes of a file
                why = str(error) or type(error).__name__
                message = f"the model {request['name']} cannot be used: {why}"
                return {"type": "failed", "message": message}
        case "forget":
            analyst.forget(request["stream"], request["camera_id"])
            return None
        case "picture" | "photo":
            from gateway.analysis.looking import answer

            return answer(analyst, request)
    return {"type": "failed", "number": request.get("number"), "message": "an unknown request"}


def _die_with_parent() -> None:
    """A model that hangs does not see that the socket has closed."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent or parent == 1:
        raise SystemExit("the analysis process is gone")


def main() -> None:
    """Entry point: ``python -m gateway.analysis.worker FILE_DESCRIPTOR``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the analysis process decides when this ends
    _die_with_parent()
    os.nice(NICENESS)
    import av.logging
    import cv2

    av.logging.set_level(None)
    cv2.setNumThreads(1)
    connection = socket.socket(fileno=int(sys.argv[1]))
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        serve(connection)


if __name__ == "__main__":
    main()
