"""The list of what telephones may ask for, and how much of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.field_gateway.allowed import PASSAGES, passage_of
from gateway.field_gateway.limits import PerAddress

_Parts = st.lists(
    st.sampled_from(
        ["api", "field", "reports", "uploads", "finish", "session", "attachments", "content", "..",
         ".", "", "%2e%2e", "cameras", "users", "grids", "sheet", "x\n", "a/b", "é", "tasks"]
    ),
    max_size=7,
)  # fmt: skip
_Method = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", ""])


@given(_Method, _Parts.map(lambda parts: "/" + "/".join(parts)) | st.text(max_size=60))
def test_nothing_but_the_list_is_let_through(method: str, path: str) -> None:
    if passage_of(method, path) is None:
        return
    parts = path.split("/")
    assert parts[1] == "api" and parts[2] in ("session", "field", "attachments")
    assert ".." not in parts and "" not in parts[1:] and "." not in parts
    assert path.isascii() and path.isprintable()
    assert not path.endswith("/sheet")


def test_only_pieces_are_large() -> None:
    large = [one for one in PASSAGES if one.body_bytes > 64 * 1024]
    assert [sorted(one.methods) for one in large] == [["PATCH"]]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=200))
def test_an_address_gets_no_more_than_its_share(asked: list[tuple[str, float]]) -> None:
    clock = [0.0]
    limit = PerAddress(10, lambda: clock[0])
    taken: dict[str, list[float]] = {"a": [], "b": []}
    for address, after_s in asked:
        clock[0] += after_s
        wait_s = limit.take(address)
        if wait_s == 0:
            taken[address].append(clock[0])
        else:
            assert wait_s <= 7
    for times in taken.values():
        for start_s in times:
            within = [one for one in times if start_s <= one <= start_s + 60]
            # What is left over, and what comes anew in that minute.
            assert len(within) <= 20
