"""Which shard owns which camera: a pure decision."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.cluster.placement import SLACK, Camera, Placement, Shard, place_cameras

HERE, THERE = ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("10.2.0.0/16")
HOSTS = [None, ipaddress.ip_address("10.1.0.7"), ipaddress.ip_address("10.2.0.7")]
NAMES = ["shard-1", "shard-2", "shard-3", "shard-4"]


def shard(name: str, capacity_mbps: float = 100.0, **facts: object) -> Shard:
    return Shard(name, capacity_mbps, **facts)  # type: ignore[arg-type]


def county(number: int, mbps: float = 2.0) -> list[Camera]:
    return [Camera(f"cam_{n}", (f"cam_{n}/main",), mbps) for n in range(number)]


class World:
    """Assignments, as the placements change them; a move that was begun ends with the turn."""

    def __init__(self, cameras: list[Camera], owners: dict[str, str] | None = None) -> None:
        self.cameras = cameras
        self.owners = dict(owners or {})
        self.moved = 0

    def turn(self, shards: list[Shard], moves_at_once: int = 3) -> Placement:
        placement = place_cameras(self.cameras, self.owners, shards, moves_at_once=moves_at_once)
        for source_id, owner in placement.owners.items():
            self.owners[source_id] = owner or ""
        for camera in self.cameras:
            if camera.camera_id in placement.moves:
                self.moved += 1
                end = placement.moves[camera.camera_id]
                self.owners.update(dict.fromkeys(camera.source_ids, end))
        return placement

    def settle(self, shards: list[Shard]) -> None:
        """Turn until nothing changes; it must come to rest."""
        for _ in range(len(self.cameras) + 2):
            placement = self.turn(shards)
            if not placement.owners and not placement.moves:
                return
        raise AssertionError("cameras move for ever")

    def owner(self, camera: Camera) -> str:
        (owner,) = {self.owners.get(source_id, "") for source_id in camera.source_ids}
        return owner

    def load(self, name: str) -> float:
        return sum(camera.mbps for camera in self.cameras if self.owner(camera) == name)


@st.composite
def cameras_of(draw: st.DrawFn) -> list[Camera]:
    made = []
    for number in range(draw(st.integers(0, 20))):
        variants = ["main", "sub"] if draw(st.booleans()) else ["main"]
        made.append(
            Camera(
                f"cam_{number}",
                tuple(f"cam_{number}/{variant}" for variant in variants),
                draw(st.sampled_from([0.5, 2.0, 8.0])),
                draw(st.sampled_from(HOSTS)),
            )
        )
    return made


@st.composite
def shards_of(draw: st.DrawFn) -> list[Shard]:
    return [
        shard(
            name,
            draw(st.sampled_from([50.0, 100.0])),
            networks=draw(st.sampled_from([(), (HERE,), (THERE,), (HERE, THERE)])),
            drained=draw(st.booleans()),
        )
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    ]


before = st.dictionaries(
    st.tuples(st.integers(0, 22), st.sampled_from(["main", "sub"])),
    st.sampled_from(["", "shard-1", "shard-2", "shard-dead"]),
)


@given(cameras_of(), before, shards_of())
def test_every_camera_that_is_reached_has_one_living_owner_that_reaches_it(
    cameras: list[Camera], owners: dict[tuple[int, str], str], shards: list[Shard]
) -> None:
    world = World(cameras, {f"cam_{n}/{variant}": o for (n, variant), o in owners.items()})
    placement = world.turn(shards)
    living = {one.name: one for one in shards}
    for camera in cameras:
        if any(one.reaches(camera.host) for one in shards):
            assert living[world.owner(camera)].reaches(camera.host)
        else:
            assert camera.camera_id in placement.unreachable
    wanted = {source_id for camera in cameras for source_id in camera.source_ids}
    assert all(not owner for s, owner in world.owners.items() if s not in wanted)
    world.settle(shards)


@given(cameras_of(), before, shards_of())
def test_nothing_moves_without_a_reason(
    cameras: list[Camera], owners: dict[tuple[int, str], str], shards: list[Shard]
) -> None:
    world = World(cameras, {f"cam_{n}/{variant}": o for (n, variant), o in owners.items()})
    world.settle(shards)
    rested = dict(world.owners)
    world.turn(shards)
    assert world.owners == rested
    # Another's death is no reason for those that it did not hold.
    gone, left = shards[0].name, shards[1:]
    if left:
        placement = place_cameras(cameras, rested, left, moves_at_once=0)
        assert all(rested.get(s, "") in ("", gone) for s in placement.owners)


@given(st.integers(0, 60), st.integers(1, 4), st.integers(0, 4))
def test_loads_stay_within_a_bound(number: int, first: int, further: int) -> None:
    world = World(county(number))
    world.settle([shard(f"shard-{n}") for n in range(first)])
    shards = [shard(f"shard-{n}") for n in range(first + further)]
    world.settle(shards)
    shares = [world.load(one.name) / one.capacity_mbps for one in shards]
    if max(shares) <= 1.0:
        assert max(shares) - min(shares) <= SLACK + 2 * 2.0 / 100.0


@given(cameras_of(), shards_of())
def test_a_drained_shard_ends_empty_where_others_have_room(
    cameras: list[Camera], shards: list[Shard]
) -> None:
    world = World(cameras)
    everywhere = [replace(one, networks=(), drained=False, capacity_mbps=1000.0) for one in shards]
    everywhere.append(shard("shard-9", 1000.0))
    world.settle(everywhere)
    drained = [replace(everywhere[0], drained=True), *everywhere[1:]]
    world.settle(drained)
    assert world.load(drained[0].name) == 0


def test_what_a_dead_shard_held_is_spread_over_the_others_at_once() -> None:
    world = World(county(30))
    world.settle([shard(name) for name in NAMES[:3]])
    world.turn([shard(name) for name in NAMES[1:3]], moves_at_once=0)
    assert Counter(world.owners.values()) == {"shard-2": 15, "shard-3": 15}


def test_a_new_shard_is_filled_a_few_cameras_at_a_time() -> None:
    world = World(county(40))
    world.settle([shard("shard-1")])
    both = [shard("shard-1"), shard("shard-2")]
    assert len(world.turn(both, moves_at_once=3).moves) == 3
    world.settle(both)
    assert 15 <= Counter(world.owners.values())["shard-2"] <= 20


def test_a_camera_on_its_way_counts_where_it_goes_and_takes_a_place_among_the_moving() -> None:
    cameras = [replace(one, successor="shard-2") for one in county(3)]
    cameras += [replace(one, camera_id=f"more_{n}") for n, one in enumerate(county(0))]
    owners = {one.source_ids[0]: "shard-1" for one in cameras}
    drained = [shard("shard-1", drained=True), shard("shard-2")]
    placement = place_cameras(cameras, owners, drained, moves_at_once=3)
    assert (placement.owners, placement.moves) == ({}, {})


def test_a_camera_that_pushes_stays_while_its_shard_lives() -> None:
    cameras = [replace(one, fixed=True) for one in county(40)]
    world = World(cameras, {one.source_ids[0]: "shard-1" for one in cameras})
    world.settle([shard("shard-1", drained=True), shard("shard-2")])
    assert world.load("shard-1") == 80.0
    world.settle([shard("shard-2")])
    assert world.load("shard-2") == 80.0


def test_when_the_owner_dies_the_successor_takes_over() -> None:
    (camera,) = county(1)
    moving = replace(camera, successor="shard-3")
    living = [shard("shard-2"), shard("shard-3")]
    placement = place_cameras([moving], {"cam_0/main": "shard-1"}, living, moves_at_once=3)
    assert placement.owners == {"cam_0/main": "shard-3"}


def test_without_a_living_shard_nothing_changes() -> None:
    placement = place_cameras(county(3), {"cam_0/main": "shard-1"}, [], moves_at_once=3)
    assert placement == Placement()
