"""Tables of evidence: cases, what they hold, and what was exported from them.

Which footage a hold keeps is told to the recorder as a row of ``held_ranges`` in
``recorder/tables.py``, under the same id; here is who wanted it, why and until when.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # What the police file is called; `number_key` is case-folded and without spaces.
    sa.Column("number", sa.String(100), nullable=False),
    sa.Column("number_key", sa.String(100), nullable=False, unique=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("description", sa.String(4000), nullable=False),
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("closed_us", sa.BigInteger, nullable=True),
    sa.Column("closed_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("closing_note", sa.String(2000), nullable=True),
)

case_members = sa.Table(
    "case_members",
    metadata,
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("role", sa.String(8), nullable=False),
    sa.Column("added_us", sa.BigInteger, nullable=False),
    sa.Column("added_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.CheckConstraint("role IN ('lead', 'member')", name="role"),
    sa.Index("ix_case_members_user_id", "user_id"),
)

case_notes = sa.Table(
    "case_notes",
    metadata,
    # Written once, never changed: a correction is another note.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("author_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("text", sa.String(8000), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index("ix_case_notes_case_id", "case_id", "created_us"),
)

case_items = sa.Table(
    "case_items",
    metadata,
    # Minutes of a camera that belong to the case. To keep them is a hold's business.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("note", sa.String(2000), nullable=False),
    sa.Column("added_us", sa.BigInteger, nullable=False),
    sa.Column("added_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("removed_us", sa.BigInteger, nullable=True),
    sa.Index("ix_case_items_case_id", "case_id", "start_us"),
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    # Null: the command line, by who may log in to the machine.
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("expires_us", sa.BigInteger, nullable=True),
    sa.Column("released_us", sa.BigInteger, nullable=True),
    # Null in a released hold: it expired.
    sa.Column("released_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("release_reason", sa.String(500), nullable=True),
    sa.Index("ix_holds_camera_id", "camera_id", "start_us"),
    sa.Index("ix_holds_case_id", "case_id"),
    sa.Index("ix_holds_released_us", "released_us", "expires_us"),
)

export_jobs = sa.Table(
    "export_jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("camera_ids", sa.JSON, nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    # What was decided at the request: gateway.evidence.order.Order as a document.
    sa.Column("order", sa.JSON, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    # The footage server that makes it and keeps its files, and until when it has it.
    sa.Column("process", sa.String(40), nullable=True),
    sa.Column("lease_us", sa.BigInteger, nullable=False),
    # Footage of all cameras that is to be written, in µs, and how much of it is.
    sa.Column("total_us", sa.BigInteger, nullable=False),
    sa.Column("done_us", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("code", sa.String(40), nullable=True),
    sa.Column("message", sa.String(1000), nullable=True),
    sa.Column("finished_us", sa.BigInteger, nullable=True),
    sa.Column("expires_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint(
        "state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'expired')", name="state"
    ),
    sa.Index("ix_export_jobs_state", "state", "created_us"),
    sa.Index("ix_export_jobs_user_id", "user_id", "created_us"),
    sa.Index("ix_export_jobs_case_id", "case_id"),
)

export_files = sa.Table(
    "export_files",
    metadata,
    # One row for each file that is complete and synced: where a killed job goes on.
    sa.Column("job_id", sa.String(40), sa.ForeignKey("export_jobs.id"), primary_key=True),
    sa.Column("path", sa.String(200), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("sm3", sa.String(64), nullable=False),
    sa.Column("crc32", sa.BigInteger, nullable=False),
    # What the manifest says of it.
    sa.Column("document", sa.JSON, nullable=False),
)
