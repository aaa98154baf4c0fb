"""The recogniser's process, as the shard sees it: packets go in, lines come back.

What it cannot take in time is left out, and said; when it dies it is started again, later each
time.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from collections.abc import Callable, Mapping

import structlog

from gateway.meetings.subtitles.recogniser import TEXT_LIMIT, Line

_log = structlog.get_logger(__name__)

_WAITING_LIMIT_BYTES = 1 << 20
_LINE_LIMIT_BYTES = 16 * TEXT_LIMIT
_RETRY_S = (1.0, 5.0, 30.0, 300.0)
_STEADY_S = 600.0

OnLine = Callable[[str, Line], None]
"""Told of the speaker and the line."""


class RecogniserProcess:
    """:meth:`run` for ever; :meth:`hear` and :meth:`leave` never block."""

    def __init__(self, name: str, options: Mapping[str, str], on_line: OnLine) -> None:
        self.left_out = 0
        self._arguments = [name, json.dumps(dict(options))]
        self._on_line = on_line
        self._input: asyncio.StreamWriter | None = None

    def hear(self, speaker: str, at_us: int, packet: bytes) -> None:
        """One packet of Opus of somebody who is heard."""
        opus = base64.b64encode(packet).decode()
        self._say({"speaker": speaker, "at_us": at_us, "opus": opus})

    def leave(self, speaker: str) -> None:
        """They are heard no more."""
        self._say({"speaker": speaker})

    async def run(self) -> None:
        """Keep the process going."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began_s = loop.time()
            try:
                why = await self._listen()
            except Exception as error:
                # No memory, no descriptor: the next try may have it.
                why = f"{type(error).__name__}: {error}"
            if loop.time() - began_s > _STEADY_S:
                failures = 0
            wait_s = _RETRY_S[min(failures, len(_RETRY_S) - 1)]
            failures += 1
            _log.error("the recogniser of subtitles ended; it is started again", why=why,
                       after_s=wait_s)  # fmt: skip
            await asyncio.sleep(wait_s)

    async def _listen(self) -> str:
        """Start it, and take its lines until it ends; gives why that was."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.meetings.subtitles.worker", *self._arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, limit=_LINE_LIMIT_BYTES,
        )  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        said = asyncio.ensure_future(_last_words(process.stderr))
        self._input = process.stdin
        try:
            while text := await process.stdout.readline():
                self._take(text)
        except ValueError:
            return "it wrote a line that is far too long"
        finally:
            self._input = None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if not said.done():
                await asyncio.wait([said], timeout=1.0)
            said.cancel()
        words = said.result() if said.done() and not said.cancelled() else ""
        return words or f"it ended with {process.returncode}"

    def _take(self, text: bytes) -> None:
        try:
            document = json.loads(text)
            line = Line(
                int(document["at_us"]),
                int(document["end_us"]),
                str(document["text"])[:TEXT_LIMIT],
                bool(document["final"]),
            )
            speaker = str(document["speaker"])
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("the recogniser of subtitles wrote what is no line", why=str(error))
            return
        if line.text:
            self._on_line(speaker, line)

    def _say(self, message: Mapping[str, object]) -> None:
        if self._input is None or self._input.is_closing():
            return
        if self._input.transport.get_write_buffer_size() > _WAITING_LIMIT_BYTES:
            self.left_out += 1
            # Powers of two: the first is told at once, a flood does not fill the log.
            if self.left_out & (self.left_out - 1) == 0:
                _log.warning("the recogniser of subtitles is too slow: sound is left out",
                             packets=self.left_out)  # fmt: skip
            return
        self._input.write(json.dumps(message).encode() + b"\n")


async def _last_words(stderr: asyncio.StreamReader) -> str:
    """The last line that it wrote there."""
    last = b""
    while data := await stderr.read(4096):
        last = (last + data)[-2000:]
    lines = last.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
