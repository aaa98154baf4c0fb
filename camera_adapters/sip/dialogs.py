"""Dialogs (RFC 3261 §12): what two sides know of each other between INVITE and BYE. Sans-IO.

Found by Call-ID and both tags. A request in one counts only from the address that the dialog is
with, so that a BYE which somebody else made up from a seen Call-ID ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from camera_adapters.sip.fields import (
    NameAddress,
    parse_cseq,
    parse_name_address,
    split_values,
)
from camera_adapters.sip.messages import Headers, MessageError, SipRequest, SipResponse
from camera_adapters.sip.peer import Peer

DialogId = tuple[str, str, str]


class DialogRefused(Exception):
    """A request that does not belong into its dialog; ``status`` is the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(slots=True)
class Dialog:
    """One dialog. ``local`` and ``remote`` are From and To without tags; ``remote_target`` is the
    other side's Contact; ``peer`` is where our requests are sent. ``is_ours``: we sent the request
    that made it; ``event`` is what a subscription is to (RFC 6665 §8.2.1).
    """

    method: str
    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    remote: str
    remote_target: str
    local_cseq: int
    peer: Peer
    is_ours: bool
    event: str = ""
    remote_cseq: int | None = None
    route_set: list[str] = field(default_factory=list)

    @property
    def id(self) -> DialogId:
        """Call-ID, our tag, their tag."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @property
    def local_user(self) -> str:
        """The user of our address."""
        return parse_name_address(self.local).uri.user

    def check(self, request: SipRequest, source: Peer) -> None:
        """Take note of a request of the other side. Raises DialogRefused (RFC 3261 §12.2.2)."""
        if source.host != self.peer.host:
            raise DialogRefused(403, f"not from {self.peer.host}")
        number = parse_cseq(request.headers.get("cseq"))[0]
        if self.remote_cseq is not None and number < self.remote_cseq:
            raise DialogRefused(500, f"CSeq {number} after {self.remote_cseq}")
        self.remote_cseq = number

    def renew_target(self, request: SipRequest) -> None:
        """Take the Contact of a re-INVITE, where it has one."""
        self.remote_target = _target(request.headers, self.remote_target)

    def make_request(self, method: str, *, cseq: int | None = None) -> SipRequest:
        """The next request within the dialog, without Via and Contact (RFC 3261 §12.2.1.1).

        An ACK is given the CSeq number of its INVITE.
        """
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        headers = Headers()
        for route in self.route_set:
            headers.add("Route", route)
        headers.add("From", _tagged(self.local, self.local_tag))
        headers.add("To", _tagged(self.remote, self.remote_tag))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{cseq} {method}")
        return SipRequest(method, self.remote_target, headers)

    def to_journal(self) -> dict[str, str | int]:
        """Everything, as JSON can hold it; :meth:`from_journal` reads it."""
        return {
            "method": self.method,
            "call_id": self.call_id,
            "local_tag": self.local_tag,
            "remote_tag": self.remote_tag,
            "local": self.local,
            "remote": self.remote,
            "remote_target": self.remote_target,
            "local_cseq": self.local_cseq,
            "remote_cseq": -1 if self.remote_cseq is None else self.remote_cseq,
            "route_set": "\n".join(self.route_set),
            "host": self.peer.host,
            "port": self.peer.port,
            "transport": self.peer.transport,
            "is_ours": int(self.is_ours),
            "event": self.event,
        }

    @classmethod
    def from_journal(cls, journal: dict[str, str | int]) -> Dialog:
        """Raises KeyError or ValueError for what :meth:`to_journal` did not write."""
        remote_cseq = int(journal["remote_cseq"])
        routes = str(journal["route_set"])
        return cls(
            str(journal["method"]),
            str(journal["call_id"]),
            str(journal["local_tag"]),
            str(journal["remote_tag"]),
            str(journal["local"]),
            str(journal["remote"]),
            str(journal["remote_target"]),
            # A request may have gone out after the entry was written.
            int(journal["local_cseq"]) + 100,
            Peer(
                str(journal["host"]),
                int(journal["port"]),
                "tcp" if journal["transport"] == "tcp" else "udp",
            ),
            bool(journal["is_ours"]),
            str(journal["event"]),
            None if remote_cseq < 0 else remote_cseq,
            routes.split("\n") if routes else [],
        )


class Dialogs:
    """All dialogs of one element."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[DialogId, Dialog] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Dialog]:
        return iter([*self._by_id.values()])

    def add(self, dialog: Dialog) -> None:
        """Keep it until :meth:`remove`."""
        self._by_id[dialog.id] = dialog

    def remove(self, dialog: Dialog) -> None:
        """Forget it, if it is known."""
        self._by_id.pop(dialog.id, None)

    def get(self, dialog_id: DialogId) -> Dialog | None:
        """The dialog of this id."""
        return self._by_id.get(dialog_id)

    def find(self, request: SipRequest) -> Dialog | None:
        """The dialog of a request of the other side. Raises MessageError for unreadable fields."""
        return self._by_id.get(
            (
                request.headers.get("call-id"),
                parse_name_address(request.headers.get("to")).tag,
                parse_name_address(request.headers.get("from")).tag,
            )
        )


def caller_dialog(request: SipRequest, response: SipResponse, peer: Peer) -> Dialog:
    """The dialog that a 2xx to our request made (RFC 3261 §12.1.2). Raises MessageError."""
    local = parse_name_address(request.headers.get("from"))
    remote = parse_name_address(response.headers.get("to"))
    routes = split_values(response.headers.get_all("record-route"))[::-1]
    return Dialog(
        request.method,
        request.headers.get("call-id"),
        local.tag,
        remote.tag,
        _untagged(local),
        _untagged(remote),
        _target(response.headers, request.uri),
        parse_cseq(request.headers.get("cseq"))[0],
        peer,
        is_ours=True,
        event=request.headers.get("event"),
        route_set=routes,
    )


def callee_dialog(request: SipRequest, local_tag: str, peer: Peer) -> Dialog:
    """The dialog that our 2xx to their request makes (RFC 3261 §12.1.1). Raises MessageError."""
    remote = parse_name_address(request.headers.get("from"))
    return Dialog(
        request.method,
        request.headers.get("call-id"),
        local_tag,
        remote.tag,
        _untagged(parse_name_address(request.headers.get("to"))),
        _untagged(remote),
        _target(request.headers, str(remote.uri)),
        0,
        peer,
        is_ours=False,
        event=request.headers.get("event"),
        remote_cseq=parse_cseq(request.headers.get("cseq"))[0],
        route_set=split_values(request.headers.get_all("record-route")),
    )


def _target(headers: Headers, otherwise: str) -> str:
    """The Contact; devices that send none, or an unreadable one, are met at what they wrote."""
    contacts = split_values(headers.get_all("contact"))
    try:
        return str(parse_name_address(contacts[0]).uri) if contacts else otherwise
    except MessageError:
        return otherwise


def _untagged(address: NameAddress) -> str:
    others = {name: value for name, value in address.parameters.items() if name != "tag"}
    return str(NameAddress(address.uri, others))


def _tagged(address: str, tag: str) -> str:
    return f"{address};tag={tag}" if tag else address
