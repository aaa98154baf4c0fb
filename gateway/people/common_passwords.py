"""What is guessed first: common words with decoration, and rows of keys."""

from __future__ import annotations

import re
from itertools import pairwise

# The words at the head of every list of leaked passwords, Chinese ones included; digits and signs
# around them, and letters written as digits, do not hide them.
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    access account admin administrator anhui anquan baby babygirl baidu baseball basketball batman
    beijing butterfly camera changeme changeit charlie cheese china chongqing computer cookie county
    dahua daniel default demo dragon football forever freedom friends gongan guanli guest happy
    hello hikvision hubei iloveyou internet jiankong jingcha jordan killer letmein liverpool login
    london love loveme lovely maggie manager master matrix michael michelle mima monkey monitor
    mustang nihao ninja nopassword nothing operator pass passcode password passwd passwort pokemon
    police princess purple qwerty root samsung secret security server service shadow shanghai
    shenzhen starwars summer sunshine superman superuser support surveillance sysadmin system taobao
    temp temporary tempassword test tester testing thomas tianwang trustno trustnoone user username
    video welcome whatever winter woaini woaiwojia wuhan xiaoming xueliang zhongguo zhongxiang
    zxcvbnm
        """,
    )
)
# "5201314" is "I love you for all my life" to who reads it aloud.
_NUMBERS = ("5201314", "1314520", "147258369", "159357", "112233", "123123", "789456", "741852")
_SPELT = str.maketrans({"@": "a", "4": "a", "3": "e", "1": "l", "!": "i", "0": "o", "$": "s"})

_ROWS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    # Down the columns of a keyboard.
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7,ki8.lo9/;p0",
    "!@#$%^&*()",
)
_RUN = 4
_STEPS = frozenset(step for row in _ROWS for way in (row, row[::-1]) for step in pairwise(way))


def is_common(password: str) -> bool:
    """Whether nothing is left of it beside a common word and its decoration."""
    folded = password.casefold()
    bare = re.sub(r"^[^a-z]+|[^a-z]+$", "", folded)
    for text in (folded, folded.translate(_SPELT), bare.translate(_SPELT)):
        letters = re.sub(r"[^a-z]+", "", text)
        stripped = re.sub(r"^[^a-z]+|[^a-z]+$", "", text)
        for word in {letters, stripped}:
            half = word[: len(word) // 2]
            if word in _WORDS or (half in _WORDS and word == half * 2):
                return True
    digits = re.sub(r"[^0-9]+", "", folded)
    return any(number in digits and len(folded) - len(number) < _RUN for number in _NUMBERS)


def run_length(password: str) -> int:
    """How many of its characters stand in runs of four or more: the same key again, or one beside
    the other.
    """
    folded = password.casefold()
    total, run = 0, 1
    for before, after in pairwise(folded):
        if before == after or (before, after) in _STEPS:
            run += 1
            continue
        total += run if run >= _RUN else 0
        run = 1
    return total + (run if run >= _RUN else 0)
