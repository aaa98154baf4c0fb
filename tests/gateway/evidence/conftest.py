"""A footage world with an export worker, and what its packages look like from outside."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import gateway.evidence.case_rows
import gateway.evidence.export_rows
import gateway.mask_rows  # noqa: F401
from gateway.audit import AuditRecord
from gateway.audit.records import act
from gateway.database.evidence_tables import export_files, export_jobs
from gateway.evidence.keys import PackageSigner
from gateway.evidence.making import Workshop
from gateway.evidence.order import Order, OrderedCamera
from gateway.evidence.package import find_package
from gateway.evidence.worker import ExportWorker
from tests.gateway.footage.conftest import (  # noqa: F401
    CAMERA,
    SECRET,
    SERVER,
    START_US,
    World,
    h264,
    h265,
    rows,
    settings,
    world,
)

SECOND = 1_000_000
ORDER = Order(
    cameras=(OrderedCamera(CAMERA, "村口 <一>", ("县", "镇")),),
    original=True,
    viewing="auto",
    burn_time=False,
    burn_viewer=False,
    burn_masks=False,
    utc_offset_minutes=480,
    requester={"id": "usr_1", "name": "wang", "display_name": "王警官"},
    reason={"code": "incident", "text": "白色面包车", "case_id": None},
    case=None,
)


@dataclass
class Desk:
    """Orders exports and looks at what comes of them."""

    world: World
    workshop: Workshop
    worker: ExportWorker

    async def order(
        self, start_us: int, end_us: int, user_id: str = "usr_1", **changes: Any
    ) -> str:
        order = replace(ORDER, **changes)
        record = AuditRecord("export.order", user_id=user_id)
        made: str = await act(
            self.world.rows,
            "evidence.order_export",
            {
                "user_id": user_id,
                "case_id": None,
                "camera_ids": [camera.id for camera in order.cameras],
                "start_us": start_us,
                "end_us": end_us,
                "order": order.to_document(),
            },
            [record],
        )
        return made

    async def export(self, start_us: int, end_us: int, **changes: Any) -> str:
        job_id = await self.order(start_us, end_us, **changes)
        assert await self.worker.turn()
        return job_id

    async def job(self, job_id: str) -> Any:
        async with self.world.engine.connect() as connection:
            return (
                await connection.execute(sa.select(export_jobs).where(export_jobs.c.id == job_id))
            ).one()

    async def files(self, job_id: str) -> list[str]:
        statement = sa.select(export_files.c.path).where(export_files.c.job_id == job_id)
        async with self.world.engine.connect() as connection:
            return sorted((await connection.execute(statement)).scalars())

    async def archive(self, job_id: str) -> bytes:
        job = await self.job(job_id)
        assert job.state == "done", (job.code, job.message)
        async with self.world.engine.connect() as connection:
            package = await find_package(connection, job_id, self.workshop.folder)
        assert package is not None
        size = package.layout.size_bytes
        assert size == job.size_bytes
        return b"".join([piece async for piece in package.read(0, size)])

    async def unpack(self, job_id: str, folder: Path) -> list[str]:
        """What an ordinary program makes of the archive."""
        with zipfile.ZipFile(BytesIO(await self.archive(job_id))) as archive:
            assert archive.testzip() is None
            archive.extractall(folder)
            return archive.namelist()


@pytest.fixture
def desk(world: World) -> Desk:  # noqa: F811
    workshop = Workshop(
        process=SERVER,
        engine=world.engine,
        rows=world.rows,
        reader=world.server.reader,
        transcoder=world.server.frames._transcoder,
        signer=PackageSigner(SECRET),
        folder=world.settings.exports_directory,
        gateway="here",
        reserve_bytes=0,
        keep_us=3600 * SECOND,
    )
    return Desk(world, workshop, ExportWorker(workshop))
