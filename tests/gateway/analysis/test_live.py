"""Pictures on their way from a shard: what the shard dropped is told as what mailboxes drop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.analysis.live import LiveFeeds
from gateway.analysis.mailboxes import DROPPED, Mailboxes, Missed
from gateway.control.channel import ControlClient, ControlServer

SECOND = 1_000_000
NOW_US = 1_800_000_000 * SECOND
SECRET = b"s" * 32
RUN: dict[str, Any] = {"type": "run", "variant": "main", "tracks": []}


def units(*at_s: float) -> dict[str, Any]:
    made = [[0, b"picture", 0, 0, True, NOW_US + round(at * SECOND)] for at in at_s]
    return {"type": "units", "units": made}


def skipped(start_s: float, end_s: float, count: int = 5) -> dict[str, Any]:
    return {
        "type": "skipped", "units": count, "start_us": NOW_US + round(start_s * SECOND),
        "end_us": NOW_US + round(end_s * SECOND),
    }  # fmt: skip


class Fed:
    """What arrives of what a shard says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.missed: list[Missed] = []
        self.boxes = Mailboxes(bytes_of_camera=10**6, bytes_limit=10**7, age_us=3600 * SECOND)

    async def says(self, *messages: Mapping[str, Any]) -> list[tuple[float, float]]:
        done = asyncio.Event()

        async def told(
            camera_id: str, incoming: AsyncIterator[Mapping[str, Any]]
        ) -> AsyncIterator[Mapping[str, Any]]:
            for message in messages:
                yield message
            yield {"type": "interrupted", "cause": "camera_offline", "detail": "that is all"}
            await asyncio.Event().wait()

        def on_pictures() -> None:
            if feeds.cameras["cam_1"].state == "silent":
                done.set()

        server = ControlServer(self.path, SECRET, {"analysis.units": told})
        client = ControlClient(self.path, SECRET)
        feeds = LiveFeeds(
            lambda _: client, self.boxes, on_pictures=on_pictures, on_missed=self.missed.extend
        )
        await server.start()
        try:
            feeds.want({"cam_1": "shard-1"})
            async with asyncio.timeout(30):
                await done.wait()
            self.skipped_units = feeds.cameras["cam_1"].skipped_units
        finally:
            await feeds.close()
            await client.close()
            await server.close()
        assert {(one.camera_id, one.cause) for one in self.missed} <= {("cam_1", DROPPED)}
        return [
            ((one.start_us - NOW_US) / SECOND, (one.end_us - NOW_US) / SECOND)
            for one in self.missed
        ]


@pytest.fixture
def fed(tmp_path: Path) -> Fed:
    return Fed(tmp_path / "shard.sock")


async def test_what_the_shard_dropped_is_missed_from_the_picture_before(fed: Fed) -> None:
    missed = await fed.says(RUN, units(1, 2), skipped(4, 8), units(8, 9))
    assert missed == [(2 + 1 / SECOND, 8)] and fed.skipped_units == 5
    # What comes next does not join what came before.
    kinds = [kind for kind, _ in fed.boxes.take("cam_1", 10)]
    assert kinds == ["run", "unit", "unit", "break", "unit", "unit", "end"]


async def test_it_is_missed_before_any_picture_and_at_the_end_of_a_run_too(fed: Fed) -> None:
    assert await fed.says(RUN, skipped(1, 3), RUN, units(4), skipped(5, 6), RUN) == [
        (1, 3), (4 + 1 / SECOND, 6),
    ]  # fmt: skip


async def test_time_without_pictures_is_not_called_dropped(fed: Fed) -> None:
    interrupted = {"type": "interrupted", "cause": "camera_offline", "detail": ""}
    assert await fed.says(RUN, units(1), interrupted, RUN, skipped(20, 21)) == [(20, 21)]
    fed.missed.clear()
    assert await fed.says(RUN, units(1), skipped(100, 101)) == [(100, 101)]
