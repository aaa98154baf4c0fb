"""Meetings: one site to 584 villages, and 23 townships of 25 sites at once.

    python -m benchmarks.meeting [--quick]

A whole gateway of its own runs them, on one shard. Sites are real in all but decoding
(``_meeting_sites``): they ask the API to join, open the WebSocket that it names, offer what the
console's pages offer, and are DTLS-SRTP peers on loopback. The delay added is from the sender's
clock to the kernel's time stamp of arrival, so that it does not contain what the receiving
processes of this machine do later. What two cores cannot hold is measured at the largest size
without loss, and projected: both are printed. Beside it, aiortc's own forwarding in the same run:
its relay decodes, and encodes for each who looks.

Sound and pictures over bad networks are Chromium's (``_meeting_browser``), against the media core:
what a receiver can repair is as much the browser's work as ours.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._meeting_county import (
    SITES,
    SITES_A_TOWNSHIP,
    TOWNSHIPS,
    County,
    Meeting,
    Plan,
    SitesProcess,
    Watch,
    a_county,
    recorded_pictures,
    sites_of,
)
from benchmarks._webrtc_clip import encode_clip
from benchmarks.measure import percentile, quick_requested, report
from benchmarks.webrtc import Run

_PICTURE_BPS, _THUMBNAIL_BPS, _SOUND_BPS = 1_500_000, 150_000, 32_000
_SETTLE_S = 2.0
_BUSY = 0.95
"""A thread that runs or wants to for more of the time is behind."""
_CHAIR = 60_000
"""The index of who chairs; sites count from 0."""
_WATCHERS = 20
_GOP_PICTURES = 250


@dataclass(frozen=True, slots=True)
class Measured:
    """The gateway's part over some seconds, and what came of it. ``cores`` are those of Watch,
    ``counts`` those of ``_meeting_sites``.
    """

    cores: dict[str, float]
    counts: dict[str, Any]

    @property
    def held(self) -> bool:
        """Whether nothing was lost, and the shard's thread had time to spare."""
        return bool(
            self.counts["lost"] == 0 and self.cores["shard-1"] + self.cores["waited"] < _BUSY
        )

    @property
    def text(self) -> str:
        """What a reader of the figure has to know."""
        packets, cores = self.counts["packets"], self.cores
        cpu_us = cores["shard-1"] * cores["seconds"] * 1e6 / max(1, packets)
        return (
            f"{self.counts['lost']} of {packets} packets lost, {cores['shard-1']:.3f} cores of the "
            f"shard, {cpu_us:.2f} us of CPU a packet; API {cores['api']:.3f}, writer "
            f"{cores['writer']:.3f}; {cores['waited']:.0%} of the time the shard waited for a core "
            "that something else had"
        )


def _measure(county: County, sites: SitesProcess, seconds: float) -> Measured:
    time.sleep(_SETTLE_S)
    sites.do(counts=True)
    watch = Watch(county)
    time.sleep(seconds)
    cores = watch.cores()
    counts = sites.do(counts=True)
    if counts["forged"] or not counts["verified"]:
        raise RuntimeError(f"the sites did not get their media: {counts}")
    return Measured(cores, counts)


def _village(meeting: Meeting, number: int) -> Plan:
    """It films, as a village's television does, and is sent the program and who speaks."""
    return meeting.plan(
        meeting.seats[number], number, tiles=[["v0", None, 720]], expects=[1, 1],
        sends={"cam": _THUMBNAIL_BPS}, real=True,
    )  # fmt: skip


def _county_meeting(county: County, senders: SitesProcess) -> Meeting:
    """Everybody is invited; the chair is in it, films and speaks."""
    meeting = Meeting(county, 0, county.sites, muted_on_entry=True, records=True)
    meeting.command("layout", layout="speaker")
    sends = {"cam": _PICTURE_BPS, "mic": _SOUND_BPS}
    senders.do(join=[meeting.plan(meeting.chair, _CHAIR, sends=sends, pictures=25)])
    return meeting


