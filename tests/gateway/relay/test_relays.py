"""A camera of one shard, watched on another: one copy on its way, whoever owns the camera."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Stream, Variant
from gateway.control.channel import ControlClient, ControlError, ControlServer
from gateway.identifiers import now_us
from gateway.live.waiting import run_begins
from gateway.live.whep import SessionRefused
from gateway.relay.receiving import Relays
from gateway.relay.sending import MASKS_DIFFER, RelaySending
from gateway.shard.derived import DerivedVariants
from gateway.shard.live import LiveDoor
from gateway.shard.sessions import LiveSessions
from gateway.shard.shard import MediaShard
from gateway.tickets import Ticket, TicketSigner
from tests.gateway.shard.conftest import (  # noqa: F401  # fixtures
    CAMERA,
    NoTranscoder,
    Viewer,
    World,
    cameras,
    crossing,
    engine,
    world,
)

SECRET = bytes(32)
SIGNER = TicketSigner(SECRET)
MASKS = {CAMERA: (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)}
GRACE_S = 0.3


@dataclass
class Pair:
    """``shard-1``, which owns the camera, and ``shard-2`` beside it; ``rows`` say who owns it."""

    world: World
    folder: Path
    second: MediaShard
    rows: dict[str, str] = field(default_factory=lambda: {CAMERA: "shard-1"})
    reconciled: Counter[str] = field(default_factory=Counter)
    servers: dict[str, ControlServer] = field(default_factory=dict)
    senders: dict[str, RelaySending] = field(default_factory=dict)
    relays: Relays = field(init=False)

    def __post_init__(self) -> None:
        self.relays = Relays(
            "shard-2",
            self.second,
            self.owners,
            lambda name: ControlClient(self.folder / name, SECRET, connect_timeout_s=0.2),
            lambda: self.reconcile("shard-2"),
            grace_s=GRACE_S,
        )

    async def owners(self, camera_ids: Iterable[str]) -> Mapping[str, str]:
        return {one: self.rows[one] for one in camera_ids if one in self.rows}

    async def reconcile(self, shard: str) -> None:
        self.reconciled[shard] += 1

    async def serve(self, name: str) -> RelaySending:
        """Have the camera's shard answer by this name."""
        sender = RelaySending(self.world.shard, lambda: self.reconcile(name))
        server = self.servers[name] = ControlServer(self.folder / name, SECRET, sender.calls())
        await server.start()
        self.senders[name] = sender
        return sender

    def watch(self, stream: Stream) -> Viewer:
        viewer = Viewer()
        stream.attach(viewer)
        return viewer


@pytest.fixture
async def pair(world: World, tmp_path: Path) -> AsyncIterator[Pair]:  # noqa: F811
    transcoder = NoTranscoder()
    second = MediaShard(
        world.recorder,
        DerivedVariants(transcoder, lambda *_: None),  # type: ignore[arg-type]
        clock=SteadyClock(),
        on_state=lambda _: None,
    )
    made = Pair(world, tmp_path, second)
    await made.serve("shard-1")
    await world.hold(world.source(Variant.MAIN, recorded=False))
    yield made
    await made.relays.close()
    for server in made.servers.values():
        await server.close()
    await second.close()


async def until(holds: object) -> None:
    async with asyncio.timeout(60):
        while not holds():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_two_viewers_there_are_one_copy_from_here_as_long_as_one_watches(pair: Pair) -> None:
    stream = pair.relays.stream(CAMERA, Variant.MAIN)
    assert pair.relays.stream(CAMERA, Variant.MAIN, Variant.SUB) is stream, "made from nothing"
    one, two = pair.watch(stream), pair.watch(stream)
    await one.sees(3)
    await two.sees(3)
    local = pair.world.shard.stream(CAMERA, Variant.MAIN)
    assert len(local.sinks) == 1
    assert stream.tracks == local.tracks
    assert one.units[0].keyframe
    sent = pair.senders["shard-1"].figures()["shard-2"]
    assert sent["streams"] == 1
    assert sum(len(unit.payload) for unit in one.units) <= sent["bytes"]
    received = pair.relays.figures()["shard-1"]
    assert received["streams"] == 1
    assert received["pictures"] <= sent["pictures"] < len(one.units) + len(two.units)

    stream.detach(one)
    await two.sees(2)
    stream.detach(two)
    await until(lambda: stream.closed)
    await until(lambda: not local.sinks)
    assert len(pair.relays) == 0
    after = pair.senders["shard-1"].figures()["shard-2"]
    assert after["streams"] == 0
    assert after["pictures"] >= sent["pictures"], "what was sent stays counted"


