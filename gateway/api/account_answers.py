"""What the routes about one's own account, sign-ins, tokens and desks answer with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from gateway.api.answers import DeskHere, Listing, Session, TimeUs
from gateway.api.people_answers import Person
from gateway.people.authorize import Method
from gateway.people.roles import Right


class NamedProvider(BaseModel):
    """An identity provider."""

    name: str


class Totp(BaseModel):
    """The authenticator of an account."""

    enrolled: bool
    since_us: TimeUs | None
    recovery_codes_left: int
    required: Annotated[bool, Field(description="a role that is held asks for one")]


class Pin(BaseModel):
    """The PIN of an account."""

    set: bool
    changed_us: TimeUs | None


class Identity(BaseModel):
    """An identity of the identity provider that opens the account."""

    id: str
    issuer: str
    name: str
    linked_us: TimeUs


class AccountState(BaseModel):
    """How an account is kept."""

    totp: Totp
    pin: Pin
    identities: list[Identity]
    password_changed_us: TimeUs


class AccountSecurity(AccountState):
    """The same, for who manages it."""

    locked_until_us: TimeUs | None
    sessions: int
    tokens: int


class TotpEnrolment(BaseModel):
    """Shown once; counts for nothing until it is confirmed."""

    secret: str
    url: str
    qr_svg: str


class RecoveryCodes(BaseModel):
    """Each good once, told this once."""

    recovery_codes: list[str]


class SignInEntry(BaseModel):
    """A sign-in that is open; ``views`` counts what it watches."""

    id: str
    user_id: str
    created_us: TimeUs
    used_us: TimeUs
    expires_us: TimeUs
    address: str
    user_agent: str
    method: Method
    desk: DeskHere | None
    current: bool
    views: int


class ServiceToken(BaseModel):
    """A token of another platform. ``token`` is told once."""

    id: str
    user_id: str
    user_name: str
    name: str
    scopes: list[Right]
    addresses: list[str]
    created_us: TimeUs
    created_by: str
    expires_us: TimeUs
    used_us: TimeUs | None
    used_address: str | None
    token: str = ""


class DeskPerson(BaseModel):
    """Somebody who may take a desk over by PIN."""

    user_id: str
    name: str
    display_name: str


class Desk(BaseModel):
    """A browser that stays where it is, and who is at home there."""

    id: str
    name: str
    area_id: str
    registered_us: TimeUs
    seen_us: TimeUs
    people: list[DeskPerson]


class SignInPage(BaseModel):
    """What the sign-in page may know before anybody has signed in."""

    oidc: NamedProvider | None
    desk: Desk | None


class Redirection(BaseModel):
    """Where the browser goes next."""

    url: str


class SwitchedSession(Session):
    """The session of who took over; what went on under it, and what ended."""

    kept: list[str]
    ended: list[str]


class HandedItem(BaseModel):
    """An item as it stands in the document that both sign."""

    id: str
    text: str
    camera_id: str | None
    at_us: TimeUs | None
    opened_us: TimeUs
    opened_by: str


class DeskItem(HandedItem):
    """What the next shift must know of."""

    closed_us: TimeUs | None
    closed_by: str | None
    resolution: str | None


class Handover(BaseModel):
    """A shift as it was handed over. ``document_sha256`` stands in the register with each
    signature.
    """

    id: str
    desk_id: str
    shift_start_us: TimeUs
    given_us: TimeUs
    given_by: Person
    taken_us: TimeUs | None
    taken_by: Person
    summary: str
    remark: str | None
    items: list[HandedItem]
    document_sha256: str
    state: Literal["given", "taken", "withdrawn"]


class HandoverPage(Listing[Handover]):
    """A page, newest first."""

    next_cursor: int | None
