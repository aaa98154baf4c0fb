"""Sound sent twice (RFC 2198): each packet carries those before it again.

One lost packet is heard all the same, without a round trip and without a decoder here.
"""

from __future__ import annotations

from collections.abc import Sequence

_OFFSET_LIMIT = 1 << 14
_SIZE_LIMIT = 1 << 10


def payload(
    payload_type: int,
    timestamp: int,
    newest: bytes,
    before: Sequence[tuple[int, bytes]],
    limit: int,
) -> bytes:
    """``newest`` behind as many of ``before`` (timestamp and payload, in order) as can be told and
    fit ``limit`` bytes. ``payload_type`` is that of each block.
    """
    heads: list[bytes] = []
    blocks: list[bytes] = []
    left = limit - 1 - len(newest)
    for earlier, block in reversed(before):
        ago = timestamp - earlier
        left -= 4 + len(block)
        if not 0 < ago < _OFFSET_LIMIT or not 0 < len(block) < _SIZE_LIMIT or left < 0:
            break
        head = (0x80 | payload_type) << 24 | ago << 10 | len(block)
        heads.insert(0, head.to_bytes(4, "big"))
        blocks.insert(0, block)
    return b"".join((*heads, bytes((payload_type,)), *blocks, newest))


def blocks(payload: bytes) -> list[tuple[int, bytes]]:
    """(how long ago, data) of each block, the oldest first, the newest with 0; none when lengths
    run past the end.
    """
    heads: list[tuple[int, int]] = []
    position = 0
    while position < len(payload) and payload[position] & 0x80:
        word = int.from_bytes(payload[position : position + 4], "big")
        heads.append((word >> 10 & 0x3FFF, word & 0x3FF))
        position += 4
    position += 1
    found = []
    for ago, size in heads:
        found.append((ago, payload[position : position + size]))
        position += size
    if position >= len(payload):
        return []
    return [*found, (0, payload[position:])]
