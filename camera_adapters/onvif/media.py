"""Media services: profiles, addresses of streams and pictures, encoders.

ONVIF Media Service Specification (``media1``) and Media 2 Service Specification, which alone knows
H.265. Both give the same :class:`Profile`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from camera_adapters.onvif.soap import Request, Service, attribute, text
from camera_adapters.onvif.xml_tree import Node, namespaces_around, serialise, whole_number

_PLAYABLE = ("h264", "h265")
_MAKERS_TITLE = re.compile(r"(camera|ip ?camera|ipc|channel|ch|通道)[ _-]*\d*", re.IGNORECASE)
_PROFILES_LIMIT = 1024
# What a sub-stream is for: a tile of sixteen, a small screen.
_SUB_AREA = 704 * 576


@dataclass(frozen=True, slots=True)
class Encoder:
    """A video encoder's settings. ``codec`` is ``h264``, ``h265``, ``jpeg`` or ``mpeg4``; 0 where a
    device tells nothing.
    """

    token: str
    codec: str = ""
    width: int = 0
    height: int = 0
    frames_per_second: float = 0.0
    bitrate_bps: int = 0
    gop_pictures: int = 0
    quality: float = 0.0
    codec_profile: str = ""


@dataclass(frozen=True, slots=True)
class EncoderChoices:
    """What an encoder can be set to, for one codec; empty or (0, 0) where it does not tell."""

    codec: str
    resolutions: tuple[tuple[int, int], ...] = ()
    frames_per_second: tuple[float, float] = (0.0, 0.0)
    bitrate_bps: tuple[int, int] = (0, 0)
    gop_pictures: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Profile:
    """A media profile. ``video_source`` tells the lenses or channels of a device apart; ``service``
    says which media service knows it.
    """

    token: str
    name: str
    service: Service
    video_source: str = ""
    video_source_configuration: str = ""
    encoder: Encoder | None = None
    ptz_configuration: str = ""
    ptz_node: str = ""
    with_audio: bool = False
    with_audio_output: bool = False


@dataclass(frozen=True, slots=True)
class ChosenStreams:
    """The profiles of one video source that serve as main and sub stream."""

    video_source: str
    main: Profile
    sub: Profile | None


def get_profiles(service: Service) -> Request:
    """Media §5.2.2, Media 2 §5.2.2."""
    if service is Service.MEDIA2:
        return Request(service, "GetProfiles", "<m:Type>All</m:Type>")
    return Request(service, "GetProfiles")


def parse_profiles(answer: Node, service: Service) -> list[Profile]:
    """The profiles that have a token."""
    found: list[Profile] = []
    for node in answer.each("Profiles"):
        if len(found) == _PROFILES_LIMIT:
            break
        token = node.get("token")
        if token:
            found.append(
                _profile_2(node, token) if service is Service.MEDIA2 else _profile_1(node, token)
            )
    return found


def choose_streams(
    profiles: Sequence[Profile], kept: Mapping[str, tuple[str, str | None]]
) -> list[ChosenStreams]:
    """Main and sub stream of each video source, in the device's order.

    Main is the largest picture in a codec that is carried (H.264, H.265), sub the one nearest to
    4CIF below it, H.264 before H.265, since every browser plays it. ``kept`` has the tokens that
    were chosen before, by video source: as long as the device still has them they stay, so that a
    camera never changes its stream by itself.
    """
    sources: dict[str, list[Profile]] = {}
    for profile in profiles:
        if profile.encoder is not None and profile.encoder.codec in _PLAYABLE:
            sources.setdefault(profile.video_source, []).append(profile)
    chosen = []
    for source, some in sources.items():
        by_token = {one.token: one for one in some}
        main_token, sub_token = kept.get(source, (None, None))
        main = by_token.get(main_token or "")
        if main is None:
            main = max(some, key=_size)
            sub_token = None
        sub = by_token.get(sub_token or "")
        if sub is None or sub is main:
            sub = _sub_beside(main, some)
        chosen.append(ChosenStreams(source, main, sub))
    return chosen


def get_stream_uri(profile: Profile, protocol: str = "RTSP") -> Request:
    """RTSP, unicast (Media §5.15.1, Media 2 §5.3.1). ``protocol`` is Media 2's: ``RTSP`` is by TCP,
    ``RtspUnicast`` by UDP; the address is the same, but some devices know one word alone.
    """
    if profile.service is Service.MEDIA2:
        body = (
            f"<m:Protocol>{text(protocol)}</m:Protocol>"
            f"<m:ProfileToken>{text(profile.token)}</m:ProfileToken>"
        )
    else:
        body = (
            "<m:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport>"
            "<tt:Protocol>RTSP</tt:Protocol></tt:Transport></m:StreamSetup>"
            f"<m:ProfileToken>{text(profile.token)}</m:ProfileToken>"
        )
    return Request(profile.service, "GetStreamUri", body)


def get_snapshot_uri(profile: Profile) -> Request:
    """A JPEG by HTTP (Media §5.16.1, Media 2 §5.4.1)."""
    return Request(
        profile.service,
        "GetSnapshotUri",
        f"<m:ProfileToken>{text(profile.token)}</m:ProfileToken>",
    )


def parse_uri(answer: Node) -> str:
    """The address of either; empty where there is none."""
    node = answer.find("Uri")
    return node.text.strip()[:1000] if node is not None else ""


def get_overlays(service: Service) -> Request:
    """The texts in all pictures (Media §5.17, Media 2 §5.8): there the title of a channel is."""
    return Request(service, "GetOSDs")


def parse_titles(answer: Node) -> dict[str, str]:
    """The first plain text of each video source configuration; names that a maker gave to every
    channel (``Camera 01``) are none.
    """
    titles: dict[str, str] = {}
    for node in list(answer.each("OSDs"))[:_PROFILES_LIMIT]:
        token = node.value("VideoSourceConfigurationToken")[:64]
        title = " ".join(node.value("TextString/PlainText").split())[:100]
        if token and title and not _MAKERS_TITLE.fullmatch(title):
            titles.setdefault(token, title)
    return titles


def set_synchronization_point(profile: Profile) -> Request:
    """A keyframe now (Media §5.18.1, Media 2 §5.3.2)."""
    return Request(
        profile.service,
        "SetSynchronizationPoint",
        f"<m:ProfileToken>{text(profile.token)}</m:ProfileToken>",
    )


def get_encoder(profile: Profile) -> Request:
    """The profile's video encoder (Media §5.5.2, Media 2 §5.2.4). Raises ValueError without one."""
    token = _encoder_token(profile)
    if profile.service is Service.MEDIA2:
        return Request(
            profile.service,
            "GetVideoEncoderConfigurations",
            f"<m:ConfigurationToken>{text(token)}</m:ConfigurationToken>",
        )
    return Request(
        profile.service,
        "GetVideoEncoderConfiguration",
        f"<m:ConfigurationToken>{text(token)}</m:ConfigurationToken>",
    )


