"""Answering the offer of a meeting's site: what it sends is taken, what it receives are slots.

RFC 9429 §5.3; simulcast RFC 8853, its names RFC 8851. One section is one publication or one slot.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from camera_adapters import sdp
from camera_adapters.stream import Codec
from camera_adapters.webrtc.header_extensions import (
    AUDIO_LEVEL_URI,
    MID_URI,
    REPAIRED_RID_URI,
    RID_URI,
    SEND_TIME_URI,
    TRANSPORT_CC_URI,
)
from camera_adapters.webrtc.packet_batch import EXTENSION_BLOCK_SIZE
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.sdp_answer import (
    LocalTransport,
    NotPlayable,
    RemoteTransport,
    refused_section,
    shared_transport,
)
from camera_adapters.webrtc.sdp_offer import Offer, OfferedFormat, OfferedMedia

PUBLICATIONS_LIMIT = 4
SLOTS_LIMIT = 32
QUALITIES_LIMIT = 3

_NAMES = {
    Codec.H264: "h264",
    Codec.VP8: "vp8",
    Codec.H265: "h265",
    Codec.OPUS: "opus",
    Codec.PCMA: "pcma",
    Codec.PCMU: "pcmu",
}
_CLOCK_RATES = {Codec.OPUS: 48000, Codec.PCMA: 8000, Codec.PCMU: 8000}
_FEEDBACK = ("goog-remb", "ccm fir", "nack", "nack pli")
_STREAM_ID = "gridsight"


@dataclass(frozen=True, slots=True)
class PublishedSection:
    """A section that the site sends. ``rids`` are its qualities, () without simulcast.

    Extension ids are 0 where they were not offered; ``repair_payload_type`` is None without RTX;
    ``repairs`` are the SSRCs of retransmission streams, where the offer names them;
    ``redundancy_payload_type`` is that of Opus sent twice (RFC 2198), None where not offered.
    """

    track: IncomingTrack
    rids: tuple[str, ...]
    rid_extension: int
    repaired_rid_extension: int
    level_extension: int
    repair_payload_type: int | None
    repairs: dict[int, int]
    redundancy_payload_type: int | None = None
    transport_extension: int = 0


@dataclass(frozen=True, slots=True)
class SlotFormat:
    """How a codec is named in a slot: payload type, and that of its retransmissions if any."""

    payload_type: int
    repair_payload_type: int | None
    clock_rate: int


@dataclass(frozen=True, slots=True)
class SlotSection:
    """A section that the site receives. ``timed``: packets carry the time at which they left.
    ``redundancy_payload_type`` is that of Opus sent twice (RFC 2198), None where not offered.
    """

    mid: str
    kind: str
    formats: dict[Codec, SlotFormat]
    ssrc: int
    repair_ssrc: int
    extension_block: bytes
    timed: bool
    redundancy_payload_type: int | None = None


@dataclass(frozen=True, slots=True)
class SiteAnswer:
    """What was agreed on, in the order of the offer, and the SDP that says so."""

    sdp: str
    publications: tuple[PublishedSection, ...]
    slots: tuple[SlotSection, ...]


def choose_sections(
    offer: Offer, accepted: Sequence[Codec]
) -> tuple[dict[int, PublishedSection | SlotSection], RemoteTransport]:
    """Which m= section (by position) is what, and the transport of all.

    ``accepted`` are the codecs that may be sent, by preference; slots take whatever is offered that
    anybody might send. Raises NotPlayable when nothing fits, OfferError when the transport is not
    described.
    """
    chosen: dict[int, PublishedSection | SlotSection] = {}
    counts = {PublishedSection: 0, SlotSection: 0}
    limits = {PublishedSection: PUBLICATIONS_LIMIT, SlotSection: SLOTS_LIMIT}
    for position, media in enumerate(offer.media):
        bundled = media.mid in offer.bundle
        if media.kind not in ("audio", "video") or (media.port == 0 and not bundled):
            continue
        # One transport for all: a second section must be bundled with the first.
        if chosen and not (bundled and all(offer.media[one].mid in offer.bundle for one in chosen)):
            continue
        section: PublishedSection | SlotSection | None = None
        if media.direction in ("sendonly", "sendrecv"):
            section = _published(media, accepted)
        elif media.direction == "recvonly":
            section = _slot(media)
        if section is not None and counts[type(section)] < limits[type(section)]:
            counts[type(section)] += 1
            chosen[position] = section
    if not chosen:
        raise NotPlayable("a meeting takes H.264 or VP8 and Opus; the offer has no section for it")
    return chosen, shared_transport(offer, chosen)


def write_site_answer(
    offer: Offer, chosen: dict[int, PublishedSection | SlotSection], local: LocalTransport
) -> SiteAnswer:
    """The answer for what :func:`choose_sections` chose; every other section is refused."""
    lines = [
        "v=0",
        f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=msid-semantic: WMS {_STREAM_ID}",
    ]
    if offer.bundle:
        mids = [offer.media[position].mid for position in sorted(chosen)]
        lines.append("a=group:BUNDLE " + " ".join(mids))
    for position, media in enumerate(offer.media):
        section = chosen.get(position)
        if section is None:
            lines += refused_section(media)
            continue
        if isinstance(section, PublishedSection):
            described = _published_lines(media, section)
        else:
            described = _slot_lines(media, section)
        lines += _section_lines(media, described, local)
    in_order = [chosen[position] for position in sorted(chosen)]
    return SiteAnswer(
        "\r\n".join(lines) + "\r\n",
        tuple(one for one in in_order if isinstance(one, PublishedSection)),
        tuple(one for one in in_order if isinstance(one, SlotSection)),
    )


def _published(media: OfferedMedia, accepted: Sequence[Codec]) -> PublishedSection | None:
    for codec in accepted:
        offered = _best(media, codec)
        if offered is None:
            continue
        parameters = {
            name.strip().lower(): value.strip()
            for name, _, value in (part.partition("=") for part in offered.parameters.split(";"))
            if name.strip()
        }
        if codec is Codec.OPUS:
            # One microphone: silence need not be sent, and a lost packet is in the next one.
            parameters |= {"useinbandfec": "1", "usedtx": "1", "stereo": "0"}
        described = sdp.Format(
            offered.payload_type,
            offered.name.upper(),
            offered.clock_rate,
            0 if media.kind == "video" else max(offered.channels, 1),
            parameters,
        )
        payload_type = offered.payload_type
        known: tuple[str, ...] = _FEEDBACK
        transport_extension = 0
        if "transport-cc" in offered.feedback and TRANSPORT_CC_URI in media.extensions:
            known = (*_FEEDBACK, "transport-cc")
            transport_extension = media.extensions[TRANSPORT_CC_URI]
        track = IncomingTrack(
            media.kind,
            codec,
            media.mid,
            payload_type,
            described,
            media.extensions.get(MID_URI, 0),
            tuple(one for one in offered.feedback if one in known),
        )
        rids = tuple(media.qualities[:QUALITIES_LIMIT]) if RID_URI in media.extensions else ()
        return PublishedSection(
            track,
            rids,
            media.extensions.get(RID_URI, 0) if rids else 0,
            media.extensions.get(REPAIRED_RID_URI, 0) if rids else 0,
            media.extensions.get(AUDIO_LEVEL_URI, 0) if media.kind == "audio" else 0,
            _repair_payload_type(media, offered),
            media.repairs,
            _redundancy_payload_type(media, payload_type) if codec is Codec.OPUS else None,
            transport_extension,
        )
    return None


def _slot(media: OfferedMedia) -> SlotSection | None:
    formats = {}
    for codec in _NAMES:
        offered = _best(media, codec)
        if offered is not None:
            formats[codec] = SlotFormat(
                offered.payload_type, _repair_payload_type(media, offered), offered.clock_rate
            )
    if not formats:
        return None
    return SlotSection(
        media.mid,
        media.kind,
        formats,
        secrets.randbits(32) or 1,
        secrets.randbits(32) or 2,
        _extension_block(media),
        SEND_TIME_URI in media.extensions,
        _redundancy_payload_type(media, formats[Codec.OPUS].payload_type)
        if Codec.OPUS in formats
        else None,
    )


def _best(media: OfferedMedia, codec: Codec) -> OfferedFormat | None:
    """The offered format of a codec that suits forwarding."""
    clock_rate = _CLOCK_RATES.get(codec, 90000)
    fitting = [
        one for one in media.formats if one.name == _NAMES[codec] and one.clock_rate == clock_rate
    ]
    if codec is Codec.H264:
        # Fragments need packetization-mode 1 (RFC 6184 §6.3); everybody decodes Baseline.
        fitting = [one for one in fitting if one.parameter("packetization-mode") == "1"]
        fitting.sort(
            key=lambda one: not (one.parameter("profile-level-id") or "42").startswith("42")
        )
    return fitting[0] if fitting else None


def _repair_payload_type(media: OfferedMedia, offered: OfferedFormat) -> int | None:
    apt = str(offered.payload_type)
    for one in media.formats:
        if one.name == "rtx" and one.parameter("apt") == apt:
            return one.payload_type
    return None


def _redundancy_payload_type(media: OfferedMedia, opus: int) -> int | None:
    """What packets are called that carry Opus of payload type ``opus`` and nothing else."""
    for one in media.formats:
        carried = set(one.parameters.split("/"))
        if (one.name, one.clock_rate) == ("red", 48000) and carried == {str(opus)}:
            return one.payload_type
    return None


def _extension_block(media: OfferedMedia) -> bytes:
    """One-byte header extensions (RFC 8285 §4.2), the time of sending first."""
    block = bytearray(b"\xbe\xde" + ((EXTENSION_BLOCK_SIZE - 4) // 4).to_bytes(2, "big"))
    send_time = media.extensions.get(SEND_TIME_URI)
    if send_time is not None:
        block += bytes((send_time << 4 | 2, 0, 0, 0))
    mid = media.extensions.get(MID_URI)
    if mid is not None and media.mid and len(block) + 1 + len(media.mid) <= EXTENSION_BLOCK_SIZE:
        block += bytes((mid << 4 | len(media.mid) - 1,)) + media.mid.encode()
    return bytes(block) + bytes(EXTENSION_BLOCK_SIZE - len(block))


def _section_lines(
    media: OfferedMedia, described: tuple[list[int], list[str]], local: LocalTransport
) -> list[str]:
    payload_types, attributes = described
    first = local.candidates[0]
    return [
        f"m={media.kind} {first.port} {media.protocol} " + " ".join(map(str, payload_types)),
        f"c=IN IP{first.version} {first.address}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ice_ufrag}",
        f"a=ice-pwd:{local.ice_password}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        "a=setup:passive",
        "a=rtcp-mux",
        *(["a=rtcp-rsize"] if media.reduced_rtcp else []),
        *([f"a=mid:{media.mid}"] if media.mid else []),
        *attributes,
        *(
            f"a=candidate:{candidate.attribute(number)}"
            for number, candidate in enumerate(local.candidates, 1)
        ),
        "a=end-of-candidates",
    ]


def _published_lines(media: OfferedMedia, section: PublishedSection) -> tuple[list[int], list[str]]:
    track = section.track
    described, payload_type = track.format, track.payload_type
    used = [MID_URI, SEND_TIME_URI]
    if section.level_extension:
        used.append(AUDIO_LEVEL_URI)
    if section.transport_extension:
        used.append(TRANSPORT_CC_URI)
    if section.rids:
        used += [RID_URI, REPAIRED_RID_URI]
    lines = ["a=recvonly", *_extension_lines(media, used)]
    lines += _codec_lines(track.codec, payload_type, described.clock_rate)
    if described.parameters:
        said = ";".join(
            f"{name}={value}" if value else name for name, value in described.parameters.items()
        )
        lines.append(f"a=fmtp:{payload_type} {said}")
    lines += [f"a=rtcp-fb:{payload_type} {one}" for one in track.feedback]
    payload_types = [payload_type]
    if section.repair_payload_type is not None:
        payload_types.append(section.repair_payload_type)
        lines += _repair_lines(section.repair_payload_type, payload_type, described.clock_rate)
    if section.redundancy_payload_type is not None:
        # The first is what is sent.
        payload_types.insert(0, section.redundancy_payload_type)
        lines += _redundancy_lines(section.redundancy_payload_type, payload_type)
    lines += [f"a=rid:{rid} recv" for rid in section.rids]
    if section.rids:
        lines.append("a=simulcast:recv " + ";".join(section.rids))
    return payload_types, lines


def _slot_lines(media: OfferedMedia, section: SlotSection) -> tuple[list[int], list[str]]:
    lines = ["a=sendonly", f"a=msid:{_STREAM_ID}-{section.mid} {_STREAM_ID}-{section.mid}"]
    lines += _extension_lines(media, [MID_URI, SEND_TIME_URI])
    payload_types = []
    repaired = False
    for codec, one in section.formats.items():
        payload_types.append(one.payload_type)
        offered = next(x for x in media.formats if x.payload_type == one.payload_type)
        lines += _codec_lines(codec, one.payload_type, one.clock_rate)
        if offered.parameters:
            lines.append(f"a=fmtp:{one.payload_type} {offered.parameters}")
        lines += [
            f"a=rtcp-fb:{one.payload_type} {name}" for name in offered.feedback if name in _FEEDBACK
        ]
        if one.repair_payload_type is not None:
            repaired = True
            payload_types.append(one.repair_payload_type)
            lines += _repair_lines(one.repair_payload_type, one.payload_type, one.clock_rate)
    if section.redundancy_payload_type is not None:
        payload_types.append(section.redundancy_payload_type)
        opus = section.formats[Codec.OPUS].payload_type
        lines += _redundancy_lines(section.redundancy_payload_type, opus)
    # Chromium takes the first SSRC for the picture's, whatever the group says: RTX comes after it.
    lines.append(f"a=ssrc:{section.ssrc} cname:{_STREAM_ID}")
    if repaired:
        lines += [
            f"a=ssrc-group:FID {section.ssrc} {section.repair_ssrc}",
            f"a=ssrc:{section.repair_ssrc} cname:{_STREAM_ID}",
        ]
    return payload_types, lines


def _extension_lines(media: OfferedMedia, used: list[str]) -> list[str]:
    return [f"a=extmap:{number} {uri}" for uri, number in media.extensions.items() if uri in used]


def _codec_lines(codec: Codec, payload_type: int, clock_rate: int) -> list[str]:
    # Opus is always said to have two channels, whatever it carries (RFC 7587 §7).
    encoding = f"opus/{clock_rate}/2" if codec is Codec.OPUS else f"{codec.upper()}/{clock_rate}"
    return [f"a=rtpmap:{payload_type} {encoding}"]


def _redundancy_lines(redundancy: int, opus: int) -> list[str]:
    return [f"a=rtpmap:{redundancy} red/48000/2", f"a=fmtp:{redundancy} {opus}/{opus}"]


def _repair_lines(repair: int, payload_type: int, clock_rate: int) -> list[str]:
    return [f"a=rtpmap:{repair} rtx/{clock_rate}", f"a=fmtp:{repair} apt={payload_type}"]
