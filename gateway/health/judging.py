"""What a picture changes of how its camera stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.health.keeping import Known
from gateway.health.picture_checks import findings_of
from gateway.health.picture_measures import Measures, Reference, samples_from
from gateway.health.seeing import Seen
from gateway.health.standing import bits_of, open_of, stand, to_rows
from gateway.identifiers import US_PER_S

# A picture of a camera that is well is good enough for so long.
_KEPT_US = 6 * 3600 * US_PER_S


@dataclass(frozen=True, slots=True)
class Looked:
    """What a picture changes: columns of the camera's row, whether it is kept to be shown, and
    whether it is the reference of its light from now on.
    """

    columns: dict[str, Any]
    keeps: bool
    refers: bool


def looked(known: Known, seen: Seen, measures: Measures, reference: Reference | None) -> Looked:
    """Judge a picture."""
    state = dict(known.standing)
    if seen.at_us == known.picture_us:
        # Its next one has not come yet: that is no second look.
        return Looked({"missing": None}, keeps=False, refers=False)
    before = None if known.samples is None else samples_from(known.samples)
    found = findings_of(measures, reference, before, moves=known.moves)
    after = stand(state, found, seen.at_us)
    opened = open_of(after)
    refers = reference is None and not found
    columns = {
        "picture_us": seen.at_us,
        "missing": None,
        "standing": to_rows(after),
        "found": bits_of(opened),
        "samples": measures.samples.tobytes(),
    }
    is_old = known.kept_us is None or seen.at_us - known.kept_us >= _KEPT_US
    return Looked(columns, keeps=is_old or refers or opened != open_of(state), refers=refers)


def reference_row(
    reference: Reference, at_us: int, key: str, by_name: str | None
) -> dict[str, Any]:
    """Columns of its row."""
    return {
        "mode": reference.mode, "at_us": at_us, "by_name": by_name, "picture_key": key,
        **reference.to_message(),
    }  # fmt: skip
