"""A county of one township with three villages on a real database, written to without a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from gateway.database.engine import create_writer_engine
from gateway.database.meeting_tables import meeting_attendance, meeting_participants, meetings
from gateway.database.migrate import load_tables
from gateway.database.writer_process import load_operations
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.rows import perform


@dataclass
class Rows:
    """Row operations, each in a transaction of its own, and what came of them."""

    engine: sa.Engine
    areas: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)

    def write(self, operation: str, **arguments: Any) -> Any:
        with self.engine.begin() as connection:
            return perform(connection, operation, arguments)

    def all(self, table: sa.Table, *where: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(table).where(*where)).all())

    def meeting(self, meeting_id: str) -> Any:
        (row,) = self.all(meetings, meetings.c.id == meeting_id)
        return row

    def participant(self, participant_id: str) -> Any:
        (row,) = self.all(meeting_participants, meeting_participants.c.id == participant_id)
        return row

    def spans(self, participant_id: str) -> list[Any]:
        table = meeting_attendance
        rows = self.all(table, table.c.participant_id == participant_id)
        return sorted(rows, key=lambda row: row.connected_us)

    def user(self, name: str) -> str:
        self.users[name] = self.write(
            "accounts.create", name=name, display_name=name, password_hash="x",
            must_change_password=False, granted=[], area_id=None,
        )  # fmt: skip
        return self.users[name]

    def called(self, **columns: Any) -> str:
        """A meeting of the town that is to come, led by "chair"."""
        chair = {"user_id": self.users["chair"], "name": "chair", "area_id": None}
        given = {
            "title": "防汛会商", "area_id": self.areas["town"], "created_by": chair["user_id"],
            "scheduled_us": now_us(), "planned_s": 3600, "starts_itself": False, "rings": True,
            "lobby": False, "muted_on_entry": False, "records": False, **columns,
        }  # fmt: skip
        return str(self.write("meetings.create", columns=given, chair=chair))

    def invite(self, meeting_id: str, *names: str) -> list[str]:
        """Invite villages as sites."""
        sites = [
            {"kind": "site", "subject": self.areas[one], "area_id": self.areas[one], "name": one}
            for one in names
        ]
        return list(
            self.write("meetings.invite", meeting_id=meeting_id, participants=sites, invited_by="x")
        )

    def joined(self, meeting_id: str, participant_id: str, session_id: str = "ses") -> str:
        """Join as somebody who has signed in; gives what the room says then."""
        self.write(
            "meetings.join", meeting_id=meeting_id, participant_id=participant_id,
            session_id=session_id, records=[],
            viewing={
                "user_id": self.users["clerk"], "token_hash": None, "process": "shard-1",
                "action": "meeting", "camera_ids": [],
            },
        )  # fmt: skip
        return str(
            self.write(
                "meetings.arrived",
                participant_id=participant_id,
                session_id=session_id,
                at_us=now_us(),
            )
        )


@contextmanager
def a_county(path: Path, database_url: SecretStr | None = None) -> Iterator[Rows]:
    load_operations()
    engine = create_writer_engine(Settings(data_directory=path, database_url=database_url))
    if database_url is None:
        load_tables().create_all(engine)
    rows = Rows(engine)
    for name, parent in (("town", None), ("a", "town"), ("b", "town"), ("c", "town")):
        above = rows.areas[parent] if parent else None
        rows.areas[name] = rows.write("areas.create", parent_id=above, name=name)
    for name in ("chair", "clerk"):
        rows.user(name)
    yield rows
    engine.dispose()
