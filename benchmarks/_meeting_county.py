"""A county that meets, in a whole gateway of its own: areas, accounts of its sites, meetings."""

from __future__ import annotations

import contextlib
import json
import pickle
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import httpx

from benchmarks._gateway import RunningGateway, running_gateway
from benchmarks._webrtc_clip import encode_clip
from benchmarks.measure import cpu_seconds
from camera_adapters.codecs.nal import split_annex_b

TOWNSHIPS = 23
SITES = 584
SITES_A_TOWNSHIP = 25
VILLAGE_SLOTS = 16
"""What the page of a village's television offers, as in web/src/meetings/SiteRoom.vue."""
_SEATS_AN_ACCOUNT = 26
_FILED_S = 30.0
_PASSWORDS = ("the first sentence 7", "the second sentence 8")

Plan = dict[str, Any]


@dataclass(slots=True)
class County:
    """``sites`` are areas' ids: townships, each followed by its villages; ``cookies`` sign in
    whoever sits for each.
    """

    gateway: RunningGateway
    root: str
    sites: list[str] = field(default_factory=list)
    cookies: dict[str, str] = field(default_factory=dict)
    admin_cookie: str = ""

    def township(self, number: int) -> list[str]:
        """Its office and villages, 25 or 26."""
        return self.sites[number * SITES // TOWNSHIPS : (number + 1) * SITES // TOWNSHIPS]

    def pid(self, name: str) -> int:
        """Of one of the gateway's processes. Raises LookupError."""
        parent = self.gateway.process.pid
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with contextlib.suppress(OSError):
                if name in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                    return int(child)
        raise LookupError(f"the gateway has no process {name}")


@contextlib.contextmanager
def a_county(sites: int = SITES) -> Iterator[County]:
    """One of ``sites`` in a gateway that is all its own, on one shard."""
    with running_gateway(SHARDS__COUNT="1") as gateway:
        root = gateway.call("POST", "/api/areas", {"name": "county"})["id"]
        county = County(gateway, root)
        cookie = gateway.storage_state["cookies"][0]
        county.admin_cookie = f"{cookie['name']}={cookie['value']}"
        for township in range(TOWNSHIPS):
            above = ""
            for number in range(township * sites // TOWNSHIPS, (township + 1) * sites // TOWNSHIPS):
                body = {"name": f"site-{number}", "parent_id": above or root, "position": number}
                area_id = gateway.call("POST", "/api/areas", body)["id"]
                above = above or area_id
                county.sites.append(area_id)
        for first in range(0, len(county.sites), _SEATS_AN_ACCOUNT):
            seats = county.sites[first : first + _SEATS_AN_ACCOUNT]
            account = _signed_in(gateway, f"clerk-{first}", seats)
            county.cookies |= dict.fromkeys(seats, account)
        yield county


def _signed_in(gateway: RunningGateway, name: str, areas: list[str]) -> str:
    grants = [{"role": "site", "area_id": one} for one in areas]
    first, second = _PASSWORDS
    body = {"name": name, "password": first, "grants": grants}
    gateway.call("POST", "/api/users", body)
    with httpx.Client(base_url=gateway.url, headers={"X-Gridsight": "1"}, timeout=30) as api:
        api.post("/api/session", json={"name": name, "password": first}).raise_for_status()
        change = {"old_password": first, "new_password": second}
        api.post("/api/session/password", json=change).raise_for_status()
        return "; ".join(f"{one.name}={one.value}" for one in api.cookies.jar)


class Meeting:
    """A meeting that runs, called by the administrator, who is its chair."""

    def __init__(self, county: County, room: int, area_ids: list[str], **form: Any) -> None:
        self.county = county
        self.room = room
        given = {"title": f"room {room}", "area_id": county.root, "starts_itself": False,
                 "rings": False, **form}  # fmt: skip
        self.id: str = county.gateway.call("POST", "/api/meetings", given)["id"]
        self._call("invite", only_area_ids=area_ids)
        self._call("start")
        document = county.gateway.call("GET", f"/api/meetings/{self.id}")
        seats = {one["area_id"]: one["id"] for one in document["participants"] if one["area_id"]}
        self.seats = [seats[one] for one in area_ids]
        self.chair: str = next(one["id"] for one in document["participants"]
                               if one["role"] == "chair")  # fmt: skip
        self._cookies = {seats[one]: county.cookies[one] for one in area_ids}
        self._cookies[self.chair] = county.admin_cookie

    def _call(self, what: str, **body: Any) -> Any:
        return self.county.gateway.call("POST", f"/api/meetings/{self.id}/{what}", body)

    def command(self, what: str, **body: Any) -> Any:
        """What the chair's desk does."""
        return self._call(what, **body)

    def plan(self, participant_id: str, index: int, **more: Any) -> Plan:
        """How somebody takes part: see ``_meeting_sites``."""
        return {
            "participant_id": participant_id,
            "meeting_id": self.id,
            "cookie": self._cookies[participant_id],
            "room": self.room,
            "index": index,
            "sends": {},
            "pictures": VILLAGE_SLOTS,
            "tiles": [],
            "expects": [0, 0],
            **more,
        }


def recorded_pictures(meeting: Meeting) -> int:
    """How many pictures of the program of a meeting that has ended are in the store."""
    database = meeting.county.gateway.data_directory / "gridsight.db"
    until_s = time.monotonic() + _FILED_S
    keys: list[str] = []
    while time.monotonic() < until_s:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as rows:
            left = rows.execute(
                "SELECT count(*) FROM meeting_recordings WHERE meeting_id = ? AND ended_us IS NULL",
                (meeting.id,),
            ).fetchone()[0]
            found = rows.execute(
                "SELECT store_key FROM segments WHERE source_id = ? ORDER BY start_us",
                (f"{meeting.id}/program",),
            )
            before, keys = keys, [row[0] for row in found]
        if not left and keys and keys == before:
            break
        time.sleep(2.0)
    total = 0
    for key in keys:
        with av.open(str(meeting.county.gateway.data_directory / "footage" / key)) as container:
            packets = container.demux(container.streams.video[0])
            total += sum(packet.size > 0 for packet in packets)
    return total


class SitesProcess:
    """Sites in a process of their own, told by lines."""

    def __init__(self, url: str, keyframe: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._meeting_sites", url, str(keyframe)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def tell(self, **command: Any) -> None:
        """Say what to do; :meth:`answer` waits for it."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What came of it. Raises RuntimeError."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sites have failed: see above")
        found: dict[str, Any] = json.loads(line)
        return found

    def do(self, **command: Any) -> dict[str, Any]:
        """Both."""
        self.tell(**command)
        return self.answer()

    def end(self) -> None:
        """All of them vanish."""
        self._process.communicate(timeout=30)


@contextlib.contextmanager
def sites_of(county: County) -> Iterator[tuple[SitesProcess, SitesProcess]]:
    """Two processes of sites: one for those who send, one for those who look."""
    with tempfile.TemporaryDirectory() as folder:
        keyframe = Path(folder) / "keyframe"
        keyframe.write_bytes(pickle.dumps(_keyframe()))
        both = tuple(SitesProcess(county.gateway.url, keyframe) for _ in range(2))
        try:
            yield both[0], both[1]
        finally:
            for one in both:
                one.end()


def _keyframe() -> list[bytes]:
    """SPS, PPS and the one slice of a real picture."""
    picture = encode_clip(1_000_000, 640, 360, 1)[0]
    units = split_annex_b(picture)
    return [next(unit for unit in units if unit[0] & 31 == kind) for kind in (7, 8, 5)]


class Watch:
    """CPU of the gateway's processes, by name, from when it is made."""

    def __init__(self, county: County) -> None:
        self._pids = {name: county.pid(name) for name in ("shard-1", "api", "writer")}
        self._before = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._waited_s = _waited_s(self._pids["shard-1"])
        self._start_s = time.monotonic()

    def cores(self) -> dict[str, float]:
        """Of each, on average since; ``waited`` is the part of the time in which the shard's
        threads could have run and something else did.
        """
        passed_s = time.monotonic() - self._start_s
        found = {
            name: (cpu_seconds(pid) - self._before[name]) / passed_s
            for name, pid in self._pids.items()
        }
        waited = (_waited_s(self._pids["shard-1"]) - self._waited_s) / passed_s
        return {**found, "waited": waited, "seconds": passed_s}


def _waited_s(pid: int) -> float:
    """How long a process's main thread has waited for a core so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
