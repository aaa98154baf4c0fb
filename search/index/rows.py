"""Writes to the index: passages, and what of each camera was looked at.

A passage's crop is in the store and its vector in its table before its row is added; what goes,
goes the other way round: see :mod:`search.index.expiry_rows`. All of these may be repeated.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from recorder.merged_spans import add_range, remove_range
from recorder.rows import RowError, row_operation
from search.index import expiry_rows  # noqa: F401  # its operations are the writer's, too
from search.index.dictionary_rows import (
    add_crops,
    camera_numbers,
    count,
    look_numbers,
    name_numbers,
    plate_numbers,
)
from search.index.removal import drop_crops, drop_plates, take_out
from search.index.tables import (
    indexed_spans,
    missed_spans,
    passage_cameras,
    passage_crossings,
    passage_details,
    passage_looks,
    passages,
)
from search.passages import began_us

# Between two reports of a camera lies at most the time of a few pictures, in which nothing that
# was looked at is missing.
SEAM_US = 500_000
UNDESCRIBED_SEAM_US = 60_000_000
"""What could not be described is told to a minute: where everything fails for a day, that is 1,440
rows of a camera at most, and not one for each passage."""

UNDESCRIBED: Final = "undescribed"
"""The cause of time that was looked at; what passed then could not be described."""
MISSED_CAUSES = frozenset(
    {"dropped", "failed", "no_footage", "not_analysed", "expired", UNDESCRIBED}
)


@row_operation("passages.add")
def add(connection: sa.Connection, items: Sequence[Mapping[str, Any]]) -> int:
    """Add passages, as :func:`search.index.messages.to_message` makes them; gives how many were
    new. One that is known by its id is replaced: a long passage is handed on more than once.
    """
    wanted = {item["id"]: item for item in items}
    if not wanted:
        return 0
    replaced = take_out(connection, wanted)
    cameras = camera_numbers(connection, {item["camera_id"] for item in wanted.values()})
    names = name_numbers(connection, _names_in(wanted.values()))
    looks = look_numbers(
        connection,
        {
            item["id"]: (item["look"], names.get(("vehicle_type", item["vehicle_type"])))
            for item in wanted.values()
        },
    )
    plates = plate_numbers(
        connection, {item["plate"] for item in wanted.values() if item["plate"] is not None}
    )
    crops = add_crops(
        connection,
        [
            (item["crop_key"], cameras[item["camera_id"]], item["crop_offset"] + item["crop_bytes"])
            for item in wanted.values()
            if item["crop_key"] is not None
        ],
    )
    # Only now: an object that holds the old crop and the new one does not go in between.
    if replaced.ids:
        now_us = time.time_ns() // 1000
        at_us = began_us(replaced.ids[0])
        drop_crops(connection, replaced.crops, "replaced", at_us=at_us, now_us=now_us)
    narrow, details, crossings = [], [], []
    for passage_id, item in wanted.items():
        narrow.append(
            {
                "id": passage_id,
                "camera": cameras[item["camera_id"]],
                "look": looks[passage_id],
                "motion": item["motion"],
                "lasts_ms": item["lasts_ms"],
                "plate": None if item["plate"] is None else plates[item["plate"]],
            }
        )
        key = item["crop_key"]
        details.append(
            {
                "id": passage_id,
                "packed": item["packed"],
                "best_ms": item["best_ms"],
                "model": names["model", item["model"]],
                "vectors": (
                    None if item["vector_kind"] is None else names["vectors", item["vector_kind"]]
                ),
                "crop": None if key is None else crops[key],
                "crop_offset": None if key is None else item["crop_offset"],
                "crop_bytes": None if key is None else item["crop_bytes"],
            }
        )
        crossings += [
            {"zone": names["zone", zone_id], "id": passage_id, "after_ms": after_ms, "how": how}
            for zone_id, how, after_ms in {tuple(one) for one in item["crossings"]}
        ]
    connection.execute(sa.insert(passages), narrow)
    connection.execute(sa.insert(passage_details), details)
    if crossings:
        connection.execute(sa.insert(passage_crossings), crossings)
    count(connection, passage_cameras, Counter(row["camera"] for row in narrow))
    count(connection, passage_looks, Counter(row["look"] for row in narrow))
    drop_plates(connection, replaced.plates)
    return len(wanted) - len(replaced.ids)


@row_operation("passages.note_indexed")
def note_indexed(
    connection: sa.Connection,
    camera_id: str,
    start_us: int,
    end_us: int,
    model: str,
    late: bool = False,
) -> None:
    """All of [``start_us``, ``end_us``) was looked at by ``model``; its passages are added already,
    but those that go on. ``late``: from recorded footage, so that it says nothing of how far live
    indexing has come.
    """
    _check_range(start_us, end_us)
    camera = camera_numbers(connection, {camera_id})[camera_id]
    number = name_numbers(connection, {("model", model)})["model", model]
    key = {"camera": camera, "model": number}
    add_range(connection, indexed_spans, key, start_us, end_us, seam_us=SEAM_US)
    if not late:
        table = passage_cameras.c
        connection.execute(
            sa.update(passage_cameras)
            .where(table.number == camera, sa.or_(table.live_us.is_(None), table.live_us < end_us))
            .values(live_us=end_us)
        )


@row_operation("passages.note_missed")
def note_missed(
    connection: sa.Connection, camera_id: str, start_us: int, end_us: int, cause: str
) -> None:
    """[``start_us``, ``end_us``) should have been looked at and was not: ``dropped`` (there was too
    much to look at), ``failed`` (the model or its process broke), ``no_footage`` (no picture came).
    What is indexed of it later counts as indexed. ``undescribed`` is what was looked at all the
    same, and ends with :func:`note_described`; what is no further apart than
    :data:`UNDESCRIBED_SEAM_US` is noted as one. Raises RowError ``bad_cause``.
    """
    _check_range(start_us, end_us)
    if cause not in MISSED_CAUSES:
        raise RowError("bad_cause", f"{cause} is no reason why something was not indexed")
    camera = camera_numbers(connection, {camera_id})[camera_id]
    key = {"camera": camera, "cause": cause}
    seam_us = UNDESCRIBED_SEAM_US if cause == UNDESCRIBED else SEAM_US
    add_range(connection, missed_spans, key, start_us, end_us, seam_us=seam_us)


@row_operation("passages.note_described")
def note_described(connection: sa.Connection, camera_id: str, start_us: int, end_us: int) -> None:
    """Nothing is left of [``start_us``, ``end_us``) that could not be described: it was looked at
    once more, and what is found by then takes the place of what there was.
    """
    camera = connection.scalar(
        sa.select(passage_cameras.c.number).where(passage_cameras.c.camera_id == camera_id)
    )
    if camera is not None:
        key = {"camera": camera, "cause": UNDESCRIBED}
        remove_range(connection, missed_spans, key, start_us, end_us)


def _names_in(items: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """(kind, name) of all that stands in ``passage_names``."""
    found: set[tuple[str, str]] = set()
    for item in items:
        found.add(("model", item["model"]))
        found |= {("zone", one[0]) for one in item["crossings"]}
        for kind, name in (
            ("vectors", item["vector_kind"]),
            ("vehicle_type", item["vehicle_type"]),
        ):
            if name is not None:
                found.add((kind, name))
    return found


def _check_range(start_us: int, end_us: int) -> None:
    if end_us <= start_us:
        raise RowError("bad_range", f"a range ends after it begins, not [{start_us}, {end_us})")
