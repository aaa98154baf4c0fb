"""A transport stream of one programme: bytes in, pictures and sound out, without decoding."""

from __future__ import annotations

from dataclasses import dataclass, field

from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.mpeg_ps.packets import CODECS, START_CODE, StreamType, name_of, pes_header
from camera_adapters.mpeg_ps.sound import SoundAssembler
from camera_adapters.stream import Codec, Track

PACKET_BYTES = 188
PES_BYTES_LIMIT = 8 * 1024 * 1024
_SYNC = 0x47
_PAT_PID = 0
_STREAMS_LIMIT = 16
_WRAP = 1 << 33
# Private stream types of sound and pictures that the gateway carries too.
_VIDEO = (StreamType.H264, StreamType.H265)
_SOUND = (StreamType.AAC, StreamType.G711A, StreamType.G711U)


@dataclass(slots=True)
class TsPicture:
    """A PES packet of video: the NAL units of a picture. Times are unwrapped 90 kHz counts."""

    codec: Codec
    nal_units: list[bytes]
    pts_90k: int
    dts_90k: int


@dataclass(slots=True)
class TsSound:
    """One sound frame."""

    track: Track
    payload: bytes
    pts_90k: int


Unit = TsPicture | TsSound


@dataclass(slots=True)
class _Pid:
    """One elementary stream, and the PES packet that is being filled."""

    stream_type: int
    sound: SoundAssembler | None
    pieces: list[bytes] = field(default_factory=list)
    octets: int = 0
    counter: int = -1
    begun: bool = False


