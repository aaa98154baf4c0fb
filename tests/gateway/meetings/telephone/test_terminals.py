"""Video terminals in meetings: GStreamer films and shows, and what it decodes is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest

from camera_adapters.rtp.clocks import SteadyClock
from gateway.control.channel import ControlError
from gateway.live.snapshot import Keyframe
from gateway.meetings.snapshots import snapshot_calls
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import Shard
from tests.gateway.meetings.recording.test_over_the_network import a_recorded_shard
from tests.gateway.meetings.telephone.an_exchange import AnExchange, an_exchange
from tests.gateway.meetings.telephone.test_exchange import accept, in_the_meeting
from tests.peers.video_terminal import VideoTerminal

pytestmark = pytest.mark.skipif(
    shutil.which("gst-launch-1.0") is None
    or not Path("/usr/lib/python3/dist-packages/gi").is_dir(),
    reason="GStreamer and its Python are not installed",
)


@pytest.fixture
async def exchange(shard: Shard, tmp_path: Path) -> AsyncIterator[AnExchange]:
    async with an_exchange(shard, tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def terminal(
    exchange: AnExchange, name: str, colour: str, **more: Any
) -> AsyncIterator[VideoTerminal]:
    made = VideoTerminal(name, exchange.port, colour, **more)
    await made.open()
    try:
        yield made
    finally:
        if made.remote_sound is not None:
            made.hang_up()
            await asyncio.sleep(0.05)
        await made.shut()


async def sits(exchange: AnExchange, meeting_id: str, one: VideoTerminal) -> Any:
    """It dials in, is let in, and films."""
    number, pin = exchange.open_link(meeting_id)
    assert await one.call(f"{number}*{pin}") == 200
    row = await in_the_meeting(exchange.shard, meeting_id, one.name)
    one.film()
    one.talk(440)
    return row


async def test_two_terminals_see_each_other_and_neither_sees_itself(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        terminal(exchange, "hall-red", "red") as red,
        terminal(exchange, "hall-blue", "blue", payload_type=109) as blue,
    ):
        await sits(exchange, meeting_id, red)
        await sits(exchange, meeting_id, blue)
        await red.until_shown("blue")
        await blue.until_shown("red")
        assert "red" not in {one[2] for one in red.shown}
        assert red.forced


async def test_a_terminal_is_dialled_with_pictures_and_sees_the_others(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True) as exchange,
        terminal(exchange, "hall-red", "red", payload_type=96) as red,
        terminal(exchange, "hall-blue", "blue", feedback="", payload_type=96) as blue,
    ):
        uris = [f"sip:{one.name}@127.0.0.1:{one.port}" for one in (red, blue)]
        ids = shard.write(
            "invite", meeting_id, invited_by="x",
            participants=[{"kind": "sip", "subject": one, "name": one} for one in uris],
        )  # fmt: skip
        for one in (red, blue):
            invite = await one.ring()
            assert "m=video" in invite
            one.film()
            await accept(one, "#")
            one.talk(440)
        for participant_id in ids:
            await shard.written(
                lambda one=participant_id: shard.rows.participant(one).state == "connected"
            )
        await red.until_shown("blue")
        await blue.until_shown("red")


async def test_a_snapshot_of_a_terminal_is_its_picture(shard: Shard, exchange: AnExchange) -> None:
    meeting_id, _ = await shard.running("a")
    async with terminal(exchange, "hall-green", "green", size=(640, 352)) as green:
        row = await sits(exchange, meeting_id, green)
        snapshot = snapshot_calls(shard.rooms, SteadyClock().now_us)["meetings.snapshot"]
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(ControlError):
                    found = Keyframe.from_message(await snapshot(meeting_id, row.id))
                    break
                await asyncio.sleep(0.2)
    assert (found.track.width, found.track.height) == (640, 352)
    decoder: Any = av.CodecContext.create("h264", "r")
    annex_b = b"".join(b"\0\0\0\1" + one for one in found.track.parameter_sets)
    rest = found.unit.payload
    while rest:
        end = 4 + int.from_bytes(rest[:4], "big")
        annex_b, rest = annex_b + b"\0\0\0\1" + rest[4:end], rest[end:]
    (frame, *_) = [*decoder.decode(av.Packet(annex_b)), *decoder.decode(None)]
    red, green_, blue = frame.to_ndarray(format="rgb24")[176, 320]
    assert green_ > 200
    assert red < 60
    assert blue < 60


async def test_a_terminals_picture_is_recorded_as_the_program(rows: Rows, tmp_path: Path) -> None:
    async with (
        a_recorded_shard(rows, tmp_path) as recorded,
        an_exchange(recorded.shard, tmp_path) as exchange,
        terminal(exchange, "hall-red", "red") as red,
    ):
        shard = recorded.shard
        meeting_id, _ = await shard.running("a", records=True)
        row = await sits(exchange, meeting_id, red)
        await shard.command("give_floor", meeting_id, participant_id=row.id, given=True)
        await asyncio.sleep(4)
        await shard.command("record", meeting_id, on=False, by=None)
        recorded.recording._rooms[meeting_id].turn()
        await recorded.stored()
        program = recorded.frames(f"{meeting_id}/program")
    assert program["h264"] >= 30
    assert program["opus"] >= 100
