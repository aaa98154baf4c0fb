"""``gridsight``: the command line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import uvloop

from gateway.cli_audit import audit_app
from gateway.cli_backup import backup_app
from gateway.cli_cluster import drain, ray
from gateway.cli_database import database_app
from gateway.cli_people import token_app, user_app
from gateway.cli_plan import plan
from gateway.log import configure_logging
from gateway.settings import Settings
from gateway.terminal import (
    ConfigOption,
    DataOption,
    PasswordOption,
    ask_for_password,
    counted,
    fail,
    load,
    run_command,
    settings_of,
)

app = typer.Typer(
    name="gridsight",
    help="A county's video gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
area_app = typer.Typer(help="Areas: import, export.", no_args_is_help=True)
camera_app = typer.Typer(help="Cameras: add, list, test, import, export.", no_args_is_help=True)
app.add_typer(area_app, name="area")
app.add_typer(camera_app, name="camera")
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")
app.add_typer(audit_app, name="audit")
app.add_typer(database_app, name="db")
app.add_typer(backup_app, name="backup")
evidence_app = typer.Typer(help="Packages of evidence: verify, key.", no_args_is_help=True)
app.add_typer(evidence_app, name="evidence")
store_app = typer.Typer(help="Where footage is kept.", no_args_is_help=True)
tls_app = typer.Typer(help="The certificate that browsers see.", no_args_is_help=True)
secrets_app = typer.Typer(help="The keys of what is stored encrypted.", no_args_is_help=True)
app.add_typer(store_app, name="store")
app.add_typer(tls_app, name="tls")
app.add_typer(secrets_app, name="secrets")
app.command()(plan)
app.command()(drain)
app.command()(ray)


@app.command()
def serve(
    config: ConfigOption = None,
    data: DataOption = None,
    demo: Annotated[
        bool | None, typer.Option("--demo", help="Run four demo cameras.", show_default=False)
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="cluster.ray_address", show_default=False),
    ] = None,
    address: Annotated[str | None, typer.Option(help="listen.address", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="listen.port", show_default=False)] = None,
    log_level: Annotated[str | None, typer.Option(help="log.level", show_default=False)] = None,
    log_format: Annotated[str | None, typer.Option(help="log.format", show_default=False)] = None,
) -> None:
    """Run the gateway until it is told to stop."""
    settings = load(
        config,
        data,
        demo=demo,
        cluster={"ray_address": cluster},
        listen={"address": address, "port": port},
        log={"level": log_level, "format": log_format},
    ).settings
    _serve(settings)


@app.command()
def demo(config: ConfigOption = None, data: DataOption = None) -> None:
    """Run the gateway with four demo cameras: the same as serve --demo."""
    _serve(load(config, data, demo=True).settings)


@app.command(name="field-gateway")
def field_gateway(config: ConfigOption = None, data: DataOption = None) -> None:
    """Let telephones reach the report page and its routes, and nothing else of the gateway."""
    from gateway.field_gateway.process import serve_field_gateway

    _serve_outpost("field-gateway", serve_field_gateway, load(config, data).settings)


@app.command(name="hotline-adapter")
def hotline_adapter(config: ConfigOption = None, data: DataOption = None) -> None:
    """Take a hotline's work orders over as incidents, and tell it what becomes of them."""
    from gateway.hotline_adapter.process import serve_hotline_adapter

    _serve_outpost("hotline-adapter", serve_hotline_adapter, load(config, data).settings)


def _serve_outpost(
    name: str, serve_it: Callable[[Settings], Coroutine[Any, Any, None]], settings: Settings
) -> None:
    from gateway.cluster.child import ConfigurationError

    configure_logging(settings.log, name)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_it(settings))
    except (ConfigurationError, OSError) as error:
        fail(error)


def _serve(settings: Settings) -> None:
    from gateway.cluster.interface import StartError
    from gateway.commands.serve import serve as run_gateway

    configure_logging(settings.log, "supervisor")
    try:
        settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_gateway(settings))
    except (StartError, OSError) as error:
        fail(error)


@app.command(name="config")
def show_config(config: ConfigOption = None, data: DataOption = None) -> None:
    """Show every setting in force, and where it comes from. Secrets are masked."""
    origins = load(config, data).origins
    widths = [max(len(one.name) for one in origins), max(len(one.value) for one in origins)]
    for one in origins:
        typer.echo(f"{one.name:<{widths[0]}}  {one.value:<{min(widths[1], 48)}}  {one.origin}")


