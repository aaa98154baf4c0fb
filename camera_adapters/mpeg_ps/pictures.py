"""From PES packets of video to pictures: where one ends, which time is its own, which codec it is.

A picture of a GB/T 28181 device begins with a PES packet that carries its time (§C.2.3 of
GB/T 28181-2016); general muxers put several pictures, or parts of them, into one packet
(ISO/IEC 13818-1 §2.4.3.7: the time is that of the first picture that begins in the packet).
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.mpeg_ps.packets import START_CODE, PesPacket
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.depacketise_h265 import H265Depacketiser
from camera_adapters.rtp.pictures import NalCollector, Picture, PictureDivider
from camera_adapters.stream import Codec

PICTURE_BYTES_LIMIT = 8 * 1024 * 1024
# How many of the transport's ends of picture must prove true before they are believed.
_PROOFS = 3
_NEVER = -1_000_000_000
# Without times and without hints, what has come is searched again when it has doubled.
_FIRST_SEARCH_BYTES = 64 * 1024

_H264_SLICES = frozenset(range(1, 6))
_H264_BEGINNINGS = frozenset({6, 7, 8, 9})
_H265_SLICES = frozenset(range(32))
_H265_BEGINNINGS = frozenset({32, 33, 34, 35, 39, *range(41, 45), *range(48, 56)})
# A first NAL unit's first byte that leaves no doubt: sequence parameter set, video parameter set.
_H264_SPS = frozenset({0x27, 0x47, 0x67})
_H265_VPS = 0x40
# profile_idc, the byte behind it (H.264 Annex A, G, H, I).
_H264_PROFILES = frozenset({44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 138, 139, 244})


@dataclass(slots=True)
class TimedPicture:
    """A picture with the 33-bit times of its PES packet; None where that had none."""

    picture: Picture
    pts: int | None
    dts: int | None


class PictureAssembler:
    """Takes one video stream's packets, in order, and gives its pictures.

    ``codec`` is what the map declared, or None; ``guessed`` says that it was told from the NAL
    units instead, because no map came or because it was wrong. ``splits`` is false for interlaced
    H.264, where two first slices make one picture. The owner says in ``same_timestamp`` whether
    what comes has the RTP timestamp of what came last; ``marker_lied`` tells it that a picture
    went on behind a marker bit nevertheless. Memory is bounded by PICTURE_BYTES_LIMIT.
    """

    def __init__(self) -> None:
        self.codec: Codec | None = None
        self.guessed = False
        self.splits = True
        self.undecodable = 0
        self.same_timestamp = False
        self.marker_lied = False
        self._divider: PictureDivider = H264Depacketiser().divider
        self._pieces: list[bytes] = []
        self._octets = 0
        self._search_at = _FIRST_SEARCH_BYTES
        # Where in the collected bytes a packet with a time began, and that time.
        self._marks: list[tuple[int, int, int | None]] = []
        self._pts: int | None = None
        self._hinted = False
        self._ended_by_hint = False
        self._trust = 0
        self._continues = False

    def declare(self, codec: Codec) -> None:
        """The map says so. What it said before, or what was guessed, is over."""
        if codec is not self.codec and not (self.guessed and self.codec is not None):
            self._use(codec)

    def take(self, packet: PesPacket) -> list[TimedPicture]:
        """The next packet; gives the pictures that it completes."""
        payload = packet.payload
        begins = self._begins_picture(payload)
        made: list[TimedPicture] = []
        if self._hinted:
            self._hinted = False
            if begins:
                self._trust += 1
                made = self._finish()
            else:
                self._distrust()
        elif self._ended_by_hint and not begins and payload:
            # The picture went on behind what the transport had called its end.
            self._distrust()
            self._continues = True
        self._ended_by_hint = False
        pts = packet.pts
        if pts is not None and (pts != self._pts or not self._pieces):
            if begins and self._pieces:
                made += self._finish()
            self._marks.append((self._octets, pts, packet.dts))
            self._pts = pts
            self._add(payload)
            if not begins:
                made += self._divide()
            return made
        self._add(payload)
        if not self._marks and self._octets >= self._search_at:
            made += self._divide()
            self._search_at = max(_FIRST_SEARCH_BYTES, 2 * self._octets)
        return made

    def end_of_picture(self) -> list[TimedPicture]:
        """The transport says that a picture ends here; it is believed once that has proved true."""
        if not self._pieces:
            return []
        if self._trust < _PROOFS:
            self._hinted = self._trust >= 0
            return []
        self._ended_by_hint = True
        return self._finish()

    def flush(self) -> list[TimedPicture]:
        """Nothing follows: what is there is a picture's end."""
        return self._finish()

    def lose(self) -> None:
        """What has been collected is damaged: forget it."""
        self._clear()
        self._hinted = self._ended_by_hint = False
        self._divider.before.clear()

    @property
    def pending(self) -> bool:
        """Whether part of a picture, or one whose end is not known, is held."""
        return bool(self._pieces)

    @property
    def pending_is_whole(self) -> bool:
        """Whether what is held ended where the transport said that a picture ends."""
        return self._hinted

    def is_keyframe_part(self, data: bytes) -> bool:
        """Whether bytes of a damaged picture, cut anywhere, look like a keyframe's."""
        at = data.find(START_CODE)
        h265 = self.codec is Codec.H265
        while at >= 0 and at + 4 < len(data):
            first = data[at + 3]
            # GB/T 28181-2016 §C.2: system header and map stand before keyframes only.
            if first in (0xBB, 0xBC):
                return True
            if first < 0x80:
                kind = first >> 1 if h265 else first & 0x1F
                if (16 <= kind <= 21 or 32 <= kind <= 34) if h265 else kind in (5, 7):
                    return True
            at = data.find(START_CODE, at + 3)
        return False

    def _distrust(self) -> None:
        if self.same_timestamp:
            self.marker_lied = True
        else:
            self._trust = _NEVER

    def _use(self, codec: Codec) -> None:
        self.codec = codec
        depacketiser = H265Depacketiser() if codec is Codec.H265 else H264Depacketiser()
        self._divider = depacketiser.divider

    def _add(self, payload: bytes) -> None:
        self._pieces.append(payload)
        self._octets += len(payload)
        if self._octets > PICTURE_BYTES_LIMIT:
            self._clear()
            self.undecodable += 1

    def _clear(self) -> None:
        self._pieces = []
        self._octets = 0
        self._marks = []
        self._search_at = _FIRST_SEARCH_BYTES
        self._continues = False

    def _begins_picture(self, payload: bytes) -> bool:
        """Whether a new picture begins with the payload's first byte."""
        at = payload.find(START_CODE, 0, 5)
        if at < 0 or len(payload) < at + 6 or any(payload[:at]):
            return False
        first = payload[at + 3]
        if self.codec is Codec.H265:
            kind = first >> 1 & 0x3F
            if kind in _H265_BEGINNINGS:
                return True
            return kind in _H265_SLICES and payload[at + 5] & 0x80 != 0
        kind = first & 0x1F
        if kind in _H264_BEGINNINGS or self.codec is None:
            return True
        if first == _H265_VPS:
            return True
        return kind in _H264_SLICES and payload[at + 4] & 0x80 != 0

    def _finish(self) -> list[TimedPicture]:
        """Everything collected is whole."""
        pieces, marks, continues = self._pieces, self._marks, self._continues
        if not pieces:
            return []
        self._clear()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        units = _nal_units(data)
        if not units:
            return []
        self._judge_codec(units)
        single = None if continues else self._single_slice(units)
        if single is not None:
            time = marks[0] if marks else (0, None, None)
            return [TimedPicture(single, time[1], time[2])]
        made = self._pictures(units, marks)
        if not made and marks and not self._marks:
            # Parameter sets in a packet of their own: their time is the next picture's.
            self._marks = [(0, *marks[-1][1:])]
        if continues and made:
            made[0].picture.damaged = True
        return made

    def _divide(self) -> list[TimedPicture]:
        """Give the pictures whose successor has begun; keep the last one's bytes."""
        data = b"".join(self._pieces)
        units = _nal_units(data)
        self._judge_codec(units)
        starts = [group[0][0] for group in self._groups(units)]
        if len(starts) < 2:
            self._pieces = [data]
            return []
        last = starts[-1]
        marks, continues = self._marks, self._continues
        made = self._pictures([unit for unit in units if unit[0] < last], marks)
        if continues and made:
            made[0].picture.damaged = True
        self._clear()
        self._pieces = [data[last:]]
        self._octets = len(data) - last
        # A mark counts for the first picture that begins behind it.
        before = [mark for mark in marks if mark[0] <= last]
        used = {mark for mark in before if any(mark[0] <= start for start in starts[:-1])}
        self._marks = [(0, *mark[1:]) for mark in before if mark not in used][-1:]
        self._marks += [(mark[0] - last, *mark[1:]) for mark in marks if mark[0] > last]
        return made

    def _pictures(
        self, units: list[tuple[int, bytes]], marks: list[tuple[int, int, int | None]]
    ) -> list[TimedPicture]:
        if self.codec is None:
            self.undecodable += 1
            return []
        made: list[TimedPicture] = []
        self._divider.splits = self.splits
        left = list(marks)
        for group in self._groups(units):
            pts: int | None = None
            dts: int | None = None
            while left and left[0][0] <= group[0][0]:
                _, pts, dts = left.pop(0)
            collector = NalCollector([[unit] for _, unit in group])
            for picture in self._divider.pictures(collector, [], hole=False, after_gap=False):
                made.append(TimedPicture(picture, pts, dts))
                pts = dts = None
        return made

    def _groups(self, units: list[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
        """The units of each picture, what stands before its first slice included."""
        h265 = self.codec is Codec.H265
        slices = _H265_SLICES if h265 else _H264_SLICES
        beginnings = _H265_BEGINNINGS if h265 else _H264_BEGINNINGS
        at = 2 if h265 else 1
        groups: list[list[tuple[int, bytes]]] = []
        current: list[tuple[int, bytes]] = []
        sliced = False
        for entry in units:
            unit = entry[1]
            kind = unit[0] >> 1 & 0x3F if h265 else unit[0] & 0x1F
            is_slice = kind in slices
            if sliced and self.splits:
                first = is_slice and len(unit) > at and unit[at] & 0x80 != 0
                if first or kind in beginnings:
                    groups.append(current)
                    current = []
                    sliced = False
            current.append(entry)
            sliced = sliced or is_slice
        if current:
            groups.append(current)
        return groups

    def _single_slice(self, units: list[tuple[int, bytes]]) -> Picture | None:
        """The common case at once: a picture of one slice that is no keyframe."""
        if len(units) != 1 or self._divider.before:
            return None
        unit = units[0][1]
        if self.codec is Codec.H264:
            if unit[0] & 0x1F != 1 or len(unit) < 2 or unit[1] & 0x80 == 0:
                return None
        elif self.codec is not Codec.H265 or unit[0] > 0x13 or len(unit) < 3 or not unit[2] & 0x80:
            return None
        return Picture(len(unit).to_bytes(4, "big") + unit, False, [], False)

    def _judge_codec(self, units: list[tuple[int, bytes]]) -> None:
        """Tell the codec from the NAL units where the map has not, or where it is plainly wrong."""
        for _, unit in units[:4]:
            if unit[0] == _H265_VPS and len(unit) > 4 and unit[1] == 1:
                found = Codec.H265
            elif unit[0] in _H264_SPS and len(unit) > 4 and unit[1] in _H264_PROFILES:
                found = Codec.H264
            else:
                continue
            if found is not self.codec:
                self._use(found)
                self.guessed = True
            return


def _nal_units(data: bytes) -> list[tuple[int, bytes]]:
    """Each NAL unit with where its start code begins."""
    units: list[tuple[int, bytes]] = []
    at = data.find(START_CODE)
    while at >= 0:
        start = at + 3
        following = data.find(START_CODE, start)
        unit = data[start : following if following >= 0 else len(data)].rstrip(b"\x00")
        if unit:
            units.append((at - 1 if at and not data[at - 1] else at, unit))
        at = following
    return units
