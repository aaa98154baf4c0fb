"""Codes and numbers that are unique, what areas and cameras are found by, replaced devices"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.people.search_key import search_key

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("areas", schema=None) as batch_op:
        batch_op.add_column(sa.Column("search_key", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("cameras", schema=None) as batch_op:
        batch_op.add_column(sa.Column("number", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("search_key", sa.Text(), nullable=False, server_default=""))
        batch_op.create_index(
            "ix_cameras_number",
            ["number"],
            unique=True,
            sqlite_where=sa.text("deleted_us IS NULL"),
            postgresql_where=sa.text("deleted_us IS NULL"),
        )
    _fill(op.get_bind())
    with op.batch_alter_table("areas", schema=None) as batch_op:
        batch_op.create_index("ix_areas_axis", ["axis", "code"], unique=True)
    op.create_table(
        "camera_devices",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("from_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("main_url", sa.String(length=2000), nullable=False),
        sa.Column("sub_url", sa.String(length=2000), nullable=True),
        sa.Column("model", sa.String(length=200), nullable=True),
        sa.Column("serial_number", sa.String(length=200), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("replaced_by", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_camera_devices_camera_id")
        ),
        sa.PrimaryKeyConstraint("camera_id", "from_us", name=op.f("pk_camera_devices")),
    )


def _fill(connection: sa.Connection) -> None:
    """Make what is there findable. Of areas with the same code the oldest keeps it."""
    areas = sa.table(
        "areas", *map(sa.column, ("id", "name", "code", "axis", "search_key", "created_us"))
    )
    seen: set[tuple[str, str]] = set()
    for row in connection.execute(sa.select(areas).order_by(areas.c.created_us)).all():
        code = row.code or None
        if code is not None and (row.axis, code) in seen:
            code = None
        if code is not None:
            seen.add((row.axis, code))
        values = {"code": code, "search_key": search_key(row.name, code)}
        connection.execute(sa.update(areas).where(areas.c.id == row.id).values(**values))
    cameras = sa.table("cameras", *map(sa.column, ("id", "name", "search_key")))
    for row in connection.execute(sa.select(cameras)).all():
        connection.execute(
            sa.update(cameras).where(cameras.c.id == row.id).values(search_key=search_key(row.name))
        )
