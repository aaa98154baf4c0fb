"""What areas and cameras are found by: their name, its pinyin in full and in initials, their code.

A key is kept with each row and searched by substring, so that `spz`, `shipai`, `石牌` and
`420881` all find 石牌镇. A county has some ten thousand rows: reading them all takes milliseconds.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, product

import sqlalchemy as sa

# Characters with several readings (长: chang, zhang) multiply.
_INITIALS_LIMIT = 8
# Between the parts of a key: none of them holds one.
_SEPARATOR = "\n"


@lru_cache(maxsize=4096)
def search_key(name: str, code: str | None = None) -> str:
    """The key of what is called ``name`` and filed under ``code``."""
    # Imported by who writes names, not by every process: its dictionary takes 30 MB.
    from pypinyin import Style, lazy_pinyin, pinyin

    plain = _plain(name)
    parts = [plain]
    if not plain.isascii():
        parts.append("".join(lazy_pinyin(plain)))
        readings = pinyin(plain, style=Style.FIRST_LETTER, heteronym=True)
        first = "".join(lazy_pinyin(plain, style=Style.FIRST_LETTER))
        parts += [first, *("".join(one) for one in islice(product(*readings), _INITIALS_LIMIT))]
    if code:
        parts.append(_plain(code))
    return _SEPARATOR.join(dict.fromkeys(part for part in parts if part))


def matches(key: sa.ColumnElement[str], query: str) -> sa.ColumnElement[bool]:
    """Rows whose key holds what somebody typed."""
    return key.contains(_plain(query), autoescape=True)


def rank(key: sa.ColumnElement[str], query: str) -> sa.ColumnElement[int]:
    """To order by: 0 where a part is what was typed, 1 where one begins so, 2 elsewhere."""
    typed = _plain(query)
    framed = sa.literal(_SEPARATOR) + key + sa.literal(_SEPARATOR)
    return sa.case(
        (framed.contains(f"{_SEPARATOR}{typed}{_SEPARATOR}", autoescape=True), 0),
        (framed.contains(f"{_SEPARATOR}{typed}", autoescape=True), 1),
        else_=2,
    )


def _plain(text: str) -> str:
    return "".join(text.casefold().split())
