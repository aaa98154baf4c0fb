"""Which source goes into which picture slot, at which layer; and what senders are asked to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from camera_adapters.webrtc.conference.allocation import SOUND_BPS, Wish, allocate
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.slot import PictureLimit
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.distribution import VIDEO
from camera_adapters.webrtc.fan_out import FanOut
from gateway.meetings.member import Member, Shown
from gateway.meetings.tiles import Placed, Sight, layer_for
from gateway.meetings.wire import What

_SMALL, _LARGE = "l", "h"
"""A camera's sub-stream and its main, named as simulcast layers are."""
_STEP_PX = 180
_NOMINAL_PX = {"l": 180, "m": 360, "h": 720, "": 720}
_NOMINAL_BPS = {"l": 150_000, "m": 500_000, "h": 1_500_000, "": 1_500_000}
_ALIVE_US = 1_500_000
_PATIENCE_US = 4_000_000
_PATIENCE_LIMIT_US = 64_000_000
"""After a picture was made worse none becomes better for so long, and for twice as long each time
that it happens again: a network at its limit must not make pictures flicker."""
_LITTLE_LOST = 0.02
_MUCH_LOST = 0.1
_TRIED_BPS = 2_000_000


def rids_of(publication: Publication) -> tuple[str, ...]:
    """The names of its layers, the smallest first as senders offer them; "" without simulcast."""
    return publication.section.rids or ("",)


def heights(publication: Publication) -> dict[str, int]:
    """The layers' heights: what their pictures said, else what the layer is for."""
    found = {}
    for place, rid in enumerate(rids_of(publication)):
        source = publication.layers.get(rid)
        said = source.height if source is not None else 0
        found[rid] = said or _NOMINAL_PX.get(rid, _STEP_PX << place)
    return found


def best(publication: Publication, now_us: int) -> Source | None:
    """The largest layer that arrives; None when none has ever."""
    rising = heights(publication)
    come = [rid for rid in rising if rid in publication.layers]
    if not come:
        return None
    rid = max(come, key=lambda one: (_alive(publication, one, now_us), rising[one]))
    return publication.layers[rid]


def show(
    member: Member, placed: Sequence[Placed], members: Mapping[str, Member], now_us: int
) -> frozenset[tuple[Sight, str]]:
    """Have the member's slots show ``placed``, as sharp as tiles and network allow, and say so to
    its page; returns what it needs to be sent for that. A layer that does not arrive yet is stood
    in for by the nearest that does. Sound comes before pictures where not both can be carried.
    """
    rids = _layers(member, placed, members, now_us)
    shown: dict[str, Shown] = {}
    wants: set[tuple[Sight, str]] = set()
    for one, rid in zip(placed, rids, strict=True):
        owner, slot = members[one.sight.participant_id], member.pictures[one.slot]
        publication = owner.publications.get(one.sight.picture)
        feed: Source | FanOut | None = None
        if publication is None:
            feed = owner.small_feed if rid == _SMALL else owner.feed if rid is not None else None
        elif rid is not None:
            wants.add((one.sight, rid))
            feed = _nearest(publication, rid, now_us)
        playable = slot.show(feed)
        shown[one.slot] = Shown(one.sight, rid if playable else None)
    for mid, slot in member.pictures.items():
        if mid not in shown:
            slot.show(None)
    member.shown = shown
    _tell(member)
    return frozenset(wants)


def blank(member: Member, gone: Member) -> None:
    """Take everything of ``gone`` off the member's slots, at once."""
    feeds = (gone.feed, gone.small_feed)
    theirs: list[Source | FanOut] = [one for one in feeds if one is not None]
    for publication in gone.publications.values():
        theirs += publication.layers.values()
    for slot in (*member.pictures.values(), *member.sounds.values()):
        if any(slot.showing is feed or slot.wanted is feed for feed in theirs):
            wanted = slot.wanted
            slot.show(None)
            if not any(wanted is feed for feed in theirs):
                slot.show(wanted)


def ask(member: Member, wanted: Mapping[Sight, frozenset[str]]) -> None:
    """Tell the member which of its layers are wanted, and let nothing else through."""
    layers: dict[str, list[str]] = {}
    asked_for: dict[What, list[str]] = {}
    for what, publication in member.publications.items():
        rids = rids_of(publication)
        if what == "microphone":
            let = list(rids) if member.may_be_heard else []
        else:
            asked = wanted.get(Sight(member.participant_id, what), frozenset())
            let = [rid for rid in rids if rid in asked] if member.may_be_seen else []
        publication.accepted = bool(let)
        layers[publication.mid] = asked_for[what] = let
    if member.ask_media is not None:
        member.ask_media(asked_for)
        return
    member.tell("send", {"type": "send", "layers": layers})


