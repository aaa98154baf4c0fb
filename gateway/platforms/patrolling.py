"""Patrols carried out: every second, whoever is due is sent on; people come first."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cameras import sum_of_times
from gateway.control.channel import ControlError
from gateway.database.operating_tables import patrols, ptz_homes
from gateway.database.tables import cameras
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.operations import DeviceRefused, SteerCommand
from gateway.platforms.patrols import Patrol, PatrolRun, wanted
from gateway.platforms.ptz import PATROL_PRIORITY, Held, Holder
from gateway.platforms.steering import CameraSteering
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_TURN_S = 1.0
_ROWS_EVERY = 4
# A device that is away is not asked each second.
_AGAIN_US = 10 * US_PER_S
_MARGIN_US = 10 * US_PER_S


class Patrolling:
    """Holds what runs; rows say what is to run."""

    def __init__(self, steering: CameraSteering, reader: AsyncEngine) -> None:
        self.runs: dict[str, PatrolRun] = {}
        self._steering = steering
        self._reader = reader
        self._patrols: dict[str, list[Patrol]] = {}
        self._homes: dict[str, tuple[str, int]] = {}
        self._went_home_us: dict[str, int] = {}
        self._stamp: object = None
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """For ever; a failure is logged and tried again."""
        turn = 0
        try:
            while True:
                try:
                    if turn % _ROWS_EVERY == 0:
                        await self.read()
                    await self.turn(now_us())
                except (ConnectionError, TimeoutError, ControlError, RowError) as error:
                    _log.warning("patrols cannot be run now; trying again", why=str(error))
                except Exception:
                    _log.exception("patrols cannot be run now; trying again")
                turn += 1
                await asyncio.sleep(_TURN_S)
        finally:
            for task in self._busy.values():
                task.cancel()

    async def read(self) -> None:
        """Look whether rows have changed. Raises DBAPIError."""
        async with self._reader.connect() as connection:
            living = sa.select(cameras.c.id).where(cameras.c.deleted_us.is_(None))
            stamp = (
                await connection.execute(
                    sa.select(sa.func.count(), sum_of_times(patrols.c.changed_us)).where(
                        patrols.c.camera_id.in_(living)
                    )
                )
            ).one()
            homes = await connection.execute(
                sa.select(ptz_homes).where(ptz_homes.c.camera_id.in_(living))
            )
            self._homes = {row.camera_id: (row.preset, row.after_s) for row in homes}
            if tuple(stamp) == self._stamp:
                return
            rows = await connection.execute(
                sa.select(patrols).where(patrols.c.camera_id.in_(living))
            )
            found = defaultdict(list)
            for row in rows.mappings():
                found[row["camera_id"]].append(Patrol.from_row(dict(row)))
        self._patrols, self._stamp = dict(found), tuple(stamp)

    async def turn(self, at_us: int) -> None:
        """Send on who is due. A camera whose device is slow delays no other."""
        for camera_id in tuple(self.runs.keys() | self._patrols.keys()):
            await self._choose(camera_id, at_us)
        for camera_id, run in self.runs.items():
            if run.is_due(at_us) and camera_id not in self._busy:
                self._begin(camera_id, self._send_on(camera_id, run))
        for camera_id, (preset, after_s) in self._homes.items():
            if camera_id not in self.runs and self._is_home_due(camera_id, after_s, at_us):
                self._went_home_us[camera_id] = at_us
                if camera_id not in self._busy:
                    self._begin(camera_id, self._send_home(camera_id, preset))

    def state(self, camera_id: str) -> dict[str, Any] | None:
        """``patrol`` of Ptz: {id, name, state, step, preset}."""
        run = self.runs.get(camera_id)
        if run is None:
            return None
        return {
            "id": run.patrol.id,
            "name": run.patrol.name,
            "state": "waiting" if run.waiting else "running",
            "step": run.index,
            "preset": run.step.preset,
        }

    async def _choose(self, camera_id: str, at_us: int) -> None:
        chosen = wanted(self._patrols.get(camera_id, []), at_us)
        run = self.runs.get(camera_id)
        if run is not None and chosen is not None and run.patrol.id == chosen.id:
            if run.patrol != chosen:
                run.changed(chosen)
            return
        if run is not None:
            del self.runs[camera_id]
            await self._steering.end(camera_id, "stopped", _holder(run.patrol))
        if chosen is not None:
            self.runs[camera_id] = PatrolRun(chosen)
        if run is not None or chosen is not None:
            self._steering.tell(camera_id)

    def _begin(self, camera_id: str, work: Any) -> None:
        task = asyncio.create_task(work)
        self._busy[camera_id] = task
        task.add_done_callback(lambda _: self._busy.pop(camera_id, None))

    async def _send_on(self, camera_id: str, run: PatrolRun) -> None:
        holder = _holder(run.patrol)
        if not self._steering.may_take(camera_id, holder):
            if not run.waiting:
                run.waiting = True
                self._steering.tell(camera_id)
            return
        step = run.next_step()
        command = SteerCommand("goto_preset", preset=step.preset, speed=step.speed)
        try:
            await self._steering.take(camera_id, holder, step.dwell_s * US_PER_S + _MARGIN_US)
            await self._steering.command(camera_id, holder, command)
            run.arrived(now_us())
        except Held:
            run.waiting = True
        except DeviceRefused as error:
            _log.warning("a patrol does not get on", camera=camera_id, why=str(error))
            run.refused(now_us(), _AGAIN_US)
        except (ConnectionError, TimeoutError, ControlError, RowError) as error:
            _log.warning("a patrol cannot be put on record", camera=camera_id, why=str(error))
            run.waiting = True
        self._steering.tell(camera_id)

    def _is_home_due(self, camera_id: str, after_s: int, at_us: int) -> bool:
        let_go_us = self._steering.let_go_us.get(camera_id)
        return (
            let_go_us is not None
            and self._steering.holding(camera_id) is None
            and at_us >= let_go_us + after_s * US_PER_S
            and self._went_home_us.get(camera_id, -1) < let_go_us
        )

    async def _send_home(self, camera_id: str, preset: str) -> None:
        holder = Holder("patrol", f"home:{camera_id}", "home", "", PATROL_PRIORITY)
        command = SteerCommand("goto_preset", preset=preset) if preset else SteerCommand("home")
        try:
            await self._steering.command(camera_id, holder, command)
        except Held:
            return
        except DeviceRefused as error:
            _log.warning("a camera does not go home", camera=camera_id, why=str(error))
        except (ConnectionError, TimeoutError, ControlError, RowError) as error:
            _log.warning("going home cannot be put on record", camera=camera_id, why=str(error))
            self._went_home_us.pop(camera_id, None)
        await self._steering.end(camera_id, "released", holder)


def _holder(patrol: Patrol) -> Holder:
    return Holder("patrol", patrol.id, patrol.name, patrol.name, PATROL_PRIORITY)
