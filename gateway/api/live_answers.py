"""What the routes of live views answer with: sessions and addresses for other players."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from gateway.api.answers import TimeUs
from gateway.api.camera_answers import Queue
from gateway.api.privacy_answers import Overlay


class LiveSession(BaseModel):
    """A live view that may be opened within 30 s. ``queue`` is null where nothing waits."""

    session_id: str
    shard: str
    variant: str
    transport: Literal["webrtc", "mse"]
    whep_url: str
    mse_url: str
    transcoded: bool
    queue: Queue | None
    overlay: Overlay


class CreatedRestream(BaseModel):
    """An address for other players. The URL is told this once."""

    id: str
    camera_id: str
    url: str
    expires_us: TimeUs
    addresses: list[str]


class Restream(BaseModel):
    """An address that was handed out and is valid."""

    id: str
    camera_id: str
    variant: str
    addresses: list[str]
    user_name: str
    created_us: TimeUs
    expires_us: TimeUs


class Restreams(BaseModel):
    """``enabled`` is the setting: whether addresses can be handed out at all."""

    enabled: bool
    items: list[Restream]
