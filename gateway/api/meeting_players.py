"""Recordings and files that take part in a meeting: brought, started, paused, set to a position.

Footage is brought by who may play it back there, a meeting's recording by who led it, a file out of
those that were handed out in this meeting. Each is on record when it is brought, and each
command is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import CallerInPerson, permitted_camera
from gateway.api.errors import ApiError, invalid, not_found, unavailable
from gateway.api.forms import Form
from gateway.api.meeting_access import find_led, find_participant
from gateway.api.meeting_answers import ParticipantAnswer
from gateway.api.meeting_commands import command
from gateway.api.meeting_documents import participant_documents
from gateway.api.meeting_recording_access import decidable
from gateway.api.services import Services, ServicesDep
from gateway.api.timeline import TIME_LIMIT_US
from gateway.cameras import Camera
from gateway.database.meeting_tables import (
    meeting_files,
    meeting_participants,
    meeting_playbacks,
    meeting_recordings,
    meetings,
)
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.playing.material import unpack_stored
from gateway.meetings.playing.unpack import Unplayable
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from recorder.stores import StoreError
from recorder.tables import sources, spans

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

RECORDINGS_LIMIT = 8
_RANGE_LIMIT_US = 24 * 3600 * US_PER_S
# What was recorded so shortly ago is not in the index yet.
_SETTLED_US = 900 * US_PER_S


class RecordingForm(Form):
    """What to play: a camera's footage of a time, a meeting's recording, or a file of this one."""

    camera_id: str | None = Field(default=None, max_length=40)
    start_us: int | None = Field(default=None, ge=0, le=TIME_LIMIT_US)
    end_us: int | None = Field(default=None, ge=0, le=TIME_LIMIT_US)
    recording_id: str | None = Field(default=None, max_length=40)
    file_id: str | None = Field(default=None, max_length=40)
    name: str = Field(default="", max_length=200)
    loop: bool = False

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(one is not None for one in (self.camera_id, self.recording_id, self.file_id)) != 1:
            raise ValueError("name a camera, a recording of a meeting, or a file: one of them")
        times = (self.start_us, self.end_us)
        if self.camera_id is None:
            if times != (None, None):
                raise ValueError("start_us and end_us are of a camera's footage alone")
        elif self.start_us is None or self.end_us is None:
            raise ValueError("say from when to when the camera's footage is played")
        elif not self.start_us < self.end_us <= self.start_us + _RANGE_LIMIT_US:
            raise ValueError("the footage ends after it begins, and a day later at most")
        return self


class PlaybackForm(Form):
    """What is left out stays as it is. ``position_us`` counts from the beginning."""

    state: Literal["playing", "paused"] | None = None
    position_us: Annotated[int, Field(ge=0, le=TIME_LIMIT_US)] | None = None
    loop: bool | None = None


@dataclass(slots=True)
class Brought:
    """What :func:`recordings_of` found: participants as ``meetings.bring`` takes them with what
    they play by subject, and what the register has to say of each.
    """

    participants: list[dict[str, Any]] = field(default_factory=list)
    playbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    footage: list[tuple[Camera, int, int]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)

    def add(self, subject: str, playback: dict[str, Any], **participant: Any) -> None:
        """One more."""
        self.participants.append(
            {"kind": "recording", "subject": subject, "role": "observer", **participant}
        )
        self.playbacks[subject] = playback


async def recordings_of(
    services: Services, caller: Principal, meeting_id: str, forms: list[RecordingForm]
) -> Brought:
    """Look everything up and check it. Raises ApiError."""
    brought = Brought()
    files = [one for one in forms if one.file_id is not None]
    async with services.reader.connect() as connection:
        for one in forms:
            if one.camera_id is not None:
                await _footage(connection, caller, one, brought)
            elif one.recording_id is not None:
                await _recording(connection, caller, one, brought)
        rows = {one.file_id: await _file(connection, meeting_id, one) for one in files}
    for one in files:
        await _add_file(services, one, rows[one.file_id], brought)
    return brought


@router.post(
    "/{meeting_id}/participants/{participant_id}/playback", response_model=ParticipantAnswer
)
async def control_playback(
    meeting_id: str,
    participant_id: str,
    body: PlaybackForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Start a recording that takes part, pause it, set it to a position, have it begin again at its
    end.
    """
    if body.state is None and body.position_us is None and body.loop is None:
        raise invalid(state="say what to do: start, pause, a position, or whether to loop")
    async with services.reader.connect() as connection:
        seat = await find_led(connection, caller, meeting_id)
        participant = await find_participant(connection, meeting_id, participant_id)
        row = (
            await connection.execute(
                sa.select(meeting_playbacks).where(
                    meeting_playbacks.c.participant_id == participant_id
                )
            )
        ).one_or_none()
    if row is None:
        raise ApiError(409, "conflict", "this participant is no recording: nothing can be played")
    said = body.model_dump(exclude_none=True)
    await command(
        services, request, caller, seat, "playback", "meetings.playback",
        {"participant_id": participant_id, "state": body.state,
         "position_us": body.position_us, "loop": body.loop},
        participant=participant_id, name=participant.name, camera=participant.camera_id,
        recording=row.recording_id, file=row.file_id, **said,
    )  # fmt: skip
    only = meeting_participants.c.id == participant_id
    async with services.reader.connect() as connection:
        return (await participant_documents(connection, meeting_id, only))[0]


