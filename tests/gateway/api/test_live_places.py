"""Where a live view is opened: at the camera's own shard, and beside it when that is full."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.live_places import LivePlaces, choose_shard
from gateway.control.channel import ControlError


@pytest.mark.parametrize(
    ("viewers", "chosen"),
    [
        ({"one": 9, "two": 0}, "one"),
        ({"one": 10, "two": 3, "three": 2}, "three"),
        ({"one": 12, "two": 12}, "one"),
        ({"one": None, "two": 0}, "one"),
        ({"one": 10, "two": None}, "one"),
        ({"two": 40}, "two"),
        ({"two": None}, None),
        ({}, None),
    ],
)
def test_the_own_shard_while_it_has_room_then_the_one_with_fewest(
    viewers: dict[str, int | None], chosen: str | None
) -> None:
    assert choose_shard("one", viewers, 10) == chosen


@given(st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 30)), st.integers(1, 20))
def test_a_view_is_opened_wherever_some_shard_answers(
    viewers: dict[str, int | None], limit: int
) -> None:
    chosen = choose_shard("a", viewers, limit)
    known = [count for count in viewers.values() if count is not None]
    if chosen is None:
        assert not known
        assert "a" not in viewers
    elif chosen != "a":
        assert viewers[chosen] == min(known)
        assert "a" not in viewers or (viewers["a"] or 0) >= limit


class Shards:
    """Stands for the processes: what they answer, and how often they were asked."""

    def __init__(self, **viewers: int | None) -> None:
        self.viewers = viewers
        self.asked: Counter[str] = Counter()

    async def at_hand(self, kind: str) -> list[str]:
        return list(self.viewers)

    def client(self, name: str) -> Any:
        shards = self

        class Client:
            async def call(self, call: str) -> dict[str, int]:
                assert call == "live.load"
                shards.asked[name] += 1
                viewers = shards.viewers[name]
                if viewers is None:
                    raise ControlError("unknown_call", "of an older version")
                return {"viewers": viewers}

        return Client()


async def test_views_that_are_just_being_opened_count_before_their_shard_counts_them() -> None:
    shards, now_s = Shards(one=8, two=0), 100.0
    places = LivePlaces(shards, 10, lambda: now_s)  # type: ignore[arg-type]
    assert [await places.place("one") for _ in range(4)] == ["one", "one", "two", "two"]
    assert shards.asked == {"one": 1, "two": 1}
    now_s += 1
    shards.viewers |= {"one": 4}
    assert await places.place("one") == "one", "asked anew: some have left"


async def test_one_shard_alone_is_never_asked() -> None:
    shards = Shards(one=5000)
    assert await LivePlaces(shards, 10).place("one") == "one"  # type: ignore[arg-type]
    assert not shards.asked


async def test_a_camera_of_another_machine_is_shown_by_a_shard_of_this_one() -> None:
    shards = Shards(one=5, two=2)
    assert await LivePlaces(shards, 10).place("elsewhere") == "two"  # type: ignore[arg-type]
