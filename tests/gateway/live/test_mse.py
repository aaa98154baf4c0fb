"""Live view over a WebSocket: what is sent plays, goes on across runs, and is never far behind."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

import gateway.demo
from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Stream, Track, Variant
from gateway.demo.clip import Clip, load_clip
from gateway.live import mse_muxer
from gateway.live.mse import BEHIND_LIMIT_S, MseEndpoint, MseViewer
from gateway.live.mse_muxer import Fragment, MseMuxer
from gateway.live.whep import SessionRefused
from gateway.shard.web import serve_http

AAC = Track("audio", Codec.AAC, 16000, (b"\x14\x08",), channels=1)
PCMA = Track("audio", Codec.PCMA, 8000, channels=1)


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for what nothing announces; at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4")


@dataclass
class Reader:
    """Keeps what the muxer gives."""

    runs: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    fragments: list[Fragment] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    reason: str | None = None

    def on_run(self, message: str, head: bytes) -> None:
        self.runs.append((json.loads(message), head))

    def on_fragment(self, fragment: Fragment) -> None:
        self.fragments.append(fragment)

    def on_interruption(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def close(self, reason: str) -> None:
        self.reason = reason

    def film(self) -> bytes:
        return self.runs[0][1] + b"".join(one.data for one in self.fragments)


def play(stream: Stream, clip: Clip, first: int, count: int, *, wall_us: int = 10**15) -> None:
    for unit in clip.units[first : first + count]:
        stream.publish(
            AccessUnit(
                unit.track_index,
                unit.payload,
                unit.pts_90k,
                unit.dts_90k,
                unit.keyframe,
                wall_us + unit.pts_90k * 100 // 9,
            )
        )


def decode_times(data: bytes) -> list[float]:
    with av.open(io.BytesIO(data)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def base_decode_time(fragment: Fragment) -> int:
    at = fragment.data.index(b"tfdt")
    return int.from_bytes(fragment.data[at + 8 : at + 16], "big")


def test_every_picture_is_a_fragment_and_all_of_them_decode(clip: Clip) -> None:
    stream, reader = Stream("cam", Variant.MAIN), Reader()
    MseMuxer(stream, None).attach(reader)
    stream.start_run(clip.tracks)
    play(stream, clip, 0, 45)
    assert len(reader.fragments) == 45
    assert [one.keyframe for one in reader.fragments].index(True, 1) == 10
    assert decode_times(reader.film()) == pytest.approx([n / 10 for n in range(45)])
    message, _ = reader.runs[0]
    assert message["mime"].startswith('video/mp4; codecs="avc1.42')
    assert message["start_us"] == 10**15


def test_a_late_viewer_gets_the_pictures_since_the_keyframe_and_the_same_bytes(clip: Clip) -> None:
    stream, early, late = Stream("cam", Variant.MAIN), Reader(), Reader()
    muxer = MseMuxer(stream, None)
    muxer.attach(early)
    stream.start_run(clip.tracks)
    play(stream, clip, 0, 33)
    muxer.attach(late)
    play(stream, clip, 33, 2)
    assert late.runs == early.runs
    # The replayed ones come as one, those from now on are shared with everybody.
    assert late.fragments[0].data == b"".join(one.data for one in early.fragments[30:33])
    assert late.fragments[1] is early.fragments[33]


def test_time_goes_on_across_runs_as_the_wall_clock_says(clip: Clip) -> None:
    stream, reader = Stream("cam", Variant.MAIN), Reader()
    MseMuxer(stream, None).attach(reader)
    stream.start_run(clip.tracks)
    play(stream, clip, 0, 10)
    stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "it went away"))
    stream.start_run(clip.tracks)
    play(stream, clip, 0, 3, wall_us=10**15 + 7_000_000)
    assert reader.interruptions[0].detail == "it went away"
    assert len(reader.runs) == 2
    assert base_decode_time(reader.fragments[9]) == 9 * 9000
    assert base_decode_time(reader.fragments[10]) == 7 * 90000
    assert {message["start_us"] for message, _ in reader.runs} == {10**15}


def test_sound_goes_with_the_picture_after_it(clip: Clip) -> None:
    stream, reader = Stream("cam", Variant.MAIN), Reader()
    MseMuxer(stream, None).attach(reader)
    stream.start_run((*clip.tracks, AAC))
    for number, unit in enumerate(clip.units[:20]):
        for part in range(2):
            at = unit.pts_90k - 4500 * (2 - part)
            stream.publish(AccessUnit(1, b"\x01" * 40, at, at, True, 10**15))
        play(stream, clip, number, 1)
    assert "mp4a.40.2" in reader.runs[0][0]["mime"]
    # The sound before the first picture has no place; the other pictures have two frames each.
    assert [one.data.count(b"traf") for one in reader.fragments] == [1] + [2] * 19


def test_sound_that_mse_cannot_play_is_left_out_and_named(clip: Clip) -> None:
    stream, reader = Stream("cam", Variant.MAIN), Reader()
    MseMuxer(stream, None).attach(reader)
    stream.start_run((*clip.tracks, PCMA))
    stream.publish(AccessUnit(1, bytes(160), 0, 0, True, 10**15))
    play(stream, clip, 0, 5)
    message, _ = reader.runs[0]
    assert message["sound_left_out"] == "pcma"
    assert decode_times(reader.film()) == pytest.approx([n / 10 for n in range(5)])


def test_a_camera_that_promises_sound_and_sends_none_loses_the_track(
    clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(mse_muxer, "time", SimpleNamespace(monotonic=lambda: now_s))
    stream, reader = Stream("cam", Variant.MAIN), Reader()
    MseMuxer(stream, None).attach(reader)
    stream.start_run((*clip.tracks, AAC))
    play(stream, clip, 0, 45)  # all at once: a replayed GOP proves nothing
    assert len(reader.runs) == 1
    now_s += 4
    play(stream, clip, 45, 20)
    assert ["mp4a" in run["mime"] for run, _ in reader.runs] == [True, False]
    stream.publish(AccessUnit(1, b"\x01" * 40, 65 * 9000, 65 * 9000, True, 10**15))
    play(stream, clip, 65, 20)
    assert ["mp4a" in run["mime"] for run, _ in reader.runs] == [True, False, True]


def test_the_muxer_leaves_its_stream_with_the_last_viewer(clip: Clip) -> None:
    stream, reader = Stream("cam", Variant.MAIN), Reader()
    muxer = MseMuxer(stream, None)
    muxer.attach(reader)
    muxer.detach(reader)
    assert stream.sinks == ()
    muxer.attach(reader)
    stream.close()
    assert reader.reason == "stream_closed"


class StuckSocket:
    """A WebSocket whose other end takes nothing until it is let go."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self.free = asyncio.Event()

    async def send_text(self, data: str) -> None:
        await self.free.wait()
        self.sent.append(data)

    async def send_bytes(self, data: bytes) -> None:
        await self.free.wait()
        self.sent.append(data)

    async def receive(self) -> dict[str, str]:
        await asyncio.Event().wait()
        return {}


