"""An ONVIF device to order: a camera or recorder with faults, that counts what it is asked.

It reads requests with another parser than ours, strictly, and looks operations up by their full
names: a request in a wrong namespace is refused as a device would refuse it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from tests.peers.onvif_footage import FootageAnswers
from tests.peers.onvif_media import MediaAnswers
from tests.peers.onvif_steering import SteeringAnswers
from tests.peers.onvif_terms import (
    NAMES,
    PREFIXES,
    Fault,
    Habits,
    duration_s,
    envelope,
    md5,
    soap_fault,
    stamp,
)

_WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
_WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
_SIGNATURE_S = 5
REALM = "onvif-device"


@dataclass
class _Subscription:
    waiting: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    until: float = 0.0
    consumer: str = ""


class OnvifDevice(MediaAnswers, SteeringAnswers, FootageAnswers):
    """Listens on a free loopback port within ``async with``."""

    def __init__(
        self, habits: Habits | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.habits = habits or Habits()
        self.host = host
        self.port = port
        self.asked: Counter[str] = Counter()
        self.wrong_passwords = 0
        self.moves: list[str] = []
        self.presets: dict[str, str] = {"1": "大门", "2": "后院"}
        self.encoders: dict[str, dict[str, int]] = {}
        self.subscriptions: dict[str, _Subscription] = {}
        self.rebooted = 0
        self.keyframes: list[str] = []
        self.tours: dict[str, str] = {}
        self.set_times: list[ElementTree.Element] = []
        self.searches: set[str] = set()
        # Told when somebody asks for a synchronization point.
        self.states: list[str] = []
        self.news = asyncio.Event()
        self._nonces: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        for channel in range(1, self.habits.channels + 1):
            self.encoders[f"enc_{channel}_main"] = {"w": 2560, "h": 1440, "fps": 25, "kbps": 4096}
            self.encoders[f"enc_{channel}_sub"] = {"w": 704, "h": 576, "fps": 15, "kbps": 512}

    async def __aenter__(self) -> OnvifDevice:
        application = web.Application(client_max_size=1 << 20)
        application.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        assert self._session is not None
        await self._session.close()
        await self._runner.cleanup()

    @property
    def now_s(self) -> float:
        """By its own clock."""
        return time.time() + self.habits.skew_s

    async def until(self, condition: Callable[[OnvifDevice], object]) -> None:
        """Wait for what it is asked."""
        async with asyncio.timeout(20):
            while not condition(self):
                self.news.clear()
                await self.news.wait()

    def fire(
        self,
        topic: str,
        *,
        source: dict[str, str] | None = None,
        data: dict[str, str] | None = None,
        operation: str = "Changed",
    ) -> None:
        """Tell every subscriber."""
        message = self.notification(topic, source or {}, data or {}, operation)
        for one in self.subscriptions.values():
            if one.consumer:
                task = asyncio.get_running_loop().create_task(self._post(one.consumer, message))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                one.waiting.put_nowait(message)

    def notification(
        self, topic: str, source: dict[str, str], data: dict[str, str], operation: str
    ) -> str:
        """A NotificationMessage as text."""

        def items(values: dict[str, str]) -> str:
            return "".join(
                f'<tt:SimpleItem Name="{name}" Value="{value}"/>' for name, value in values.items()
            )

        operated = f' PropertyOperation="{operation}"' if operation else ""
        return (
            "<wsnt:NotificationMessage>"
            f'<wsnt:Topic Dialect="x">{topic}</wsnt:Topic><wsnt:Message>'
            f'<tt:Message UtcTime="{stamp(self.now_s)}"{operated}>'
            f"<tt:Source>{items(source)}</tt:Source><tt:Data>{items(data)}</tt:Data>"
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )

    async def _post(self, consumer: str, message: str) -> None:
        body = envelope(f"<wsnt:Notify>{message}</wsnt:Notify>")
        assert self._session is not None
        async with self._session.post(consumer, data=body) as response:
            await response.read()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        root = ElementTree.fromstring(data)
        body = root.find("s:Body", NAMES)
        assert body is not None
        asked = body[0]
        uri, _, operation = asked.tag[1:].partition("}")
        name = f"{PREFIXES.get(uri, uri)}:{operation}"
        if name.startswith("tds:") and request.path != self.habits.service_path:
            return web.Response(status=404)
        self.asked[operation] += 1
        self.news.set()
        open_to_all = operation == "GetSystemDateAndTime" and not self.habits.clock_needs_password
        if not open_to_all and not self._is_signed(request, root):
            if self.habits.sign_in == "http":
                nonce = secrets.token_hex(8)
                self._nonces[nonce] = self.habits.nonce_uses
                challenge = f'Digest realm="{REALM}", nonce="{nonce}", qop="auth", algorithm=MD5'
                return web.Response(status=401, headers={"WWW-Authenticate": challenge})
            return soap_fault("ter:NotAuthorized", "Sender not Authorized", 400)
        if operation in self.habits.hangs_up:
            self.habits.hangs_up.remove(operation)
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if operation in self.habits.broken:
            return web.Response(
                body=self.habits.broken[operation], content_type="application/soap+xml"
            )
        handler = _HANDLERS.get(name)
        if handler is None or {operation, name} & self.habits.unknown:
            return soap_fault("ter:ActionNotSupported", "Optional Action Not Implemented", 500)
        if operation in self.habits.forbidden:
            return soap_fault("ter:NotAuthorized", "Sender not Authorized", 400)
        try:
            answer = handler(self, asked, request)
            if asyncio.iscoroutine(answer):
                answer = await answer
        except Fault as fault:
            return soap_fault(fault.subcode, str(fault), fault.status)
        prefix = name.partition(":")[0]
        text = f"<{prefix}:{operation}Response>{answer}</{prefix}:{operation}Response>"
        return web.Response(body=envelope(text), content_type="application/soap+xml")

    def _is_signed(self, request: web.Request, root: ElementTree.Element) -> bool:
        habits = self.habits
        if habits.sign_in == "none":
            return True
        if habits.sign_in == "http":
            header = request.headers.get("Authorization", "")
            if not header:
                return False
            told = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
            first = md5(f"{habits.username}:{REALM}:{habits.password}")
            second = md5(f"POST:{request.path_qs}")
            right = md5(
                f"{first}:{told['nonce']}:{told['nc']}:{told['cnonce']}:{told['qop']}:{second}"
            )
            right_password = told["response"] == right
            self.wrong_passwords += not right_password
            self._nonces[told["nonce"]] -= 1
            return right_password and self._nonces[told["nonce"]] >= 0
        token = root.find(f".//{_WSSE}UsernameToken")
        if token is None:
            return False
        nonce = base64.b64decode(token.findtext(f"{_WSSE}Nonce") or "")
        created = token.findtext(f"{_WSU}Created") or ""
        digest = base64.b64encode(
            hashlib.sha1(nonce + created.encode() + habits.password.encode()).digest()
        ).decode()
        fresh = abs(datetime.fromisoformat(created).timestamp() - self.now_s) < _SIGNATURE_S
        good = (
            token.findtext(f"{_WSSE}Username") == habits.username
            and token.findtext(f"{_WSSE}Password") == digest
            and fresh
        )
        self.wrong_passwords += not good
        return good

    def told_base(self, request: web.Request) -> str:
        """``http://…`` as it tells it."""
        return f"http://{self.habits.told_host or request.host.partition(':')[0]}:{self.port}"

    def told_host(self, request: web.Request) -> str:
        return self.habits.told_host or request.host.partition(":")[0]

    # Device

    def _clock(self, _: ElementTree.Element, __: web.Request) -> str:
        moment = datetime.fromtimestamp(self.now_s, UTC)
        return (
            "<tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings>"
            f"<tt:TimeZone><tt:TZ>{self.habits.zone}</tt:TZ></tt:TimeZone>"
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{moment.hour}</tt:Hour>"
            f"<tt:Minute>{moment.minute}</tt:Minute><tt:Second>{moment.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{moment.year}</tt:Year>"
            f"<tt:Month>{moment.month}</tt:Month><tt:Day>{moment.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></tds:SystemDateAndTime>"
        )

    def _set_clock(self, asked: ElementTree.Element, _: web.Request) -> str:
        def number(name: str) -> int:
            return int(asked.findtext(f".//tt:{name}", "", NAMES))

        moment = datetime(
            *(number(one) for one in ("Year", "Month", "Day", "Hour", "Minute", "Second")),
            tzinfo=UTC,
        )
        self.habits.skew_s = moment.timestamp() - time.time()
        self.habits.zone = asked.findtext(".//tt:TZ", "", NAMES)
        self.set_times.append(asked)
        return ""

    def _information(self, _: ElementTree.Element, __: web.Request) -> str:
        return (
            "<tds:Manufacturer>海康</tds:Manufacturer><tds:Model>DS-2CD</tds:Model>"
            "<tds:FirmwareVersion>V5.7</tds:FirmwareVersion>"
            "<tds:SerialNumber>SN 7</tds:SerialNumber><tds:HardwareId>88</tds:HardwareId>"
        )

    def _services(self, _: ElementTree.Element, request: web.Request) -> str:
        offered = ["tds", "trt", "tptz", "timg", "tev", "tse", "trp"]
        if self.habits.media2:
            offered.append("tr2")
        if not self.habits.recordings:
            offered = [one for one in offered if one not in ("tse", "trp")]
        paths = {one: f"/onvif/{one}" for one in offered} | {"tds": self.habits.service_path}
        return "".join(
            f"<tds:Service><tds:Namespace>{NAMES[one]}</tds:Namespace>"
            f"<tds:XAddr>{self.told_base(request)}{paths[one]}</tds:XAddr></tds:Service>"
            for one in offered
        )

    def _capabilities(self, _: ElementTree.Element, request: web.Request) -> str:
        base = self.told_base(request)
        return (
            f"<tds:Capabilities><tt:Media><tt:XAddr>{base}/onvif/trt</tt:XAddr></tt:Media>"
            f"<tt:PTZ><tt:XAddr>{base}/onvif/tptz</tt:XAddr></tt:PTZ></tds:Capabilities>"
        )

    def _scopes(self, _: ElementTree.Element, __: web.Request) -> str:
        return (
            "<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>"
            "onvif://www.onvif.org/name/%E6%9D%91%E5%8F%A3</tt:ScopeItem></tds:Scopes>"
        )

    def _reboot(self, _: ElementTree.Element, __: web.Request) -> str:
        self.rebooted += 1
        return "<tds:Message>Rebooting in 30 seconds</tds:Message>"

    # Events

    def _subscribed(self, request: web.Request, consumer: str, seconds: float) -> str:
        token = secrets.token_hex(4)
        lifetime_s = self.habits.lifetime_s or seconds
        self.subscriptions[token] = _Subscription(until=self.now_s + lifetime_s, consumer=consumer)
        if self.habits.reference_parameters:
            address = f"{self.told_base(request)}/onvif/subscription"
            extra = (
                "<wsa:ReferenceParameters>"
                f'<axis:Id xmlns:axis="urn:axis">{token}</axis:Id></wsa:ReferenceParameters>'
            )
        else:
            address, extra = f"{self.told_base(request)}/onvif/subscription?token={token}", ""
        return (
            f"<{{}}:SubscriptionReference><wsa:Address>{address}</wsa:Address>{extra}"
            f"</{{}}:SubscriptionReference><wsnt:CurrentTime>{stamp(self.now_s)}"
            f"</wsnt:CurrentTime><wsnt:TerminationTime>{stamp(self.now_s + lifetime_s)}"
            "</wsnt:TerminationTime>"
        )

    def _create_pull_point(self, asked: ElementTree.Element, request: web.Request) -> str:
        if not self.habits.pull_points:
            raise Fault("ter:ActionNotSupported", "no pull points", 500)
        seconds = duration_s(asked.findtext("tev:InitialTerminationTime", "PT60S", NAMES))
        told = self._subscribed(request, "", seconds).format("tev", "tev")
        one = list(self.subscriptions.values())[-1]
        one.waiting.put_nowait(
            self.notification(
                "tns1:RuleEngine/CellMotionDetector/Motion",
                {"VideoSourceConfigurationToken": "vsc_1", "Rule": "Motion"},
                {"IsMotion": "false"},
                "Initialized",
            )
        )
        return told

    def _subscribe(self, asked: ElementTree.Element, request: web.Request) -> str:
        if not self.habits.base_subscriptions:
            raise Fault("ter:ActionNotSupported", "no base subscriptions", 500)
        consumer = asked.findtext("wsnt:ConsumerReference/wsa:Address", "", NAMES)
        seconds = duration_s(asked.findtext("wsnt:InitialTerminationTime", "PT60S", NAMES))
        return self._subscribed(request, consumer, seconds).format("wsnt", "wsnt")

    async def _subscription(self, request: web.Request) -> _Subscription:
        token = request.query.get("token", "")
        if self.habits.reference_parameters:
            root = ElementTree.fromstring(await request.read())
            token = root.findtext("s:Header/{urn:axis}Id", "", NAMES)
        one = self.subscriptions.get(token)
        if one is None or one.until < self.now_s:
            raise Fault("wsrf-rw:ResourceUnknownFault", "The subscription does not exist", 400)
        return one

    async def _pull(self, asked: ElementTree.Element, request: web.Request) -> str:
        one = await self._subscription(request)
        limit = int(asked.findtext("tev:MessageLimit", "1", NAMES))
        seconds = duration_s(asked.findtext("tev:Timeout", "PT1S", NAMES))
        if seconds > self.habits.pull_limit_s:
            raise Fault("ter:InvalidArgVal", "the timeout is too long", 400)
        messages = []
        try:
            async with asyncio.timeout(seconds):
                messages.append(await one.waiting.get())
        except TimeoutError:
            pass
        while len(messages) < limit and not one.waiting.empty():
            messages.append(one.waiting.get_nowait())
        return (
            f"<tev:CurrentTime>{stamp(self.now_s)}</tev:CurrentTime>"
            f"<tev:TerminationTime>{stamp(one.until)}</tev:TerminationTime>{''.join(messages)}"
        )

    async def _renew(self, asked: ElementTree.Element, request: web.Request) -> str:
        one = await self._subscription(request)
        seconds = duration_s(asked.findtext("wsnt:TerminationTime", "PT60S", NAMES))
        one.until = self.now_s + (self.habits.lifetime_s or seconds)
        return (
            f"<wsnt:TerminationTime>{stamp(one.until)}</wsnt:TerminationTime>"
            f"<wsnt:CurrentTime>{stamp(self.now_s)}</wsnt:CurrentTime>"
        )

    async def _tell_states(self, _: ElementTree.Element, request: web.Request) -> str:
        one = await self._subscription(request)
        for message in self.states:
            one.waiting.put_nowait(message)
        return ""

    async def _unsubscribe(self, _: ElementTree.Element, request: web.Request) -> str:
        one = await self._subscription(request)
        token = next(token for token, other in self.subscriptions.items() if other is one)
        del self.subscriptions[token]
        return ""


