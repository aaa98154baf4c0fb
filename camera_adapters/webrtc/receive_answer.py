"""Answering an offer of somebody who sends: which of its sections we take (RFC 9429 §5.3)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from camera_adapters import sdp
from camera_adapters.stream import Codec
from camera_adapters.webrtc.header_extensions import MID_URI
from camera_adapters.webrtc.sdp_answer import (
    LocalTransport,
    NotPlayable,
    RemoteTransport,
    refused_section,
    shared_transport,
)
from camera_adapters.webrtc.sdp_offer import Offer, OfferedFormat, OfferedMedia

_NAMES = {
    Codec.H264: "h264",
    Codec.H265: "h265",
    Codec.OPUS: "opus",
    Codec.PCMA: "pcma",
    Codec.PCMU: "pcmu",
}
_WANTED_FEEDBACK = frozenset({"nack", "nack pli", "ccm fir", "goog-remb"})


@dataclass(frozen=True, slots=True)
class IncomingTrack:
    """One section that the peer will send. ``mid_extension`` is the id of the header extension that
    names its section (RFC 9143 §15), 0 without one.
    """

    kind: str
    codec: Codec
    mid: str
    payload_type: int
    format: sdp.Format
    mid_extension: int
    feedback: tuple[str, ...]


def choose_incoming(
    offer: Offer, accepted: Sequence[Codec], *, limit_per_kind: int = 1
) -> tuple[dict[int, IncomingTrack], RemoteTransport]:
    """Which m= section (by position) is taken, with which codec, and the transport of all.

    ``accepted`` goes by preference. Raises NotPlayable when no section offers one of them,
    OfferError when the transport is not described.
    """
    chosen: dict[int, IncomingTrack] = {}
    offered_names: list[str] = []
    for position, media in enumerate(offer.media):
        if media.direction not in ("sendonly", "sendrecv") or media.kind not in ("audio", "video"):
            continue
        if media.port == 0 and media.mid not in offer.bundle:
            continue
        if chosen and not all(
            one in offer.bundle for one in (media.mid, *(t.mid for t in chosen.values()))
        ):
            continue
        if sum(one.kind == media.kind for one in chosen.values()) >= limit_per_kind:
            continue
        track = _track(media, accepted)
        if track is not None:
            chosen[position] = track
        else:
            offered_names += [one.name for one in media.formats if one.name]
    if not chosen:
        wanted = ", ".join(_words(codec) for codec in accepted)
        names = ", ".join(sorted({one.upper() for one in offered_names} - {"RTX", "RED", "ULPFEC"}))
        raise NotPlayable(f"this takes {wanted}; the offer sends {names or 'nothing'}")
    return chosen, shared_transport(offer, chosen)


def write_incoming_answer(
    offer: Offer, chosen: dict[int, IncomingTrack], local: LocalTransport
) -> str:
    """The answer's SDP: what was chosen is received, every other section refused."""
    mids = [chosen[position].mid for position in sorted(chosen)]
    lines = ["v=0", f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite"]
    if offer.bundle:
        lines.append("a=group:BUNDLE " + " ".join(mids))
    for position, media in enumerate(offer.media):
        one = chosen.get(position)
        lines += refused_section(media) if one is None else _accepted(media, one, local)
    return "\r\n".join(lines) + "\r\n"


def _track(media: OfferedMedia, accepted: Sequence[Codec]) -> IncomingTrack | None:
    for codec in accepted:
        for one in media.formats:
            if one.name == _NAMES[codec] and _fits(codec, one):
                parameters = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (
                        part.partition("=") for part in one.parameters.split(";")
                    )
                    if name.strip()
                }
                channels = 0 if media.kind == "video" else max(one.channels, 1)
                described = sdp.Format(
                    one.payload_type, one.name.upper(), one.clock_rate, channels, parameters
                )
                return IncomingTrack(
                    media.kind,
                    codec,
                    media.mid,
                    one.payload_type,
                    described,
                    media.extensions.get(MID_URI, 0),
                    tuple(name for name in one.feedback if name in _WANTED_FEEDBACK),
                )
    return None


def _fits(codec: Codec, one: OfferedFormat) -> bool:
    if codec is Codec.H264:
        # Fragments need packetization-mode 1 (RFC 6184 §6.3).
        return one.parameter("packetization-mode") == "1"
    return codec not in (Codec.PCMA, Codec.PCMU) or one.clock_rate == 8000


def _accepted(media: OfferedMedia, one: IncomingTrack, local: LocalTransport) -> list[str]:
    first = local.candidates[0]
    described = one.format
    lines = [
        f"m={media.kind} {first.port} {media.protocol} {one.payload_type}",
        f"c=IN IP{first.version} {first.address}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ice_ufrag}",
        f"a=ice-pwd:{local.ice_password}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        "a=setup:passive",
        "a=recvonly",
        "a=rtcp-mux",
        *(["a=rtcp-rsize"] if media.reduced_rtcp else []),
    ]
    if media.mid:
        lines.append(f"a=mid:{media.mid}")
    if one.mid_extension:
        lines.append(f"a=extmap:{one.mid_extension} {MID_URI}")
    encoding = f"{_words(one.codec, rtpmap=True)}/{described.clock_rate}"
    if one.codec is Codec.OPUS:
        encoding += "/2"  # always, whatever it carries (RFC 7587 §7)
    lines.append(f"a=rtpmap:{one.payload_type} {encoding}")
    if described.parameters:
        said = ";".join(
            f"{name}={value}" if value else name for name, value in described.parameters.items()
        )
        lines.append(f"a=fmtp:{one.payload_type} {said}")
    lines += [f"a=rtcp-fb:{one.payload_type} {name}" for name in one.feedback]
    lines += [
        f"a=candidate:{candidate.attribute(number)}"
        for number, candidate in enumerate(local.candidates, 1)
    ]
    lines.append("a=end-of-candidates")
    return lines


def _words(codec: Codec, *, rtpmap: bool = False) -> str:
    if codec is Codec.OPUS:
        return "opus" if rtpmap else "Opus"
    if rtpmap:
        return codec.upper()
    return {Codec.H264: "H.264", Codec.H265: "H.265"}.get(codec, codec.upper())
