"""A camera of the gateway in a meeting: really pulled, and masked as soon as it has masks."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiortc.codecs.h264 import H264PayloadDescriptor

from camera_adapters.codecs import h264
from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.stream import Variant
from gateway.control.channel import ControlClient, ControlServer
from gateway.database.tables import cameras as camera_table
from gateway.demo.clip import load_clip
from gateway.identifiers import now_us
from gateway.live.snapshot import Snapshots
from gateway.live.waiting import keyframe_comes
from gateway.meetings.camera_site import CameraSites, borrowed
from gateway.shard.calls import media_calls
from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.a_shard import NAME, Page, Shard, a_shard
from tests.gateway.shard.conftest import (  # noqa: F401  # fixtures
    CAMERA,
    NoTranscoder,
    World,
    cameras,
    crossing,
    engine,
)
from tests.gateway.shard.conftest import (
    world as world,
)
from tests.peers.media_file import make_media


async def nobody(camera_id: str) -> ControlClient | None:
    """No other shard holds it."""


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """Beside the database of the cameras' shard."""
    folder = tmp_path / "county"
    folder.mkdir()
    with a_county(folder) as made:
        yield made


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    async with a_shard(rows) as made:
        yield made


@pytest.fixture
async def sites(shard: Shard, world: World) -> AsyncIterator[CameraSites]:
    made = CameraSites(shard.rooms, world.shard, shard.output, nobody)
    yield made
    await made.close()


async def with_camera(shard: Shard) -> tuple[str, str, str]:
    """A meeting with a village and a camera in it."""
    with shard.rows.engine.begin() as connection:
        connection.execute(
            sa.insert(camera_table).values(
                id=CAMERA, area_id=shard.rows.areas["a"], name="gate", main_url="rtsp://192.0.2.1/",
                sub_url="", transport="auto", record="off", enabled=True, created_us=1,
                changed_us=now_us(),
            )
        )  # fmt: skip
    meeting_id = shard.rows.called()
    (a,) = shard.rows.invite(meeting_id, "a")
    brought = {
        "kind": "camera", "subject": CAMERA, "camera_id": CAMERA, "name": "gate",
        "role": "observer", "area_id": shard.rows.areas["a"],
    }  # fmt: skip
    (camera,) = shard.rows.write(
        "meetings.invite", meeting_id=meeting_id, participants=[brought], invited_by="x"
    )
    await shard.command("start", meeting_id, shard=NAME)
    return meeting_id, a, camera


async def test_a_camera_is_a_site_until_it_is_taken_out(
    shard: Shard,
    world: World,
    sites: CameraSites,
) -> None:
    await world.hold(world.source(recorded=False))
    meeting_id, a, camera = await with_camera(shard)
    page = await shard.join(meeting_id, a)
    await page.look(("v0", camera))
    await page.site.until(lambda: len(page.site.in_slot("v0")) > 20, 30)
    # From a keyframe on.
    assert page.site.in_slot("v0")[0].payload[0] & 31 in (7, 24, 28)
    await shard.written(lambda: shard.rows.participant(camera).state == "connected")
    await shard.command("remove", meeting_id, participant_id=camera)
    assert len(sites) == 0
    assert camera not in shard.rooms.rooms[meeting_id].members
    # Nobody holds the camera for the meeting's sake any more.
    await world.until_state("idle")


async def test_when_the_shard_stops_nothing_of_the_camera_is_held_any_more(
    shard: Shard,
    world: World,
    sites: CameraSites,
) -> None:
    await world.hold(world.source(recorded=False))
    meeting_id, _, camera = await with_camera(shard)
    await shard.written(lambda: shard.rows.participant(camera).state == "connected")
    feed = shard.rooms.rooms[meeting_id].members[camera].feed
    released: list[object] = []
    release = shard.output.release
    shard.output.release = lambda one: (released.append(one), release(one))[1]  # type: ignore
    await sites.close()
    # Not some turns of the loop later, when what it belongs to is closed.
    assert released == [feed]