class TransportDemultiplexer:
    """Takes the bytes of one transport stream. Raises nothing, whatever they are.

    ``damaged`` counts PES packets that were lost with packets of theirs; ``unsupported`` names
    video that the gateway does not carry, where that is all that the programme has.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self.malformed = 0
        self.unsupported = ""
        self._rest = b""
        self._map_pid = -1
        self._pids: dict[int, _Pid] = {}
        self._last_90k = 0
        self._wraps = 0

    def receive(self, data: bytes) -> list[Unit]:
        """Take the next bytes; give what became whole, in order."""
        units: list[Unit] = []
        data = self._rest + data
        position, end = 0, len(data)
        while end - position >= PACKET_BYTES:
            if data[position] != _SYNC:
                self.malformed += 1
                position = self._search(data, position + 1)
                continue
            self._packet(data, position, units)
            position += PACKET_BYTES
        self._rest = data[position:]
        return units

    def flush(self) -> list[Unit]:
        """The stream ends here: what is open is whole."""
        units: list[Unit] = []
        for pid in self._pids.values():
            self._finish(pid, units)
        return units

    def restart(self) -> None:
        """What follows has no relation to what was: another segment behind a break."""
        self._rest = b""
        self._last_90k = self._wraps = 0
        for pid in self._pids.values():
            pid.pieces, pid.octets, pid.begun, pid.counter = [], 0, False, -1

    def _search(self, data: bytes, position: int) -> int:
        """The next place where two packets seem to follow one another."""
        while (position := data.find(b"\x47", position)) >= 0:
            following = position + PACKET_BYTES
            if following >= len(data) or data[following] == _SYNC:
                return position
            position += 1
        return len(data)

    def _packet(self, data: bytes, position: int, units: list[Unit]) -> None:
        flags = data[position + 1]
        number = (flags & 0x1F) << 8 | data[position + 2]
        control = data[position + 3]
        start, end = position + 4, position + PACKET_BYTES
        if control & 0x20:
            start += 1 + data[start]
        if flags & 0x80 or start > end:
            self.malformed += 1
            return
        if not control & 0x10 or start == end:
            return
        begins = bool(flags & 0x40)
        if number == _PAT_PID or number == self._map_pid:
            if begins:
                section = start + 1 + data[start]
                if number == _PAT_PID:
                    self._read_programmes(data, section, end)
                else:
                    self._read_map(data, section, end)
            return
        pid = self._pids.get(number)
        if pid is None:
            return
        counter = control & 0x0F
        expected = pid.counter + 1 & 0x0F
        lost = pid.counter >= 0 and counter != expected
        if lost and counter == pid.counter:
            return  # Sent twice, as §2.4.3.3 allows.
        pid.counter = counter
        if begins:
            if lost and pid.begun:
                self._lose(pid)
            self._finish(pid, units)
            pid.begun = True
        elif lost or not pid.begun:
            self._lose(pid)
            return
        pid.pieces.append(data[start:end])
        pid.octets += end - start
        if pid.octets > PES_BYTES_LIMIT:
            self._lose(pid)

    def _lose(self, pid: _Pid) -> None:
        if pid.begun:
            self.damaged += 1
        if pid.sound is not None:
            pid.sound.lose()
        pid.pieces, pid.octets, pid.begun = [], 0, False

    def _read_programmes(self, data: bytes, start: int, end: int) -> None:
        """The programme association section (§2.4.4.3): the first programme's map."""
        last = _section_end(data, start, end, table=0)
        for at in range(start + 8, last - 3, 4):
            programme = data[at] << 8 | data[at + 1]
            if programme:
                self._map_pid = (data[at + 2] & 0x1F) << 8 | data[at + 3]
                return

    def _read_map(self, data: bytes, start: int, end: int) -> None:
        """The programme map section (§2.4.4.8); one that does not fit one packet is cut."""
        last = _section_end(data, start, end, table=2)
        if last - start < 12:
            return
        at = start + 12 + ((data[start + 10] & 0x0F) << 8 | data[start + 11])
        named: list[str] = []
        found = False
        while at + 5 <= last and len(self._pids) < _STREAMS_LIMIT:
            stream_type = data[at]
            number = (data[at + 1] & 0x1F) << 8 | data[at + 2]
            at += 5 + ((data[at + 3] & 0x0F) << 8 | data[at + 4])
            if stream_type in _VIDEO:
                found = True
            elif stream_type not in _SOUND:
                named.append(name_of(stream_type))
                continue
            known = self._pids.get(number)
            if known is None or known.stream_type != stream_type:
                sound = None if stream_type in _VIDEO else SoundAssembler()
                if sound is not None:
                    sound.declare(stream_type)
                self._pids[number] = _Pid(stream_type, sound)
        self.unsupported = "" if found else ", ".join(named)

    def _finish(self, pid: _Pid, units: list[Unit]) -> None:
        if not pid.begun:
            return
        data = b"".join(pid.pieces)
        pid.pieces, pid.octets, pid.begun = [], 0, False
        header = pes_header(data, 6, len(data)) if data.startswith(START_CODE) else None
        start, pts, dts = header or (0, None, None)
        if pts is None:
            self.malformed += 1
            return
        length = data[4] << 8 | data[5]
        payload = data[start : 6 + length] if length else data[start:]
        pts_90k = self._unwrap(dts if dts is not None else pts)
        dts_90k = pts_90k
        if dts is not None:
            pts_90k += (pts - dts + (_WRAP >> 1)) % _WRAP - (_WRAP >> 1)
        if pid.sound is None:
            codec = CODECS[StreamType(pid.stream_type)]
            units.append(TsPicture(codec, split_annex_b(payload), pts_90k, dts_90k))
            return
        frames = pid.sound.take(payload)
        if pid.sound.track is not None:
            track = pid.sound.track
            units += [TsSound(track, one.payload, pts_90k + one.offset_90k) for one in frames]

    def _unwrap(self, time: int) -> int:
        # Sound and picture are interleaved: the nearest of both directions.
        nearest = (time - self._last_90k + (_WRAP >> 1)) % _WRAP - (_WRAP >> 1)
        if not self._last_90k:
            self._last_90k = time
        else:
            self._last_90k += nearest
        return self._last_90k


def _section_end(data: bytes, start: int, end: int, *, table: int) -> int:
    """Where a section's body ends, without its CRC; ``start`` where it is none."""
    if start + 8 > end or data[start] != table:
        return start
    length = (data[start + 1] & 0x0F) << 8 | data[start + 2]
    return max(start, min(start + 3 + length - 4, end))
