"""The analysed cameras' pictures as they come: from their shards into their mailboxes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.analysis.mailboxes import DROPPED, Mailboxes, Missed
from gateway.control.channel import ControlClient, ControlError, ControlStream
from gateway.identifiers import now_us

_log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 15.0
_WALL_US = 5
# Pictures further apart tell nothing of each other.
_APART_US = 30_000_000


@dataclass(slots=True, eq=False)
class LiveCamera:
    """One camera as it is fed. ``state``: ``connecting`` (its shard does not answer yet),
    ``silent`` (the camera sends nothing; ``detail`` says why), ``live``.
    """

    camera_id: str
    shard: str
    state: str = "connecting"
    detail: str = ""
    since_us: int = 0
    variant: str = ""
    # Of the run that is being sent: a worker that begins in the midst of it must be told.
    tracks: Any = None
    newest_us: int = 0
    skipped_units: int = 0
    stream: ControlStream | None = None
    task: asyncio.Task[None] | None = None

    def become(self, state: str, detail: str = "") -> None:
        """Another state."""
        if state != self.state:
            self.since_us = now_us()
        self.state, self.detail = state, detail


class LiveFeeds:
    """``on_pictures`` is called when something is in the mailboxes, ``on_missed`` with what had to
    be dropped.
    """

    def __init__(
        self,
        client: Callable[[str], ControlClient],
        mailboxes: Mailboxes,
        *,
        on_pictures: Callable[[], None],
        on_missed: Callable[[list[Missed]], None],
    ) -> None:
        self.cameras: dict[str, LiveCamera] = {}
        self._client = client
        self._mailboxes = mailboxes
        self._on_pictures = on_pictures
        self._on_missed = on_missed
        self._sending: set[asyncio.Task[None]] = set()

    def want(self, wanted: Mapping[str, str]) -> list[str]:
        """Feed exactly these (camera → shard); gives those that are not fed any more."""
        gone = [one for one in self.cameras if one not in wanted]
        for camera_id in gone:
            self._stop(self.cameras.pop(camera_id))
            missed = self._mailboxes.forget(camera_id)
            if missed is not None:
                self._on_missed([missed])
        for camera_id, shard in wanted.items():
            known = self.cameras.get(camera_id)
            if known is not None and known.shard == shard:
                continue
            if known is None:
                known = self.cameras[camera_id] = LiveCamera(camera_id, shard, since_us=now_us())
            else:
                self._stop(known)
                self._mailboxes.put_end(camera_id)
            known.shard = shard
            known.become("connecting")
            if shard:
                known.task = asyncio.create_task(self._feed(known))
        return gone

    def wish(self, camera_id: str, open_until_us: int, settle: bool) -> None:
        """Tell the shard's gate what the pictures showed; lost where it does not answer."""
        camera = self.cameras.get(camera_id)
        if camera is None or camera.stream is None:
            return
        task = asyncio.create_task(_send(camera.stream, open_until_us, settle))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Take nothing any more."""
        tasks = [one.task for one in self.cameras.values() if one.task is not None]
        for camera in self.cameras.values():
            self._stop(camera)
        await asyncio.gather(*tasks, *self._sending, return_exceptions=True)
        self.cameras.clear()

    @staticmethod
    def _stop(camera: LiveCamera) -> None:
        if camera.task is not None:
            camera.task.cancel()
            camera.task = None

    async def _feed(self, camera: LiveCamera) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began_us = camera.newest_us
            try:
                await self._take(camera)
                why = "its shard has let go of it"
            except (ControlError, ConnectionError, TimeoutError) as error:
                why = str(error)
            except Exception as error:
                _log.exception("a camera cannot be fed; trying again", camera=camera.camera_id)
                why = str(error)
            finally:
                camera.stream = None
            self._mailboxes.put_end(camera.camera_id)
            camera.become("connecting", why)
            pause_s = FIRST_PAUSE_S if camera.newest_us > began_us else pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(LAST_PAUSE_S, pause_s * 2)

    async def _take(self, camera: LiveCamera) -> None:
        client = self._client(camera.shard)
        async with client.stream("analysis.units", camera_id=camera.camera_id) as stream:
            camera.stream = stream
            joins_us: int | None = None
            async for message in stream:
                match message["type"]:
                    case "units":
                        units = message["units"]
                        if not units:
                            continue
                        joins_us = units[-1][_WALL_US]
                        camera.newest_us = max(camera.newest_us, joins_us)
                        camera.become("live")
                        missed = self._mailboxes.put_units(camera.camera_id, units)
                        if missed:
                            self._on_missed(missed)
                    case "run":
                        joins_us = None
                        camera.tracks, camera.variant = message["tracks"], message["variant"]
                        self._mailboxes.put_run(camera.camera_id, message["tracks"])
                    case "skipped":
                        camera.skipped_units += message["units"]
                        self._mailboxes.put_break(camera.camera_id)
                        self._on_missed([_dropped(camera, message, joins_us)])
                        joins_us = None
                    case "interrupted":
                        joins_us = None
                        camera.become("silent", message["detail"])
                        self._mailboxes.put_end(camera.camera_id)
                self._on_pictures()


def _dropped(camera: LiveCamera, skipped: Mapping[str, Any], joins_us: int | None) -> Missed:
    """What was dropped on the way here. ``joins_us``: the picture before, of the same run: what
    lies in between would have been seen with what was dropped.
    """
    start_us, end_us = skipped["start_us"], skipped["end_us"]
    if joins_us is not None and 0 < start_us - joins_us <= _APART_US:
        start_us = joins_us + 1
    return Missed(camera.camera_id, start_us, end_us, DROPPED)


async def _send(stream: ControlStream, open_until_us: int, settle: bool) -> None:
    with contextlib.suppress(ConnectionError, ControlError, RuntimeError):
        await stream.send({"settle": True} if settle else {"open_until_us": open_until_us})
