"""Playback from the footage server, as a browser asks for it.

    python -m benchmarks.playback [--quick]

A running gateway with footage of two formats. Measured are what a fragment costs the footage
server's processor, what passes between a seek and its first fragment in the browser's hands (index,
initialisation segment and fragment, through the one public origin), a picture at an instant, and
how fast H.265 is transcoded. Peers: an ffmpeg process for each picture, reading the same object.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks._gateway import RunningGateway, running_gateway
from benchmarks.measure import cpu_seconds, percentile, quick_requested, report

START_US = 1_793_491_200_000_000
PICTURES = 750
SIZE = "1280x720"


def main() -> None:
    """Run the benchmark."""
    quick = quick_requested(__doc__)
    requests = 300 if quick else 3000
    with tempfile.TemporaryDirectory() as folder, running_gateway() as gateway:
        clips = [make_clip(Path(folder), codec) for codec in ("libx264", "libx265")]
        camera_id = make_camera(gateway)
        data = data_directory(gateway)
        command = [str(Path(sys.executable).with_name("gridsight")), "import", *map(str, clips)]
        start = ["--camera", camera_id, "--start", "2026-11-01T00:00:00Z", "--hold"]
        subprocess.run([*command, *start, "--data", data], check=True, stdout=subprocess.DEVNULL)
        server = footage_process(gateway)
        native = Player(gateway, camera_id, mse_h265=True)
        fragments(native, server, requests)
        seeks(native, 50 if quick else 300)
        pictures(native, 30 if quick else 200, clips[0])
        transcoding(Player(gateway, camera_id, mse_h265=False))


class Player:
    """A browser's playback session."""

    def __init__(self, gateway: RunningGateway, camera_id: str, *, mse_h265: bool) -> None:
        self.http = httpx.Client(base_url=gateway.url, headers=gateway.api.headers, timeout=60)
        self.http.cookies.update(gateway.api.cookies)
        body = {
            "camera_ids": [camera_id],
            "start_us": START_US,
            "end_us": START_US + 3_600_000_000,
            "client": {"mse_h265": mse_h265},
        }
        answer = self.http.post("/api/playback", json=body).json()
        opened = self.http.post(
            f"/s/{answer['server']}/sessions", json={"ticket": answer["ticket"]}
        )
        opened.raise_for_status()
        self.base: str = answer["cameras"][0]["base_url"]

    def get(self, path: str) -> httpx.Response:
        """One request below the camera's base URL. Raises httpx.HTTPStatusError."""
        answer = self.http.get(self.base + path)
        answer.raise_for_status()
        return answer

    def index(self, start_us: int, length_us: int = 30_000_000) -> Any:
        """The index from an instant on."""
        return self.get(f"/index?start_us={start_us}&end_us={start_us + length_us}").json()


def fragments(player: Player, server: int, count: int) -> None:
    """Processor time of the footage server for one fragment of 2 s."""
    listed = player.index(START_US)["fragments"]
    paths = [
        f"/segments/{segment}/fragments/{number}-{number}.m4s"
        for segment, number in zip(listed["segment_id"], listed["number"], strict=True)
    ]
    before = cpu_seconds(server)
    took = [timed(partial(player.get, paths[turn % len(paths)])) for turn in range(count)]
    used = (cpu_seconds(server) - before) / count * 1000
    report("fragment_request_cpu", used, "ms of a core", n=count, target=1.0)
    report("fragment_request_p95", percentile(took, 95) * 1000, "ms", n=count)


def seeks(player: Player, count: int) -> None:
    """From a click on the timeline to the fragment with the first picture."""
    took = []
    for _ in range(count):
        at_us = START_US + random.randrange(28) * 1_000_000

        def seek(at_us: int = at_us) -> None:
            found = player.index(at_us)
            listed = found["fragments"]
            player.get(f"/runs/{found['runs'][0]['run_id']}/init.mp4")
            number = listed["number"][0]
            player.get(f"/segments/{listed['segment_id'][0]}/fragments/{number}-{number}.m4s")

        took.append(timed(seek))
    report("seek_first_fragment_p50", percentile(took, 50) * 1000, "ms", n=count)
    report("seek_first_fragment_p95", percentile(took, 95) * 1000, "ms", n=count, target=100.0)


