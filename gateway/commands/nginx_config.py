"""``gridsight nginx-config``: for now, or kept true while processes come and go."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.api.access import SESSION_COOKIE
from gateway.database.engine import create_reader_engine
from gateway.database.tables import processes
from gateway.front.nginx import Encryption, Endpoint, Front, http_part, whole
from gateway.settings import Settings
from gateway.transport.tls import ServedCertificate, TlsError, open_certificate, tls_folder
from gateway.transport.trust_page import TRUSTED_PATH

LOOK_S = 1.0
_RENEW_S = 3600.0
_ANSWER_S = 2.0
# A process that is busy for a moment is not taken out.
_SILENT_LIMIT = 2
_LOOPBACK = ("127.0.0.0/8", "127.0.0.1", "::1")

Say = Callable[[str], None]


class FrontError(Exception):
    """There can be no nginx in front as configured. Says what to change."""


def nginx_folder(settings: Settings) -> Path:
    """Where an nginx of its own keeps its files."""
    return settings.effective_run_directory / "nginx"


async def print_config(settings: Settings, *, complete: bool) -> str:
    """The configuration of this moment. Raises FrontError, OSError."""
    certificate = await _certificate(settings)
    _require_started(settings)
    reader = create_reader_engine(settings)
    try:
        rows = await _read(reader, settings)
        return _text(settings, certificate, rows, frozenset(), complete)
    except sa.exc.DBAPIError as error:
        raise FrontError(f"the rows cannot be read: {error.orig}") from None
    finally:
        await reader.dispose()


async def watch_config(
    settings: Settings, output: Path, reload: str, say: Say, *, complete: bool
) -> None:
    """Write the configuration whenever it is another one, and have nginx load it, for ever.

    A process that does not answer twice is taken out until it does. Raises FrontError.
    """
    certificate = await _certificate(settings)
    reader = create_reader_engine(settings)
    silent: dict[Endpoint, int] = {}
    renewed_s = asyncio.get_running_loop().time()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S)) as client:
            while True:
                try:
                    _require_started(settings)
                    rows = await _read(reader, settings)
                    await _ask(client, rows[0], silent)
                    down = frozenset(one for one, count in silent.items() if count >= _SILENT_LIMIT)
                    text = _text(settings, certificate, rows, down, complete)
                    now_s = asyncio.get_running_loop().time()
                    renewed = False
                    if certificate is not None and now_s - renewed_s >= _RENEW_S:
                        renewed_s = now_s
                        renewed = await asyncio.to_thread(certificate.look_again)
                    if await asyncio.to_thread(_write, output, text) or renewed:
                        await _reload(reload, say)
                except (OSError, sa.exc.DBAPIError, TlsError) as error:
                    say(f"not looked at: {error}")
                await asyncio.sleep(LOOK_S)
    finally:
        await reader.dispose()


def _require_started(settings: Settings) -> None:
    url = make_url(settings.effective_database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise FileNotFoundError("the gateway has not been started yet: there are no rows")


async def _certificate(settings: Settings) -> ServedCertificate | None:
    if settings.api.count == 1:
        raise FrontError(
            "the one API process answers at listen.port itself: nginx stands in front of several, "
            "set api.count"
        )
    if settings.listen.port == 0:
        raise FrontError("nginx needs a port to listen on: set listen.port")
    try:
        return await asyncio.to_thread(open_certificate, settings)
    except TlsError as error:
        raise FrontError(str(error)) from None


_Rows = tuple[Mapping[str, Endpoint], Mapping[str, Endpoint]]


async def _read(reader: AsyncEngine, settings: Settings) -> _Rows:
    own, cluster = processes.c, settings.cluster
    # The others' are on their loopback; the API knows another way to them.
    here = sa.true() if cluster.listen_address is None else own.node == cluster.node_name
    async with reader.connect() as connection:
        rows = await connection.execute(
            sa.select(own.name, own.kind, own.http_address, own.http_port).where(
                own.http_port.is_not(None),
                own.kind.in_(["api", "shard", "footage"]),
                here,
            )
        )
        apis: dict[str, Endpoint] = {}
        media: dict[str, Endpoint] = {}
        for row in rows:
            endpoint = Endpoint(row.http_address or "127.0.0.1", row.http_port)
            (apis if row.kind == "api" else media)[row.name] = endpoint
    return apis, media


async def _ask(
    client: aiohttp.ClientSession, apis: Mapping[str, Endpoint], silent: dict[Endpoint, int]
) -> None:
    """Count how often each API process did not answer in a row."""

    async def answers(endpoint: Endpoint) -> bool:
        try:
            async with client.get(f"http://{endpoint}{TRUSTED_PATH}") as response:
                return response.status < 500
        except (aiohttp.ClientError, TimeoutError):
            return False

    known = list(apis.values())
    found = await asyncio.gather(*(answers(one) for one in known))
    for endpoint in set(silent) - set(known):
        del silent[endpoint]
    for endpoint, answered in zip(known, found, strict=True):
        silent[endpoint] = 0 if answered else silent.get(endpoint, 0) + 1


def _text(
    settings: Settings,
    certificate: ServedCertificate | None,
    rows: _Rows,
    down: frozenset[Endpoint],
    complete: bool,
) -> str:
    apis, media = rows
    encryption = None
    if certificate is not None:
        tls, folder = settings.tls, tls_folder(settings)
        files = settings.tls_kind == "files"
        encryption = Encryption(
            (tls.certificate if files else None) or folder / "gateway.crt",
            (tls.key if files else None) or folder / "gateway.key",
            tls.http_port,
        )
    front = Front(
        settings.listen.address,
        settings.listen.port,
        {name: Endpoint(one.address, one.port, down=one in down) for name, one in apis.items()},
        media,
        SESSION_COOKIE,
        encryption,
        # Whoever asks nginx from this machine is not believed: it stands in front itself.
        tuple(one for one in settings.listen.trusted_proxies if one not in _LOOPBACK),
    )
    try:
        return whole(front, nginx_folder(settings)) if complete else http_part(front)
    except ValueError as error:
        raise FrontError(str(error)) from None


def _write(output: Path, text: str) -> bool:
    """Whether it is another text than before."""
    if output.exists() and output.read_text() == text:
        return False
    output.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = output.with_name(f".{output.name}.new")
    new.write_text(text)
    new.replace(output)
    return True


async def _reload(command: str, say: Say) -> None:
    if not command:
        return
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    done = "nginx has been told" if process.returncode == 0 else "nginx does not take it"
    say(f"{done}{': ' + said.decode(errors='replace').strip() if said else ''}")
