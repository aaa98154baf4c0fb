"""The eight bytes of PTZCmd (GB/T 28181-2016 Annex A.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181 import steering
from camera_adapters.gb28181.steering import (
    Auxiliary,
    Lens,
    Move,
    Patrol,
    Preset,
    Scan,
    Steering,
    SteeringError,
)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Move(), "A50F0100000000B5"),
        (Move(pan=1.0), "A50F0101FF0000B5"),
        (Move(pan=-1.0), "A50F0102FF0000B6"),
        (Move(tilt=1.0), "A50F010800FF00BC"),
        (Move(tilt=-1.0), "A50F010400FF00B8"),
        (Move(zoom=1.0), "A50F01100000F0B5"),
        (Move(zoom=-1.0), "A50F01200000F0C5"),
        (Lens(iris=-1.0), "A50F014800FF00FC"),
        (Lens(iris=1.0), "A50F014400FF00F8"),
        (Lens(focus=-1.0), "A50F0142FF0000F6"),
        (Preset("set", 1), "A50F018100010037"),
        (Preset("call", 1), "A50F018200010038"),
        (Preset("delete", 1), "A50F018300010039"),
        (Patrol("add", 2, preset=3), "A50F01840203003E"),
        (Patrol("dwell", 2, value=0x123), "A50F018702231071"),
        (Patrol("start", 2), "A50F01880200003F"),
        (Scan("start", 1), "A50F01890100003F"),
        (Scan("right_bound", 1), "A50F018901020041"),
        (Auxiliary(steering.WIPER, on=True), "A50F018C01000042"),
        (Auxiliary(steering.WIPER, on=False), "A50F018D01000043"),
    ],
)
def test_bytes_of_a_command(command: Steering, text: str) -> None:
    raw = bytes.fromhex(text)
    assert raw[7] == sum(raw[:7]) % 256
    assert steering.encode(command) == text
    assert steering.decode(text.lower()) == command


def test_as_a_platform_in_the_field_sends_it() -> None:
    assert steering.decode("A50F01081E1E1009") == Move(tilt=30 / 255)


SPEED = st.sampled_from([0.0]) | st.integers(1, 255).map(lambda n: n / 255)
SIGNED = st.tuples(SPEED, st.sampled_from([-1, 1])).map(lambda pair: pair[0] * pair[1])
ZOOM = st.integers(-15, 15).map(lambda n: n / 15)
NUMBER = st.integers(1, 255)
COMMANDS = st.one_of(
    st.builds(Move, SIGNED, SIGNED, ZOOM),
    st.builds(Lens, SIGNED, SIGNED),
    st.builds(Preset, st.sampled_from(["set", "call", "delete"]), NUMBER),
    st.builds(Patrol, st.sampled_from(["add", "remove"]), NUMBER, NUMBER),
    st.builds(
        Patrol, st.sampled_from(["speed", "dwell"]), NUMBER, st.just(0), st.integers(1, 4095)
    ),
    st.builds(Patrol, st.just("start"), NUMBER),
    st.builds(Scan, st.sampled_from(["start", "left_bound", "right_bound"]), NUMBER),
    st.builds(Scan, st.just("speed"), NUMBER, st.integers(1, 4095)),
    st.builds(Auxiliary, NUMBER, st.booleans()),
)


@given(COMMANDS, st.integers(0, 0xFFF))
def test_what_is_written_is_read_again(command: Steering, address: int) -> None:
    found = steering.decode(steering.encode(command, address))
    if isinstance(command, Move):
        assert isinstance(found, Move)
        assert (found.pan, found.tilt, found.zoom) == pytest.approx(
            (command.pan, command.tilt, command.zoom)
        )
    else:
        assert found == command


@pytest.mark.parametrize("speed", [0.0001, 7.0])
def test_speed_is_never_lost_and_never_too_great(speed: float) -> None:
    found = steering.decode(steering.encode(Move(pan=speed, zoom=speed)))
    assert isinstance(found, Move)
    assert 0 < found.pan <= 1
    assert 0 < found.zoom <= 1


def test_both_directions_at_once_move_nothing() -> None:
    raw = bytes([0xA5, 0x0F, 1, 0x03, 0xFF, 0, 0])
    assert steering.decode((raw + bytes([sum(raw) & 0xFF])).hex()) == Move()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zz",
        "A50F01",
        "A50F0101FF0000B6",  # checksum
        "B50F0101FF0000C5",
        "A50F018100000036",  # preset 0
        "A50F01F0000000A5",
    ],
)
def test_damaged_command_is_refused(text: str) -> None:
    with pytest.raises(SteeringError):
        steering.decode(text)


@pytest.mark.parametrize("command", [Preset("call", 0), Preset("set", 256), Patrol("speed", 1)])
def test_number_that_does_not_fit_is_refused(command: Steering) -> None:
    with pytest.raises(SteeringError, match="number from"):
        steering.encode(command)
