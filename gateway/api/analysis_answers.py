"""What the routes of analysis answer with: its health, and jobs over recorded footage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import TimeUs
from gateway.api.search_answers import Named

AnalysisMode = Literal["auto", "on", "off"]


class AnalysisWorker(BaseModel):
    """A process that looks at pictures. ``busy``: the share of the last minute in which it did.
    What is wrong with it, and ``last_fault``, is told with the right ``system``.
    """

    name: str
    state: Literal["idle", "starting", "ready", "waiting", "refused", "closed"]
    message: Annotated[str, Field(description="what is wrong, as an English line, or empty")]
    last_fault: str
    restarts: int
    memory_bytes: int
    busy: float
    pictures: int
    pictures_per_s: float
    failed_pictures: Annotated[int, Field(description="at which the detector failed")]
    undescribed: Annotated[
        int, Field(description="passages without colours, plates or likeness: describing failed")
    ]
    skipped_batches: int


class AnalysedCamera(BaseModel):
    """How far one camera is. ``lag_s``: how old the oldest picture is that waits."""

    camera_id: str
    camera_name: str
    mode: AnalysisMode
    state: Annotated[
        Literal["live", "silent", "connecting", "resting", "off"],
        Field(
            description="silent: the camera gives no pictures; resting: outside of its hours; off: "
            "it is not analysed"
        ),
    ]
    detail: str
    since_us: TimeUs | None
    variant: Annotated[str | None, Field(description="whether main or sub is looked at")]
    looked_until_us: TimeUs | None
    lag_s: float
    waiting_units: int
    dropped_units: Annotated[int, Field(description="coded pictures, since the process began")]
    damaged_units: Annotated[
        int, Field(description="coded pictures that could not be decoded, since the process began")
    ]


class AnalysisCounts(BaseModel):
    """How many of the cameras that the caller may know of are in which state."""

    live: int
    silent: int
    connecting: int
    resting: int
    off: int


class AnalysisFootage(BaseModel):
    """Recorded footage that waits to be looked through, because somebody asked or by itself: of
    the cameras that the caller may know. What is found in all of it, and what is wrong, is told
    with the right ``system``.
    """

    waiting_stretches: int
    waiting_s: Annotated[float, Field(description="seconds of footage")]
    failed_stretches: int
    pictures: int | None
    passages: int | None
    message: str


class AnalysisHealth(BaseModel):
    """``available``: whether the process answers; without it, only rows are told of. Totals of the
    county are told with the right ``system``, else they are null.
    """

    available: bool
    enabled: bool
    model: str | None
    provider: str | None
    classes: list[str]
    vector_kind: str | None
    models: Annotated[
        list[str], Field(description="what a job over footage may name instead, of search.models")
    ]
    message: str
    waiting_passages: int | None
    passages: int | None
    workers: list[AnalysisWorker]
    footage: AnalysisFootage
    counts: AnalysisCounts
    cameras: Annotated[list[AnalysedCamera], Field(description="those that are worst off first")]
    left_out: Annotated[int, Field(description="cameras beyond the limit")]


class ChangedMode(BaseModel):
    """Whether a camera's pictures are searched now."""

    camera_id: str
    mode: AnalysisMode


class AnalysisStretch(BaseModel):
    """One camera's part of a job. Everything before ``position_us`` is looked through."""

    camera_id: str
    camera_name: str
    start_us: TimeUs
    end_us: TimeUs
    position_us: TimeUs
    state: Literal["waiting", "done", "failed", "cancelled"]
    passages: int
    detail: str


class AnalysisJob(BaseModel):
    """Recorded footage that somebody has looked through, of the cameras that the caller may know.
    ``done``: which share of it, 0 to 1.
    """

    id: str
    start_us: TimeUs
    end_us: TimeUs
    again: bool
    model: Annotated[
        str | None, Field(description="of search.models; null: that for live pictures")
    ]
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    created_us: TimeUs
    created_by: Named | None
    finished_us: TimeUs | None
    cameras: int
    seconds: float
    done: float
    passages: int
    stretches: list[AnalysisStretch]
    hidden: Annotated[bool, Field(description="whether it has cameras the caller may not know")]


class AnalysisJobs(BaseModel):
    """The newest first."""

    items: list[AnalysisJob]
