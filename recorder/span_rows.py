"""The ``spans`` of a source: the union of its effective ranges, kept merged row by row."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.merged_spans import add_range, remove_range
from recorder.tables import spans


def add_span(connection: sa.Connection, source_id: str, start_us: int, end_us: int) -> None:
    """Make [``start_us``, ``end_us``) part of the union, joining what touches it."""
    add_range(connection, spans, {"source_id": source_id}, start_us, end_us)


def remove_span(connection: sa.Connection, source_id: str, start_us: int, end_us: int) -> None:
    """Take [``start_us``, ``end_us``) out of the union."""
    remove_range(connection, spans, {"source_id": source_id}, start_us, end_us)