def parse_encoder(answer: Node, profile: Profile) -> tuple[Node, Encoder] | None:
    """The element as it came, and what it says; None where it is missing."""
    wanted = _encoder_token(profile)
    nodes = [one for one in answer.children if one.name in ("Configuration", "Configurations")]
    for node in nodes:
        if node.get("token") == wanted or len(nodes) == 1:
            return node, _encoder(node, profile.service)
    return None


def get_encoder_choices(profile: Profile) -> Request:
    """What the encoder can be set to (Media §5.5.5, Media 2 §5.2.5)."""
    return Request(
        profile.service,
        "GetVideoEncoderConfigurationOptions",
        f"<m:ConfigurationToken>{text(_encoder_token(profile))}</m:ConfigurationToken>"
        f"<m:ProfileToken>{text(profile.token)}</m:ProfileToken>",
    )


def parse_encoder_choices(answer: Node, service: Service) -> list[EncoderChoices]:
    """One entry a codec."""
    found = []
    if service is Service.MEDIA2:
        for node in answer.each("Options"):
            rates = [
                rate
                for rate in map(whole_number, node.get("FrameRatesSupported").split())
                if rate is not None
            ]
            gop = [
                length
                for length in map(whole_number, node.get("GovLengthRange").split())
                if length is not None
            ]
            found.append(
                EncoderChoices(
                    _codec(node.value("Encoding")),
                    _resolutions(node),
                    (min(rates), max(rates)) if rates else (0.0, 0.0),
                    _range_bps(node.child("BitrateRange")),
                    (min(gop), max(gop)) if gop else (0, 0),
                )
            )
        return found
    options = answer.child("Options")
    if options is None:
        return []
    for name in ("H264", "MPEG4", "JPEG"):
        told = options.child(name)
        if told is not None:
            # Bit rates came later, and stand in an extension that repeats the codec.
            extended = options.child(f"Extension/{name}")
            bitrates = told.child("BitrateRange") or (
                extended.child("BitrateRange") if extended is not None else None
            )
            least, most = _range(told.child("FrameRateRange"))
            found.append(
                EncoderChoices(
                    name.lower(),
                    _resolutions(told),
                    (float(least), float(most)),
                    _range_bps(bitrates),
                    _range(told.child("GovLengthRange")),
                )
            )
    return found


