"""Segments and passages in partitions by day, on PostgreSQL; nothing on SQLite"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# Table, column that tells the day, primary key, which must hold that column.
_TABLES = (
    ("segments", "start_us", "id, start_us"),
    ("passages", "id", "id"),
    ("passage_details", "id", "id"),
    ("passage_crossings", "id", "zone, id, after_ms, how"),
)
_INDEXES = (
    "ix_segments_effective ON segments (source_id, effective_start_us, effective_end_us)",
    "ix_segments_hidden ON segments (id) WHERE effective_start_us IS NULL",
    "ix_passages_look ON passages (look, id, camera, motion, lasts_ms)",
    "ix_passages_camera ON passages (camera, id, look, motion, lasts_ms)",
    "ix_passages_plate ON passages (plate, id) WHERE plate IS NOT NULL",
    "ix_passages_long ON passages (id, lasts_ms, look, camera, motion) WHERE lasts_ms >= 60000",
    "ix_passage_details_crop ON passage_details (crop)",
    "ix_passage_details_vectors ON passage_details (vectors, id)",
    "ix_passage_crossings_id ON passage_crossings (id)",
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, column, key in _TABLES:
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_whole")
        op.execute(f"ALTER TABLE {table}_whole RENAME CONSTRAINT pk_{table} TO pk_{table}_whole")
        op.execute(
            f"CREATE TABLE {table} "
            f"(LIKE {table}_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS, "
            f"CONSTRAINT pk_{table} PRIMARY KEY ({key})) PARTITION BY RANGE ({column})"
        )
        # Rows of days that have no partition yet; see gateway.database.partitions.
        op.execute(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_whole")
        op.execute(f"DROP TABLE {table}_whole")
    for index in _INDEXES:
        op.execute(f"CREATE INDEX {index}")
