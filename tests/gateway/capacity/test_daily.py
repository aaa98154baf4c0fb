"""A day's forecast by camera and area: states, causes, and whose bitrate rose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.capacity.daily import CameraUse, by_area, by_camera
from recorder.forecast import Forecast, SourceUse, reckon
from recorder.retention import DAY_US, RetentionPolicy

NOW = 20_000 * DAY_US
GB = 10**9


def forecast(*uses: SourceUse, free: int | None, limits: dict[str, int] | None = None) -> Forecast:
    policies = {
        f"{name}/main": RetentionPolicy(30, size, 30) for name, size in (limits or {}).items()
    }
    return reckon(uses, now_us=NOW, free_bytes=free, default=RetentionPolicy(30), policies=policies)


def use(name: str, kept_days: float = 30.0, rate: float = GB) -> SourceUse:
    return SourceUse(f"{name}/main", round(rate * kept_days), rate, NOW - round(kept_days * DAY_US))


def camera(name: str, **more: object) -> CameraUse:
    return CameraUse(name, f"area of {name}", True, 30.0, **{"size_limit": None, **more})  # type: ignore[arg-type]


def owners(*names: str) -> dict[str, str]:
    return {f"{name}/main": name for name in names}


def test_each_state_and_the_worst_first() -> None:
    found = forecast(
        use("full"),
        use("young", 3),
        use("limited", 20),
        free=1000 * GB,
        limits={"limited": 20 * GB},
    )
    known = [
        camera("full"),
        camera("young"),
        camera("nothing"),
        camera("limited", size_limit=20 * GB),
    ]
    made = by_camera(found, owners("full", "young", "limited"), known)
    assert [(one.camera_id, one.state, one.cause) for one in made] == [
        ("limited", "short", "bytes"),
        ("nothing", "empty", None),
        ("young", "filling", None),
        ("full", "ok", None),
    ]
    assert (made[0].reach_days, made[0].short_from_us) == (20.0, NOW)


def test_a_full_store_makes_everybody_short_and_says_from_when() -> None:
    found = forecast(use("a", 10), use("b", 10), free=20 * GB)
    made = by_camera(found, owners("a", "b"), [camera("a"), camera("b")])
    assert {(one.state, one.cause, one.reach_days) for one in made} == {("short", "space", 20.0)}
    assert {one.short_from_us for one in made} == {NOW + 10 * DAY_US}


def test_what_is_recorded_no_more_is_not_short_but_goes() -> None:
    found = forecast(use("gone", 10, 0.0), free=0)
    [made] = by_camera(found, owners("gone"), [camera("gone", bitrate_bps=None)])
    assert made.state == "empty"
    switched_off = CameraUse("off", "area", False, 30.0, None)
    assert by_camera(found, {}, [switched_off]) == []


@pytest.mark.parametrize(
    ("late", "before", "risen"),
    [(4e6, 2e6, GB / 2), (2.3e6, 2e6, 0), (1e6, 2e6, 0), (4e6, None, 0)],
)
def test_a_camera_whose_bitrate_rose_is_named_with_what_that_takes(
    late: float, before: float | None, risen: float
) -> None:
    known = camera("a", bitrate_bps=late, before_bps=before)
    [made] = by_camera(forecast(use("a"), free=None), owners("a"), [known])
    assert made.risen_bytes_per_day == risen


@given(
    st.lists(st.tuples(st.floats(0.1, 40), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(0, 500),
)
def test_areas_are_the_sums_of_their_cameras(
    cameras: list[tuple[float, int]], free_gb: int
) -> None:
    names = [str(number) for number in range(len(cameras))]
    uses = [use(name, days) for name, (days, _) in zip(names, cameras, strict=True)]
    known = [
        CameraUse(name, f"area {area}", True, 30.0, None)
        for name, (_, area) in zip(names, cameras, strict=True)
    ]
    made = by_camera(forecast(*uses, free=free_gb * GB), owners(*names), known)
    sums = by_area(made)
    assert sum(one.cameras for one in sums.values()) == len(cameras)
    assert sum(one.used_bytes for one in sums.values()) == sum(one.used_bytes for one in uses)
    for area_id, one in sums.items():
        inside = [each for each in made if each.area_id == area_id]
        assert one.short == sum(each.state == "short" for each in inside)
        assert one.least_days == min(each.reach_days for each in inside)
