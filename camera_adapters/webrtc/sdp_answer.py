"""Answering an offer: which of its sections and payload types carry our tracks (RFC 9429 §5.3)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from camera_adapters.stream import Codec, Track
from camera_adapters.webrtc.header_extensions import MID_URI, TRANSPORT_CC_URI
from camera_adapters.webrtc.ice_lite import Candidate
from camera_adapters.webrtc.packet_batch import EXTENSION_BLOCK_SIZE
from camera_adapters.webrtc.packetise import can_carry
from camera_adapters.webrtc.sdp_offer import Offer, OfferedFormat, OfferedMedia, OfferError

PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

_NAMES = {
    Codec.H264: "h264",
    Codec.H265: "h265",
    Codec.OPUS: "opus",
    Codec.PCMA: "pcma",
    Codec.PCMU: "pcmu",
}
# Canonical end-point name (RFC 7022): the same for all streams of a peer, so that they are synced.
_STREAM_ID = "gridsight"


class NotPlayable(Exception):
    """The offer is sound, but nothing in it can carry what the camera sends."""


@dataclass(frozen=True, slots=True)
class NegotiatedTrack:
    """How one of the Stream's tracks goes to this peer.

    ``retransmission_payload_type`` is None where RTX (RFC 4588) was not offered.
    ``transport_cc``: packets carry the transport-wide number.
    """

    track_index: int
    kind: str
    mid: str
    payload_type: int
    clock_rate: int
    ssrc: int
    retransmission_payload_type: int | None
    retransmission_ssrc: int
    extension_block: bytes
    transport_cc: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What was agreed on, and the SDP that says so."""

    sdp: str
    tracks: tuple[NegotiatedTrack, ...]


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our side of ICE and DTLS, as the answer tells it."""

    ice_ufrag: str
    ice_password: str
    fingerprint: str
    candidates: Sequence[Candidate]


@dataclass(frozen=True, slots=True)
class _Chosen:
    track: Track
    offered: OfferedFormat
    negotiated: NegotiatedTrack


@dataclass(frozen=True, slots=True)
class RemoteTransport:
    """The peer's side: its ufrag, and the fingerprints of its certificate."""

    ice_ufrag: str
    fingerprints: list[tuple[str, str]]


def choose(offer: Offer, tracks: Sequence[Track]) -> tuple[dict[int, _Chosen], RemoteTransport]:
    """Which m= section (by position) carries which track, and the transport they share.

    At most one video and one audio track. Sound that the peer cannot play is left out; raises
    NotPlayable when that is so for the picture, OfferError when the transport is not described.
    """
    chosen: dict[int, _Chosen] = {}
    for kind in ("video", "audio"):
        index = next((i for i, track in enumerate(tracks) if track.kind == kind), None)
        if index is None:
            continue
        found = _section(offer, tracks[index], index, chosen)
        if found is not None:
            chosen[found[0]] = found[1]
        elif kind == "video":
            raise NotPlayable(_why_not(tracks[index]))
    if not chosen:
        raise NotPlayable("nothing that the camera sends is in the offer")
    return chosen, shared_transport(offer, chosen)


def shared_transport(offer: Offer, chosen: Iterable[int]) -> RemoteTransport:
    """The transport of the chosen sections (by position). Raises OfferError."""
    # All share the transport of the first accepted section of the group (RFC 9143 §7.3).
    order = [offer.media[position] for position in sorted(chosen)]
    order.sort(key=lambda one: offer.bundle.index(one.mid) if one.mid in offer.bundle else -1)
    tagged = order[0]
    if not tagged.ice_ufrag or not tagged.fingerprints:
        raise OfferError("the offer lacks a=ice-ufrag or a=fingerprint")
    if tagged.setup not in ("actpass", "active", ""):
        raise OfferError("offer a=setup:actpass or active: this server is the passive DTLS side")
    if not tagged.rtcp_mux:
        raise OfferError("offer a=rtcp-mux: media and RTCP share one port here (RFC 8858)")
    return RemoteTransport(tagged.ice_ufrag, tagged.fingerprints)


def write_answer(offer: Offer, chosen: dict[int, _Chosen], local: LocalTransport) -> Answer:
    """The answer's SDP for what :func:`choose` chose; every other section is refused."""
    mids = [chosen[position].negotiated.mid for position in sorted(chosen)]
    lines = [
        "v=0",
        f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=msid-semantic: WMS {_STREAM_ID}",
    ]
    if offer.bundle:
        lines.append("a=group:BUNDLE " + " ".join(mids))
    for position, media in enumerate(offer.media):
        one = chosen.get(position)
        lines += refused_section(media) if one is None else _accepted(media, one, local)
    tracks = tuple(chosen[position].negotiated for position in sorted(chosen))
    return Answer("\r\n".join(lines) + "\r\n", tracks)


