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

NAMES = {
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tse": "http://www.onvif.org/ver10/search/wsdl",
    "trp": "http://www.onvif.org/ver10/replay/wsdl",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "tt": "http://www.onvif.org/ver10/schema",
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tns1": "http://www.onvif.org/ver10/topics",
}
_PREFIX = {uri: prefix for prefix, uri in NAMES.items()}
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMES.items())
_WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
_WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
_SIGNATURE_S = 5
REALM = "onvif-device"


@dataclass
class Habits:
    """How it behaves. ``sign_in``: ``token`` (WS-Security), ``http`` (digest), ``none``.

    ``nonce_uses`` is how often one of its nonces is good, which it does not say when it refuses.
    ``pull_limit_s`` is the longest pull that it takes. ``told_host`` is what it tells as its own;
    ``broken`` maps operations to whole answers; ``unknown`` are operations that it does not have.
    """

    username: str = "admin"
    password: str = "right 密码"
    sign_in: str = "token"
    nonce_uses: int = 1000
    pull_limit_s: float = 3600.0
    clock_needs_password: bool = False
    skew_s: float = 0.0
    zone: str = "CST-8"
    channels: int = 1
    media2: bool = False
    told_host: str = ""
    rtsp: str = "rtsp://{host}:554/ch{channel}/{stream}"
    pull_points: bool = True
    base_subscriptions: bool = True
    reference_parameters: bool = False
    lifetime_s: float | None = None
    broken: dict[str, bytes] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    # Closes the connection instead of an answer, once for each.
    hangs_up: list[str] = field(default_factory=list)
    # Titles in the pictures, by channel number.
    titles: dict[int, str] = field(default_factory=dict)
    # (start_us, end_us) of footage on its own storage, by channel number.
    recordings: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    find_events: bool = True
    replay: str = "rtsp://{host}:554/replay/{recording}"


@dataclass
class _Subscription:
    waiting: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    until: float = 0.0
    consumer: str = ""


