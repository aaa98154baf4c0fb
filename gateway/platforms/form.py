"""What people may say of a platform, checked once."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gateway.platforms.options import CODE, options_of
from gateway.secrets import seal

_HOST = re.compile(r"[0-9A-Za-z.:_\-\[\]%]+")


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    code: str | None = Field(default=None, max_length=40)
    host: str | None = Field(default=None, max_length=255)
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str | None = Field(default=None, max_length=200)
    password: str | None = Field(default=None, max_length=200)
    enabled: bool = True
    options: dict[str, Any] = {}

    @field_validator("code")
    @classmethod
    def _is_code(cls, code: str | None) -> str | None:
        if not code:
            return None
        if CODE.fullmatch(code) is None:
            raise ValueError("the code is 20 digits")
        return code

    @field_validator("host")
    @classmethod
    def _is_host(cls, host: str | None) -> str | None:
        if not host:
            return None
        if _HOST.fullmatch(host) is None:
            raise ValueError("the host is a name or an address, without http:// or a path")
        return host


class PlatformForm(_Form):
    """A platform as it is created."""

    kind: Literal["onvif", "gb28181", "gat1400"]
    direction: Literal["below", "above"] = "below"
    name: str = Field(min_length=1, max_length=200)
    area_id: str = Field(max_length=40)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.options = checked_options(self.kind, self.direction, self.options)
        require_addresses(self.kind, self.direction, self.code, self.host, self.port)
        return self


class PlatformChange(_Form):
    """What of a platform changes; absent fields stay. ``password: null`` forgets it.

    ``options`` given are put over those that it has.
    """

    name: str = Field(default="", min_length=1, max_length=200)
    area_id: str = Field(default="", max_length=40)


def checked_options(kind: str, direction: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options in full, with their defaults. Raises ValueError in words for people."""
    try:
        return options_of(kind, direction, given).model_dump()
    except LookupError as error:
        raise ValueError(str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"options.{name}: {first['msg']}") from None


def require_addresses(
    kind: str, direction: str, code: str | None, host: str | None, port: int | None
) -> None:
    """Raises ValueError when it is not said by what it is known, or where it answers."""
    if kind == "onvif":
        if host is None:
            raise ValueError("host: say at which address the device answers")
        return
    if code is None:
        raise ValueError("code: say by which 20 digits it names itself")
    if direction == "above" and (host is None or port is None):
        raise ValueError("host: say where the platform above answers, with its port")


def platform_columns(form: PlatformForm, platform_id: str, secret: bytes) -> dict[str, Any]:
    """The row of a new platform; its password sealed to its id."""
    sealed = None if not form.password else seal(secret, form.password, platform_id)
    columns = form.model_dump(exclude={"password"})
    if form.kind == "onvif":
        columns["code"] = None
        columns["port"] = form.port or 80
    return {"id": platform_id, **columns, "password_sealed": sealed}
