"""What is being watched, held against what may be watched: desired state, for rights.

A right may go in many ways: a grant withdrawn or run out, an account disabled on the command line,
a camera moved to another area, a sign-in ended elsewhere, the API killed between taking a right
away and ending what it allowed. So whatever is open (live views, playback, restreams, the console's
events) is authorized anew every moment, and ended when it may not go on: within 5 s, all told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from camera_adapters.event_wait import wait_for_event
from gateway.api.meeting_cameras import withdraw_cameras
from gateway.api.services import Listener, Services
from gateway.api.steering_withdrawal import withdraw_steering
from gateway.api.viewing import revoke_again, revoke_sessions
from gateway.assist.lending import clips_lent
from gateway.audit import AuditRecord, append
from gateway.audit import act as act_and_append
from gateway.cameras import read_places
from gateway.control.channel import ControlError
from gateway.database.meeting_tables import meeting_participants
from gateway.database.tables import areas, cameras, restreams, viewing_sessions
from gateway.footage.footage_ids import is_meeting, meeting_of
from gateway.identifiers import now_us
from gateway.masks import ever_masked
from gateway.meetings.recording.access import Recorded, Viewer, read_recorded
from gateway.people.authorize import AreaPlace, Grant, rights_of
from gateway.people.grants import grants_of
from gateway.people.living_tokens import Scopes, living_tokens
from gateway.people.roles import ROLE_RIGHTS, Right
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

INTERVAL_S = 1.5

_RIGHTS = {
    "live": Right.LIVE,
    "playback": Right.PLAYBACK,
    "export": Right.EXPORT,
    "talk": Right.TALK,
    "meeting": Right.MEET,
}

Row = sa.Row[Any]


async def withdraw_for_ever(services: Services) -> None:
    """Look every moment, and at once when rights have changed; a failure is logged. In the API
    process that leads.
    """
    watch = Withdrawal(services)
    while True:
        await wait_for_event(services.rights_changed, INTERVAL_S)
        services.rights_changed.clear()
        try:
            await watch.look()
            await withdraw_steering(services)
            await withdraw_cameras(services)
        except (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError) as error:
            _log.warning("open sessions could not be checked; trying again", why=str(error))
        except Exception:
            # Whatever it is: that rights are withdrawn must not end with it.
            _log.exception("open sessions could not be checked; trying again")


async def refresh_for_ever(services: Services) -> None:
    """While another process leads: give who listens here the grants of this moment, and tell
    processes again what they have not answered to; a failure is logged.
    """
    while True:
        await wait_for_event(services.rights_changed, INTERVAL_S)
        if services.leading:
            await asyncio.sleep(INTERVAL_S)
            continue
        services.rights_changed.clear()
        try:
            await revoke_again(services)
            listening = tuple(services.audience)
            if listening:
                async with services.reader.connect() as connection:
                    known = await _look_up(connection, (), (), listening)
                _refresh(listening, known)
        except Exception:
            _log.exception("rights of listeners could not be looked up; trying again")


@dataclass(slots=True)
class Withdrawal:
    """Looks, and remembers which sign-ins it found ended: one that gives way to another in the same
    browser hands over its views in that moment, so it is looked at twice.
    """

    services: Services
    _ended: set[str] = field(default_factory=set)

    async def look(self) -> list[str]:
        """End what is not permitted any more; gives the ids of those sessions and restreams."""
        services = self.services
        await revoke_again(services)
        async with services.reader.connect() as connection:
            table = viewing_sessions
            watched = (
                await connection.execute(sa.select(table).where(table.c.ended_us.is_(None)))
            ).all()
            handed_out = (
                await connection.execute(
                    sa.select(restreams).where(
                        restreams.c.revoked_us.is_(None), restreams.c.expires_us > now_us()
                    )
                )
            ).all()
            listening = tuple(services.audience)
            known = await _look_up(connection, watched, handed_out, listening)
        _refresh(listening, known)
        gone = self._dead(watched, known)
        forbidden = [row for row in watched if row.token_hash in gone or not known.permits(row)]
        if forbidden:
            await append(services.rows, list(_records(forbidden, known)))
            await revoke_sessions(services, forbidden)
        taken_back = [row for row in handed_out if not known.permits_restream(row)]
        for row in taken_back:
            await self._take_back(row, known)
        return [row.id for row in (*forbidden, *taken_back)]

    def _dead(self, watched: Iterable[Row], known: _Known) -> set[str]:
        dead = {row.token_hash for row in watched if row.token_hash} - known.living.keys()
        twice = dead & self._ended
        self._ended = dead
        return twice

    async def _take_back(self, row: Row, known: _Known) -> None:
        services = self.services
        place = known.places.get(row.camera_id)
        record = AuditRecord(
            "restream.withdrawn",
            user_id=row.user_id,
            user_name=row.user_name,
            camera_id=row.camera_id,
            area_path=None if place is None else place.area_path,
            detail={"id": row.id},
        )
        await act_and_append(services.rows, "restreams.revoke", {"restream_id": row.id}, [record])
        shard = await services.processes.shard_of(row.camera_id)
        if shard is not None:
            # A shard that is away reads the rows when it is back.
            with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
                client = services.processes.client(shard)
                await client.call("live.revoke", session_ids=[row.id])
                await client.call("shard.reconcile")


@dataclass(frozen=True, slots=True)
class _Known:
    """What everybody holds now, and where everything stands."""

    held: dict[str, tuple[Grant, ...]]
    places: dict[str, AreaPlace]
    masked: set[str]
    living: dict[str, Scopes]
    at_us: int
    # Meeting sessions → the path of the area of the site that they sit for.
    sites: dict[str, str] = field(default_factory=dict)
    # Meetings whose recordings are being watched.
    recorded: dict[str, Recorded] = field(default_factory=dict)
    # Clips that assist requests lend at this moment.
    lent: frozenset[str] = frozenset()

    def permits(self, row: Row) -> bool:
        """Whether a viewing session may go on, on every camera of it."""
        needed = {_RIGHTS[row.action]}
        scopes = self.living.get(row.token_hash) if row.token_hash else None
        if scopes is not None and not needed <= scopes:
            return False
        if row.action == "meeting":
            return self._may_sit(row)
        tracks = [one for one in row.camera_ids if is_meeting(one)]
        if row.clip_id is not None:
            return row.clip_id in self.lent
        if tracks:
            takes = row.action == "export"
            return all(self._may_watch(row.user_id, meeting_of(one), takes) for one in tracks)
        return all(
            needed | ({Right.LIFT_MASKS} if row.may_lift_masks and one in self.masked else set())
            <= self._rights(row.user_id, one)
            for one in row.camera_ids
        )

    def _may_sit(self, row: Row) -> bool:
        """Whether somebody may go on sitting where they sit: for a site, by a grant in its area."""
        path = self.sites.get(row.id)
        return any(
            one.in_force(self.at_us)
            and Right.MEET in ROLE_RIGHTS[one.role]
            and (path is None or one.area_path == path)
            for one in self.held.get(row.user_id, ())
        )

    def _may_watch(self, user_id: str, meeting_id: str, takes: bool) -> bool:
        """Whether a meeting's recording may go on being watched, or taken away."""
        recorded = self.recorded.get(meeting_id)
        held = [one for one in self.held.get(user_id, ()) if one.in_force(self.at_us)]
        viewer = Viewer(
            user_id,
            rights_of(held),
            lambda place: rights_of(one for one in held if one.covers(place)),
        )
        if recorded is None:
            return False
        return recorded.leads(viewer) if takes else recorded.watches(viewer)

    def permits_restream(self, row: Row) -> bool:
        """Whether an address that was handed out may go on being played."""
        needed = {Right.RESTREAM}
        if row.may_lift_masks and row.camera_id in self.masked:
            needed.add(Right.LIFT_MASKS)
        return needed <= self._rights(row.user_id, row.camera_id)

    def _rights(self, user_id: str, camera_id: str) -> frozenset[Right]:
        place = self.places.get(camera_id)
        if place is None:
            return frozenset()
        return rights_of(
            one
            for one in self.held.get(user_id, ())
            if one.in_force(self.at_us) and one.covers(place)
        )


