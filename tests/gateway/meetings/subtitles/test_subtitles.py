"""What somebody says in a meeting is read by everybody in it, and kept with its time."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from gateway.database.meeting_tables import meeting_subtitles
from gateway.identifiers import now_us
from gateway.meetings.journal import Journal
from gateway.meetings.subtitles.recogniser import Line, find_recogniser
from gateway.meetings.subtitles.subtitles import Subtitles
from gateway.meetings.subtitles.worker import serve
from gateway.settings.meetings import SubtitleSettings
from recorder.rows import LocalRowWriter
from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.a_shard import Page, Shard, a_shard
from tests.gateway.meetings.subtitles.dtmf import HIGH, KEYS, LOW, recogniser

NAME = "tests.gateway.meetings.subtitles.dtmf:recogniser"


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with a_county(tmp_path) as made:
        yield made


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    writer = LocalRowWriter(rows.engine)
    journal = Journal(writer)
    async with a_shard(rows) as made:
        subtitles = Subtitles(SubtitleSettings(recogniser=NAME), journal)
        made.rooms.on_room(subtitles.room_opened)
        tasks = [asyncio.create_task(one) for one in (subtitles.run(), journal.run())]
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    writer.close()


def tones(digits: str) -> list[bytes]:
    """Packets of Opus in which these keys are pressed, each 160 ms, with as much in between."""
    rate, parts = 48_000, []
    times = np.arange(rate * 160 // 1000) / rate
    for digit in digits:
        row = next(number for number, keys in enumerate(KEYS) if digit in keys)
        pair = (LOW[row], HIGH[KEYS[row].index(digit)])
        parts += [sum(np.sin(2 * np.pi * hertz * times) for hertz in pair), times * 0]
    samples = (np.concatenate([*parts, np.zeros(rate // 2)]) * 12_000).astype(np.int16)
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    encoder.time_base, encoder.bit_rate = Fraction(1, rate), 64_000
    packets = []
    for start in range(0, len(samples) - 959, 960):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], "s16", "mono")
        frame.sample_rate, frame.pts = rate, start
        packets += [bytes(one) for one in encoder.encode(frame)]
    return packets


def says(page: Page, digits: str) -> asyncio.Task[None]:
    """Again and again, at the pace of time: a recogniser takes a while to be there."""
    microphone, packets = page.site.microphone(), tones(digits)

    async def run() -> None:
        while True:
            for packet in packets:
                microphone.send(packet, ticks=960, level=20 | 0x80)
                await asyncio.sleep(0.02)

    return asyncio.create_task(run())


async def test_what_is_said_is_read_by_all_and_kept(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    speaker, reader = await shard.join(meeting_id, a), await shard.join(meeting_id, b)
    await speaker.say(type="device", microphone=True)
    speaking = says(speaker, "110*")
    try:
        said = await reader.hears("subtitle", final=True, text="110*")
    finally:
        speaking.cancel()
    assert (said["participant_id"], said["name"]) == (a, "a")
    assert abs(now_us() - said["at_us"]) < 60_000_000
    # While it is said, too.
    assert any(one["type"] == "subtitle" and not one["final"] for one in reader.told)

    def kept() -> list[Any]:
        table = meeting_subtitles
        return shard.rows.all(table, table.c.at_us == said["at_us"])

    await shard.written(lambda: bool(kept()))
    (row,) = kept()
    assert (row.meeting_id, row.participant_id, row.text) == (meeting_id, a, "110*")
    assert 600_000 < row.end_us - row.at_us < 5_000_000


async def test_nobody_reads_what_the_meeting_does_not_hear(shard: Shard) -> None:
    meeting_id, (a, b, c) = await shard.running("a", "b", "c")
    muted, other = await shard.join(meeting_id, a), await shard.join(meeting_id, c)
    reader = await shard.join(meeting_id, b)
    await shard.command("mute", meeting_id, participant_ids=[a], muted=True)
    for one in (muted, other):
        await one.say(type="device", microphone=True)
    speaking = [says(muted, "777"), says(other, "55")]
    try:
        await reader.hears("subtitle", final=True, text="55")
    finally:
        for task in speaking:
            task.cancel()
    assert {one["text"] for one in reader.told if one["type"] == "subtitle"} <= {"5", "55"}


async def test_a_recogniser_that_dies_harms_nobody(rows: Rows) -> None:
    async with a_shard(rows) as shard:
        writer = LocalRowWriter(rows.engine)
        journal = Journal(writer)
        settings = SubtitleSettings(recogniser=NAME, options={"dies_after": "1"})
        subtitles = Subtitles(settings, journal)
        shard.rooms.on_room(subtitles.room_opened)
        running = asyncio.create_task(subtitles.run())
        meeting_id, (a, b) = await shard.running("a", "b")
        speaker, listener = await shard.join(meeting_id, a), await shard.join(meeting_id, b)
        await speaker.say(type="device", microphone=True)
        speaking = says(speaker, "1")
        await listener.site.until(lambda: len(listener.sounds()) > 200, 60)
        speaking.cancel()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        writer.close()


def test_a_recogniser_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(LookupError, match="'whisper' is not installed"):
        find_recogniser("whisper")
    with pytest.raises(LookupError, match="no_such_module"):
        find_recogniser("no_such_module:factory")
    assert find_recogniser(NAME) is recogniser


def test_what_a_recogniser_writes_is_one_line_of_bounded_length() -> None:
    class Talker:
        def hear(self, speaker: str, at_us: int, samples: bytes) -> list[Line]:
            return []

        def leave(self, speaker: str) -> list[Line]:
            return [Line(1, 2, "word\n" * 10_000)]

    out = io.StringIO()
    serve(Talker(), [json.dumps({"speaker": "x"})], out)
    (text,) = out.getvalue().splitlines()
    assert len(json.loads(text)["text"]) == 2000
