"""What an ONVIF device to order is made of: its habits, names of services, texts of SOAP."""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

NAMES = {
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tse": "http://www.onvif.org/ver10/search/wsdl",
    "trp": "http://www.onvif.org/ver10/replay/wsdl",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "tt": "http://www.onvif.org/ver10/schema",
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tns1": "http://www.onvif.org/ver10/topics",
}
PREFIXES = {uri: prefix for prefix, uri in NAMES.items()}
DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMES.items())


@dataclass
class Habits:
    """How it behaves. ``sign_in``: ``token`` (WS-Security), ``http`` (digest), ``none``.

    ``nonce_uses`` is how often one of its nonces is good, which it does not say when it refuses.
    ``pull_limit_s`` is the longest pull that it takes. ``told_host`` is what it tells as its own;
    ``broken`` maps operations to whole answers; ``unknown`` are operations that it does not have.
    """

    username: str = "admin"
    password: str = "right 密码"
    sign_in: str = "token"
    nonce_uses: int = 1000
    pull_limit_s: float = 3600.0
    clock_needs_password: bool = False
    skew_s: float = 0.0
    zone: str = "CST-8"
    channels: int = 1
    media2: bool = False
    told_host: str = ""
    rtsp: str = "rtsp://{host}:554/ch{channel}/{stream}"
    pull_points: bool = True
    base_subscriptions: bool = True
    reference_parameters: bool = False
    lifetime_s: float | None = None
    broken: dict[str, bytes] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    # Closes the connection instead of an answer, once for each.
    hangs_up: list[str] = field(default_factory=list)
    # Where its device service is, and nothing else.
    service_path: str = "/onvif/device_service"
    # Titles in the pictures, by channel number.
    titles: dict[int, str] = field(default_factory=dict)
    # (start_us, end_us) of footage on its own storage, by channel number.
    recordings: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    find_events: bool = True
    replay: str = "rtsp://{host}:554/replay/{recording}"


class Fault(Exception):
    """A SOAP fault as the device's answer."""

    def __init__(self, subcode: str, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.subcode = subcode
        self.status = status


def envelope(body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope {DECLARED}>'
        f"<s:Header/><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def soap_fault(subcode: str, reason: str, status: int) -> web.Response:
    body = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
        f"<s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
    )
    return web.Response(status=status, body=envelope(body), content_type="application/soap+xml")


def text_of(node: ElementTree.Element, name: str) -> str:
    return next((one.text or "" for one in node.iter() if one.tag.endswith("}" + name)), "")


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration_s(duration: str) -> float:
    found = re.fullmatch(r"PT(?:(\d+)M)?(?:([\d.]+)S)?", duration)
    assert found is not None, duration
    return int(found[1] or 0) * 60 + float(found[2] or 0)


def md5(value: str) -> str:
    return hashlib.md5(value.encode()).hexdigest()
