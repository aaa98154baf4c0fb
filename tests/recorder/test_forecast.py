"""The forecast's arithmetic: nothing is promised that does not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.forecast import SourceUse, final_bytes, reach_of_all, reckon
from recorder.retention import DAY_US, RetentionPolicy

NOW = 20_000 * DAY_US
GB = 10**9
policies = st.builds(
    lambda days, size: RetentionPolicy(days, size, min(days or 30.0, 30.0)),
    st.none() | st.floats(1, 400),
    st.none() | st.integers(GB, 10_000 * GB),
)


@st.composite
def counties(draw: st.DrawFn) -> tuple[list[SourceUse], dict[str, RetentionPolicy]]:
    uses, by_id = [], {}
    for number in range(draw(st.integers(1, 12))):
        rate = draw(st.one_of(st.just(0.0), st.floats(0.1 * GB, 100 * GB)))
        kept_days = draw(st.floats(0, 60))
        policy = draw(policies)
        # What its policy lets go is gone already.
        final = final_bytes(rate, policy)
        used = int(min(rate * kept_days, rate * kept_days if final is None else final))
        uses.append(SourceUse(f"{number}/main", used, rate, NOW - round(kept_days * DAY_US)))
        by_id[f"{number}/main"] = policy
    return uses, by_id


@given(counties(), st.integers(0, 100_000 * GB))
def test_what_all_reach_fits_into_the_space_and_fills_it(
    county: tuple[list[SourceUse], dict[str, RetentionPolicy]], capacity: int
) -> None:
    uses, by_id = county
    wanted = [
        (one.bytes_per_day, final_bytes(one.bytes_per_day, by_id[one.source_id])) for one in uses
    ]
    reach = reach_of_all(capacity, wanted)
    if reach is None:
        assert all(final is not None for rate, final in wanted if rate > 0)
        assert sum(final or 0 for rate, final in wanted if rate > 0) <= capacity * (1 + 1e-6) + 1
        return
    kept = sum(
        min(rate * reach, float("inf") if final is None else final)
        for rate, final in wanted
        if rate
    )
    assert kept == pytest.approx(capacity, rel=1e-6, abs=1)


@given(counties(), st.integers(0, 10_000 * GB), st.integers(1, 1000 * GB))
def test_more_space_is_never_full_sooner_and_nobody_reaches_less(
    county: tuple[list[SourceUse], dict[str, RetentionPolicy]], free: int, more: int
) -> None:
    uses, by_id = county

    def look(free_bytes: int) -> tuple[float, float, int]:
        found = reckon(
            uses, now_us=NOW, free_bytes=free_bytes, default=RetentionPolicy(), policies=by_id
        )
        reach = found.sources[0].reachable_days
        return (
            float("inf") if found.full_at_us is None else found.full_at_us,
            float("inf") if reach is None else reach * (1 + 1e-9),
            -len(found.breaches),
        )

    less, larger = look(free), look(free + more)
    assert all(one <= other for one, other in zip(less, larger, strict=True))


@given(counties(), st.integers(0, 10_000 * GB))
def test_until_it_is_full_everything_fits_and_from_then_on_nothing_grows(
    county: tuple[list[SourceUse], dict[str, RetentionPolicy]], free: int
) -> None:
    uses, by_id = county
    found = reckon(
        uses, now_us=NOW, free_bytes=free, default=RetentionPolicy(), policies=by_id,
        projected_days=60,
    )  # fmt: skip
    capacity = found.used_bytes + free
    assert found.projected_bytes[0] == found.used_bytes
    assert list(found.projected_bytes) == sorted(found.projected_bytes)
    for day, size in enumerate(found.projected_bytes):
        assert size <= capacity
        if found.full_at_us is not None and NOW + day * DAY_US > found.full_at_us + 1000:
            assert size == pytest.approx(capacity, rel=1e-6)
    # Who is short is so by the space, from when it is full on, or by a limit of its own.
    for one in found.sources:
        if one.short_from_us is not None:
            policy = by_id[one.source_id]
            assert one.short_from_us == found.full_at_us or policy.size_bytes is not None


def test_a_camera_that_keeps_a_week_leaves_its_space_to_the_others() -> None:
    uses = [SourceUse("a/main", 0, GB, NOW), SourceUse("b/main", 0, GB, NOW)]
    week = {"a/main": RetentionPolicy(days=7, least_days=7)}
    found = reckon(
        uses, now_us=NOW, free_bytes=27 * GB, default=RetentionPolicy(days=30), policies=week
    )
    assert [one.reachable_days for one in found.sources] == [20.0, 20.0]
    assert [one.source_id for one in found.sources if one.short_from_us] == ["b/main"]
    # Both grow for a week, then one alone.
    assert found.full_at_us == NOW + 20 * DAY_US


def test_a_configured_capacity_stands_for_a_store_that_cannot_tell() -> None:
    uses = [SourceUse("a/main", 10 * GB, GB, NOW - 10 * DAY_US)]
    blind = reckon(uses, now_us=NOW, free_bytes=None, default=RetentionPolicy(), policies={})
    assert (blind.free_bytes, blind.full_at_us) == (None, None)
    told = reckon(
        uses, now_us=NOW, free_bytes=None, default=RetentionPolicy(), policies={},
        capacity_bytes=15 * GB,
    )  # fmt: skip
    assert (told.free_bytes, told.full_at_us) == (5 * GB, NOW + 5 * DAY_US)
    assert [one.kept_days for one in told.breaches] == [15.0]
