"""What is wrong right now, made of what cameras, platforms and devices say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.alarms.judge import CAMERA_OFFLINE, PLATFORM_OFFLINE, Condition, Key
from gateway.database.zone_tables import ZONE_SOURCE
from gateway.identifiers import US_PER_S

# What happened at an instant stands for so long.
PULSE_US = 60 * US_PER_S

_OWN_CAUSES = frozenset({"gateway_stopped"})


class CameraConditions:
    """Remembers since when a camera fails through its tries to connect again."""

    def __init__(self, *, offline_after_us: int, clock_drift_us: int) -> None:
        self._offline_after_us = offline_after_us
        self._clock_drift_us = clock_drift_us
        self._conditions: dict[str, dict[str, Condition]] = {}
        self._judged: set[str] = set()
        self._unknown: set[str] = set()

    @property
    def judged(self) -> frozenset[str]:
        """Cameras of which it is known whether they work."""
        return frozenset(self._judged)

    @property
    def unknown(self) -> frozenset[str]:
        """Subjects of cameras of which nothing is known at the moment."""
        return frozenset(self._unknown)

    def all(self) -> dict[Key, Condition]:
        """By key."""
        return {
            one.key: one for conditions in self._conditions.values() for one in conditions.values()
        }

    def take(self, camera_id: str, state: Mapping[str, Any]) -> None:
        """The newest state of a camera's main variant, as VariantState."""
        subject = f"camera:{camera_id}"
        before = self._conditions.get(camera_id, {})
        name = state["state"]
        if name == "offline" and state.get("cause") in _OWN_CAUSES:
            self._judged.discard(camera_id)
            self._unknown.add(subject)
            return
        self._unknown.discard(subject)
        conditions: dict[str, Condition] = {}
        if name == "idle":
            # Nobody wants it: whether it works is not known, and not asked.
            self._judged.discard(camera_id)
        elif name == "connecting":
            # What has failed goes on failing until a picture comes.
            for kind in (CAMERA_OFFLINE, "camera_refused"):
                if kind in before:
                    conditions[kind] = before[kind]
            if not conditions:
                self._judged.discard(camera_id)
        else:
            self._judged.add(camera_id)
        if name in ("offline", "refused"):
            kind = CAMERA_OFFLINE if name == "offline" else "camera_refused"
            since_us = before[kind].since_us if kind in before else state["since_us"]
            conditions[kind] = Condition(
                kind,
                subject,
                since_us,
                self._offline_after_us if kind == CAMERA_OFFLINE else 0,
                camera_id=camera_id,
                detail={"fault": state.get("fault") or ""},
            )
        offset_us = state.get("clock_offset_us") or 0
        if abs(offset_us) >= self._clock_drift_us:
            known = before.get("clock_drift")
            conditions["clock_drift"] = Condition(
                "clock_drift",
                subject,
                known.since_us if known is not None else state["since_us"],
                camera_id=camera_id,
                detail={"offset_us": _steady(known, offset_us)},
            )
        self._put(camera_id, conditions)

    def forget(self, living: Iterable[str]) -> None:
        """Only these cameras are there (and switched on)."""
        gone = (self._conditions.keys() | self._judged) - set(living)
        for camera_id in gone:
            self._conditions.pop(camera_id, None)
            self._judged.discard(camera_id)
            self._unknown.discard(f"camera:{camera_id}")

    def _put(self, camera_id: str, conditions: dict[str, Condition]) -> None:
        if conditions:
            self._conditions[camera_id] = conditions
        else:
            self._conditions.pop(camera_id, None)


def platform_conditions(
    rows: Iterable[Mapping[str, Any]], *, offline_after_us: int, clock_drift_us: int
) -> dict[Key, Condition]:
    """Of rows ``{platform_id, state, since_us, fault, facts}`` of enabled platforms."""
    found: dict[Key, Condition] = {}
    for row in rows:
        subject = f"platform:{row['platform_id']}"
        kind = {"offline": PLATFORM_OFFLINE, "refused": "platform_refused"}.get(row["state"])
        if kind is not None:
            one = Condition(
                kind,
                subject,
                row["since_us"],
                offline_after_us if kind == PLATFORM_OFFLINE else 0,
                platform_id=row["platform_id"],
                detail={"fault": row["fault"]},
            )
            found[one.key] = one
        offset_us = (row["facts"] or {}).get("clock_offset_us") or 0
        if isinstance(offset_us, int) and abs(offset_us) >= clock_drift_us:
            one = Condition(
                "clock_drift",
                subject,
                row["since_us"],
                platform_id=row["platform_id"],
                # In seconds, so that a clock that runs is not news every moment.
                detail={"offset_us": round(offset_us / US_PER_S) * US_PER_S},
            )
            found[one.key] = one
    return found


def event_conditions(rows: Iterable[Mapping[str, Any]]) -> dict[Key, Condition]:
    """Of rows of ``device_events`` that are open or have just happened."""
    found: dict[Key, Condition] = {}
    for row in rows:
        detail = {"source": row["source"]}
        if row["source"].startswith(ZONE_SOURCE):
            subject = row["source"]
            detail["zone_name"] = row["detail"].get("zone_name", "")
        elif row["camera_id"]:
            subject = f"camera:{row['camera_id']}"
        else:
            subject = f"platform:{row['platform_id']}"
        one = Condition(
            row["kind"],
            subject,
            row["begin_us"],
            camera_id=row["camera_id"],
            platform_id=row["platform_id"] or None,
            detail=detail,
        )
        earlier = found.get(one.key)
        if earlier is None or one.since_us < earlier.since_us:
            found[one.key] = one
    return found


def _steady(known: Condition | None, offset_us: int) -> int:
    """The offset as it was told, until it is another by more than a second."""
    before = 0 if known is None else int(known.detail["offset_us"])
    return before if known is not None and abs(before - offset_us) < US_PER_S else offset_us
