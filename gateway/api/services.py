"""What the routes work with: one object, made at start, reached through the request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Protocol, cast

import aiohttp
from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection

from gateway.alarms.watch import AlarmWatch
from gateway.api.alarm_documents import AlarmNews
from gateway.api.alarm_notice_news import AlarmNotice, watch_alarm_notices
from gateway.api.analysis_watch import AnalysisWatch
from gateway.api.analysts import Analysts
from gateway.api.device_recordings import DeviceRecordingsCache
from gateway.api.incident_news import IncidentNews, watch_incidents
from gateway.api.live_places import LivePlaces
from gateway.api.meeting_news import MeetingNews, watch_meetings
from gateway.api.neighbours import Neighbours, ToldEvent
from gateway.api.processes import Processes
from gateway.api.request_times import RequestTimes
from gateway.api.states import CameraStates
from gateway.api.steering_states import SteeringStates
from gateway.api.storage import StorageWatch
from gateway.assist.watch import AssistNews, watch_assist
from gateway.cluster.lifetime import LoopLag
from gateway.goals.reading import Goals
from gateway.health.conditions import health_conditions
from gateway.news import Listeners, NewsWatch
from gateway.notices.news import NoticeNews, watch_notices
from gateway.people.authorize import Principal
from gateway.rate_rows import SharedPerMinute
from gateway.seldom import Seldom
from gateway.settings import Settings
from gateway.sheets.jobs import ImportJobs
from gateway.tickets import TicketSigner
from recorder.rows import RowWriter

if TYPE_CHECKING:
    # Cost a gateway without them half a second at its start.
    from gateway.people.oidc import Provider
    from search.index.likeness import OwnVectors


class Listener(Protocol):
    """Somebody who is told what changes, as far as they may see it."""

    principal: Principal

    def take_principal(self, principal: Principal | None) -> None:
        """The grants of this moment; None when the sign-in has ended."""


@dataclass(slots=True)
class Services:
    """Everything a route may need. ``secret`` is the cluster's."""

    settings: Settings
    secret: bytes = field(repr=False)
    reader: AsyncEngine
    rows: RowWriter
    signer: TicketSigner
    processes: Processes
    states: CameraStates
    storage: StorageWatch
    http: aiohttp.ClientSession
    lag: LoopLag
    # Of this process; empty where there are no others.
    name: str = ""
    neighbours: Neighbours = field(init=False)
    live_places: LivePlaces = field(init=False)
    imports: ImportJobs = field(init=False)
    steering: SteeringStates = field(init=False)
    alarm_watch: AlarmWatch = field(init=False)
    analysts: Analysts = field(init=False)
    analysis: AnalysisWatch = field(init=False)
    alarms: AlarmNews = field(init=False)
    alarm_notices: NewsWatch[AlarmNotice] = field(init=False)
    device_recordings: DeviceRecordingsCache = field(init=False)
    meetings: NewsWatch[MeetingNews] = field(init=False)
    # The paths of sites that are asked to test their devices.
    site_checks: Listeners[frozenset[str]] = field(default_factory=Listeners)
    incidents: NewsWatch[IncidentNews] = field(init=False)
    assist: NewsWatch[AssistNews] = field(init=False)
    notices: NewsWatch[NoticeNews] = field(init=False)
    goals: Goals = field(init=False)
    # How long requests took.
    request_times: RequestTimes = field(default_factory=RequestTimes)
    # Token hashes of sign-ins that were used and are to be prolonged at the next sweep.
    used_sign_ins: set[str] = field(default_factory=set)
    # Sign-ins and tokens that were refused lately: each is on record once in a while.
    refused_sign_ins: Seldom = field(default_factory=Seldom)
    # Who looked lately at where workers are: a map asks every few seconds.
    looks_at_workers: Seldom = field(default_factory=Seldom)
    # What people were refused lately, for the same.
    refused_accesses: Seldom = field(default_factory=Seldom)
    # How many searches each person has running.
    searching: Counter[str] = field(default_factory=Counter)
    # The readers of rows are shared with all other requests.
    search_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    # How often each person writes into a meeting: it goes to everybody who is in it.
    said: SharedPerMinute = field(init=False)
    # How often each guest joins: a page that lost its line tries every other second.
    guests_joining: SharedPerMinute = field(init=False)
    # How often each person looks at pictures to search by: each costs a worker a second.
    looks: SharedPerMinute = field(init=False)
    # How often a meeting's code is tried from each address: it is read out in a hall full of people
    # behind one.
    codes_tried: SharedPerMinute = field(init=False)
    # How often a wrong one is tried for each meeting: ten times what one address may, so that
    # nobody alone keeps its guests out, and next to nothing against 50 bits.
    codes_wrong: SharedPerMinute = field(init=False)
    # How often each person reports from the field: a telephone that was away sends a day's at once.
    field_reports: SharedPerMinute = field(init=False)
    # The vectors of search on this machine's disk, once they were asked.
    vectors: OwnVectors | None = None
    # The identity provider, once it was asked.
    identity_provider: Provider | None = None
    # Whether this process does what is done once for all API processes.
    leading: bool = False
    # Who hears of events, and must not when their rights are gone.
    audience: set[Listener] = field(default_factory=set)
    # Set when rights may have gone: what that ends is looked for at once.
    rights_changed: ToldEvent = field(init=False)
    # Sessions that a process was told to end and has not answered: (process, call) → their ids.
    unrevoked: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    # Called with (user id, session ids) when sessions are revoked.
    revocation_listeners: set[Callable[[str, list[str]], None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.neighbours = Neighbours(self.processes, self.name)
        self.live_places = LivePlaces(self.processes, self.settings.live.viewers_per_shard)
        self.rights_changed = ToldEvent(self.neighbours, "rights")
        self.imports = ImportJobs(
            self.settings, self.rows, self.processes.configuration_changed, self.name
        )
        self.said = SharedPerMinute(self.rows, "said", 30)
        self.guests_joining = SharedPerMinute(self.rows, "guests_joining", 40)
        self.looks = SharedPerMinute(self.rows, "looks", 20)
        self.field_reports = SharedPerMinute(self.rows, "field_reports", 30)
        self.codes_tried = SharedPerMinute(self.rows, "codes_tried", 60)
        self.codes_wrong = SharedPerMinute(self.rows, "codes_wrong", 600)
        self.steering = SteeringStates(self.processes)
        self.analysts = Analysts(self.settings, self.processes, self.reader)
        self.alarm_watch = AlarmWatch(self.settings.alarms, self.reader, self.rows, self.states)
        self.analysis = AnalysisWatch(self.settings, self.analysts)
        self.alarm_watch.tell_others = lambda ids: self.neighbours.tell("alarms", ids=list(ids))
        self.alarm_watch.further.append(self.analysis.conditions.all)
        self.alarm_watch.further.append(self.storage.conditions.all)
        self.alarm_watch.further_unknown.append(self.storage.conditions.unknown)
        self.alarm_watch.further_rows.append(health_conditions)
        self.alarms = AlarmNews(self.reader, self.alarm_watch)
        self.alarm_notices = watch_alarm_notices(self.reader)
        self.device_recordings = DeviceRecordingsCache(self.processes)
        self.meetings = watch_meetings(self.reader)
        self.incidents = watch_incidents(self.reader)
        self.assist = watch_assist(self.reader)
        self.notices = watch_notices(self.reader)
        self.goals = Goals(self.reader, self.states)


def _services(connection: HTTPConnection) -> Services:
    return cast("Services", connection.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]
