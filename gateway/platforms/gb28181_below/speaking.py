"""How we address devices: URIs, MESSAGE with a document, and what a failure of SIP means."""

from __future__ import annotations

from camera_adapters.gb28181 import envelope, xml_bodies
from camera_adapters.gb28181.xml_bodies import Element
from camera_adapters.sip.endpoint import (
    SipEndpoint,
    SipError,
    SipRefused,
    SipSession,
    SipTimeout,
)
from camera_adapters.sip.fields import SipUri
from camera_adapters.sip.messages import SipResponse
from camera_adapters.sip.peer import Peer
from gateway.platforms.operations import DeviceRefused

MESSAGE_TIMEOUT_S = 8.0
INVITE_TIMEOUT_S = 15.0
SUBSCRIPTION_S = 3600


class Speaker:
    """Our name, and the endpoint by which we speak."""

    def __init__(self, endpoint: SipEndpoint, code: str, domain: str) -> None:
        self.endpoint = endpoint
        self.code = code
        self.domain = domain
        self.local = SipUri(code, domain)

    async def tell(self, code: str, peer: Peer, document: Element) -> None:
        """Send a document in a MESSAGE. Raises DeviceRefused when it does not arrive."""
        try:
            response = await self.endpoint.request(
                "MESSAGE",
                str(uri_at(code, peer)),
                peer,
                local=self.local,
                remote=SipUri(code, self.domain),
                body=xml_bodies.to_bytes(document),
                content_type=envelope.CONTENT_TYPE,
                timeout_s=MESSAGE_TIMEOUT_S,
            )
        except SipError as error:
            raise refusal_of(error) from None
        if response.status >= 300:
            raise refusal_of(SipRefused(response))

    async def invite(self, channel: str, peer: Peer, body: bytes, subject: str) -> SipSession:
        """Invite a channel. Raises DeviceRefused."""
        try:
            return await self.endpoint.invite(
                str(uri_at(channel, peer)),
                peer,
                local=self.local,
                remote=SipUri(channel, self.domain),
                headers=[("Subject", subject)],
                body=body,
                timeout_s=INVITE_TIMEOUT_S,
            )
        except SipError as error:
            raise refusal_of(error) from None

    async def subscribe(self, code: str, peer: Peer, event: str, document: Element) -> SipSession:
        """Subscribe at a device. Raises DeviceRefused."""
        try:
            return await self.endpoint.subscribe(
                str(uri_at(code, peer)),
                peer,
                local=self.local,
                remote=SipUri(code, self.domain),
                event=event,
                expires_s=SUBSCRIPTION_S,
                body=xml_bodies.to_bytes(document),
                content_type=envelope.CONTENT_TYPE,
                timeout_s=MESSAGE_TIMEOUT_S,
            )
        except SipError as error:
            raise refusal_of(error) from None


def uri_at(code: str, peer: Peer) -> SipUri:
    """A code at the address where its device is met."""
    host = f"[{peer.host}]" if ":" in peer.host else peer.host
    return SipUri(code, host, peer.port)


_CODES = {
    401: "refused",
    403: "refused",
    404: "not_found",
    408: "timed_out",
    415: "unsupported",
    480: "offline",
    481: "not_found",
    486: "busy",
    488: "unsupported",
    489: "unsupported",
    491: "busy",
    501: "unsupported",
    503: "busy",
    600: "busy",
    603: "refused",
}


def refusal_of(error: SipError) -> DeviceRefused:
    """What a failure of SIP is in the words of all kinds of devices."""
    if isinstance(error, SipRefused):
        return _refusal_by(error.response)
    if isinstance(error, SipTimeout):
        return DeviceRefused("timed_out", "the device did not answer")
    return DeviceRefused("offline", f"the device cannot be reached: {error}")


def _refusal_by(response: SipResponse) -> DeviceRefused:
    code = _CODES.get(response.status, "device_error")
    reason = "".join(c for c in response.reason if c.isprintable())[:100]
    return DeviceRefused(code, f"the device refused: {response.status} {reason}".rstrip())
