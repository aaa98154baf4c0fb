"""What a county needs, reckoned from what was measured. Pure: a demand goes in, a plan comes out.

Each role of machines needs cores, memory, network; there are as many machines as the scarcest of
these asks for, filled to a chosen share, and then as many more as may be lost at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from gateway.capacity.coefficients import Coefficient

Role = Literal["media", "api", "analysis", "database", "store"]
ROLES: tuple[Role, ...] = ("media", "api", "analysis", "database", "store")
DAY_S = 86_400
_MB = 1e6
_GIB = 1024**3


class PlanError(ValueError):
    """A demand that cannot be. ``code`` names the sentence, ``values`` stand in it."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(f"{code}: {values}")
        self.code = code
        self.values = values


@dataclass(frozen=True, slots=True)
class Demand:
    """What is wanted. ``gb28181``: how many of the cameras come as program streams over UDP;
    ``viewers``: pictures that are watched at once (a wall of nine counts nine), each ``sub_mbps``
    if given; ``passages``: what each analysed camera sees on a day.
    """

    cameras: int
    mbps: float
    days: float
    sub_mbps: float | None = None
    gb28181: int = 0
    viewers: int = 0
    meeting_sites: int = 0
    analysed: int = 0
    passages: float = 167.0
    nodes_lost: int = 1
    gop_s: float = 2.0
    segment_s: float = 60.0


@dataclass(frozen=True, slots=True)
class MachineShape:
    """What one machine has. ``disks`` are those of a machine of the store."""

    cores: int = 16
    memory_gib: float = 128.0
    network_gbps: float = 10.0
    disks: int = 12
    disk_tb: float = 16.0


@dataclass(frozen=True, slots=True)
class Need:
    """What a role needs of all its machines together. ``disk_bytes``: on its own disks."""

    cores: float = 0.0
    memory_bytes: float = 0.0
    in_bps: float = 0.0
    out_bps: float = 0.0
    disk_bytes: float = 0.0

    def __add__(self, other: Need) -> Need:
        return Need(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Need)))


