"""What an ONVIF device to order answers about its own recordings."""

from __future__ import annotations

import secrets
import xml.etree.ElementTree as ElementTree
from datetime import datetime

from aiohttp import web

from tests.peers.onvif_terms import NAMES, Fault, Habits, stamp, text_of


class FootageAnswers:
    """A part of OnvifDevice."""

    habits: Habits
    searches: set[str]

    def told_base(self, request: web.Request) -> str:
        raise NotImplementedError

    def told_host(self, request: web.Request) -> str:
        raise NotImplementedError

    def _find_recordings(self, _: ElementTree.Element, __: web.Request) -> str:
        token = f"r{secrets.token_hex(3)}"
        self.searches.add(token)
        return f"<tse:SearchToken>{token}</tse:SearchToken>"

    def _recording_results(self, asked: ElementTree.Element, _: web.Request) -> str:
        if text_of(asked, "SearchToken") not in self.searches:
            raise Fault("ter:InvalidToken", "no such search")
        recordings = "".join(
            f"<tt:RecordingInformation><tt:RecordingToken>rec_{channel}</tt:RecordingToken>"
            f"<tt:Source><tt:SourceId>vs_{channel}</tt:SourceId><tt:Name>c</tt:Name></tt:Source>"
            f"<tt:EarliestRecording>{stamp(min(ranges)[0] / 1e6)}</tt:EarliestRecording>"
            f"<tt:LatestRecording>{stamp(max(ranges)[1] / 1e6)}</tt:LatestRecording>"
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
        token = text_of(asked, "SearchToken")
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
            f"<tt:TrackToken>video</tt:TrackToken><tt:Time>{stamp(at / 1e6)}</tt:Time><tt:Event>"
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
        self.searches.discard(text_of(asked, "SearchToken"))
        return "<tse:Endpoint>2026-01-01T00:00:00Z</tse:Endpoint>"

    def _replay_uri(self, asked: ElementTree.Element, request: web.Request) -> str:
        uri = self.habits.replay.format(
            host=self.told_host(request), recording=text_of(asked, "RecordingToken")
        )
        return f"<trp:Uri>{uri}</trp:Uri>"
