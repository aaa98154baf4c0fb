"""A register with its signatures, as the writer process keeps them, and a hand behind its back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from gateway.audit import AuditRecord, append
from gateway.audit.checkpoints import CheckpointWriter, signing_key
from gateway.audit.outside import Outside
from gateway.audit.verify import VerifyReport, verify
from gateway.settings import Settings
from recorder.rows import LocalRowWriter
from tests.gateway.kept import new_database

SECRET = b"s" * 32
PUBLIC_KEY = signing_key(SECRET).public_key()
TRIGGERS = {
    "sqlite": ("audit_log_no_update", "audit_log_no_delete"),
    "postgresql": ("audit_log_append_only",),
}


class Register:
    """A database and its checkpoints."""

    def __init__(self, folder: Path, database_url: SecretStr | None = None) -> None:
        self.folder = folder
        self.engine = new_database(Settings(data_directory=folder, database_url=database_url))
        self.rows = LocalRowWriter(self.engine)
        self.checkpoints = CheckpointWriter(self.engine, folder, SECRET)
        self.checkpoints.open()

    async def look(self, count: int = 1, *, sign: bool = True) -> None:
        """Write that many records; then, the minute is over."""
        for number in range(count):
            record = AuditRecord(
                "live.open", user_id="usr_1", user_name="王警官", camera_id=f"cam_{number}"
            )
            await append(self.rows, [record])
        if sign:
            self.checkpoints.write_line()

    def change(self, *statements: sa.Executable) -> None:
        """Do what only somebody can do who holds the database."""
        with self.engine.begin() as connection:
            dialect = connection.dialect.name
            for trigger in TRIGGERS[dialect]:
                of = " ON audit_log" if dialect == "postgresql" else ""
                connection.execute(sa.text(f"DROP TRIGGER IF EXISTS {trigger}{of}"))
            for statement in statements:
                connection.execute(statement)

    def verify(self, outside: Sequence[Outside] = ()) -> VerifyReport:
        """What ``gridsight audit verify`` does."""
        with self.engine.connect() as connection:
            return verify(connection, self.folder, PUBLIC_KEY, outside)

    def close(self) -> None:
        """Release everything."""
        self.rows.close()
        self.engine.dispose()
