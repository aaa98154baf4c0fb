"""All WebRTC viewers of a media shard: offers in, answers and viewers out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from camera_adapters.stream import Stream
from camera_adapters.webrtc.advertised import NetworkAddresses
from camera_adapters.webrtc.distribution import VIDEO
from camera_adapters.webrtc.dtls import DtlsIdentity
from camera_adapters.webrtc.fan_out import FanOut, carried_tracks
from camera_adapters.webrtc.ice_lite import IceLiteAgent
from camera_adapters.webrtc.offer_answering import OfferRefused, local_transport, reading_offer
from camera_adapters.webrtc.packet_batch import Scratch
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.sdp_answer import (
    NegotiatedTrack,
    RemoteTransport,
    choose,
    write_answer,
)
from camera_adapters.webrtc.sdp_offer import parse_offer
from camera_adapters.webrtc.udp_mux import UdpMux
from camera_adapters.webrtc.viewer import Viewer
from camera_adapters.webrtc.wheel import Wheel

_log = structlog.get_logger(__name__)

_COUNTERS = (
    "packets_sent",
    "bytes_sent",
    "packets_lost",
    "retransmitted",
    "keyframes_wanted",
    "pictures_skipped",
)
_SLICE_S = 0.05
_SLICES = 20


class WebRtcOutput:
    """One UDP port and everybody who watches through it.

    All methods run on the event loop and return at once. One timer serves all viewers: each is
    looked at once a second, in slices, so that no second has one long moment.
    """

    def __init__(self, mux: UdpMux) -> None:
        self._mux = mux
        self._identity = DtlsIdentity()
        self._scratch = Scratch()
        self._wheel = Wheel()
        self._fan_outs: dict[int, FanOut] = {}
        self._slices: list[list[Viewer]] = [[] for _ in range(_SLICES)]
        self._connecting: list[Viewer] = []
        self._left = dict.fromkeys(_COUNTERS, 0)
        self._opened = 0
        self._turn = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(_SLICE_S, self._slice)

    @classmethod
    def open(
        cls,
        *,
        udp_port: int = 0,
        advertise_addresses: Sequence[str] = ("127.0.0.1",),
        networks: Sequence[NetworkAddresses] = (),
    ) -> WebRtcOutput:
        """Bind ``udp_port`` (0: any free one) for every advertised IP address; peers in one of
        ``networks`` are told the addresses of that network.

        An address that is not this machine's own (behind a NAT) makes it listen on all of that
        family. Raises OSError when the port is taken, ValueError for what is no IP address. Call it
        on the running event loop.
        """
        return cls(UdpMux.open(udp_port, advertise_addresses, networks))

    @property
    def mux(self) -> UdpMux:
        """The port, which those who send share with those who watch."""
        return self._mux

    @property
    def identity(self) -> DtlsIdentity:
        """The certificate of this shard."""
        return self._identity

    @property
    def wheel(self) -> Wheel:
        """The shard's pacing wheel."""
        return self._wheel

    @property
    def scratch(self) -> Scratch:
        """The memory in which this event loop makes packets ready."""
        return self._scratch

    @property
    def udp_port(self) -> int:
        """The port in use."""
        return self._mux.port

    @property
    def viewers(self) -> list[Viewer]:
        """Everybody who watches or is about to."""
        return [viewer for part in self._slices for viewer in part]

    @property
    def sends_blocked(self) -> int:
        """Sends for which the kernel had no room, since the start."""
        return sum(one.blocked for one in self._mux.sockets)

    def figures(self) -> dict[str, float]:
        """Totals since the start, viewers that left included, and the worst of those here now.

        ``viewers``, ``connecting``; counters ``packets_sent``, ``bytes_sent``, ``packets_lost``,
        ``retransmitted``, ``keyframes_wanted``, ``pictures_skipped``, ``sends_blocked``; gauges
        ``fraction_lost_worst``, ``round_trip_ms_worst``, ``jitter_ms_worst``.
        """
        here = [viewer.statistics for viewer in self.viewers]
        connecting = sum(viewer.transport.srtp is None for viewer in self._connecting)
        totals: dict[str, float] = {
            name: self._left[name] + sum(getattr(one, name) for one in here) for name in _COUNTERS
        }
        return totals | {
            "viewers": len(here) - connecting,
            "connecting": connecting,
            "sends_blocked": self.sends_blocked,
            "fraction_lost_worst": max((one.fraction_lost for one in here), default=0.0),
            "round_trip_ms_worst": max((one.round_trip_ms or 0.0 for one in here), default=0.0),
            "jitter_ms_worst": max((one.jitter_ms for one in here), default=0.0),
        }

    def answer(
        self,
        stream: Stream,
        offer: str,
        *,
        on_closed: Callable[[str], None],
        client_address: str | None = None,
    ) -> tuple[Viewer, str]:
        """Make a viewer of ``stream``, which must have a run; returns it with the SDP answer, which
        names the addresses that are for who asks from ``client_address``.

        ``on_closed(reason)`` is called once when it is gone; reasons are ``ended_by_viewer``,
        ``no_consent``, ``not_connected``, ``dtls_failed``, ``codec_changed``, ``has_b_frames``,
        ``stream_closed``, ``shard_stopping``, ``failed``, and what :meth:`Viewer.close` was given.
        Raises OfferRefused.
        """
        carried = carried_tracks(stream.tracks)
        if VIDEO in carried and carried[VIDEO][1].reorder_depth > 0:
            raise OfferRefused(
                422,
                "has_b_frames",
                "the camera sends B-frames, which WebRTC cannot show: take its h264 variant or the"
                " sub-stream, or switch B-frames off in the camera",
            )
        with reading_offer():
            parsed = parse_offer(offer)
            chosen, remote = choose(parsed, [track for _, track in carried.values()])
        ice = IceLiteAgent(remote.ice_ufrag)
        local = local_transport(ice, self._identity, self._mux, client_address)
        answer = write_answer(parsed, chosen, local)
        viewer = self._viewer(stream, answer.tracks, ice, remote, on_closed)
        return viewer, answer.sdp

    def claim(self, stream: Stream) -> FanOut:
        """The Stream's fan-out, which all that show it share; :meth:`release` it."""
        fan_out = self._fan_outs.get(id(stream))
        if fan_out is None:
            fan_out = self._fan_outs[id(stream)] = FanOut(stream, self._wheel)
        fan_out.claims += 1
        return fan_out

    def release(self, fan_out: FanOut) -> None:
        """Who claimed it shows it no more."""
        fan_out.claims -= 1
        if fan_out.claims == 0:
            fan_out.close()
            self._fan_outs.pop(id(fan_out.stream), None)

    def close(self) -> None:
        """Close every viewer with ``shard_stopping``, and the port. May be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for viewer in self.viewers:
            viewer.close("shard_stopping")
        self._mux.close()

    def _viewer(
        self,
        stream: Stream,
        negotiated: Sequence[NegotiatedTrack],
        ice: IceLiteAgent,
        remote: RemoteTransport,
        on_closed: Callable[[str], None],
    ) -> Viewer:
        fan_out = self.claim(stream)
        part = self._slices[self._opened % _SLICES]
        self._opened += 1

        def closed(reason: str) -> None:
            part.remove(viewer)
            statistics = viewer.statistics
            for name in _COUNTERS:
                self._left[name] += getattr(statistics, name)
            if viewer in self._connecting:
                self._connecting.remove(viewer)
            self.release(fan_out)
            _log.info("a WebRTC viewer left", camera=stream.camera_id, reason=reason)
            on_closed(reason)

        viewer = Viewer(fan_out, self._scratch, negotiated, closed)
        viewer.transport = Transport(
            self._mux, self._identity, ice, remote, viewer, self._loop.time()
        )
        part.append(viewer)
        self._connecting.append(viewer)
        return viewer

    def _slice(self) -> None:
        self._timer = self._loop.call_later(_SLICE_S, self._slice)
        now_s = self._loop.time()
        for viewer in tuple(self._connecting):
            viewer.transport.check(now_s)
            if viewer.transport.srtp is not None and viewer in self._connecting:
                self._connecting.remove(viewer)
        self._turn = (self._turn + 1) % _SLICES
        for viewer in tuple(self._slices[self._turn]):
            viewer.transport.check(now_s)
            if not viewer.closed:
                viewer.send_reports(now_s)