@app.command("nginx-config")
def nginx_config(
    whole: Annotated[
        bool, typer.Option("--whole", help="A complete nginx.conf, not what stands in http { }.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: write it anew when processes come and go.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; needed to watch.", show_default=False)
    ] = None,
    reload: Annotated[
        str, typer.Option(help="What has nginx load it; empty for nothing.")
    ] = "nginx -s reload",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Print the configuration of nginx in front of several API processes, or keep it true."""
    from gateway.commands.nginx_config import FrontError, nginx_folder, print_config, watch_config

    settings = settings_of(config, data)
    if watch and output is None:
        fail("--watch needs --output", 2)
    try:
        if whole:
            nginx_folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
        if watch and output is not None:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(watch_config(settings, output, reload, typer.echo, complete=whole))
            return
        text = run_command(print_config(settings, complete=whole))
        if output is None:
            typer.echo(text)
        else:
            output.write_text(text)
    except (FrontError, OSError) as error:
        fail(error)


@app.command()
def health(config: ConfigOption = None, data: DataOption = None) -> None:
    """Ask the gateway on this machine whether it is well; ends with status 1 where it is not."""
    from gateway.commands.health import ask_health

    try:
        checks = ask_health(settings_of(config, data))
    except OSError as error:
        fail(error)
    for name, state in checks.items():
        typer.echo(f"{name}  {state}")
    if set(checks.values()) != {"ok"}:
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Show the version."""
    from gateway.version import VERSION

    typer.echo(f"gridsight {VERSION}")


@camera_app.command("add")
def camera_add(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    url: Annotated[str, typer.Argument(help="Of the main stream; see docs/sources.md.")],
    area: Annotated[str, typer.Option(help="Names from the root down: 县/镇/村. Made if missing.")],
    sub_url: Annotated[str | None, typer.Option(help="Of the sub-stream.")] = None,
    username: Annotated[str | None, typer.Option()] = None,
    ask_password: PasswordOption = False,
    transport: Annotated[str, typer.Option(help="auto, tcp or udp")] = "auto",
    record: Annotated[str, typer.Option(help="continuous or off")] = "continuous",
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Add one camera."""
    from gateway.camera_form import CameraForm
    from gateway.commands.camera import add_camera

    settings = settings_of(config, data)
    names = tuple(part.strip() for part in area.split("/") if part.strip())
    if not names:
        fail("the area has a name", 2)
    try:
        form = CameraForm.model_validate(
            {
                "name": name,
                "area_id": "-",
                "main_url": url,
                "sub_url": sub_url,
                "username": username,
                "password": ask_for_password() if ask_password else None,
                "transport": transport,
                "record": record,
            }
        )
    except ValueError as error:
        fail(_form_faults(error), 2)
    typer.echo(run_command(add_camera(settings, names, form)))


@camera_app.command("list")
def camera_list(config: ConfigOption = None, data: DataOption = None) -> None:
    """List every camera: id, area, name, address."""
    from gateway.commands.camera import list_cameras

    for camera, names in run_command(list_cameras(settings_of(config, data))):
        flags = "" if camera.enabled else "  (disabled)"
        typer.echo(f"{camera.id}  {'/'.join(names)}  {camera.name}  {camera.main_url}{flags}")


@camera_app.command("test")
def camera_test(
    url: Annotated[str, typer.Argument(help="rtsp://…, http://…, rtmp://… or file:///…")],
    username: Annotated[str | None, typer.Option()] = None,
    ask_password: PasswordOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Try an address, and say in one line what is wrong with it."""
    from gateway.commands.camera import test_camera

    password = ask_for_password() if ask_password else None
    result = run_command(test_camera(settings_of(config, data), url, username, password))
    typer.echo(result.line)
    if not result.ok:
        raise typer.Exit(1)


def _add_sheet_commands(sheet_app: typer.Typer, kind: Literal["areas", "cameras", "users"]) -> None:
    @sheet_app.command("import")
    def sheet_import(
        file: Annotated[Path, typer.Argument(help="CSV or XLSX; as `export` writes it.")],
        check: Annotated[
            bool, typer.Option("--check", help="Only say what it would do, and every fault.")
        ] = False,
        config: ConfigOption = None,
        data: DataOption = None,
    ) -> None:
        """Create and change what a file says. Nothing is written before the whole file is right."""
        from gateway.commands.sheets import import_sheet

        done = run_command(import_sheet(settings_of(config, data), kind, file, dry_run=check))
        plan = done.plan
        for fault in plan.faults:
            typer.echo(f"{file}: {fault}", err=True)
        for warning in plan.warnings:
            typer.echo(f"{file}: {warning} (a warning)", err=True)
        if plan.faults:
            fail(f"{counted(len(plan.faults), 'fault')}; nothing was imported")
        for name, _, password in done.passwords:
            typer.echo(f"{name}  one-time password: {password}")
        would = "would be " if check else ""
        typer.echo(
            f"{plan.count('create')} {would}created, {plan.count('change')} {would}changed, "
            f"{plan.unchanged} unchanged"
        )

    @sheet_app.command("export")
    def sheet_export(
        file: Annotated[Path, typer.Argument(help="Where to; .xlsx or .csv.")],
        config: ConfigOption = None,
        data: DataOption = None,
    ) -> None:
        """Write all there is to a file that can be imported again; without passwords."""
        from gateway.commands.sheets import export_sheet

        typer.echo(counted(run_command(export_sheet(settings_of(config, data), kind, file)), "row"))


_add_sheet_commands(area_app, "areas")
_add_sheet_commands(camera_app, "cameras")
_add_sheet_commands(user_app, "users")


@evidence_app.command("verify")
def evidence_verify(
    file: Annotated[Path, typer.Argument(help="A package (.zip), or its unpacked folder.")],
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="A public key, its fingerprint, or a file that holds it; may be given again. "
            "It must come another way than the package. Without: the keys of the gateway here.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Check a package: what was altered, is missing or was added, and who signed it."""
    from gateway.commands.evidence import own_keys, verify_file
    from gateway.secrets import secrets_folder

    try:
        keys = key
        if not keys:
            settings = settings_of(config, data)
            if not secrets_folder(settings).is_dir():
                fail("there is no gateway here whose key could be used: give --key", 2)
            keys = [one.public_key for one in own_keys(settings)]
        report = verify_file(file, keys, typer.echo)
    except (ValueError, OSError) as error:
        fail(error, 2)
    for fault in report.faults:
        typer.echo(fault, err=True)
    if report.faults:
        fail(f"not to be trusted: {counted(len(report.faults), 'fault')}")
    typer.echo(f"sound: {counted(report.files, 'file')}, {report.size_bytes} bytes, as signed")


@evidence_app.command("key")
def evidence_key(config: ConfigOption = None, data: DataOption = None) -> None:
    """Show the public keys that verify this gateway's packages."""
    from gateway.commands.evidence import own_keys

    try:
        keys = own_keys(settings_of(config, data))
    except (ValueError, OSError) as error:
        fail(error)
    for one in keys:
        typer.echo(f"{one.algorithm}  {one.public_key}")
        typer.echo(f"  fingerprint  {one.fingerprint}")


@app.command("import")
def import_footage(
    files: Annotated[list[Path], typer.Argument(help="H.264 or H.265 in any usual container.")],
    camera: Annotated[str, typer.Option("--camera", help="Whose footage it is (camera id).")],
    start: Annotated[str, typer.Option("--start", help="When it begins, with its time zone.")],
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep it until released, whatever the retention.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """File footage under a camera and a time; files follow one another. Nothing is re-encoded."""
    from gateway.commands.rows import open_rows
    from gateway.footage.import_footage import import_files, parse_start

    settings = settings_of(config, data)

    async def run() -> int:
        start_us = parse_start(start)
        async with open_rows(settings) as rows:
            done = await import_files(
                settings,
                rows,
                files,
                camera_id=camera,
                start_us=start_us,
                hold=hold,
                say=typer.echo,
            )
        return sum(not one.already_there for one in done)

    count = run_command(run())
    typer.echo(f"{count} imported, {len(files) - count} were there already")


@app.command()
def check(
    verify: Annotated[
        bool, typer.Option("--verify", help="Also read every object and compare its SHA-256.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be without losing anything.")
    ] = False,
    settle_s: Annotated[
        float,
        typer.Option(
            "--settle", help="Seconds that footage may be on its way; 0 when nothing runs.", min=0
        ),
    ] = 600.0,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Compare index, store and spool, and name every difference."""
    from gateway.commands.check import check_footage

    found = run_command(
        check_footage(
            settings_of(config, data),
            typer.echo,
            verify=verify,
            repair=repair,
            settle_s=settle_s,
        )
    )
    typer.echo(counted(found, "difference"))
    if found:
        raise typer.Exit(1)


@store_app.command("show")
def store_show(config: ConfigOption = None, data: DataOption = None) -> None:
    """Show what the store can do, what is missing, and what follows from it."""
    from gateway.commands.store import show_store

    state = run_command(show_store(settings_of(config, data)))
    typer.echo(state.place)
    for line in state.lines:
        typer.echo(line)
    if state.problem is not None:
        raise typer.Exit(1)


@store_app.command("lifecycle")
def store_lifecycle(
    upload_days: Annotated[
        int | None,
        typer.Option(min=1, help="The bucket ends uploads that are left after so many days."),
    ] = None,
    expiry_margin_days: Annotated[
        int | None,
        typer.Option(
            min=1, help="It deletes cameras' footage so many days after the longest retention."
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Set our own rules of the bucket, or take them away where no option names them."""
    from gateway.commands.store import set_lifecycle

    rules = run_command(
        set_lifecycle(
            settings_of(config, data), upload_days=upload_days, margin_days=expiry_margin_days
        )
    )
    for name, days in (("uploads", rules.upload_days), ("expiry", rules.expiry_days)):
        typer.echo(f"{name}: {'no rule' if days is None else f'after {days} days'}")


@tls_app.command("show")
def tls_show(config: ConfigOption = None, data: DataOption = None) -> None:
    """Show the certificate in use, and the fingerprint to compare before trusting it."""
    from gateway.transport.tls import describe

    for line in describe(settings_of(config, data)):
        typer.echo(line)


@secrets_app.command("rotate")
def secrets_rotate(config: ConfigOption = None, data: DataOption = None) -> None:
    """Encrypt stored passwords with a new key. The gateway must be stopped."""
    from gateway.commands.rotate_secrets import rotate_secrets
    from gateway.secrets import SealError

    try:
        count = rotate_secrets(settings_of(config, data))
    except (OSError, SealError) as error:
        fail(error)
    typer.echo(f"{counted(count, 'secret')} encrypted with a new key")


def _form_faults(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'camera'}: "
        f"{fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()
    )


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
