"""Our lower platform registered with our upper one: two gateways, each with its own database."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
import sqlalchemy as sa

from camera_adapters.gb28181.media_ports import PortPool
from camera_adapters.stream import Stream, Variant
from gateway.control.channel import ControlError
from gateway.database.platform_tables import platform_channels
from gateway.masks import Polygons
from gateway.platforms.operations import DeviceRefused, SteerCommand
from gateway.shard.cascade import CascadeSending
from tests.gateway.platforms.gb28181_above.lower import Lower, lower_gateway
from tests.gateway.platforms.gb28181_below.upper import Upper, upper_gateway
from tests.peers.gb28181_device import DOMAIN, PLATFORM_CODE
from tests.peers.media_file import read_media

LOWER_CODE = "34020000002000000009"
PASSWORD = "between us two"


@dataclass
class BothEnds:
    upper: Upper
    lower: Lower
    # By which the upper one knows the lower one, and the other way round.
    below_id: str
    above_id: str

    async def subscribed(self, name: str) -> None:
        """Until the upper one has subscribed for this."""
        device = self.upper.kind._devices[self.below_id]
        while True:
            if name in device.subscriptions:
                return
            await asyncio.sleep(0.01)

    async def channel_of(self, name: str) -> str:
        """The code of a camera in the upper one's rows, once it is there."""
        table = platform_channels
        while True:
            async with self.upper.reader.connect() as connection:
                code = await connection.scalar(
                    sa.select(table.c.code).where(
                        table.c.platform_id == self.below_id,
                        table.c.name == name,
                        table.c.gone_us.is_(None),
                    )
                )
            if code is not None:
                return str(code)
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def joined(
    folder: Path, transport: str = "udp", **options: object
) -> AsyncIterator[BothEnds]:
    """Registered, with the village shared and its catalogue in the upper one's rows."""
    (folder / "u").mkdir()
    (folder / "l").mkdir()
    async with upper_gateway(folder / "u") as upper, lower_gateway(folder / "l") as lower:
        below_id = await upper.add(LOWER_CODE, PASSWORD)
        row = {
            "kind": "gb28181",
            "direction": "above",
            "name": "市局",
            "code": PLATFORM_CODE,
            "host": "127.0.0.1",
            "port": upper.port,
            "username": None,
            "options": {
                "transport": transport,
                "domain": DOMAIN,
                "local_code": LOWER_CODE,
                **options,
            },
            "enabled": True,
        }
        above_id = await lower.add_platform(row, PASSWORD)
        await lower.share(above_id, areas=("village",))
        made = BothEnds(upper, lower, below_id, above_id)
        await made.channel_of("gate")
        yield made


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_catalogue_of_the_one_is_in_the_rows_of_the_other(
    tmp_path: Path, transport: str
) -> None:
    async with joined(tmp_path, transport) as ends:
        table = platform_channels
        async with ends.upper.reader.connect() as connection:
            rows = (
                await connection.execute(
                    sa.select(table).where(table.c.platform_id == ends.below_id)
                )
            ).all()
        names = {row.code: row.name for row in rows}
        tree = {row.name: names.get(row.parent_code) for row in rows}
        assert tree == {"county": None, "village": "county", "gate": "village", "yard": "village"}
        kinds = {row.name: (row.kind, row.status) for row in rows}
        assert kinds["gate"] == ("camera", "on")
        assert kinds["village"] == ("group", "on")


async def test_what_is_shared_later_comes_by_subscription(tmp_path: Path) -> None:
    async with joined(tmp_path) as ends:
        await ends.subscribed("catalog")
        await ends.lower.share(ends.above_id, areas=("village",), cameras=("road",))
        assert await ends.channel_of("road")


async def test_steering_goes_through_both(tmp_path: Path) -> None:
    async with joined(tmp_path, may_steer=True) as ends:
        gate = await ends.channel_of("gate")
        operations = ends.upper.kind.operations(ends.below_id)
        await operations.steer(gate, SteerCommand("move", pan=-0.5, zoom=1.0))
        camera_id, holder, command = await ends.lower.steered.get()
        assert camera_id == ends.lower.cameras["gate"]
        assert holder.name == "市局"
        assert command.pan == pytest.approx(-0.5, abs=0.01)
        assert command.zoom == pytest.approx(1.0)
        await operations.steer(gate, SteerCommand("stop"))
        while command.action != "stop":
            _, _, command = await ends.lower.steered.get()
        names = [preset.name for preset in await operations.presets(gate)]
        assert names == ["门", "院"]


