"""Whatever a telephone sends, in whatever order and however often: the file is whole, once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.database.migrate import load_tables
from gateway.field.pieces import Piece, judge, next_offset
from gateway.field.upload_rows import begin, read_pieces, take_piece
from recorder.rows import RowError


def _piece(data: bytes, start: int) -> Piece:
    return Piece(start, len(data), hashlib.sha256(data).hexdigest())


# Sent from the offset that is wanted, again from the one before, or from nowhere sensible; cut off
# or whole; and now and then something else in its place.
_Sent = st.lists(
    st.tuples(
        st.sampled_from(["next", "again", "astray"]), st.integers(1, 40), st.booleans(),
        st.integers(0, 120),
    ),
    max_size=40,
)  # fmt: skip


@given(st.binary(min_size=1, max_size=100), _Sent)
def test_pieces_make_up_the_file_from_its_beginning(
    file: bytes, sent: list[tuple[str, int, bool, int]]
) -> None:
    kept: list[Piece] = []
    stored: dict[Piece, bytes] = {}
    for how, length, is_whole, astray in sent:
        start = {"next": next_offset(kept), "again": kept[-1].start if kept else 0}.get(how, astray)
        data = file[start : start + length] if is_whole else b"?" * length
        piece = _piece(data, start)
        verdict = judge(kept, len(file), piece)
        if verdict == "new":
            kept.append(piece)
            stored[piece] = data
        elif verdict == "known":
            assert stored[piece] == data
        # No holes, nothing twice, nothing behind the end.
        assert [one.start for one in kept] == [0, *(one.end for one in kept)][: len(kept)]
        assert next_offset(kept) <= len(file)
    made = b"".join(stored[one] for one in kept)
    assert len(made) == next_offset(kept)


@pytest.fixture(scope="module")
def engine() -> sa.Engine:
    made = sa.create_engine("sqlite://")
    load_tables().create_all(made)
    return made


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 3))
def test_rows_say_what_the_pieces_say(engine: sa.Engine, lengths: list[int], repeated: int) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        columns = {"user_id": "u", "client_id": "c" * 16, "name": "x", "size_bytes": sum(lengths)}
        upload_id = begin(connection, columns, 2**60)
        assert begin(connection, columns, 2**60) == upload_id
        with pytest.raises(RowError, match="another file"):
            begin(connection, {**columns, "size_bytes": 1 + sum(lengths)}, 2**60)
        at = 0
        for length in lengths:
            digest = f"{at:064x}"
            for _ in range(1 + repeated):
                _, at_next = take_piece(connection, upload_id, at, length, digest)
            assert at_next == at + length
            assert take_piece(connection, upload_id, at, length, "f" * 64)[0] == "elsewhere"
            at = at_next
        assert next_offset(read_pieces(connection, upload_id)) == sum(lengths)
        assert take_piece(connection, upload_id, at, 1, "0" * 64) == ("beyond", at)
        transaction.rollback()


def test_a_piece_of_an_upload_that_was_given_up_is_refused(
    engine: sa.Engine, tmp_path: Path
) -> None:
    with engine.connect() as connection, pytest.raises(RowError, match="given up"):
        take_piece(connection, "upl_gone", 0, 1, "0" * 64)
