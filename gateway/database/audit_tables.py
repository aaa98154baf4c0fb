"""The register of who looked at what, and the purposes of shifts."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

audit_log = sa.Table(
    "audit_log",
    metadata,
    # One hash chain per writer; `sequence` counts from 1 without a hole. See gateway.audit.
    sa.Column("writer", sa.String(40), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.String(40), nullable=True),
    sa.Column("user_name", sa.String(100), nullable=True),
    sa.Column("address", sa.String(64), nullable=True),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("camera_id", sa.String(40), nullable=True),
    sa.Column("area_path", sa.String(1000), nullable=True),
    sa.Column("start_us", sa.BigInteger, nullable=True),
    sa.Column("end_us", sa.BigInteger, nullable=True),
    sa.Column("reason", sa.String(500), nullable=True),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    # Of the pick-list, see gateway.accountability; `reason` holds the words.
    sa.Column("reason_code", sa.String(32), nullable=True),
    sa.Column("case_id", sa.String(64), nullable=True),
    sa.Index("ix_audit_log_at_us", "at_us"),
    sa.Index("ix_audit_log_camera_id", "camera_id", "at_us"),
    sa.Index("ix_audit_log_user_id", "user_id", "at_us"),
    sa.Index("ix_audit_log_case_id", "case_id", "at_us"),
    sa.Index("ix_audit_log_action", "action", "at_us"),
)

# The gateway itself cannot change what is written, whatever bug it has; who holds the database can,
# and is found by the chain. A revision that rebuilds the table must make these anew.
APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_log_no_{event.lower()} BEFORE {event} ON audit_log "
        "BEGIN SELECT RAISE(ABORT, 'the register is append-only'); END"
        for event in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION audit_log_append_only() RETURNS trigger AS "
        "$$ BEGIN RAISE EXCEPTION 'the register is append-only' "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_append_only()",
    ],
}

for _dialect, _statements in APPEND_ONLY.items():
    for _statement in _statements:
        _made = sa.DDL(_statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
        sa.event.listen(audit_log, "after_create", _made.execute_if(dialect=_dialect))

shift_purposes = sa.Table(
    "shift_purposes",
    metadata,
    # Why somebody watches live in a shift. The running one has no `ended_us` and has not expired.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("code", sa.String(32), nullable=False),
    sa.Column("text", sa.String(500), nullable=True),
    sa.Column("case_id", sa.String(64), nullable=True),
    sa.Column("given_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    sa.Index("ix_shift_purposes_user_id", "user_id", "given_us"),
)
