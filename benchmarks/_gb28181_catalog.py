"""Part of ``benchmarks.gb28181``: a platform with ten thousand channels registers, and its
catalogue becomes rows.

The platform below is a process of its own, which sends its pages as small datagrams, as the field
does: two items each, sixteen messages on their way at a time.

    python -m benchmarks._gb28181_catalog PORT CHANNELS udp|tcp
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks._gb28181_devices import DOMAIN, PASSWORD, PLATFORM
from benchmarks._gb28181_registering import platform
from benchmarks.measure import cpu_seconds, report
from camera_adapters.gb28181 import catalog, device_information, envelope, xml_bodies
from camera_adapters.gb28181.catalog import CatalogItem
from camera_adapters.gb28181.device_information import DeviceInformation, DeviceStatus
from camera_adapters.gb28181.lower_platform import TCP_ITEMS_PER_PAGE, UDP_ITEMS_PER_PAGE
from camera_adapters.gb28181.xml_bodies import Element
from camera_adapters.sip.endpoint import Credentials, IncomingRequest, SipEndpoint, SipError
from camera_adapters.sip.fields import SipUri
from camera_adapters.sip.peer import Peer
from gateway.control.channel import ControlClient, control_path
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.platform_tables import platform_channels, platforms
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.secrets import cluster_secret, seal
from gateway.settings import Gb28181Settings, LogSettings, Settings

_BELOW = "34020000002000000009"
_PLATFORM_ID = "plf_below"
_CAMERAS_PER_GROUP = 50
_MESSAGES_AT_ONCE = 16
_WITHIN_S = 120.0
_TARGET_S = 20.0


# ------------------------------------------------------------ the platform below


def items(count: int) -> list[CatalogItem]:
    """Cameras in groups of fifty, groups among the count."""
    made: list[CatalogItem] = []
    group = ""
    for number in range(count):
        if number % (_CAMERAS_PER_GROUP + 1) == 0:
            group = f"3402000000216{number:07}"
            made.append(CatalogItem(group, f"第{number}组", (_BELOW,)))
            continue
        facts = {
            "Manufacturer": "Hikvision",
            "Model": "DS-2CD",
            "Owner": "0",
            "Address": f"南陵县许镇镇黄墓村{number}号",
            "Parental": "0",
            "SafetyWay": "0",
            "RegisterWay": "1",
            "Secrecy": "0",
            "PTZType": "1",
        }
        made.append(
            CatalogItem(
                f"3402000000132{number:07}",
                f"黄墓村路口{number}",
                (group,),
                civil_code="340223",
                longitude=118.3,
                latitude=30.9,
                facts=facts,
            )
        )
    return made


class Below:
    """Registers, and answers what it is asked."""

    def __init__(self, port: int, count: int, transport: str) -> None:
        self._peer = Peer("127.0.0.1", port, "tcp" if transport == "tcp" else "udp")
        self._items = items(count)
        self._per_page = TCP_ITEMS_PER_PAGE if transport == "tcp" else UDP_ITEMS_PER_PAGE
        self._endpoint = SipEndpoint(self._take, user_agent="below")
        self._local = SipUri(_BELOW, DOMAIN)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """For ever."""
        await self._endpoint.open("127.0.0.1", 0)
        # Its row may not have been read yet.
        while True:
            if await self._register():
                break
            await asyncio.sleep(0.5)
        self._endpoint.admission.know(self._peer)
        print("registered", flush=True)
        await asyncio.Event().wait()

    async def _register(self) -> bool:
        response = await self._endpoint.request(
            "REGISTER",
            f"sip:{PLATFORM}@{DOMAIN}",
            self._peer,
            local=self._local,
            remote=self._local,
            headers=[("Expires", "3600")],
            credentials=Credentials(_BELOW, PASSWORD),
        )
        return response.status == 200

    def _take(self, incoming: IncomingRequest) -> None:
        if incoming.request.method != "MESSAGE":
            incoming.respond(405)
            return
        incoming.respond(200)
        asked = envelope.read(incoming.request.body)
        task = asyncio.create_task(self._answer(asked.command, asked.serial_number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, command: str, number: int) -> None:
        if command == catalog.COMMAND:
            pages = catalog.pages(number, _BELOW, self._items, self._per_page)

            async def send_some() -> None:
                for page in pages:
                    await self._tell(page.to_element())

            await asyncio.gather(*(send_some() for _ in range(_MESSAGES_AT_ONCE)))
        elif command == device_information.INFORMATION:
            await self._tell(DeviceInformation(number, _BELOW, manufacturer="below").to_element())
        elif command == device_information.STATUS:
            await self._tell(DeviceStatus(number, _BELOW, device_time_us=now_us()).to_element())

    async def _tell(self, document: Element) -> None:
        try:
            await self._endpoint.request(
                "MESSAGE",
                f"sip:{PLATFORM}@{DOMAIN}",
                self._peer,
                local=self._local,
                body=xml_bodies.to_bytes(document),
                content_type=envelope.CONTENT_TYPE,
            )
        except SipError as error:
            print(f"lost: {error}", file=sys.stderr)


# ---------------------------------------------------------------- the measurement


def _enter(settings: Settings) -> None:
    engine = create_writer_engine(settings)
    upgrade(engine)
    at_us = now_us()
    with engine.begin() as connection:
        connection.execute(
            sa.insert(areas).values(
                id="ar", name="县", axis="area", path="ar/", position=0, created_us=at_us
            )
        )
        connection.execute(
            sa.insert(platforms).values(
                id=_PLATFORM_ID,
                kind="gb28181",
                direction="below",
                name="below",
                code=_BELOW,
                area_id="ar",
                password_sealed=seal(cluster_secret(settings), PASSWORD, _PLATFORM_ID),
                options={"subscribe_catalog": False, "subscribe_alarm": False},
                enabled=True,
                created_us=at_us,
                changed_us=at_us,
            )
        )
    engine.dispose()


async def _fetched(client: ControlClient) -> dict[str, Any]:
    """The catalogue's state once it is in the rows."""
    async with asyncio.timeout(_WITHIN_S):
        while True:
            for one in await client.call("platforms.status"):
                if one["catalog"].get("state") in ("complete", "partial", "failed"):
                    return dict(one["catalog"])
            await asyncio.sleep(0.05)


