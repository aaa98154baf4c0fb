"""What a page puts onto A4, read back from the PDF that the browser prints."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pypdf import PdfReader

A4_POINTS = (595, 842)


def printed(page: Page, path: Path) -> list[str]:
    """The sheets as text."""
    page.pdf(path=path, format="A4", print_background=True)
    sheets = PdfReader(path).pages
    for one in sheets:
        size = (float(one.mediabox.width), float(one.mediabox.height))
        assert size == pytest.approx(A4_POINTS, abs=1.5)
    return [as_read(one.extract_text()) for one in sheets]


def as_read(text: str) -> str:
    """A PDF may name a character by its look: the radical for the word."""
    return unicodedata.normalize("NFKC", text)
