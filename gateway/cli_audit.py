"""``gridsight audit``: the register, checked and read by who has the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from gateway.terminal import ConfigOption, DataOption, counted, fail, settings_of

audit_app = typer.Typer(help="The register of who looked at what.", no_args_is_help=True)

P = ParamSpec("P")
T = TypeVar("T")

FirstDay = Annotated[str, typer.Option("--from", help="First day, like 2026-11-01.")]
LastDay = Annotated[str, typer.Option("--to", help="Last day.")]
OffsetOption = Annotated[int, typer.Option(help="Local time's minutes ahead of UTC.")]


@audit_app.command("verify")
def audit_verify(
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", help="Check by this key (PEM), kept outside the gateway."),
    ] = None,
    copies: Annotated[
        list[Path] | None,
        typer.Option("--copies", help="A directory with copies of the signatures, besides."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Check the whole register: whatever was altered, taken out, reordered or cut is named."""
    from gateway.commands.audit import verify_register

    settings = settings_of(config, data)
    report = _call(verify_register, settings, public_key, copies or [])
    for fault in report.faults:
        typer.echo(fault, err=True)
    for note in report.notes:
        typer.echo(f"note: {note}")
    typer.echo(
        f"{counted(report.records, 'record')}, "
        f"{counted(report.checkpoints, 'signed checkpoint')} "
        f"({report.outside_checkpoints} kept elsewhere), "
        f"signed up to record {report.covered_sequence}"
    )
    if report.faults:
        fail(counted(len(report.faults), "fault"))


@audit_app.command("key")
def audit_key(config: ConfigOption = None, data: DataOption = None) -> None:
    """Show the public key of the register's signatures: keep it outside the gateway."""
    from gateway.commands.audit import show_key

    pem, name = _call(show_key, settings_of(config, data))
    typer.echo(pem, nl=False)
    typer.echo(f"copies of the signatures are called {name}-…")


@audit_app.command("report")
def audit_report(
    first: FirstDay,
    last: LastDay,
    csv: Annotated[Path | None, typer.Option(help="Write it as a sheet.")] = None,
    utc_offset: OffsetOption = 480,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """What an auditor should look at first: empty reasons, looks off shift, repeated targets."""
    from gateway.audit.reading import local_time
    from gateway.commands.audit import report_of, write_report

    report = _call(report_of, settings_of(config, data), first, last, utc_offset)
    if csv is not None:
        _call(write_report, report, csv, utc_offset)
    for one in report.findings if csv is None else ():
        typer.echo(
            f"{one.kind:<14} {one.user_name or '-'}  {one.camera_name or ''}  {one.count}×  "
            f"{local_time(one.first_us, utc_offset)}  {one.example or ''}"
        )
    typer.echo(
        f"{counted(report.looks, 'look')} by {report.people} people, "
        f"{counted(len(report.findings), 'finding')}"
    )


@audit_app.command("export")
def audit_export(
    file: Annotated[Path, typer.Argument(help="The sheet (CSV) to write.")],
    first: FirstDay,
    last: LastDay,
    utc_offset: OffsetOption = 480,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Write the records of some days as a sheet."""
    from gateway.commands.audit import export_records

    count = _call(export_records, settings_of(config, data), first, last, file, utc_offset)
    typer.echo(f"{counted(count, 'record')} written")


def _call(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    try:
        return function(*arguments, **options)
    except (ValueError, OSError) as error:
        fail(error)
