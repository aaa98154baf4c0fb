"""A worker that does as it is told by the paths of its setting ``detector``: a model that hangs,
dies, grows or is refused cannot be had as a file.

``python -m tests.gateway.analysis.fake_worker FILE_DESCRIPTOR``
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import Any

from gateway.analysis.framing import packed, read_message

READY = {
    "type": "ready",
    "model": "fake",
    "provider": "cpu",
    "classes": ["person"],
    "vector_kind": "fake",
    "vector_size": 2,
}


def answer(request: dict[str, Any]) -> dict[str, Any] | None:
    """What a unit's payload says is done."""
    if request["type"] == "forget":
        return None
    told = [item[1] for _, items in request["cameras"] for kind, item in items if kind == "unit"]
    if b"hang" in told:
        time.sleep(3600)
    if b"die" in told:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"grow" in told:
        held = bytearray(os.urandom(1024) * 1024 * 400)
        time.sleep(3600)
        del held
    if b"throw" in told:
        return {"type": "failed", "number": request["number"], "message": "it threw"}
    return {
        "type": "round",
        "number": request["number"],
        "passages": [],
        "happenings": [],
        "wishes": {},
        "boxes": {},
        "detected": len(told),
        "unseen": [],
        "lost": [],
        "damaged": {},
        "undescribed": 0,
        "faults": [],
        "fault": "",
        "spent_s": 0.0,
        "seen": told,
    }


def main() -> None:
    """Answer until the other side closes."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    reader = connection.makefile("rb")
    setup = read_message(reader)
    assert setup is not None
    if setup["detector"] == "/refused":
        connection.sendall(packed({"type": "refused", "message": "this is no detector"}))
        return
    connection.sendall(packed(READY))
    while (request := read_message(reader)) is not None:
        reply = answer(request)
        if reply is not None:
            connection.sendall(packed(reply))


if __name__ == "__main__":
    main()
