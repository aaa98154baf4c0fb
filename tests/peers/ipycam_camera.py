"""An ONVIF camera that is not ours: ipycam, which binds every address of its network namespace.

``python ipycam_camera.py ADDRESS USER PASSWORD`` prints ``ready`` when it answers, then sends a
moving pattern until it is ended.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from ipycam import CameraConfig, IPCamera


def main() -> None:
    """Serve until ended."""
    address, username, password = sys.argv[1:]
    config = CameraConfig(
        name="gate",
        local_ip=address,
        username=username,
        password=password,
        main_width=640,
        main_height=360,
        sub_width=320,
        sub_height=180,
        main_fps=10,
        sub_fps=10,
    )
    camera = IPCamera(config)
    if not camera.start():
        sys.exit("ipycam does not start")
    print("ready", flush=True)
    frame = np.zeros((360, 640, 3), np.uint8)
    number = 0
    while True:
        frame[:] = 40
        frame[:, number % 600 : number % 600 + 40] = 200
        camera.stream(frame)
        number += 8
        time.sleep(0.1)


if __name__ == "__main__":
    main()