def _section(
    offer: Offer, track: Track, index: int, chosen: dict[int, _Chosen]
) -> tuple[int, _Chosen] | None:
    if not can_carry(track):
        return None
    for position, media in enumerate(offer.media):
        bundled = media.mid in offer.bundle
        if media.kind != track.kind or media.direction not in ("recvonly", "sendrecv"):
            continue
        if media.port == 0 and not bundled:
            continue
        # One transport for all: a second section must be bundled with the first.
        if chosen and not (
            bundled and all(one.negotiated.mid in offer.bundle for one in chosen.values())
        ):
            continue
        offered = _best_format(media, track)
        if offered is not None:
            return position, _Chosen(track, offered, _negotiate(media, offered, track, index))
    return None


def _negotiate(
    media: OfferedMedia, offered: OfferedFormat, track: Track, index: int
) -> NegotiatedTrack:
    apt = str(offered.payload_type)
    retransmission = next(
        (
            one.payload_type
            for one in media.formats
            if one.name == "rtx" and one.parameter("apt") == apt
        ),
        None,
    )
    transport_cc = _uses_transport_cc(media, offered)
    return NegotiatedTrack(
        track_index=index,
        kind=track.kind,
        mid=media.mid,
        payload_type=offered.payload_type,
        clock_rate=track.clock_rate,
        ssrc=secrets.randbits(32) or 1,
        retransmission_payload_type=retransmission if track.kind == "video" else None,
        retransmission_ssrc=secrets.randbits(32) or 2,
        extension_block=_extension_block(media, transport_cc),
        transport_cc=transport_cc,
    )


def _uses_transport_cc(media: OfferedMedia, offered: OfferedFormat) -> bool:
    # A camera's bit rate is not ours to adapt. Both kinds of feedback only tell how the path does;
    # REMB does so once a second, transport-cc ten to twenty times, each as dear as a picture.
    return (
        "transport-cc" in offered.feedback
        and "goog-remb" not in offered.feedback
        and TRANSPORT_CC_URI in media.extensions
    )