async def _footage(
    connection: AsyncConnection, caller: Principal, form: RecordingForm, brought: Brought
) -> None:
    assert form.camera_id is not None and form.start_us is not None and form.end_us is not None
    camera, _ = await permitted_camera(
        connection, caller, Right.PLAYBACK, form.camera_id, deleted=True
    )
    at_us = now_us()
    if form.start_us >= at_us:
        raise invalid(start_us="what has not happened yet cannot be played")
    end_us = min(form.end_us, at_us)
    recorded = await connection.execute(
        sa.select(sa.literal(1))
        .select_from(spans.join(sources, sources.c.id == spans.c.source_id))
        .where(
            sources.c.camera_id == camera.id,
            sources.c.variant == "main",
            spans.c.start_us < end_us,
            spans.c.end_us > form.start_us,
        )
        .limit(1)
    )
    if recorded.first() is None and end_us < at_us - _SETTLED_US:
        raise ApiError(
            409, "nothing_recorded", f"nothing of {camera.name} is recorded in that time"
        )
    brought.add(
        f"footage:{camera.id}:{form.start_us}:{end_us}",
        {
            "source": "footage", "start_us": form.start_us, "end_us": end_us,
            "length_us": end_us - form.start_us, "loop": form.loop,
        },
        camera_id=camera.id, area_id=camera.area_id, name=form.name or camera.name,
    )  # fmt: skip
    brought.footage.append((camera, form.start_us, end_us))


async def _recording(
    connection: AsyncConnection, caller: Principal, form: RecordingForm, brought: Brought
) -> None:
    table = meeting_recordings.c
    row = (
        await connection.execute(
            sa.select(
                table.meeting_id, table.started_us, table.ended_us, meetings.c.title,
                meetings.c.area_id,
            )
            .join(meetings, meetings.c.id == table.meeting_id)
            .where(table.id == form.recording_id, table.removed_us.is_(None))
        )
    ).one_or_none()  # fmt: skip
    if row is None:
        raise not_found("recording")
    # Who may but watch it for a while would else take it along for ever.
    await decidable(connection, caller, row.meeting_id)
    if row.ended_us is None:
        raise ApiError(409, "conflict", "this meeting is still being recorded")
    brought.add(
        f"recording:{form.recording_id}",
        {
            "source": "meeting", "recording_id": form.recording_id, "start_us": row.started_us,
            "end_us": row.ended_us, "length_us": row.ended_us - row.started_us,
            "loop": form.loop,
        },
        area_id=row.area_id, name=form.name or row.title,
    )  # fmt: skip
    brought.others.append(
        {"recording": form.recording_id, "of_meeting": row.meeting_id, "of_title": row.title}
    )


async def _file(
    connection: AsyncConnection, meeting_id: str, form: RecordingForm
) -> sa.Row[tuple[Any, ...]]:
    table = meeting_files.c
    row = (
        await connection.execute(
            sa.select(meeting_files).where(
                table.id == form.file_id,
                table.meeting_id == meeting_id,
                table.removed_us.is_(None),
            )
        )
    ).one_or_none()
    if row is None:
        raise not_found("file")
    return row


async def _add_file(
    services: Services, form: RecordingForm, row: sa.Row[tuple[Any, ...]], brought: Brought
) -> None:
    try:
        found = await unpack_stored(services.storage.store, row.key, row.size_bytes, None)
    except Unplayable as error:
        raise ApiError(422, "file_unplayable", f"{row.name}: {error}") from None
    except StoreError as error:
        raise unavailable(f"the store does not give the file: {error}") from None
    brought.add(
        f"file:{form.file_id}",
        {
            "source": "file", "file_id": form.file_id, "length_us": found.length_us,
            "loop": form.loop,
        },
        name=form.name or row.name,
    )  # fmt: skip
    brought.others.append({"file": form.file_id, "name": row.name, "sha256": row.sha256})