@dataclass(frozen=True, slots=True)
class RolePlan:
    """``machines`` include the spare ones; ``scarcest`` says what decided on their number.
    ``in_bps``, ``out_bps``: of one machine while as many as may be are lost.
    """

    role: Role
    need: Need
    machines: int
    spare: int
    scarcest: str
    in_bps: float
    out_bps: float

    @property
    def working(self) -> int:
        """How many are left when as many as may be are lost."""
        return self.machines - self.spare


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything together. Bytes and rates are of the whole county."""

    demand: Demand
    shape: MachineShape
    roles: Mapping[Role, RolePlan]
    shards: int
    spool_bytes: float
    footage_bytes: float
    crop_bytes: float
    vector_bytes: float
    store_bytes: float
    store_disks: int
    put_per_s: float
    objects: float
    rows_per_s: float
    segment_rows: float
    gop_index_bytes: Mapping[str, float]
    segment_bytes: Mapping[str, float]
    passage_rows: float
    passage_bytes: Mapping[str, float]
    audit_records: float
    audit_bytes: Mapping[str, float]
    database_bytes: Mapping[str, float]
    one_machine: bool
    warnings: tuple[tuple[str, Mapping[str, object]], ...]

    @property
    def machines(self) -> int:
        """Of all roles."""
        return sum(one.machines for one in self.roles.values())


_LIMITS: Mapping[str, tuple[float, float]] = {
    "cameras": (1, 1_000_000),
    "mbps": (0.01, 200),
    "days": (0.01, 3650),
    "sub_mbps": (0.01, 200),
    "gb28181": (0, 1_000_000),
    "viewers": (0, 1_000_000),
    "meeting_sites": (0, 100_000),
    "analysed": (0, 1_000_000),
    "passages": (0, 1_000_000),
    "nodes_lost": (0, 10),
    "gop_s": (0.1, 60),
    "segment_s": (2, 3600),
    "cores": (1, 1024),
    "memory_gib": (1, 65_536),
    "network_gbps": (0.1, 1600),
    "disks": (1, 1000),
    "disk_tb": (0.1, 1000),
}


def make_plan(
    demand: Demand, known: Mapping[str, Coefficient], shape: MachineShape | None = None
) -> Plan:
    """The plan. Raises PlanError for a demand, or a machine, that cannot be."""
    shape = shape or MachineShape()
    _refuse(demand, shape)
    reckoning = _Reckoning(demand, {name: one.value for name, one in known.items()})
    kept = reckoning.kept()
    needs: dict[Role, Need] = {
        "media": reckoning.media(),
        "api": reckoning.api(),
        "analysis": reckoning.analysis(),
        "database": reckoning.database(kept),
        "store": reckoning.store(kept),
    }
    roles = {role: reckoning.role(role, need, shape) for role, need in needs.items()}
    whole = sum(needs.values(), Need())
    return replace(
        kept,
        shape=shape,
        roles=roles,
        store_disks=reckoning.disks(kept, shape),
        one_machine=demand.nodes_lost == 0 and _machines(whole, shape, reckoning.c["fill"])[0] <= 1,
        warnings=tuple(reckoning.warnings(kept, needs["database"], shape)),
    )


def _refuse(demand: Demand, shape: MachineShape) -> None:
    for one in (demand, shape):
        for field in fields(one):
            value = getattr(one, field.name)
            if value is None and field.name == "sub_mbps":
                continue
            least, most = _LIMITS[field.name]
            if not math.isfinite(value) or not least <= value <= most:
                raise PlanError(
                    "out_of_range", name=field.name, value=value, least=least, most=most
                )
    if demand.sub_mbps is not None and demand.sub_mbps > demand.mbps:
        raise PlanError("sub_above_main", sub_mbps=demand.sub_mbps, mbps=demand.mbps)
    for name in ("analysed", "gb28181"):
        if getattr(demand, name) > demand.cameras:
            raise PlanError(
                "more_than_cameras", name=name, value=getattr(demand, name), cameras=demand.cameras
            )
    if demand.gop_s > demand.segment_s:
        raise PlanError("gop_above_segment", gop_s=demand.gop_s, segment_s=demand.segment_s)


def _machines(need: Need, shape: MachineShape, fill: float) -> tuple[int, str]:
    """How many machines a need asks for, and what decides it."""
    asked = {
        "cores": need.cores / (shape.cores * fill),
        "memory": need.memory_bytes / (shape.memory_gib * _GIB * fill),
        "network": max(need.in_bps, need.out_bps) / (shape.network_gbps * 1e9 * fill),
    }
    scarcest = max(asked, key=asked.__getitem__)
    # What floating point adds is no machine.
    return math.ceil(asked[scarcest] - 1e-9), scarcest


class _Reckoning:
    """The arithmetic; ``c`` are the coefficients' values by name."""

    def __init__(self, demand: Demand, values: Mapping[str, float]) -> None:
        self.demand = demand
        self.c = values
        self.watched_mbps = demand.sub_mbps or demand.mbps
        # A sub-stream is fetched only while somebody looks at it.
        self.watched_subs = min(demand.viewers, demand.cameras) if demand.sub_mbps else 0
        self.segments_per_s = demand.cameras / demand.segment_s
        self.passages_per_s = demand.analysed * demand.passages / DAY_S

    def media(self) -> Need:
        """Ingest, recording, live view, meetings."""
        d, c = self.demand, self.c
        rtsp = d.cameras - d.gb28181
        stronger = max(1.0, d.mbps / 2)
        cores = stronger * (rtsp * c["ingest_core"] + d.gb28181 * c["gb28181_core"])
        cores += self.watched_subs * c["ingest_core"] * max(1.0, self.watched_mbps / 2)
        cores += d.viewers * self._viewer_core() + d.meeting_sites * c["meeting_site_core"]
        streams = d.cameras + self.watched_subs
        gop_mb = max(0.0, d.mbps * d.gop_s - 4) / 8
        memory = streams * (c["camera_memory_mb"] + gop_mb) * _MB
        memory += self.shards() * (c["shard_memory_mb"] + c["shard_buffer_mb"]) * _MB
        memory += (d.viewers + d.meeting_sites) * c["viewer_memory_mb"] * _MB
        wire = 1e6 * (1 + c["wire_overhead"])
        fetched = (d.cameras * d.mbps + self.watched_subs * self.watched_mbps) * wire
        meeting_in = d.meeting_sites * c["meeting_site_in_mbps"] * wire
        meeting_out = d.meeting_sites * c["meeting_site_out_mbps"] * wire
        watched = d.viewers * self.watched_mbps * wire
        stored = d.cameras * d.mbps * wire * (1 + c["footage_overhead"])
        sent = watched + meeting_out + stored + self._analysed_bps()
        return Need(cores, memory, fetched + meeting_in, sent, self.spool_bytes())

    def shards(self) -> int:
        """Each is one loop, so one core, which is filled to a share."""
        d, c = self.demand, self.c
        each = c["ingest_core"] * max(1.0, d.mbps / 2)
        busy = (d.cameras - d.gb28181) * each + d.gb28181 * c["gb28181_core"] * max(1.0, d.mbps / 2)
        busy += d.viewers * self._viewer_core() + d.meeting_sites * c["meeting_site_core"]
        busy += self.watched_subs * c["ingest_core"] * max(1.0, self.watched_mbps / 2)
        return math.ceil(busy / c["shard_fill"] - 1e-9)

    def _viewer_core(self) -> float:
        """Between what was measured at 0.6 and at 2 Mbit/s, and on from there."""
        low, high = self.c["viewer_core_600k"], self.c["viewer_core_2m"]
        return max(low, low + (high - low) * (self.watched_mbps - 0.6) / 1.4)

    def _analysed_bps(self) -> float:
        mbps = min(self.demand.mbps, self.demand.sub_mbps or self.demand.mbps)
        return self.demand.analysed * mbps * 1e6

    def spool_bytes(self) -> float:
        """Footage that waits while the store is away, beside what is open."""
        d = self.demand
        waiting_s = self.c["store_outage_s"] + 2 * d.segment_s
        return d.cameras * d.mbps * 1e6 / 8 * waiting_s

    def api(self) -> Need:
        """Routes, the console's news, and meetings that are joined all at once."""
        d, c = self.demand, self.c
        joining = d.meeting_sites * c["meeting_join_api_core_s"] / c["meeting_join_s"]
        cores = c["api_core"] + d.viewers * c["api_viewer_core"] + joining
        memory = c["api_memory_mb"] * _MB + d.cameras * c["api_camera_memory_kb"] * 1e3
        return Need(cores, memory, 0.0, d.viewers * c["api_viewer_kbps"] * 1e3)

    def analysis(self) -> Need:
        """Gate, detector and all that follows; a worker for each core."""
        d, c = self.demand, self.c
        if not d.analysed:
            return Need()
        pictures = c["moving_pictures_per_s"] * c["gate_share"]
        # Pictures of 640x360 were measured; of main streams four times as many points are taken.
        points = 1.0 if d.sub_mbps else 4.0
        cores = d.analysed * (c["gate_core"] * points + pictures * c["search_picture_cpu_s"])
        memory = c["analysis_memory_mb"] * _MB + math.ceil(cores) * c["worker_memory_mb"] * _MB
        found = self.passages_per_s * (c["crop_bytes"] + c["vector_bytes"]) * 8
        return Need(cores, memory, self._analysed_bps(), found)

    def kept(self) -> Plan:
        """What is kept after all the days, without machines."""
        d, c = self.demand, self.c
        seconds = d.days * DAY_S
        footage = d.cameras * d.mbps * 1e6 / 8 * seconds * (1 + c["footage_overhead"])
        passages = self.passages_per_s * seconds
        crops, vectors = passages * c["crop_bytes"], passages * c["vector_bytes"]
        objects = (self.segments_per_s + self.passages_per_s) * seconds
        segments = self.segments_per_s * seconds
        records_per_s = d.viewers * c["looks_per_viewer"] / DAY_S
        # The register is kept for years, whatever footage is.
        records = records_per_s * c["audit_days"] * DAY_S
        fragments = d.segment_s / min(d.gop_s, 2.0)
        engines = ("sqlite", "postgresql")
        gops = {e: segments * fragments * c[f"gop_entry_bytes_{e}"] for e in engines}
        rows = {e: segments * c[f"segment_row_bytes_{e}"] + gops[e] for e in engines}
        found = {e: passages * c[f"passage_row_bytes_{e}"] for e in engines}
        register = {e: records * c[f"audit_record_bytes_{e}"] for e in engines}
        total = {
            e: rows[e] + found[e] + register[e] + d.cameras * c["camera_row_bytes"] for e in engines
        }
        written = self.segments_per_s * c["rows_per_segment"]
        written += self.passages_per_s * c["rows_per_passage"] + records_per_s
        return Plan(
            demand=d,
            shape=MachineShape(),
            roles={},
            shards=self.shards(),
            spool_bytes=self.spool_bytes(),
            footage_bytes=footage,
            crop_bytes=crops,
            vector_bytes=vectors,
            store_bytes=(footage + crops + vectors) * c["redundancy"] / c["disk_fill"],
            store_disks=0,
            put_per_s=self.segments_per_s + self.passages_per_s,
            objects=objects,
            rows_per_s=written,
            segment_rows=segments,
            gop_index_bytes=gops,
            segment_bytes=rows,
            passage_rows=passages,
            passage_bytes=found,
            audit_records=records,
            audit_bytes=register,
            database_bytes=total,
            one_machine=False,
            warnings=(),
        )

    def database(self, kept: Plan) -> Need:
        """One that writes, at a time."""
        c = self.c
        cores = c["database_core"] + self.segments_per_s / c["segments_written"]
        size = kept.database_bytes["postgresql"] * c["database_slack"]
        memory = c["database_memory_gib"] * _GIB + size * c["database_cached_share"]
        return Need(cores, memory, kept.rows_per_s * 8 * 1000, kept.rows_per_s * 8 * 1000, size)

    def store(self, kept: Plan) -> Need:
        """The S3 servers; what one takes it gives on to others for redundancy."""
        d, c = self.demand, self.c
        taken = d.cameras * d.mbps * 1e6 * (1 + c["wire_overhead"])
        taken += self.passages_per_s * (c["crop_bytes"] + c["vector_bytes"]) * 8
        cores = taken / 1e9 * c["store_core_per_gbps"]
        memory = kept.store_bytes / 1e12 * c["store_memory_gib_per_tb"] * _GIB
        played = d.viewers * self.watched_mbps * 1e6 * c["playback_share"]
        return Need(
            cores, memory, taken * c["redundancy"], taken * (c["redundancy"] - 1) + played,
            kept.store_bytes,
        )  # fmt: skip

    def disks(self, kept: Plan, shape: MachineShape) -> int:
        """Of the store: what all data need, and those of the machines that may be lost."""
        needed = math.ceil(kept.store_bytes / (shape.disk_tb * 1e12) - 1e-9)
        return needed + self.demand.nodes_lost * min(needed, shape.disks)

    def role(self, role: Role, need: Need, shape: MachineShape) -> RolePlan:
        """How many machines of a role."""
        lost = self.demand.nodes_lost
        if need == Need():
            return RolePlan(role, need, 0, 0, "nothing", 0.0, 0.0)
        count, scarcest = _machines(need, shape, self.c["fill"])
        if role == "store":
            disks = math.ceil(need.disk_bytes / (shape.disk_tb * 1e12) - 1e-9)
            by_disks = math.ceil(disks / shape.disks)
            if by_disks >= count:
                count, scarcest = by_disks, "disks"
            if lost and count + lost < self.c["store_least_machines"]:
                # Parts of an object lie on machines of their own.
                count, scarcest = round(self.c["store_least_machines"]) - lost, "redundancy"
        if role == "database":
            # All of it is on each: one writes, the others follow.
            count = 1
        count = max(count, 1)
        return RolePlan(
            role, need, count + lost, lost, scarcest, need.in_bps / count, need.out_bps / count
        )

    def warnings(
        self, kept: Plan, database: Need, shape: MachineShape
    ) -> list[tuple[str, Mapping[str, object]]]:
        """What should be thought over before anything is bought."""
        d, c = self.demand, self.c
        found: list[tuple[str, Mapping[str, object]]] = []
        if kept.put_per_s > c["put_per_s_limit"] and d.segment_s < 300:
            found.append(("many_objects", {"put_per_s": round(kept.put_per_s), "segment_s": 300}))
        share = self.segments_per_s / c["segments_written"]
        if share > 0.5:
            found.append(("writer_busy", {"percent": round(100 * share)}))
        outgrown, scarcest = _machines(database, shape, c["fill"])
        if outgrown > 1:
            found.append(("database_outgrown", {"scarcest": scarcest, "times": outgrown}))
        if d.days < 30:
            found.append(("below_30_days", {"days": d.days}))
        if d.nodes_lost == 0 and d.cameras > 500:
            found.append(("nothing_spare", {}))
        return found
