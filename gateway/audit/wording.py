"""Words that say nothing: blank, or filled in so that something stands there."""

from __future__ import annotations

import unicodedata

_SHORTEST = 2
# Rows of the keyboard and of the alphabet, forwards; backwards counts too.
_RUNS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "01234567890")
_RUN_LENGTH = 3
_SAYING_NOTHING = """
    无 没有 没 空 略 其他 其它 随便 测试 试试 试一下 看看 看一下 看一看 看下 查看 查 查看录像 看录像
    看监控 查监控 调监控 调取监控 工作 工作需要 需要 业务需要 公务 办公 领导要求 领导安排 领导让看
    有事 有用 不知道 不清楚 同上 如题 无原因 无理由 没原因 没理由 原因 理由 用途 正常 常规 例行 日常
    日常工作
    test testing none no nothing na nil null ok okay yes xxx tbd todo same ditto asap reason work
    job duty needed required check checking look looking view viewing see watch video footage
    camera misc other others various unknown whatever stuff blah normal routine
"""
_EMPTY_WORDS = frozenset(_SAYING_NOTHING.split())
_WORD_MARKS = "的了吧啊呀嘛呢哦"


def is_blank(text: str) -> bool:
    """Whether nothing of it is seen: spaces, punctuation, invisible characters."""
    return not bare(text)


def bare(text: str) -> str:
    """Letters and digits alone, of one width and one case: what two reasons are compared by."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(one for one in folded if unicodedata.category(one)[0] in "LN")


def is_filler(text: str) -> bool:
    """Whether it was filled in so that something stands there: 1111, asdf, 无, test.

    Errs on the side of the writer: what might be a word, a name or a number is taken for one.
    """
    said = bare(text)
    if len(said) < _SHORTEST or _is_run(said) or _is_repeated(said):
        return True
    return all(
        word in _EMPTY_WORDS or word.strip(_WORD_MARKS) in _EMPTY_WORDS or len(word) < _SHORTEST
        for word in bare_words(text)
    )


def _is_repeated(said: str) -> bool:
    """ "abab", "111", "哈哈哈", "测试测试"; but "妹妹" may be somebody."""
    for length in range(1, len(said) // 2 + 1):
        times, rest = divmod(len(said), length)
        if rest == 0 and said == said[:length] * times:
            return times > 2 or said.isascii() or (length > 1 and is_filler(said[:length]))
    return False


def is_filler_number(text: str) -> bool:
    """Whether a case number stands for none: ``0``, ``111``, ``123456``, ``无``."""
    said = bare(text)
    return len(set(said)) < 2 or _is_run(said) or said in _EMPTY_WORDS


def bare_words(text: str) -> list[str]:
    """The words of a text by its spaces and punctuation, each bare."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    marked = "".join(one if unicodedata.category(one)[0] in "LN" else " " for one in folded)
    return marked.split()


def _is_run(said: str) -> bool:
    if len(said) < _RUN_LENGTH:
        return False
    return any(said in row or said[::-1] in row for row in _RUNS)
