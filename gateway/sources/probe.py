"""One try at any address, and one line about what came of it."""

from __future__ import annotations

import asyncio
from typing import Any

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.rtsp.probe import ADVICE, FirstKeyframe, ProbeResult, success_of
from camera_adapters.rtsp.probe import probe as probe_rtsp
from camera_adapters.source import SourceState
from camera_adapters.stream import Stream, Variant
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.shard.desired import DesiredSource
from gateway.sources.addresses import scheme_of
from gateway.sources.registry import SourceContext, SourceRequest, build_source
from gateway.transcoder.client import open_transcoders

_COMES_BY_ITSELF = {
    "push": "nothing to try: whoever pushes connects to the gateway; its state shows when it does",
    "gb28181": "nothing to try from here: the platform's page shows whether the channel answers",
}


async def probe(
    settings: Settings, url: str, username: str = "", password: str = "", timeout_s: float = 10.0
) -> ProbeResult:
    """As :func:`camera_adapters.rtsp.probe.probe`, for every scheme; also ``waiting`` where the
    media come by themselves. Raises nothing but cancellation.
    """
    scheme = scheme_of(url)
    if scheme in ("rtsp", "rtsps"):
        return await probe_rtsp(url, username, password, timeout_s)
    if scheme in _COMES_BY_ITSELF:
        return ProbeResult(False, "waiting", _COMES_BY_ITSELF[scheme])
    failed: asyncio.Future[SourceState] = asyncio.get_running_loop().create_future()

    def on_state(state: SourceState) -> None:
        if state.state in ("offline", "refused") and not failed.done():
            failed.set_result(state)

    stream = Stream("probe", Variant.MAIN)
    keyframe = FirstKeyframe()
    stream.attach(keyframe)
    desired = DesiredSource(
        "probe/main", "probe", Variant.MAIN, url, username, password, "auto", False, 0
    )
    async with open_transcoders(settings, cluster_secret(settings)) as transcoder:
        source = build_source(
            SourceRequest(desired, stream, SteadyClock(), on_state),
            SourceContext(settings, transcoder=transcoder),
        )
        source.start()
        try:
            waited: list[asyncio.Future[Any]] = [keyframe.tracks, failed]
            await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await source.stop()
    if keyframe.tracks.done():
        return success_of(keyframe.tracks.result())
    if failed.done():
        state = failed.result()
        advice = ADVICE.get(state.fault)
        line = state.detail.partition(";")[0]
        return ProbeResult(False, state.fault, f"{line}: {advice}" if advice else line)
    return ProbeResult(False, "no_keyframe", f"no picture that can be shown in {timeout_s:g} s")
