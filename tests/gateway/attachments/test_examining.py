"""Files that people bring are read with suspicion, and kept without what they say besides."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway.attachments.examining import examine
from gateway.attachments.kinds import FileRefused, sniff
from gateway.attachments.photo_facts import facts_of, read_facts
from gateway.settings.attachments import AttachmentSettings
from tests.gateway.attachments.files import photo, video, voice

SETTINGS = AttachmentSettings()


def _examined(folder: Path, data: bytes, name: str = "x", **limits: int) -> Any:
    source = folder / "sent"
    source.write_bytes(data)
    return examine(source, name, SETTINGS.model_copy(update=limits))


def test_a_photo_is_made_anew_and_its_place_becomes_a_row(tmp_path: Path) -> None:
    sent = photo(with_place=True)
    kept = _examined(tmp_path, sent, "现场.jpg")
    data = kept.path.read_bytes()
    assert data != sent
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, dict(image.getexif())) == ((320, 640), {})
    columns = kept.columns
    assert (columns["kind"], columns["media_type"]) == ("photo", "image/jpeg")
    assert (columns["longitude"], columns["latitude"]) == pytest.approx((112.41, 31.04))
    assert columns["taken_us"] == 1_795_393_800_000_000
    assert kept.thumbnail is not None
    with Image.open(kept.thumbnail) as small:
        assert small.size == (240, 480)


def test_a_video_keeps_its_pictures_and_loses_its_metadata(tmp_path: Path) -> None:
    place = {"com.apple.quicktime.location.ISO6709": "+31.0400+112.4100/", "title": "张三的手机"}
    sent = video(tmp_path / "made.mp4", metadata=place)
    assert b"112.4100" in sent
    kept = _examined(tmp_path, sent)
    data = kept.path.read_bytes()
    assert b"112.4100" not in data and "张三".encode() not in data
    assert (kept.columns["kind"], kept.columns["duration_ms"]) == ("video", 2000)
    with av.open(io.BytesIO(data)) as again:
        assert sum(1 for _ in again.decode(video=0)) == 20
    assert kept.columns["has_thumbnail"]


def test_a_voice_note_is_sound_whatever_holds_it(tmp_path: Path) -> None:
    kept = _examined(tmp_path, voice(tmp_path / "made.webm"))
    assert (kept.columns["kind"], kept.columns["media_type"]) == ("sound", "audio/webm")
    assert kept.columns["duration_ms"] == pytest.approx(2000, abs=50)
    assert not kept.columns["has_thumbnail"]


def test_what_is_too_large_for_its_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"photo has 0 MB") as refused:
        _examined(tmp_path, photo(), photo_bytes_limit=2000)
    assert refused.value.code == "too_large"


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"MZ\x90\0" + b"\0" * 100, "photo.jpg", "not_accepted"),
        (b"<html><script>alert(1)</script></html>", "x.pdf", "not_accepted"),
        (b"PK\x03\x04" + b"\0" * 60, "x.apk", "not_accepted"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 4000, "x.jpg", "damaged"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 4000, "x.mp4", "damaged"),
        (b"\x1aE\xdf\xa3" + b"\xff" * 4000, "x.webm", "damaged"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, data: bytes, name: str, code: str) -> None:
    with pytest.raises(FileRefused) as refused:
        _examined(tmp_path, data, name)
    assert refused.value.code == code


def test_a_document_is_kept_as_it_is(tmp_path: Path) -> None:
    data = b"%PDF-1.7 " + b"x" * 100
    kept = _examined(tmp_path, data, "通知.pdf")
    assert kept.path.read_bytes() == data
    assert kept.columns["media_type"] == "application/pdf"


@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_beginning_is_something_or_refused(head: bytes, name: str) -> None:
    try:
        assert sniff(head, name).media_type
    except FileRefused as refusal:
        assert refusal.code == "not_accepted"


_Tags = st.dictionaries(
    st.sampled_from([1, 2, 3, 4, 0x9003, 0x9011]),
    st.none()
    | st.text(max_size=25)
    | st.floats()
    | st.tuples(st.floats(), st.floats(), st.floats()),
)


@given(_Tags, _Tags)
def test_whatever_a_photo_says_its_place_is_on_earth(
    gps: dict[int, Any], exif: dict[int, Any]
) -> None:
    facts = facts_of(gps, exif)
    if facts.longitude is not None and facts.latitude is not None:
        assert abs(facts.longitude) <= 180 and abs(facts.latitude) <= 90


@given(st.binary(max_size=300))
def test_damaged_metadata_say_nothing(data: bytes) -> None:
    assert read_facts(data).longitude is None
