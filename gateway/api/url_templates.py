"""``/api/url-templates``: addresses of common makes, for forms that fill them in."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.api.access import Caller, permitted_areas
from gateway.people.roles import Right
from gateway.sources.templates import MAKES

router = APIRouter(prefix="/api/url-templates", tags=["cameras"])


class UrlTemplate(BaseModel):
    """One make. Paths stand behind host and port; ``{c}`` is the channel."""

    key: str
    name: str
    aliases: tuple[str, ...]
    main: str
    sub: str
    nvr_main: str
    nvr_sub: str


class UrlTemplates(BaseModel):
    """All of them."""

    items: list[UrlTemplate]


@router.get("", response_model=UrlTemplates)
async def list_url_templates(caller: Caller) -> UrlTemplates:
    """The makes that an import knows by name."""
    permitted_areas(caller, Right.CONFIGURE)
    return UrlTemplates(items=[UrlTemplate.model_validate(asdict(make)) for make in MAKES])
