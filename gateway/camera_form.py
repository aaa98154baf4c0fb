"""What people may say of a camera: checked once, for the API, the command line and CSV files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.secrets import seal

_SCHEMES = ("rtsp", "rtsps")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")

Transport = Literal["auto", "tcp", "udp"]
Record = Literal["continuous", "off"]


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """``url`` without its user and password, and both of them, unquoted.

    The last '@' before the path ends them: cameras' passwords hold '@' unquoted. Raises ValueError
    with what is wrong.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise ValueError("the address begins with rtsp://")
    authority, slash, path = rest.partition("/")
    credentials, at, host = authority.rpartition("@")
    username: str | None = None
    password: str | None = None
    if at:
        name, colon, secret = credentials.partition(":")
        username = unquote(name)
        password = unquote(secret) if colon else None
    bare = f"{scheme.lower()}://{host}{slash}{path}"
    try:
        parts = urlsplit(bare)
        port = parts.port
    except ValueError:
        raise ValueError("the port in the address is not a number from 1 to 65535") from None
    if not parts.hostname or port == 0:
        raise ValueError("the address has no host name")
    if _UNPRINTABLE.search(bare):
        raise ValueError("the address holds a blank or a control character")
    return bare, username, password


def endpoint(url: str) -> tuple[str | None, int]:
    """Host and port of an RTSP URL."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or (322 if parts.scheme == "rtsps" else 554)


class _Addresses(BaseModel):
    """Where a device answers. Credentials inside the URLs move to their own fields."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    sub_url: str | None = Field(default=None, max_length=2000)
    username: str | None = Field(default=None, max_length=200)
    password: str | None = Field(default=None, max_length=200)

    @field_validator("main_url", "sub_url", check_fields=False)
    @classmethod
    def _well_formed(cls, url: str | None) -> str | None:
        if url:
            split_credentials(url)
        return url or None

    @model_validator(mode="after")
    def _move_credentials(self) -> Self:
        move_credentials(self)
        return self


class DeviceForm(_Addresses):
    """The device that takes another's place. Without ``transport`` that stays as it was."""

    main_url: str = Field(min_length=1, max_length=2000)
    transport: Transport | None = None
    model: str | None = Field(default=None, max_length=200)
    serial_number: str | None = Field(default=None, max_length=200)
    note: str | None = Field(default=None, max_length=500)


class _Form(_Addresses):
    """What is the same of a new camera and of a change. ``place_ids`` are the areas in which it
    stands beside its home.
    """

    number: str | None = Field(default=None, max_length=40, pattern=r"^[^\x00-\x1f/\\]*$")
    place_ids: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=100)
    transport: Transport = "auto"
    record: Record = "continuous"
    retention_days: int | None = Field(default=None, ge=1, le=3650)
    retention_bytes: int | None = Field(default=None, ge=1, le=2**62)
    enabled: bool = True

    @field_validator("number")
    @classmethod
    def _not_blank(cls, number: str | None) -> str | None:
        return number or None


class CameraForm(_Form):
    """A camera as it is created."""

    name: str = Field(min_length=1, max_length=200)
    area_id: str = Field(max_length=40)
    main_url: str = Field(min_length=1, max_length=2000)


class CameraChange(_Form):
    """What of a camera changes; absent fields stay. ``password: null`` forgets the password."""

    name: str = Field(default="", min_length=1, max_length=200)
    area_id: str = Field(default="", max_length=40)
    main_url: str = Field(default="", min_length=1, max_length=2000)


def camera_columns(form: CameraForm, camera_id: str, secret: bytes) -> dict[str, Any]:
    """The row of a new camera; its password sealed to its id."""
    columns = form.model_dump(exclude={"password"})
    sealed = None if not form.password else seal(secret, form.password, camera_id)
    return {"id": camera_id, **columns, "password_sealed": sealed}


def move_credentials(form: _Addresses) -> None:
    """Take user and password out of the URLs; fields of their own win."""
    for name in ("main_url", "sub_url"):
        url = getattr(form, name)
        if not url:
            continue
        bare, username, password = split_credentials(url)
        if bare != url:
            setattr(form, name, bare)
        if username and form.username is None:
            form.username = username
        if password is not None and form.password is None:
            form.password = password
