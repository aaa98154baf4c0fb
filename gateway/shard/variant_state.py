"""One camera variant's state as the API shows it (``VariantState`` in docs/http-api.md)."""

from __future__ import annotations

from typing import Any

from camera_adapters.stream import Stream, Track
from gateway.shard.feed import Feed
from gateway.shard.measure import SourceRates
from gateway.transcoder.live_variant import LiveVariant


def feed_state(feed: Feed, *, recording: bool, viewers: int) -> dict[str, Any]:
    """The state of a pulled source. What is not known is left out."""
    state = feed.state
    if state is None:
        pulled: dict[str, Any] = {"state": "idle", "since_us": feed.idle_since_us}
        if feed.source is not None:
            pulled["state"] = "connecting"
    else:
        pulled = {
            "state": str(state.state),
            "since_us": state.since_us,
            "cause": str(state.cause) if state.cause is not None else None,
            "detail": state.detail,
            "fault": state.fault,
            "retry_at_us": state.retry_at_us,
            "queue": _queue(state.queue),
        }
    described = {
        **pulled,
        **_formats(feed.stream, feed.rates),
        "recording": recording,
        "viewers": viewers,
        "gaps": feed.outages,
        "clock_offset_us": feed.clock_offset_us or None,
    }
    return {name: value for name, value in described.items() if value not in (None, "")}


def _queue(queue: tuple[int, int] | None) -> dict[str, int] | None:
    return None if queue is None else {"position": queue[0], "length": queue[1]}


def derived_state(live: LiveVariant, *, viewers: int) -> dict[str, Any]:
    """The state of a variant that the transcoder makes."""
    stream = live.output
    described: dict[str, Any] = {
        "state": "live" if stream.running else "connecting",
        "recording": False,
        "viewers": viewers,
    }
    if stream.interruption is not None:
        described["cause"] = str(stream.interruption.cause)
        described["detail"] = stream.interruption.detail
    if live.queue is not None:
        described["queue"] = {"position": live.queue.position, "length": live.queue.length}
    if stream.running:
        described.update(track_facts(stream.tracks))
    return described


def _formats(stream: Stream, rates: SourceRates) -> dict[str, Any]:
    # The formats of the last run tell what an idle camera will send when it is pulled.
    facts = track_facts(stream.tracks)
    if stream.running:
        facts.update(
            frames_per_second=rates.frames_per_second,
            bitrate_bps=rates.bitrate_bps,
            gop_s=rates.gop_s,
        )
    return facts


def track_facts(tracks: tuple[Track, ...]) -> dict[str, Any]:
    """What is known of a run's formats, by the names of VariantState."""
    facts: dict[str, Any] = {}
    for track in tracks:
        if track.kind == "video":
            facts.update(
                codec=str(track.codec),
                width=track.width,
                height=track.height,
                has_b_frames=track.reorder_depth > 0,
            )
        else:
            facts["audio_codec"] = str(track.codec)
    return facts
