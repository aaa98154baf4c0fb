"""An ICE-lite agent (RFC 8445 §2.5): it answers connectivity checks and makes none.

Consent to send (RFC 7675) is renewed by every authenticated check: browsers, being full agents,
send one every few seconds for as long as they want media.
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field

from camera_adapters.webrtc import stun

CONSENT_S = 30.0
"""Without a check for this long, nothing may be sent any more (RFC 7675 §5.1)."""

# With aggressive nomination every pair is nominated; the better one keeps the place as long as it
# lives, so that two paths do not take turns.
_STALE_S = 3.0

Address = tuple[str, int] | tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host candidate (RFC 8839 §5.1): where peers may send their checks."""

    address: str
    port: int
    local_preference: int = 65535

    def attribute(self, foundation: int) -> str:
        """The value of ``a=candidate``."""
        priority = (126 << 24) | (self.local_preference << 8) | 255
        return f"{foundation} 1 udp {priority} {self.address} {self.port} typ host"

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version


def peer_ufrag(message: stun.StunMessage) -> tuple[str, str] | None:
    """Our and the peer's ufrag from a check's USERNAME (RFC 8445 §7.2.2); None when malformed."""
    try:
        name = message.attributes[stun.USERNAME].decode("ascii")
    except (KeyError, UnicodeDecodeError):
        return None
    ours, colon, theirs = name.partition(":")
    return (ours, theirs) if colon else None


@dataclass(slots=True)
class IceLiteAgent:
    """One peer's ICE session.

    ``selected`` is where to send: the address of the best nominated check; None before.
    ``last_check_s`` is the caller's clock at the last authentic check.
    """

    remote_ufrag: str
    local_ufrag: str = field(default_factory=lambda: secrets.token_hex(4))
    local_password: str = field(default_factory=lambda: secrets.token_hex(12))
    selected: Address | None = None
    last_check_s: float = 0.0
    _selected_priority: int = 0
    _selected_heard_s: float = 0.0

    def answer(self, message: stun.StunMessage, address: Address, now_s: float) -> bytes | None:
        """The response to a Binding request from ``address``; None when it deserves none.

        A request without our password gets silence: answering it would lend us to attackers who
        forge source addresses.
        """
        if message.message_type != stun.BINDING_REQUEST:
            return None
        password = self.local_password.encode()
        names = peer_ufrag(message)
        if names != (self.local_ufrag, self.remote_ufrag) or not message.is_authentic(password):
            return None
        unknown = message.unknown_required
        if unknown:
            listed = b"".join(kind.to_bytes(2, "big") for kind in unknown)
            return stun.build(
                stun.BINDING_ERROR,
                message.transaction_id,
                [
                    (stun.ERROR_CODE, stun.error_code(420, "Unknown Attribute")),
                    (stun.UNKNOWN_ATTRIBUTES, listed),
                ],
                password,
            )
        # The peer must control: a lite agent always is the controlled one (RFC 8445 §6.1.1).
        if stun.ICE_CONTROLLED in message.attributes:
            return stun.build(
                stun.BINDING_ERROR,
                message.transaction_id,
                [(stun.ERROR_CODE, stun.error_code(487, "Role Conflict"))],
                password,
            )
        self.last_check_s = now_s
        priority = int.from_bytes(message.attributes.get(stun.PRIORITY, b""), "big")
        if address == self.selected:
            self._selected_heard_s = now_s
        elif stun.USE_CANDIDATE in message.attributes and (
            self.selected is None
            or priority >= self._selected_priority
            or now_s - self._selected_heard_s > _STALE_S
        ):
            self.selected = address
            self._selected_priority = priority
            self._selected_heard_s = now_s
        mapped = stun.xor_mapped_address(address[0], address[1], message.transaction_id)
        return stun.build(
            stun.BINDING_SUCCESS,
            message.transaction_id,
            [(stun.XOR_MAPPED_ADDRESS, mapped)],
            password,
        )

    def has_consent(self, now_s: float) -> bool:
        """Whether media may be sent: a check came within :data:`CONSENT_S`."""
        return now_s - self.last_check_s < CONSENT_S
