"""What the database says about the meetings of one shard, read cheaply and never stale."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database.meeting_tables import (
    meeting_agenda,
    meeting_attendance,
    meeting_floor,
    meeting_messages,
    meeting_participants,
    meeting_playbacks,
    meetings,
    roll_calls,
)
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S
from gateway.meetings.lobby import is_in
from gateway.meetings.playing.playback import Playback, playback_of
from gateway.meetings.said import message_document
from gateway.meetings.tiles import Layout, Sight
from gateway.people.areas import area_names

_ROWS_AT_ONCE = 50
_PARTICIPANTS = sa.select(meeting_participants, areas.c.path).outerjoin(
    areas, areas.c.id == meeting_participants.c.area_id
)
_MESSAGES_AT_ONCE = 200
_NAMES_KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class Invited:
    """One row of ``meeting_participants``: all that a room needs of it."""

    participant_id: str
    kind: str
    subject: str
    role: str
    state: str
    name: str
    area_id: str | None
    area_path: str
    user_id: str | None
    camera_id: str | None
    position: int
    admitted: bool
    session_id: str | None
    muted: bool
    floor_us: int | None
    hand_us: int | None
    left_us: int | None
    token_hash: str | None = field(repr=False)
    # Of a recording: what it plays.
    playback: Playback | None = None
    # Of the areas from the root down to its own.
    area_names: tuple[str, ...] = ()
    # Where it sits; None: at the meeting's home.
    shard: str | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the chair or a co-chair."""
        return self.role in ("chair", "co_chair")

    @property
    def may_enter(self) -> bool:
        """Whether a connection of theirs is kept at all."""
        return self.state not in ("removed", "refused")


@dataclass(frozen=True, slots=True)
class Polling:
    """All sites in turn, or those in ``area_path`` and below it."""

    interval_us: int
    area_path: str
    started_us: int


@dataclass(frozen=True, slots=True)
class MeetingState:
    """One running meeting at one moment; ``version`` tells two moments apart."""

    meeting_id: str
    version: int
    title: str
    area_id: str
    started_us: int | None
    lobby: bool
    locked: bool
    records: bool
    layout: Layout
    pinned: Sight | None
    polling: Polling | None
    roll_call_id: str | None
    called_id: str | None
    # The number of the newest message to all, and of the newest to anybody.
    newest_message: int
    invited: dict[str, Invited]
    newest_said: int = 0
    # Participants by their devices' tokens, as digests.
    devices: dict[str, str] = field(default_factory=dict, repr=False)
    # When the newest turn of the program began.
    program_us: int = 0
    # What is dealt with now, by the agenda.
    agenda_item: str | None = None
    # The shard that runs the meeting, and the one that has read this.
    home: str = ""
    here: str = ""

    @property
    def leads(self) -> bool:
        """Whether what must be done once for a meeting is done here."""
        return self.home == self.here

    def sits_here(self, invited: Invited) -> bool:
        """Whether this participant's seat is at the shard that has read this."""
        return (invited.shard or self.home) == self.here


