"""A source's state as it is told: always to the listener, and to the log when it is news."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from camera_adapters.source import SourceState
from camera_adapters.stream import Stream

_log = structlog.get_logger(__name__)


class SourceStates:
    """Of the source that drives ``stream``. ``newest`` is its state now."""

    __slots__ = ("_on_state", "_stream", "newest")

    def __init__(
        self, stream: Stream, now_us: int, on_state: Callable[[SourceState], None] | None
    ) -> None:
        self.newest = SourceState("idle", now_us)
        self._stream = stream
        self._on_state = on_state

    def tell(self, state: SourceState, **origin: str | None) -> None:
        """It is so now. Another retry that fails alike is no news, and keeps ``since_us``.

        ``origin`` goes into the log: where the media come from.
        """
        previous = self.newest
        same = (previous.state, previous.cause, previous.detail) == (
            state.state,
            state.cause,
            state.detail,
        )
        if same:
            state = replace(state, since_us=previous.since_us)
        self.newest = state
        if not same:
            _log.info(
                "camera is " + state.state,
                camera=self._stream.camera_id,
                variant=str(self._stream.variant),
                cause=str(state.cause) if state.cause else None,
                detail=state.detail or None,
                **origin,
            )
        if self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:
                _log.exception("a listener of camera states failed", camera=self._stream.camera_id)
