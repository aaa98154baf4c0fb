"""What is wrong, made of what cameras, platforms and devices say of themselves."""

from __future__ import annotations

from typing import Any

from gateway.alarms.conditions import CameraConditions, event_conditions, platform_conditions

S = 1_000_000


def conditions() -> CameraConditions:
    return CameraConditions(offline_after_us=20 * S, clock_drift_us=10 * S)


def state(name: str, since_us: int = 0, **facts: Any) -> dict[str, Any]:
    return {"state": name, "since_us": since_us, **facts}


def test_tries_to_connect_again_do_not_begin_a_failure_anew() -> None:
    made = conditions()
    made.take("cam", state("live"))
    made.take("cam", state("offline", 100, fault="timed_out"))
    made.take("cam", state("connecting", 110))
    made.take("cam", state("offline", 120, fault="closed_port"))
    (one,) = made.all().values()
    assert (one.kind, one.since_us, one.detail) == (
        "camera_offline",
        100,
        {"fault": "closed_port"},
    )
    assert made.judged == {"cam"}
    made.take("cam", state("live", 130))
    assert made.all() == {}


def test_of_a_camera_that_connects_for_the_first_time_nothing_is_known() -> None:
    made = conditions()
    made.take("cam", state("connecting"))
    assert (made.all(), made.judged, made.unknown) == ({}, frozenset(), frozenset())


def test_a_restarting_media_process_says_nothing_of_its_cameras() -> None:
    made = conditions()
    made.take("cam", state("offline", 100))
    made.take("cam", state("offline", 200, cause="gateway_stopped"))
    assert made.unknown == {"camera:cam"}
    assert made.judged == frozenset()
    assert [one.since_us for one in made.all().values()] == [100]
    made.take("cam", state("live", 300))
    assert (made.unknown, made.all()) == (frozenset(), {})


def test_a_refused_password_is_no_network_failure() -> None:
    made = conditions()
    made.take("cam", state("refused", 100, fault="refused"))
    (one,) = made.all().values()
    assert (one.kind, one.after_us) == ("camera_refused", 0)


def test_a_camera_that_nobody_wants_is_not_judged() -> None:
    made = conditions()
    made.take("cam", state("offline", 100))
    made.take("cam", state("idle", 200))
    assert (made.all(), made.judged) == ({}, frozenset())


def test_a_clock_that_drifts_on_is_one_alarm_and_no_news_each_moment() -> None:
    made = conditions()
    made.take("cam", state("live", 100, clock_offset_us=9 * S))
    assert made.all() == {}
    made.take("cam", state("live", 100, clock_offset_us=11 * S))
    (first,) = made.all().values()
    made.take("cam", state("live", 100, clock_offset_us=11 * S + S // 2))
    (second,) = made.all().values()
    assert first == second
    made.take("cam", state("live", 100, clock_offset_us=-13 * S))
    (third,) = made.all().values()
    assert third.detail == {"offset_us": -13 * S}


def test_deleted_and_disabled_cameras_are_forgotten() -> None:
    made = conditions()
    for camera_id in ("cam_1", "cam_2"):
        made.take(camera_id, state("offline", 100))
    made.forget(["cam_2"])
    assert {one.camera_id for one in made.all().values()} == {"cam_2"}
    assert made.judged == {"cam_2"}


def test_platforms_are_offline_refused_or_late() -> None:
    rows = [
        {"platform_id": "a", "state": "offline", "since_us": 5, "fault": "silent", "facts": {}},
        {"platform_id": "b", "state": "refused", "since_us": 6, "fault": "", "facts": None},
        {
            "platform_id": "c",
            "state": "online",
            "since_us": 7,
            "fault": "",
            "facts": {"clock_offset_us": -12_300_000},
        },
        {"platform_id": "d", "state": "connecting", "since_us": 8, "fault": "", "facts": {}},
    ]
    found = platform_conditions(rows, offline_after_us=20 * S, clock_drift_us=10 * S)
    assert {key: one.detail for key, one in found.items()} == {
        ("platform_offline", "platform:a"): {"fault": "silent"},
        ("platform_refused", "platform:b"): {"fault": ""},
        ("clock_drift", "platform:c"): {"offset_us": -12 * S},
    }


def test_what_devices_tell_is_about_the_camera_or_else_the_device() -> None:
    row = {"kind": "tamper", "platform_id": "p", "source": "x", "camera_id": "cam"}
    found = event_conditions(
        [
            {**row, "begin_us": 9},
            {**row, "begin_us": 5},
            {**row, "begin_us": 7, "kind": "storage_fault", "camera_id": None},
        ]
    )
    assert {key: one.since_us for key, one in found.items()} == {
        ("tamper", "camera:cam"): 5,
        ("storage_fault", "platform:p"): 7,
    }