async def test_steering_that_is_not_granted_is_refused_to_the_upper_one(tmp_path: Path) -> None:
    async with joined(tmp_path) as ends:
        operations = ends.upper.kind.operations(ends.below_id)
        with pytest.raises(DeviceRefused):
            await operations.steer(await ends.channel_of("gate"), SteerCommand("move", pan=1.0))
        with pytest.raises(DeviceRefused):
            await operations.reboot()
        assert ends.lower.steered.empty()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_live_is_invited_through_both(tmp_path: Path, transport: str) -> None:
    async with joined(tmp_path, transport) as ends:
        gate = await ends.channel_of("gate")
        async with ends.upper.session(ends.below_id, channel=gate) as session:
            answer = await anext(session)
            assert (answer["type"], answer["port"]) == ("answer", 40_000)
            (asked,) = ends.lower.media.asked
            assert asked["camera_id"] == ends.lower.cameras["gate"]
            assert asked["target"]["ssrc"] == answer["ssrc"]
            assert (await ends.lower.media.commands.get())["action"] == "start"
        await ends.lower.media.closed.wait()
        assert await ends.lower.on_record("cascade.watched")


async def test_playback_is_refused_until_it_is_granted(tmp_path: Path) -> None:
    async with joined(tmp_path) as ends:
        gate = await ends.channel_of("gate")
        with pytest.raises(ControlError):
            async with ends.upper.session(
                ends.below_id,
                channel=gate,
                purpose="playback",
                start_us=10**15,
                end_us=10**15 + 10**9,
            ) as session:
                await anext(session)
        assert ends.lower.media.asked == []


async def test_playback_is_hastened_through_both_and_ends(tmp_path: Path) -> None:
    async with joined(tmp_path, may_playback=True) as ends:
        gate = await ends.channel_of("gate")
        async with ends.upper.session(
            ends.below_id,
            channel=gate,
            purpose="playback",
            start_us=1_700_000_000_000_000,
            end_us=1_700_000_600_000_000,
        ) as session:
            assert (await anext(session))["type"] == "answer"
            await session.send({"type": "control", "action": "scale", "scale": 4.0})
            actions = []
            while "scale" not in actions:
                actions.append((await ends.lower.media.commands.get())["action"])
            ends.lower.media.items.put_nowait({"type": "file_end"})
            assert (await anext(session))["type"] == "file_end"


async def test_recordings_are_found_through_both(tmp_path: Path) -> None:
    async with joined(tmp_path, may_playback=True) as ends:
        operations = ends.upper.kind.operations(ends.below_id)
        found = await operations.recordings(
            await ends.channel_of("gate"), 1_700_000_000_000_000, 1_700_000_600_000_000
        )
        assert found == []


class OneCamera:
    """Stands where a shard is: one Stream, of which nothing is masked."""

    def __init__(self) -> None:
        self.main = Stream("cam", Variant.MAIN)
        self.derived = self

    def stream(self, camera_id: str, variant: Variant, made_from: Variant = Variant.MAIN) -> Stream:
        return self.main

    def masks(self, camera_id: str) -> Polygons:
        return ()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_pictures_arrive_where_the_upper_one_wants_them(
    tmp_path: Path, pedestrians_h264: Path, transport: str
) -> None:
    """Signalling of both ends, and the sender of one: the program stream is read by FFmpeg."""
    tracks, units = read_media(pedestrians_h264)
    async with joined(tmp_path, transport) as ends:
        camera = OneCamera()
        camera.main.start_run(tracks)
        camera.main.publish(units[0])
        sending = CascadeSending(camera, "127.0.0.1", PortPool())  # type: ignore[arg-type]
        ends.lower.media.send = sending.calls()["cascade.send"]  # type: ignore[method-assign]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
            gate = await ends.channel_of("gate")
            async with ends.upper.session(
                ends.below_id, channel=gate, port=receiver.getsockname()[1]
            ) as session:
                answer = await anext(session)
                loop = asyncio.get_running_loop()
                received = b""
                # The newest keyframe comes at once, then each picture as it is made.
                for unit in units[1:30]:
                    while True:
                        packet = await loop.sock_recv(receiver, 2000)
                        assert int.from_bytes(packet[8:12], "big") == answer["ssrc"]
                        received += packet[12:]
                        if packet[1] & 0x80:
                            break
                    camera.main.publish(unit)
        with av.open(io.BytesIO(received), format="mpeg") as container:
            assert sum(1 for _ in container.decode(video=0)) >= 28
        while True:
            if not len(sending):
                break
            await asyncio.sleep(0.01)
