"""Steering carried out: what :mod:`gateway.platforms.ptz` decides is put on record, then sent.

One lock for each camera keeps its commands in order; a movement that is overtaken by a newer one
while the device is still busy with another is left out, so that a slow device follows the joystick
and not its history.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from gateway.audit import AuditRecord, act, append
from gateway.control.channel import ControlError
from gateway.database.operating_tables import ptz_holdings
from gateway.database.tables import areas, cameras
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.operations import DeviceOperations, DeviceRefused, SteerCommand
from gateway.platforms.ptz import (
    Began,
    Effect,
    EndCause,
    Ended,
    Held,
    Holder,
    Holding,
    Send,
    Steering,
)
from gateway.seldom import Seldom
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")

# A device that does not answer must not keep the next holder waiting.
ANSWER_S = 4.0
_STOP_AGAIN_S = (0.3, 1.0, 2.0, 4.0)
_WRITE_AGAIN_S = 2.0
_LOOK_S = 1.0
_TOLD_US = 2 * US_PER_S
_WRITE_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)

DeviceOf = Callable[[str], Awaitable[tuple[DeviceOperations, str]]]
Listener = Callable[[str], None]


@dataclass(slots=True)
class _Line:
    """What goes to one camera, one after the other."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # The newest command that was asked for.
    newest: object = None


