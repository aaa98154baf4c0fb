"""Camera lists, as an office may send them."""

from __future__ import annotations

import contextlib

from gateway.commands.camera_csv import decode, read_cameras_csv

SEEDS = [
    "name,area,main_url,password\n村口,县/镇/村,rtsp://a:b@10.0.0.1/1,p\n".encode(),
    "名称,区域,主码流\n村口,县/镇,rtsp://10.0.0.1\n".encode("gb18030"),
    b'name,area,main_url\n"a""b",c,"rtsp://x/\n"\n',
]


def target(data: bytes) -> None:
    """Only ValueError for what is no text; a list without faults is whole."""
    with contextlib.suppress(ValueError):
        text = decode(data)
        cameras, faults = read_cameras_csv(text)
        assert all(fault.line >= 1 and fault.reason for fault in faults)
        if not faults:
            assert all(camera.form.name and camera.area for camera in cameras)