def pictures(player: Player, count: int, clip: Path) -> None:
    """A JPEG at an instant, beside an ffmpeg process for each."""
    instants = [random.randrange(29_000_000) for _ in range(count)]
    ours = [
        timed(partial(player.get, f"/frame.jpg?at_us={START_US + at_us}&width=320"))
        for at_us in instants
    ]

    def ffmpeg(at_us: int) -> None:
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-nostdin",
            "-ss",
            f"{at_us / 1e6:.6f}",
            "-i",
            str(clip),
        ]
        output = ["-frames:v", "1", "-vf", "scale=320:-2", "-f", "mjpeg", "-"]
        subprocess.run([*command, *output], check=True, stdout=subprocess.DEVNULL)

    theirs = [timed(partial(ffmpeg, at_us)) for at_us in instants[:50]]
    report(
        "picture_at_instant_p50",
        percentile(ours, 50) * 1000,
        "ms",
        n=count,
        peer="ffmpeg process per picture",
        peer_value=percentile(theirs, 50) * 1000,
    )


def transcoding(player: Player) -> None:
    """How much faster than it was recorded H.265 comes as H.264."""
    found = player.index(START_US + 30_000_000, 32_000_000)
    listed = found["fragments"]
    wanted = [i for i, run in enumerate(listed["run"]) if found["runs"][run]["transcode"]]
    paths = [
        f"/transcode/segments/{listed['segment_id'][i]}/fragments/{n}-{n}.m4s"
        for i in wanted
        for n in [listed["number"][i]]
    ]
    player.get(paths[0])  # the worker starts
    took = timed(lambda: [player.get(path) for path in paths[1:]])
    played = sum(listed["duration_us"][i] for i in wanted[1:]) / 1e6
    note = f"{SIZE}, 25 pictures a second, one place"
    report("transcode_speed", played / took, "× real time", n=1, better="higher", note=note)


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def make_clip(folder: Path, encoder: str) -> Path:
    """30 s at about 2 Mbit/s, 25 pictures a second, a keyframe every 2 s."""
    path = folder / f"{encoder}.mp4"
    source = f"testsrc2=size={SIZE}:rate=25:duration={PICTURES / 25}"
    options = ["-preset", "ultrafast", "-b:v", "2M", "-g", "50", "-bf", "0", "-pix_fmt", "yuv420p"]
    quiet = ["-x265-params", "log-level=none"] if encoder == "libx265" else []
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-c:v", encoder]
    subprocess.run([*command, *options, *quiet, str(path)], check=True)
    return path


def make_camera(gateway: RunningGateway) -> str:
    """A camera that is not recorded, to file the footage under."""
    area = gateway.call("POST", "/api/areas", {"name": "benchmark", "parent_id": None})
    body = {
        "name": "benchmark",
        "area_id": area["id"],
        "main_url": "rtsp://127.0.0.1:9/none",
        "transport": "tcp",
        "record": "off",
        "enabled": False,
    }
    return str(gateway.call("POST", "/api/cameras", body)["id"])


def data_directory(gateway: RunningGateway) -> str:
    """Where the gateway keeps its data, from the environment that it was given."""
    variables = Path(f"/proc/{gateway.process.pid}/environ").read_bytes().split(b"\0")
    name = b"GRIDSIGHT_DATA_DIRECTORY="
    return next(os.fsdecode(item[len(name) :]) for item in variables if item.startswith(name))


def footage_process(gateway: RunningGateway) -> int:
    """The process id of the footage server."""
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text()
    for child in map(int, children.split()):
        if b"\0footage\0" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise RuntimeError("the gateway has no footage server")


if __name__ == "__main__":
    main()
