"""Fragmented MP4 out of HLS, taken apart by libavformat: blocks, so run it in a thread."""

from __future__ import annotations

import io

import av

from camera_adapters.file_replay.reading import FileUnusable, read_container
from camera_adapters.http_pull.client import FetchFailed
from camera_adapters.mpeg_ts.demultiplex import TsPicture, TsSound, Unit
from camera_adapters.retrying import Ending


def read_fragment(data: bytes) -> list[Unit]:
    """The pictures and sound of init section and fragments. Raises FetchFailed."""
    units: list[Unit] = []
    try:
        with av.open(io.BytesIO(data), "r", format="mp4") as container:
            for frame in read_container(container, from_zero=False):
                if frame.track is None:
                    units.append(
                        TsPicture(frame.codec, frame.payloads, frame.pts_90k, frame.dts_90k)
                    )
                else:
                    units.append(TsSound(frame.track, frame.payloads[0], frame.pts_90k))
    except FileUnusable as error:
        raise FetchFailed(Ending("no_video", str(error))) from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise FetchFailed(Ending("protocol", f"a segment cannot be read: {error}")) from None
    return units
