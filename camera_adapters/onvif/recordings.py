"""What a device has recorded itself: Profile G (Recording Search and Replay Specifications).

All times here are by the device's clock, as it tells and wants them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from camera_adapters.onvif.soap import Request, Service, date_time, duration, parse_date_time, text
from camera_adapters.onvif.topics import truth
from camera_adapters.onvif.xml_tree import Node

_RECORDINGS_LIMIT = 1024
_EVENTS_LIMIT = 20_000
_KEEP_SEARCH_S = 60
_TOPICS = (
    'xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="http://www.onvif.org/ver10/topics"'
)
_CONCRETE = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording: one source's footage. ``video_tracks`` are the tokens of its video tracks."""

    token: str
    source_id: str
    source_name: str
    earliest_us: int | None
    latest_us: int | None
    video_tracks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrackState:
    """From ``at_us`` on a track has data, or has none (Recording Search §5.11.1)."""

    recording_token: str
    track_token: str
    at_us: int
    present: bool
    start_state: bool


def find_recordings() -> Request:
    """Search §5.4; gives a search token."""
    return Request(
        Service.SEARCH,
        "FindRecordings",
        f"<m:Scope/><m:KeepAliveTime>{duration(_KEEP_SEARCH_S)}</m:KeepAliveTime>",
    )


def find_track_states(start_us: int, end_us: int, recording_token: str) -> Request:
    """Search §5.7: when data began and ended between these times; gives a search token."""
    return Request(
        Service.SEARCH,
        "FindEvents",
        f"<m:StartPoint>{date_time(start_us)}</m:StartPoint>"
        f"<m:EndPoint>{date_time(end_us)}</m:EndPoint>"
        f"<m:Scope><tt:IncludedRecordings>{text(recording_token)}</tt:IncludedRecordings></m:Scope>"
        f'<m:SearchFilter><wsnt:TopicExpression {_TOPICS} Dialect="{_CONCRETE}">'
        "tns1:RecordingHistory/Track/State</wsnt:TopicExpression></m:SearchFilter>"
        "<m:IncludeStartState>true</m:IncludeStartState>"
        f"<m:KeepAliveTime>{duration(_KEEP_SEARCH_S)}</m:KeepAliveTime>",
    )


def parse_search_token(answer: Node) -> str:
    """Of either."""
    return answer.value("SearchToken")[:200]


def get_recording_results(search_token: str, wait_s: float) -> Request:
    """Search §5.5."""
    return _results("GetRecordingSearchResults", search_token, wait_s)


def get_event_results(search_token: str, wait_s: float) -> Request:
    """Search §5.8."""
    return _results("GetEventSearchResults", search_token, wait_s)


def end_search(search_token: str) -> Request:
    """Search §5.13: the device has few searches at a time."""
    return Request(
        Service.SEARCH, "EndSearch", f"<m:SearchToken>{text(search_token)}</m:SearchToken>"
    )


def is_completed(answer: Node) -> bool:
    """Whether a search has no more results than those in this answer."""
    return answer.value("ResultList/SearchState").lower() == "completed"


def parse_recordings(answer: Node) -> list[Recording]:
    """Recordings in an answer, those without a token left out."""
    found: list[Recording] = []
    results = answer.child("ResultList")
    for node in results.each("RecordingInformation") if results is not None else ():
        token = node.value("RecordingToken")[:64]
        if not token or len(found) == _RECORDINGS_LIMIT:
            continue
        found.append(
            Recording(
                token,
                node.value("Source/SourceId")[:200],
                node.value("Source/Name")[:100],
                parse_date_time(node.value("EarliestRecording")),
                parse_date_time(node.value("LatestRecording")),
                tuple(
                    track.value("TrackToken")[:64]
                    for track in list(node.each("Track"))[:16]
                    if track.value("TrackType").lower() == "video"
                ),
            )
        )
    return found


def parse_track_states(answer: Node) -> list[TrackState]:
    """States in an answer; what is no state of a track is left out."""
    found: list[TrackState] = []
    results = answer.child("ResultList")
    for node in results.each("Result") if results is not None else ():
        at_us = parse_date_time(node.value("Time"))
        present = None
        for item in node.find_all("SimpleItem"):
            if item.get("Name") == "IsDataPresent":
                present = truth(item.get("Value"))
        if at_us is None or present is None or len(found) == _EVENTS_LIMIT:
            continue
        found.append(
            TrackState(
                node.value("RecordingToken")[:64],
                node.value("TrackToken")[:64],
                at_us,
                present,
                node.value("StartStateEvent").lower() == "true",
            )
        )
    return found


def ranges_of(
    states: Iterable[TrackState], video_tracks: Sequence[str], start_us: int, end_us: int
) -> list[tuple[int, int]]:
    """When there was video between ``start_us`` and ``end_us``, by start, without overlap.

    States of other tracks are left out where the video tracks are known. A start state holds from
    ``start_us`` on, whatever time it carries.
    """
    wanted = set(video_tracks)
    mine = [
        (start_us if one.start_state else one.at_us, not one.start_state, one)
        for one in states
        if not wanted or one.track_token in wanted or not one.track_token
    ]
    ranges: list[tuple[int, int]] = []
    present: set[str] = set()
    since_us = start_us
    for at_us, _, state in sorted(mine, key=lambda entry: entry[:2]):
        at_us = max(start_us, min(end_us, at_us))
        was = bool(present)
        if state.present:
            present.add(state.track_token)
        else:
            present.discard(state.track_token)
        if present and not was:
            since_us = at_us
        elif was and not present and at_us > since_us:
            ranges.append((since_us, at_us))
    if present and end_us > since_us:
        ranges.append((since_us, end_us))
    return ranges


def recording_of(
    recordings: Sequence[Recording], names: Sequence[str], position: int, channels: int
) -> Recording | None:
    """The recording of a channel: by any of the ``names`` under which its device may know it, else
    by ``position`` where there are as many recordings with video as ``channels``.
    """
    wanted = [name.strip().lower() for name in names if name.strip()]
    for told in ("source_id", "source_name", "token"):
        for one in recordings:
            if getattr(one, told).strip().lower() in wanted:
                return one
    with_video = [one for one in recordings if one.video_tracks] or list(recordings)
    return with_video[position] if len(with_video) == channels else None


def get_replay_uri(recording_token: str) -> Request:
    """Replay §5.2."""
    return Request(
        Service.REPLAY,
        "GetReplayUri",
        "<m:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport>"
        "<tt:Protocol>RTSP</tt:Protocol></tt:Transport></m:StreamSetup>"
        f"<m:RecordingToken>{text(recording_token)}</m:RecordingToken>",
    )


def _results(operation: str, search_token: str, wait_s: float) -> Request:
    return Request(
        Service.SEARCH,
        operation,
        f"<m:SearchToken>{text(search_token)}</m:SearchToken>"
        f"<m:MinResults>1</m:MinResults><m:MaxResults>500</m:MaxResults>"
        f"<m:WaitTime>{duration(wait_s)}</m:WaitTime>",
    )
