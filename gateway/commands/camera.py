"""``gridsight camera add|list|test``."""

from __future__ import annotations

from camera_adapters.rtsp.probe import ProbeResult
from gateway.audit import AuditRecord, act
from gateway.camera_form import CameraForm, camera_columns
from gateway.cameras import Camera, read_cameras, select_cameras
from gateway.cluster.interface import SUPERVISOR
from gateway.commands.rows import open_rows
from gateway.control.channel import ControlClient, ControlError, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.tables import cameras
from gateway.identifiers import new_id
from gateway.people.areas import area_names
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.sources.addresses import split_credentials
from gateway.sources.probe import probe


async def test_camera(
    settings: Settings, url: str, username: str | None, password: str | None
) -> ProbeResult:
    """Try an address. Raises ValueError when it is none."""
    bare, own_username, own_password = split_credentials(url)
    return await probe(
        settings, bare, username or own_username or "", password or own_password or ""
    )


async def add_camera(settings: Settings, area: tuple[str, ...], form: CameraForm) -> str:
    """Add one camera, its area too where it is missing; gives its id."""
    secret = cluster_secret(settings)
    columns = {**camera_columns(form, new_id("cam"), secret), "area": list(area)}
    record = AuditRecord(
        "camera.create",
        user_name="(command line)",
        camera_id=columns["id"],
        detail={"name": form.name},
    )
    async with open_rows(settings) as rows:
        await act(rows, "cameras.import", {"cameras_columns": [columns]}, [record])
    await wake(settings, secret)
    return str(columns["id"])


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


async def wake(settings: Settings, secret: bytes) -> None:
    """Have a running gateway take up what has changed."""
    client = ControlClient(control_path(settings, SUPERVISOR), secret, connect_timeout_s=0.2)
    try:
        await client.call("cluster.reconcile")
    except (ConnectionError, TimeoutError, ControlError):
        return  # Not running: the cameras are taken up at the next start.
    finally:
        await client.close()
