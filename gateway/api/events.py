"""The events WebSocket: what changes, to those who may see it, never faster than they read."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from gateway.api.access import find_caller
from gateway.api.alarm_documents import ToldAlarms
from gateway.api.alarm_notice_news import AlarmNotice
from gateway.api.device_event_pages import EventNames
from gateway.api.incident_news import IncidentNews
from gateway.api.meeting_news import MeetingEar, MeetingNews
from gateway.api.services import Services, ServicesDep
from gateway.api.sockets import close, run_until_one_ends, same_origin
from gateway.api.steering import steering_document
from gateway.assist.watch import AssistEar, AssistNews
from gateway.identifiers import now_us
from gateway.meetings.seats import sites_of
from gateway.notices.news import NoticeEar, NoticeNews
from gateway.people.authorize import COUNTY, Principal
from gateway.people.roles import Right

router = APIRouter(tags=["events"])

PING_INTERVAL_S = 15.0
# Events that are not sent yet; who reads no faster finds the rest by asking for them.
_EVENTS_LIMIT = 500
_ALARMS_LIMIT = 200
# Several changes within this time are one wake-up.
_GATHER_S = 0.05
_CLOSE_SIGN_IN = 4401
_CLOSE_ORIGIN = 4403


class _Outbox:
    """The newest state of each camera variant that is not sent yet: bounded by their number."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self.principal = principal
        self._states: dict[tuple[str, str], dict[str, Any]] = {}
        self._revoked: list[str] = []
        self._storage: dict[str, Any] | None = None
        self._steering: dict[str, dict[str, Any]] = {}
        # By what they are about: the newest of each.
        self._events: dict[str, dict[str, Any]] = {}
        self._alarms: dict[str, dict[str, Any]] = {}
        self._more_alarms = False
        self._notices: dict[str, dict[str, Any]] = {}
        self._names = EventNames(services.reader)
        # By meeting: what was heard since, of which a ring must not be lost.
        self._meetings: dict[str, dict[str, Any]] = {}
        self._ear = MeetingEar()
        self._incidents: dict[str, dict[str, Any]] = {}
        self._assist: dict[str, dict[str, Any]] = {}
        self._assist_ear = AssistEar()
        self._published: dict[str, dict[str, Any]] = {}
        self._notice_ear = NoticeEar()
        self._is_to_test = False
        self.signed_out = False
        self._filled = asyncio.Event()

    def take_state(self, camera_id: str, variant: str, state: dict[str, Any]) -> None:
        """A state has changed; kept if the caller may see the camera."""
        if self._may_know_of(camera_id):
            self._states[camera_id, variant] = state
            self._filled.set()

    def _may_know_of(self, camera_id: str) -> bool:
        place = self._services.states.place(camera_id)
        return place is not None and bool(self.principal.rights_at(place, now_us()))

    def take_revocation(self, user_id: str, session_ids: list[str]) -> None:
        """Sessions were ended."""
        if user_id == self.principal.user_id:
            self._revoked += session_ids
            self._filled.set()

    def take_steering(self, camera_id: str, state: dict[str, Any]) -> None:
        """Somebody holds a camera, or nobody any more; told as :meth:`take_state`."""
        if self._may_know_of(camera_id):
            self._steering[camera_id] = state
            self._filled.set()

    def take_event(self, row: dict[str, Any]) -> None:
        """A device told something; kept if the caller may see the camera live."""
        camera_id = row["camera_id"]
        place = None if camera_id is None else self._services.states.place(camera_id)
        if place is None or Right.LIVE not in self.principal.rights_at(place, now_us()):
            return
        if row["id"] in self._events or len(self._events) < _EVENTS_LIMIT:
            self._events[row["id"]] = row
            self._filled.set()

    def take_alarms(self, told: ToldAlarms) -> None:
        """Alarms are new or others; kept are those where the caller may look, and is in the
        audience where there is one; without what lies beneath masks that they may not lift.
        """
        for alarm in reversed(told.alarms):
            document = alarm.document_for(self.principal)
            if document is not None:
                self._alarms.pop(document["id"], None)
                self._alarms[document["id"]] = document
                self._filled.set()
        # Who does not read keeps the newest.
        while len(self._alarms) > _ALARMS_LIMIT:
            del self._alarms[next(iter(self._alarms))]
            self._more_alarms = True
        if told.more and Right.LIVE in self.principal.all_rights(now_us()):
            self._more_alarms = True
            self._filled.set()

    def take_notice(self, notice: AlarmNotice) -> None:
        """Somebody is told of an alarm by a rule; kept if it is the caller."""
        message = notice.message_for(self.principal)
        if message is not None and len(self._notices) < _ALARMS_LIMIT:
            self._notices[notice.id] = message
            self._filled.set()

    def take_meeting(self, news: MeetingNews) -> None:
        """A meeting is another one; kept if the caller is invited to it or convenes there."""
        message = self._ear.hear(self.principal, news)
        if message is None:
            return
        before = self._meetings.get(message["meeting_id"])
        if before is not None and before["event"] == "ring" and message["event"] == "changed":
            message["event"] = "ring"
        self._meetings[message["meeting_id"]] = message
        self._filled.set()

    def take_incident(self, news: IncidentNews) -> None:
        """An incident is new or another one; kept if the caller may see it."""
        if news.is_for(self.principal):
            self._incidents[news.document["id"]] = news.document
            self._filled.set()

    def take_assist(self, news: AssistNews) -> None:
        """An assist request is another one; kept if the caller may know of it."""
        message = self._assist_ear.hear(self.principal, news)
        if message is None:
            return
        before = self._assist.get(message["request_id"])
        if before is not None and message["event"] == "changed":
            # That one is asked must not be lost.
            message["event"] = before["event"]
        self._assist[message["request_id"]] = message
        self._filled.set()

    def take_published(self, news: NoticeNews) -> None:
        """A notice is another one; kept if the caller may know of it."""
        message = self._notice_ear.hear(self.principal, news)
        if message is None:
            return
        if message["event"] == "changed" and news.notice_id in self._published:
            # That it is there must not be lost.
            return
        self._published[news.notice_id] = message
        self._filled.set()

    def take_asked(self, paths: frozenset[str]) -> None:
        """Sites are to test their devices; kept if the caller sits for one of them."""
        if paths.intersection(sites_of(self.principal)):
            self._is_to_test = True
            self._filled.set()

    def take_principal(self, principal: Principal | None) -> None:
        """The grants of this moment; None when the sign-in has ended."""
        if principal is None:
            self.signed_out = True
            self._filled.set()
            return
        before, self.principal = self.principal, principal
        if set(principal.grants) != set(before.grants):
            self.take_all()

    def take_all(self) -> None:
        """What every camera is doing and who steers it, as far as the caller may see them."""
        for camera_id, variant, state in self._services.states.all():
            self.take_state(camera_id, variant, state)
        for camera_id, steered in self._services.steering.all().items():
            self.take_steering(camera_id, steered)

    def take_storage(self, document: dict[str, Any]) -> None:
        """A new forecast; for those who may see the system."""
        if Right.SYSTEM in self.principal.rights_at(COUNTY, now_us()):
            self._storage = document
            self._filled.set()

    async def take_messages(self) -> list[dict[str, Any]]:
        """Wait for something to send."""
        await self._filled.wait()
        await asyncio.sleep(_GATHER_S)
        self._filled.clear()
        states, self._states = self._states, {}
        revoked, self._revoked = self._revoked, []
        messages: list[dict[str, Any]] = [
            {"type": "session_revoked", "session_id": one} for one in revoked
        ]
        if self._storage is not None:
            messages.append({"type": "forecast", **self._storage["forecast"]})
            self._storage = None
        for (camera_id, variant), state in states.items():
            messages.append(
                {"type": "camera_state", "camera_id": camera_id, "variant": variant, **state}
            )
        steering, self._steering = self._steering, {}
        for camera_id, state in steering.items():
            place = self._services.states.place(camera_id)
            if place is not None:
                document = steering_document(self.principal, place, state)
                messages.append({"type": "ptz", "camera_id": camera_id, **document})
        events, self._events = self._events, {}
        told = await self._names.of(list(events.values()))
        messages += [{"type": "device_event", **document} for document in told]
        alarms, self._alarms = self._alarms, {}
        messages += [{"type": "alarm", **document} for document in alarms.values()]
        if self._more_alarms:
            self._more_alarms = False
            messages.append({"type": "alarms_changed"})
        notices, self._notices = self._notices, {}
        messages += notices.values()
        heard, self._meetings = self._meetings, {}
        messages += heard.values()
        told_of, self._incidents = self._incidents, {}
        messages += [{"type": "incident", **document} for document in told_of.values()]
        assist, self._assist = self._assist, {}
        messages += assist.values()
        published, self._published = self._published, {}
        messages += published.values()
        if self._is_to_test:
            self._is_to_test = False
            messages.append({"type": "site_check"})
        return messages