def _refresh(listening: Iterable[Listener], known: _Known) -> None:
    """Give listeners the grants of this moment; those who are signed out are told so."""
    for one in listening:
        principal = one.principal
        if principal.token_hash not in known.living:
            one.take_principal(None)
            continue
        held = known.held.get(principal.user_id, ())
        if set(held) != set(principal.grants):
            one.take_principal(replace(principal, grants=held))


async def _look_up(
    connection: AsyncConnection,
    watched: Iterable[Row],
    handed_out: Iterable[Row],
    listening: Iterable[Listener],
) -> _Known:
    user_ids = {row.user_id for row in (*watched, *handed_out)}
    user_ids.update(one.principal.user_id for one in listening)
    tokens = {row.token_hash for row in watched if row.token_hash}
    tokens.update(one.principal.token_hash for one in listening)
    camera_ids = {one for row in watched for one in row.camera_ids}
    camera_ids.update(row.camera_id for row in handed_out)
    at_us = now_us()
    if not camera_ids and not user_ids:
        return _Known({}, {}, set(), {}, at_us)
    return _Known(
        await grants_of(connection, user_ids),
        await read_places(connection, cameras.c.id.in_(camera_ids)),
        await ever_masked(connection, camera_ids),
        await living_tokens(connection, tokens),
        at_us,
        await _sites(connection, [row.id for row in watched if row.action == "meeting"]),
        await read_recorded(
            connection, {meeting_of(one) for one in camera_ids if is_meeting(one)}, at_us
        ),
        await clips_lent(
            connection, {row.clip_id for row in watched if row.clip_id is not None}, at_us
        ),
    )


async def _sites(connection: AsyncConnection, session_ids: list[str]) -> dict[str, str]:
    if not session_ids:
        return {}
    own = meeting_participants.c
    rows = await connection.execute(
        sa.select(own.session_id, areas.c.path)
        .join(areas, areas.c.id == own.area_id)
        .where(own.kind == "site", own.session_id.in_(session_ids))
    )
    return {row.session_id: row.path for row in rows}


def _records(forbidden: Iterable[Row], known: _Known) -> Iterable[AuditRecord]:
    for row in forbidden:
        if row.action == "meeting":
            yield AuditRecord(
                "session.withdrawn",
                user_id=row.user_id,
                detail={"session_id": row.id, "action": row.action},
            )
        for camera_id in row.camera_ids:
            place = known.places.get(camera_id)
            of_meeting = {"footage_id": camera_id} if is_meeting(camera_id) else {}
            yield AuditRecord(
                "session.withdrawn",
                user_id=row.user_id,
                camera_id=None if of_meeting else camera_id,
                area_path=None if place is None else place.area_path,
                detail={"session_id": row.id, "action": row.action, **of_meeting},
            )