class Told:
    """A room's watcher that keeps what goes."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, str]] = []

    def on_program(self, *_: object) -> None: ...

    def on_heard(self, *_: object) -> None: ...

    def on_speaking(self, *_: object) -> None: ...

    def on_source(self, *_: object) -> None: ...

    def on_source_gone(self, participant_id: str, what: str, rid: str) -> None:
        self.gone.append((participant_id, what))

    def on_room_closed(self, reason: str) -> None: ...


async def test_masks_that_are_drawn_take_the_naked_picture_away_at_once(
    shard: Shard,
    world: World,
    sites: CameraSites,
) -> None:
    await world.hold(world.source(recorded=False))
    meeting_id, a, camera = await with_camera(shard)
    page = await shard.join(meeting_id, a)
    await page.look(("v0", camera))
    await page.site.until(lambda: bool(page.site.in_slot("v0")), 30)
    slot = shard.rooms.rooms[meeting_id].members[a].pictures["v0"]
    assert slot.showing is not None
    told = Told()
    shard.rooms.rooms[meeting_id].watch(told)
    world.shard.derived.cover({CAMERA: (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)})
    sites.cover()
    # Before anything else can happen: there is no await between drawing and this.
    assert slot.showing is None
    # Nor does whoever records the room go on with it.
    assert told.gone == [(camera, "camera")]


def sizes(page: Page) -> list[tuple[int, int]]:
    """Of the pictures in the first slot, by their parameter sets."""
    found = []
    for one in page.site.in_slot("v0"):
        _, data = H264PayloadDescriptor.parse(one.payload)
        for unit in split_annex_b(data):
            if unit[0] & 31 == 7:
                track = h264.track_from_parameter_sets(unit, b"\x68\xce\x3c\x80")
                found.append((track.width, track.height))
    return found


async def test_small_tiles_are_sent_the_sub_stream_and_large_ones_the_main(
    shard: Shard, world: World, sites: CameraSites, tmp_path: Path
) -> None:
    large = make_media(
        tmp_path / "large.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=10:duration=4", "-c:v", "libx264"),
        *("-preset", "ultrafast", "-profile:v", "baseline", "-b:v", "1M", "-g", "10"),
        *("-pix_fmt", "yuv420p"),
    )
    world.cameras.add("large", load_clip(large))
    await world.hold(
        world.source(recorded=False, name="large"),
        world.source(Variant.SUB, recorded=False, name="gate/sub"),
    )
    meeting_id, a, camera = await with_camera(shard)
    page = await shard.join(meeting_id, a)
    await page.look(("v0", camera), height_px=180)
    await page.until(lambda: layers(page) == ["l"], 60)
    before = len(sizes(page))
    await page.site.until(lambda: len(sizes(page)) > before + 1, 60)
    small = sizes(page)[-1]
    assert small[1] < 720
    await page.look(("v0", camera), height_px=720)
    await page.site.until(lambda: sizes(page)[-1] == (1280, 720), 60)
    assert layers(page) == ["h"]
    # Where there is no more of it, the main stands in.
    await page.look(("v0", camera), height_px=180)
    await page.site.until(lambda: sizes(page)[-1] == small, 60)
    await world.hold(world.source(recorded=False, name="large"))
    await page.site.until(lambda: sizes(page)[-1] == (1280, 720), 60)


def layers(page: Page) -> list[str | None]:
    """What the page was told last that its slots show."""
    tiles = page.newest("tiles")
    return [] if tiles is None else [one["layer"] for one in tiles["slots"]]


async def test_a_camera_of_another_shard_is_borrowed_from_it(world: World) -> None:
    """Over the real control channel, with its first picture a keyframe."""
    await world.hold(world.source(recorded=False))
    secret = secrets.token_bytes(32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        calls = media_calls(world.shard, Snapshots(NoTranscoder()))  # type: ignore[arg-type]
        server = ControlServer(path, secret, calls)
        await server.start()
        client = ControlClient(path, secret)
        async with borrowed(client, CAMERA, Variant.MAIN) as stream:
            assert await keyframe_comes(stream, 30)
            assert stream.gop[0].keyframe
        assert stream.closed
        await client.close()
        await server.close()