@router.websocket("/api/events")
async def events(socket: WebSocket, services: ServicesDep) -> None:
    """Every known state first, then each change; a ping every 15 s."""
    if not same_origin(socket):
        await socket.close(_CLOSE_ORIGIN)
        return
    principal = await find_caller(socket, services)
    if principal is None or not _is_ready(principal):
        await socket.close(_CLOSE_SIGN_IN)
        return
    await socket.accept()
    outbox = _Outbox(services, principal)
    services.revocation_listeners.add(outbox.take_revocation)
    services.audience.add(outbox)
    try:
        with (
            services.states.listening(outbox.take_state),
            services.storage.listening(outbox.take_storage),
            services.steering.listening(outbox.take_steering, outbox.take_event),
            services.alarms.listening(outbox.take_alarms),
            services.alarm_notices.listening(outbox.take_notice),
            services.meetings.listening(outbox.take_meeting),
            services.site_checks.listening(outbox.take_asked),
            services.incidents.listening(outbox.take_incident),
            services.assist.listening(outbox.take_assist),
            services.notices.listening(outbox.take_published),
        ):
            outbox.take_all()
            await run_until_one_ends(
                _send(socket, outbox), _ping(socket, services, outbox), _read_to_end(socket)
            )
    finally:
        await close(socket)
        services.revocation_listeners.discard(outbox.take_revocation)
        services.audience.discard(outbox)


def _is_ready(principal: Principal) -> bool:
    return not principal.must_change_password and not principal.must_enrol_totp


async def _send(socket: WebSocket, outbox: _Outbox) -> None:
    while True:
        messages = await outbox.take_messages()
        if outbox.signed_out:
            await socket.close(_CLOSE_SIGN_IN)
            return
        for message in messages:
            await socket.send_json(message)


async def _ping(socket: WebSocket, services: Services, outbox: _Outbox) -> None:
    while True:
        await asyncio.sleep(PING_INTERVAL_S)
        # Signed out, or rights were changed: what may be seen is looked up anew.
        principal = await find_caller(socket, services)
        if principal is None or not _is_ready(principal):
            await socket.close(_CLOSE_SIGN_IN)
            return
        outbox.take_principal(principal)
        await socket.send_json({"type": "ping"})


async def _read_to_end(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
