"""XML bodies of SIP messages (GB/T 28181-2016 §8.2, Annex A): read with care, written plainly.

A body is bounded in bytes, elements and depth; a document type, and with it every entity, is
refused. Text is GB 18030 or UTF-8: what the declaration says is believed only as far as the bytes
agree, since devices declare the one and send the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

BODY_BYTES_LIMIT = 512 * 1024
ELEMENTS_LIMIT = 50_000
DEPTH_LIMIT = 16
# What is kept of one element's text.
TEXT_LIMIT = 4096

GB2312 = "GB2312"
UTF8 = "UTF-8"

_DECLARED = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,20})")
# Everything that XML 1.0 §2.2 forbids; recorders pad bodies with NUL and leave garbage in names.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")


class XmlBodyError(ValueError):
    """The body cannot be accepted; the message says why."""


@dataclass(slots=True)
class Element:
    """One element: its text without the blanks around it, attributes, children in order."""

    name: str
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)

    def find(self, name: str) -> Element | None:
        """The first child of this name; case does not matter, devices differ in it."""
        wanted = name.lower()
        return next((child for child in self.children if child.name.lower() == wanted), None)

    def find_all(self, name: str) -> Iterator[Element]:
        """The children of this name, in order."""
        wanted = name.lower()
        return (child for child in self.children if child.name.lower() == wanted)

    def value(self, name: str, default: str = "") -> str:
        """The text of the first child of this name."""
        child = self.find(name)
        return child.text if child is not None else default

    def number(self, name: str, default: int = 0) -> int:
        """The text of a child as a whole number that fits 63 bits, else ``default``."""
        return whole_number(self.value(name), default)

    def decimal(self, name: str) -> float | None:
        """The text of a child as a finite number; None when it is none."""
        return finite_number(self.value(name))


def whole_number(text: str, default: int = 0) -> int:
    """A decimal number of at most 18 digits, else ``default``."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        return default
    return int(text)


def finite_number(text: str) -> float | None:
    """A finite decimal number, else None."""
    try:
        value = float(text) if len(text) <= 40 else float("nan")
    except ValueError:
        return None
    return value if abs(value) < 1e18 else None


def parse(body: bytes, bytes_limit: int = BODY_BYTES_LIMIT) -> Element:
    """The root element. Raises XmlBodyError for what is too large, no XML, or has a document type.

    Bare ampersands and forbidden characters, which recorders send, are mended.
    """
    if len(body) > bytes_limit:
        raise XmlBodyError(f"a body of {len(body)} bytes: at most {bytes_limit} are taken")
    text = _FORBIDDEN.sub("", decode(body)).strip()
    if not text:
        raise XmlBodyError("an empty body")
    try:
        return _Reader().read(text)
    except expat.ExpatError as error:
        mended = _BARE_AMPERSAND.sub("&amp;", text)
        if mended == text:
            raise XmlBodyError(f"no well-formed XML: {error}") from None
    try:
        return _Reader().read(mended)
    except expat.ExpatError as error:
        raise XmlBodyError(f"no well-formed XML: {error}") from None


def decode(body: bytes) -> str:
    """The text of a body, by its declaration and by what its bytes can be. Never raises.

    Bytes that are strict UTF-8 with characters of three bytes are UTF-8 whatever was declared:
    Chinese text in GB 18030 is never that by chance for longer than a word.
    """
    text = body.removeprefix(b"\xef\xbb\xbf")
    if text.isascii():
        return text.decode("ascii")
    declared = _DECLARED.search(text[:200])
    says_utf8 = declared is None or declared[1].lower().startswith(b"utf")
    try:
        as_utf8 = text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("gb18030", "replace")
    if says_utf8 or any(character >= "\u0800" for character in as_utf8):
        return as_utf8
    return text.decode("gb18030", "replace")


def to_bytes(root: Element, encoding: str = GB2312) -> bytes:
    """The document with its declaration. ``encoding`` is :data:`GB2312` or :data:`UTF8`.

    GB2312 is what the standard asks to be declared (§8.2); the bytes are GB 18030, its superset.
    """
    lines = [f'<?xml version="1.0" encoding="{encoding}"?>']
    _write(root, lines)
    text = "\r\n".join(lines) + "\r\n"
    return text.encode("utf-8" if encoding == UTF8 else "gb18030")


def element(name: str, *content: Element | str | None, **attributes: str) -> Element:
    """An element with text or children; None among the content is left out."""
    children = [part for part in content if isinstance(part, Element)]
    text = "".join(part for part in content if isinstance(part, str))
    return Element(name, text, attributes, children)


def texts(pairs: Iterable[tuple[str, str | int | float | None]]) -> list[Element]:
    """Elements with text, without those whose value is None or empty."""
    return [Element(name, str(value)) for name, value in pairs if value is not None and value != ""]


def _write(node: Element, lines: list[str]) -> None:
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in node.attributes.items())
    if node.children:
        lines.append(f"<{node.name}{attributes}>")
        for child in node.children:
            _write(child, lines)
        lines.append(f"</{node.name}>")
    else:
        text = escape(_FORBIDDEN.sub("", node.text))
        lines.append(f"<{node.name}{attributes}>{text}</{node.name}>")


class _Reader:
    """Builds the tree while it counts, so that a bomb costs no more than the limits."""

    def __init__(self) -> None:
        self._root: Element | None = None
        self._open: list[Element] = []
        self._pieces: list[str] = []
        self._elements = 0
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._parser = parser

    def read(self, text: str) -> Element:
        self._parser.Parse(text, True)
        if self._root is None:
            raise XmlBodyError("no element")
        return self._root

    def _refuse(self, *_: object) -> None:
        raise XmlBodyError("a document type or entity, which is refused")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > ELEMENTS_LIMIT:
            raise XmlBodyError(f"more than {ELEMENTS_LIMIT} elements")
        if len(self._open) >= DEPTH_LIMIT:
            raise XmlBodyError(f"elements nested deeper than {DEPTH_LIMIT}")
        node = Element(name, "", attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node
        self._open.append(node)
        self._pieces.clear()

    def _end(self, _: str) -> None:
        node = self._open.pop()
        if not node.children:
            node.text = "".join(self._pieces).strip()[:TEXT_LIMIT]
        self._pieces.clear()

    def _text(self, data: str) -> None:
        self._pieces.append(data)