_HANDLERS: dict[str, Callable[..., object]] = {
    "tds:GetSystemDateAndTime": OnvifDevice._clock,
    "tds:SetSystemDateAndTime": OnvifDevice._set_clock,
    "tds:GetDeviceInformation": OnvifDevice._information,
    "tds:GetServices": OnvifDevice._services,
    "tds:GetCapabilities": OnvifDevice._capabilities,
    "tds:GetScopes": OnvifDevice._scopes,
    "tds:SystemReboot": OnvifDevice._reboot,
    "trt:GetProfiles": OnvifDevice._profiles_1,
    "trt:GetStreamUri": OnvifDevice._stream_uri,
    "trt:GetSnapshotUri": OnvifDevice._snapshot_uri,
    "trt:GetVideoEncoderConfiguration": OnvifDevice._get_encoder_1,
    "trt:GetVideoEncoderConfigurationOptions": OnvifDevice._encoder_options_1,
    "trt:SetVideoEncoderConfiguration": OnvifDevice._set_encoder_1,
    "trt:GetOSDs": OnvifDevice._overlays,
    "tr2:GetOSDs": OnvifDevice._overlays,
    "trt:SetSynchronizationPoint": OnvifDevice._keyframe,
    "tr2:GetProfiles": OnvifDevice._profiles_2,
    "tr2:GetStreamUri": OnvifDevice._stream_uri,
    "tr2:GetSnapshotUri": OnvifDevice._snapshot_uri,
    "tr2:GetVideoEncoderConfigurations": OnvifDevice._get_encoder_2,
    "tr2:GetVideoEncoderConfigurationOptions": OnvifDevice._encoder_options_2,
    "tr2:SetVideoEncoderConfiguration": OnvifDevice._set_encoder_2,
    "tr2:SetSynchronizationPoint": OnvifDevice._keyframe,
    "tptz:GetNode": OnvifDevice._ptz_node,
    "tptz:ContinuousMove": OnvifDevice._moved,
    "tptz:AbsoluteMove": OnvifDevice._moved,
    "tptz:RelativeMove": OnvifDevice._moved,
    "tptz:Stop": OnvifDevice._moved,
    "tptz:GotoPreset": OnvifDevice._moved,
    "tptz:GotoHomePosition": OnvifDevice._moved,
    "tptz:SetHomePosition": OnvifDevice._moved,
    "tptz:SendAuxiliaryCommand": OnvifDevice._moved,
    "tptz:OperatePresetTour": OnvifDevice._moved,
    "tptz:GetPresets": OnvifDevice._list_presets,
    "tptz:SetPreset": OnvifDevice._set_preset,
    "tptz:RemovePreset": OnvifDevice._remove_preset,
    "tptz:CreatePresetTour": OnvifDevice._create_tour,
    "tptz:ModifyPresetTour": OnvifDevice._modify_tour,
    "tptz:GetPresetTours": OnvifDevice._list_tours,
    "tptz:RemovePresetTour": OnvifDevice._remove_tour,
    "timg:Move": OnvifDevice._moved,
    "timg:Stop": OnvifDevice._moved,
    "tev:CreatePullPointSubscription": OnvifDevice._create_pull_point,
    "tev:PullMessages": OnvifDevice._pull,
    "tev:SetSynchronizationPoint": OnvifDevice._tell_states,
    "wsnt:Subscribe": OnvifDevice._subscribe,
    "wsnt:Renew": OnvifDevice._renew,
    "wsnt:Unsubscribe": OnvifDevice._unsubscribe,
    "tse:FindRecordings": OnvifDevice._find_recordings,
    "tse:GetRecordingSearchResults": OnvifDevice._recording_results,
    "tse:FindEvents": OnvifDevice._find_events,
    "tse:GetEventSearchResults": OnvifDevice._event_results,
    "tse:EndSearch": OnvifDevice._end_search,
    "trp:GetReplayUri": OnvifDevice._replay_uri,
}
