"""What devices have recorded themselves, asked through signalling and remembered for a minute: a
timeline is looked at again and again, and a device answers slowly.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from gateway.api.processes import Processes
from gateway.cameras import Camera
from gateway.control.channel import ControlError
from gateway.identifiers import US_PER_S
from gateway.platforms.operations import REFUSALS
from recorder.intervals import merge

PATIENCE_S = 15.0
_KEPT_S = 60.0
_FAILED_KEPT_S = 10.0
_ANSWERS_KEPT = 1000
# Ranges are asked for in whole hours, so that neighbours are one question.
_HOUR_US = 3600 * US_PER_S
_SEAM_US = 2 * US_PER_S

_Key = tuple[str, int, int]


class DeviceRecordingsCache:
    """Many may ask; one question goes to the device."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._answers: OrderedDict[_Key, tuple[float, dict[str, Any]]] = OrderedDict()
        self._asking: dict[_Key, asyncio.Task[dict[str, Any]]] = {}

    async def read(self, camera: Camera, start_us: int, end_us: int) -> dict[str, Any]:
        """``{state, fault, detail, recordings}``: ``none`` where no device brings the camera or it
        keeps nothing, ``unavailable`` where it does not say.
        """
        if camera.platform_id is None or end_us <= start_us:
            return _answer("none")
        hour_start = start_us // _HOUR_US * _HOUR_US
        hour_end = -(-end_us // _HOUR_US) * _HOUR_US
        key = (camera.id, hour_start, hour_end)
        known = self._answers.get(key)
        now_s = asyncio.get_running_loop().time()
        if known is None or known[0] < now_s:
            known = (0.0, await self._ask(key))
        return {**known[1], "recordings": _clipped(known[1]["recordings"], start_us, end_us)}

    async def _ask(self, key: _Key) -> dict[str, Any]:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._fetch(key))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        # Whoever gives up waiting leaves it to the others.
        return await asyncio.shield(task)

    async def _fetch(self, key: _Key) -> dict[str, Any]:
        camera_id, start_us, end_us = key
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await self._processes.client("signalling").call(
                    "device.recordings", camera_id=camera_id, start_us=start_us, end_us=end_us
                )
        except ControlError as error:
            refused = error.code in REFUSALS or error.code == "unknown_call"
            state = "none" if error.code == "unsupported" else "unavailable"
            answer = _answer(state, error.code if refused else "unavailable", str(error))
        except (ConnectionError, TimeoutError):
            answer = _answer("unavailable", "timed_out", "the device has not answered in time")
        else:
            covered = merge([(one["start_us"], one["end_us"]) for one in found], _SEAM_US)
            answer = _answer("known")
            answer["recordings"] = [{"start_us": start, "end_us": end} for start, end in covered]
        kept_s = _KEPT_S if answer["state"] == "known" else _FAILED_KEPT_S
        self._answers[key] = (asyncio.get_running_loop().time() + kept_s, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > _ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return answer


def _answer(state: str, fault: str = "", detail: str = "") -> dict[str, Any]:
    return {"state": state, "fault": fault, "detail": detail, "recordings": []}


def _clipped(recordings: list[dict[str, int]], start_us: int, end_us: int) -> list[dict[str, int]]:
    return [
        {"start_us": max(one["start_us"], start_us), "end_us": min(one["end_us"], end_us)}
        for one in recordings
        if one["start_us"] < end_us and one["end_us"] > start_us
    ]
