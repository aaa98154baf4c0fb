"""A program stream taken apart to PES packets (ISO/IEC 13818-1 §2.5.3): bytes in, packets out.

Made for what devices really send: packets that are cut by the transport, lengths of 0 or wrapped
at 65,536, maps that are missing or change, and bytes that are not there any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.mpeg_ps.packets import (
    FIRST_AUDIO,
    FIRST_SYSTEM_CODE,
    FIRST_VIDEO,
    INCOMPLETE,
    LAST_VIDEO,
    PACK_HEADER,
    PACK_START,
    PRIVATE_STREAM_1,
    PROGRAM_END,
    PROGRAM_STREAM_MAP,
    START_CODE,
    WITHOUT_PES_HEADER,
    PesPacket,
    ProgramMap,
    pack_header_bytes,
    parse_program_map,
    pes_header,
)

UNBOUNDED_BYTES_LIMIT = 8 * 1024 * 1024
"""No PES packet without a length grows beyond this."""

Unit = PesPacket | ProgramMap


@dataclass(slots=True)
class DemultiplexCounters:
    """``resynchronised``: how often bytes had to be searched for the next packet; ``skipped`` how
    many those were. ``wrong_lengths``: PES packets that were longer or shorter than they said.
    """

    packets: int = 0
    private: int = 0
    resynchronised: int = 0
    skipped: int = 0
    wrong_lengths: int = 0


class Demultiplexer:
    """Takes the bytes of one program stream. Raises nothing, whatever they are."""

    def __init__(self) -> None:
        self.counters = DemultiplexCounters()
        self._rest = b""
        # The PES packet that is being filled: how many bytes it still wants (None: it has no
        # length), and what there is.
        self._open: PesPacket | None = None
        self._pieces: list[bytes] = []
        self._octets = 0
        self._wants: int | None = 0
        self._searching = True
        # The last video packet, while bytes without a start code may still belong to it.
        self._last: PesPacket | None = None

    @property
    def inside_packet(self) -> bool:
        """Whether a PES packet with a length, or a header, still lacks bytes."""
        if self._open is None:
            return bool(self._rest) and not self._searching
        return self._wants is not None

    def receive(self, data: bytes, *, begins_packet: bool = False) -> list[Unit]:
        """Take the next bytes; give the packets and maps that became whole, in order.

        ``begins_packet``: the transport says that a picture's first packet is here, so that a pack
        header at the very beginning ends what was open, whatever its length had said, and a start
        code there is one.
        """
        units: list[Unit] = []
        if begins_packet and self._searching and begins_with_packet(data):
            self._searching = False
            self._rest = b""
        if begins_packet and data.startswith(PACK_START) and (self._rest or self._open):
            if self._open is not None and self._wants:
                self.counters.wrong_lengths += 1
            self._rest = b""
            self._close(units)
        if self._rest:
            data = self._rest + data
            self._rest = b""
        position, end = 0, len(data)
        while position < end:
            if self._open is not None:
                position = self._fill(data, position, end, units)
            elif self._searching:
                position = self._search(data, position, end)
            else:
                following = self._packet(data, position, end, units)
                if following == INCOMPLETE:
                    self._rest = data[position:]
                    break
                position = following
        return units

    def flush(self) -> list[Unit]:
        """A picture ends here, says the transport: give the packet without a length out."""
        units: list[Unit] = []
        if self._open is not None and self._wants is None:
            # What looked like the beginning of the next start code was its last byte or two.
            self._pieces.append(self._rest)
            self._rest = b""
            self._close(units)
        return units

    def lose(self) -> None:
        """Bytes are missing here: forget what is open, and search for the next pack."""
        self._rest = b""
        self._open = None
        self._last = None
        self._pieces = []
        self._octets = 0
        self._searching = True

    def _packet(self, data: bytes, position: int, end: int, units: list[Unit]) -> int:
        """Read what begins at ``position``; gives where to go on, or INCOMPLETE."""
        if end - position < 6:
            if data.startswith(START_CODE[: end - position], position):
                return INCOMPLETE
            return self._stray(data, position, end)
        code = data[position + 3]
        if not data.startswith(START_CODE, position) or code < FIRST_SYSTEM_CODE:
            return self._stray(data, position, end)
        if code == PACK_HEADER:
            length = pack_header_bytes(data, position, end)
            if length == INCOMPLETE:
                return INCOMPLETE
            if length == 0 or position + length > end:
                return self._lost(position) if length == 0 else INCOMPLETE
            self._last = None
            return position + length
        if code == PROGRAM_END:
            self._last = None
            return position + 4
        body = position + 6
        length = data[position + 4] << 8 | data[position + 5]
        if FIRST_AUDIO <= code <= LAST_VIDEO:
            payload = self._begin(data, body, end, code, length)
            if self._wants == 0:
                self._close(units)
            return payload
        if body + length > end:
            return INCOMPLETE
        self._last = None
        if code == PROGRAM_STREAM_MAP:
            found = parse_program_map(data, body, body + length)
            if found is not None:
                units.append(found)
        elif code == PRIVATE_STREAM_1 or code in WITHOUT_PES_HEADER:
            self.counters.private += 1
        return body + length

    def _begin(self, data: bytes, body: int, end: int, code: int, length: int) -> int:
        """The head of a PES packet of picture or sound."""
        header_end = min(end, body + length) if length else end
        header = pes_header(data, body, header_end)
        if header is None:
            return self._lost(body)
        payload, pts, dts = header
        if payload == INCOMPLETE:
            # Cut by the transport, or longer than its own packet?
            return INCOMPLETE if header_end == end else self._lost(body)
        self._open = PesPacket(code, pts, dts, b"")
        self._pieces = []
        self._octets = 0
        # Only video may be without a length (§2.4.3.7); some devices' sound is too.
        self._wants = length - (payload - body) if length else None
        return payload

    def _fill(self, data: bytes, position: int, end: int, units: list[Unit]) -> int:
        """Give the open packet its bytes."""
        wants = self._wants
        if wants is None:
            return self._fill_unbounded(data, position, end, units)
        following = min(end, position + wants)
        self._pieces.append(data[position:following])
        self._wants = wants - (following - position)
        if not self._wants:
            self._close(units)
        return following

    def _fill_unbounded(self, data: bytes, position: int, end: int, units: list[Unit]) -> int:
        """Up to the next start code that is not of the video inside."""
        at = _next_system_code(data, position, end)
        if at >= 0:
            self._pieces.append(data[position:at])
            self._close(units)
            return at
        # The last three bytes may begin a start code.
        keep = max(position, end - 3)
        self._pieces.append(data[position:keep])
        self._octets += keep - position
        if self._octets > UNBOUNDED_BYTES_LIMIT:
            self.lose()
            self.counters.resynchronised += 1
            return end
        self._rest = data[keep:]
        return end

    def _close(self, units: list[Unit]) -> None:
        packet = self._open
        self._open = None
        if packet is None:
            return
        pieces = self._pieces
        packet.payload = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._octets = 0
        self.counters.packets += 1
        self._last = packet if packet.stream_id >= FIRST_VIDEO else None
        units.append(packet)

    def _stray(self, data: bytes, position: int, end: int) -> int:
        """No start code where one should be: a wrapped length's rest, or damage."""
        last = self._last
        if last is None:
            return self._lost(position)
        # A picture above 65,535 bytes in one packet: the length is what is left of it.
        self.counters.wrong_lengths += 1
        self._last = None
        self._open = PesPacket(last.stream_id, None, None, b"")
        self._pieces = []
        self._wants = None
        return position

    def _lost(self, position: int) -> int:
        """Search from behind ``position`` on."""
        self._last = None
        self._searching = True
        self.counters.resynchronised += 1
        return position + 1

    def _search(self, data: bytes, position: int, end: int) -> int:
        """The next pack header, from which everything is whole."""
        at = data.find(PACK_START, position, end)
        if at >= 0:
            self.counters.skipped += at - position
            self._searching = False
            return at
        keep = max(position, end - 3)
        self.counters.skipped += keep - position
        self._rest = data[keep:end]
        return end


def begins_with_packet(data: bytes) -> bool:
    """Whether the first bytes are the start code of a pack or of a packet in it."""
    return data.startswith(START_CODE) and data[3:4] >= b"\xba"


def _next_system_code(data: bytes, position: int, end: int) -> int:
    at = data.find(START_CODE, position, end)
    while at >= 0 and at + 3 < end:
        if data[at + 3] >= FIRST_SYSTEM_CODE:
            return at
        at = data.find(START_CODE, at + 3, end)
    return -1
