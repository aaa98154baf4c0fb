"""Accounts, sign-in and areas on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.engine import create_reader_engine
from gateway.database.tables import areas, sign_in_sessions, users
from gateway.database.writer_process import load_operations
from gateway.people.areas import subtree, within
from gateway.people.passwords import WeakPassword, check_strength, hash_password, one_time_password
from gateway.people.sign_in import (
    Opening,
    SignInError,
    TooManyAttempts,
    find_principal,
    sign_in,
)
from gateway.settings import Settings, SignInSettings
from recorder.rows import LocalRowWriter, RowError
from tests.gateway.kept import new_database

pytestmark = pytest.mark.both_databases

PASSWORD = "correct horse 9"
HASH = hash_password(PASSWORD)


class Rows(LocalRowWriter):
    """A writer, and a reader of the same database."""

    reader: AsyncEngine

    async def attempt(self, password: str, name: str = "wang", address: str = "10.0.0.1") -> str:
        token, _ = await sign_in(
            self.reader,
            self,
            Settings(sign_in=SignInSettings(attempts=3, lock_s=60)),
            b"secret" * 6,
            name=name,
            password=password,
            code=None,
            opening=Opening(address, "test"),
        )
        return token


@pytest.fixture
async def rows(tmp_path: Path, database_url: SecretStr | None) -> AsyncIterator[Rows]:
    load_operations()
    settings = Settings(data_directory=tmp_path, database_url=database_url)
    engine = new_database(settings)
    opened = Rows(engine)
    opened.reader = create_reader_engine(settings)
    yield opened
    await opened.reader.dispose()
    opened.close()
    engine.dispose()


async def add_user(rows: Rows, name: str = "wang", role: str = "system_admin") -> str:
    user_id: str = await rows.write(
        "accounts.create",
        name=name,
        display_name=name,
        password_hash=HASH,
        must_change_password=False,
        granted=[{"role": role, "area_id": "*"}],
    )
    return user_id


async def test_the_right_password_opens_a_session(rows: Rows) -> None:
    user_id = await add_user(rows)
    token = await rows.attempt(PASSWORD, name="  WANG ")
    principal = await find_principal(rows.reader, token)
    assert principal is not None
    assert principal.user_id == user_id
    async with rows.reader.connect() as connection:
        stored = await connection.scalar(sa.select(sign_in_sessions.c.token_hash))
    assert token not in (stored or "")


async def test_a_wrong_name_and_a_wrong_password_read_the_same(rows: Rows) -> None:
    await add_user(rows)
    messages = set()
    for name, password in (("wang", "wrong"), ("nobody", PASSWORD)):
        with pytest.raises(SignInError) as caught:
            await rows.attempt(password, name=name)
        messages.add(str(caught.value))
    assert len(messages) == 1


async def test_guessing_locks_the_name_there_even_for_the_right_password(rows: Rows) -> None:
    await add_user(rows)
    for _ in range(3):
        with pytest.raises(SignInError):
            await rows.attempt("wrong")
    with pytest.raises(TooManyAttempts) as caught:
        await rows.attempt(PASSWORD)
    assert 0 < caught.value.retry_after_s <= 60
    # Its owner, elsewhere, is not locked out by that.
    await rows.attempt(PASSWORD, address="10.0.0.2")


async def test_guessing_from_many_addresses_locks_the_name_everywhere(rows: Rows) -> None:
    await add_user(rows)
    limits = {"name:wang": 30}
    for _ in range(30):
        assert await rows.write("sign_in.attempt", limits=limits, lock_s=60) == 0
    with pytest.raises(TooManyAttempts):
        await rows.attempt(PASSWORD, address="10.0.0.77")


async def test_many_guesses_at_once_count_each(rows: Rows) -> None:
    await add_user(rows)
    results = await asyncio.gather(
        *(rows.attempt("wrong") for _ in range(12)), return_exceptions=True
    )
    assert sum(isinstance(result, SignInError) for result in results) == 3
    assert sum(isinstance(result, TooManyAttempts) for result in results) == 9


async def test_success_forgets_earlier_failures(rows: Rows) -> None:
    await add_user(rows)
    for _ in range(4):
        for _ in range(2):
            with pytest.raises(SignInError):
                await rows.attempt("wrong")
        await rows.attempt(PASSWORD)


async def test_disabling_and_a_new_password_end_sessions(rows: Rows) -> None:
    await add_user(rows, "root")
    user_id = await add_user(rows)
    first, second = await rows.attempt(PASSWORD), await rows.attempt(PASSWORD)
    kept = await find_principal(rows.reader, second)
    assert kept is not None
    await rows.write(
        "accounts.set_password",
        user_id=user_id,
        password_hash=HASH,
        must_change_password=False,
        keep_token_hash=kept.token_hash,
    )
    assert await find_principal(rows.reader, first) is None
    assert await find_principal(rows.reader, second) is not None
    await rows.write("accounts.change", user_id=user_id, enabled=False)
    assert await find_principal(rows.reader, second) is None
    with pytest.raises(SignInError):
        await rows.attempt(PASSWORD)


async def test_names_that_look_alike_are_one_name(rows: Rows) -> None:
    await add_user(rows, "Wang")
    with pytest.raises(RowError) as caught:
        await add_user(rows, "wANG")
    assert caught.value.code == "name_taken"


async def test_the_last_administrator_stays(rows: Rows) -> None:
    user_id = await add_user(rows)
    await add_user(rows, "viewer", "viewer")
    refused = [
        ("accounts.delete", {}),
        ("accounts.change", {"enabled": False}),
        ("accounts.change", {"granted": []}),
    ]
    for operation, arguments in refused:
        with pytest.raises(RowError) as caught:
            await rows.write(operation, user_id=user_id, **arguments)
        assert caught.value.code == "last_admin"
    await add_user(rows, "second")
    await rows.write("accounts.delete", user_id=user_id)
    async with rows.reader.connect() as connection:
        assert await connection.scalar(sa.select(users.c.name).where(users.c.id == user_id))


async def test_the_first_account_is_made_once(rows: Rows) -> None:
    assert await rows.write("accounts.create_first", name="admin", password_hash=HASH)
    assert await rows.write("accounts.create_first", name="admin", password_hash=HASH) is None


async def test_a_county_role_is_not_granted_in_an_area(rows: Rows) -> None:
    area_id = await rows.write("areas.create", parent_id=None, name="县")
    with pytest.raises(RowError, match="whole county"):
        await rows.write(
            "accounts.create",
            name="x",
            display_name="x",
            password_hash=HASH,
            must_change_password=False,
            granted=[{"role": "system_admin", "area_id": area_id}],
        )


@pytest.mark.parametrize("password", ["short", "x" * 300, "aaaaaaaaaaaa", "xxWANGxx123"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_strength(password, "wang")


def test_a_name_of_a_letter_or_two_says_nothing_about_a_password() -> None:
    check_strength("xylophone-99", "x")


def test_one_time_passwords_are_strong_and_different() -> None:
    made = {one_time_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_strength(password, "admin")


steps = st.lists(
    st.tuples(st.sampled_from(["create", "move", "delete"]), st.integers(0, 9), st.integers(-1, 9)),
    max_size=14,
)


@given(steps)
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_paths_always_spell_the_way_from_the_root(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[str, int, int]]
) -> None:
    load_operations()
    settings = Settings(data_directory=tmp_path_factory.mktemp("areas"))
    engine = new_database(settings)
    writer = LocalRowWriter(engine)
    made: list[str] = []
    for what, one, other in todo:
        parent = made[other % len(made)] if made and other >= 0 else None
        try:
            if what == "create" or not made:
                made.append(await writer.write("areas.create", parent_id=parent, name="x"))
            elif what == "move":
                area = made[one % len(made)]
                await writer.write("areas.move", area_id=area, parent_id=parent)
            else:
                area = made[one % len(made)]
                await writer.write("areas.delete", area_id=area)
                made.remove(area)
        except RowError:
            pass
    with engine.connect() as connection:
        rows = connection.execute(sa.select(areas)).all()
        parents = {row.id: row.parent_id for row in rows}
        for row in rows:
            way, step = [], row.id
            while step is not None:
                way.append(step)
                step = parents[step]
            assert row.path == "".join(f"{part}/" for part in reversed(way))
        for row in rows:
            found = connection.scalars(sa.select(areas.c.id).where(subtree(areas.c.path, row.path)))
            expected = {one.id for one in rows if one.path.startswith(row.path)}
            assert set(found) == expected
        assert connection.execute(sa.select(areas).where(within(areas.c.path, []))).all() == []
    writer.close()
    engine.dispose()
