"""Live viewing over a WebSocket: fragmented MP4 for the browser's MSE, one fragment per picture.

The fall-back where WebRTC cannot get through. Viewers of a Stream share the muxer's bytes; each
holds no more than two seconds of them, then skips to the next keyframe and is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import weakref
from collections import deque
from typing import NamedTuple

import structlog
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from camera_adapters.stream import Interruption, Stream
from gateway.live.mse_muxer import Fragment, MseMuxer
from gateway.live.whep import OpenSession, SessionHandle, SessionRefused
from gateway.transcoder.client import TranscoderClient

_log = structlog.get_logger(__name__)

BEHIND_LIMIT_S = 2.0
_QUEUE_BYTES_LIMIT = 16 * 1024 * 1024
_ON_THEIR_WAY_LIMIT = 1000
# WebSocket close codes: 4000 and the HTTP status that says the same.
_CLOSE_CODE_BASE = 4000


class _Item(NamedTuple):
    put_s: float
    data: str | bytes
    is_picture: bool


class MseViewer:
    """One WebSocket. The muxer puts shared bytes into its queue; :meth:`run` sends them."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Item] = deque()
        self._queue_bytes = 0
        self._wake = asyncio.Event()
        self._needs_keyframe = True
        self._reason: str | None = None
        # When each picture that was sent was made, and the bytes sent with it; oldest first.
        self._on_their_way: deque[tuple[float, int]] = deque(maxlen=_ON_THEIR_WAY_LIMIT)
        self._acknowledges = False
        self.pictures_skipped = 0
        self.bytes_sent = 0

    def on_run(self, message: str, head: bytes) -> None:
        """A run begins: what was waiting of the last one is of no more use."""
        self._drop()
        self._needs_keyframe = True
        self._put(message)
        self._put(head)

    def on_fragment(self, fragment: Fragment) -> None:
        """The next picture."""
        if self._needs_keyframe:
            if not fragment.keyframe or self._is_behind():
                self.pictures_skipped += 1
                return
            self._needs_keyframe = False
        elif self._is_behind():
            dropped = self._drop()
            self.pictures_skipped += dropped
            self._put('{"type": "skipped"}')
            if not fragment.keyframe or self._is_behind():
                self._needs_keyframe = True
                self.pictures_skipped += 1
                return
        self._put(fragment.data, is_picture=True)

    def on_interruption(self, interruption: Interruption) -> None:
        """The source is lost for now."""
        self._put(
            json.dumps(
                {
                    "type": "interrupted",
                    "cause": str(interruption.cause),
                    "detail": interruption.detail,
                },
                ensure_ascii=False,
            )
        )

    def close(self, reason: str) -> None:
        """End it; ``reason`` is a stable word. May be called twice."""
        if self._reason is None:
            self._reason = reason
            self._wake.set()

    async def run(self) -> str:
        """Send until closed from either side; returns why."""
        receiving = self._loop.create_task(self._receive())
        try:
            while self._reason is None:
                if not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                item = self._queue.popleft()
                data = item.data
                self._queue_bytes -= len(data)
                if isinstance(data, str):
                    await self._websocket.send_text(data)
                    continue
                self.bytes_sent += len(data)
                if item.is_picture:
                    self._on_their_way.append((item.put_s, self.bytes_sent))
                await self._websocket.send_bytes(data)
        except (WebSocketDisconnect, RuntimeError, OSError):
            self.close("ended_by_viewer")
        finally:
            receiving.cancel()
        return self._reason or "ended_by_viewer"

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self.close("ended_by_viewer")
                return
            self.on_message(message.get("text") or "")

    def on_message(self, text: str) -> None:
        """A page may say ``{"type": "received", "bytes"}``: how much has come through.

        Only so can be known what the buffers of kernels and proxies between here and there hold.
        """
        try:
            message = json.loads(text)
            received = int(message["bytes"]) if message["type"] == "received" else None
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return
        if received is not None:
            self._acknowledges = True
            while self._on_their_way and self._on_their_way[0][1] <= received:
                self._on_their_way.popleft()

    async def end(self, reason: str) -> None:
        """Close the WebSocket, so that the page can tell "try again" from "no more"."""
        status = 403 if reason == "revoked" else 503
        with contextlib.suppress(RuntimeError, OSError):
            await self._websocket.close(_CLOSE_CODE_BASE + status, reason)

    def _put(self, data: str | bytes, *, is_picture: bool = False) -> None:
        self._queue.append(_Item(self._loop.time(), data, is_picture))
        self._queue_bytes += len(data)
        self._wake.set()

    def _is_behind(self) -> bool:
        if self._acknowledges and self._on_their_way:
            oldest_s: float | None = self._on_their_way[0][0]
        else:
            # What announces is kept, however old it is; it is the pictures that must be fresh.
            oldest_s = next((item.put_s for item in self._queue if item.is_picture), None)
        if oldest_s is None:
            return False
        return (
            self._loop.time() - oldest_s > BEHIND_LIMIT_S or self._queue_bytes > _QUEUE_BYTES_LIMIT
        )

    def _drop(self) -> int:
        """Forget the waiting pictures, and keep what announces; returns how many pictures."""
        kept = [item for item in self._queue if not item.is_picture]
        dropped = len(self._queue) - len(kept)
        self._queue = deque(kept)
        self._queue_bytes = sum(len(item.data) for item in kept)
        return dropped


