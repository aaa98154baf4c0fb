"""Who has registered, from where, and whether they still speak (GA/T 1400.4: System).

Registration proves the password by digest; what comes after it carries ``User-Identify`` alone. So
a registration is bound to the address that it came from: the same name from elsewhere has to prove
itself anew, and may not push out one that is alive. No sockets, no clock: seconds are passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from camera_adapters.http_digest import DigestServer

Refusal = Literal[
    "unknown",  # nobody of that name is expected
    "unproven",  # the challenge is to be answered
    "wrong_password",
    "replayed",
    "double",  # another device of this name is alive elsewhere
    "not_registered",
    "locked",  # too many wrong passwords from there
]

WRONG_LIMIT = 5
LOCK_S = 300.0
_WATCHED_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Account:
    """A device or platform that may register. ``username`` is what its digest says."""

    platform_id: str
    code: str
    username: str
    password: str = field(repr=False)


@dataclass(slots=True)
class Registration:
    """One that is alive."""

    account: Account
    address: str
    since_s: float
    heard_s: float


@dataclass(frozen=True, slots=True)
class Admission:
    """``refusal`` is None where it was let in; ``challenges`` are for WWW-Authenticate."""

    refusal: Refusal | None = None
    registration: Registration | None = None
    challenges: tuple[str, ...] = ()
    other_address: str | None = None


class Registrations:
    """All of one listener. ``silent_s``: who says nothing for so long is offline."""

    def __init__(self, digest: DigestServer, silent_s: float = 180.0) -> None:
        self._digest = digest
        self.silent_s = silent_s
        self._accounts: dict[str, Account] = {}
        self._alive: dict[str, Registration] = {}
        # (address, code) → wrong answers, and when the last one came. Not by address alone: others
        # live behind the same one.
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}

    def hold(self, accounts: Mapping[str, Account]) -> list[Registration]:
        """Expect exactly these, by code; gives registrations that ended by it."""
        self._accounts = dict(accounts)
        ended = [
            one for code, one in self._alive.items() if self._accounts.get(code) != one.account
        ]
        for one in ended:
            del self._alive[one.account.code]
        return ended

    def account(self, code: str) -> Account | None:
        """Who is expected under this code."""
        return self._accounts.get(code)

    def alive(self, code: str) -> Registration | None:
        """The registration of this code."""
        return self._alive.get(code)

    def register(
        self, code: str, address: str, authorization: str | None, uri: str, now_s: float
    ) -> Admission:
        """POST /VIID/System/Register."""
        account = self._accounts.get(code)
        proof = self.prove(code, address, authorization, "POST", uri, now_s)
        if proof.refusal is not None or account is None:
            return proof
        alive = self._alive.get(code)
        if alive is not None and alive.address != address and self._speaks(alive, now_s):
            return Admission("double", alive, other_address=alive.address)
        since_s = alive.since_s if alive is not None and alive.address == address else now_s
        made = self._alive[code] = Registration(account, address, since_s, now_s)
        return Admission(None, made)

    def prove(
        self,
        code: str,
        address: str,
        authorization: str | None,
        method: str,
        uri: str,
        now_s: float,
    ) -> Admission:
        """Whether a request's digest proves that it is of this code."""
        account = self._accounts.get(code)
        if self._is_locked((address, code), now_s):
            return Admission("locked")

        def password_of(username: str) -> str | None:
            if account is None or username not in (account.username, account.code):
                return None
            return account.password

        found = self._digest.verify(authorization, method, uri, password_of, now_s)
        match found.verdict:
            case "accepted":
                self._wrong.pop((address, code), None)
                return Admission()
            case "missing" | "malformed":
                return self._challenge("unproven", now_s)
            case "stale":
                return self._challenge("unproven", now_s, stale=True)
            case "replayed":
                return self._challenge("replayed", now_s, stale=True)
        if account is None:
            return self._challenge("unknown", now_s)
        self._count_wrong((address, code), now_s)
        return self._challenge("wrong_password", now_s)

    def admit(
        self,
        code: str,
        address: str,
        authorization: str | None,
        method: str,
        uri: str,
        now_s: float,
    ) -> Admission:
        """Any request but Register: of who is registered, from where they registered."""
        alive = self._alive.get(code)
        if alive is None or not self._speaks(alive, now_s):
            # Who proves itself with every request need not register first.
            proof = self.prove(code, address, authorization, method, uri, now_s)
            account = self._accounts.get(code)
            if proof.refusal is None and account is not None:
                alive = self._alive[code] = Registration(account, address, now_s, now_s)
                return Admission(None, alive)
            refusal = "not_registered" if proof.refusal == "unproven" else proof.refusal
            return Admission(refusal, None, proof.challenges)
        if alive.address != address:
            # Only who proves to be of this code is a second one; all others are strangers.
            proof = self.prove(code, address, authorization, method, uri, now_s)
            if proof.refusal is not None:
                refusal = "not_registered" if proof.refusal == "unproven" else proof.refusal
                return Admission(refusal, None, proof.challenges)
            return Admission("double", alive, other_address=alive.address)
        alive.heard_s = now_s
        return Admission(None, alive)

    def restore(self, code: str, address: str, since_s: float, heard_s: float) -> None:
        """A registration from before a restart, if the account is expected still."""
        account = self._accounts.get(code)
        if account is not None and code not in self._alive:
            self._alive[code] = Registration(account, address, since_s, heard_s)

    def unregister(self, code: str) -> None:
        """It said goodbye."""
        self._alive.pop(code, None)

    def expire(self, now_s: float) -> list[Registration]:
        """Those that have fallen silent since the last call."""
        silent = [one for one in self._alive.values() if not self._speaks(one, now_s)]
        for one in silent:
            del self._alive[one.account.code]
        return silent

    def _speaks(self, one: Registration, now_s: float) -> bool:
        return now_s - one.heard_s < self.silent_s

    def _challenge(self, refusal: Refusal, now_s: float, *, stale: bool = False) -> Admission:
        return Admission(refusal, None, tuple(self._digest.challenges(now_s, stale=stale)))

    def _is_locked(self, who: tuple[str, str], now_s: float) -> bool:
        count, last_s = self._wrong.get(who, (0, 0.0))
        if count >= WRONG_LIMIT and now_s - last_s >= LOCK_S:
            del self._wrong[who]
            return False
        return count >= WRONG_LIMIT

    def _count_wrong(self, who: tuple[str, str], now_s: float) -> None:
        count, _ = self._wrong.pop(who, (0, 0.0))
        self._wrong[who] = (count + 1, now_s)
        while len(self._wrong) > _WATCHED_LIMIT:
            del self._wrong[next(iter(self._wrong))]
