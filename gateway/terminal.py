"""What the commands have in common: options, settings, running, and failing in one line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop

from gateway.log import configure_logging
from gateway.settings import LoadedSettings, Settings, SettingsError, load_settings

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file (TOML).", show_default=False)
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", "-d", help="Data directory (data_directory).", show_default=False),
]
PasswordOption = Annotated[
    bool, typer.Option("--ask-password", help="Ask for the password on the terminal.")
]


def fail(message: object, code: int = 1) -> NoReturn:
    """Say it, and end."""
    typer.echo(f"gridsight: {message}", err=True)
    raise typer.Exit(code)


def load(config: Path | None, data: Path | None, **flags: Any) -> LoadedSettings:
    """The settings in force and their origins, or a failure that names every fault."""
    try:
        return load_settings({"data_directory": data, **flags}, file=config)
    except SettingsError as error:
        fail(error, 2)


def settings_of(config: Path | None, data: Path | None) -> Settings:
    """The settings in force, for a tool."""
    loaded = load(config, data).settings
    # A tool speaks to a person: only what matters, and not as JSON.
    configure_logging(
        loaded.log.model_copy(update={"level": "warning", "format": "console"}), "command"
    )
    return loaded


def run_command(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it to its end; what people can do something about fails in one line."""
    from gateway.cluster.child import ConfigurationError
    from gateway.sheets.sheet import SheetError
    from recorder.rows import RowError
    from recorder.stores import StoreError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(coroutine)
    except (
        ConfigurationError, RowError, SheetError, StoreError, ValueError, OSError, TimeoutError,
    ) as error:  # fmt: skip
        fail(error)


def ask_for_password() -> str:
    """From the terminal, unseen; or a line of what is piped in."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    asked: str = typer.prompt("Password", hide_input=True)
    return asked


def counted(count: int, thing: str) -> str:
    """ "1 camera", "2 cameras"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
