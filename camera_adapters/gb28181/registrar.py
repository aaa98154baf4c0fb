"""Registrations of devices and platforms below us (GB/T 28181-2016 §9.1, §9.6; 2022 §9.1). Sans-IO.

:class:`Registrar` answers REGISTER, and knows who is there, from where, and who fell silent.
Times are seconds of one steady clock; only the Date of an answer comes from the calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from camera_adapters.gb28181 import codes
from camera_adapters.http_digest import DigestServer
from camera_adapters.sip.digest import verify
from camera_adapters.sip.fields import parse_cseq, parse_name_address, split_values
from camera_adapters.sip.messages import MessageError, SipRequest
from camera_adapters.sip.peer import Peer

VERSION_HEADER = "X-GB-Ver"
# What we speak: GB/T 28181-2022 (§8.1.2); 2.0 is 2016.
OUR_VERSION = "3.0"

Fault = Literal[
    "wrong_password",
    "locked",  # too many wrong passwords from there: nothing is tried for a while
    "replayed_nonce",
    "duplicate_code",
    "no_password",
    "unknown_account",
]
# Of one host by one code. Not by host alone: others live behind the same one.
WRONG_LIMIT = 5
# Of one host by all codes that nobody has entered: these are free to choose.
STRANGERS_WRONG_LIMIT = 20
LOCK_S = 300.0
_WATCHED_LIMIT = 10_000

GoneCause = Literal["unregistered", "expired", "silent", "removed"]


@dataclass(frozen=True, slots=True)
class RegistrarLimits:
    """Seconds. A registration lasts between ``expires_s_minimum`` and ``expires_s_limit``; who is
    not heard for ``keepalives_missed`` times ``keepalive_s`` is gone.
    """

    expires_s_minimum: int = 60
    expires_s_limit: int = 86_400
    keepalive_s: int = 60
    keepalives_missed: int = 3

    @property
    def silence_s(self) -> float:
        """After how long without a word a device is offline."""
        return float(self.keepalive_s * self.keepalives_missed)


@dataclass(frozen=True, slots=True)
class Account:
    """Who may register by a code. Without ``username`` that is the code. ``redirect`` is where the
    device is sent to instead (2022 §9.1.2.3).
    """

    password: str | None
    username: str | None = None
    redirect: str | None = None

    def __repr__(self) -> str:
        return f"Account(username={self.username!r})"


@dataclass(slots=True)
class Registration:
    """Who is registered, and where requests to them go. ``present``: heard of lately."""

    code: str
    peer: Peer
    expires_at_s: float
    heard_s: float
    version: str = ""
    call_id: str = ""
    cseq: int = 0
    present: bool = True
    # Of an earlier process, and not heard of since.
    restored: bool = False
    # Where it spoke from before, and when that changed: two devices behind one NAT take turns.
    earlier_peer: Peer | None = None
    moved_s: float = -1e9


@dataclass(frozen=True, slots=True)
class Answer:
    """What REGISTER is answered with."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Came:
    """Registered anew (``again`` False), refreshed, or heard of again after a silence or for the
    first time since a restart of ours (``again`` False).
    """

    registration: Registration
    again: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """The same device speaks from another address: its NAT gave it a new one."""

    registration: Registration
    before: Peer


