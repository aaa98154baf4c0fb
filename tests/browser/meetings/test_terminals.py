"""A video terminal (GStreamer) and browsers see each other in a meeting of the whole gateway."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import serve_demo
from tests.browser.meetings.conftest import JOINED_MS, enter, sees
from tests.peers.sipp_device import free_udp_port
from tests.peers.video_terminal import VideoTerminal

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        shutil.which("gst-launch-1.0") is None
        or not Path("/usr/lib/python3/dist-packages/gi").is_dir(),
        reason="GStreamer and its Python are not installed",
    ),
]

Sit = Callable[..., Page]
PORT = free_udp_port()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A gateway that takes telephones from this machine."""
    with serve_demo(
        tmp_path_factory.mktemp("gateway"),
        GRIDSIGHT_MEETINGS__SIP__ENABLED="true",
        GRIDSIGHT_MEETINGS__SIP__PORT=str(PORT),
        GRIDSIGHT_MEETINGS__SIP__TRUNK_NETWORKS=json.dumps(["127.0.0.1/32"]),
    ) as gateway:
        yield gateway


class Hall:
    """Terminals, on an event loop beside the browser's."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._opened: list[VideoTerminal] = []

    def do(self, work: Coroutine[Any, Any, Any], limit_s: float = 60) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit_s)

    def terminal(self, name: str, colour: str, **more: Any) -> VideoTerminal:
        made = VideoTerminal(name, PORT, colour, **more)
        self.do(made.open())
        self._opened.append(made)
        return made

    def dials(self, terminal: VideoTerminal, to: str) -> None:
        async def work() -> None:
            assert await terminal.call(to) == 200
            terminal.film()
            terminal.talk(440)

        self.do(work())

    def close(self) -> None:
        async def work() -> None:
            for one in self._opened:
                if one.remote_sound is not None:
                    one.hang_up()
                await one.shut()

        self.do(work())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@pytest.fixture
def hall() -> Iterator[Hall]:
    made = Hall()
    yield made
    made.close()


def test_a_terminal_and_browsers_see_each_other(
    console: Any, meeting: str, sit: Sit, hall: Hall
) -> None:
    chair = sit()
    enter(chair, meeting, microphone=False)
    way = console.call("POST", f"/api/meetings/{meeting}/link", {"expires_in_s": 3600})["telephone"]
    room = hall.terminal("1001", "green")
    small = hall.terminal("1002", "blue", size=(160, 112), profile_level_id="42e00a")
    chair.locator("[data-act=people]").click()
    for one in (room, small):
        hall.dials(one, f"{way['number']}*{way['pin']}")
        waiting = chair.locator("[data-participant]").filter(has_text=f"☎ {one.name} (?)").first
        expect(waiting).to_be_visible(timeout=JOINED_MS)
        participant_id = waiting.get_attribute("data-participant")
        console.call("POST", f"/api/meetings/{meeting}/participants/{participant_id}/admit", {})
        row = chair.locator(f"[data-participant={participant_id}][data-state]")
        expect(row).to_have_attribute("data-state", "connected", timeout=JOINED_MS)
    sees(chair, "☎ 1001 (?)")
    # Chromium's test picture is mostly green, too: what counts is that it is decoded, and moves.
    seen = len(room.shown)
    own = chair.locator(".room-tile.is-own")
    expect(own).to_have_count(1)
    seats = console.call("GET", f"/api/meetings/{meeting}")["participants"]
    (mine,) = [one["id"] for one in seats if one["role"] == "chair"]
    console.call("POST", f"/api/meetings/{meeting}/participants/{mine}/give_floor", {})

    async def sees_the_chair() -> set[tuple[int, int]]:
        while True:
            await asyncio.sleep(0.1)
            sizes = {one[:2] for one in room.shown[-20:]}
            if len(room.shown) > seen + 100 and (160, 112) not in sizes:
                return sizes

    # A busy Chromium changes between qualities; all of them are its camera's.
    assert all(wide > high for wide, high in hall.do(sees_the_chair()))
    # Nothing that Chromium sends is as small as the other takes: it is there by its sound.
    row = chair.locator("[data-participant][data-state]").filter(has_text="☎ 1002 (?)")
    expect(row.locator("[data-sign=unshown]")).to_be_visible(timeout=JOINED_MS)