async def test_a_relay_begins_with_the_pictures_since_the_last_keyframe(pair: Pair) -> None:
    here = pair.world.watch()
    await here.sees(3)
    stream = pair.relays.stream(CAMERA, Variant.MAIN)
    assert await run_begins(stream, 60)
    await until(lambda: stream.gop)
    begun_at_90k = stream.gop[0].pts_90k
    assert stream.gop[0].keyframe
    assert begun_at_90k in {unit.pts_90k for unit in here.units}, "from before it was asked for"


async def test_its_viewers_stay_when_another_shard_takes_the_camera(pair: Pair) -> None:
    stream = pair.relays.stream(CAMERA, Variant.MAIN)
    viewer = pair.watch(stream)
    await viewer.sees(2)
    await pair.serve("shard-3")
    pair.rows[CAMERA] = "shard-3"
    await pair.relays.look({})
    await viewer.until(lambda: viewer.runs == 2)
    await viewer.sees(2)
    await until(lambda: pair.senders["shard-1"].figures()["shard-2"]["streams"] == 0)
    assert pair.senders["shard-3"].figures()["shard-2"]["streams"] == 1


async def test_its_viewers_stay_when_the_shard_dies_and_are_told_meanwhile(pair: Pair) -> None:
    viewer = pair.watch(pair.relays.stream(CAMERA, Variant.MAIN))
    await viewer.sees(2)
    await pair.servers.pop("shard-1").close()
    await viewer.until(lambda: bool(viewer.interruptions))
    assert viewer.interruptions[-1].cause == "gateway_stopped"
    await pair.serve("shard-1")
    await viewer.until(lambda: viewer.runs == 2)
    await viewer.sees(2)


async def test_its_viewers_stay_when_the_camera_comes_to_their_own_shard(pair: Pair) -> None:
    stream = pair.relays.stream(CAMERA, Variant.MAIN)
    viewer = pair.watch(stream)
    await viewer.sees(2)
    await pair.second.reconcile({f"{CAMERA}/main": pair.world.source(Variant.MAIN, recorded=False)})
    pair.rows[CAMERA] = "shard-2"
    await pair.relays.look({})
    await viewer.until(lambda: viewer.runs == 2)
    await viewer.sees(2)
    assert len(pair.second.stream(CAMERA, Variant.MAIN).sinks) == 1
    await until(lambda: pair.senders["shard-1"].figures()["shard-2"]["streams"] == 0)


async def test_what_viewers_need_is_told_once_for_all_of_them(pair: Pair) -> None:
    wanted = 0
    local = pair.world.shard.stream(CAMERA, Variant.MAIN)

    def want(_: Stream) -> None:
        nonlocal wanted
        wanted += 1

    stream = pair.relays.stream(CAMERA, Variant.MAIN)
    viewer = pair.watch(stream)
    await viewer.sees(2)
    local.on_keyframe_wanted = want
    for _ in range(50):
        stream.want_keyframe()
    await pair.relays.look({(CAMERA, Variant.MAIN): 7})
    await until(lambda: pair.senders["shard-1"].viewers()[CAMERA, Variant.MAIN] == 7)
    await until(lambda: wanted)
    assert wanted == 1