def _everybody_joins(county: County, meeting: Meeting, sites: SitesProcess) -> None:
    watch = Watch(county)
    plans = [_village(meeting, number) for number in range(len(meeting.seats))]
    joined = sites.do(join=plans)
    cores = watch.cores()
    if joined["joined"] < len(plans):
        raise RuntimeError(f"{joined['joined']} of {len(plans)} joined within a minute")
    cpu_ms = {
        name: cores[name] * cores["seconds"] * 1000 / len(plans)
        for name in ("shard-1", "api", "writer")
    }
    counts = sites.do(counts=True)
    report(
        "meeting_joins_s",
        joined["joined_s"],
        "s",
        n=len(plans),
        target=10,
        note="from the first request to the API until all get picture and sound; CPU for each: "
        f"shard {cpu_ms['shard-1']:.1f} ms (with what it forwards meanwhile), API "
        f"{cpu_ms['api']:.1f} ms, writer {cpu_ms['writer']:.1f} ms; {counts['messages']} messages, "
        f"{counts['text_bytes'] / 1e6:.0f} MB of text",
    )


def _one_to_many(
    county: County, meeting: Meeting, sites: SitesProcess, seconds: float, peer_cores: float
) -> None:
    there = list(meeting.seats)
    while True:
        found = _measure(county, sites, seconds)
        if found.held or len(there) <= len(meeting.seats) // 4:
            break
        going, there = there[len(there) // 2 :], there[: len(there) // 2]
        sites.do(leave=going)
    delays = found.counts["delays_ms"]
    whole = len(there) == SITES
    report(
        "meeting_one_to_584_cores",
        found.cores["shard-1"] * SITES / len(there),
        "cores",
        n=len(there),
        target=1.0,
        peer="aiortc's relay of the same picture to one, projected; sound not counted",
        peer_value=peer_cores * SITES,
        note=f"the shard, with rows, pages and recording: {len(there)} of {SITES} sites"
        f"{'' if found.held else ', not held'}: {found.text}"
        + ("" if whole else "; projected from them"),
    )
    report(
        "meeting_one_to_584_delay_p99_ms",
        percentile(delays, 99),
        "ms",
        n=len(delays),
        target=50,
        note=f"median {percentile(delays, 50):.2f} ms; at {len(there)} sites",
    )
    missing = [number for number, one in enumerate(meeting.seats) if one not in there]
    if missing:
        sites.do(join=[_village(meeting, number) for number in missing])


def _late(meeting: Meeting, sites: SitesProcess, late: int) -> None:
    firsts = sites.do(again=meeting.seats[-late:])["first_picture_s"]
    report(
        "meeting_late_joiner_p95_ms",
        percentile(firsts, 95) * 1000,
        "ms",
        n=len(firsts),
        target=500,
        note=f"beside {len(meeting.seats) - 1} others, from the request to the API until the last "
        f"packet of the first picture, not decoded; median {percentile(firsts, 50) * 1000:.0f} ms",
    )


def _roll_call(meeting: Meeting, senders: SitesProcess, sites: SitesProcess, calls: int) -> None:
    """Sites are called one after the other; then a picture is taken of everybody."""
    api = meeting.county.gateway
    begun = meeting.command("roll-calls", title="roll call")
    path = f"/api/meetings/{meeting.id}/roll-calls/{begun['id']}"
    watchers = meeting.seats[:: max(1, len(meeting.seats) // _WATCHERS)]
    called = [one for one in meeting.seats if one not in watchers][:calls]
    ups = []
    for participant_id in called:
        index = meeting.seats.index(participant_id)
        sites.do(watch=watchers, index=index)
        asked_s = time.monotonic()
        api.call("POST", f"{path}/call", {"participant_id": participant_id})
        seen = sites.do(seen=10.0)["seen_s"]
        ups += [one - asked_s if one else math.inf for one in seen]
    report(
        "meeting_roll_call_up_p95_ms",
        percentile(ups, 95) * 1000,
        "ms",
        n=len(ups),
        target=1000,
        note=f"{len(called)} sites called, each seen by {len(watchers)} of {len(meeting.seats)}: "
        "from the chair's request to the API until its first whole picture is there; "
        f"median {percentile(ups, 50) * 1000:.0f} ms, longest {max(ups) * 1000:.0f} ms",
    )
    # The chair's picture would leave no core for those that are made here.
    senders.do(rate={meeting.chair: _THUMBNAIL_BPS})
    watch = Watch(meeting.county)
    begin_s = time.monotonic()
    begin_us = time.time_ns() // 1000
    started = api.call("POST", f"{path}/round")
    taken, took_s = 0, 0.0
    while taken < started["sites"] and time.monotonic() - begin_s < took_s + 15.0:
        rows = api.call("GET", path)["rows"]
        before, taken = taken, sum((one["snapshot_us"] or 0) >= begin_us for one in rows)
        if taken > before:
            took_s = time.monotonic() - begin_s
        time.sleep(1.0)
    cores = watch.cores()
    report(
        "meeting_round_of_pictures_s",
        took_s,
        "s",
        n=taken,
        target=60,
        note=f"{taken} of {started['sites']} sites, 640 x 360, kept in the store; shard "
        f"{cores['shard-1']:.2f} cores, API {cores['api']:.2f}; the meeting went on with a picture "
        "of 150 kbit/s",
    )
    api.call("POST", f"{path}/end")
    senders.do(rate={meeting.chair: _PICTURE_BPS})


def _killed(
    county: County, senders: SitesProcess, sites: SitesProcess, metric: str, what: str
) -> None:
    """The shard dies; everybody joins again by themselves."""
    senders.do(cut=True)
    at_s = sites.do(cut=True)["at_s"]
    os.kill(county.pid("shard-1"), signal.SIGKILL)
    senders.tell(back=60.0)
    backs = [one - at_s if one else math.inf for one in sites.do(back=60.0)["back_s"]]
    senders.answer()
    report(
        metric,
        percentile(backs, 95),
        "s",
        n=len(backs),
        target=5,
        note=f"{what}, all at once, from the kill of the shard until picture and sound are there "
        f"again: first {min(backs):.1f} s, median {percentile(backs, 50):.1f} s, last "
        f"{max(backs):.1f} s",
    )


def _tiles(meeting: Meeting, number: int, *, own_page: bool) -> list[list[Any]]:
    """The chair large, and three small: the first of all, or the next three of each."""
    seats = meeting.seats
    steps = (number + step if own_page else step - 1 for step in (1, 2, 3, 4))
    others = [seats[step % len(seats)] for step in steps if step % len(seats) != number][:3]
    small = [[f"v{slot}", other, 180] for slot, other in enumerate(others, start=1)]
    return [["v0", meeting.chair, 720], *small]


def _township(meeting: Meeting) -> tuple[Plan, list[Plan]]:
    """The chair films and speaks, its first site speaks, all have their cameras on."""
    sends = {"cam": _PICTURE_BPS, "mic": _SOUND_BPS}
    sites = [
        meeting.plan(
            participant_id, number, tiles=_tiles(meeting, number, own_page=False),
            sends={"cam": _THUMBNAIL_BPS} | ({"mic": _SOUND_BPS} if number == 0 else {}),
            expects=[4, 1 if number == 0 else 2],
        )
        for number, participant_id in enumerate(meeting.seats)
    ]  # fmt: skip
    return meeting.plan(meeting.chair, _CHAIR, sends=sends, pictures=25), sites


def _open_township(
    county: County, senders: SitesProcess, sites: SitesProcess, number: int
) -> Meeting:
    """All of them are in; the first is recorded."""
    areas = county.township(number)[:SITES_A_TOWNSHIP]
    meeting = Meeting(county, number + 1, areas, records=number == 0)
    meeting.command("layout", layout="speaker_grid")
    chair, seats = _township(meeting)
    senders.do(join=[chair])
    sites.do(join=seats)
    return meeting


def _close(meeting: Meeting, senders: SitesProcess, sites: SitesProcess) -> None:
    meeting.command("end")
    senders.do(leave=[meeting.chair])
    sites.do(leave=meeting.seats)


def _side_by_side(
    county: County, senders: SitesProcess, sites: SitesProcess, rooms: int, seconds: float
) -> None:
    """Rooms are added until one core does not hold them any more."""
    meetings: list[Meeting] = []
    best: tuple[int, Measured] | None = None
    killed = _open_township(county, senders, sites, 0)
    _killed(county, senders, sites, "meeting_back_after_kill_p95_s", "a township's sites")
    _close(killed, senders, sites)
    for wanted in sorted({max(1, rooms // 4), max(1, rooms // 2), rooms}):
        while len(meetings) < wanted:
            meetings.append(_open_township(county, senders, sites, len(meetings)))
        found = _measure(county, sites, seconds)
        if best is None or found.held:
            best = wanted, found
        if not found.held:
            break
    assert best is not None
    count, found = best
    while len(meetings) > count:
        _close(meetings.pop(), senders, sites)
    _report_rooms("meeting_23_rooms_cores", count, found, "all look at the same four")
    crosstalk, verified = found.counts["crosstalk"], found.counts["verified"]
    own = {
        participant_id: _tiles(meeting, number, own_page=True)
        for meeting in meetings
        for number, participant_id in enumerate(meeting.seats)
    }
    sites.do(view=own)
    found = _measure(county, sites, seconds)
    note = "each looks at the chair and three others, so that all of them send"
    _report_rooms("meeting_23_rooms_all_sending_cores", count, found, note)
    report(
        "meeting_crosstalk",
        crosstalk + found.counts["crosstalk"],
        "packets",
        n=verified + found.counts["verified"],
        target=0,
        note=f"between {len(meetings)} rooms; of those decrypted, and of all with a source that "
        "the site was not promised",
    )
    _recorded(meetings[0], senders)


def _report_rooms(metric: str, count: int, found: Measured, what: str) -> None:
    delays = found.counts["delays_ms"]
    report(
        metric,
        found.cores["shard-1"] * TOWNSHIPS / count,
        "cores",
        n=count * SITES_A_TOWNSHIP,
        target=1.5,
        note=f"{count} of {TOWNSHIPS} rooms of {SITES_A_TOWNSHIP} sites and a chair; {what}"
        f"{'' if found.held else ', not held'}: {found.text}; "
        f"delay p99 {percentile(delays, 99):.1f} ms"
        + ("" if count == TOWNSHIPS else "; projected from them"),
    )


def _recorded(meeting: Meeting, senders: SitesProcess) -> None:
    """The program is the chair's picture all the time."""
    sent = senders.do(counts=True)["pictures_sent"][meeting.chair]
    meeting.command("end")
    recorded = recorded_pictures(meeting)
    report(
        "meeting_recording_pictures_missing",
        abs(sent - recorded),
        "pictures",
        n=sent,
        target=_GOP_PICTURES,
        note=f"{recorded} in the store of {sent} that its chair has sent; what is sent before a "
        "recording begins with a keyframe, and after the meeting's end, is not in it; what a "
        "starved shard does not take off its socket, these sites do not send again",
    )


def _bad_networks(seconds: float, bursts: int) -> None:
    if shutil.which("chromium") is None:
        print("no Chromium: sound and pictures over bad networks not measured", file=sys.stderr)
        return
    command = [sys.executable, "-m", "benchmarks._meeting_browser", str(seconds), str(bursts)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(process.stdout.splitlines()[-1])
    report(
        "meeting_sound_interrupted_percent",
        told["silent"] * 100,
        "%",
        n=int(told["played_s"]),
        target=0,
        note=f"Chromium, sender and watcher each behind 5 % loss and 100 ms both ways; "
        f"{told['concealed'] * 100:.2f} % of the sound was made up for",
    )
    report(
        "meeting_recovery_after_burst_s",
        max(*told["sender"], *told["watcher"]),
        "s",
        n=2 * bursts,
        target=1.0,
        note="until pictures went on after 400 ms without any, the longest; from the sender "
        f"{_seconds(told['sender'])}, to the watcher {_seconds(told['watcher'])}",
    )


def _seconds(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values) + " s"


def _aiortc_cores(seconds: float) -> float:
    """Of one who looks, by aiortc's relay."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip"
        clip.write_bytes(pickle.dumps(encode_clip(_PICTURE_BPS, 1280, 720, 4)))
        peer = Run("aiortc-relay", clip, 1, 1)
        cores = peer.cpu_percent_per_viewer(seconds) / 100
        peer.end()
    return cores


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    seconds = 4.0 if quick else 20.0
    peer_cores = _aiortc_cores(seconds / 2)
    with a_county(60 if quick else SITES) as county, sites_of(county) as (senders, sites):
        meeting = _county_meeting(county, senders)
        _everybody_joins(county, meeting, sites)
        _one_to_many(county, meeting, sites, seconds, peer_cores)
        _late(meeting, sites, 5 if quick else 20)
        _roll_call(meeting, senders, sites, 3 if quick else 12)
        _killed(county, senders, sites, "meeting_county_back_after_kill_p95_s", "the whole county")
        _close(meeting, senders, sites)
        _side_by_side(county, senders, sites, 2 if quick else TOWNSHIPS, seconds)
    _bad_networks(5.0 if quick else 20.0, 1 if quick else 6)


if __name__ == "__main__":
    main()
