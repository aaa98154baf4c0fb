"""The gateway's tables. Footage has its own in ``recorder/tables.py``, and what belongs to one part
of the gateway is in ``*_tables.py`` beside this file, all on the same metadata.

Times are UTC microseconds (``*_us``). Ids are opaque text. Schema changes are Alembic revisions in
``migrations/versions``; ``tests/gateway/database/test_migrations.py`` compares both.
"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.alarm_rule_tables import alarm_notices as alarm_notices
from gateway.database.alarm_rule_tables import alarm_rules as alarm_rules
from gateway.database.analysis_tables import analysis_jobs as analysis_jobs
from gateway.database.analysis_tables import analysis_stretches as analysis_stretches
from gateway.database.assist_tables import assist_areas as assist_areas
from gateway.database.assist_tables import assist_clips as assist_clips
from gateway.database.assist_tables import assist_looked as assist_looked
from gateway.database.assist_tables import assist_photos as assist_photos
from gateway.database.assist_tables import assist_requests as assist_requests
from gateway.database.assist_tables import assist_steps as assist_steps
from gateway.database.attachment_tables import attached_files as attached_files
from gateway.database.attachment_tables import attachments as attachments
from gateway.database.audit_tables import audit_log as audit_log
from gateway.database.cascade_tables import platform_codes as platform_codes
from gateway.database.cascade_tables import platform_shares as platform_shares
from gateway.database.cluster_tables import shards as shards
from gateway.database.fetch_tables import backfills as backfills
from gateway.database.field_tables import field_duties as field_duties
from gateway.database.field_tables import field_pieces as field_pieces
from gateway.database.field_tables import field_reports as field_reports
from gateway.database.field_tables import field_uploads as field_uploads
from gateway.database.gb28181_tables import gb28181_dialogs as gb28181_dialogs
from gateway.database.grant_tables import camera_places as camera_places
from gateway.database.grant_tables import grants as grants
from gateway.database.health_tables import camera_health as camera_health
from gateway.database.health_tables import camera_health_days as camera_health_days
from gateway.database.health_tables import camera_health_references as camera_health_references
from gateway.database.notice_tables import notice_areas as notice_areas
from gateway.database.notice_tables import notice_receipts as notice_receipts
from gateway.database.notice_tables import notice_sites as notice_sites
from gateway.database.notice_tables import notices as notices
from gateway.database.operating_tables import alarms as alarms
from gateway.database.operating_tables import device_events as device_events
from gateway.database.operating_tables import patrols as patrols
from gateway.database.operating_tables import preset_names as preset_names
from gateway.database.operating_tables import ptz_holdings as ptz_holdings
from gateway.database.operating_tables import ptz_homes as ptz_homes
from gateway.database.operating_tables import switches as switches
from gateway.database.platform_tables import platform_applicants as platform_applicants
from gateway.database.platform_tables import platform_channels as platform_channels
from gateway.database.platform_tables import platform_states as platform_states
from gateway.database.platform_tables import platforms as platforms
from gateway.database.replica_tables import leases as leases
from gateway.database.replica_tables import rate_takes as rate_takes
from gateway.database.zone_tables import camera_zones as camera_zones
from recorder.rows import metadata

areas = sa.Table(
    "areas",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("parent_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=True),
    # Trees over the same cameras: townships, departments, police jurisdictions, source platforms.
    # Children have their parent's.
    sa.Column("axis", sa.String(16), nullable=False, server_default="area"),
    sa.Column("name", sa.String(200), nullable=False),
    # The administrative division code (GB/T 2260) on the axis 'area', people's own elsewhere.
    sa.Column("code", sa.String(40), nullable=True),
    # What it is found by: see gateway.people.search_key.
    sa.Column("search_key", sa.Text, nullable=False, server_default=""),
    # Ids from the root down to this area, each followed by a slash: "a/b/c/". A subtree is a
    # prefix, so that "may he see this camera" needs no recursion.
    sa.Column("path", sa.String(1000), nullable=False, unique=True),
    sa.Column("position", sa.Integer, nullable=False, default=0),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    # When this area was last hung elsewhere; tells readers to forget the paths that they know.
    sa.Column("moved_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("axis IN ('area', 'department', 'police', 'platform')", name="axis"),
    sa.Index("ix_areas_parent_id", "parent_id", "position"),
    sa.Index("ix_areas_axis", "axis", "code", unique=True),
)

cameras = sa.Table(
    "cameras",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # Its home, on the axis 'area'; further places are in `camera_places`.
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    # What people file it under; lists are imported again by it.
    sa.Column("number", sa.String(40), nullable=True),
    sa.Column("search_key", sa.Text, nullable=False, server_default=""),
    # URLs are kept without credentials; `password_sealed` is made by gateway.secrets.seal().
    sa.Column("main_url", sa.String(2000), nullable=False),
    sa.Column("sub_url", sa.String(2000), nullable=True),
    sa.Column("username", sa.String(200), nullable=True),
    sa.Column("password_sealed", sa.String(1000), nullable=True),
    sa.Column("transport", sa.String(8), nullable=False),
    sa.Column("record", sa.String(16), nullable=False),
    sa.Column("retention_days", sa.Integer, nullable=True),
    sa.Column("retention_bytes", sa.BigInteger, nullable=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    # Raised by every change, so that a shard sees by one sum that it must reconcile.
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    # A deleted camera keeps its row as long as footage or the audit log may name it.
    sa.Column("deleted_us", sa.BigInteger, nullable=True),
    # The device or platform that brings it, and the channel's code there.
    sa.Column("platform_id", sa.String(40), sa.ForeignKey("platforms.id"), nullable=True),
    sa.Column("channel", sa.String(80), nullable=True),
    # Where it stands, in degrees of WGS 84; where it looks, clockwise from north, and how wide.
    sa.Column("longitude", sa.Float, nullable=True),
    sa.Column("latitude", sa.Float, nullable=True),
    sa.Column("heading_deg", sa.Float, nullable=True),
    sa.Column("view_deg", sa.Float, nullable=True),
    # Whether its pictures are searched for people and vehicles: auto is while it is recorded.
    sa.Column("analysis", sa.String(8), nullable=False, server_default="auto"),
    # In which hours of the week (gateway.analysis.hours); none: always.
    sa.Column("analysis_hours", sa.JSON(none_as_null=True), nullable=True),
    sa.CheckConstraint("transport IN ('auto', 'tcp', 'udp')", name="transport"),
    sa.CheckConstraint("record IN ('continuous', 'off')", name="record"),
    sa.CheckConstraint("analysis IN ('auto', 'on', 'off')", name="analysis"),
    # All that a page of cameras is chosen, counted and sorted by: see gateway.cameras.
    sa.Index("ix_cameras_area_id", "area_id", "deleted_us", "name", "id"),
    sa.Index("ix_cameras_platform_id", "platform_id", "channel"),
    # A deleted camera's number may be used again.
    sa.Index(
        "ix_cameras_number",
        "number",
        unique=True,
        sqlite_where=sa.text("deleted_us IS NULL"),
        postgresql_where=sa.text("deleted_us IS NULL"),
    ),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # `name_key` is the case-folded name: nobody may look like somebody else.
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("name_key", sa.String(100), nullable=False, unique=True),
    sa.Column("display_name", sa.String(200), nullable=False),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("must_change_password", sa.Boolean, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("password_changed_us", sa.BigInteger, nullable=False),
    # The account's home: who administers that area administers it. Null is the county.
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=True),
    sa.Column("deleted_us", sa.BigInteger, nullable=True),
)

sign_in_sessions = sa.Table(
    "sign_in_sessions",
    metadata,
    # SHA-256 of the cookie: who reads the database cannot sign in with it.
    sa.Column("token_hash", sa.String(64), primary_key=True),
    # By which people speak of it.
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    # How it was opened: see gateway.people.authorize.Method.
    sa.Column("method", sa.String(16), nullable=False),
    # The duty desk it is at.
    sa.Column("desk_id", sa.String(40), sa.ForeignKey("desks.id"), nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("used_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("user_agent", sa.String(300), nullable=False),
    sa.Index("ix_sign_in_sessions_user_id", "user_id"),
)

sign_in_failures = sa.Table(
    "sign_in_failures",
    metadata,
    # "name:<key>" or "address:<ip>": both are limited, each on its own.
    sa.Column("key", sa.String(300), primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    # How often it was locked in a row: each lock lasts twice as long as the one before.
    sa.Column("locks", sa.Integer, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("locked_until_us", sa.BigInteger, nullable=False),
)

viewing_sessions = sa.Table(
    "viewing_sessions",
    metadata,
    # The session_id of a ticket. Kept so that a withdrawn right can end what is being watched.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=True),
    sa.Column("process", sa.String(40), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("camera_ids", sa.JSON, nullable=False),
    sa.Column("opened_us", sa.BigInteger, nullable=False),
    # When it was revoked, or found to be over; null while it may be open.
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    # When it was last found open, and up to when its process has said what was watched: what lies
    # between is put into the register by others when the process dies.
    sa.Column("seen_us", sa.BigInteger, nullable=True),
    sa.Column("reported_us", sa.BigInteger, nullable=True),
    # Whether its ticket shows what lies beneath masks.
    sa.Column("may_lift_masks", sa.Boolean, nullable=False, server_default=sa.false()),
    # The clip of an assist request that lends what it shows; it goes on for as long as that does.
    sa.Column("clip_id", sa.String(40), nullable=True),
    sa.Index("ix_viewing_sessions_ended_us", "ended_us", "user_id"),
)

bookmarks = sa.Table(
    "bookmarks",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=True),
    sa.Column("note", sa.String(2000), nullable=False),
    sa.Column("author_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index("ix_bookmarks_camera_id", "camera_id", "at_us"),
)

layouts = sa.Table(
    "layouts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("owner_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Index("ix_layouts_owner_id", "owner_id"),
)

tours = sa.Table(
    "tours",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("owner_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Index("ix_tours_owner_id", "owner_id"),
)

walls = sa.Table(
    "walls",
    metadata,
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("screen", sa.String(40), primary_key=True),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)

restreams = sa.Table(
    "restreams",
    metadata,
    # Also the session_id of viewers who come by it, so that revoking the id ends them all.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("variant", sa.String(8), nullable=False),
    # SHA-256 (hex) of the token that is the last path segment of the rtsp:// URL.
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    # Networks that may connect, as text: ["10.1.2.0/24"]. Empty: nobody.
    sa.Column("addresses", sa.JSON, nullable=False),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("user_name", sa.String(100), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("revoked_us", sa.BigInteger, nullable=True),
    # Whether who handed it out may see beneath the camera's masks; else readers get it masked.
    sa.Column("may_lift_masks", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_restreams_camera_id", "camera_id"),
)

processes = sa.Table(
    "processes",
    metadata,
    # "shard-1", "footage-1", "transcoder", "api", "writer"; of several "transcoder-1", "api-1".
    # Where there are several machines, what each has is named after it too: "writer.node-b".
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("node", sa.String(100), nullable=False),
    sa.Column("process_id", sa.Integer, nullable=False),
    # Where the API's pass-through of /s/NAME/… goes; null for processes without HTTP.
    sa.Column("http_address", sa.String(64), nullable=True),
    sa.Column("http_port", sa.Integer, nullable=True),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    # Where its control channel answers other machines; null where there are none.
    sa.Column("control_address", sa.String(64), nullable=True),
    sa.Column("control_port", sa.Integer, nullable=True),
    # Where, at the same address, its HTTP answers other machines.
    sa.Column("peer_http_port", sa.Integer, nullable=True),
)
