"""The analysis processes of all machines, as the API asks them: the one that has a camera, any one,
or all, whose answers become one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.api.processes import Processes
from gateway.control.channel import ControlClient, ControlError
from gateway.database.analysis_tables import analysis_owners
from gateway.settings import Settings

ANALYSIS = "analysis"
# Who is asked for all shall not keep a page waiting for a machine that is lost.
_ALL_S = 5.0
_NOT_ADDED = frozenset({"message", "worst_lag_s"})


class Analysts:
    """One machine alone has one; of several each may have one."""

    def __init__(self, settings: Settings, processes: Processes, reader: AsyncEngine) -> None:
        self._is_alone = settings.cluster.listen_address is None
        self._processes = processes
        self._reader = reader

    async def of(self, camera_id: str) -> ControlClient:
        """The one that has a camera; any one where none has it. Raises ConnectionError where there
        is none at all.
        """
        if not self._is_alone:
            own = sa.select(analysis_owners.c.owner).where(analysis_owners.c.camera_id == camera_id)
            async with self._reader.connect() as connection:
                owner = await connection.scalar(own)
            if owner:
                return self._processes.client(owner)
        return await self.any_one()

    async def any_one(self) -> ControlClient:
        """One that answers, best of this machine. Raises ConnectionError."""
        if self._is_alone:
            return self._processes.client(ANALYSIS)
        names = await self._processes.at_hand(ANALYSIS)
        if not names:
            raise ConnectionError("no machine's analysis answers")
        return self._processes.client(names[0])

    async def all_told(self, call: str) -> dict[str, Any]:
        """What each answers, by its name; None of one that does not."""
        names = [ANALYSIS] if self._is_alone else await self._processes.names(ANALYSIS)
        answers = await asyncio.gather(*(self._told(name, call) for name in names))
        return dict(zip(names, answers, strict=True))

    async def _told(self, name: str, call: str) -> Any:
        try:
            if self._is_alone:
                return await self._processes.client(name).call(call)
            async with asyncio.timeout(_ALL_S):
                return await self._processes.client(name).call(call)
        except (ControlError, ConnectionError, TimeoutError):
            return None


def merged_figures(figures: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """``analysis`` of several ``process.status`` as one; None of none. While machines are upgraded
    one after another, some tell figures that others do not know.
    """
    known = list(figures)
    if not known:
        return None
    names = {name for one in known for name in one} - _NOT_ADDED
    together: dict[str, Any] = {name: sum(one.get(name, 0) for one in known) for name in names}
    together["worst_lag_s"] = max(one["worst_lag_s"] for one in known)
    together["message"] = next((one["message"] for one in known if one["message"]), "")
    return together


def merged_status(told: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """``analysis.status`` of all as one; None where nobody answers. Who does not is named."""
    known = [one for one in told.values() if one is not None]
    if not known:
        return None
    if len(told) == 1:
        return dict(known[0])
    away = sorted(name for name, one in told.items() if one is None)
    messages = [one["message"] for one in known if one["message"]]
    footage = [one["footage"] for one in known]
    looking = next((one for one in known if one["model"]), known[0])
    return {
        **looking,
        "message": f"{', '.join(away)} does not answer" if away else next(iter(messages), ""),
        "workers": [worker for one in known for worker in one["workers"]],
        "cameras": [camera for one in known for camera in one["cameras"]],
        "waiting_passages": sum(one["waiting_passages"] for one in known),
        "found": sum(one["found"] for one in known),
        "footage": {
            "message": next((one["message"] for one in footage if one["message"]), ""),
            "pictures": sum(one["pictures"] for one in footage),
            "passages": sum(one["passages"] for one in footage),
            "current": [stretch for one in footage for stretch in one["current"]],
        },
    }
