"""What the routes of meetings answer; see docs/http-api.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs

MeetingState = Literal["scheduled", "running", "ended", "cancelled"]
ParticipantKind = Literal["site", "person", "guest", "camera", "recording", "sip", "whip"]
ParticipantRole = Literal["chair", "co_chair", "site", "observer"]
ParticipantState = Literal["invited", "ringing", "lobby", "connected", "left", "refused", "removed"]
Layout = Literal["speaker", "speaker_grid", "grid", "screen"]
ShownKind = Literal["camera", "screen"]


class Polling(BaseModel):
    """Sites are shown in turn; of an area and all below it, or of all."""

    interval_s: int
    area_id: str | None
    started_us: TimeUs


class YourSeat(BaseModel):
    """As whom the caller takes part or would, and whether they lead."""

    participant_id: str | None
    role: ParticipantRole | None
    state: ParticipantState | None
    leads: bool
    sites: Annotated[
        list[str], Field(description="participants as which the caller may join, beside themselves")
    ]


class MeetingLink(BaseModel):
    """Whether people may come by a code. The code itself is told once, when it is made."""

    expires_us: TimeUs


class MeetingAnswer(BaseModel):
    """A meeting."""

    id: str
    title: str
    area_id: str
    area_path: list[str]
    state: MeetingState
    version: Annotated[int, Field(description="another one after each change of it")]
    created_us: TimeUs
    created_by: str
    scheduled_us: TimeUs
    planned_s: int
    started_us: TimeUs | None
    ended_us: TimeUs | None
    end_reason: str | None
    starts_itself: bool
    rings: bool
    lobby: bool
    locked: bool
    muted_on_entry: bool
    records: bool
    layout: Layout
    pinned_id: str | None
    pinned_kind: ShownKind | None
    polling: Polling | None
    roll_call_id: str | None
    shard: Annotated[str | None, Field(description="the media process that runs it")]
    link: MeetingLink | None
    counts: Annotated[dict[str, int], Field(description="participants by state")]
    recordings: Annotated[int, Field(description="those that the caller may watch")]
    you: YourSeat


class PlaybackAnswer(BaseModel):
    """What a recording in the meeting plays, and where it stands: at ``position_us`` since
    ``since_us``, from where it has gone on if it plays. ``start_us`` and ``end_us``: when what is
    shown happened.
    """

    source: Literal["footage", "meeting", "file"]
    camera_id: str | None
    recording_id: str | None
    file_id: str | None
    start_us: TimeUs | None
    end_us: TimeUs | None
    length_us: int
    state: Literal["playing", "paused"]
    position_us: int
    since_us: TimeUs
    loop: bool
    problem: Annotated[str | None, Field(description="why nothing of it is shown")]


class ParticipantAnswer(BaseModel):
    """Who takes part, as they are now."""

    id: str
    kind: ParticipantKind
    role: ParticipantRole
    state: ParticipantState
    name: str
    area_id: str | None
    area_path: list[str]
    user_id: str | None
    camera_id: str | None
    position: int
    invited_us: TimeUs
    rung_us: TimeUs | None
    rings: int
    answered_us: TimeUs | None
    refusal: str | None
    lobby_us: TimeUs | None
    admitted_us: TimeUs | None
    joined_us: Annotated[TimeUs | None, Field(description="first connected")]
    left_us: TimeUs | None
    muted: bool
    floor_us: Annotated[TimeUs | None, Field(description="since when it has the floor")]
    hand_us: Annotated[TimeUs | None, Field(description="since when its hand is up: the queue")]
    playback: Annotated[PlaybackAnswer | None, Field(description="of a recording")]


class MeetingPage(BaseModel):
    """A page of meetings, the latest first."""

    items: list[MeetingAnswer]
    next_cursor: str | None


class MeetingDetail(MeetingAnswer):
    """A meeting with everybody in it, in the order of the tree of areas."""

    telephones: Annotated[bool, Field(description="whether they are dialled and may dial in")]
    participants: list[ParticipantAnswer]


class DeviceKey(BaseModel):
    """With what a device sends (WHIP) and receives (WHEP), told this once: as a bearer token, at
    ``/s/SHARD/meeting/whip`` and ``…/whep`` of the shard that runs the meeting.
    """

    participant_id: str
    name: str
    token: str


class InviteAnswer(BaseModel):
    """Who is invited now, by what was asked; ``added`` were not before."""

    participant_ids: list[str]
    added: int
    devices: list[DeviceKey]


class TelephoneAnswer(BaseModel):
    """How the meeting is reached by telephone, for as long as its link is good."""

    number: str
    pin: str


class LinkAnswer(BaseModel):
    """The code of the link, told this once. ``telephone`` is null where none may dial in."""

    code: str
    path: Annotated[str, Field(description="where in the console it leads, code and all")]
    expires_us: TimeUs
    telephone: TelephoneAnswer | None


class IceServerAnswer(BaseModel):
    """As RTCConfiguration takes it."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class JoinAnswer(BaseModel):
    """Where to connect, within 30 s, once. ``state`` lobby: the chair lets you in there."""

    url: str
    shard: str
    session_id: str
    participant_id: str
    role: ParticipantRole
    state: Literal["lobby", "admitted"]
    ice_servers: list[IceServerAnswer]


class GuestAnswer(BaseModel):
    """A guest's own key: keep it in the page, and join by it."""

    guest_token: str
    participant_id: str
    meeting: dict[str, Any]


class InvitablePerson(BaseModel):
    """Somebody with an account whom the caller may invite."""

    id: str
    name: str
    display_name: str
    area_id: str | None
    area_path: list[str]
