"""A checkpoint that speaks GA/T 1400: documents as devices write them, sent by aiohttp's own client
and its own digest.
"""

from __future__ import annotations

import base64
import json
import time
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache
from typing import Any

import aiohttp
import av

CHECKPOINT = "42088100001190000001"
PASSWORD = "checkpoint 9"
# An hour ago: in UTC, and as a device in China writes it.
PASSED_US = (int(time.time()) - 3600) * 1_000_000


def local_time(seconds: int = 0) -> str:
    """So many seconds after :data:`PASSED_US`, as a device writes it."""
    zone = timezone(timedelta(hours=8))
    return f"{datetime.fromtimestamp(PASSED_US // 1_000_000 + seconds, zone):%Y%m%d%H%M%S}"


PASSED = local_time()


@lru_cache
def jpeg(width: int = 64, height: int = 48, luma: int = 90) -> bytes:
    """A picture, by FFmpeg."""
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame(width, height, "yuvj420p")
    for number, plane in enumerate(frame.planes):
        plane.update(bytes([luma if number == 0 else 128]) * plane.buffer_size)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def sub_image(kind: str, data: bytes, **more: Any) -> dict[str, Any]:
    """A SubImageInfoObject."""
    return {
        "ImageID": f"{CHECKPOINT}02{PASSED}00001",
        "EventSort": 4,
        "DeviceID": CHECKPOINT,
        "StoragePath": "",
        "Type": kind,
        "FileFormat": "Jpeg",
        "ShotTime": PASSED,
        "Width": 64,
        "Height": 48,
        "Data": base64.b64encode(data).decode(),
        **more,
    }


def motor_vehicle(number: int = 1, **more: Any) -> dict[str, Any]:
    """A MotorVehicleObject."""
    return {
        "MotorVehicleID": f"{CHECKPOINT}02{PASSED}{number:05d}02{number:05d}",
        "InfoKind": 1,
        "SourceID": f"{CHECKPOINT}02{PASSED}{number:05d}",
        "TollgateID": "42088100001210000001",
        "DeviceID": CHECKPOINT,
        "LeftTopX": 1, "LeftTopY": 2, "RightBtmX": 30, "RightBtmY": 40,
        "PassTime": PASSED,
        "LaneNo": 2,
        "Direction": "3",
        "HasPlate": "1",
        "PlateClass": "02",
        "PlateColor": "5",
        "PlateNo": "鄂H12345",
        "Speed": 54.0,
        "VehicleClass": "K31",
        "VehicleColor": "2",
        "VehicleBrand": "8",
        "SubImageList": {
            "SubImageInfoObject": [sub_image("01", jpeg()), sub_image("02", jpeg(20, 8))]
        },
        "DriverName": "somebody",
        **more,
    }  # fmt: skip


def vehicles(*found: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /VIID/MotorVehicles."""
    return {"MotorVehicleListObject": {"MotorVehicleObject": list(found)}}


class Device:
    """One device at one gateway."""

    def __init__(
        self,
        base_url: str,
        code: str = CHECKPOINT,
        password: str = PASSWORD,
        host: str = "127.0.0.1",
    ) -> None:
        self.code = code
        self._base_url = base_url
        self._digest = aiohttp.DigestAuthMiddleware(code, password)
        connector = aiohttp.TCPConnector(local_addr=(host, 0))
        self._http = aiohttp.ClientSession(connector=connector)

    async def __aenter__(self) -> Device:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def register(self) -> int:
        """With the digest; gives the status of HTTP."""
        body = {"RegisterObject": {"DeviceID": self.code}}
        status, _ = await self.send("POST", "/VIID/System/Register", body, digest=True)
        return status

    async def keepalive(self) -> int:
        """As after registration: by name alone."""
        body = {"KeepaliveObject": {"DeviceID": self.code}}
        status, _ = await self.send("POST", "/VIID/System/Keepalive", body)
        return status

    async def post(self, resource: str, body: Any) -> list[dict[str, Any]]:
        """Objects; gives the statuses."""
        _, answer = await self.send("POST", f"/VIID/{resource}", body)
        listed = answer.get("ResponseStatusListObject") or answer
        found = listed["ResponseStatusObject"]
        return found if isinstance(found, list) else [found]

    async def send(
        self, method: str, path: str, body: Any = None, *, digest: bool = False
    ) -> tuple[int, dict[str, Any]]:
        """Any request; ``body`` as JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self._http.request(
            method,
            self._base_url + path,
            data=data,
            headers={"User-Identify": self.code, "Content-Type": "application/VIID+JSON"},
            middlewares=(self._digest,) if digest else (),
        ) as response:
            return response.status, json.loads(await response.read())
