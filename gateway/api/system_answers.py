"""What the routes of the system answer with: figures of processes and storage, health."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from gateway.api.answers import TimeUs
from recorder.stores.capabilities import CapabilityName


class ShardFigures(BaseModel):
    """A media process; figures are null while it does not answer."""

    name: str
    up: bool
    cameras: int
    event_loop_lag_ms: float | None
    spool_bytes: int | None


class ProcessFigures(BaseModel):
    """Any process."""

    name: str
    up: bool
    event_loop_lag_ms: float | None


class Breach(BaseModel):
    """A camera whose footage will not be kept as long as it must be."""

    camera_id: str
    camera_name: str
    kept_days: float
    required_days: float


class StorageForecast(BaseModel):
    """When the storage will be full, if ever, and what will be short then."""

    full_at_us: TimeUs | None
    breaches: list[Breach]


class StorageFigures(BaseModel):
    """The store. ``free_bytes`` is null where the store cannot tell."""

    used_bytes: int
    free_bytes: int | None
    bytes_per_day: int
    real_days: float
    forecast: StorageForecast


class StoreCapability(BaseModel):
    """Whether the store offers it; null where it would not tell. ``detail``: in its own words."""

    name: CapabilityName
    offered: bool | None
    detail: str


class StoreFigures(BaseModel):
    """Where footage lies, what this store can do, and why it cannot be looked at, if so.
    ``rules_problem``: what is wrong with the rules by which the bucket deletes by itself.
    """

    kind: Literal["directory", "s3"]
    place: str
    problem: str | None
    rules_problem: str | None
    capabilities: list[StoreCapability]


class TranscoderFigures(BaseModel):
    """The pool of transcoders."""

    running: int
    queued: int
    limit: int
    up: bool


class SystemState(BaseModel):
    """The gateway as a whole."""

    version: str
    demo: bool
    shards: list[ShardFigures]
    processes: list[ProcessFigures]
    storage: StorageFigures
    store: StoreFigures | None
    transcoder: TranscoderFigures


class Health(BaseModel):
    """``checks`` names each process, the database and the store: "ok", or what is wrong."""

    status: Literal["ok", "degraded"]
    checks: dict[str, str]
