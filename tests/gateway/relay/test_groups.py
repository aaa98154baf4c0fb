"""RTP sources on their way to another shard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp.group import Group
from camera_adapters.stream import Codec
from gateway.relay import groups
from gateway.relay.figures import summed
from gateway.relay.groups import GroupBacklog, group_of


def sound(timestamp: int, payload: bytes = b"\x78one", *, restarted: bool = False) -> Group:
    return Group(0, [], [payload], timestamp, False, False, False, restarted, 7)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@given(
    st.lists(st.binary(min_size=2, max_size=40), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_group_arrives_as_it_was_sent(
    payloads: list[bytes], marker: bool, hole: bool, after_gap: bool
) -> None:
    backlog = GroupBacklog(lambda: None, Clock())
    heads = [int.from_bytes(one[:2], "big") for one in payloads]
    sent = Group(
        2, heads, [one[2:] for one in payloads], 1 << 33, marker, hole, after_gap, False, 7
    )
    # The first begins a time line for the other side.
    backlog.put(sound(0), picture=False)
    backlog.put(sent, picture=True)
    first, second = backlog.take()
    assert group_of(first, Codec.OPUS, 9).restarted
    came = group_of(second, Codec.H264, 9)
    assert (came.payloads, came.timestamp) == (payloads, sent.timestamp)
    assert (came.marker, came.hole, came.after_gap) == (marker, hole, after_gap)
    assert (came.restarted, came.arrival_us) == (False, 9)
    assert backlog.counted["pictures"] == 1
    assert backlog.counted["bytes"] == 4 + sum(map(len, payloads))


def test_who_is_too_far_behind_is_sent_what_is_new_and_told_of_the_hole() -> None:
    clock, told = Clock(), []
    backlog = GroupBacklog(lambda: told.append(1), clock)
    backlog.put(sound(0, restarted=True), picture=False)
    backlog.put(sound(1), picture=False)
    clock.now_s = groups.BEHIND_LIMIT_S + 0.1
    backlog.put(sound(2), picture=False)
    (message,) = backlog.take()
    came = group_of(message, Codec.OPUS, 0)
    assert (came.timestamp, came.after_gap, came.restarted) == (2, True, True)
    assert backlog.counted["units_dropped"] == 2
    assert len(told) == 3


def test_what_waits_is_bounded() -> None:
    backlog = GroupBacklog(lambda: None, Clock())
    for number in range(10):
        backlog.put(sound(number, bytes(groups.BYTES_LIMIT // 4)), picture=True)
    taken = backlog.take()
    assert sum(len(one) for message in taken for one in message[2]) <= groups.BYTES_LIMIT
    assert taken[-1][0] == 9


def test_figures_of_relays_are_added_up_by_shard() -> None:
    cameras = {"shard-2": {"streams": 1, "bytes": 5}}
    people = {"shard-2": {"streams": 2, "bytes": 7}, "shard-3": {"streams": 1}}
    assert summed(cameras, people) == {
        "shard-2": {"streams": 3, "bytes": 12},
        "shard-3": {"streams": 1},
    }