class Fault(Exception):
    """A SOAP fault as the device's answer."""

    def __init__(self, subcode: str, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.subcode = subcode
        self.status = status


class OnvifDevice:
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
            f'<tt:Message UtcTime="{_stamp(self.now_s)}"{operated}>'
            f"<tt:Source>{items(source)}</tt:Source><tt:Data>{items(data)}</tt:Data>"
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )

    async def _post(self, consumer: str, message: str) -> None:
        body = _envelope(f"<wsnt:Notify>{message}</wsnt:Notify>")
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
        name = f"{_PREFIX.get(uri, uri)}:{operation}"
        self.asked[operation] += 1
        self.news.set()
        open_to_all = operation == "GetSystemDateAndTime" and not self.habits.clock_needs_password
        if not open_to_all and not self._is_signed(request, root):
            if self.habits.sign_in == "http":
                nonce = secrets.token_hex(8)
                self._nonces[nonce] = self.habits.nonce_uses
                challenge = f'Digest realm="{REALM}", nonce="{nonce}", qop="auth", algorithm=MD5'
                return web.Response(status=401, headers={"WWW-Authenticate": challenge})
            return _fault("ter:NotAuthorized", "Sender not Authorized", 400)
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
            return _fault("ter:ActionNotSupported", "Optional Action Not Implemented", 500)
        if operation in self.habits.forbidden:
            return _fault("ter:NotAuthorized", "Sender not Authorized", 400)
        try:
            answer = handler(self, asked, request)
            if asyncio.iscoroutine(answer):
                answer = await answer
        except Fault as fault:
            return _fault(fault.subcode, str(fault), fault.status)
        prefix = name.partition(":")[0]
        text = f"<{prefix}:{operation}Response>{answer}</{prefix}:{operation}Response>"
        return web.Response(body=_envelope(text), content_type="application/soap+xml")

    def _is_signed(self, request: web.Request, root: ElementTree.Element) -> bool:
        habits = self.habits
        if habits.sign_in == "none":
            return True
        if habits.sign_in == "http":
            header = request.headers.get("Authorization", "")
            if not header:
                return False
            told = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
            first = _md5(f"{habits.username}:{REALM}:{habits.password}")
            second = _md5(f"POST:{request.path_qs}")
            right = _md5(
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

    def _host(self, request: web.Request) -> str:
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
        return "".join(
            f"<tds:Service><tds:Namespace>{NAMES[one]}</tds:Namespace>"
            f"<tds:XAddr>{self.told_base(request)}/onvif/{one}</tds:XAddr></tds:Service>"
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

    # Media

    def _profiles_1(self, _: ElementTree.Element, __: web.Request) -> str:
        return "".join(
            f'<trt:Profiles token="prof_{channel}_{stream}" fixed="true">'
            f"<tt:Name>{stream}Stream</tt:Name>"
            f'<tt:VideoSourceConfiguration token="vsc_{channel}"><tt:Name>v</tt:Name>'
            f"<tt:SourceToken>vs_{channel}</tt:SourceToken></tt:VideoSourceConfiguration>"
            f"{self._encoder_1('tt:VideoEncoderConfiguration', f'enc_{channel}_{stream}')}"
            '<tt:PTZConfiguration token="ptz"><tt:NodeToken>node</tt:NodeToken>'
            "</tt:PTZConfiguration></trt:Profiles>"
            for channel in range(1, self.habits.channels + 1)
            for stream in ("sub", "main")
        )

    def _encoder_1(self, element: str, token: str) -> str:
        one = self.encoders[token]
        return (
            f'<{element} token="{token}" maker:extra="kept" xmlns:maker="urn:maker">'
            "<tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>"
            f"<tt:Resolution><tt:Width>{one['w']}</tt:Width><tt:Height>{one['h']}</tt:Height>"
            "</tt:Resolution><tt:Quality>3</tt:Quality><tt:RateControl>"
            f"<tt:FrameRateLimit>{one['fps']}</tt:FrameRateLimit>"
            "<tt:EncodingInterval>1</tt:EncodingInterval>"
            f"<tt:BitrateLimit>{one['kbps']}</tt:BitrateLimit></tt:RateControl>"
            f"<tt:H264><tt:GovLength>{one.get('gop', 50)}</tt:GovLength>"
            "<tt:H264Profile>Main</tt:H264Profile></tt:H264>"
            "<maker:Smart>true</maker:Smart><tt:SessionTimeout>PT60S</tt:SessionTimeout>"
            f"</{element}>"
        )

    def _get_encoder_1(self, asked: ElementTree.Element, _: web.Request) -> str:
        token = asked.findtext("trt:ConfigurationToken", "", NAMES)
        return self._encoder_1("trt:Configuration", token)

    def _encoder_options_1(self, _: ElementTree.Element, __: web.Request) -> str:
        return (
            "<trt:Options><tt:H264><tt:ResolutionsAvailable><tt:Width>2560</tt:Width>"
            "<tt:Height>1440</tt:Height></tt:ResolutionsAvailable><tt:ResolutionsAvailable>"
            "<tt:Width>1280</tt:Width><tt:Height>720</tt:Height></tt:ResolutionsAvailable>"
            "<tt:GovLengthRange><tt:Min>1</tt:Min><tt:Max>400</tt:Max></tt:GovLengthRange>"
            "<tt:FrameRateRange><tt:Min>1</tt:Min><tt:Max>25</tt:Max></tt:FrameRateRange>"
            "</tt:H264><tt:Extension><tt:H264><tt:BitrateRange><tt:Min>32</tt:Min>"
            "<tt:Max>8192</tt:Max></tt:BitrateRange></tt:H264></tt:Extension></trt:Options>"
        )

    def _set_encoder_1(self, asked: ElementTree.Element, _: web.Request) -> str:
        node = asked.find("trt:Configuration", NAMES)
        assert node is not None
        one = self.encoders[node.attrib["token"]]
        if node.findtext("{urn:maker}Smart") != "true":
            raise Fault("ter:ConfigModify", "what the maker added is missing")
        names = {
            "w": "tt:Resolution/tt:Width",
            "h": "tt:Resolution/tt:Height",
            "fps": "tt:RateControl/tt:FrameRateLimit",
            "kbps": "tt:RateControl/tt:BitrateLimit",
            "gop": "tt:H264/tt:GovLength",
        }
        for key, path in names.items():
            one[key] = int(node.findtext(path, "", NAMES))
        return ""

    def _profiles_2(self, _: ElementTree.Element, __: web.Request) -> str:
        return "".join(
            f'<tr2:Profiles token="m2_{channel}_{stream}"><tr2:Name>{stream}</tr2:Name>'
            f'<tr2:Configurations><tr2:VideoSource token="vsc_{channel}"><tt:Name>v</tt:Name>'
            f"<tt:SourceToken>vs_{channel}</tt:SourceToken></tr2:VideoSource>"
            f"{self._encoder_2('tr2:VideoEncoder', f'enc_{channel}_{stream}')}"
            '<tr2:PTZ token="ptz"><tt:NodeToken>node</tt:NodeToken></tr2:PTZ>'
            "</tr2:Configurations></tr2:Profiles>"
            for channel in range(1, self.habits.channels + 1)
            for stream in ("main", "sub")
        )

    def _encoder_2(self, element: str, token: str) -> str:
        one = self.encoders[token]
        codec = "H265" if token.endswith("main") else "H264"
        return (
            f'<{element} token="{token}" GovLength="{one.get("gop", 50)}" Profile="Main">'
            f"<tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>{codec}</tt:Encoding>"
            f"<tt:Resolution><tt:Width>{one['w']}</tt:Width><tt:Height>{one['h']}</tt:Height>"
            "</tt:Resolution><tt:RateControl ConstantBitRate='false'>"
            f"<tt:FrameRateLimit>{one['fps']}</tt:FrameRateLimit>"
            f"<tt:BitrateLimit>{one['kbps']}</tt:BitrateLimit></tt:RateControl>"
            f"<tt:Quality>3</tt:Quality></{element}>"
        )

    def _get_encoder_2(self, asked: ElementTree.Element, _: web.Request) -> str:
        token = asked.findtext("tr2:ConfigurationToken", "", NAMES)
        return self._encoder_2("tr2:Configurations", token)

    def _encoder_options_2(self, _: ElementTree.Element, __: web.Request) -> str:
        return (
            '<tr2:Options GovLengthRange="1 400" FrameRatesSupported="25 20 15 1">'
            "<tt:Encoding>H265</tt:Encoding><tt:ResolutionsAvailable><tt:Width>2560</tt:Width>"
            "<tt:Height>1440</tt:Height></tt:ResolutionsAvailable><tt:BitrateRange>"
            "<tt:Min>32</tt:Min><tt:Max>8192</tt:Max></tt:BitrateRange></tr2:Options>"
        )

    def _set_encoder_2(self, asked: ElementTree.Element, _: web.Request) -> str:
        node = asked.find("tr2:Configuration", NAMES)
        assert node is not None
        one = self.encoders[node.attrib["token"]]
        one["kbps"] = int(node.findtext("tt:RateControl/tt:BitrateLimit", "", NAMES))
        one["gop"] = int(node.attrib["GovLength"])
        return ""

    def _stream_uri(self, asked: ElementTree.Element, request: web.Request) -> str:
        token = _text(asked, "ProfileToken")
        _, channel, stream = token.split("_")
        uri = self.habits.rtsp.format(host=self._host(request), channel=channel, stream=stream)
        if asked.tag.startswith("{" + NAMES["tr2"]):
            return f"<tr2:Uri>{uri}</tr2:Uri>"
        assert asked.findtext("trt:StreamSetup/tt:Transport/tt:Protocol", "", NAMES) == "RTSP"
        return f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri>"

    def _snapshot_uri(self, asked: ElementTree.Element, request: web.Request) -> str:
        uri = f"{self.told_base(request)}/snapshot/{_text(asked, 'ProfileToken')}"
        if asked.tag.startswith("{" + NAMES["tr2"]):
            return f"<tr2:Uri>{uri}</tr2:Uri>"
        return f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri>"

    def _overlays(self, asked: ElementTree.Element, _: web.Request) -> str:
        prefix = "tr2" if asked.tag.startswith("{" + NAMES["tr2"]) else "trt"
        return "".join(
            f'<{prefix}:OSDs token="osd_{channel}_{kind}"><tt:VideoSourceConfigurationToken>'
            f"vsc_{channel}</tt:VideoSourceConfigurationToken><tt:Type>Text</tt:Type>"
            f"<tt:TextString><tt:Type>{kind}</tt:Type>{text}</tt:TextString></{prefix}:OSDs>"
            for channel, title in self.habits.titles.items()
            for kind, text in (
                ("DateAndTime", ""),
                ("Plain", f"<tt:PlainText>{title}</tt:PlainText>"),
            )
        )

    def _keyframe(self, asked: ElementTree.Element, _: web.Request) -> str:
        self.keyframes.append(_text(asked, "ProfileToken"))
        return ""

    # PTZ and imaging

    def _ptz_node(self, _: ElementTree.Element, __: web.Request) -> str:
        return (
            '<tptz:PTZNode token="node"><tt:SupportedPTZSpaces><tt:AbsolutePanTiltPositionSpace/>'
            "<tt:RelativePanTiltTranslationSpace/><tt:ContinuousPanTiltVelocitySpace/>"
            "</tt:SupportedPTZSpaces><tt:MaximumNumberOfPresets>255</tt:MaximumNumberOfPresets>"
            "<tt:HomeSupported>true</tt:HomeSupported>"
            "<tt:AuxiliaryCommands>tt:Wiper|On</tt:AuxiliaryCommands><tt:Extension>"
            "<tt:SupportedPresetTour><tt:MaximumNumberOfPresetTours>4"
            "</tt:MaximumNumberOfPresetTours></tt:SupportedPresetTour></tt:Extension>"
            "</tptz:PTZNode>"
        )

    def _moved(self, asked: ElementTree.Element, _: web.Request) -> str:
        operation = asked.tag.partition("}")[2]
        places = [
            f"{name}={node.attrib.get('x')},{node.attrib.get('y', '')}"
            for node in asked.iter()
            for name in (node.tag.partition("}")[2],)
            if name in ("PanTilt", "Zoom") and node.attrib
        ]
        for word in ("Timeout", "PresetToken", "AuxiliaryData", "Operation", "Speed"):
            told = next((n.text for n in asked.iter() if n.tag.endswith("}" + word) and n.text), "")
            if told:
                places.append(told)
        self.moves.append(" ".join([operation, *places]))
        return ""

    def _list_presets(self, _: ElementTree.Element, __: web.Request) -> str:
        return "".join(
            f'<tptz:Preset token="{token}"><tt:Name>{name}</tt:Name></tptz:Preset>'
            for token, name in self.presets.items()
        )

    def _set_preset(self, asked: ElementTree.Element, _: web.Request) -> str:
        token = asked.findtext("tptz:PresetToken", "", NAMES) or str(len(self.presets) + 1)
        self.presets[token] = asked.findtext("tptz:PresetName", "", NAMES)
        return f"<tptz:PresetToken>{token}</tptz:PresetToken>"

    def _remove_preset(self, asked: ElementTree.Element, _: web.Request) -> str:
        if self.presets.pop(asked.findtext("tptz:PresetToken", "", NAMES), None) is None:
            raise Fault("ter:NoToken", "The requested preset token does not exist")
        return ""

    def _create_tour(self, _: ElementTree.Element, __: web.Request) -> str:
        token = f"tour_{len(self.tours) + 1}"
        self.tours[token] = "<tt:Name>new</tt:Name>"
        return f"<tptz:PresetTourToken>{token}</tptz:PresetTourToken>"

    def _modify_tour(self, asked: ElementTree.Element, _: web.Request) -> str:
        tour = asked.find("tptz:PresetTour", NAMES)
        assert tour is not None
        stops = [
            (spot.findtext("tt:PresetDetail/tt:PresetToken", "", NAMES), _text(spot, "StayTime"))
            for spot in tour.iterfind("tt:TourSpot", NAMES)
        ]
        self.tours[tour.attrib["token"]] = (
            f"<tt:Name>{tour.findtext('tt:Name', '', NAMES)}</tt:Name><tt:Status><tt:State>Idle"
            "</tt:State></tt:Status>"
            + "".join(
                f"<tt:TourSpot><tt:PresetDetail><tt:PresetToken>{token}</tt:PresetToken>"
                f"</tt:PresetDetail><tt:StayTime>{stay}</tt:StayTime></tt:TourSpot>"
                for token, stay in stops
            )
        )
        return ""

    def _list_tours(self, _: ElementTree.Element, __: web.Request) -> str:
        return "".join(
            f'<tptz:PresetTour token="{token}">{inner}</tptz:PresetTour>'
            for token, inner in self.tours.items()
        )

    def _remove_tour(self, asked: ElementTree.Element, _: web.Request) -> str:
        self.tours.pop(_text(asked, "PresetTourToken"))
        return ""

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
            f"</{{}}:SubscriptionReference><wsnt:CurrentTime>{_stamp(self.now_s)}"
            f"</wsnt:CurrentTime><wsnt:TerminationTime>{_stamp(self.now_s + lifetime_s)}"
            "</wsnt:TerminationTime>"
        )

    def _create_pull_point(self, asked: ElementTree.Element, request: web.Request) -> str:
        if not self.habits.pull_points:
            raise Fault("ter:ActionNotSupported", "no pull points", 500)
        seconds = _seconds(asked.findtext("tev:InitialTerminationTime", "PT60S", NAMES))
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
        seconds = _seconds(asked.findtext("wsnt:InitialTerminationTime", "PT60S", NAMES))
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
        seconds = _seconds(asked.findtext("tev:Timeout", "PT1S", NAMES))
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
            f"<tev:CurrentTime>{_stamp(self.now_s)}</tev:CurrentTime>"
            f"<tev:TerminationTime>{_stamp(one.until)}</tev:TerminationTime>{''.join(messages)}"
        )

    async def _renew(self, asked: ElementTree.Element, request: web.Request) -> str:
        one = await self._subscription(request)
        seconds = _seconds(asked.findtext("wsnt:TerminationTime", "PT60S", NAMES))
        one.until = self.now_s + (self.habits.lifetime_s or seconds)
        return (
            f"<wsnt:TerminationTime>{_stamp(one.until)}</wsnt:TerminationTime>"
            f"<wsnt:CurrentTime>{_stamp(self.now_s)}</wsnt:CurrentTime>"
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

    # Search and replay

    def _find_recordings(self, _: ElementTree.Element, __: web.Request) -> str:
        token = f"r{secrets.token_hex(3)}"
        self.searches.add(token)
        return f"<tse:SearchToken>{token}</tse:SearchToken>"

    def _recording_results(self, asked: ElementTree.Element, _: web.Request) -> str:
        if _text(asked, "SearchToken") not in self.searches:
            raise Fault("ter:InvalidToken", "no such search")
        recordings = "".join(
            f"<tt:RecordingInformation><tt:RecordingToken>rec_{channel}</tt:RecordingToken>"
            f"<tt:Source><tt:SourceId>vs_{channel}</tt:SourceId><tt:Name>c</tt:Name></tt:Source>"
            f"<tt:EarliestRecording>{_stamp(min(ranges)[0] / 1e6)}</tt:EarliestRecording>"
            f"<tt:LatestRecording>{_stamp(max(ranges)[1] / 1e6)}</tt:LatestRecording>"
            "<tt:Content>x</tt:Content><tt:Track><tt:TrackToken>video</tt:TrackToken>"
            "<tt:TrackType>Video</tt:TrackType></tt:Track><tt:RecordingStatus>Recording"
            "</tt:RecordingStatus></tt:RecordingInformation>"
            for channel, ranges in self.habits.recordings.items()
        )
        return (
            "<tse:ResultList><tt:SearchState>Completed</tt:SearchState>"
            f"{recordings}</tse:ResultList>"
        )

    def _find_events(self, asked: ElementTree.Element, _: web.Request) -> str:
        if not self.habits.find_events:
            raise Fault("ter:ActionNotSupported", "no events", 500)
        recording = asked.findtext("tse:Scope/tt:IncludedRecordings", "", NAMES)
        start = datetime.fromisoformat(asked.findtext("tse:StartPoint", "", NAMES)).timestamp()
        topic = asked.findtext("tse:SearchFilter/wsnt:TopicExpression", "", NAMES)
        assert topic == "tns1:RecordingHistory/Track/State"
        token = f"e{recording}@{start}"
        self.searches.add(token)
        return f"<tse:SearchToken>{token}</tse:SearchToken>"

    def _event_results(self, asked: ElementTree.Element, _: web.Request) -> str:
        token = _text(asked, "SearchToken")
        if token not in self.searches:
            raise Fault("ter:InvalidToken", "no such search")
        recording, _, start = token[1:].partition("@")
        ranges = self.habits.recordings[int(recording.partition("_")[2])]
        start_us = float(start) * 1e6
        inside = any(begin <= start_us < end for begin, end in ranges)
        told = [(start_us, inside, True)]
        for begin, end in ranges:
            told += [
                (at, present, False)
                for at, present in ((begin, True), (end, False))
                if at >= start_us
            ]
        results = "".join(
            f"<tt:Result><tt:RecordingToken>{recording}</tt:RecordingToken>"
            f"<tt:TrackToken>video</tt:TrackToken><tt:Time>{_stamp(at / 1e6)}</tt:Time><tt:Event>"
            "<wsnt:Topic Dialect='x'>tns1:RecordingHistory/Track/State</wsnt:Topic><wsnt:Message>"
            "<tt:Message UtcTime='2026-01-01T00:00:00Z'><tt:Data>"
            f'<tt:SimpleItem Name="IsDataPresent" Value="{str(present).lower()}"/></tt:Data>'
            f"</tt:Message></wsnt:Message></tt:Event><tt:StartStateEvent>{str(first).lower()}"
            "</tt:StartStateEvent></tt:Result>"
            for at, present, first in told
        )
        return (
            f"<tse:ResultList><tt:SearchState>Completed</tt:SearchState>{results}</tse:ResultList>"
        )

    def _end_search(self, asked: ElementTree.Element, _: web.Request) -> str:
        self.searches.discard(_text(asked, "SearchToken"))
        return "<tse:Endpoint>2026-01-01T00:00:00Z</tse:Endpoint>"

    def _replay_uri(self, asked: ElementTree.Element, request: web.Request) -> str:
        uri = self.habits.replay.format(
            host=self._host(request), recording=_text(asked, "RecordingToken")
        )
        return f"<trp:Uri>{uri}</trp:Uri>"


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


def _envelope(body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope {_DECLARED}>'
        f"<s:Header/><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _fault(subcode: str, reason: str, status: int) -> web.Response:
    body = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
        f"<s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
    )
    return web.Response(status=status, body=_envelope(body), content_type="application/soap+xml")


def _text(node: ElementTree.Element, name: str) -> str:
    return next((one.text or "" for one in node.iter() if one.tag.endswith("}" + name)), "")


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(duration: str) -> float:
    found = re.fullmatch(r"PT(?:(\d+)M)?(?:([\d.]+)S)?", duration)
    assert found is not None, duration
    return int(found[1] or 0) * 60 + float(found[2] or 0)


def _md5(value: str) -> str:
    return hashlib.md5(value.encode()).hexdigest()
