"""What the routes of cases, holds and exports answer with; see :mod:`gateway.api.answers`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs

CaseRole = Literal["lead", "member"]
ExportState = Literal["queued", "running", "done", "failed", "cancelled", "expired"]


class Case(BaseModel):
    """A case; ``role`` is the caller's, null for who sees it as a system administrator."""

    id: str
    number: str
    title: str
    area_id: str
    area_path: Annotated[list[str], Field(description="the areas' names from the root down")]
    state: Literal["open", "closed"]
    created_us: TimeUs
    created_by: str
    closed_us: TimeUs | None
    role: CaseRole | None


class CaseMember(BaseModel):
    """Somebody who works on a case."""

    user_id: str
    name: str
    display_name: str
    role: CaseRole
    added_us: TimeUs


class CaseNote(BaseModel):
    """A note as it was written."""

    id: str
    author: str
    text: str
    created_us: TimeUs


class CaseItem(BaseModel):
    """Minutes of a camera that belong to a case."""

    id: str
    camera_id: str
    camera_name: str
    start_us: TimeUs
    end_us: TimeUs
    title: str
    note: str
    added_by: str
    added_us: TimeUs


class Hold(BaseModel):
    """Footage that nothing deletes. ``created_by`` is null for the command line, ``released_by``
    in a released one when its time was over.
    """

    id: str
    case_id: str | None
    case_number: str | None
    camera_id: str
    camera_name: str
    start_us: TimeUs
    end_us: TimeUs
    reason: str
    created_us: TimeUs
    created_by: str | None
    expires_us: TimeUs | None
    released_us: TimeUs | None
    released_by: str | None
    release_reason: str | None
    recorded_us: Annotated[int, Field(description="how much footage there is in it now, in µs")]


class BurnIn(BaseModel):
    """What is burnt into the pictures of the viewing copy."""

    time: bool = False
    viewer: bool = False
    masks: bool = False


class ExportedFile(BaseModel):
    """One file of a package."""

    path: str
    kind: Literal["original", "viewing", "page"]
    camera_id: str | None
    start_us: TimeUs | None
    end_us: TimeUs | None
    size_bytes: int
    sha256: str
    sm3: str


class Export(BaseModel):
    """A package that was ordered. ``progress`` goes from 0 to 1."""

    id: str
    case_id: str | None
    case_number: str | None
    camera_ids: list[str]
    start_us: TimeUs
    end_us: TimeUs
    created_us: TimeUs
    created_by: str
    original: bool
    viewing: Literal["auto", "always", "never"]
    burn_in: BurnIn
    utc_offset_minutes: int
    state: ExportState
    progress: float
    queue_position: Annotated[int | None, Field(description="from 1, while it is queued")]
    code: str | None
    message: str | None
    size_bytes: int
    finished_us: TimeUs | None
    expires_us: TimeUs | None
    files: list[ExportedFile]


class CaseFile(Case):
    """A case with everything in it."""

    description: str
    closing_note: str | None
    members: list[CaseMember]
    notes: list[CaseNote]
    items: list[CaseItem]
    holds: list[Hold]
    exports: list[Export]


class DownloadUrl(BaseModel):
    """Where a package is fetched from: opened within 30 s, good for 12 hours."""

    url: str


class VerifyingKey(BaseModel):
    """A public key and its SHA-256, in hexadecimal."""

    public_key: str
    fingerprint: str


class EvidenceKey(VerifyingKey):
    """The keys that verify packages of this gateway."""

    algorithm: str
    sm2: VerifyingKey | None
