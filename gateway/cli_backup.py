"""``gridsight backup``: made, checked and restored by who has the machine."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.identifiers import US_PER_S
from gateway.terminal import ConfigOption, DataOption, fail, settings_of

if TYPE_CHECKING:
    from gateway.commands.backup import Backup

backup_app = typer.Typer(
    help="What the gateway knows, as one folder: create, verify, restore.", no_args_is_help=True
)

FolderArgument = Annotated[Path, typer.Argument(help="The backup: one folder.")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="A file whose first line encrypts the keys. Keep it apart from the backups.",
        show_default=False,
    ),
]


@backup_app.command("create")
def backup_create(
    folder: FolderArgument,
    passphrase_file: PassphraseOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Save database, register's proof and (encrypted) keys, beside the running gateway or not."""
    from gateway.commands.backup import create_backup, read_passphrase

    settings = settings_of(config, data)
    try:
        made = create_backup(settings, folder.absolute(), read_passphrase(passphrase_file))
    except OSError as error:
        fail(error)
    _say(made)


@backup_app.command("verify")
def backup_verify(folder: FolderArgument) -> None:
    """Compare every byte of a backup with what was saved."""
    from gateway.commands.backup import read_backup

    try:
        made = read_backup(folder.absolute())
    except OSError as error:
        fail(error)
    _say(made)


@backup_app.command("restore")
def backup_restore(
    folder: FolderArgument,
    passphrase_file: PassphraseOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make an empty data directory and an empty database what they were. Stop the gateway first;
    then run `gridsight audit verify` and `gridsight check`.
    """
    from gateway.commands.backup import read_passphrase, restore_backup

    settings = settings_of(config, data)
    try:
        passphrase = read_passphrase(passphrase_file)
        made = restore_backup(settings, folder.absolute(), passphrase, typer.echo)
    except OSError as error:
        fail(error)
    _say(made)


def _say(backup: Backup) -> None:
    at = datetime.datetime.fromtimestamp(backup.made_us // US_PER_S, datetime.UTC)
    typer.echo(f"{backup.folder}: {backup.database}, version {backup.version}, of {at:%F %T} UTC")
    if not backup.has_secrets:
        typer.echo("the keys are not in it: keep a copy of them apart, or give --passphrase-file")
