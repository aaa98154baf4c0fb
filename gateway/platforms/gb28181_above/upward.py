"""One platform above us: asked by it, told of changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any

import sqlalchemy as sa
import structlog

from camera_adapters.gb28181 import envelope, lower_platform
from camera_adapters.gb28181.alarm import Alarm
from camera_adapters.gb28181.lower_platform import (
    Carry,
    FindPresets,
    FindRecordings,
    Identity,
    Nothing,
    Permissions,
    Refuse,
    Send,
)
from camera_adapters.gb28181.record_information import RecordQuery
from camera_adapters.gb28181.shared_catalog import SharedCamera, SharedCatalog, events_between
from camera_adapters.gb28181.xml_bodies import Element, XmlBodyError
from camera_adapters.sip.endpoint import IncomingRequest, SipEndpoint
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.platforms.gb28181_above.alarms import CameraAlarm
from gateway.platforms.gb28181_above.asked import Asked
from gateway.platforms.gb28181_above.carried import HeldMovements, NotCarried, steer_command
from gateway.platforms.gb28181_above.link import Link
from gateway.platforms.gb28181_above.sending import Refused, Sending
from gateway.platforms.gb28181_above.subscriptions import Subscriptions
from gateway.platforms.operations import DesiredPlatform
from gateway.seldom import Seldom
from gateway.version import VERSION
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_MESSAGES_AT_ONCE = 16
_WORK_LIMIT = 64
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError)


class PlatformAbove:
    """Everything that concerns one platform above; its loops run from :meth:`start` on.

    ``asked`` is what the gateway's other parts do for it.
    """

    def __init__(
        self,
        platform: DesiredPlatform,
        local_code: str,
        endpoint: SipEndpoint,
        asked: Asked,
    ) -> None:
        self.platform = platform
        self.local_code = local_code
        self._endpoint = endpoint
        self._asked = asked
        options = platform.options
        self._permissions = Permissions(
            may_playback=bool(options.get("may_playback")),
            may_download=bool(options.get("may_download")),
            may_steer=bool(options.get("may_steer")),
        )
        self._identity = Identity(
            firmware=VERSION,
            expires_s=int(options.get("expires_s", 86_400)),
            keepalive_s=int(options.get("keepalive_s", 60)),
        )
        link = self._link = Link(platform, local_code, self._identity, endpoint, asked.report)
        self._catalog: SharedCatalog | None = None
        self._shared = asyncio.Event()
        self._subscriptions = Subscriptions(local_code, link.next_number)
        self._sending = Sending(platform, asked.sender, link.next_number)
        self._movements = HeldMovements(
            lambda camera_id, command: asked.steer(platform, camera_id, command)
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._catalog_answer: asyncio.Task[None] | None = None
        self._refusals = Seldom()

    # -------------------------------------------------------------- its life

    def start(self) -> None:
        """Begin to register."""
        self._report()
        loops = (self._keep_registered(), self._subscriptions.run(), self._end_left_behind())
        for loop in loops:
            self._spawn(loop)

    async def close(self) -> None:
        """End what is sent, and say goodbye (§9.1.2.3)."""
        self._movements.close()
        await self._sending.close()
        self._subscriptions.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._link.leave()

    @property
    def catalog(self) -> SharedCatalog | None:
        """What it may know of; None before that was read."""
        return self._catalog

    @property
    def sessions(self) -> int:
        """How many streams it is sent."""
        return len(self._sending)

    def share(self, shared: SharedCatalog) -> None:
        """Take what is shared now: subscribers are told, and what is shared no more ends."""
        before, self._catalog = self._catalog, shared
        self._shared.set()
        if before is not None:
            if events := events_between(before, shared):
                self._subscriptions.tell_catalog(events)
            held = {camera.camera_id for camera in shared.cameras.values()}
            self._sending.withdraw(lambda camera_id, _: camera_id in held)
        if before is None or len(before.cameras) != len(shared.cameras):
            self._report()

    def tell_alarm(self, of_camera: CameraAlarm) -> None:
        """An alarm; told only if its camera is shared, alarms are subscribed for, and no mask hides
        what it is about from this platform.
        """
        if of_camera.beneath_mask and not self.platform.options.get("may_lift_masks", False):
            return
        camera, told = self._camera_of(of_camera.camera_id), of_camera.alarm
        if camera is not None:
            self._subscriptions.tell_alarm(
                Alarm(
                    self._link.next_number(),
                    camera.code,
                    told.priority,
                    told.method,
                    told.at_us,
                    told.description,
                    told.kind,
                    told.event_kind,
                )
            )

    async def _end_left_behind(self) -> None:
        try:
            await self._sending.end_left_behind(self._asked.reader, self._endpoint)
        except (*_FAULTS, sa.exc.DBAPIError) as error:
            _log.warning("dialogs of an earlier process cannot be ended", why=str(error))

    async def _keep_registered(self) -> None:
        # It asks for everything as soon as we are registered: then we must know what is shared.
        await self._shared.wait()
        await self._link.run()

    # --------------------------------------------------- what it asks of us

    def owns(self, incoming: IncomingRequest, from_code: str) -> bool:
        """Whether this request is of this platform: by its code and its address."""
        return self._link.is_from(incoming.peer.host, from_code)

    def take(self, incoming: IncomingRequest) -> None:
        """Answer a request of it that belongs to no session."""
        self._link.heard()
        method = incoming.request.method
        if self._catalog is None:
            # It will ask again: what is shared is being read.
            incoming.respond(503, headers=[("Retry-After", "2")])
        elif method == "MESSAGE":
            self._take_message(incoming, self._catalog)
        elif method == "INVITE":
            address = self._endpoint.contact_host(incoming.peer)
            self._sending.take(incoming, self.local_code, address, self._find_for_media)
        elif method == "SUBSCRIBE":
            self._subscriptions.take(incoming)
        else:
            incoming.respond(200 if method in ("OPTIONS", "NOTIFY") else 405)

    def _take_message(self, incoming: IncomingRequest, shared: SharedCatalog) -> None:
        try:
            document = envelope.read(incoming.request.body)
        except XmlBodyError as error:
            incoming.respond(400, str(error)[:80])
            return
        decision = lower_platform.respond(
            document,
            shared,
            self._permissions,
            self._identity,
            now_us=now_us(),
            items_per_page=lower_platform.TCP_ITEMS_PER_PAGE
            if self._link.transport == "tcp"
            else lower_platform.UDP_ITEMS_PER_PAGE,
        )
        if isinstance(decision, Refuse):
            incoming.respond(decision.status)
            self._refuse(decision, document.command)
            return
        if len(self._tasks) >= _WORK_LIMIT:
            incoming.respond(503)
            return
        if isinstance(decision, Carry) and not lower_platform.is_carried(decision.control):
            incoming.respond(488)
            return
        incoming.respond(200)
        match decision:
            case Send(documents) if document.command == "Catalog":
                if self._catalog_answer is not None:
                    # It has asked again: the older answer is of no use any more.
                    self._catalog_answer.cancel()
                self._catalog_answer = self._spawn(self._answer(documents))
            case Send(documents):
                self._spawn(self._answer(documents))
            case Carry():
                self._spawn(self._carry(decision))
            case FindRecordings(camera, query):
                self._spawn(self._find_recordings(camera, query))
            case FindPresets(camera, number):
                self._spawn(self._find_presets(camera, number))
            case Nothing():
                pass

    async def _answer(self, documents: Sequence[Element]) -> None:
        """Send documents, a few at a time; the first that fails ends it."""
        waiting = iter(documents)
        failed = False

        async def send_some() -> None:
            nonlocal failed
            for document in waiting:
                if failed or (await self._link.message(document)) not in range(200, 300):
                    failed = True
                    return

        await asyncio.gather(*(send_some() for _ in range(_MESSAGES_AT_ONCE)))

    async def _carry(self, decision: Carry) -> None:
        camera_id = decision.camera.camera_id
        outcome = decision.answer
        try:
            if lower_platform.is_keyframe(decision.control):
                await self._asked.keyframe(camera_id)
            else:
                command = steer_command(decision.control)
                if command.action == "goto_preset":
                    command = await self._asked.preset_command(camera_id, command)
                await self._movements.carry(camera_id, command)
        except NotCarried as error:
            await self._note_refusal("unsupported", str(error), camera_id)
        except _FAULTS as error:
            code = getattr(error, "code", "unreachable")
            await self._note_refusal(code, str(error), camera_id)
        if outcome is not None:
            await self._link.message(outcome)

    async def _find_recordings(self, camera: SharedCamera, query: RecordQuery) -> None:
        try:
            stretches = await self._asked.recordings(camera.camera_id, query.start_us, query.end_us)
        except _FAULTS as error:
            _log.warning("recordings cannot be told to a platform above", why=str(error))
            stretches = []
        pages = lower_platform.recordings_answer(query, camera, stretches)
        await self._answer([page.to_element() for page in pages])

    async def _find_presets(self, camera: SharedCamera, number: int) -> None:
        names: dict[int, str] = {}
        with contextlib.suppress(*_FAULTS):
            names = await self._asked.preset_names(camera.camera_id)
        await self._link.message(lower_platform.presets_answer(number, camera, names))

    def _find_for_media(self, code: str, purpose: str) -> SharedCamera:
        camera = self._catalog.cameras.get(code) if self._catalog is not None else None
        if camera is None:
            raise Refused(404, "not_shared", f"there is no {code[:32]} here")
        granted = {
            "play": True,
            "playback": self._permissions.may_playback,
            "download": self._permissions.may_download,
        }
        if not granted.get(purpose, False):
            raise Refused(403, "not_granted", f"{purpose} is not granted")
        return camera

    def _camera_of(self, camera_id: str) -> SharedCamera | None:
        if self._catalog is None:
            return None
        found = self._catalog.cameras.values()
        return next((camera for camera in found if camera.camera_id == camera_id), None)

    def _refuse(self, decision: Refuse, command: str) -> None:
        camera_id = decision.camera.camera_id if decision.camera else None
        if decision.answer is not None and len(self._tasks) < _WORK_LIMIT:
            self._spawn(self._answer((decision.answer,)))
        if len(self._tasks) < _WORK_LIMIT:
            self._spawn(
                self._note_refusal(decision.code, f"{command}: {decision.detail}", camera_id)
            )

    async def _note_refusal(self, code: str, why: str, camera_id: str | None) -> None:
        # A platform that asks the same again and again must not flood the register.
        if not self._refusals.is_first(code, why, camera_id):
            return
        with contextlib.suppress(*_FAULTS):
            await self._sending.note("cascade.refused", camera_id, code=code, why=why[:200])

    # ---------------------------------------------------------------- tools

    def _report(self) -> None:
        self._link.facts["shared_cameras"] = len(self._catalog.cameras) if self._catalog else 0
        self._link.report()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("work for a platform above failed", exc_info=error)