def _extension_block(media: OfferedMedia, transport_cc: bool) -> bytes:
    """One-byte header extensions (RFC 8285 §4.2), the transport-wide number first."""
    block = bytearray(b"\xbe\xde" + ((EXTENSION_BLOCK_SIZE - 4) // 4).to_bytes(2, "big"))
    if transport_cc:
        block += bytes((media.extensions[TRANSPORT_CC_URI] << 4 | 1, 0, 0))
    playout_delay = media.extensions.get(PLAYOUT_DELAY_URI)
    if playout_delay is not None and media.kind == "video":
        # Smallest and largest delay 0: show each picture when it comes.
        block += bytes((playout_delay << 4 | 2, 0, 0, 0))
    mid = media.extensions.get(MID_URI)
    if mid is not None and media.mid and len(block) + 1 + len(media.mid) <= EXTENSION_BLOCK_SIZE:
        block += bytes((mid << 4 | len(media.mid) - 1,)) + media.mid.encode()
    return bytes(block) + bytes(EXTENSION_BLOCK_SIZE - len(block))


def _best_format(media: OfferedMedia, track: Track) -> OfferedFormat | None:
    name = _NAMES[track.codec]
    fitting = [
        one for one in media.formats if one.name == name and one.clock_rate == track.clock_rate
    ]
    if track.codec is Codec.H264:
        # FU-A needs packetization-mode 1 (RFC 6184 §6.3).
        fitting = [one for one in fitting if one.parameter("packetization-mode") == "1"]
        fitting.sort(key=lambda one: _h264_distance(one, track))
    elif track.codec is Codec.H265:
        fitting.sort(key=lambda one: (one.parameter("profile-id") or "1") != _h265_profile(track))
    return fitting[0] if fitting else None


def _h264_distance(offered: OfferedFormat, track: Track) -> int:
    """0 for the stream's own profile, then higher ones, then lower ones, the nearest first.

    A browser that plays High without offering it is the rule; one that plays 4:2:0 as it comes
    under the name of High 4:4:4 (which Chromium offers) is not, so that comes last of all.
    """
    sps = track.parameter_sets[0] if track.parameter_sets else b"\0\x42"
    value = offered.parameter("profile-level-id") or "42000a"
    try:
        profile = int(value[:2], 16)
    except ValueError:
        return 1000
    ranks = {0x42: 0, 0x4D: 1, 0x58: 1, 0x64: 2}
    if profile not in ranks:
        return 500
    ours, theirs = ranks.get(sps[1], 2), ranks[profile]
    return theirs - ours if theirs >= ours else 100 + ours - theirs


def _h265_profile(track: Track) -> str:
    """general_profile_idc of the SPS (H.265 §7.3.3), as ``profile-id`` says it (RFC 7798 §7.1)."""
    for parameter_set in track.parameter_sets:
        if len(parameter_set) > 3 and (parameter_set[0] >> 1) & 0x3F == 33:
            return str(parameter_set[3] & 0x1F)
    return "1"


def _why_not(track: Track) -> str:
    name = {Codec.H264: "H.264 with packetization-mode=1", Codec.H265: "H.265"}.get(
        track.codec, track.codec.upper()
    )
    return f"the camera sends {name}, which the offer does not have in a section to receive"


def refused_section(media: OfferedMedia) -> list[str]:
    """The lines of a section that is not taken."""
    lines = [
        f"m={media.kind} 0 {media.protocol} {media.payload_types[0]}",
        "c=IN IP4 0.0.0.0",
        "a=inactive",
    ]
    if media.mid:
        lines.append(f"a=mid:{media.mid}")
    return lines


def _accepted(media: OfferedMedia, one: _Chosen, local: LocalTransport) -> list[str]:
    track, offered, negotiated = one.track, one.offered, one.negotiated
    payload_type, rtx = negotiated.payload_type, negotiated.retransmission_payload_type
    first = local.candidates[0]
    listed = f"{payload_type}" if rtx is None else f"{payload_type} {rtx}"
    lines = [
        f"m={media.kind} {first.port} {media.protocol} {listed}",
        f"c=IN IP{first.version} {first.address}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ice_ufrag}",
        f"a=ice-pwd:{local.ice_password}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        "a=setup:passive",
        "a=sendonly",
        "a=rtcp-mux",
        *(["a=rtcp-rsize"] if media.reduced_rtcp else []),
        f"a=msid:{_STREAM_ID} {_STREAM_ID}-{media.kind}",
    ]
    if media.mid:
        lines.append(f"a=mid:{media.mid}")
    used = [MID_URI, PLAYOUT_DELAY_URI] + ([TRANSPORT_CC_URI] if negotiated.transport_cc else [])
    lines += [f"a=extmap:{number} {uri}" for uri, number in media.extensions.items() if uri in used]
    encoding = f"{_rtpmap_name(track)}/{track.clock_rate}"
    if track.codec is Codec.OPUS:
        encoding += "/2"  # always, whatever it carries (RFC 7587 §7)
    lines.append(f"a=rtpmap:{payload_type} {encoding}")
    if offered.parameters:
        stereo = track.codec is Codec.OPUS and track.channels == 2
        stereo = stereo and offered.parameter("stereo") is None
        lines.append(f"a=fmtp:{payload_type} {offered.parameters}" + ";stereo=1" * stereo)
    wanted = {"nack", "nack pli", "ccm fir", "goog-remb"}
    if negotiated.transport_cc:
        wanted.add("transport-cc")
    lines += [f"a=rtcp-fb:{payload_type} {one}" for one in offered.feedback if one in wanted]
    # Chromium takes the first SSRC for the picture's, whatever the group says: RTX comes after it.
    lines.append(f"a=ssrc:{negotiated.ssrc} cname:{_STREAM_ID}")
    if rtx is not None:
        lines += [
            f"a=rtpmap:{rtx} rtx/{track.clock_rate}",
            f"a=fmtp:{rtx} apt={payload_type}",
            f"a=ssrc-group:FID {negotiated.ssrc} {negotiated.retransmission_ssrc}",
            f"a=ssrc:{negotiated.retransmission_ssrc} cname:{_STREAM_ID}",
        ]
    lines += [
        f"a=candidate:{candidate.attribute(number)}"
        for number, candidate in enumerate(local.candidates, 1)
    ]
    lines.append("a=end-of-candidates")
    return lines


def _rtpmap_name(track: Track) -> str:
    return "opus" if track.codec is Codec.OPUS else track.codec.upper()
