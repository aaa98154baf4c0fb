"""``gridsight plan``: what a county needs, before anything is bought."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gateway.capacity.coefficients import LOCALES, Locale
from gateway.terminal import fail


def plan(
    cameras: Annotated[int, typer.Option(help="Cameras and other channels that are recorded.")],
    mbps: Annotated[float, typer.Option(help="Bitrate of each, Mbit/s.")] = 2.0,
    days: Annotated[float, typer.Option(help="How long footage is kept.")] = 30.0,
    sub_mbps: Annotated[
        float | None,
        typer.Option(
            help="Bitrate of sub-streams, which are watched and searched.", show_default=False
        ),
    ] = None,
    gb28181: Annotated[
        int, typer.Option("--gb28181", help="How many of the cameras come by GB/T 28181 over UDP.")
    ] = 0,
    viewers: Annotated[
        int, typer.Option(help="Pictures watched at once; a wall of nine counts nine.")
    ] = 0,
    meeting_sites: Annotated[int, typer.Option(help="Sites that meet at once.")] = 0,
    analysed: Annotated[int, typer.Option(help="Cameras whose pictures are searched.")] = 0,
    passages: Annotated[
        float, typer.Option(help="People and vehicles that each of these sees on a day.")
    ] = 167.0,
    nodes_lost: Annotated[
        int, typer.Option(help="Machines of each kind that may be lost at once.")
    ] = 1,
    gop_s: Annotated[float, typer.Option(help="Seconds between keyframes.")] = 2.0,
    segment_s: Annotated[
        float, typer.Option(help="Length of a segment (recording.segment_s).")
    ] = 60.0,
    cores: Annotated[int, typer.Option(help="Cores of a machine.")] = 16,
    memory_gib: Annotated[float, typer.Option(help="Its memory, GiB.")] = 128.0,
    network_gbps: Annotated[float, typer.Option(help="Its network, Gbit/s each way.")] = 10.0,
    disks: Annotated[int, typer.Option(help="Disks of a machine of the store.")] = 12,
    disk_tb: Annotated[float, typer.Option(help="Size of each, TB.")] = 16.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    locale: Annotated[str, typer.Option(help="en or zh-CN.")] = "en",
) -> None:
    """Machines, disks, network, database: from measured coefficients, which it names."""
    from gateway.capacity.coefficients import coefficients
    from gateway.capacity.plan import Demand, MachineShape, PlanError, make_plan
    from gateway.capacity.report import document, error_text, lines

    spoken: dict[str, Locale] = {one: one for one in LOCALES}
    if locale not in spoken:
        fail(f"--locale is {locale!r}: give {' or '.join(LOCALES)}", 2)
    demand = Demand(
        cameras, mbps, days, sub_mbps, gb28181, viewers, meeting_sites, analysed, passages,
        nodes_lost, gop_s, segment_s,
    )  # fmt: skip
    known = coefficients()
    try:
        made = make_plan(
            demand, known, MachineShape(cores, memory_gib, network_gbps, disks, disk_tb)
        )
    except PlanError as error:
        fail(error_text(error, spoken[locale]), 2)
    if as_json:
        typer.echo(json.dumps(document(made, known, spoken[locale]), ensure_ascii=False, indent=2))
        return
    for line in lines(made, known, spoken[locale]):
        typer.echo(line)
