"""Keyframes on demand: for a viewer that waits for one the camera is asked, if it can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway.control.channel import ControlClient, ControlError
from gateway.shard.desired import DesiredSource

_log = structlog.get_logger(__name__)

# Each keyframe costs recording space: a viewer with a bad line must not make a camera send nothing
# else.
INTERVAL_S = 1.0
# Who cannot be asked is not asked again soon, and who is away not at once.
_UNSUPPORTED_S = 600.0
_AWAY_S = 10.0


class KeyframeRequests:
    """Of one source: at most one request a second, and one at a time."""

    __slots__ = ("_asking", "_not_before_s", "_now_s", "_signalling", "asked")

    def __init__(
        self, signalling: ControlClient | None, now_s: Callable[[], float] | None = None
    ) -> None:
        self.asked = 0
        self._signalling = signalling
        self._now_s = now_s or asyncio.get_running_loop().time
        self._not_before_s = 0.0
        self._asking: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Another device may be there now."""
        self._not_before_s = 0.0

    def want(self, desired: DesiredSource) -> None:
        """Ask, if there is somebody to ask and it is time. Returns at once."""
        if self._signalling is None or desired.platform_id is None or self._asking is not None:
            return
        if self._now_s() < self._not_before_s:
            return
        self._not_before_s = self._now_s() + INTERVAL_S
        self._asking = asyncio.get_running_loop().create_task(self._ask(self._signalling, desired))
        self._asking.add_done_callback(self._done)

    async def _ask(self, signalling: ControlClient, desired: DesiredSource) -> None:
        self.asked += 1
        try:
            await signalling.call(
                "device.keyframe", camera_id=desired.camera_id, variant=str(desired.variant)
            )
        except ControlError as error:
            known = error.code in ("unsupported", "unknown_call", "not_found")
            self._not_before_s = self._now_s() + (_UNSUPPORTED_S if known else _AWAY_S)
            _log.info(
                "a camera gives no keyframe on demand", source=desired.source_id, why=error.code
            )
        except (ConnectionError, TimeoutError):
            self._not_before_s = self._now_s() + _AWAY_S

    def _done(self, _: asyncio.Task[None]) -> None:
        self._asking = None
