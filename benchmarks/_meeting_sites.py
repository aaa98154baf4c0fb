"""Many real sites of meetings in one cheap process, for ``benchmarks.meeting``.

    python -m benchmarks._meeting_sites URL KEYFRAME

They join the gateway at URL as browsers do: the API's ticket, the WebSocket, one offer, then media
(``_meeting_site``); who is cut off joins again. KEYFRAME holds NAL units of a picture (pickle).
What to do comes as JSON lines on standard input, answered by one line each:

- ``{"join": [PLAN, …]}`` answers when all get what they are to be shown;
- ``{"counts": true}`` says what has come since the last time;
- ``{"leave": [PARTICIPANT, …]}`` lets these vanish, ``{"again": […]}`` come back one by one;
- ``{"view": {PARTICIPANT: TILES}}`` has them look elsewhere;
- ``{"rate": {PARTICIPANT: bits per second}}`` changes what they film;
- ``{"watch": [PARTICIPANT, …], "index": whose}`` begins to look out for somebody's picture,
  ``{"seen": seconds at most}`` says when it was there;
- ``{"cut": true}`` remembers now, ``{"back": seconds at most}`` who was cut off and is back since.

PLAN: ``participant_id``, ``meeting_id``, ``cookie``, ``tiles``, and what a Site takes.
"""

from __future__ import annotations

import json
import pickle
import random
import selectors
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks._meeting_line import Joining, Line
from benchmarks._meeting_site import SENDS, Site
from camera_adapters.webrtc.dtls import DtlsIdentity

_AT_ONCE = 24
_THREADS = 8
_PING_S = 5.0
_DELAYS_KEPT = 2000

Plan = dict[str, Any]


