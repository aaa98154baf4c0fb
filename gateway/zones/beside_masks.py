"""What happened in zones, as masks let it be told: nothing of what lay mostly beneath one, and no
count in a picture that has any, since some of those counted may be beneath.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.database.zone_tables import ZONE_SOURCE
from gateway.mask_cover import is_hidden
from gateway.masks import MaskVersion, covering

Row = dict[str, Any]
"""Of ``device_events``."""


def of_zone(row: Row) -> bool:
    """Whether a zone made the event. Devices' own tell of no objects."""
    return str(row["source"]).startswith(ZONE_SOURCE)


def told_beside_masks(row: Row, versions: Sequence[MaskVersion]) -> Row | None:
    """A zone's event as it is told to who may not lift masks; None: not at all. ``versions`` are
    those of its camera's masks.
    """
    end_us = max(row["begin_us"], row["end_us"] or 0) + 1
    masks = covering(versions, row["begin_us"], end_us)
    if not masks:
        return row
    detail: Mapping[str, Any] = row["detail"]
    box = detail.get("box")
    if box is None:
        return {**row, "detail": {"zone_name": detail.get("zone_name", "")}}
    return None if is_hidden(box, (), masks) else row
