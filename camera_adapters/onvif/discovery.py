"""WS-Discovery (2005/04, as ONVIF Core Specification §7 uses it): the datagrams."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from camera_adapters.onvif.addresses import DEVICE_SERVICE_PATH
from camera_adapters.onvif.device import Scopes, scopes_of
from camera_adapters.onvif.xml_tree import XmlError, parse

MULTICAST_ADDRESS = "239.255.255.250"
PORT = 3702
DATAGRAM_LIMIT = 65_507
_MATCHES_LIMIT = 16

# Cameras answer to the first, some recorders to the second alone.
TYPES = (
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl">dn:NetworkVideoTransmitter',
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl">tds:Device',
)


@dataclass(frozen=True, slots=True)
class Match:
    """A device that answered a probe, or said hello. ``endpoint`` is its lasting name."""

    endpoint: str
    addresses: tuple[str, ...]
    scopes: Scopes

    def service_near(self, host: str) -> tuple[str, int, str]:
        """Scheme, port and path of its device service as ``host`` would reach it: the address that
        it tells of this host, else its first one.
        """
        best: tuple[str, int, str] | None = None
        for address in self.addresses:
            try:
                parts = urlsplit(address)
                port = parts.port or (443 if parts.scheme == "https" else 80)
            except ValueError:
                continue
            if parts.scheme not in ("http", "https") or not parts.hostname:
                continue
            found = (parts.scheme, port, parts.path or DEVICE_SERVICE_PATH)
            if parts.hostname == host:
                return found
            best = best or found
        return best or ("http", 80, DEVICE_SERVICE_PATH)


def probe(message_id: str, types: str) -> bytes:
    """A Probe (WS-Discovery §5.3) for one of :data:`TYPES`."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">'
        f"<e:Header><w:MessageID>{message_id}</w:MessageID>"
        '<w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>'
        '<w:Action e:mustUnderstand="true">'
        "http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>"
        f"<e:Body><d:Probe><d:Types {types}</d:Types></d:Probe></e:Body></e:Envelope>"
    ).encode()


def parse_matches(data: bytes) -> list[Match]:
    """The devices that a datagram tells of; none where it is something else, or nonsense."""
    if len(data) > DATAGRAM_LIMIT:
        return []
    try:
        root = parse(data, DATAGRAM_LIMIT)
    except XmlError:
        return []
    found: list[Match] = []
    for kind in ("ProbeMatch", "Hello"):
        for node in root.find_all(kind):
            addresses = tuple(node.value("XAddrs").split()[:8])
            if addresses and len(found) < _MATCHES_LIMIT:
                endpoint = node.value("EndpointReference/Address")
                found.append(
                    Match(endpoint[:200], addresses, scopes_of(node.value("Scopes").split()))
                )
    return found
