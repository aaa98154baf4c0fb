"""Reads one file that somebody brought, in a process of its own with bounded memory and time.

Decoders and demuxers are where files attack: one that is led astray takes this process with it and
nothing else. A photo comes out as a new JPEG, a video or sound as a new file of the same coded
pictures without the metadata of the old one. Arguments: the file, the file to make, the thumbnail
to make, and JSON of ``{kind, container, limit_bytes}``. One line of JSON comes out.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

from gateway.attachments.kinds import FileRefused
from gateway.attachments.photo_facts import read_facts

MEMORY_BYTES = 2 * 1024**3
_PROCESSOR_S = 60
_THUMBNAIL_SIDE = 480
_LONGEST_MS = 3600_000
_LARGEST_SIDE = 8192
_VIDEO = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg"})
_SOUND = frozenset({"aac", "opus", "vorbis", "mp3", "flac", "pcm_s16le", "pcm_u8", "pcm_s24le"})
_DAMAGED = "this file is damaged or cut off and cannot be read: take it or save it anew"


def _photo(source: Path, made: Path, thumbnail: Path, limit_bytes: int) -> dict[str, Any]:
    from search.appearance.photos import PhotoRefused, photo_as_jpeg, read_photo

    data = source.read_bytes()
    try:
        picture = read_photo(data, limit_bytes)
    except PhotoRefused as refusal:
        raise FileRefused(refusal.code, str(refusal)) from None
    made.write_bytes(photo_as_jpeg(picture))
    _write_thumbnail(picture, thumbnail)
    facts = read_facts(data)
    return {
        "width": int(picture.shape[1]),
        "height": int(picture.shape[0]),
        "longitude": facts.longitude,
        "latitude": facts.latitude,
        "taken_us": facts.taken_us,
    }


def _write_thumbnail(picture: Any, thumbnail: Path) -> None:
    import cv2

    scale = _THUMBNAIL_SIDE / max(picture.shape[:2])
    if scale < 1:
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    thumbnail.write_bytes(coded.tobytes())


def _media(source: Path, made: Path, thumbnail: Path, container: str) -> dict[str, Any]:
    import av

    try:
        with av.open(str(source), format=container) as incoming:
            video = next(iter(incoming.streams.video), None)
            sound = next(iter(incoming.streams.audio), None)
            kept = [one for one in (video, sound) if one is not None]
            if not kept:
                raise FileRefused("damaged", "there is neither a picture nor sound in this file")
            for stream, known in ((video, _VIDEO), (sound, _SOUND)):
                if stream is not None and stream.codec_context.name not in known:
                    raise FileRefused(
                        "not_accepted",
                        f"this file is coded as {stream.codec_context.name}, which browsers do not "
                        "play: save it as MP4 (H.264, AAC)",
                    )
            if video is not None and max(video.width, video.height) > _LARGEST_SIDE:
                raise FileRefused("too_many_pixels", "the pictures of this video are too large")
            duration_ms = _remux(av, incoming, kept, made, container)
        if duration_ms > _LONGEST_MS:
            raise FileRefused("too_long", "a video or voice note has at most one hour")
        told: dict[str, Any] = {"duration_ms": duration_ms, "sound_only": video is None}
        if video is not None:
            told |= {"width": video.width, "height": video.height}
            _first_picture(av, made, thumbnail)
        return told
    except av.FFmpegError:
        raise FileRefused("damaged", _DAMAGED) from None


def _remux(av: Any, incoming: Any, kept: list[Any], made: Path, container: str) -> int:
    form = {"matroska": "webm"}.get(container, container)
    options = {"movflags": "faststart"} if form == "mp4" else {}
    last_ms = 0.0
    with av.open(str(made), "w", format=form, options=options) as outgoing:
        outgoing.metadata.clear()
        streams = {one.index: outgoing.add_stream_from_template(one) for one in kept}
        for stream in streams.values():
            stream.metadata.clear()
        for packet in incoming.demux(kept):
            if packet.dts is None:
                continue
            at = packet.pts if packet.pts is not None else packet.dts
            base = packet.time_base
            last_ms = max(last_ms, float((at + (packet.duration or 0)) * base) * 1000)
            packet.stream = streams[packet.stream.index]
            outgoing.mux(packet)
    return round(last_ms)


def _first_picture(av: Any, made: Path, thumbnail: Path) -> None:
    with av.open(str(made)) as video:
        for frame in video.decode(video=0):
            _write_thumbnail(frame.to_ndarray(format="bgr24"), thumbnail)
            return
    raise FileRefused("damaged", _DAMAGED)


def _confine(limit_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))
    largest = 2 * limit_bytes + 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read one file."""
    source, made, thumbnail = (Path(one) for one in sys.argv[1:4])
    asked = json.loads(sys.argv[4])
    _confine(asked["limit_bytes"])
    try:
        if asked["kind"] == "photo":
            told = _photo(source, made, thumbnail, asked["limit_bytes"])
        else:
            told = _media(source, made, thumbnail, asked["container"])
    except FileRefused as refusal:
        told = {"code": refusal.code, "message": str(refusal)}
    except MemoryError:
        told = {"code": "damaged", "message": _DAMAGED}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