def _layers(
    member: Member, placed: Sequence[Placed], members: Mapping[str, Member], now_us: int
) -> list[str | None]:
    """A layer for each picture; None: it cannot be carried."""
    pictures = [
        _wish(one, members[one.sight.participant_id], member.pictures[one.slot].limit)
        for one in placed
    ]
    voices = [Wish("audio", (("", SOUND_BPS),))] * len(member.seats)
    wishes = [*voices, *pictures]
    chosen = allocate(wishes, _budget_bps(member, wishes, now_us))[len(voices) :]
    return [
        _steady(member, one.sight, wish, rid, now_us)
        for one, wish, rid in zip(placed, pictures, chosen, strict=True)
    ]


def _steady(member: Member, sight: Sight, wish: Wish, rid: str | None, now_us: int) -> str | None:
    """The layer, but none that is better than now shortly after the network made one worse."""
    rising = [None, *(one for one, _ in wish.layers)]
    before = next((one.rid for one in member.shown.values() if one.sight == sight), rid)
    if before not in rising or before == rid:
        return rid
    if rising.index(rid) < rising.index(before):
        _note_lowered(member, now_us)
        return rid
    return rid if _is_patient(member, now_us) else before


def _note_lowered(member: Member, now_us: int) -> None:
    since_us = now_us - member.lowered_us
    if since_us < _PATIENCE_US:
        return  # several at once are one
    doubled = since_us < 2 * _PATIENCE_LIMIT_US and member.patience_us > 0
    member.patience_us = (
        min(2 * member.patience_us, _PATIENCE_LIMIT_US) if doubled else _PATIENCE_US
    )
    member.lowered_us = now_us


def _is_patient(member: Member, now_us: int) -> bool:
    """Whether it is time to try more than the network carried."""
    return now_us - member.lowered_us >= member.patience_us


def _wish(one: Placed, owner: Member, limit: PictureLimit | None) -> Wish:
    publication = owner.publications.get(one.sight.picture)
    rising = _feed_heights(owner) if publication is None else heights(publication)
    enough = layer_for(one.height_px, rising)
    ladder = sorted(rising, key=rising.__getitem__)
    ladder = ladder[: ladder.index(enough) + 1] if enough is not None else ladder
    if publication is None:
        steps = [(rid, _NOMINAL_BPS[rid]) for rid in ladder]
    else:
        steps = [(rid, _rate(publication, rid)) for rid in ladder]
    if limit is not None:
        steps = [step for step in steps if limit.takes(rising[step[0]], step[1])] or steps[:1]
    return Wish("video", tuple(steps), one.height_px)


def _feed_heights(owner: Member) -> dict[str, int]:
    """Of a camera of the gateway: its sub-stream, where that is the smaller one, and its main."""
    if owner.feed is None or owner.small_feed is None:
        return {"": _NOMINAL_PX[""]}
    sizes = [
        one.tracks[VIDEO][1].height if VIDEO in one.tracks else 0
        for one in (owner.small_feed, owner.feed)
    ]
    small, whole = sizes[0] or _NOMINAL_PX["m"], sizes[1] or _NOMINAL_PX[_LARGE]
    return {_SMALL: small, _LARGE: whole} if small < whole else {"": whole}


def _rate(publication: Publication, rid: str) -> int:
    nominal = _NOMINAL_BPS.get(rid, _NOMINAL_BPS[""])
    source = publication.layers.get(rid)
    # A picture in which nothing moves takes little, until something does.
    return nominal if source is None else max(source.bitrate_bps, nominal * 6 // 10)


def _budget_bps(member: Member, wishes: Sequence[Wish], now_us: int) -> int | None:
    """What may be sent, by the receiver's estimate and what it loses.

    A receiver never estimates much more than it is sent; so while it loses nothing, more than its
    estimate is tried now and then, and only loss proves that a network is at its limit.
    """
    peer = member.peer
    if peer is None or peer.estimate_bps is None:
        return None
    estimate_bps = peer.estimate_bps
    if sum(one.layers[-1][1] for one in wishes if one.layers) <= estimate_bps:
        return None
    lost = peer.statistics.fraction_lost
    if lost >= _MUCH_LOST:
        return estimate_bps * 85 // 100
    if lost >= _LITTLE_LOST or not _is_patient(member, now_us):
        return estimate_bps
    return estimate_bps + _TRIED_BPS


def _nearest(publication: Publication, rid: str, now_us: int) -> Source | None:
    """What arrives, the nearest to the wanted layer, a smaller one before a larger. Where nothing
    does (a shared screen on which nothing moves is silent for seconds), what has come before.
    """
    rising = heights(publication)
    come = [one for one in rising if one in publication.layers]
    if not come:
        return None
    found = min(
        come,
        key=lambda one: (
            not _alive(publication, one, now_us),
            abs(rising[one] - rising[rid]),
            rising[one],
        ),
    )
    return publication.layers[found]


def _alive(publication: Publication, rid: str, now_us: int) -> bool:
    source = publication.layers.get(rid)
    return source is not None and now_us - source.last_packet_us < _ALIVE_US


def _tell(member: Member) -> None:
    slots = [
        {
            "slot": mid,
            "participant_id": one.sight.participant_id,
            "kind": one.sight.picture,
            "layer": one.rid,
        }
        for mid, one in sorted(member.shown.items())
    ]
    member.tell("tiles", {"type": "tiles", "slots": slots})
