"""Addresses of common makes: from make, host and channel to main and sub stream.

Paths as they are known in the field, of the makers' firmware of today: whoever imports tries a few
cameras of a kind first. What a county has besides is given as an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CHANNELS_LIMIT = 256
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\](:\d{1,5})?|[A-Za-z0-9._-]+(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Make:
    """``main`` and ``sub`` are a camera's paths, ``nvr_main`` and ``nvr_sub`` a recorder's; in them
    ``{c}`` is the channel's number.
    """

    key: str
    name: str
    aliases: tuple[str, ...]
    main: str
    sub: str
    nvr_main: str
    nvr_sub: str


MAKES = (
    Make(
        "hikvision", "海康威视", ("海康", "hik", "hikvision", "ds-2"),
        "/Streaming/Channels/{c}01", "/Streaming/Channels/{c}02",
        "/Streaming/Channels/{c}01", "/Streaming/Channels/{c}02",
    ),
    Make(
        "dahua", "大华", ("浙江大华", "dahua", "lechange", "乐橙"),
        "/cam/realmonitor?channel={c}&subtype=0", "/cam/realmonitor?channel={c}&subtype=1",
        "/cam/realmonitor?channel={c}&subtype=0", "/cam/realmonitor?channel={c}&subtype=1",
    ),
    Make(
        "uniview", "宇视", ("uniview", "unv", "浙江宇视"),
        "/media/video1", "/media/video2",
        "/unicast/c{c}/s0/live", "/unicast/c{c}/s1/live",
    ),
    Make(
        "tplink", "TP-LINK", ("tp-link", "tplink", "普联", "vigi", "tapo", "水星", "mercury"),
        "/stream1", "/stream2",
        "/stream1&channel={c}", "/stream2&channel={c}",
    ),
    Make(
        "tiandy", "天地伟业", ("tiandy",),
        "/{c}/1", "/{c}/2",
        "/{c}/1", "/{c}/2",
    ),
    Make(
        "huawei", "华为", ("huawei", "holosens", "好望"),
        "/LiveMedia/ch{c}/Media1", "/LiveMedia/ch{c}/Media2",
        "/LiveMedia/ch{c}/Media1", "/LiveMedia/ch{c}/Media2",
    ),
    Make(
        "ezviz", "萤石", ("ezviz",),
        "/h264/ch{c}/main/av_stream", "/h264/ch{c}/sub/av_stream",
        "/h264/ch{c}/main/av_stream", "/h264/ch{c}/sub/av_stream",
    ),
    Make(
        "reolink", "Reolink", ("reolink",),
        "/h264Preview_{c:02}_main", "/h264Preview_{c:02}_sub",
        "/h264Preview_{c:02}_main", "/h264Preview_{c:02}_sub",
    ),
    Make(
        "axis", "Axis", ("axis", "安讯士"),
        "/axis-media/media.amp?camera={c}", "/axis-media/media.amp?camera={c}&resolution=640x360",
        "/axis-media/media.amp?camera={c}", "/axis-media/media.amp?camera={c}&resolution=640x360",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChannelAddress:
    """One channel's addresses, without credentials."""

    channel: int
    main_url: str
    sub_url: str


def find_make(text: str) -> Make:
    """The make that people mean by its key, name, or another name of it. Raises ValueError."""
    wanted = text.strip().casefold()
    for make in MAKES:
        if wanted in (make.key, make.name.casefold(), *make.aliases):
            return make
    names = ", ".join(make.name for make in MAKES)
    raise ValueError(f"there is no template for {text}; there are {names}: else give the address")


def parse_channels(text: str) -> list[int]:
    """``3``, ``1-8`` or ``1-4;7`` as numbers, each once. Raises ValueError."""
    found: dict[int, None] = {}
    for part in re.split(r"[;；,，、\s]+", text.strip()):
        match = re.fullmatch(r"(\d{1,3})(?:\s*[-~～]\s*(\d{1,3}))?", part)
        if match is None:
            raise ValueError("write channels as 3, 1-8 or 1-4;7")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if not 1 <= first <= last <= CHANNELS_LIMIT:
            raise ValueError(f"channels go from 1 to {CHANNELS_LIMIT}")
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)


def addresses_of(make: Make, address: str, channels: list[int] | None) -> Iterator[ChannelAddress]:
    """The addresses of a camera (no channels), or of a recorder's channels. Raises ValueError."""
    if not _HOST.fullmatch(address):
        raise ValueError("write the address as 10.20.1.15 or 10.20.1.15:554")
    nvr = channels is not None
    main, sub = (make.nvr_main, make.nvr_sub) if nvr else (make.main, make.sub)
    for channel in channels or [1]:
        yield ChannelAddress(
            channel,
            f"rtsp://{address}{main.format(c=channel)}",
            f"rtsp://{address}{sub.format(c=channel)}",
        )
