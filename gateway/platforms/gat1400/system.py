"""Register, UnRegister, Keepalive, Time (GA/T 1400.4: System)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from camera_adapters.gat1400.answers import ResponseStatus, write_status
from camera_adapters.gat1400.codes import Status
from camera_adapters.gat1400.fields import read_text, write_moment
from camera_adapters.gat1400.registrations import Admission, Refusal, Registration
from gateway.identifiers import now_us
from gateway.platforms.gat1400.clock import now_s
from gateway.platforms.gat1400.listener import SMALL_BODY, Incoming, Refused, take_body

if TYPE_CHECKING:
    from gateway.platforms.gat1400.hub import Hub

_log = structlog.get_logger(__name__)

_SAID: dict[Refusal, tuple[int, Status, str]] = {
    "unknown": (403, Status.INVALID_OPERATION, "this code is not known here: have it added first"),
    "unproven": (401, Status.INVALID_OPERATION, "name and password are needed"),
    "wrong_password": (401, Status.INVALID_OPERATION, "the password is wrong"),
    "replayed": (401, Status.INVALID_OPERATION, "this answer was given before"),
    "double": (403, Status.INVALID_OPERATION, "another device of this code is registered"),
    "not_registered": (401, Status.INVALID_OPERATION, "register first"),
    "locked": (403, Status.BUSY, "too many wrong passwords: wait five minutes"),
}


async def register(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/System/Register."""
    _limit_unknown(hub, incoming, incoming.code)
    if incoming.authorization is None:
        # Some send the body with the answer to the challenge only.
        http_status, status, text = _SAID["unproven"]
        raise Refused(http_status, status, text, tuple(hub.digest.challenges(now_s())))
    code = await _named(hub, incoming, "RegisterObject")
    admission = hub.below.register(
        code, incoming.address, incoming.authorization, incoming.uri, now_s()
    )
    registration = _require(hub, incoming, code, admission)
    hub.on_below_heard(registration, incoming.port)
    return _done(hub, incoming, code)


async def unregister(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/System/UnRegister."""
    registration = admit_below(hub, incoming)
    code = await _named(hub, incoming, "UnRegisterObject")
    if code != registration.account.code:
        raise Refused(403, Status.INVALID_OPERATION, "nobody may sign another off")
    hub.below.unregister(code)
    hub.on_below_gone(registration, "unregistered")
    return _done(hub, incoming, code)


async def keepalive(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """POST /VIID/System/Keepalive."""
    registration = admit_below(hub, incoming)
    await _named(hub, incoming, "KeepaliveObject")
    return _done(hub, incoming, registration.account.code)


async def tell_time(hub: Hub, incoming: Incoming) -> Mapping[str, Any]:
    """GET /VIID/System/Time: nobody need be known for it."""
    if not hub.unknown_rates.allows(incoming.address, now_s()):
        raise Refused(429, Status.BUSY, "fewer requests, please")
    return {
        "SystemTimeObject": {
            "VIIDServerID": hub.settings.code,
            "TimeMode": 1,
            "LocalTime": write_moment(now_us(), hub.utc_offset_minutes),
            "TimeZone": _zone(hub.utc_offset_minutes),
        }
    }


def admit_below(hub: Hub, incoming: Incoming) -> Registration:
    """Who is registered, and within their rate. Raises Refused."""
    admission = hub.below.admit(
        incoming.code, incoming.address, incoming.authorization, incoming.method,
        incoming.uri, now_s(),
    )  # fmt: skip
    registration = _require(hub, incoming, incoming.code, admission)
    if not hub.rates.allows(registration.account.platform_id, now_s()):
        raise Refused(503, Status.BUSY, "more requests than are taken: come again in a moment")
    hub.on_below_heard(registration, incoming.port)
    return registration


def _require(hub: Hub, incoming: Incoming, code: str, admission: Admission) -> Registration:
    if admission.refusal is None:
        assert admission.registration is not None
        return admission.registration
    refusal = admission.refusal
    if not hub.unknown_rates.allows(incoming.address, now_s()):
        raise Refused(429, Status.BUSY, "fewer requests, please")
    account = hub.below.account(code)
    if account is None and refusal != "locked":
        # Whoever asks without an answer to the challenge is asked first, as all are.
        refusal = "unproven" if incoming.authorization is None else "unknown"
        hub.note_applicant(code, incoming)
    elif account is not None:
        hub.on_below_refused(account, refusal, incoming, admission.other_address)
    http_status, status, text = _SAID[refusal]
    challenges = admission.challenges if http_status == 401 else ()
    if http_status == 401 and not challenges:
        challenges = tuple(hub.digest.challenges(now_s()))
    raise Refused(http_status, status, text, challenges)


def _limit_unknown(hub: Hub, incoming: Incoming, code: str) -> None:
    """Registers are cheap to send: an address may send a few a second."""
    if hub.below.alive(code) is None and not hub.unknown_rates.allows(incoming.address, now_s()):
        raise Refused(429, Status.BUSY, "fewer requests, please")


async def _named(hub: Hub, incoming: Incoming, name: str) -> str:
    """The DeviceID of a System request, which must be who the request says it is."""

    def parse(document: dict[str, Any]) -> str:
        held = document.get(name)
        found = held.get("DeviceID") if isinstance(held, Mapping) else None
        return read_text(found, 40) or ""

    code = await take_body(hub, incoming, parse, SMALL_BODY)
    code = code or incoming.code
    if not code or not code.isalnum() or not code.isascii():
        raise Refused(400, Status.INVALID_JSON_CONTENT, f"{name}.DeviceID is needed: 20 digits")
    if incoming.code and incoming.code != code:
        raise Refused(400, Status.INVALID_JSON_CONTENT, "User-Identify and DeviceID differ")
    return code


def _done(hub: Hub, incoming: Incoming, code: str) -> dict[str, Any]:
    status = ResponseStatus(incoming.path, Status.OK, "OK", code)
    return write_status(status, now_us(), hub.utc_offset_minutes)


def _zone(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"