async def test_nothing_leaves_for_a_shard_that_does_not_know_of_the_masks(pair: Pair) -> None:
    sender = pair.senders["shard-1"]
    stream = pair.relays.stream(CAMERA, Variant.MAIN)
    viewer = pair.watch(stream)
    await viewer.sees(2)
    pair.world.shard.derived.cover(MASKS)
    sender.cover()
    await viewer.until(lambda: bool(viewer.interruptions))
    await until(lambda: pair.reconciled["shard-2"] >= 1)
    seen = len(viewer.units)
    asked = pair.reconciled["shard-2"]
    await until(lambda: pair.reconciled["shard-2"] >= asked + 2)
    assert len(viewer.units) == seen, "it was asked for again, and again refused"
    # There the rows are read, by which who must not see beneath them is sent away; who may stays.
    pair.second.derived.cover(MASKS)
    await viewer.sees(2)
    assert viewer.runs == 2


async def test_a_shard_that_knows_of_masks_waits_for_the_one_that_draws_them(pair: Pair) -> None:
    client = ControlClient(pair.folder / "shard-1", SECRET)
    try:
        with pytest.raises(ControlError) as refused:
            async for _ in client.stream(
                "relay.units",
                camera_id=CAMERA,
                variant="masked",
                made_from="main",
                masked=True,
                receiver="shard-2",
            ):
                pytest.fail("a picture without its masks")
        assert refused.value.code == MASKS_DIFFER
        assert pair.reconciled["shard-1"] == 1
    finally:
        await client.close()


async def test_a_camera_that_nobody_owns_is_waited_for(pair: Pair) -> None:
    pair.rows.clear()
    viewer = pair.watch(pair.relays.stream(CAMERA, Variant.MAIN))
    await viewer.until(lambda: bool(viewer.interruptions))
    pair.rows[CAMERA] = "shard-1"
    await viewer.sees(1)


async def test_a_camera_that_nobody_gives_for_long_ends_so_that_its_viewers_ask_why(
    pair: Pair,
) -> None:
    pair.relays.give_up_s = 1.0
    viewer = pair.watch(pair.relays.stream(CAMERA, Variant.MAIN))
    await viewer.sees(1)
    pair.rows.clear()
    await pair.servers.pop("shard-1").close()
    await viewer.until(lambda: viewer.closed)
    assert len(pair.relays) == 0


def ticket(relay: str | None) -> str:
    return SIGNER.sign(
        Ticket(
            "ses_1", "usr_1", "chen", (CAMERA,), "main", "live", None, None,
            now_us() + 30_000_000, False, relay=relay,
        )
    )  # fmt: skip


async def test_only_a_ticket_that_names_this_shard_opens_another_shards_camera(pair: Pair) -> None:
    sessions = LiveSessions(SIGNER, name="shard-2")
    door = LiveDoor(pair.second, sessions, pair.relays)
    for other, status in ((None, 404), ("shard-3", 403)):
        with pytest.raises(SessionRefused) as refused:
            await door.for_mse(ticket(other))
        assert refused.value.status == status
    assert len(sessions) == 0
    assert len(pair.relays) == 0
    stream, session = await door.for_webrtc(ticket("shard-2"))
    assert stream.running
    assert sessions.viewers()[CAMERA, Variant.MAIN] == 1
    session.ended("ended_by_viewer")


async def test_not_even_the_cameras_own_shard_opens_what_another_is_to_relay(pair: Pair) -> None:
    sessions = LiveSessions(SIGNER, name="shard-1")
    with pytest.raises(SessionRefused) as refused:
        await LiveDoor(pair.world.shard, sessions).for_mse(ticket("shard-2"))
    assert refused.value.code == "not_allowed"
    assert len(sessions) == 0


async def test_masks_that_are_drawn_send_relayed_viewers_away_too(pair: Pair) -> None:
    sessions = LiveSessions(SIGNER, name="shard-2")
    door = LiveDoor(pair.second, sessions, pair.relays)
    _, session = await door.for_mse(ticket("shard-2"))
    pair.second.derived.cover(MASKS)
    assert sessions.seeing_all_of(MASKS.__contains__) == [session]
    with pytest.raises(SessionRefused) as refused:
        await door.for_mse(ticket("shard-2"))
    assert refused.value.code == "masked"
