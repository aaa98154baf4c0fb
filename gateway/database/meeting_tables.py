"""Tables of meetings: who is invited and there, who speaks, roll calls, what was said and kept.

Part of the schema in :mod:`gateway.database.tables`. The rows are the truth of a meeting: a shard's
room is what they say, projected on live connections, so that one that was killed is right again at
once. Written by :mod:`gateway.meetings.rows` and its neighbours. Areas are no foreign keys here: a
meeting outlives the village that took part.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# SQLite counts up only what is an INTEGER there.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

meetings = sa.Table(
    "meetings",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    # Whose meeting it is: who convenes there sees and leads it.
    sa.Column("area_id", sa.String(40), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    # Counts up with every change of the meeting or of its participants: what a room or a page has
    # seen is known by it.
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("scheduled_us", sa.BigInteger, nullable=False),
    # How long it is meant to last; nobody ends it for that.
    sa.Column("planned_s", sa.Integer, nullable=False),
    sa.Column("reminded_us", sa.BigInteger, nullable=True),
    sa.Column("started_us", sa.BigInteger, nullable=True),
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    # 'chair', 'abandoned', 'cancelled'.
    sa.Column("end_reason", sa.String(12), nullable=True),
    # Since when nobody is connected; null while somebody is.
    sa.Column("empty_since_us", sa.BigInteger, nullable=True),
    # The process that runs its room; null before it starts.
    sa.Column("shard", sa.String(40), nullable=True),
    # Starts at its time by itself; else somebody starts it.
    sa.Column("starts_itself", sa.Boolean, nullable=False),
    # Sites ring when it starts.
    sa.Column("rings", sa.Boolean, nullable=False),
    # Who is invited waits to be let in, too. Guests always do.
    sa.Column("lobby", sa.Boolean, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False),
    # Who comes in is muted until the chair unmutes them.
    sa.Column("muted_on_entry", sa.Boolean, nullable=False),
    sa.Column("records", sa.Boolean, nullable=False),
    sa.Column("layout", sa.String(16), nullable=False),
    # On everybody's screen, whatever else is shown.
    sa.Column("pinned_id", sa.String(40), nullable=True),
    sa.Column("pinned_kind", sa.String(8), nullable=True),
    # {interval_s, area_id or null, started_us} while villages are shown in turn.
    sa.Column("polling", sa.JSON(none_as_null=True), nullable=True),
    # The roll call that is on.
    sa.Column("roll_call_id", sa.String(40), nullable=True),
    # HMAC-SHA256 of the link's code under the cluster's secret.
    sa.Column("code_hash", sa.String(64), nullable=True, unique=True),
    sa.Column("code_expires_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("state IN ('scheduled', 'running', 'ended', 'cancelled')", name="state"),
    sa.CheckConstraint("layout IN ('speaker', 'speaker_grid', 'grid', 'screen')", name="layout"),
    sa.CheckConstraint("pinned_kind IN ('camera', 'screen')", name="pinned_kind"),
    sa.Index("ix_meetings_state", "state", "scheduled_us"),
    sa.Index("ix_meetings_area_id", "area_id", "scheduled_us"),
)

meeting_participants = sa.Table(
    "meeting_participants",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    # What takes part, by its kind: the id of an area, a user, a camera, a recording, a SIP address;
    # of a guest or a WHIP sender the participant's own id.
    sa.Column("subject", sa.String(300), nullable=False),
    sa.Column("role", sa.String(12), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    # Of a site: itself. Of a camera: its home.
    sa.Column("area_id", sa.String(40), nullable=True),
    # Of a person: themselves. Of a site: who joined for it last.
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=True),
    # In the order of the tree of areas; people, guests and the rest come after.
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("invited_us", sa.BigInteger, nullable=False),
    sa.Column("invited_by", sa.String(40), nullable=True),
    # When it was rung last, and how often.
    sa.Column("rung_us", sa.BigInteger, nullable=True),
    sa.Column("rings", sa.Integer, nullable=False),
    # When somebody on the spot took or refused the call.
    sa.Column("answered_us", sa.BigInteger, nullable=True),
    sa.Column("refusal", sa.String(200), nullable=True),
    sa.Column("lobby_us", sa.BigInteger, nullable=True),
    sa.Column("admitted_us", sa.BigInteger, nullable=True),
    sa.Column("admitted_by", sa.String(40), nullable=True),
    sa.Column("left_us", sa.BigInteger, nullable=True),
    # The session whose ticket was handed out last: an older one joins no more.
    sa.Column("session_id", sa.String(40), nullable=True),
    # Nothing of its sound is forwarded.
    sa.Column("muted", sa.Boolean, nullable=False),
    # Since when it has the floor; null without. The newest is on the program.
    sa.Column("floor_us", sa.BigInteger, nullable=True),
    # Since when its hand is up: the queue.
    sa.Column("hand_us", sa.BigInteger, nullable=True),
    # SHA-256 of a guest's or a WHIP sender's token.
    sa.Column("token_hash", sa.String(64), nullable=True, unique=True),
    # The process at which it sits; null: the one that runs the meeting.
    sa.Column("shard", sa.String(40), nullable=True),
    sa.CheckConstraint(
        "kind IN ('site', 'person', 'guest', 'camera', 'recording', 'sip', 'whip')", name="kind"
    ),
    sa.CheckConstraint("role IN ('chair', 'co_chair', 'site', 'observer')", name="role"),
    sa.CheckConstraint(
        "state IN ('invited', 'ringing', 'lobby', 'connected', 'left', 'refused', 'removed')",
        name="state",
    ),
    sa.UniqueConstraint("meeting_id", "kind", "subject"),
    sa.Index("ix_meeting_participants_user_id", "user_id", "meeting_id"),
    sa.Index("ix_meeting_participants_area_id", "area_id", "meeting_id"),
    sa.Index("ix_meeting_participants_shard", "shard"),
)

meeting_attendance = sa.Table(
    "meeting_attendance",
    metadata,
    # From when to when somebody was connected, one row for each time.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column(
        "participant_id", sa.String(40), sa.ForeignKey("meeting_participants.id"), nullable=False
    ),
    sa.Column("session_id", sa.String(40), nullable=True),
    sa.Column("connected_us", sa.BigInteger, nullable=False),
    # When its shard last said that it is there: where it ends if the shard does not live to say so.
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    sa.Column("left_us", sa.BigInteger, nullable=True),
    sa.Column("reason", sa.String(200), nullable=True),
    sa.Index("ix_meeting_attendance_meeting_id", "meeting_id", "participant_id", "connected_us"),
    sa.Index("ix_meeting_attendance_participant_id", "participant_id", "connected_us"),
    sa.Index("ix_meeting_attendance_session_id", "session_id"),
    sa.Index("ix_meeting_attendance_left_us", "left_us"),
)

meeting_floor = sa.Table(
    "meeting_floor",
    metadata,
    # What was on the program from when to when: the chapters of a recording.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column(
        "participant_id", sa.String(40), sa.ForeignKey("meeting_participants.id"), nullable=False
    ),
    sa.Column("kind", sa.String(8), nullable=False),
    # 'floor', 'pinned', 'speaker', 'polling', 'roll_call', 'screen'.
    sa.Column("why", sa.String(12), nullable=False),
    sa.Column("begin_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("kind IN ('camera', 'screen')", name="kind"),
    sa.Index("ix_meeting_floor_meeting_id", "meeting_id", "begin_us"),
)

roll_calls = sa.Table(
    "roll_calls",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    # Of this area and all below it; null: of all sites.
    sa.Column("area_id", sa.String(40), nullable=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("started_by", sa.String(40), nullable=False),
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    # The site that is called now, on everybody's screen.
    sa.Column("current_id", sa.String(40), nullable=True),
    # Who connected later than this after the meeting's start is late.
    sa.Column("late_after_s", sa.Integer, nullable=False),
    sa.Index("ix_roll_calls_meeting_id", "meeting_id", "started_us"),
)

roll_call_answers = sa.Table(
    "roll_call_answers",
    metadata,
    sa.Column("roll_call_id", sa.String(40), sa.ForeignKey("roll_calls.id"), primary_key=True),
    sa.Column(
        "participant_id",
        sa.String(40),
        sa.ForeignKey("meeting_participants.id"),
        primary_key=True,
    ),
    sa.Column("position", sa.Integer, nullable=False),
    # Names of the areas from the root down, as they were: the result outlives the tree.
    sa.Column("area_names", sa.JSON, nullable=False),
    sa.Column("called_us", sa.BigInteger, nullable=True),
    # What the machine found when it was called. It is no presence.
    sa.Column("connected", sa.Boolean, nullable=True),
    # Somebody at the site said so there.
    sa.Column("answered_us", sa.BigInteger, nullable=True),
    # The chair's word: 'present', 'absent', or null.
    sa.Column("tick", sa.String(8), nullable=True),
    sa.Column("ticked_us", sa.BigInteger, nullable=True),
    sa.Column("ticked_by", sa.String(40), nullable=True),
    sa.Column("note", sa.String(500), nullable=False),
    # Where the picture of that moment lies in the store.
    sa.Column("snapshot_key", sa.String(200), nullable=True),
    sa.Column("snapshot_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("tick IN ('present', 'absent')", name="tick"),
)

meeting_messages = sa.Table(
    "meeting_messages",
    metadata,
    # In the order of their numbers.
    sa.Column("id", _Number, primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("participant_id", sa.String(40), nullable=True),
    sa.Column("user_id", sa.String(40), nullable=True),
    sa.Column("author", sa.String(200), nullable=False),
    # Null: to all.
    sa.Column("to_participant_id", sa.String(40), nullable=True),
    sa.Column("text", sa.String(4000), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    # Taken away by a chair; the text stays in the row for the register's sake.
    sa.Column("removed_us", sa.BigInteger, nullable=True),
    sa.Column("removed_by", sa.String(40), nullable=True),
    sa.Index("ix_meeting_messages_meeting_id", "meeting_id", "id"),
    sqlite_autoincrement=True,
)

meeting_files = sa.Table(
    "meeting_files",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("participant_id", sa.String(40), nullable=True),
    sa.Column("user_id", sa.String(40), nullable=True),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("key", sa.String(200), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("removed_us", sa.BigInteger, nullable=True),
    sa.Column("removed_by", sa.String(40), nullable=True),
    sa.Index("ix_meeting_files_meeting_id", "meeting_id", "at_us"),
)

meeting_agenda = sa.Table(
    "meeting_agenda",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("speaker", sa.String(200), nullable=False),
    sa.Column("planned_s", sa.Integer, nullable=True),
    sa.Column("started_us", sa.BigInteger, nullable=True),
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    sa.Index("ix_meeting_agenda_meeting_id", "meeting_id", "position"),
)

meeting_minutes = sa.Table(
    "meeting_minutes",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    # The moment of the meeting that it speaks of: where a recording is opened by it.
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("text", sa.String(8000), nullable=False),
    sa.Column("agenda_id", sa.String(40), nullable=True),
    sa.Column("author", sa.String(200), nullable=False),
    sa.Column("user_id", sa.String(40), nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("removed_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("kind IN ('note', 'decision', 'task')", name="kind"),
    sa.Index("ix_meeting_minutes_meeting_id", "meeting_id", "at_us"),
)

meeting_recordings = sa.Table(
    "meeting_recordings",
    metadata,
    # One for each time that recording was switched on; what it consists of is in meeting_tracks.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("started_by", sa.String(40), nullable=True),
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    sa.Column("expires_us", sa.BigInteger, nullable=True),
    sa.Column("removed_us", sa.BigInteger, nullable=True),
    # Since when nothing of it may be deleted, by whose word and why; null: by its retention.
    sa.Column("held_us", sa.BigInteger, nullable=True),
    sa.Column("held_by", sa.String(40), nullable=True),
    sa.Column("hold_reason", sa.String(500), nullable=True),
    # The one MP4 that is made of it afterwards; null until somebody asks.
    sa.Column("render_state", sa.String(12), nullable=True),
    sa.Column("render_layout", sa.String(16), nullable=True),
    sa.Column("render_process", sa.String(40), nullable=True),
    sa.Column("render_lease_us", sa.BigInteger, nullable=True),
    sa.Column("render_done_us", sa.BigInteger, nullable=True),
    sa.Column("render_key", sa.String(200), nullable=True),
    sa.Column("render_bytes", sa.BigInteger, nullable=True),
    sa.Column("render_sha256", sa.String(64), nullable=True),
    sa.Column("render_message", sa.String(1000), nullable=True),
    sa.CheckConstraint(
        "render_state IN ('queued', 'running', 'done', 'failed')", name="render_state"
    ),
    sa.Index("ix_meeting_recordings_meeting_id", "meeting_id", "started_us"),
    sa.Index("ix_meeting_recordings_render_state", "render_state", "started_us"),
)

meeting_tracks = sa.Table(
    "meeting_tracks",
    metadata,
    # What the recorder keeps of a meeting, by the id under which it keeps it as a camera's:
    # MEETING_ID/program, MEETING_ID/PARTICIPANT_ID/camera ….
    sa.Column("stream_id", sa.String(120), primary_key=True),
    sa.Column("begin_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("recording_id", sa.String(40), nullable=True),
    sa.Column("participant_id", sa.String(40), nullable=True),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("codec", sa.String(16), nullable=True),
    sa.Column("end_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("kind IN ('program', 'microphone', 'camera', 'screen')", name="kind"),
    sa.Index("ix_meeting_tracks_meeting_id", "meeting_id", "begin_us"),
)

meeting_passes = sa.Table(
    "meeting_passes",
    metadata,
    # Areas that may watch a meeting that was not theirs, running or recorded, until it expires.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("area_id", sa.String(40), nullable=False),
    # Whether it may be watched while it runs; its recording may be.
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("revoked_us", sa.BigInteger, nullable=True),
    sa.Column("revoked_by", sa.String(40), nullable=True),
    sa.Index("ix_meeting_passes_meeting_id", "meeting_id"),
    sa.Index("ix_meeting_passes_area_id", "area_id", "expires_us"),
)

meeting_playbacks = sa.Table(
    "meeting_playbacks",
    metadata,
    # What a participant of kind 'recording' plays, and where it stands.
    sa.Column(
        "participant_id",
        sa.String(40),
        sa.ForeignKey("meeting_participants.id"),
        primary_key=True,
    ),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    # The participant's camera's footage from start_us to end_us, a recording of a meeting, one of
    # this meeting's files.
    sa.Column("source", sa.String(8), nullable=False),
    sa.Column("recording_id", sa.String(40), nullable=True),
    sa.Column("file_id", sa.String(40), nullable=True),
    sa.Column("start_us", sa.BigInteger, nullable=True),
    sa.Column("end_us", sa.BigInteger, nullable=True),
    sa.Column("length_us", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    # Counted from its beginning; it stood there at since_us, and has gone on if it plays.
    sa.Column("position_us", sa.BigInteger, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("loop", sa.Boolean, nullable=False),
    # Another one after each command: what a shard tells of an earlier one counts no more.
    sa.Column("command", sa.Integer, nullable=False),
    # Why nothing of it is shown; null while all is well.
    sa.Column("problem", sa.String(300), nullable=True),
    sa.CheckConstraint("source IN ('footage', 'meeting', 'file')", name="source"),
    sa.CheckConstraint("state IN ('playing', 'paused')", name="state"),
    sa.Index("ix_meeting_playbacks_meeting_id", "meeting_id"),
)

meeting_subtitles = sa.Table(
    "meeting_subtitles",
    metadata,
    # What a speech recogniser understood, where one is plugged in.
    sa.Column("id", _Number, primary_key=True),
    sa.Column("meeting_id", sa.String(40), sa.ForeignKey("meetings.id"), nullable=False),
    sa.Column("participant_id", sa.String(40), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.Column("text", sa.String(2000), nullable=False),
    sa.UniqueConstraint("meeting_id", "participant_id", "at_us"),
    sa.Index("ix_meeting_subtitles_meeting_id", "meeting_id", "at_us"),
    sqlite_autoincrement=True,
)

meeting_sites = sa.Table(
    "meeting_sites",
    metadata,
    # What a site has said of itself. One without a row answers every call by hand.
    sa.Column("area_id", sa.String(40), primary_key=True),
    # [{days: [0 Monday … 6], from_min, until_min}] in local time: then calls are taken unasked.
    sa.Column("hours", sa.JSON, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("changed_by", sa.String(40), nullable=False),
)

site_checks = sa.Table(
    "site_checks",
    metadata,
    # A test of a site's devices: asked for, or made on the spot.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("area_id", sa.String(40), nullable=False),
    sa.Column("asked_us", sa.BigInteger, nullable=True),
    sa.Column("asked_by", sa.String(40), nullable=True),
    sa.Column("meeting_id", sa.String(40), nullable=True),
    # Null while nobody has made it.
    sa.Column("done_us", sa.BigInteger, nullable=True),
    sa.Column("done_by", sa.String(40), nullable=True),
    # 'good', 'poor', 'failed', 'refused', 'absent'; null: not tested.
    sa.Column("microphone", sa.String(8), nullable=True),
    sa.Column("camera", sa.String(8), nullable=True),
    sa.Column("speaker", sa.String(8), nullable=True),
    sa.Column("network", sa.String(8), nullable=True),
    # Figures and the browser's words: {round_trip_ms, up_bps, down_bps, loss, why: {…}}.
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_site_checks_area_id", "area_id", "done_us"),
    sa.Index("ix_site_checks_asked_us", "asked_us"),
)