async def test_a_slow_viewer_skips_to_a_keyframe_and_is_told(
    clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = StuckSocket()
    viewer = MseViewer(socket)  # type: ignore[arg-type]
    now_s = 0.0
    clock = SimpleNamespace(time=lambda: now_s, create_task=asyncio.create_task)
    monkeypatch.setattr(viewer, "_loop", clock)
    running = asyncio.create_task(viewer.run())
    viewer.on_run('{"type": "run"}', b"head")
    await asyncio.sleep(0)
    for number in range(40):
        viewer.on_fragment(Fragment(b"%d" % number, number % 20 == 0))
        now_s += 0.1
    socket.free.set()
    await eventually(lambda: not viewer._queue)
    viewer.on_fragment(Fragment(b"40", True))
    await asyncio.sleep(0)
    viewer.close("test")
    assert await running == "test"
    assert now_s > BEHIND_LIMIT_S
    texts = [json.loads(one)["type"] for one in socket.sent if isinstance(one, str)]
    assert texts == ["run", "skipped"]
    pictures = [int(one) for one in socket.sent if isinstance(one, bytes) and one != b"head"]
    assert pictures[0] % 20 == 0
    assert pictures[-1] == 40
    assert viewer.pictures_skipped > 0


async def test_a_page_that_says_what_came_through_is_kept_fresh_behind_any_buffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    socket = StuckSocket()
    socket.free.set()  # whatever is sent vanishes in some proxy's buffer at once
    viewer = MseViewer(socket)  # type: ignore[arg-type]
    now_s = 0.0
    clock = SimpleNamespace(time=lambda: now_s, create_task=asyncio.create_task)
    monkeypatch.setattr(viewer, "_loop", clock)
    running = asyncio.create_task(viewer.run())

    async def show(first: int, count: int) -> None:
        nonlocal now_s
        for number in range(first, first + count):
            viewer.on_fragment(Fragment(b"%04d" % number, number % 20 == 0))
            now_s += 0.125
            await eventually(lambda: not viewer._queue)

    viewer.on_message('{"type": "received", "bytes": 0}')
    await show(0, 15)
    viewer.on_message('{"type": "received", "bytes": 60}')
    await show(15, 45)  # nothing comes through any more
    sent = [int(one) for one in socket.sent if isinstance(one, bytes)]
    assert sent == list(range(32))  # 2 s from the first one that did not
    assert '{"type": "skipped"}' in socket.sent
    viewer.on_message('{"type": "received", "bytes": 128}')
    await show(60, 5)
    assert [int(one) for one in socket.sent if isinstance(one, bytes)][32:] == [60, 61, 62, 63, 64]
    viewer.close("test")
    await running


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", '{"type": "received"}', '{"bytes": 3}', "[" * 9999),
        '{"type": "received", "bytes": 1e999}',
    ],
)
async def test_a_page_may_say_anything(text: str) -> None:
    viewer = MseViewer(StuckSocket())  # type: ignore[arg-type]
    viewer.on_message(text)
    viewer.on_fragment(Fragment(b"picture", True))
    assert len(viewer._queue) == 1


