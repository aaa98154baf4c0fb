"""What an ONVIF device to order answers about moving."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from aiohttp import web

from tests.peers.onvif_terms import NAMES, Fault, Habits, text_of


class SteeringAnswers:
    """A part of OnvifDevice."""

    habits: Habits
    moves: list[str]
    presets: dict[str, str]
    tours: dict[str, str]

    def told_base(self, request: web.Request) -> str:
        raise NotImplementedError

    def told_host(self, request: web.Request) -> str:
        raise NotImplementedError

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
            (spot.findtext("tt:PresetDetail/tt:PresetToken", "", NAMES), text_of(spot, "StayTime"))
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
        self.tours.pop(text_of(asked, "PresetTourToken"))
        return ""
