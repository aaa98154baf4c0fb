"""``gridsight camera add|list|test|import``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from camera_adapters.rtsp.probe import ProbeResult, probe
from gateway.audit import AuditRecord, act
from gateway.camera_form import CameraForm, camera_columns, split_credentials
from gateway.cameras import Camera, read_cameras, select_cameras
from gateway.cluster.interface import SUPERVISOR
from gateway.commands.camera_csv import CsvCamera, CsvFault, decode, read_cameras_csv
from gateway.commands.rows import open_rows
from gateway.control.channel import ControlClient, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.tables import cameras
from gateway.identifiers import new_id
from gateway.people.areas import area_names
from gateway.secrets import cluster_secret
from gateway.settings import Settings


class CsvFaults(Exception):
    """The file has faults; nothing was imported."""

    def __init__(self, faults: list[CsvFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


async def test_camera(url: str, username: str | None, password: str | None) -> ProbeResult:
    """Try an address. Raises ValueError when it is none."""
    bare, own_username, own_password = split_credentials(url)
    return await probe(bare, username or own_username or "", password or own_password or "")


async def add_camera(settings: Settings, area: tuple[str, ...], form: CameraForm) -> str:
    """Add one camera, its area too where it is missing; gives its id."""
    return (await _add(settings, [CsvCamera(1, area, form)], "camera.create"))[0]


async def import_cameras(settings: Settings, path: Path) -> int:
    """Add a file's cameras, all or none; gives how many.

    Raises CsvFaults, OSError, ValueError (not text).
    """
    found, faults = read_cameras_csv(decode(await asyncio.to_thread(path.read_bytes)))
    if not faults:
        faults = await _already_there(settings, found)
    if faults:
        raise CsvFaults(faults)
    return len(await _add(settings, found, "camera.import"))


async def list_cameras(settings: Settings) -> list[tuple[Camera, list[str]]]:
    """Every camera with the names of its areas."""
    async with open_rows(settings):
        pass  # Makes the tables where there are none.
    engine = create_reader_engine(settings)
    try:
        async with engine.connect() as connection:
            statement = select_cameras().where(cameras.c.deleted_us.is_(None))
            found = await read_cameras(connection, statement.order_by(cameras.c.name))
            names = await area_names(connection, [camera.area_path for camera in found])
    finally:
        await engine.dispose()
    return [(camera, names[camera.area_path]) for camera in found]


async def _already_there(settings: Settings, found: list[CsvCamera]) -> list[CsvFault]:
    known = {camera.main_url: camera.name for camera, _ in await list_cameras(settings)}
    return [
        CsvFault(
            camera.line, "main_url", f"is the address of {known[camera.form.main_url]!r} already"
        )
        for camera in found
        if camera.form.main_url in known
    ]


async def _add(settings: Settings, found: list[CsvCamera], action: str) -> list[str]:
    secret = cluster_secret(settings)
    rows_of_cameras: list[dict[str, Any]] = []
    for camera in found:
        columns = camera_columns(camera.form, new_id("cam"), secret)
        rows_of_cameras.append({**columns, "area": list(camera.area)})
    async with open_rows(settings) as rows:
        await act(
            rows,
            "cameras.import",
            {"cameras_columns": rows_of_cameras},
            [
                AuditRecord(
                    action,
                    user_name="(command line)",
                    camera_id=columns["id"],
                    detail={"name": columns["name"]},
                )
                for columns in rows_of_cameras
            ],
        )
    await _wake(settings, secret)
    return [columns["id"] for columns in rows_of_cameras]


async def _wake(settings: Settings, secret: bytes) -> None:
    client = ControlClient(control_path(settings, SUPERVISOR), secret, connect_timeout_s=0.2)
    try:
        await client.call("cluster.reconcile")
    except (ConnectionError, TimeoutError):
        return  # Not running: the cameras are taken up at the next start.
    finally:
        await client.close()
