"""What cannot be shown as it is: beneath masks, with B-frames, sound that is no Opus; and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import sqlalchemy as sa
from aiortc.codecs.h264 import H264PayloadDescriptor

from camera_adapters.stream import Codec, Track
from gateway.database.meeting_tables import meeting_files
from gateway.database.privacy_tables import camera_masks
from tests.gateway.footage.conftest import CAMERA, Clip, g711_tone
from tests.gateway.meetings.a_shard import Page
from tests.gateway.meetings.playing.conftest import Cinema, film, load
from tests.gateway.meetings.playing.test_players import numbers, pictures, seen

LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]


def decoded(page: Page, after: int = 0) -> list[Any]:
    """What a browser would show of the slot from this packet on, as pictures in grey."""
    decoder: Any = av.CodecContext.create("h264", "r")
    packets = page.site.in_slot("v0")[after:]
    data = b"".join(H264PayloadDescriptor.parse(one.payload)[1] for one in packets)
    shown = []
    for packet in [*decoder.parse(data), *decoder.parse(b"")]:
        shown += [frame.to_ndarray(format="gray") for frame in decoder.decode(packet)]
    return shown + [frame.to_ndarray(format="gray") for frame in decoder.decode(None)]


def masked(cinema: Cinema, from_us: int, until_us: int | None, version: int = 1) -> None:
    """The left half of the camera's picture, in force at this time."""
    masks = [{"name": "", "points": LEFT}]
    with cinema.world.rows._engine.begin() as connection:
        connection.execute(
            sa.insert(camera_masks).values(
                camera_id=CAMERA, version=version, masks=masks, from_us=from_us,
                until_us=until_us, user_id="usr_1", user_name="wang",
            )
        )  # fmt: skip


def handed_out(cinema: Cinema, meeting_id: str, path: Path) -> str:
    """The file is among the meeting's files."""
    with cinema.rows.engine.begin() as connection:
        connection.execute(
            sa.insert(meeting_files).values(
                id="mfi_1", meeting_id=meeting_id, author="x", name=path.name, sha256="0" * 64,
                size_bytes=path.stat().st_size, key="meetings/x/files/one", at_us=1,
            )
        )  # fmt: skip
    return "mfi_1"


async def a_file(cinema: Cinema, path: Path, length_us: int) -> tuple[Page, str, str]:
    """A meeting with the file in it, and a page that looks at it."""
    meeting_id = cinema.rows.called()
    await cinema.world.store.put("meetings/x/files/one", path)
    file_id = handed_out(cinema, meeting_id, path)
    _, village, participant = await cinema.bring(
        meeting_id=meeting_id, source="file", file_id=file_id, length_us=length_us
    )
    page = await cinema.looks(meeting_id, village, participant)
    return page, meeting_id, participant


@pytest.mark.parametrize("over", [False, True])
async def test_nothing_beneath_masks_is_shown(cinema: Cinema, clip: Clip, over: bool) -> None:
    """Nor beneath those that were in force when it was recorded, and are no more."""
    await cinema.world.record(clip.tracks, clip.units)
    masked(cinema, 1, None if not over else cinema.end_us(8))
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    await seen(page, 10)
    shown = decoded(page)
    assert len(shown) >= 9
    for picture in shown:
        left = picture[8:-8, 8 : picture.shape[1] // 2 - 8]
        assert np.ptp(left) < 12
        assert np.ptp(picture[:, picture.shape[1] // 2 + 8 :]) > 100


async def test_masks_that_are_drawn_meanwhile_take_the_naked_picture_away_at_once(
    cinema: Cinema, clip: Clip
) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    await seen(page, 3)
    slot = cinema.shard.rooms.rooms[meeting_id].members[village].pictures["v0"]
    assert slot.showing is not None
    # Those of another camera are none of this one's.
    cinema.drawn["cam_two"] = (tuple(LEFT),)
    cinema.sites.cover()
    assert slot.showing is not None
    masked(cinema, 1, None)
    cinema.drawn[CAMERA] = (tuple(LEFT),)
    cinema.sites.cover()
    # Before anything else can happen: there is no await between drawing and this.
    assert slot.showing is None
    before = len(page.site.in_slot("v0"))
    await page.site.until(lambda: len(pictures(page.site.in_slot("v0")[before:])) > 10, 60)
    assert all(np.ptp(one[8:-8, 8:150]) < 12 for one in decoded(page, before))


async def test_a_camera_s_g711_is_heard_as_opus(cinema: Cinema, clip: Clip) -> None:
    video = [unit for unit in clip.units if unit.track_index == 0]
    tracks = (clip.tracks[0], Track("audio", Codec.PCMA, 8000, channels=1))
    units = sorted([*video, *g711_tone(Codec.PCMA, 8)], key=lambda unit: unit.dts_90k)
    await cinema.world.record(tracks, units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    await page.site.until(lambda: len(page.sounds()) > 50, 60)
    assert tone_of(page) == pytest.approx(440, abs=12)


def tone_of(page: Page) -> float:
    """The loudest frequency of what was heard."""
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    frames = [
        frame.to_ndarray().reshape(-1)
        for one in page.sounds()[5:]
        for frame in decoder.decode(av.Packet(one.payload))
    ]
    samples = np.concatenate(frames).astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 48_000 / len(samples))


async def test_a_file_with_b_frames_and_aac_is_seen_and_heard(
    cinema: Cinema, other_film: Path
) -> None:
    page, meeting_id, participant = await a_file(cinema, other_film, 8_000_000)
    await cinema.say(meeting_id, participant, state="playing")
    await seen(page, 30)
    await page.site.until(lambda: len(page.sounds()) > 50, 60)
    assert tone_of(page) == pytest.approx(440, abs=12)
    assert len(decoded(page)) >= 25


async def test_a_file_that_browsers_can_be_shown_is_not_decoded(
    cinema: Cinema, tmp_path: Path
) -> None:
    path = film(tmp_path / "plain.mp4")
    page, meeting_id, participant = await a_file(cinema, path, 8_000_000)
    await seen(page, 1)
    await cinema.say(meeting_id, participant, state="playing")
    found = await seen(page, 40)
    assert numbers(found[:40], load(path)) == list(range(40))
    # From a position, too.
    await cinema.say(meeting_id, participant, position_us=6_700_000)
    await cinema.until(participant, position_us=6_000_000)


async def test_a_file_that_is_none_is_said_to_be_none(cinema: Cinema, tmp_path: Path) -> None:
    path = tmp_path / "letter.mp4"
    path.write_bytes(json.dumps({"ftyp": "mp42"}).encode() * 1000)
    _, _, participant = await a_file(cinema, path, 1_000_000)
    await cinema.shard.written(lambda: cinema.playback(participant).problem is not None)
    assert cinema.playback(participant).problem.startswith("file_unplayable: ")
    assert "no MP4 that a meeting can be shown" in cinema.playback(participant).problem