@dataclass(frozen=True, slots=True)
class Gone:
    """Not there any more."""

    registration: Registration
    cause: GoneCause


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody who gave this code was not taken. ``registered``: another one is, and stays so."""

    code: str
    peer: Peer
    fault: Fault
    detail: str
    registered: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """A code that nobody has entered here. Never let in; shown to people."""

    code: str
    peer: Peer
    knows_password: bool
    version: str


RegistrarEvent = Came | Moved | Gone | Refused | Applied


class Registrar:
    """See the module. ``accounts`` gives who may come by a code, None for strangers; these are
    tried with ``newcomers_password``, if there is one, and refused all the same.
    """

    def __init__(
        self,
        realm: str,
        key: bytes,
        accounts: Callable[[str], Account | None],
        *,
        limits: RegistrarLimits | None = None,
        newcomers_password: str | None = None,
        algorithms: tuple[str, ...] = ("MD5",),
    ) -> None:
        self._digest = DigestServer(realm, key, algorithms=algorithms, remembered=100_000)
        self._accounts = accounts
        self._limits = limits or RegistrarLimits()
        self._newcomers_password = newcomers_password
        self._registrations: dict[str, Registration] = {}
        self._by_peer: dict[Peer, Registration] = {}
        self._events: list[RegistrarEvent] = []
        # (host, code; "" for those unknown) → wrong answers, and when the last one came.
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._registrations)

    def __iter__(self) -> Iterator[Registration]:
        return iter([*self._registrations.values()])

    def get(self, code: str) -> Registration | None:
        """Who is registered by this code, present or not."""
        return self._registrations.get(code)

    def at(self, peer: Peer) -> Registration | None:
        """Who is registered from this address; of several the last."""
        return self._by_peer.get(peer)

    def events(self) -> list[RegistrarEvent]:
        """What happened since; each is given out once."""
        found, self._events = self._events, []
        return found

    # ------------------------------------------------------------- REGISTER

    def register(self, request: SipRequest, peer: Peer, now_s: float, calendar: datetime) -> Answer:
        """Answer a REGISTER. ``calendar`` is now, in the zone that devices' clocks shall have."""
        try:
            code = codes.as_received(parse_name_address(request.headers.get("to")).uri.user)
            expires_s = _expires_s(request, self._limits.expires_s_limit)
        except MessageError:
            return Answer(400)
        if not code:
            return Answer(403)
        account = self._accounts(code)
        if account is None:
            return self._stranger(code, request, peer, now_s)
        if account.password is None:
            self._refuse(code, peer, "no_password", "no password is set for it here")
            return Answer(403)
        refusal = self._unproven(code, account, request, peer, now_s)
        if refusal is not None:
            return refusal
        if account.redirect is not None:
            return Answer(302, (("Contact", f"<{account.redirect}>"), *_version_of(request)))
        if expires_s == 0:
            self._drop(code, "unregistered")
            return Answer(200, _closing(request, calendar, 0))
        if expires_s < self._limits.expires_s_minimum:
            minimum = str(self._limits.expires_s_minimum)
            return Answer(423, (("Min-Expires", minimum),))
        if not self._enter(code, request, peer, expires_s, now_s):
            return Answer(403)
        return Answer(200, _closing(request, calendar, expires_s))

    def _stranger(self, code: str, request: SipRequest, peer: Peer, now_s: float) -> Answer:
        """Find out whether it knows the newcomers' password; it is refused either way."""
        version = request.headers.get(VERSION_HEADER)[:20]
        password = self._newcomers_password
        if password is None:
            self._events.append(Applied(code, peer, False, version))
            return Answer(403)
        if self._is_locked((peer.host, ""), now_s, STRANGERS_WRONG_LIMIT):
            self._events.append(Applied(code, peer, False, version))
            return Answer(403)
        verdict = verify(self._digest, request, lambda _: password, now_s).verdict
        if verdict in ("missing", "stale", "replayed"):
            return self._challenge(now_s, stale=verdict != "missing")
        if verdict == "wrong":
            self._count_wrong((peer.host, ""), now_s)
        self._events.append(Applied(code, peer, verdict == "accepted", version))
        return Answer(403)

    def _unproven(
        self, code: str, account: Account, request: SipRequest, peer: Peer, now_s: float
    ) -> Answer | None:
        names = {code, account.username or code}

        def password_of(username: str) -> str | None:
            return account.password if username in names else None

        if self._is_locked((peer.host, code), now_s, WRONG_LIMIT):
            self._refuse(
                code,
                peer,
                "locked",
                f"{WRONG_LIMIT} wrong passwords from {peer.host}: nothing is tried from there "
                f"for {LOCK_S / 60:.0f} minutes; correct the password in the device",
            )
            return Answer(403, (("Retry-After", f"{LOCK_S:.0f}"),))
        proof = verify(self._digest, request, password_of, now_s)
        match proof.verdict:
            case "accepted":
                self._wrong.pop((peer.host, code), None)
                return None
            case "missing" | "stale":
                return self._challenge(now_s, stale=proof.verdict == "stale")
            case "replayed":
                self._refuse(
                    code, peer, "replayed_nonce", f"{peer.host} sent an answer that was used before"
                )
                return self._challenge(now_s, stale=True)
            case "wrong" if proof.username not in names:
                name = "".join(c for c in proof.username if c.isprintable())[:60]
                self._refuse(code, peer, "unknown_account", f"{peer.host} calls itself {name!r}")
            case _:
                self._count_wrong((peer.host, code), now_s)
                self._refuse(
                    code, peer, "wrong_password", f"{peer.host} does not know the password"
                )
        # Not challenged again: there are devices that would answer at once, for ever.
        return Answer(403)

    def _is_locked(self, who: tuple[str, str], now_s: float, limit: int) -> bool:
        count, last_s = self._wrong.get(who, (0, 0.0))
        if count and now_s - last_s >= LOCK_S:
            del self._wrong[who]
            return False
        return count >= limit

    def _count_wrong(self, who: tuple[str, str], now_s: float) -> None:
        count, _ = self._wrong.pop(who, (0, 0.0))
        self._wrong[who] = (count + 1, now_s)
        while len(self._wrong) > _WATCHED_LIMIT:
            del self._wrong[next(iter(self._wrong))]

    def _challenge(self, now_s: float, *, stale: bool) -> Answer:
        values = self._digest.challenges(now_s, stale=stale)
        return Answer(401, tuple(("WWW-Authenticate", value) for value in values))

    def _enter(
        self, code: str, request: SipRequest, peer: Peer, expires_s: int, now_s: float
    ) -> bool:
        """Register or refresh; False when another device is there by this code."""
        headers = request.headers
        call_id, version = headers.get("call-id")[:256], headers.get(VERSION_HEADER)[:20]
        number = parse_cseq(headers.get("cseq"))[0]
        known = self._registrations.get(code)
        if known is None:
            known = self._registrations[code] = Registration(
                code, peer, now_s + expires_s, now_s, version, call_id, number
            )
            self._by_peer[peer] = known
            self._events.append(Came(known, again=False))
            return True
        # The same series of REGISTERs is the same device, wherever it is now (RFC 3261 §10.2.4).
        same = call_id == known.call_id and number >= known.cseq
        if peer.host != known.peer.host and not same and self._is_alive(known, now_s):
            self._refuse(
                code,
                peer,
                "duplicate_code",
                f"{peer.host} registers by the code of the device at {known.peer.host}",
            )
            return False
        self._move(known, peer, now_s)
        again = known.present and same
        known.expires_at_s, known.heard_s, known.present = now_s + expires_s, now_s, True
        known.call_id, known.cseq, known.version = call_id, number, version
        known.restored = False
        self._events.append(Came(known, again=again))
        return True

    def _is_alive(self, registration: Registration, now_s: float) -> bool:
        return (
            registration.present and now_s - registration.heard_s < 1.5 * self._limits.keepalive_s
        )

    def _refuse(self, code: str, peer: Peer, fault: Fault, detail: str) -> None:
        known = self._registrations.get(code)
        registered = known is not None and known.present
        self._events.append(Refused(code, peer, fault, detail, registered))

    # --------------------------------------------------------- in between

    def heard(self, code: str, peer: Peer, now_s: float) -> Registration | None:
        """A request from this code came. None when it is not registered, or not from there.

        Another port of the same host is its NAT's new one, and taken note of.
        """
        known = self._registrations.get(code)
        if known is None or known.peer.host != peer.host or now_s >= known.expires_at_s:
            return None
        self._move(known, peer, now_s)
        known.heard_s = now_s
        if known.restored or not known.present:
            known.present, known.restored = True, False
            self._events.append(Came(known, again=False))
        return known

    def _move(self, known: Registration, peer: Peer, now_s: float) -> None:
        if peer == known.peer:
            return
        before, known.peer = known.peer, peer
        self._leave(known, before)
        self._by_peer[peer] = known
        if peer == known.earlier_peer and now_s - known.moved_s < 2 * self._limits.keepalive_s:
            self._refuse(
                known.code,
                peer,
                "duplicate_code",
                f"two devices take turns by this code: {before} and {peer}",
            )
        known.earlier_peer, known.moved_s = before, now_s
        self._events.append(Moved(known, before))

    def restore(self, code: str, peer: Peer, expires_in_s: float, now_s: float) -> Registration:
        """Go on with a registration of an earlier process: it is given one silence to be heard.

        Its first word is told as :class:`Came`: what it was asked before ended with that process.
        """
        registration = Registration(code, peer, now_s + expires_in_s, now_s, restored=True)
        self._registrations[code] = self._by_peer[peer] = registration
        return registration

    def remove(self, code: str) -> None:
        """Nobody may come by this code any more."""
        self._drop(code, "removed")

    def _drop(self, code: str, cause: GoneCause) -> None:
        known = self._registrations.pop(code, None)
        if known is not None:
            self._leave(known, known.peer)
            known.present = False
            self._events.append(Gone(known, cause))

    def _leave(self, known: Registration, peer: Peer) -> None:
        if self._by_peer.get(peer) is known:
            del self._by_peer[peer]

    def poll(self, now_s: float) -> None:
        """Look who fell silent. Once a second is enough."""
        silence_s = self._limits.silence_s
        for known in [*self._registrations.values()]:
            if now_s >= known.expires_at_s:
                was_present = known.present
                del self._registrations[known.code]
                self._leave(known, known.peer)
                known.present = False
                if was_present:
                    self._events.append(Gone(known, "expired"))
            elif known.present and now_s - known.heard_s >= silence_s:
                # Still registered: one word from there, and it is back.
                known.present = False
                self._events.append(Gone(known, "silent"))


