"""What a page in a meeting may say: JSON texts, checked before anybody believes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from gateway.meetings.floor import Picture
from gateway.meetings.tiles import TILES_LIMIT, Tile

What = Literal["microphone", "camera", "screen"]

OFFER_BYTES_LIMIT = 256 * 1024
MESSAGE_BYTES_LIMIT = 16 * 1024
_ID_LIMIT = 64
_HEIGHT_LIMIT_PX = 8192
_SENDS_LIMIT = 3


class WireError(ValueError):
    """A text that is no message; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The one offer of a connection; ``sends`` says which of its sections carries what."""

    sdp: str
    sends: dict[str, What]


@dataclass(frozen=True, slots=True)
class View:
    """What the page would like to show, from now on."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """What the page really sends, for the others' signs. It opens nothing by itself."""

    microphone: bool = False
    camera: bool = False
    screen: bool = False


@dataclass(frozen=True, slots=True)
class AnswerCall:
    """Somebody on the spot says: here."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The page asks whether anybody is there."""


ClientMessage = Offer | View | Device | AnswerCall | Ping


def parse(text: str) -> ClientMessage:
    """The message in ``text``. Raises WireError."""
    if len(text) > OFFER_BYTES_LIMIT:
        raise WireError("the message is too long")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise WireError("the message is no JSON") from None
    if not isinstance(document, dict):
        raise WireError("the message is no JSON object")
    kind = document.get("type")
    if kind == "offer":
        return _offer(document)
    if len(text) > MESSAGE_BYTES_LIMIT:
        raise WireError("the message is too long")
    if kind == "view":
        return _view(document)
    if kind == "device":
        return Device(*(_flag(document, name) for name in get_args(What)))
    if kind == "answer_call":
        return AnswerCall()
    if kind == "ping":
        return Ping()
    raise WireError("there is no message of this type: offer, view, device, answer_call, ping")


def _offer(document: dict[str, Any]) -> Offer:
    sdp, sends = document.get("sdp"), document.get("sends", {})
    if not isinstance(sdp, str) or not isinstance(sends, dict):
        raise WireError("an offer has sdp (text) and sends (section: microphone, camera, screen)")
    if not sdp.isascii():
        # Names of sections and attributes are ASCII (RFC 8866 §9); lone surrogates would do harm.
        raise WireError("an offer's sdp has characters that no browser writes")
    known = get_args(What)
    if len(sends) > _SENDS_LIMIT or any(what not in known for what in sends.values()):
        raise WireError("sends names sections: one microphone, one camera, one screen at most")
    if len(set(sends.values())) != len(sends):
        raise WireError("sends names one section twice")
    return Offer(sdp, cast("dict[str, What]", sends))


def _view(document: dict[str, Any]) -> View:
    tiles = document.get("tiles")
    if not isinstance(tiles, list) or len(tiles) > TILES_LIMIT:
        raise WireError(f"a view has tiles, {TILES_LIMIT} at most")
    parsed = tuple(_tile(one) for one in tiles)
    if len({tile.slot for tile in parsed}) != len(parsed):
        raise WireError("a slot shows one picture: it is named twice")
    return View(parsed)


def _tile(document: Any) -> Tile:
    if not isinstance(document, dict):
        raise WireError("a tile is an object: slot, participant_id, kind, height_px")
    slot, participant_id = document.get("slot"), document.get("participant_id")
    picture, height_px = document.get("kind", "camera"), document.get("height_px")
    if not isinstance(slot, str) or not 0 < len(slot) <= _ID_LIMIT:
        raise WireError("a tile's slot is the mid of a section")
    if participant_id is not None and not (
        isinstance(participant_id, str) and len(participant_id) <= _ID_LIMIT
    ):
        raise WireError("a tile's participant_id is an id, or null: the program")
    if picture not in get_args(Picture):
        raise WireError("a tile's kind is camera or screen")
    if isinstance(height_px, bool) or not isinstance(height_px, int | float):
        raise WireError("a tile's height_px is a number")
    if not 0 < height_px <= _HEIGHT_LIMIT_PX:
        raise WireError(f"a tile's height_px is between 1 and {_HEIGHT_LIMIT_PX}")
    return Tile(slot, participant_id, cast("Picture", picture), max(1, int(height_px)))


def _flag(document: dict[str, Any], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise WireError(f"{name} is true or false")
    return value
