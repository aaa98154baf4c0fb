"""Which of several transcoders does a job: the one with the most places left, asked anew each time.

A job that is queued stays in its queue: the queues are short, and live goes first in each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.control.channel import ControlClient, ControlError, ControlStream

_PATIENCE_S = 1.0


async def least_busy(controls: Sequence[ControlClient]) -> ControlClient:
    """The transcoder with the most places left. One that does not answer is only taken when none
    does.
    """
    if len(controls) == 1:
        return controls[0]
    left = await asyncio.gather(*(_places_left(one) for one in controls))
    best = max(range(len(controls)), key=lambda index: left[index])
    return controls[best]


async def _places_left(control: ControlClient) -> float:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            status: dict[str, int] = await control.call("transcode.status")
    except (ConnectionError, TimeoutError, ControlError):
        return float("-inf")
    return status["limit"] - status["running"] - status["queued"]


async def places(controls: Sequence[ControlClient]) -> dict[str, int]:
    """The sums of ``transcode.status`` of those that answer. Raises ConnectionError where none
    does.
    """
    answers = await asyncio.gather(
        *(one.call("transcode.status") for one in controls), return_exceptions=True
    )
    known: list[dict[str, int]] = [one for one in answers if isinstance(one, dict)]
    if not known:
        raise ConnectionError("no transcoder answers")
    names = ("live", "running", "queued", "limit")
    return {name: sum(int(one.get(name, 0)) for one in known) for name in names}


class ChosenStream:
    """A control stream of a transcoder that is chosen when it is first used."""

    def __init__(self, controls: Sequence[ControlClient], name: str, **arguments: Any) -> None:
        self._controls = controls
        self._name = name
        self._arguments = arguments
        self._stream: ControlStream | None = None
        self._choosing = asyncio.Lock()
        self._closed = False

    async def __anext__(self) -> Any:
        return await (await self._chosen()).__anext__()

    async def send(self, item: Any) -> None:
        """See :class:`gateway.control.channel.ControlStream`."""
        await (await self._chosen()).send(item)

    async def close(self) -> None:
        """See :class:`gateway.control.channel.ControlStream`."""
        self._closed = True
        if self._stream is not None:
            await self._stream.close()

    async def _chosen(self) -> ControlStream:
        async with self._choosing:
            if self._stream is None:
                control = await least_busy(self._controls)
                self._stream = control.stream(self._name, **self._arguments)
                if self._closed:
                    await self._stream.close()
        return self._stream
