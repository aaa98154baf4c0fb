"""Meetings"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "meeting_sites",
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("area_id", name=op.f("pk_meeting_sites")),
    )
    op.create_table(
        "site_checks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=True),
        sa.Column("asked_by", sa.String(length=40), nullable=True),
        sa.Column("meeting_id", sa.String(length=40), nullable=True),
        sa.Column("done_us", sa.BigInteger(), nullable=True),
        sa.Column("done_by", sa.String(length=40), nullable=True),
        sa.Column("microphone", sa.String(length=8), nullable=True),
        sa.Column("camera", sa.String(length=8), nullable=True),
        sa.Column("speaker", sa.String(length=8), nullable=True),
        sa.Column("network", sa.String(length=8), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_checks")),
    )
    op.create_index("ix_site_checks_area_id", "site_checks", ["area_id", "done_us"])
    op.create_index("ix_site_checks_asked_us", "site_checks", ["asked_us"])
    op.create_table(
        "meetings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("scheduled_us", sa.BigInteger(), nullable=False),
        sa.Column("planned_s", sa.Integer(), nullable=False),
        sa.Column("reminded_us", sa.BigInteger(), nullable=True),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.String(length=12), nullable=True),
        sa.Column("empty_since_us", sa.BigInteger(), nullable=True),
        sa.Column("shard", sa.String(length=40), nullable=True),
        sa.Column("starts_itself", sa.Boolean(), nullable=False),
        sa.Column("rings", sa.Boolean(), nullable=False),
        sa.Column("lobby", sa.Boolean(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("muted_on_entry", sa.Boolean(), nullable=False),
        sa.Column("records", sa.Boolean(), nullable=False),
        sa.Column("layout", sa.String(length=16), nullable=False),
        sa.Column("pinned_id", sa.String(length=40), nullable=True),
        sa.Column("pinned_kind", sa.String(length=8), nullable=True),
        sa.Column("polling", sa.JSON(), nullable=True),
        sa.Column("roll_call_id", sa.String(length=40), nullable=True),
        sa.Column("code_hash", sa.String(length=64), nullable=True),
        sa.Column("code_expires_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "layout IN ('speaker', 'speaker_grid', 'grid', 'screen')",
            name=op.f("ck_meetings_layout"),
        ),
        sa.CheckConstraint(
            "pinned_kind IN ('camera', 'screen')", name=op.f("ck_meetings_pinned_kind")
        ),
        sa.CheckConstraint(
            "state IN ('scheduled', 'running', 'ended', 'cancelled')",
            name=op.f("ck_meetings_state"),
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_meetings_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meetings")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_meetings_code_hash")),
    )
    op.create_index("ix_meetings_area_id", "meetings", ["area_id", "scheduled_us"])
    op.create_index("ix_meetings_state", "meetings", ["state", "scheduled_us"])
    op.create_table(
        "meeting_agenda",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("speaker", sa.String(length=200), nullable=False),
        sa.Column("planned_s", sa.Integer(), nullable=True),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_agenda_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_agenda")),
    )
    op.create_index("ix_meeting_agenda_meeting_id", "meeting_agenda", ["meeting_id", "position"])
    op.create_table(
        "meeting_files",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("participant_id", sa.String(length=40), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.Column("removed_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_files_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_files")),
    )
    op.create_index("ix_meeting_files_meeting_id", "meeting_files", ["meeting_id", "at_us"])
    op.create_table(
        "meeting_messages",
        sa.Column("id", _Number, nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("participant_id", sa.String(length=40), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("to_participant_id", sa.String(length=40), nullable=True),
        sa.Column("text", sa.String(length=4000), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.Column("removed_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_messages_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_messages")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_meeting_messages_meeting_id", "meeting_messages", ["meeting_id", "id"])
    op.create_table(
        "meeting_minutes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("text", sa.String(length=8000), nullable=False),
        sa.Column("agenda_id", sa.String(length=40), nullable=True),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('note', 'decision', 'task')", name=op.f("ck_meeting_minutes_kind")
        ),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_minutes_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_minutes")),
    )
    op.create_index("ix_meeting_minutes_meeting_id", "meeting_minutes", ["meeting_id", "at_us"])
    op.create_table(
        "meeting_participants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.Column("may_lift_masks", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("invited_us", sa.BigInteger(), nullable=False),
        sa.Column("invited_by", sa.String(length=40), nullable=True),
        sa.Column("rung_us", sa.BigInteger(), nullable=True),
        sa.Column("rings", sa.Integer(), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("refusal", sa.String(length=200), nullable=True),
        sa.Column("lobby_us", sa.BigInteger(), nullable=True),
        sa.Column("admitted_us", sa.BigInteger(), nullable=True),
        sa.Column("admitted_by", sa.String(length=40), nullable=True),
        sa.Column("left_us", sa.BigInteger(), nullable=True),
        sa.Column("session_id", sa.String(length=40), nullable=True),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("floor_us", sa.BigInteger(), nullable=True),
        sa.Column("hand_us", sa.BigInteger(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "kind IN ('site', 'person', 'guest', 'camera', 'recording', 'sip', 'whip')",
            name=op.f("ck_meeting_participants_kind"),
        ),
        sa.CheckConstraint(
            "role IN ('chair', 'co_chair', 'site', 'observer')",
            name=op.f("ck_meeting_participants_role"),
        ),
        sa.CheckConstraint(
            "state IN ('invited', 'ringing', 'lobby', 'connected', 'left', 'refused', 'removed')",
            name=op.f("ck_meeting_participants_state"),
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_meeting_participants_camera_id")
        ),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_participants_meeting_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_meeting_participants_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_participants")),
        sa.UniqueConstraint(
            "meeting_id",
            "kind",
            "subject",
            name=op.f("uq_meeting_participants_meeting_id_kind_subject"),
        ),
        sa.UniqueConstraint("token_hash", name=op.f("uq_meeting_participants_token_hash")),
    )
    op.create_index(
        "ix_meeting_participants_area_id", "meeting_participants", ["area_id", "meeting_id"]
    )
    op.create_index(
        "ix_meeting_participants_user_id", "meeting_participants", ["user_id", "meeting_id"]
    )
    op.create_table(
        "meeting_passes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_meeting_passes_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_passes_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_passes")),
    )
    op.create_index("ix_meeting_passes_area_id", "meeting_passes", ["area_id", "expires_us"])
    op.create_index("ix_meeting_passes_meeting_id", "meeting_passes", ["meeting_id"])
    op.create_table(
        "meeting_recordings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("started_by", sa.String(length=40), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.Column("held_us", sa.BigInteger(), nullable=True),
        sa.Column("held_by", sa.String(length=40), nullable=True),
        sa.Column("hold_reason", sa.String(length=500), nullable=True),
        sa.Column("render_state", sa.String(length=12), nullable=True),
        sa.Column("render_layout", sa.String(length=16), nullable=True),
        sa.Column("render_process", sa.String(length=40), nullable=True),
        sa.Column("render_lease_us", sa.BigInteger(), nullable=True),
        sa.Column("render_done_us", sa.BigInteger(), nullable=True),
        sa.Column("render_key", sa.String(length=200), nullable=True),
        sa.Column("render_bytes", sa.BigInteger(), nullable=True),
        sa.Column("render_sha256", sa.String(length=64), nullable=True),
        sa.Column("render_message", sa.String(length=1000), nullable=True),
        sa.CheckConstraint(
            "render_state IN ('queued', 'running', 'done', 'failed')",
            name=op.f("ck_meeting_recordings_render_state"),
        ),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_recordings_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_recordings")),
    )
    op.create_index(
        "ix_meeting_recordings_meeting_id", "meeting_recordings", ["meeting_id", "started_us"]
    )
    op.create_index(
        "ix_meeting_recordings_render_state", "meeting_recordings", ["render_state", "started_us"]
    )
    op.create_table(
        "meeting_tracks",
        sa.Column("stream_id", sa.String(length=120), nullable=False),
        sa.Column("begin_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("recording_id", sa.String(length=40), nullable=True),
        sa.Column("participant_id", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("codec", sa.String(length=16), nullable=True),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('program', 'microphone', 'camera', 'screen')",
            name=op.f("ck_meeting_tracks_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_tracks_meeting_id")
        ),
        sa.PrimaryKeyConstraint("stream_id", "begin_us", name=op.f("pk_meeting_tracks")),
    )
    op.create_index("ix_meeting_tracks_meeting_id", "meeting_tracks", ["meeting_id", "begin_us"])
    op.create_table(
        "roll_calls",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("started_by", sa.String(length=40), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("current_id", sa.String(length=40), nullable=True),
        sa.Column("late_after_s", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_roll_calls_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll_calls")),
    )
    op.create_index("ix_roll_calls_meeting_id", "roll_calls", ["meeting_id", "started_us"])
    op.create_table(
        "meeting_attendance",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("participant_id", sa.String(length=40), nullable=False),
        sa.Column("session_id", sa.String(length=40), nullable=True),
        sa.Column("connected_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("left_us", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_attendance_meeting_id")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["meeting_participants.id"],
            name=op.f("fk_meeting_attendance_participant_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_attendance")),
    )
    op.create_index("ix_meeting_attendance_left_us", "meeting_attendance", ["left_us"])
    op.create_index(
        "ix_meeting_attendance_meeting_id",
        "meeting_attendance",
        ["meeting_id", "participant_id", "connected_us"],
    )
    op.create_table(
        "meeting_floor",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("meeting_id", sa.String(length=40), nullable=False),
        sa.Column("participant_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("why", sa.String(length=12), nullable=False),
        sa.Column("begin_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('camera', 'screen')", name=op.f("ck_meeting_floor_kind")),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_floor_meeting_id")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["meeting_participants.id"],
            name=op.f("fk_meeting_floor_participant_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_floor")),
    )
    op.create_index("ix_meeting_floor_meeting_id", "meeting_floor", ["meeting_id", "begin_us"])
    op.create_table(
        "roll_call_answers",
        sa.Column("roll_call_id", sa.String(length=40), nullable=False),
        sa.Column("participant_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("area_names", sa.JSON(), nullable=False),
        sa.Column("called_us", sa.BigInteger(), nullable=True),
        sa.Column("connected", sa.Boolean(), nullable=True),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("tick", sa.String(length=8), nullable=True),
        sa.Column("ticked_us", sa.BigInteger(), nullable=True),
        sa.Column("ticked_by", sa.String(length=40), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("snapshot_key", sa.String(length=200), nullable=True),
        sa.Column("snapshot_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("tick IN ('present', 'absent')", name=op.f("ck_roll_call_answers_tick")),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["meeting_participants.id"],
            name=op.f("fk_roll_call_answers_participant_id"),
        ),
        sa.ForeignKeyConstraint(
            ["roll_call_id"], ["roll_calls.id"], name=op.f("fk_roll_call_answers_roll_call_id")
        ),
        sa.PrimaryKeyConstraint(
            "roll_call_id", "participant_id", name=op.f("pk_roll_call_answers")
        ),
    )
