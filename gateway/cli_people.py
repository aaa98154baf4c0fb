"""``gridsight user`` and ``gridsight token``: accounts, for who has the machine."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from gateway.identifiers import US_PER_S
from gateway.terminal import (
    ConfigOption,
    DataOption,
    PasswordOption,
    ask_for_password,
    fail,
    run_command,
    settings_of,
)

user_app = typer.Typer(
    help="Accounts: add, list, password, disable, unlock, sign-out, import, export, …",
    no_args_is_help=True,
)
token_app = typer.Typer(help="Tokens of other platforms: add, list, revoke.", no_args_is_help=True)

T = TypeVar("T")


@user_app.command("add")
def user_add(
    name: str,
    grant: Annotated[
        list[str] | None, typer.Option(help="ROLE for the whole county, or ROLE@AREA-ID.")
    ] = None,
    display_name: Annotated[str, typer.Option()] = "",
    ask_password: PasswordOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Add an account. Without --ask-password a one-time password is made and shown."""
    from gateway.commands.user import add_user

    password = ask_for_password() if ask_password else None
    settings = settings_of(config, data)
    _show_password(_run_people(add_user(settings, name, display_name, grant or [], password)))


@user_app.command("list")
def user_list(config: ConfigOption = None, data: DataOption = None) -> None:
    """List every account and its grants."""
    from gateway.commands.user import list_users

    for one in run_command(list_users(settings_of(config, data))):
        flags = "" if one.enabled else "  (disabled)"
        typer.echo(f"{one.name}  {one.display_name}  {', '.join(one.grants) or '-'}{flags}")


@user_app.command("password")
def user_password(
    name: str,
    ask_password: PasswordOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Set a password; without --ask-password a one-time password is made and shown."""
    from gateway.commands.user import set_password

    password = ask_for_password() if ask_password else None
    _show_password(_run_people(set_password(settings_of(config, data), name, password)))


@user_app.command("disable")
def user_disable(name: str, config: ConfigOption = None, data: DataOption = None) -> None:
    """Disable an account and end its sign-ins."""
    from gateway.commands.user import disable_user

    run_command(disable_user(settings_of(config, data), name))


@user_app.command("enable")
def user_enable(name: str, config: ConfigOption = None, data: DataOption = None) -> None:
    """Open a disabled account again."""
    from gateway.commands.user import enable_user

    run_command(enable_user(settings_of(config, data), name))


@user_app.command("unlock")
def user_unlock(name: str, config: ConfigOption = None, data: DataOption = None) -> None:
    """After too many attempts: count from nothing again."""
    from gateway.commands.user import unlock_user

    run_command(unlock_user(settings_of(config, data), name))


@user_app.command("sign-out")
def user_sign_out(name: str, config: ConfigOption = None, data: DataOption = None) -> None:
    """End every sign-in of an account, and what they watch."""
    from gateway.commands.user import sign_out_user

    run_command(sign_out_user(settings_of(config, data), name))


@user_app.command("totp-reset")
def user_totp_reset(name: str, config: ConfigOption = None, data: DataOption = None) -> None:
    """For a lost telephone: no authenticator and no recovery codes any more."""
    from gateway.commands.user import reset_totp

    run_command(reset_totp(settings_of(config, data), name))


@token_app.command("add")
def token_add(
    user: Annotated[str, typer.Argument(help="The account by whose grants it acts.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help="A right, such as live. Repeat for more.")],
    address: Annotated[
        list[str] | None, typer.Option(help="A network it may come from. Repeat for more.")
    ] = None,
    days: Annotated[int, typer.Option(help="Until it expires.", min=1, max=366)] = 90,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a token of another platform; it is shown this once."""
    from gateway.commands.token import add_token

    settings = settings_of(config, data)
    typer.echo(run_command(add_token(settings, user, name, scope, address or [], days)))


@token_app.command("list")
def token_list(config: ConfigOption = None, data: DataOption = None) -> None:
    """List every token: id, account, what it is for, rights, networks, expiry."""
    from gateway.commands.token import list_tokens

    for one in run_command(list_tokens(settings_of(config, data))):
        until = datetime.fromtimestamp(one.expires_us / US_PER_S, UTC).date()
        typer.echo(
            f"{one.id}  {one.user_name}  {one.name}  {','.join(one.scopes)}  "
            f"{','.join(one.addresses) or 'from anywhere'}  until {until}"
            f"{'' if one.used_us else '  (never used)'}"
        )


@token_app.command("revoke")
def token_revoke(token_id: str, config: ConfigOption = None, data: DataOption = None) -> None:
    """Withdraw a token; what it watches ends."""
    from gateway.commands.token import revoke_token

    run_command(revoke_token(settings_of(config, data), token_id))


def _run_people(coroutine: Coroutine[Any, Any, T]) -> T:
    from gateway.people.passwords import WeakPassword

    try:
        return run_command(coroutine)
    except WeakPassword as error:
        fail(error)


def _show_password(password: str | None) -> None:
    if password is not None:
        typer.echo(f"one-time password: {password}")
