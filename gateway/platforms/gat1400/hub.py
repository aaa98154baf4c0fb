"""What both directions of GA/T 1400 share: one listener, one store, who is known."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence

import aiohttp
import structlog

from camera_adapters.gat1400.registrations import Account, Refusal, Registration, Registrations
from camera_adapters.http_digest import DigestServer
from gateway.identifiers import now_us
from gateway.masks import MaskReader
from gateway.platforms.context import SignallingContext
from gateway.platforms.gat1400.given import Giver
from gateway.platforms.gat1400.limits import MemoryBudget, Rates
from gateway.platforms.gat1400.listener import Incoming, Listener
from gateway.platforms.gat1400.routes import find_route
from gateway.platforms.gat1400.states import States
from gateway.platforms.operations import DesiredPlatform
from gateway.secrets import derive_key
from gateway.settings import Gat1400Settings
from gateway.sightings.intake import Intake, Taken
from gateway.store import open_configured_store

_log = structlog.get_logger(__name__)

_MEMORY_BYTES = 128 * 1024**2
_UNKNOWN_PER_S = 5.0
REALM = "gridsight"
FIGURES = ("gat1400_sightings", "gat1400_told", "gat1400_told_again", "gat1400_refused")


class Hub:
    """Opened by the first direction that starts, closed by the last that closes."""

    def __init__(self, context: SignallingContext) -> None:
        settings: Gat1400Settings = context.settings.gat1400
        self.context = context
        self.settings = settings
        self.utc_offset_minutes = settings.utc_offset_minutes
        self.store = open_configured_store(context.settings)
        staging = context.settings.data_directory / "sightings.incoming"
        self.intake = Intake(context.reader, context.rows, self.store, staging)
        self.giver = Giver(self.store, MaskReader(context.reader), settings.utc_offset_minutes)
        digest_key = derive_key(context.secret, "gat1400 nonces")
        self.digest = DigestServer(REALM, digest_key)
        silent_s = settings.keepalive_s * (settings.keepalives_missed + 0.5)
        self.below = Registrations(self.digest, silent_s)
        # By code; those above answer for themselves by digest, or by address if trusted.
        self.above: dict[str, DesiredPlatform] = {}
        self.above_addresses: dict[str, frozenset[str]] = {}
        self.states = States(context.sink)
        self.subscriptions_taken: dict[str, frozenset[str]] = {}
        self.rates = Rates(settings.requests_per_s)
        self.unknown_rates = Rates(_UNKNOWN_PER_S)
        self.memory = MemoryBudget(max(_MEMORY_BYTES, settings.body_bytes_limit))
        # Set, and exchanged for another, whenever there is something to tell upwards.
        self.arrived = asyncio.Event()
        self.figures = dict.fromkeys(FIGURES, 0.0)
        self._http: aiohttp.ClientSession | None = None
        self._listener = Listener(self, find_route)
        self._users = 0

    @property
    def http(self) -> aiohttp.ClientSession:
        """For requests to others."""
        assert self._http is not None
        return self._http

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    @property
    def own_url(self) -> str:
        """By what others reach us."""
        if self.settings.advertise_url is not None:
            return self.settings.advertise_url
        scheme = "http" if self.settings.certificate is None else "https"
        return f"{scheme}://{self.settings.address}:{self.port}"

    async def open(self) -> None:
        """Listen, if nobody has yet. Raises ConfigurationError."""
        self._users += 1
        if self._users > 1:
            return
        # No cookies, no redirects, no proxy of the environment: these are machines.
        self._http = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=200, limit_per_host=8),
            trust_env=False,
        )
        await self.intake.open()
        await self._listener.open()

    async def close(self) -> None:
        """Stop listening, if nobody else needs it."""
        self._users -= 1
        if self._users:
            return
        await self._listener.close()
        if self._http is not None:
            await self._http.close()
        await self.store.close()

    def note_arrived(self, count: int = 0) -> None:
        """There is something to tell upwards."""
        self.figures["gat1400_sightings"] += count
        self.arrived.set()
        self.arrived = asyncio.Event()

    def on_below_heard(self, registration: Registration, port: int) -> None:
        """One below has spoken, and is who it says."""
        self.states.heard(registration.account.platform_id, registration.address, port)

    def on_below_gone(self, registration: Registration, fault: str) -> None:
        """One below has said goodbye (``unregistered``), or nothing for too long (``silent``)."""
        detail = "it signed off" if fault == "unregistered" else "it has not spoken for too long"
        self.states.tell(registration.account.platform_id, "offline", fault, detail)

    def on_below_refused(
        self, account: Account, refusal: Refusal, incoming: Incoming, other: str | None
    ) -> None:
        """Somebody who says to be one below was not let in."""
        platform_id, address = account.platform_id, incoming.address
        alive = self.below.alive(account.code)
        if refusal == "double":
            detail = f"two devices have this code: {other} is registered, {address} wants to"
            self.states.tell(platform_id, "online", "double_code", detail)
        elif refusal in ("wrong_password", "locked", "replayed") and alive is None:
            # One that is registered is not blamed for what others try in its name.
            detail = f"{address} does not know the password"
            self.states.tell(platform_id, "refused", "wrong_password", detail)
        elif refusal in ("wrong_password", "locked"):
            _log.warning("a wrong password in a known name", code=account.code, address=address)

    def note_applicant(self, code: str, incoming: Incoming) -> None:
        """Somebody unknown wants to join: shown to people, never let in."""
        if code and len(code) <= 40:
            self.context.sink.applicant(
                "gat1400",
                code,
                host=incoming.address,
                port=incoming.port,
                transport="http",
                knows_password=False,
            )

    def note_doubtful_clock(self, platform_id: str, taken: Sequence[Taken]) -> None:
        """A device's times cannot be: they were put right, and its page says so."""
        doubtful = next(one for one in taken if one.clock_doubtful)
        told = doubtful.sighting.at_us
        self.states.facts(platform_id, clock_offset_us=None if told is None else told - now_us())

    async def holds_subscription(self, platform_id: str, subscription_id: str) -> bool:
        """Whether we have subscribed there under this id."""
        return subscription_id in self.subscriptions_taken.get(platform_id, frozenset())

    def wake_above(self, platform_id: str) -> None:
        """Its subscriptions were changed."""
        self.note_arrived()


async def addresses_of(host: str) -> frozenset[str]:
    """All addresses of a host; none when its name does not resolve."""
    with contextlib.suppress(ValueError):
        return frozenset({str(ipaddress.ip_address(host))})
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        _log.warning("a platform's name does not resolve", host=host, why=str(error))
        return frozenset()
    return frozenset(str(one[4][0]) for one in found)


_hubs: dict[int, Hub] = {}


def hub_of(context: SignallingContext) -> Hub | None:
    """The one hub of this process; None where the settings leave GA/T 1400 off."""
    if not context.settings.gat1400.enabled:
        return None
    known = _hubs.get(id(context))
    if known is None or known.context is not context:
        known = _hubs[id(context)] = Hub(context)
    return known
