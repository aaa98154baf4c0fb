"""``gridsight db``: the database, by who has the machine."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.terminal import ConfigOption, DataOption, counted, fail, settings_of

database_app = typer.Typer(help="The database: upgrade, copy.", no_args_is_help=True)


@database_app.command("upgrade")
def database_upgrade(config: ConfigOption = None, data: DataOption = None) -> None:
    """Bring the schema up to date, as starting the gateway would. The gateway must be stopped."""
    from gateway.commands.database import DatabaseError, upgrade_database

    try:
        before, after = upgrade_database(settings_of(config, data))
    except (DatabaseError, OSError) as error:
        fail(error)
    if before == after:
        typer.echo(f"the schema is up to date ({after})")
    else:
        typer.echo(f"the schema was brought from {before or 'nothing'} to {after}")


@database_app.command("copy")
def database_copy(
    source: Annotated[
        str | None,
        typer.Option("--from", help="sqlite:///FILE; the data directory's unless given."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--to", help="postgresql://…, empty; database_url unless given."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Copy all rows from SQLite to PostgreSQL, and compare. The gateway must be stopped."""
    from gateway.commands.database import DatabaseError, copy_database

    try:
        done = copy_database(settings_of(config, data), source, target, typer.echo)
    except (DatabaseError, OSError) as error:
        fail(error)
    rows = sum(one.rows for one in done.values())
    typer.echo(f"{counted(rows, 'row')} in {counted(len(done), 'table')}, compared and equal")