class MseEndpoint:
    """All MSE viewers of one shard. The session's ``ended`` is called once for each one opened."""

    def __init__(
        self, open_session: OpenSession, *, transcoder: TranscoderClient | None = None
    ) -> None:
        self._open_session = open_session
        self._transcoder = transcoder
        self._muxers: weakref.WeakValueDictionary[int, MseMuxer] = weakref.WeakValueDictionary()
        self._viewers: dict[MseViewer, SessionHandle] = {}

    def routes(self, path: str = "/mse") -> list[BaseRoute]:
        """The route to mount."""
        return [WebSocketRoute(path, self._serve)]

    @property
    def viewer_count(self) -> int:
        """How many viewers there are now."""
        return len(self._viewers)

    @property
    def pictures_skipped(self) -> int:
        """Of the viewers there are now."""
        return sum(viewer.pictures_skipped for viewer in self._viewers)

    def revoke(self, session_id: str, reason: str = "revoked") -> bool:
        """End the session's viewer now; only "revoked" tells it not to try again. Returns whether
        there was one.
        """
        found = [one for one, session in self._viewers.items() if session.session_id == session_id]
        for viewer in found:
            viewer.close(reason)
        return bool(found)

    def close(self) -> None:
        """End every viewer: the shard stops."""
        for viewer in tuple(self._viewers):
            viewer.close("shard_stopping")

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            ticket = websocket.query_params.get("ticket", "")
            stream, session = await self._open_session(ticket)
        except SessionRefused as refusal:
            await websocket.send_json(
                {"type": "refused", "code": refusal.code, "message": str(refusal)}
            )
            await websocket.close(_CLOSE_CODE_BASE + refusal.status, refusal.code)
            return
        viewer = MseViewer(websocket)
        self._viewers[viewer] = session
        reason = "failed"
        try:
            reason = await self._watch(stream, viewer)
        finally:
            del self._viewers[viewer]
            session.ended(reason, watched=viewer.bytes_sent > 0)

    async def _watch(self, stream: Stream, viewer: MseViewer) -> str:
        muxer = self._muxers.get(id(stream))
        if muxer is None:
            muxer = self._muxers[id(stream)] = MseMuxer(stream, self._transcoder)
        try:
            muxer.attach(viewer)
        except RuntimeError:
            viewer.close("stream_closed")
        try:
            reason = await viewer.run()
        finally:
            muxer.detach(viewer)
        if reason != "ended_by_viewer":
            await viewer.end(reason)
        return reason
