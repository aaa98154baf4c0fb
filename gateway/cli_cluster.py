"""``gridsight drain`` and ``gridsight ray``: the machines of a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.terminal import ConfigOption, DataOption, counted, fail, run_command, settings_of


def drain(
    node: str,
    back: Annotated[
        bool, typer.Option("--back", help="Let cameras come to this machine again.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Until the last camera has moved.")
    ] = True,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Move the cameras of the machine NODE (cluster.node) to the others, without a gap."""
    from gateway.commands.drain import drain as drain_node

    def tell(left: int) -> None:
        typer.echo(f"{counted(left, 'camera')} still on {node}")

    settings = settings_of(config, data)
    names, left = run_command(drain_node(settings, node, back=back, wait=wait, tell=tell))
    if back:
        typer.echo(f"cameras may come to {', '.join(names)} again")
    elif left:
        fail(
            f"{counted(left, 'camera')} will not move: they push to {node} (push://), or no other "
            "machine has room for them or reaches them"
        )
    elif wait:
        typer.echo(f"no camera is on {node} any more: it can be stopped")
    else:
        typer.echo(f"the cameras of {', '.join(names)} move")


def ray(
    head_port: Annotated[
        int | None, typer.Option(help="Be the head, on this port.", show_default=False)
    ] = None,
    join: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Join this head.", show_default=False),
    ] = None,
    head_only: Annotated[
        bool,
        typer.Option(
            "--head-only",
            help="Run none of the gateway's processes in this Ray: if the head ends, none does.",
        ),
    ] = False,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The Redis that keeps the head's state, so that it can be started again.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Run Ray on this machine until it is told to stop, for 'gridsight serve --cluster'."""
    from gateway.cluster.ray_settings import forget_lost_head, ray_environment, start_arguments
    from gateway.secrets import cluster_secret

    settings = settings_of(config, data)
    program = Path(sys.executable).parent / "ray"
    if not program.exists():
        fail("Ray is not installed: pip install 'gridsight[ray]'")
    if (head_port is None) == (join is None):
        fail("say either --head-port, on the machine of the head, or --join HOST:PORT")
    if state is not None and join is not None:
        fail("--state belongs to the head: leave it away with --join")
    if head_only and join is not None:
        fail("--head-only belongs to the head: leave it away with --join")
    address = settings.cluster.reached_at or "127.0.0.1"
    if head_port is not None:
        forget_lost_head(address, head_port)
    arguments = start_arguments(
        None if head_only else settings.cluster.node_name,
        address,
        head_port=head_port,
        head=join,
    )
    environment = {**os.environ, **ray_environment(cluster_secret(settings), state)}
    os.execve(program, [str(program), *arguments, "--block"], environment)