class Visitor:
    """One participant: its line, its media, and both again when they are lost."""

    def __init__(self, sites: Sites, plan: Plan) -> None:
        self.plan = plan
        self.site: Site | None = None
        self.line: Line | None = None
        self.lost_s = self.back_s = 0.0
        self.retry_s = 0.0
        self._sites = sites
        self._next_ping_s = 0.0
        self._asked_s = 0.0

    @property
    def connected(self) -> bool:
        """Whether it gets everything that it is to get."""
        return self.site is not None and self.site.connected

    def join(self) -> None:
        """Ask for a ticket."""
        self._asked_s = time.monotonic()
        self._sites.joining.ask(self, self.plan)

    def open(self, base: str, joined: dict[str, Any] | None) -> None:
        """The API has answered."""
        if not joined:
            if joined is None:
                self.lose()
            return
        try:
            self.line = Line(base, joined["url"], self._told)
        except OSError:
            self.lose()
            return
        self._sites.selector.register(self.line.socket, selectors.EVENT_READ, self)
        self._next_ping_s = time.monotonic() + _PING_S

    def drain(self) -> None:
        """The WebSocket is readable."""
        line = self.line
        assert line is not None
        line.drain()
        if line.ended and self.line is line:
            self.lose()

    def lose(self) -> None:
        """As a page whose line is away: soon again, each after a while of its own."""
        self.close()
        now_s = time.monotonic()
        self.lost_s = self.lost_s or now_s
        self.back_s = 0.0
        self.retry_s = now_s + random.uniform(0.3, 0.9)

    def close(self) -> None:
        """Vanish."""
        line, self.line = self.line, None
        if line is not None:
            if line.socket.fileno() >= 0:
                self._sites.selector.unregister(line.socket)
            else:
                self._sites.forget_closed(self)
            line.end()
        site, self.site = self.site, None
        if site is not None:
            self._sites.selector.unregister(site.socket)
            site.socket.close()
            if site.sending:
                self._sites.senders.remove(site)

    def look(self) -> None:
        """Say what it would like to be shown."""
        tiles = [
            {"slot": slot, "participant_id": who, "kind": "camera", "height_px": height_px}
            for slot, who, height_px in self.plan["tiles"]
        ]
        self._say({"type": "view", "tiles": tiles})

    def tick(self, now_s: float) -> None:
        """What is due."""
        if self.retry_s and now_s >= self.retry_s:
            self.retry_s = 0.0
            self.join()
        if self.line is not None and now_s >= self._next_ping_s:
            self._next_ping_s = now_s + _PING_S
            self.line.say({"type": "ping"})
        if self.site is not None and self.site.answered:
            self.site.tick(now_s)
            if self.lost_s and not self.back_s and self.site.connected:
                self.back_s = now_s

    def _told(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "room":
            self._offer()
        elif kind == "answer" and self.site is not None:
            self.site.take_answer(message["sdp"])
            self.look()
        elif kind == "send" and self.site is not None:
            self.site.take_wanted(message["layers"])
        elif kind == "end" and self.line is not None:
            self.line.ended = True

    def _offer(self) -> None:
        if self.site is not None:
            return
        site = Site(self._sites.identity, self.plan, self._sites.keyframe_of(self.plan))
        site.asked_s = self._asked_s
        self._sites.take_in(site)
        self.site = site
        sends = self.plan["sends"]
        self._say({"type": "device", "microphone": "mic" in sends, "camera": "cam" in sends})
        self._say({"type": "offer", "sdp": site.offer(), "sends": SENDS})

    def _say(self, message: dict[str, Any]) -> None:
        if self.line is not None:
            self.line.say(message)


class Sites:
    """Drains, ticks and sends for all, until a condition holds."""

    def __init__(self, base: str, keyframe: list[bytes]) -> None:
        self.identity = DtlsIdentity()
        self.selector = selectors.EpollSelector()
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        self.joining = Joining(base, _THREADS)
        self.selector.register(self.joining, selectors.EVENT_READ)
        self.visitors: dict[str, Visitor] = {}
        self.senders: list[Site] = []
        self._base = base
        self._keyframe = keyframe
        self._next_tick_s = 0.0

    def keyframe_of(self, plan: Plan) -> list[bytes] | None:
        """A picture that can be decoded, for who is to be pictured."""
        return self._keyframe if plan.get("real") else None

    def take_in(self, site: Site) -> None:
        """Drain it and have it send."""
        self.selector.register(site.socket, selectors.EVENT_READ, site)

    def forget_closed(self, visitor: Visitor) -> None:
        """A socket that was closed leaves epoll by itself; the selector has still to be told."""
        for key in list(self.selector.get_map().values()):
            if key.data is visitor:
                self.selector.unregister(key.fileobj)

    def run(self, condition: Callable[[], bool], limit_s: float = 60.0) -> bool:
        """Turn until the condition holds; whether it did within the time."""
        until_s = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > until_s:
                return False
            self.turn(0.01)
        return True

    def turn(self, wait_s: float) -> bool:
        """One turn; whether there is something on standard input."""
        sending = [one for site in self.senders for one in site.sending if one.on]
        if sending:
            soonest_s = min(one.next_s for one in sending)
            wait_s = min(wait_s, max(0.0, soonest_s - time.monotonic()))
        told = False
        for key, _ in self.selector.select(wait_s):
            if key.fileobj is sys.stdin:
                told = True
            elif key.fileobj is self.joining:
                for visitor, joined in self.joining.answers():
                    visitor.open(self._base, joined)
            else:
                key.data.drain()
        now_s = time.monotonic()
        for site in self.senders:
            site.send_due(now_s)
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + 0.05
            for visitor in self.visitors.values():
                visitor.tick(now_s)
            self.senders = [
                one.site
                for one in self.visitors.values()
                if one.site is not None and one.site.sending
            ]
        return told

    def join(self, plans: list[Plan]) -> dict[str, Any]:
        """Have them in; how long it took, and each from its request until a whole picture."""
        begin_s = time.monotonic()
        waiting = [Visitor(self, plan) for plan in plans]
        new = list(waiting)
        under_way: list[Visitor] = []
        while waiting and time.monotonic() - begin_s < 60.0:
            under_way = [one for one in under_way if not one.connected]
            while waiting and len(under_way) < _AT_ONCE:
                visitor = waiting.pop(0)
                self.visitors[visitor.plan["participant_id"]] = visitor
                under_way.append(visitor)
                visitor.join()
            self.turn(0.005)
        self.run(lambda: all(one.connected for one in new))
        # Without pictures to wait for they have them all at once.
        there = [one for one in new if one.connected and one.site is not None]
        return {
            "joined_s": time.monotonic() - begin_s,
            "joined": len(there),
            "first_picture_s": [one.site.first_picture_s for one in there if one.site],
        }

    def counts(self) -> dict[str, Any]:
        """What has come since the last time."""
        sites = [one.site for one in self.visitors.values() if one.site is not None]
        for site in sites:
            site.drain()
        streams = [one for site in sites for one in site.streams.values()]
        delays = sorted(delay for site in sites for delay in site.delays_ms)
        lines = [one.line for one in self.visitors.values() if one.line is not None]
        found = {
            "packets": sum(one.packets for one in streams),
            "bytes": sum(one.bytes for one in streams),
            "lost": sum(
                one.highest - one.first + 1 - one.packets for one in streams if one.first >= 0
            ),
            "streams": sum(one.packets > 0 for one in streams),
            "verified": sum(site.verified for site in sites),
            "forged": sum(site.forged for site in sites),
            "crosstalk": sum(site.crosstalk + site.unknown for site in sites),
            "pictures_sent": {
                site.plan["participant_id"]: site.pictures_sent
                for site in sites
                if site.pictures_sent
            },
            "messages": sum(line.messages for line in lines),
            "text_bytes": sum(line.bytes for line in lines),
            "delays_ms": delays[:: max(1, len(delays) // _DELAYS_KEPT)],
        }
        for site in sites:
            site.delays_ms.clear()
            site.verified = site.forged = 0
        for line in lines:
            line.messages = line.bytes = 0
        for one in streams:
            # What was lost before is not counted again.
            one.first = one.highest + 1 if one.first >= 0 else -1
            one.packets = one.bytes = one.runs = 0
        return found

    def leave(self, participant_ids: list[str]) -> dict[str, Any]:
        """These vanish."""
        for participant_id in participant_ids:
            self.visitors.pop(participant_id).close()
        return {}

    def again(self, participant_ids: list[str]) -> dict[str, Any]:
        """These vanish and come back, one after the other; each until its first whole picture."""
        plans = [self.visitors[one].plan for one in participant_ids]
        self.leave(participant_ids)
        firsts: list[float] = []
        for plan in plans:
            firsts += self.join([plan])["first_picture_s"]
            self.run(lambda: False, 0.2)
        return {"first_picture_s": firsts}

    def view(self, tiles: dict[str, list[Any]]) -> dict[str, Any]:
        """Look at these from now on."""
        for participant_id, wanted in tiles.items():
            visitor = self.visitors[participant_id]
            visitor.plan["tiles"] = wanted
            visitor.look()
        return {}

    def rate(self, rates: dict[str, int]) -> dict[str, Any]:
        """Film at another bit rate."""
        for participant_id, bitrate_bps in rates.items():
            visitor = self.visitors[participant_id]
            visitor.plan["sends"]["cam"] = bitrate_bps
            for one in visitor.site.sending if visitor.site is not None else ():
                if one.mid == "cam":
                    one.bitrate_bps = bitrate_bps
        return {}

    def watch(self, participant_ids: list[str], index: int) -> dict[str, Any]:
        """Look out for a picture of the site of this index."""
        self._watching = [
            site for one in participant_ids if (site := self.visitors[one].site) is not None
        ]
        for site in self._watching:
            site.watch(index)
        return {}

    def seen(self, limit_s: float) -> dict[str, Any]:
        """When it was there for each, by the machine's monotonic clock."""
        self.run(lambda: all(site.seen_s for site in self._watching), limit_s)
        for site in self._watching:
            site.watched = None
        return {"seen_s": [site.seen_s for site in self._watching]}

    def cut(self) -> dict[str, Any]:
        """From now on who is lost is counted."""
        for visitor in self.visitors.values():
            visitor.lost_s = visitor.back_s = 0.0
        return {"at_s": time.monotonic()}

    def back(self, limit_s: float) -> dict[str, Any]:
        """When each was back whom the shard has lost."""
        everybody = self.visitors.values()
        self.run(lambda: all(one.back_s for one in everybody), limit_s)
        return {"back_s": [one.back_s for one in everybody]}


def _do(sites: Sites, command: dict[str, Any]) -> dict[str, Any]:
    match command:
        case {"join": plans}:
            return sites.join(plans)
        case {"counts": _}:
            return sites.counts()
        case {"leave": who}:
            return sites.leave(who)
        case {"again": who}:
            return sites.again(who)
        case {"view": tiles}:
            return sites.view(tiles)
        case {"rate": rates}:
            return sites.rate(rates)
        case {"watch": who, "index": index}:
            return sites.watch(who, index)
        case {"seen": limit_s}:
            return sites.seen(limit_s)
        case {"cut": _}:
            return sites.cut()
        case {"back": limit_s}:
            return sites.back(limit_s)
    raise ValueError(f"no such command: {command}")


def main() -> None:
    """See the module's description."""
    sites = Sites(sys.argv[1], pickle.loads(Path(sys.argv[2]).read_bytes()))
    while True:
        while not sites.turn(0.02):
            pass
        line = sys.stdin.readline()
        if not line:
            return
        print(json.dumps(_do(sites, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
