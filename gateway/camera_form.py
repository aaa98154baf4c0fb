"""What people may say of a camera: checked once, for the API, the command line and CSV files."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.analysis.hours import HoursForm
from gateway.secrets import seal
from gateway.sources.addresses import split_credentials

Transport = Literal["auto", "tcp", "udp"]
Record = Literal["continuous", "off"]
Analysis = Literal["auto", "on", "off"]


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
    stands beside its home; its position is in degrees of WGS 84, its heading clockwise from north,
    its view the angle that it takes in.
    """

    number: str | None = Field(default=None, max_length=40, pattern=r"^[^\x00-\x1f/\\]*$")
    place_ids: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=100)
    transport: Transport = "auto"
    record: Record = "continuous"
    analysis: Analysis = "auto"
    analysis_hours: HoursForm | None = None
    retention_days: int | None = Field(default=None, ge=1, le=3650)
    retention_bytes: int | None = Field(default=None, ge=1, le=2**62)
    enabled: bool = True
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    heading_deg: float | None = Field(default=None, ge=0, lt=360, allow_inf_nan=False)
    view_deg: float | None = Field(default=None, gt=0, le=360, allow_inf_nan=False)

    @field_validator("number")
    @classmethod
    def _not_blank(cls, number: str | None) -> str | None:
        return number or None

    @model_validator(mode="after")
    def _whole_position(self) -> Self:
        if (self.longitude is None) != (self.latitude is None):
            raise ValueError("a position is a longitude and a latitude")
        if self.model_fields_set & {"longitude", "latitude"}:
            # Both change, or neither: half of a new position is a wrong place.
            self.model_fields_set.update(("longitude", "latitude"))
        return self


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
