"""What a page may say: everything else is refused with a reason, and nothing worse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.meetings.tiles import TILES_LIMIT, Tile
from gateway.meetings.wire import (
    MESSAGE_BYTES_LIMIT,
    OFFER_BYTES_LIMIT,
    AnswerCall,
    Device,
    Offer,
    Ping,
    View,
    WireError,
    parse,
)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "ping"}, Ping()),
        ({"type": "answer_call"}, AnswerCall()),
        ({"type": "device", "microphone": True}, Device(microphone=True)),
        (
            {"type": "offer", "sdp": "v=0\r\n", "sends": {"0": "microphone", "1": "camera"}},
            Offer("v=0\r\n", {"0": "microphone", "1": "camera"}),
        ),
        (
            {"type": "view", "tiles": [{"slot": "6", "participant_id": None, "height_px": 540.5}]},
            View((Tile("6", None, "camera", 540),)),
        ),
    ],
)
def test_every_message_of_the_protocol_is_understood(document: Any, message: object) -> None:
    assert parse(json.dumps(document)) == message


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"type": "mute"},
        {"type": "offer", "sdp": 5},
        {"type": "offer", "sdp": "v=0", "sends": {"0": "gun"}},
        {"type": "offer", "sdp": "v=0", "sends": {"0": "camera", "1": "camera"}},
        {"type": "offer", "sdp": "\ud800"},
        {"type": "device", "camera": 1},
        {"type": "view"},
        {"type": "view", "tiles": [{"slot": "1", "height_px": 1}] * 2},
        {"type": "view", "tiles": [{"slot": "1", "height_px": float("nan")}]},
        {"type": "view", "tiles": [{"slot": "1", "height_px": True}]},
        {"type": "view", "tiles": [{"slot": str(n), "height_px": 1} for n in range(26)]},
    ],
)
def test_what_is_no_message_is_refused(document: Any) -> None:
    with pytest.raises(WireError):
        parse(json.dumps(document))


def test_long_messages_are_refused_before_they_are_looked_at() -> None:
    with pytest.raises(WireError, match="too long"):
        parse(" " * OFFER_BYTES_LIMIT + "{}")
    with pytest.raises(WireError, match="too long"):
        parse(json.dumps({"type": "ping", "more": "x" * MESSAGE_BYTES_LIMIT}))


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
_FIELDS = st.sampled_from(
    ["sdp", "sends", "tiles", "slot", "participant_id", "kind", "height_px", "camera"]
)


@given(
    st.sampled_from(["offer", "view", "device", "ping"]),
    st.dictionaries(_FIELDS, _JSON | st.lists(st.dictionaries(_FIELDS, _JSON), max_size=30)),
)
def test_no_document_does_worse_than_being_refused(kind: str, fields: dict[str, Any]) -> None:
    try:
        message = parse(json.dumps({"type": kind, **fields}))
    except WireError:
        return
    if isinstance(message, View):
        assert len(message.tiles) <= TILES_LIMIT
        assert all(tile.height_px >= 1 for tile in message.tiles)


@given(st.text())
@example("[" * 20_000)
@example('{"type": "view", "tiles": [{"slot": "1", "height_px": 1e999}]}')
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse(text)