def set_encoder(answer: Node, node: Node, profile: Profile, wanted: Encoder) -> Request:
    """Change an encoder to ``wanted`` (Media §5.5.6, Media 2 §5.2.6).

    ``node`` is the element that :func:`parse_encoder` found in ``answer``: it goes back as it came,
    with these settings changed in it, so that what a maker added is not lost.
    """
    _put(node, "Resolution/Width", wanted.width)
    _put(node, "Resolution/Height", wanted.height)
    _put(node, "RateControl/FrameRateLimit", _plain(wanted.frames_per_second))
    _put(node, "RateControl/BitrateLimit", wanted.bitrate_bps // 1000)
    if profile.service is Service.MEDIA2:
        _put(node, "Encoding", _MEDIA2_NAMES.get(wanted.codec, wanted.codec.upper()))
        if wanted.gop_pictures:
            node.attributes[_attribute_name(node, "GovLength")] = str(wanted.gop_pictures)
    else:
        _put(node, "Encoding", wanted.codec.upper())
        _put(node, f"{wanted.codec.upper()}/GovLength", wanted.gop_pictures)
    inner = "".join(serialise(one, namespaces_around(answer, one)) for one in node.children)
    attributes = "".join(
        f" {name.rpartition(':')[2]}={attribute(value)}"
        for name, value in node.attributes.items()
        if not name.startswith("xmlns")
    )
    body = f"<m:Configuration{attributes}>{inner}</m:Configuration>"
    if profile.service is not Service.MEDIA2:
        body += "<m:ForcePersistence>true</m:ForcePersistence>"
    return Request(profile.service, "SetVideoEncoderConfiguration", body)


def changed_encoder(encoder: Encoder, settings: Mapping[str, object]) -> Encoder:
    """The encoder with some settings changed. Raises ValueError for what cannot be."""
    changed: dict[str, object] = {}
    for name, value in settings.items():
        if name not in (
            "codec",
            "width",
            "height",
            "frames_per_second",
            "bitrate_bps",
            "gop_pictures",
        ):
            raise ValueError(f"an encoder has no setting {name!r}")
        if name == "codec":
            if value not in _PLAYABLE:
                raise ValueError("the codec must be h264 or h265: others cannot be shown")
        elif not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise ValueError(f"{name} must be a number above 0")
        elif name != "frames_per_second":
            value = round(value)
        changed[name] = value
    return replace(encoder, **changed)  # type: ignore[arg-type]


_MEDIA2_NAMES = {"h264": "H264", "h265": "H265", "jpeg": "JPEG"}


def _profile_1(node: Node, token: str) -> Profile:
    encoder = node.child("VideoEncoderConfiguration")
    source = node.child("VideoSourceConfiguration")
    ptz = node.child("PTZConfiguration")
    return Profile(
        token[:64],
        node.value("Name")[:100],
        Service.MEDIA,
        source.value("SourceToken")[:64] if source is not None else "",
        source.get("token")[:64] if source is not None else "",
        _encoder(encoder, Service.MEDIA) if encoder is not None else None,
        ptz.get("token")[:64] if ptz is not None else "",
        ptz.value("NodeToken")[:64] if ptz is not None else "",
        node.child("AudioEncoderConfiguration") is not None,
        node.child("Extension/AudioOutputConfiguration") is not None,
    )


def _profile_2(node: Node, token: str) -> Profile:
    parts = node.child("Configurations") or node
    encoder = parts.child("VideoEncoder")
    source = parts.child("VideoSource")
    ptz = parts.child("PTZ")
    return Profile(
        token[:64],
        node.value("Name")[:100],
        Service.MEDIA2,
        source.value("SourceToken")[:64] if source is not None else "",
        source.get("token")[:64] if source is not None else "",
        _encoder(encoder, Service.MEDIA2) if encoder is not None else None,
        ptz.get("token")[:64] if ptz is not None else "",
        ptz.value("NodeToken")[:64] if ptz is not None else "",
        parts.child("AudioEncoder") is not None,
        parts.child("AudioOutput") is not None,
    )


def _encoder(node: Node, service: Service) -> Encoder:
    codec = _codec(node.value("Encoding"))
    if service is Service.MEDIA2:
        gop = whole_number(node.get("GovLength"))
        profile = node.get("Profile")
    else:
        # Some devices of media1 write H265 beside or instead of the H264 element.
        inner = node.child(codec.upper()) or node.child("H264")
        gop = inner.whole("GovLength") if inner is not None else None
        profile = inner.value(f"{codec.upper()}Profile") if inner is not None else ""
    return Encoder(
        node.get("token")[:64],
        codec,
        _at_least_0(node.whole("Resolution/Width")),
        _at_least_0(node.whole("Resolution/Height")),
        max(node.number("RateControl/FrameRateLimit") or 0.0, 0.0),
        _at_least_0(node.whole("RateControl/BitrateLimit")) * 1000,
        _at_least_0(gop),
        node.number("Quality") or 0.0,
        profile[:40],
    )


def _codec(told: str) -> str:
    word = told.strip().lower().replace(".", "").replace("-", "")
    return {"hevc": "h265", "avc": "h264", "mp4ves": "mpeg4", "mpeg4": "mpeg4"}.get(word, word)[:20]


def _encoder_token(profile: Profile) -> str:
    if profile.encoder is None:
        raise ValueError("the profile has no video encoder")
    return profile.encoder.token


def _size(profile: Profile) -> tuple[int, int]:
    encoder = profile.encoder
    return (encoder.width * encoder.height, encoder.bitrate_bps) if encoder else (0, 0)


def _sub_beside(main: Profile, some: Sequence[Profile]) -> Profile | None:
    below = [one for one in some if one is not main and _size(one)[0] <= _size(main)[0]]

    def far_from_wanted(one: Profile) -> tuple[bool, float]:
        area = max(_size(one)[0], 1)
        encoder = one.encoder
        return encoder is None or encoder.codec != "h264", abs(math.log(area / _SUB_AREA))

    return min(below, key=far_from_wanted, default=None)


def _resolutions(node: Node) -> tuple[tuple[int, int], ...]:
    sizes = [(one.whole("Width"), one.whole("Height")) for one in node.each("ResolutionsAvailable")]
    return tuple((width, height) for width, height in sizes[:64] if width and height)


def _range(node: Node | None) -> tuple[int, int]:
    if node is None:
        return 0, 0
    return _at_least_0(node.whole("Min")), _at_least_0(node.whole("Max"))


def _range_bps(node: Node | None) -> tuple[int, int]:
    least, most = _range(node)
    return least * 1000, most * 1000


def _at_least_0(value: int | None) -> int:
    return max(value or 0, 0)


def _plain(value: float) -> str:
    return f"{value:g}"


def _put(node: Node, path: str, value: object) -> None:
    """Write a text where the device has the element; what it does not have it cannot be set."""
    place = node.child(path)
    if place is not None and value:
        place.text = str(value)


def _attribute_name(node: Node, name: str) -> str:
    return next((one for one in node.attributes if one.rpartition(":")[2] == name), name)