@dataclass
class Session:
    session_id: str
    reasons: list[str] = field(default_factory=list)

    def ended(self, reason: str, *, watched: bool = False) -> None:
        self.reasons.append(reason)


@dataclass
class Served:
    stream: Stream
    session: Session
    endpoint: MseEndpoint
    url: str

    def connect(self, ticket: str = "good") -> websockets.connect:
        return websockets.connect(f"{self.url}?ticket={ticket}")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    stream, session = Stream("cam", Variant.MAIN), Session("ses_1")

    async def open_session(ticket: str) -> tuple[Stream, Session]:
        if ticket != "good":
            raise SessionRefused(401, "ticket_refused", "ask for a new ticket")
        return stream, session

    endpoint = MseEndpoint(open_session)
    async with serve_http("shard-1", endpoint.routes()) as port:
        yield Served(stream, session, endpoint, f"ws://127.0.0.1:{port}/s/shard-1/mse")
        endpoint.close()


async def texts_until_closed(connection: ClientConnection) -> list[dict[str, Any]]:
    found = []
    try:
        while True:
            message = await asyncio.wait_for(connection.recv(), 10)
            if isinstance(message, str):
                found.append(json.loads(message))
    except websockets.ConnectionClosed:
        return found


async def test_a_browser_gets_run_head_and_pictures(served: Served, clip: Clip) -> None:
    served.stream.start_run(clip.tracks)
    async with served.connect() as connection:
        await eventually(lambda: served.stream.sinks)
        play(served.stream, clip, 0, 25)
        run = json.loads(await connection.recv())
        film = b"".join([await connection.recv() for _ in range(26)])
    assert run["type"] == "run"
    assert len(decode_times(film)) == 25


async def test_a_bad_ticket_is_told_and_closed(served: Served) -> None:
    async with served.connect("bad") as connection:
        assert await texts_until_closed(connection) == [
            {"type": "refused", "code": "ticket_refused", "message": "ask for a new ticket"}
        ]
        assert connection.close_code == 4401
    assert served.session.reasons == []


async def test_revoking_closes_at_once_and_ends_the_session(served: Served) -> None:
    async with served.connect() as connection:
        await eventually(lambda: served.stream.sinks)
        assert served.endpoint.revoke("ses_1")
        await texts_until_closed(connection)
        assert (connection.close_code, connection.close_reason) == (4403, "revoked")
    assert served.session.reasons == ["revoked"]
    assert not served.endpoint.revoke("ses_1")


async def test_a_viewer_that_goes_ends_its_session_and_leaves_the_stream(served: Served) -> None:
    left = asyncio.Event()
    async with served.connect():
        await eventually(lambda: served.stream.sinks)
        served.stream.on_sinks_changed = lambda stream: None if stream.sinks else left.set()
    await asyncio.wait_for(left.wait(), 10)
    await eventually(lambda: served.session.reasons)
    assert served.session.reasons == ["ended_by_viewer"]
