"""The demo cameras: a real clip, replayed over real RTSP, registered like any camera.

The clip is shown by each camera from another moment on. The third camera has sound.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.database.writer_process import RemoteRowWriter
from gateway.demo.clip import Clip, load_clip
from gateway.demo.replay import ReplayServer
from gateway.demo.tone import TONE_TRACK, tone_units
from gateway.settings import Settings

_log = structlog.get_logger(__name__)

_FOLDER = Path(__file__).parent
# A county that is on no map.
_AREA_NAME = "云溪县"
_AREAS = (("石坪镇", "柳湾村"), ("石坪镇", "东岭村"), ("石坪镇", "东岭村"), ("白沙镇", "桃源村"))
_NAMES = ("校园路口 东", "校园路口 南", "校园路口 西(有声)", "校园路口 北")
_SOUND_CAMERA = 2
_OFFSET_S = 6.0
# Kept over restarts where it is free: a recorded camera's address should not wander.
_PREFERRED_PORT = 8654
_REGISTER_RETRY_S = 1.0


async def serve_demo(settings: Settings, name: str) -> None:
    """Replay until told to stop."""
    main_clip, sub_clip = await asyncio.gather(
        asyncio.to_thread(load_clip, _FOLDER / "crossing.mp4"),
        asyncio.to_thread(load_clip, _FOLDER / "crossing_sub.mp4"),
    )
    server = await _listen()
    for number in range(len(_NAMES)):
        start_s = number * _OFFSET_S
        sound = number == _SOUND_CAMERA
        server.add(f"demo-{number + 1}", _with_tone(main_clip, sound), start_s=start_s)
        server.add(f"demo-{number + 1}/sub", _with_tone(sub_clip, sound), start_s=start_s)
    registering = asyncio.create_task(_register(settings, server))
    try:
        await run_until_stopped(LoopLag())
    finally:
        registering.cancel()
        await server.close()


async def _listen() -> ReplayServer:
    # As real cameras do: a sub-stream pulled on demand shows its first picture at once.
    preferred = ReplayServer(port=_PREFERRED_PORT, replay_gop=True)
    try:
        await preferred.start()
    except OSError:
        any_port = ReplayServer(replay_gop=True)
        await any_port.start()
        return any_port
    return preferred


def _with_tone(clip: Clip, sound: bool) -> Clip:
    if not sound:
        return clip
    return clip.with_track(TONE_TRACK, tone_units(len(clip.tracks), clip.duration_90k))


async def _register(settings: Settings, server: ReplayServer) -> None:
    """Write the rows. The writer may be restarting; the cameras are of no use without it."""
    rows = RemoteRowWriter.from_settings(settings)
    demo = [
        {
            "id": f"cam_demo{number}",
            "name": camera_name,
            "area": list(area),
            "main_url": server.url(f"demo-{number}"),
            "sub_url": server.url(f"demo-{number}/sub"),
        }
        for number, (camera_name, area) in enumerate(zip(_NAMES, _AREAS, strict=True), start=1)
    ]
    try:
        while True:
            try:
                await rows.write("demo.register", area_name=_AREA_NAME, demo=demo)
                return
            except (ConnectionError, TimeoutError) as error:
                _log.warning("the demo cameras are not registered yet", why=str(error))
                await asyncio.sleep(_REGISTER_RETRY_S)
    finally:
        await rows.close()


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve_demo(settings, name))
