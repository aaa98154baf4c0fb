"""A stranger's file, taken apart: what it holds is found, what it is not is said."""

from __future__ import annotations

import asyncio
import io
import os
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camera_adapters.stream import Codec
from gateway.meetings.playing.material import unpack_stored
from gateway.meetings.playing.unpack import Unpacked, Unplayable, read_apart, unpack
from recorder.fmp4.reader import read_tracks, read_units
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from tests.gateway.meetings.playing.conftest import film, load
from tests.peers.media_file import make_media


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("plain") / "plain.mp4")


def test_a_file_s_pieces_are_its_pictures_and_sound_in_order(plain: Path) -> None:
    out = io.BytesIO()
    found = read_apart(plain, out)
    assert found.length_us == pytest.approx(8_000_000, abs=100_000)
    (init,) = found.inits
    data = out.getvalue()
    tracks = read_tracks(data[init[0] : sum(init)])
    assert [track.codec for track in tracks] == [Codec.H264, Codec.OPUS]
    units = [
        unit
        for one in found.pieces
        for unit in read_units(data[one.offset : one.offset + one.size], tracks)
    ]
    for index in (0, 1):
        made = [unit.payload for unit in units if unit.track_index == index]
        assert made == [one.payload for one in load(plain).units if one.track_index == index]
    starts = [one.start_us for one in found.pieces]
    assert starts == sorted(starts)
    assert all(one.keyframe for one in found.pieces)


async def test_it_is_done_in_a_process_of_its_own(plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = await unpack(plain, out)
    assert found == read_apart(plain, None)
    # Only looked at, it leaves nothing.
    assert await unpack(plain, None) == replace(found, pieces=[])


@pytest.fixture(scope="module")
def plain_bytes(plain: Path) -> int:
    return plain.stat().st_size


async def test_what_is_taken_apart_has_no_name_that_a_killed_process_could_leave_behind(
    plain: Path, plain_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    names: list[Path] = []

    class Watched(DirectoryStore):
        async def read(self, key: str, offset: int, length: int) -> bytes:
            names.extend(temporary.rglob("*"))
            return await super().read(key, offset, length)

    store = Watched(DirectoryStoreConfig(tmp_path / "store"))
    await store.put("film", plain)
    with tempfile.TemporaryFile() as out:
        found = await unpack_stored(store, "film", plain_bytes, out)
        assert found == read_apart(plain, None)
        last = found.pieces[-1]
        assert os.fstat(out.fileno()).st_size == last.offset + last.size
    assert await unpack_stored(store, "film", plain_bytes, None) == replace(found, pieces=[])
    assert names == []


def repeated(film: bytes, times: int) -> bytes:
    """The same film, whose table says that its first picture is there so many times."""
    moov = film.index(b"moov") - 4

    def boxes(start: int, end: int) -> bytes:
        made = b""
        while start < end:
            size, kind = struct.unpack_from(">I4s", film, start)
            body = film[start + 8 : start + size]
            if kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
                body = boxes(start + 8, start + size)
            elif kind == b"stts":
                body = struct.pack(">IIII", 0, 1, times, 512)
            elif kind in (b"stss", b"edts"):
                body, size = b"", 0
            elif kind == b"stsc":
                body = struct.pack(">IIIII", 0, 1, 1, 1, 1)
            elif kind == b"stsz":
                first = (
                    struct.unpack_from(">I", body, 4)[0] or struct.unpack_from(">I", body, 12)[0]
                )
                body = struct.pack(">III", 0, first, times)
            elif kind == b"stco":
                body = struct.pack(">II", 0, times) + body[8:12] * times
            made += struct.pack(">I4s", 8 + len(body), kind) + body if size else b""
            start += struct.unpack_from(">I", film, start)[0]
        return made

    return film[:moov] + boxes(moov, len(film))


async def test_a_film_that_is_more_than_its_file_fills_no_disk(tmp_path: Path) -> None:
    """A hundred kilobytes that say two hundred thousand times that they are a picture."""
    one = make_media(
        tmp_path / "one.mp4",
        *("-f", "lavfi", "-i", "nullsrc=size=320x192:rate=25:duration=0.04,geq=random(1)*255"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-qp", "1"),
        *("-pix_fmt", "yuv420p"),
    )
    bomb, out = tmp_path / "bomb.mp4", tmp_path / "out"
    data = repeated(one.read_bytes(), 200_000)
    size = await asyncio.to_thread(bomb.write_bytes, data)
    for where in (None, out):
        with pytest.raises(Unplayable, match="far more of itself"):
            await unpack(bomb, where)
    assert (await asyncio.to_thread(out.stat)).st_size <= 2 * size + 2**20


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("letter.mp4", b"Dear all, " * 500, "not a media file"),
        ("empty.mp4", b"", "not a media file"),
        # A list of other files, on this machine and on others: it leads nowhere.
        ("list.mp4", b"#EXTM3U\n#EXTINF:9,\nfile:///etc/hostname\n", "not a media file"),
        ("concat.mp4", b"ffconcat version 1.0\nfile /etc/hostname\n", "not a media file"),
    ],
)
async def test_what_is_no_film_is_said_to_be_none(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(Unplayable, match=said) as caught:
        await unpack(path, None)
    assert str(tmp_path) not in str(caught.value)


def test_a_film_in_another_codec_says_which(tmp_path: Path) -> None:
    path = make_media(
        tmp_path / "old.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=1", "-c:v", "mpeg4"),
    )
    with pytest.raises(Unplayable, match=r"no H\.264 or H\.265 video in it .found: mpeg4"):
        read_apart(path, None)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 255)), max_size=20),
    cut=st.integers(0, 80_000),
)
def test_a_damaged_file_is_played_as_far_as_it_goes_or_refused(
    plain: Path, tmp_path: Path, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(plain.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data[: max(1, len(data) - cut)])
    out = io.BytesIO()
    try:
        found: Unpacked = read_apart(path, out)
    except Unplayable:
        return
    for one in found.pieces:
        assert one.offset + one.size <= len(out.getvalue())
        assert one.end_us >= one.start_us
