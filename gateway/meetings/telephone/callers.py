"""Who may call in, and where our own telephones are: trunks by address, accounts by digest.

A core without I/O: requests in, verdicts and bindings out. Addresses on UDP can be forged, so a
trunk's call counts only once our answer was acknowledged.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass

from camera_adapters.http_digest import DigestServer
from camera_adapters.sip import digest
from camera_adapters.sip.fields import parse_name_address, parse_parameters, split_values
from camera_adapters.sip.messages import MessageError, SipRequest
from camera_adapters.sip.peer import Peer
from gateway.settings.meetings import SipSettings

REALM = "gridsight"
EXPIRES_LIMIT_S = 3600
# Telephones that know MD5 alone look at the first challenge only.
_ALGORITHMS = ("MD5", "SHA-256")
_ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: ``name`` as they say, or an account's, which is ``proven``."""

    name: str
    proven: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """Where an account's telephone is met, until ``until_s``."""

    uri: str
    peer: Peer
    until_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, with its header fields."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


class Callers:
    """``key`` signs the challenges."""

    def __init__(self, settings: SipSettings, key: bytes) -> None:
        self._trunks = [ipaddress.ip_network(one) for one in settings.trunk_networks]
        self._passwords = {
            name: password.get_secret_value() for name, password in settings.accounts.items()
        }
        self._digest = DigestServer(REALM, key, algorithms=_ALGORITHMS)
        self._bindings: dict[str, Binding] = {}

    def is_account(self, name: str) -> bool:
        """Whether a telephone of ours is called so."""
        return name in self._passwords

    def binding(self, name: str, now_s: float) -> Binding | None:
        """Where the account's telephone is; None when it is not registered (any more)."""
        found = self._bindings.get(name)
        return found if found is not None and found.until_s > now_s else None

    def is_trunk(self, peer: Peer) -> bool:
        """Whether its address is one of a trunk."""
        try:
            address = ipaddress.ip_address(peer.host)
        except ValueError:
            return False
        return any(address in network for network in self._trunks)

    def judge(self, request: SipRequest, peer: Peer) -> Caller | Refusal:
        """Who sends this, or the answer that it gets."""
        try:
            claimed = parse_name_address(request.headers.get("from")).uri.user
        except MessageError:
            return Refusal(400)
        if self.is_trunk(peer):
            return Caller(_printable(claimed), proven=False)
        if not self._passwords:
            return Refusal(403)
        verified = digest.verify(self._digest, request, self._passwords.get, time.time())
        if verified.accepted:
            return Caller(verified.username, proven=True)
        stale = verified.verdict in ("stale", "replayed")
        challenges = self._digest.challenges(time.time(), stale=stale)
        return Refusal(401, tuple(("WWW-Authenticate", one) for one in challenges))

    def register(self, request: SipRequest, peer: Peer, now_s: float) -> Refusal:
        """Answer a REGISTER (RFC 3261 §10.3): one telephone for each account, the newest."""
        if self.is_trunk(peer):
            return Refusal(403)
        caller = self.judge(request, peer)
        if isinstance(caller, Refusal):
            return caller
        try:
            of = parse_name_address(request.headers.get("to")).uri.user
            contacts = split_values(request.headers.get_all("contact"))
            expires_s = _expires_s(request, contacts)
            if of != caller.name:
                return Refusal(403)
            if contacts and expires_s and contacts[0].strip() != "*":
                uri = str(parse_name_address(contacts[0]).uri)
                self._bindings[of] = Binding(uri, peer, now_s + expires_s)
            elif contacts:
                self._bindings.pop(of, None)
        except MessageError as error:
            return Refusal(error.status)
        bound = self.binding(of, now_s)
        if bound is None:
            return Refusal(200)
        left_s = round(bound.until_s - now_s)
        return Refusal(200, (("Contact", f"<{bound.uri}>;expires={left_s}"),))


def _expires_s(request: SipRequest, contacts: list[str]) -> int:
    text = request.headers.get("expires", str(EXPIRES_LIMIT_S))
    if contacts and contacts[0].strip() != "*":
        _, bracket, rest = contacts[0].rpartition(">")
        parameters = parse_parameters(rest if bracket else "")
        text = parameters.get("expires", text)
    if not text.isascii() or not text.isdigit():
        raise MessageError("expires is no number")
    return min(int(text[:9]), EXPIRES_LIMIT_S)


def _printable(name: str) -> str:
    """What they say, without what could make it look proven: see :func:`.rows.shown_name`."""
    kept = "".join(one for one in name if one.isprintable() and one not in "☎()")
    return kept.strip()[:64] or _ANONYMOUS
