"""Restreams: who holds the token, from the right network, in time, and nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import gateway.demo
from camera_adapters.rtsp import server_transport
from camera_adapters.rtsp.probe import probe
from camera_adapters.stream import Stream, Variant
from gateway.audit.watching import Watched
from gateway.demo.clip import load_clip
from gateway.demo.replay import Replay
from gateway.identifiers import now_us
from gateway.live.restream import Permission, Restreams

HOUR_US = 3600 * 1_000_000


@dataclass(frozen=True)
class Row:
    restream_id: str = "rst_1"
    camera_id: str = "cam_1"
    variant: Variant = Variant.MAIN
    addresses: tuple[str, ...] = ("127.0.0.0/8",)
    user_id: str = "usr_1"
    user_name: str = "chen"
    expires_us: int = 0
    may_lift_masks: bool = True


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for what nothing announces; at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def by_token(token: str, row: Row) -> dict[str, Permission]:
    return {hashlib.sha256(token.encode()).hexdigest(): row}


@pytest.fixture
def row() -> Row:
    return Row(expires_us=now_us() + HOUR_US)


@dataclass
class Served:
    restreams: Restreams
    opened: list[tuple[str, str]]
    watched: list[Watched]
    refused: list[tuple[str, str]]

    def url(self, token: str) -> str:
        return f"rtsp://127.0.0.1:{self.restreams.port}/{token}"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    clip = load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4")
    replay = Replay(Stream("cam_1", Variant.MAIN), clip)
    replay.start()
    opened: list[tuple[str, str]] = []

    async def open_restream(permission: Permission, peer: str) -> Stream:
        opened.append((permission.restream_id, peer))
        return replay.stream

    watched: list[Watched] = []
    refused: list[tuple[str, str]] = []
    restreams = Restreams(
        open_restream, watched.append, lambda why, address: refused.append((why, address))
    )
    await restreams.start("127.0.0.1", 0)
    yield Served(restreams, opened, watched, refused)
    await restreams.stop()
    replay.stop()


async def test_the_token_opens_and_the_opening_is_told_with_its_address(
    served: Served, row: Row
) -> None:
    served.restreams.permit(by_token("secret", row))
    result = await probe(served.url("secret"))
    assert result.ok, result.line
    assert served.opened == [("rst_1", "127.0.0.1")]


@pytest.mark.parametrize(
    ("token", "change"),
    [
        ("guess", {}),
        ("secret", {"addresses": ("10.0.0.0/8",)}),
        ("secret", {"addresses": ()}),
        ("secret", {"expires_us": 1}),
    ],
)
async def test_nobody_else_learns_more_than_not_found(
    served: Served, row: Row, token: str, change: dict[str, object]
) -> None:
    served.restreams.permit(by_token("secret", replace(row, **change)))  # type: ignore[arg-type]
    result = await probe(served.url(token))
    assert not result.ok
    assert "404" in result.line
    assert (served.opened, served.watched) == ([], [])
    # But who asked is told to the register.
    assert {address for _, address in served.refused} == {"127.0.0.1"}
    assert all("restream" in why and token not in why for why, _ in served.refused)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("way", ["revoked", "row is gone", "expired", "masks are drawn"])
async def test_who_plays_is_cut_off_when_the_permission_ends(
    served: Served, row: Row, way: str
) -> None:
    row = replace(row, may_lift_masks=way != "masks are drawn")
    served.restreams.permit(by_token("secret", row))
    player = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", served.url("secret")),
        *("-f", "null", "-"),
    )
    try:
        async with asyncio.timeout(20):
            await eventually(lambda: served.restreams.session_count)
            served.restreams.cover({"cam_1" if row.may_lift_masks else "cam_2"}.__contains__)
            assert served.restreams.session_count, "who sees beneath these masks goes on"
            match way:
                case "masks are drawn":
                    served.restreams.cover({"cam_1"}.__contains__)
                case "revoked":
                    assert served.restreams.revoke("rst_1")
                case "row is gone":
                    served.restreams.permit({})
                case _:
                    served.restreams.permit(by_token("secret", replace(row, expires_us=1)))
            await player.wait()
        assert served.restreams.session_count == 0
        # What it saw is told, though the permission is gone by now.
        await eventually(lambda: served.watched)
        (told,) = served.watched
        assert (told.action, told.session_id, told.user_id) == ("restream", "rst_1", "usr_1")
        assert (told.camera_id, told.detail["address"]) == ("cam_1", "127.0.0.1")
        assert now_us() - HOUR_US < told.start_us < told.end_us <= now_us()
    finally:
        if player.returncode is None:
            player.kill()
            await player.wait()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
async def test_who_plays_for_ever_is_told_of_again_and_again(
    served: Served, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_transport, "_LONG_PLAY_US", 0)
    monkeypatch.setattr(server_transport, "_REPORT_INTERVAL_S", 0.05)
    served.restreams.permit(by_token("secret", row))
    player = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "quiet", "-rtsp_transport", "tcp", "-i", served.url("secret")),
        *("-f", "null", "-"),
    )
    try:
        # The first turn was set before the interval was made short.
        await eventually(lambda: len(served.watched) >= 3)
    finally:
        player.kill()
        await player.wait()
    first, second, third = served.watched[:3]
    assert first.end_us <= second.start_us <= second.end_us <= third.start_us
    assert second.start_us - first.end_us < 1_000_000
    assert first.report_id != second.report_id
