"""What areas and cameras are found by: their name, its pinyin in full and in initials, their code.

A key is kept with each row and searched by substring, so that `spz`, `shipai`, `石牌` and
`420881` all find 石牌镇. A county has some ten thousand rows: reading them all takes milliseconds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice, product

import sqlalchemy as sa

# Characters with several readings (长: chang, zhang) multiply.
_READINGS_LIMIT = 8
# Between the parts of a key: none of them holds one.
_SEPARATOR = "\n"
_HAN = "\u3007\u3400-\u9fff\U00020000-\U000323af"
_CHINESE = re.compile(f"[{_HAN}]")
# Runs of Chinese, and what stands between them: 村口 is looked up once, not for 村口1 to 村口999.
_PARTS = re.compile(f"[{_HAN}]+|[^{_HAN}]+")


def search_key(name: str, code: str | None = None) -> str:
    """The key of what is called ``name`` and filed under ``code``."""
    plain = _plain(name)
    parts = [plain]
    if not plain.isascii():
        spoken = [_readings(part) for part in _PARTS.findall(plain)]
        for combined in islice(product(*spoken), _READINGS_LIMIT):
            parts.append("".join(full for full, _ in combined))
            parts.append("".join(initials for _, initials in combined))
    if code:
        parts.append(_plain(code))
    return _SEPARATOR.join(dict.fromkeys(part for part in parts if part))


@lru_cache(maxsize=16_384)
def _readings(part: str) -> tuple[tuple[str, str], ...]:
    """A run of characters in full pinyin and in initials, in each reading, the likeliest first.
    What is not Chinese stands for itself.
    """
    if not _CHINESE.match(part):
        return ((part, part),)
    # Imported by who writes names, not by every process: its dictionary takes 30 MB.
    from pypinyin import Style, lazy_pinyin, pinyin

    readings = product(*pinyin(part, style=Style.NORMAL, heteronym=True))
    all_of_them = (tuple(lazy_pinyin(part)), *islice(readings, _READINGS_LIMIT))
    return tuple(
        ("".join(one), "".join(syllable[:1] for syllable in one))
        for one in dict.fromkeys(all_of_them)
    )


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