class AreaNames:
    """The names of areas, read once and again after a while: they hardly ever change."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, ...]] = {}
        self._since_s = 0.0

    async def of(self, connection: AsyncConnection, path: str) -> tuple[str, ...]:
        """From the root down to the area of this path. Raises DBAPIError."""
        if not path:
            return ()
        now_s = time.monotonic()
        if path not in self._names or now_s - self._since_s > _NAMES_KEPT_S:
            every = await connection.execute(sa.select(areas.c.path).where(areas.c.axis == "area"))
            named = await area_names(connection, [*every.scalars(), path])
            self._names = {one: tuple(names) for one, names in named.items()}
            self._since_s = now_s
        return self._names[path]


class MeetingReader:
    """Reads the meetings that ``shard`` runs, and those of which some sit at it. Asked every second
    or two, it looks at one small row for each, and reads participants only where something has
    changed.
    """

    def __init__(self, reader: AsyncEngine, shard: str) -> None:
        self._reader = reader
        self._shard = shard
        self._known: dict[str, MeetingState] = {}
        self._names = AreaNames()

    async def read(self) -> dict[str, MeetingState]:
        """The running meetings by id. The same object again where nothing has changed. Raises
        DBAPIError.
        """
        own = meeting_participants.c
        seated_here = sa.select(own.meeting_id).where(own.shard == self._shard)
        async with self._reader.connect() as connection:
            found = await connection.execute(
                sa.select(meetings.c.id, meetings.c.version).where(
                    meetings.c.state == "running",
                    sa.or_(meetings.c.shard == self._shard, meetings.c.id.in_(seated_here)),
                )
            )
            now: dict[str, MeetingState] = {}
            for meeting_id, version in found.all():
                known = self._known.get(meeting_id)
                if known is not None and known.version == version:
                    now[meeting_id] = known
                else:
                    state = await _read_meeting(connection, meeting_id, self._names, self._shard)
                    if state is not None:
                        now[meeting_id] = state
            self._known = now
            return now

    async def participant(self, meeting_id: str, participant_id: str) -> Invited | None:
        """One row of a meeting as it is now. Raises DBAPIError."""
        own = meeting_participants.c
        async with self._reader.connect() as connection:
            found = await connection.execute(
                _PARTICIPANTS.where(own.id == participant_id, own.meeting_id == meeting_id)
            )
            row = found.first()
            if row is None:
                return None
            playbacks = await _playbacks(connection, meeting_id) if row.kind == "recording" else {}
            area = await self._names.of(connection, row.path or "")
            return _invited(row, playbacks.get(row.id), area)

    async def messages(self, meeting_id: str, after: int) -> list[dict[str, Any]]:
        """What was said after the message of this number, the oldest first. Raises DBAPIError."""
        table = meeting_messages.c
        statement = (
            sa.select(meeting_messages)
            .where(table.meeting_id == meeting_id, table.id > after)
            .order_by(table.id)
            .limit(_MESSAGES_AT_ONCE)
        )
        async with self._reader.connect() as connection:
            return [message_document(row) for row in await connection.execute(statement)]

    async def session_was_used(self, session_id: str) -> bool:
        """Whether this session has been in its meeting before. Raises DBAPIError."""
        async with self._reader.connect() as connection:
            found = await connection.execute(
                sa.select(sa.literal(1)).where(meeting_attendance.c.session_id == session_id)
            )
            return found.first() is not None

    async def why_gone(self, meeting_id: str) -> str:
        """Why this shard does not run a meeting any more: ``ended`` or ``moved``. Raises
        DBAPIError.
        """
        async with self._reader.connect() as connection:
            found = await connection.execute(
                sa.select(meetings.c.state).where(meetings.c.id == meeting_id)
            )
            return "moved" if found.scalar() == "running" else "ended"


async def _read_meeting(
    connection: AsyncConnection, meeting_id: str, names: AreaNames, here: str
) -> MeetingState | None:
    messages = meeting_messages.c
    said = sa.select(sa.func.max(messages.id)).where(messages.meeting_id == meeting_id)
    newest = said.where(messages.to_participant_id.is_(None)).scalar_subquery()
    program = (
        sa.select(sa.func.max(meeting_floor.c.begin_us))
        .where(meeting_floor.c.meeting_id == meeting_id)
        .scalar_subquery()
    )
    agenda = meeting_agenda.c
    item = (
        sa.select(agenda.title)
        .where(
            agenda.meeting_id == meeting_id,
            agenda.started_us.is_not(None),
            agenda.ended_us.is_(None),
        )
        .limit(1)
        .scalar_subquery()
    )
    row = (
        await connection.execute(
            sa.select(
                meetings,
                item.label("agenda_item"),
                roll_calls.c.current_id,
                newest.label("newest_message"),
                said.scalar_subquery().label("newest_said"),
                program.label("program_us"),
            )
            .outerjoin(roll_calls, roll_calls.c.id == meetings.c.roll_call_id)
            .where(meetings.c.id == meeting_id, meetings.c.state == "running")
        )
    ).first()
    if row is None:
        return None
    rows = await connection.execute(
        _PARTICIPANTS.where(meeting_participants.c.meeting_id == meeting_id).order_by(
            meeting_participants.c.position, meeting_participants.c.id
        )
    )
    playbacks = await _playbacks(connection, meeting_id)
    invited: dict[str, Invited] = {}
    for number, one in enumerate(rows, start=1):
        area = await names.of(connection, one.path or "")
        invited[one.id] = _invited(one, playbacks.get(one.id), area)
        if number % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    pinned = None if row.pinned_id is None else Sight(row.pinned_id, row.pinned_kind or "camera")
    return MeetingState(
        meeting_id=row.id,
        version=row.version,
        title=row.title,
        area_id=row.area_id,
        started_us=row.started_us,
        lobby=row.lobby,
        locked=row.locked,
        records=row.records,
        layout=row.layout,
        pinned=pinned,
        polling=await _polling(connection, row.polling),
        roll_call_id=row.roll_call_id,
        called_id=row.current_id if row.roll_call_id is not None else None,
        newest_message=row.newest_message or 0,
        newest_said=row.newest_said or 0,
        invited=invited,
        devices={
            one.token_hash: one.participant_id
            for one in invited.values()
            if one.kind == "whip" and one.token_hash is not None
        },
        program_us=row.program_us or 0,
        agenda_item=row.agenda_item,
        home=row.shard or "",
        here=here,
    )


async def _polling(connection: AsyncConnection, document: Any) -> Polling | None:
    if not document:
        return None
    path = ""
    if document.get("area_id") is not None:
        found = await connection.execute(
            sa.select(areas.c.path).where(areas.c.id == document["area_id"])
        )
        path = found.scalar() or document["area_id"]
    interval_us = int(document["interval_s"] * US_PER_S)
    return Polling(interval_us, path, document.get("started_us") or 0)


async def _playbacks(connection: AsyncConnection, meeting_id: str) -> dict[str, Playback]:
    own = meeting_playbacks.c
    rows = await connection.execute(
        sa.select(meeting_playbacks, meeting_participants.c.camera_id)
        .join(meeting_participants, meeting_participants.c.id == own.participant_id)
        .where(own.meeting_id == meeting_id)
    )
    return {row["participant_id"]: playback_of(row) for row in rows.mappings()}


def _invited(row: Any, playback: Playback | None, area: tuple[str, ...]) -> Invited:
    return Invited(
        participant_id=row.id,
        kind=row.kind,
        subject=row.subject,
        role=row.role,
        state=row.state,
        name=row.name,
        area_id=row.area_id,
        area_path=row.path or "",
        user_id=row.user_id,
        camera_id=row.camera_id,
        position=row.position,
        admitted=is_in(row),
        session_id=row.session_id,
        muted=row.muted,
        floor_us=row.floor_us,
        hand_us=row.hand_us,
        left_us=row.left_us,
        token_hash=row.token_hash,
        playback=playback,
        area_names=area,
        shard=row.shard,
    )