async def _measure(
    settings: Settings, port: int, count: int, transport: str, signalling: int
) -> None:
    client = ControlClient(control_path(settings, "signalling"), cluster_secret(settings))
    module = [sys.executable, "-m", "benchmarks._gb28181_catalog"]
    below = await asyncio.to_thread(
        subprocess.Popen,
        [*module, str(port), str(count), transport],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert below.stdout is not None
        await asyncio.to_thread(below.stdout.readline)
        began, cpu = time.perf_counter(), cpu_seconds(signalling)
        found = await _fetched(client)
        first_s, first_cpu_s = time.perf_counter() - began, cpu_seconds(signalling) - cpu
        lag_ms = (await client.call("process.status"))["event_loop_lag_ms"]
        began = time.perf_counter()
        await client.call("platforms.refresh", platform_id=_PLATFORM_ID)
        again_s = time.perf_counter() - began
    finally:
        below.kill()
        below.wait()
        await client.close()
    engine = create_writer_engine(settings)
    with engine.connect() as connection:
        rows = connection.scalar(
            sa.select(sa.func.count())
            .select_from(platform_channels)
            .where(platform_channels.c.gone_us.is_(None))
        )
    engine.dispose()
    note = (
        f"{found['state']}, {rows} rows, {found['orphans']} orphans, "
        f"{found['duplicates']} duplicates; signalling used {first_cpu_s:.2f} s of CPU"
    )
    report(f"gb28181_catalog_{transport}_s", first_s, "s", n=count, target=_TARGET_S, note=note)
    report(f"gb28181_catalog_{transport}_again_s", again_s, "s", n=count, target=_TARGET_S)
    report(f"gb28181_catalog_{transport}_loop_lag_ms", lag_ms, "ms", n=count)


def _free_port() -> int:
    """Free for UDP and TCP alike."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
        ):
            datagrams.bind(("127.0.0.1", 0))
            port = int(datagrams.getsockname()[1])
            with contextlib.suppress(OSError):
                stream.bind(("127.0.0.1", port))
                return port


def run(quick: bool) -> None:
    """Report the figures of a catalogue of 10,000 (1,000 when quick), by UDP and by TCP."""
    count = 1_000 if quick else 10_000
    for transport in ("udp", "tcp"):
        with tempfile.TemporaryDirectory() as folder:
            port = _free_port()
            settings = Settings(
                data_directory=Path(folder),
                log=LogSettings(level="warning"),
                gb28181=Gb28181Settings(code=PLATFORM, domain=DOMAIN, port=port),
            )
            cluster_secret(settings)
            _enter(settings)
            with platform(settings) as (_, signalling):
                assert signalling.pid is not None
                time.sleep(1.0)  # the first reconcile has read the row
                asyncio.run(_measure(settings, port, count, transport, signalling.pid))


if __name__ == "__main__":
    asyncio.run(Below(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]).run())
