"""Players in a shard's rooms, over real footage, a real store and a real transcoder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from camera_adapters.rtp.clocks import SteadyClock
from gateway.control.channel import ControlClient
from gateway.database.meeting_tables import meeting_playbacks
from gateway.database.tables import cameras
from gateway.masks import MaskReader, Polygons
from gateway.meetings.journal import Journal
from gateway.meetings.playing.sites import RecordingSites, Workings
from gateway.transcoder.client import TranscoderClient
from recorder.rows import LocalRowWriter
from tests.gateway.footage.conftest import (  # noqa: F401  # fixtures
    CAMERA,
    SECRET,
    START_US,
    Clip,
    World,
    load,
    rows,
    settings,
    world,
)
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.a_shard import NAME, Page, Shard, a_shard
from tests.peers.media_file import make_media
from tests.peers.meeting_site import MeetingSite


@dataclass
class Cinema:
    """A shard with players, and the short ways that tests take to them."""

    shard: Shard
    world: World
    sites: RecordingSites
    workings: Workings
    # What the shard knows to be masked, by camera.
    drawn: dict[str, Polygons]

    @property
    def rows(self) -> Rows:
        return self.shard.rows

    async def bring(
        self, loop: bool = False, meeting_id: str | None = None, **playback: Any
    ) -> tuple[str, str, str]:
        """A running meeting with a village and what is played: the meeting, the two."""
        meeting_id = meeting_id or self.rows.called()
        (village,) = self.rows.invite(meeting_id, "a")
        recording = {
            "kind": "recording", "subject": "x", "name": "西门", "role": "observer",
            "camera_id": CAMERA if playback["source"] == "footage" else None,
        }  # fmt: skip
        (participant,) = self.rows.write(
            "meetings.bring", meeting_id=meeting_id, participants=[recording], invited_by="x",
            playbacks={"x": {"loop": loop, **playback}},
        )  # fmt: skip
        await self.shard.command("start", meeting_id, shard=NAME)
        return meeting_id, village, participant

    async def footage(
        self, seconds: float, after_s: float = 0.0, **more: Any
    ) -> tuple[str, str, str]:
        """The same with this much of the camera's footage."""
        start_us, length_us = START_US + round(after_s * 1e6), round(seconds * 1e6)
        return await self.bring(
            source="footage", start_us=start_us, end_us=start_us + length_us,
            length_us=length_us, **more,
        )  # fmt: skip

    async def say(self, meeting_id: str, participant_id: str, **said: Any) -> None:
        """What the API does when the chair commands."""
        arguments = {"state": None, "position_us": None, "loop": None, **said}
        await self.shard.command("playback", meeting_id, participant_id=participant_id, **arguments)

    async def looks(self, meeting_id: str, village: str, participant: str) -> Page:
        """A page that looks at it."""
        page = await self.shard.join(meeting_id, village, MeetingSite(video_slots=1, sound_slots=1))
        await page.look(("v0", participant))
        return page

    def end_us(self, seconds: float) -> int:
        """When so much of the footage was recorded."""
        return START_US + round(seconds * 1e6)

    def playback(self, participant_id: str) -> Any:
        """Its row."""
        table = meeting_playbacks
        (row,) = self.rows.all(table, table.c.participant_id == participant_id)
        return row

    async def until(self, participant_id: str, **columns: Any) -> Any:
        """Its row, as soon as it says so."""

        def there() -> bool:
            row = self.playback(participant_id)._mapping
            return all(row[name] == value for name, value in columns.items())

        await self.shard.written(there)
        return self.playback(participant_id)


def film(path: Path, *options: str) -> Path:
    """Eight seconds of 25 pictures each, a keyframe a second, with a tone."""
    return make_media(
        path,
        *("-f", "lavfi", "-i", "testsrc2=size=320x192:rate=25:duration=8"),
        *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=8"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"),
        *(options or ("-profile:v", "baseline", "-bf", "0", "-c:a", "libopus", "-ac", "1")),
    )


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """With sound in Opus."""
    return load(film(tmp_path_factory.mktemp("film") / "clip.mp4"))


@pytest.fixture(scope="session")
def other_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With B-frames, and sound in AAC: what telephones film."""
    options = ("-profile:v", "main", "-bf", "2", "-c:a", "aac", "-ac", "1")
    return film(tmp_path_factory.mktemp("film") / "other.mp4", *options)


@pytest.fixture
def county(tmp_path: Path) -> Iterator[Rows]:
    folder = tmp_path / "county"
    folder.mkdir()
    with a_county(folder) as made:
        with made.engine.begin() as connection:
            connection.execute(
                sa.insert(cameras).values(
                    id=CAMERA, area_id=made.areas["a"], name="gate",
                    main_url="rtsp://192.0.2.1/", sub_url="", transport="auto", record="off",
                    enabled=True, created_us=1, changed_us=1,
                )
            )  # fmt: skip
        yield made


@pytest.fixture
async def cinema(
    county: Rows,
    world: World,  # noqa: F811
    tmp_path: Path,
) -> AsyncIterator[Cinema]:
    reader = reader_beside(county.engine)
    writer = LocalRowWriter(county.engine)
    control = ControlClient(world.settings.data_directory / "transcoder.sock", SECRET)
    journal, drawn = Journal(writer), dict[str, Polygons]()
    writing = asyncio.create_task(journal.run())
    async with a_shard(county, sockets=tmp_path) as shard:
        workings = Workings(
            engine=reader,
            store=world.store,
            reader=world.server.reader,
            masks=MaskReader(world.engine),
            masks_now=lambda camera_id: drawn.get(camera_id, ()),
            output=shard.output,
            transcoder=TranscoderClient(control),
            journal=journal,
            clock_us=SteadyClock().now_us,
        )
        sites = RecordingSites(shard.rooms, workings)
        yield Cinema(shard, world, sites, workings, drawn)
        await sites.close()
    writing.cancel()
    await control.close()
    await reader.dispose()
    writer.close()