class CameraSteering:
    """Everybody who steers, in this process: people through the API, platforms above, patrols."""

    def __init__(
        self,
        rows: RowWriter,
        reader: AsyncEngine,
        device_of: DeviceOf,
        *,
        idle_s: float,
        move_timeout_s: float,
    ) -> None:
        self._rows = rows
        self._reader = reader
        self._device_of = device_of
        self._core = Steering(idle_us=round(idle_s * 1e6), move_us=round(move_timeout_s * 1e6))
        self._lines: dict[str, _Line] = {}
        self._refusals = Seldom()
        self._listeners: set[Listener] = set()
        # Whether a held camera moves, and when that was told.
        self._told: dict[str, tuple[bool | None, int]] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # When each camera was last let go by somebody who is no patrol.
        self.let_go_us: dict[str, int] = {}

    def holding(self, camera_id: str) -> Holding | None:
        """Who holds a camera."""
        return self._core.holdings.get(camera_id)

    def held_ids(self) -> list[str]:
        """The cameras that are held."""
        return list(self._core.holdings)

    def may_take(self, camera_id: str, holder: Holder) -> bool:
        """Whether a command would be carried out now."""
        return self._core.may_take(camera_id, holder)

    async def command(self, camera_id: str, holder: Holder, command: SteerCommand) -> None:
        """Take the camera and send it a command; returns when the device has it.

        Raises Held, DeviceRefused; ConnectionError and RowError when it cannot be put on record,
        and then nothing is done.
        """
        await self._require(camera_id, holder)
        if self.holding(camera_id) is None:
            # Of what cannot be steered nobody is told that he holds it.
            await self._device_of(camera_id)
        line = self._line(camera_id)
        ticket = line.newest = object()
        async with line.lock:
            if command.action == "move" and line.newest is not ticket:
                return
            await self._run(self._core.command(camera_id, holder, command, now_us()))

    async def take(self, camera_id: str, holder: Holder, hold_us: int = 0) -> None:
        """Hold the camera without moving it. Raises as :meth:`command`."""
        await self._require(camera_id, holder)
        await self._device_of(camera_id)
        async with self._line(camera_id).lock:
            await self._run(self._core.take(camera_id, holder, now_us(), hold_us=hold_us))
        self.tell(camera_id)

    async def release(self, camera_id: str, holder: Holder) -> None:
        """Stop it and let go. Raises Held for what another holds with no lower priority."""
        async with self._line(camera_id).lock:
            await self._run(self._core.release(camera_id, holder, now_us()))

    async def end(
        self,
        camera_id: str,
        cause: EndCause,
        holder: Holder | None = None,
        token_hash: str | None = None,
    ) -> None:
        """Stop it and let go, whoever holds it; or only if this one does, or by this sign-in."""
        async with self._line(camera_id).lock:
            holding = self.holding(camera_id)
            if holding is None or (holder is not None and not holding.holder.is_same(holder)):
                return
            # Who has signed in again meanwhile holds it by another.
            if token_hash is not None and holding.holder.token_hash != token_hash:
                return
            await self._run(self._core.end(camera_id, now_us(), cause))

    async def with_device(
        self,
        camera_id: str,
        holder: Holder,
        ask: Callable[[DeviceOperations, str], Awaitable[_T]],
    ) -> _T:
        """Hold the camera while something is asked of it: a preset is where it looks now.

        Raises as :meth:`command`.
        """
        await self._require(camera_id, holder)
        async with self._line(camera_id).lock:
            device, channel = await self._device_of(camera_id)
            await self._run(self._core.take(camera_id, holder, now_us()))
            return await _in_time(ask(device, channel))

    @contextlib.contextmanager
    def _listening(self, listener: Listener) -> Any:
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def changes(self) -> AsyncIterator[list[str]]:
        """Ids of cameras about whose holding something is new; first those that are held."""
        waiting: dict[str, None] = dict.fromkeys(self._core.holdings)
        wake = asyncio.Event()
        wake.set()

        def take(camera_id: str) -> None:
            waiting[camera_id] = None
            wake.set()

        with self._listening(take):
            while True:
                await wake.wait()
                wake.clear()
                some = list(waiting)
                waiting.clear()
                yield some

    def tell(self, camera_id: str) -> None:
        """Something about this camera is new."""
        holding = self.holding(camera_id)
        if holding is None:
            self._told.pop(camera_id, None)
        else:
            self._told[camera_id] = (holding.moving_until_us is not None, now_us())
        for listener in tuple(self._listeners):
            listener(camera_id)

    def _tell_movement(self, camera_id: str) -> None:
        """A joystick gives five commands a second: only that it moves, or stands, is news, and now
        and then until when it is held.
        """
        holding = self.holding(camera_id)
        moving = holding is not None and holding.moving_until_us is not None
        told_moving, told_us = self._told.get(camera_id, (None, 0))
        if moving != told_moving or now_us() - told_us >= _TOLD_US:
            self.tell(camera_id)

    async def run(self) -> None:
        """End what a killed process left behind; then stop and let go in time, for ever."""
        await self._recover()
        while True:
            due_us = self._core.next_due_us()
            wait_s = _LOOK_S if due_us is None else (due_us - now_us()) / US_PER_S
            await wait_for_event(self._wake, min(max(wait_s, 0.0), _LOOK_S))
            self._wake.clear()
            try:
                await self._let_go_in_time()
            except Exception:
                _log.exception("cameras could not be let go; trying again")

    async def close(self) -> None:
        """Stop what moves, and end what is held."""
        for camera_id in tuple(self._core.holdings):
            with contextlib.suppress(DeviceRefused, *_WRITE_FAULTS):
                await self.end(camera_id, "stopped")
        for task in self._tasks:
            task.cancel()

    async def _let_go_in_time(self) -> None:
        # A slow device must not hold up the stop of another.
        for effect in self._core.due(now_us()):
            if isinstance(effect, Send):
                self._later(self._stop_in_turn(effect.camera_id))
            elif isinstance(effect, Ended):
                self._note_end(effect)
                self._later(self._write_end(effect))
            self.tell(effect.camera_id)

    async def _stop_in_turn(self, camera_id: str) -> None:
        line = self._line(camera_id)
        ticket = line.newest
        async with line.lock:
            if line.newest is ticket:
                await self._send(Send(camera_id, SteerCommand("stop"), must=True))

    async def _require(self, camera_id: str, holder: Holder) -> None:
        if self._core.may_take(camera_id, holder):
            return
        holding = self._core.holdings[camera_id]
        if self._refusals.is_first(camera_id, holder.kind, holder.id, holding.holder.id):
            held_by = {"held_by": holding.holder.name, "held_priority": holding.holder.priority}
            record = await self._record("ptz.refused", camera_id, holder, held_by)
            await append(self._rows, [record])
        raise Held(holding)

    async def _run(self, effects: Sequence[Effect]) -> None:
        self._wake.set()
        for number, effect in enumerate(effects, start=1):
            if isinstance(effect, Began):
                try:
                    await self._write_begin(effect)
                except BaseException:
                    self._core.forget(effect.camera_id)
                    raise
                self.tell(effect.camera_id)
            elif isinstance(effect, Ended):
                self._note_end(effect)
                await self._write_end(effect)
                self.tell(effect.camera_id)
            else:
                self._tell_movement(effect.camera_id)
                try:
                    await self._send(effect)
                except DeviceRefused:
                    # That the one before cannot be stopped now is no reason to keep the next away.
                    if not effect.must or number == len(effects):
                        raise

    async def _send(self, effect: Send) -> None:
        try:
            device, channel = await self._device_of(effect.camera_id)
            await _in_time(device.steer(channel, effect.command))
        except DeviceRefused as error:
            if effect.must and error.code in ("timed_out", "busy", "offline", "device_error"):
                self._later(self._stop_again(effect.camera_id))
            raise

    async def _stop_again(self, camera_id: str) -> None:
        line = self._line(camera_id)
        ticket = line.newest
        for pause_s in _STOP_AGAIN_S:
            await asyncio.sleep(pause_s)
            async with line.lock:
                if line.newest is not ticket:
                    return
                try:
                    device, channel = await self._device_of(camera_id)
                    await _in_time(device.steer(channel, SteerCommand("stop")))
                except DeviceRefused as error:
                    _log.warning("a camera cannot be stopped", camera=camera_id, why=str(error))
                else:
                    return

    def _note_end(self, effect: Ended) -> None:
        if effect.holding.holder.kind != "patrol":
            self.let_go_us[effect.camera_id] = effect.end_us

    async def _write_begin(self, effect: Began) -> None:
        holding = effect.holding
        holder = holding.holder
        record = await self._record("ptz.hold", effect.camera_id, holder, {})
        arguments = {
            "camera_id": effect.camera_id,
            "since_us": holding.since_us,
            "holder": holder.to_message(),
        }
        await act(self._rows, "ptz.began", arguments, [record])

    async def _write_end(self, effect: Ended) -> None:
        while True:
            try:
                await self._put_end(effect)
                return
            except _WRITE_FAULTS as error:
                _log.warning("the end of a holding is not on record yet", why=str(error))
                if asyncio.current_task() not in self._tasks:
                    # Who waits for the camera need not wait for the register.
                    self._later(self._write_end(effect))
                    return
            await asyncio.sleep(_WRITE_AGAIN_S)

    async def _put_end(self, effect: Ended) -> None:
        holding = effect.holding
        detail: dict[str, Any] = {"cause": effect.cause}
        if effect.cause == "restarted":
            detail["estimated"] = True
        if effect.by is not None:
            detail["by"] = effect.by.name
        record = await self._record("ptz.released", effect.camera_id, holding.holder, detail)
        lasted = replace(record, start_us=holding.since_us, end_us=effect.end_us)
        arguments = {"camera_id": effect.camera_id, "since_us": holding.since_us}
        await act(self._rows, "ptz.ended", arguments, [lasted])

    async def _record(
        self, action: str, camera_id: str, holder: Holder, detail: dict[str, Any]
    ) -> AuditRecord:
        async with self._reader.connect() as connection:
            path = await connection.scalar(
                sa.select(areas.c.path)
                .join(cameras, cameras.c.area_id == areas.c.id)
                .where(cameras.c.id == camera_id)
            )
        return AuditRecord(
            action,
            user_id=holder.user_id,
            user_name=holder.name,
            address=holder.address,
            camera_id=camera_id,
            area_path=path,
            detail={
                "holder": holder.kind,
                "holder_id": holder.id,
                "priority": holder.priority,
                **detail,
            },
        )

    async def _recover(self) -> None:
        """What a process that was killed left held is stopped, and ended in the register."""
        while True:
            try:
                async with self._reader.connect() as connection:
                    left = (await connection.execute(sa.select(ptz_holdings))).all()
                break
            except sa.exc.DBAPIError as error:
                _log.warning("who steered before cannot be looked up yet", why=str(error))
                await asyncio.sleep(_WRITE_AGAIN_S)
        for row in left:
            if row.camera_id in self._core.holdings:
                continue
            holding = Holding(Holder.from_message(row.holder), row.since_us, row.since_us)
            effect = Ended(row.camera_id, holding, max(now_us(), row.since_us), "restarted")
            self._later(self._stop_again(row.camera_id))
            self._note_end(effect)
            self._later(self._write_end(effect))

    def _line(self, camera_id: str) -> _Line:
        return self._lines.setdefault(camera_id, _Line())

    def _later(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _in_time(work: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(ANSWER_S):
            return await work
    except TimeoutError:
        raise DeviceRefused("timed_out", f"the device did not answer in {ANSWER_S:g} s") from None


async def _quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except DeviceRefused as error:
        _log.warning("a camera was not reached", why=str(error))
    except Exception:
        _log.exception("steering failed")
