"""Two machines with signalling: when the one that speaks is killed, the other does, and a
GB/T 28181 device that registers there is recorded again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import psycopg
import pytest

from camera_adapters.gb28181.catalog import CatalogItem
from camera_adapters.sip.endpoint import IncomingRequest
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.session import SipError
from gateway.identifiers import now_us
from tests.peers.gb28181_device import DOMAIN, PLATFORM_CODE, GbDevice
from tests.peers.ps_sender import PsSender
from tests.peers.running_gateway import running_gateway, start, stop
from tests.peers.sipp_device import free_udp_port

pytestmark = [pytest.mark.gstreamer, pytest.mark.timeout(400)]

CODE = "34020000001110000001"
GATE = "34020000001310000001"
PASSWORD = "12345678a"


def machine(node: str, data: Path, url: str, port: int) -> dict[str, str]:
    """Settings of a machine on which devices register at ``port``."""
    return {
        "DATABASE_URL": url,
        "SECRETS_DIRECTORY": str(data / "secrets"),
        "STORE__PATH": str(data / "footage"),
        "RECORDING__SEGMENT_S": "4",
        "CLUSTER__NODE": node,
        "CLUSTER__LISTEN_ADDRESS": "127.0.0.1",
        "CLUSTER__ANALYSIS": "false",
        "GB28181__PORT": str(port),
        "GB28181__CODE": PLATFORM_CODE,
        "GB28181__DOMAIN": DOMAIN,
    }


async def test_a_device_is_recorded_again_by_the_machine_that_stood_by(
    pedestrians_h264: Path, tmp_path: Path, postgresql_url: str
) -> None:
    ports = free_udp_port(), free_udp_port()
    sender = PsSender(pedestrians_h264)
    device = GbDevice(CODE, PASSWORD, items=[CatalogItem(GATE, "大门", (CODE,))])

    def invited(incoming: IncomingRequest) -> None:
        device.accept(incoming)
        sender.start(device.offers[-1])

    def speaks_on() -> str:
        query = "SELECT node FROM processes WHERE name = 'signalling'"
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            return str(connection.execute(query).fetchall()[0][0])

    device.on_invite = invited
    data = tmp_path / "a"
    first = machine("node-a", data, postgresql_url, ports[0])
    second = machine("node-b", data, postgresql_url, ports[1])
    async with running_gateway(data, **first) as gateway:
        process, url, _ = await start(tmp_path / "b", demo=False, **second)
        await device.open(ports[0])
        try:
            assert speaks_on() == "node-a"
            area = (await gateway.get("/api/areas"))["items"][0]["id"]
            added = await gateway.post(
                "/api/platforms",
                {
                    "kind": "gb28181",
                    "direction": "below",
                    "name": "石牌所录像机",
                    "code": CODE,
                    "password": PASSWORD,
                    "area_id": area,
                    "enabled": True,
                    "options": {"media_transport": "udp"},
                },
            )
            path = f"/api/platforms/{added['id']}"

            async def is_let_in() -> bool:
                with contextlib.suppress(SipError):
                    return bool((await device.register(new_series=True)).status == 200)
                return False

            await gateway.until(is_let_in)

            async def has_channels() -> bool:
                return bool((await gateway.get(path))["channels"]["total"] == 1)

            await gateway.until(has_channels)
            taken = await gateway.post(
                f"{path}/cameras",
                {"area_id": area, "record": "continuous", "channels": [{"code": GATE}]},
            )
            camera = taken["cameras"][0]["id"]

            async def is_recorded() -> bool:
                one = await gateway.get(f"/api/cameras/{camera}")
                main = (one["states"] or {}).get("main", {})
                return bool(main.get("state") == "live" and main["recording"])

            await gateway.until(is_recorded)

            # All of the machine at once.
            family = psutil.Process(gateway.process.pid).children(recursive=True)
            for one in (psutil.Process(gateway.process.pid), *family):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            await gateway.process.wait()
            lost_us = now_us()
            gateway.url = url
            device.platform = Peer("127.0.0.1", ports[1], "udp")
            await gateway.until(is_let_in)
            print(f"registered at the other after {(now_us() - lost_us) / 1e6:.1f} s")
            assert speaks_on() == "node-b"

            def recorded() -> bool:
                query = "SELECT max(end_us) FROM spans WHERE source_id = %s"
                with psycopg.connect(postgresql_url, autocommit=True) as connection:
                    row = connection.execute(query, (f"{camera}/main",)).fetchone()
                return row is not None and row[0] is not None and row[0] > lost_us

            async def is_recorded_again() -> bool:
                return await is_recorded() and recorded()

            await gateway.until(is_recorded_again)
            print(f"recorded again after {(now_us() - lost_us) / 1e6:.1f} s")
            assert (await gateway.get(path))["state"]["state"] == "online"
        finally:
            sender.close()
            await device.close()
            await stop(process)
