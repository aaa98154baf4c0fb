"""Accounts and tokens on the command line, and what of it the register says."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.database.account_tables import service_tokens
from gateway.database.engine import create_sync_reader_engine
from gateway.database.tables import audit_log
from gateway.people.known_devices import token_hash
from gateway.settings import Settings
from tests.gateway.commands.test_cli import call


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    assert call(data, "user", "add", "root", "--grant", "system_admin").exit_code == 0
    assert call(data, "user", "add", "platform", "--grant", "integrator").exit_code == 0
    return data


def test_accounts_are_closed_opened_and_helped(data: Path) -> None:
    assert call(data, "user", "disable", "platform").exit_code == 0
    assert "(disabled)" in call(data, "user", "list").output
    for command in ("enable", "unlock", "sign-out", "totp-reset"):
        result = call(data, "user", command, "Platform")
        assert result.exit_code == 0, (command, result.output)
    assert "(disabled)" not in call(data, "user", "list").output
    missing = call(data, "user", "unlock", "nobody")
    assert missing.exit_code == 1
    assert "there is no user called nobody" in missing.output
    with create_sync_reader_engine(Settings(data_directory=data)).connect() as connection:
        actions = set(connection.scalars(sa.select(audit_log.c.action)))
    assert {"user.enable", "user.unlock", "session.revoke_all", "user.totp_reset"} <= actions


def test_a_token_is_shown_once_listed_and_withdrawn(data: Path) -> None:
    scopes = ("--scope", "live", "--scope", "playback")
    made = call(
        data, "token", "add", "platform", "--name", "市平台", *scopes, "--address", "10.1.2.3/24"
    )
    token = made.output.strip()
    assert made.exit_code == 0, made.output
    with create_sync_reader_engine(Settings(data_directory=data)).connect() as connection:
        stored = connection.execute(sa.select(service_tokens)).one()
    assert stored.token_hash == token_hash(token)
    listed = call(data, "token", "list").output
    assert f"{stored.id}  platform  市平台  live,playback  10.1.2.0/24  until " in listed
    assert token not in listed
    assert call(data, "token", "revoke", stored.id).exit_code == 0
    assert call(data, "token", "list").output == ""
    again = call(data, "token", "revoke", stored.id)
    assert again.exit_code == 1
    assert "there is no token" in again.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("platform", "--name", "x", "--scope", "everything"), "is no right"),
        (("nobody", "--name", "x", "--scope", "live"), "no user called nobody"),
        (("platform", "--name", "x", "--scope", "live", "--address", "here"), "here"),
        (("platform", "--name", "x", "--scope", "live", "--days", "4000"), "366"),
    ],
)
def test_a_wrong_token_is_not_made(data: Path, arguments: tuple[str, ...], says: str) -> None:
    result = call(data, "token", "add", *arguments)
    assert result.exit_code != 0
    assert says in result.output
    assert call(data, "token", "list").output == ""
