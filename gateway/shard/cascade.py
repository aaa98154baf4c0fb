"""``cascade.send``: live pictures of this shard's cameras for a platform above (GB/T 28181).

Who may not see beneath masks is sent the masked variant from the first picture on, and at once
when masks are drawn while it watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from camera_adapters.gb28181.media_ports import NoPortLeft, PortPool
from camera_adapters.gb28181.media_sending import MediaTarget, open_sending
from camera_adapters.gb28181.sender import PsSender
from camera_adapters.stream import Stream, Variant
from gateway.control.channel import ControlError
from gateway.live.waiting import run_begins
from gateway.shard.live import FIRST_RUN_WAIT_S
from gateway.shard.shard import MediaShard

_READY_LOOK_S = 0.02


class CascadeSending:
    """All live sessions for platforms above; ``address`` and ``ports`` are where they are sent
    from.
    """

    def __init__(self, shard: MediaShard, address: str, ports: PortPool) -> None:
        self._shard = shard
        self._address = address
        self._ports = ports
        self._open: set[_Sent] = set()

    def __len__(self) -> int:
        return len(self._open)

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``cascade.send``."""
        return {"cascade.send": self._send}

    def cover(self) -> None:
        """Masks were changed: whoever must not see beneath them is sent the other variant now."""
        for sent in tuple(self._open):
            sent.choose()

    async def _send(
        self,
        camera_id: str,
        quality: str,
        may_lift_masks: bool,
        target: Mapping[str, Any],
        incoming: AsyncIterator[Mapping[str, Any]],
    ) -> AsyncIterator[dict[str, Any]]:
        try:
            sent = _Sent(
                self._shard,
                camera_id,
                Variant.SUB if quality == "sub" else Variant.MAIN,
                may_lift_masks,
                media_target(target),
                (self._ports, self._address),
            )
        except (OSError, NoPortLeft) as error:
            raise ControlError("unreachable", f"nothing can be sent from here: {error}") from None
        self._open.add(sent)
        listening = asyncio.create_task(sent.listen(incoming))
        try:
            stream = sent.permitted()
            if not stream.running and not await run_begins(stream, FIRST_RUN_WAIT_S):
                raise ControlError("no_picture", "the camera sends nothing")
            codec = next((str(one.codec) for one in stream.tracks if one.kind == "video"), None)
            yield {"type": "ready", "address": None, "port": sent.port, "video": codec}
            cause, detail = await sent.ended
            yield {"type": "ended", "cause": cause, "detail": detail, **sent.figures()}
        finally:
            self._open.discard(sent)
            listening.cancel()
            sent.close()


def media_target(message: Mapping[str, Any]) -> MediaTarget:
    """From the control channel."""
    transport = message["transport"]
    if transport == "tcp":
        transport = "tcp_active" if message["setup"] == "active" else "tcp_passive"
    return MediaTarget(
        message["address"],
        message["port"],
        transport,
        message["ssrc"],
        message.get("payload_type", 96),
    )


class _Sent:
    """One session: which variant of which camera goes where."""

    def __init__(
        self,
        shard: MediaShard,
        camera_id: str,
        variant: Variant,
        may_lift_masks: bool,
        target: MediaTarget,
        place: tuple[PortPool, str],
    ) -> None:
        self._shard = shard
        self._camera_id = camera_id
        self._variant = variant
        self._may_lift_masks = may_lift_masks
        self._attached: Stream | None = None
        self._started = False
        self._sending = open_sending(*place, target)
        self._sender = PsSender(
            self._sending, target, may_send=self._may_send, on_over=self._stream_over
        )
        self.port = self._sending.port
        self.ended: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        self._sending.ended.add_done_callback(
            lambda done: (
                self._finish(done.result().code, done.result().line)
                if not done.cancelled()
                else None
            )
        )

    def permitted(self) -> Stream:
        """What may be shown now. Raises ControlError."""
        missing = ""
        # A camera without a sub-stream is shown by its main one.
        for variant in dict.fromkeys((self._variant, Variant.MAIN)):
            try:
                if self._must_mask():
                    return self._shard.stream(self._camera_id, Variant.MASKED, variant)
                return self._shard.stream(self._camera_id, variant)
            except LookupError as error:
                missing = str(error)
        raise ControlError("not_found", missing)

    def choose(self) -> None:
        """Send from what may be shown now, if that is another stream than until now."""
        if not self._started:
            return
        try:
            stream = self.permitted()
        except ControlError as error:
            self._finish("ended", str(error))
            return
        if stream is self._attached:
            return
        before, self._attached = self._attached, stream
        if before is not None:
            before.detach(self._sender)
        stream.attach(self._sender)

    async def listen(self, incoming: AsyncIterator[Mapping[str, Any]]) -> None:
        """What signalling says: ``start``. Live is neither paused nor sought."""
        async for command in incoming:
            if command.get("action") != "start" or self._started:
                continue
            self._sending.start()
            # Attached when packets reach the other side: it is given the newest keyframe then.
            while True:
                if self._sending.ready or self._sending.ended.done():
                    break
                await asyncio.sleep(_READY_LOOK_S)
            self._started = True
            self.choose()

    def figures(self) -> dict[str, int | None]:
        """What was really sent."""
        sender = self._sender
        sent_bytes = self._sending.bytes_sent
        return {"start_us": sender.first_us, "end_us": sender.last_us, "bytes": sent_bytes}

    def close(self) -> None:
        """Send nothing any more."""
        attached, self._attached = self._attached, None
        if attached is not None:
            attached.detach(self._sender)
        self._sending.close()

    def _must_mask(self) -> bool:
        return not self._may_lift_masks and bool(self._shard.derived.masks(self._camera_id))

    def _may_send(self) -> bool:
        """Of each picture: whether what is attached may still be shown."""
        attached = self._attached
        return attached is not None and (
            attached.variant is Variant.MASKED or not self._must_mask()
        )

    def _stream_over(self) -> None:
        attached = self._attached
        if attached is None or not attached.closed:
            return
        # A masked variant that ended with its masks is followed by the picture as it is.
        self._attached = None
        asyncio.get_running_loop().call_soon(self._follow)

    def _follow(self) -> None:
        if self._attached is None and not self.ended.done():
            self.choose()

    def _finish(self, cause: str, detail: str) -> None:
        if not self.ended.done():
            self.ended.set_result((cause, detail))
