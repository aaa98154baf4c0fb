"""How every process of the gateway lives: uvloop, a clean stop on SIGTERM, its loop's lag."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Coroutine
from typing import Any

import uvloop

STOP_LIMIT_S = 20.0
# Prometheus asks every 15 to 60 s; what it is told covers the time since, whoever else asks.
LAG_WINDOW_S = 30.0
_LAG_INTERVAL_S = 0.25
READY_DESCRIPTOR_VARIABLE = "GRIDSIGHT_READY_DESCRIPTOR"


class LoopLag:
    """How late the event loop wakes. Many may ask: asking changes nothing."""

    def __init__(self) -> None:
        self._worst_s = 0.0
        self._worst_before_s = 0.0
        self._turned_s = 0.0

    async def watch(self) -> None:
        """Measure for ever."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_LAG_INTERVAL_S)
            self.note(time.perf_counter() - before - _LAG_INTERVAL_S, before)

    def note(self, late_s: float, at_s: float) -> None:
        """The loop woke ``late_s`` too late at ``at_s`` of a steady clock."""
        if at_s - self._turned_s >= LAG_WINDOW_S:
            self._worst_before_s = self._worst_s if self._turned_s else 0.0
            self._worst_s = 0.0
            self._turned_s = at_s
        self._worst_s = max(self._worst_s, late_s)

    def worst_ms(self) -> float:
        """The worst delay of the last half to one minute, in milliseconds."""
        return round(max(self._worst_s, self._worst_before_s) * 1000, 2)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's main coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def run_until_stopped(
    lag: LoopLag | None = None,
    *,
    http_port: int | None = None,
    control_port: int | None = None,
    peer_http_port: int | None = None,
) -> None:
    """Tell the supervisor that this process is ready, then wait for SIGTERM or SIGINT.

    ``http_port`` is where this process answers HTTP on loopback, if it does; ``control_port`` and
    ``peer_http_port`` where its control channel and its HTTP answer other machines, if there are
    any.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    report_ready(http_port, control_port, peer_http_port)
    watching = asyncio.create_task((lag or LoopLag()).watch())
    try:
        await stopped.wait()
    finally:
        watching.cancel()
        # Whatever hangs while closing must not keep the name, and so the successor, waiting.
        watchdog = threading.Timer(STOP_LIMIT_S, os._exit, (os.EX_SOFTWARE,))
        watchdog.daemon = True
        watchdog.start()


def report_ready(
    http_port: int | None = None,
    control_port: int | None = None,
    peer_http_port: int | None = None,
) -> None:
    """Tell the supervisor through the pipe that it gave us. Without one, does nothing."""
    descriptor = os.environ.pop(READY_DESCRIPTOR_VARIABLE, None)
    if descriptor is None:
        return
    with os.fdopen(int(descriptor), "w") as pipe:
        ready = {
            "process_id": os.getpid(),
            "http_port": http_port,
            "control_port": control_port,
            "peer_http_port": peer_http_port,
        }
        json.dump(ready, pipe)