def _expires_s(request: SipRequest, limit: int) -> int:
    """What is asked for: in Contact, else in Expires (RFC 3261 §10.2.1.1); at most ``limit``."""
    given = ""
    contacts = split_values(request.headers.get_all("contact"))
    if contacts and contacts[0] != "*":
        given = parse_name_address(contacts[0]).parameters.get("expires", "")
    given = given or request.headers.get("expires")
    if not given:
        return min(3600, limit)
    if not given.isascii() or not given.isdigit() or len(given) > 10:
        raise MessageError(f"not a number of seconds: {given[:20]!r}")
    return min(int(given), limit)


def _closing(
    request: SipRequest, calendar: datetime, expires_s: int
) -> tuple[tuple[str, str], ...]:
    fields: list[tuple[str, str]] = []
    contacts = split_values(request.headers.get_all("contact"))
    if contacts and contacts[0] != "*":
        uri = parse_name_address(contacts[0]).uri
        fields.append(("Contact", f"<{uri}>;expires={expires_s}"))
    fields.append(("Expires", str(expires_s)))
    # §9.10.1: local time to the millisecond. Devices set their clocks by it.
    fields.append(("Date", calendar.strftime("%Y-%m-%dT%H:%M:%S.") + f"{calendar:%f}"[:3]))
    return (*fields, *_version_of(request))


def _version_of(request: SipRequest) -> tuple[tuple[str, str], ...]:
    """2022 devices say their version and are told ours; others might not know the field."""
    return ((VERSION_HEADER, OUR_VERSION),) if request.headers.get(VERSION_HEADER) else ()
