"""What an ONVIF device to order answers about its streams."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from aiohttp import web

from tests.peers.onvif_terms import NAMES, Fault, Habits, text_of


class MediaAnswers:
    """A part of OnvifDevice."""

    habits: Habits
    encoders: dict[str, dict[str, int]]
    keyframes: list[str]

    def told_base(self, request: web.Request) -> str:
        raise NotImplementedError

    def told_host(self, request: web.Request) -> str:
        raise NotImplementedError

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
        token = text_of(asked, "ProfileToken")
        _, channel, stream = token.split("_")
        uri = self.habits.rtsp.format(host=self.told_host(request), channel=channel, stream=stream)
        if asked.tag.startswith("{" + NAMES["tr2"]):
            return f"<tr2:Uri>{uri}</tr2:Uri>"
        assert asked.findtext("trt:StreamSetup/tt:Transport/tt:Protocol", "", NAMES) == "RTSP"
        return f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri>"

    def _snapshot_uri(self, asked: ElementTree.Element, request: web.Request) -> str:
        uri = f"{self.told_base(request)}/snapshot/{text_of(asked, 'ProfileToken')}"
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
        self.keyframes.append(text_of(asked, "ProfileToken"))
        return ""
