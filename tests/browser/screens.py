"""The screens that the console is made for, and one page shown on each of them in turn."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page

DESK = (1366, 768)
LARGE_DESK = (1920, 1080)
TELEPHONE = (390, 844)
WALL = (3840, 2160)

_TWO_PICTURES = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


def on_screens(page: Page, *screens: tuple[int, int]) -> Iterator[int]:
    """The page on one screen after the other, which it fits without being moved sideways; gives
    each one's width, the page laid out for it.
    """
    for width, height in screens:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(_TWO_PICTURES)
        too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, f"{page.url} is wider than a screen of {width} px by {too_wide} px"
        yield width
