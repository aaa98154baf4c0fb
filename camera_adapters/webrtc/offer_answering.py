"""What answering any offer begins with: its refusals, and our side of the transport."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from camera_adapters.webrtc.dtls import DtlsIdentity
from camera_adapters.webrtc.ice_lite import IceLiteAgent
from camera_adapters.webrtc.sdp_answer import LocalTransport, NotPlayable
from camera_adapters.webrtc.sdp_offer import OfferError
from camera_adapters.webrtc.udp_mux import UdpMux


class OfferRefused(Exception):
    """An offer that cannot be answered. ``status`` is the HTTP status, ``code`` a stable word:
    ``offer_malformed`` (400), ``not_playable``, ``has_b_frames`` (422), ``busy`` (503)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@contextlib.contextmanager
def reading_offer() -> Iterator[None]:
    """Say what is wrong with an offer as OfferRefused: ``offer_malformed``, ``not_playable``."""
    try:
        yield
    except OfferError as error:
        raise OfferRefused(400, "offer_malformed", str(error)) from None
    except NotPlayable as error:
        raise OfferRefused(422, "not_playable", str(error)) from None


def local_transport(
    ice: IceLiteAgent, identity: DtlsIdentity, mux: UdpMux, client_address: str | None
) -> LocalTransport:
    """Our side, with the addresses that are for who asks from ``client_address``."""
    return LocalTransport(
        ice.local_ufrag, ice.local_password, identity.fingerprint, mux.candidates(client_address)
    )
