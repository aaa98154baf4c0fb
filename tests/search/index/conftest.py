"""What the index's tests share: a database with its tables, and passages to put there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

import recorder.tables
import search.index.tables as tables
from recorder.rows import LocalRowWriter
from search.index.messages import to_message
from search.index.rows import add
from search.passages import Passage
from tests.recorder.conftest import open_engines

INDEX_TABLES = [one for one in vars(tables).values() if isinstance(one, sa.Table)]


@dataclass(slots=True)
class Index:
    """A database of its own. ``write`` is the engine that may."""

    path: Path
    write: sa.Engine
    reader: AsyncEngine

    def add(self, *passages: Passage, crop_key: str | None = None) -> int:
        """Add them; crops of ten bytes each lie one after the other in one object."""
        with self.write.begin() as connection:
            return add(
                connection,
                [
                    to_message(one, crop_key, 10 * number, 10 if crop_key else 0)
                    for number, one in enumerate(passages)
                ],
            )

    def rows(self, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
        """All rows of a table."""
        with self.write.connect() as connection:
            return list(connection.execute(sa.select(table)).all())

    def clear(self) -> None:
        """Forget everything."""
        with self.write.begin() as connection:
            for table in (*INDEX_TABLES, *recorder.tables.TABLES):
                connection.execute(sa.delete(table))


def open_index(path: Path, database_url: SecretStr | None = None) -> Index:
    """A new database at ``path``; or of PostgreSQL, with its tables."""
    write, reader = open_engines(path, database_url)
    if database_url is None:
        INDEX_TABLES[0].metadata.create_all(write, tables=INDEX_TABLES)
    return Index(path, write, reader)


@pytest.fixture
async def index(tmp_path: Path, database_url: SecretStr | None) -> AsyncIterator[Index]:
    """An empty index."""
    made = open_index(tmp_path / "rows.db", database_url)
    yield made
    await made.reader.dispose()
    made.write.dispose()


@pytest.fixture
def row_writer(index: Index) -> Iterator[LocalRowWriter]:
    """The writer that the product would hold."""
    writer = LocalRowWriter(index.write)
    yield writer
    writer.close()
