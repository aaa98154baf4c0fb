"""XML as cameras write it: read in pieces, within limits, by local names.

Devices forget to declare prefixes, mislabel GB18030 as UTF-8, and put other namespaces in than the
schema has; their meaning is still plain. So names are matched without their prefix. What endangers
the reader is refused: document types (and with them every entity), depth, number and size.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from pyexpat import ExpatError, ParserCreate
from xml.sax.saxutils import escape, quoteattr

BYTES_LIMIT = 8 * 1024 * 1024
NODES_LIMIT = 200_000
DEPTH_LIMIT = 64

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CHINESE = {"gb2312", "gbk", "gb18030", "gb_2312-80", "x-gbk"}
# What XML 1.0 §2.2 forbids; names of channels have it nevertheless.
_CONTROLS = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
_DECLARATION_BYTES = 200


class XmlError(ValueError):
    """The document cannot be used; the message says why, in one English line."""


class Node:
    """An element. ``name`` is local; ``qualified`` and ``attributes`` are as they were written."""

    __slots__ = ("attributes", "children", "name", "qualified", "text")

    def __init__(self, qualified: str, attributes: dict[str, str]) -> None:
        self.qualified = qualified
        self.name = qualified.rpartition(":")[2]
        self.attributes = attributes
        self.children: list[Node] = []
        self.text = ""

    def get(self, name: str, default: str = "") -> str:
        """An attribute, whatever its prefix."""
        value = self.attributes.get(name)
        if value is not None:
            return value
        for other, value in self.attributes.items():
            if other.rpartition(":")[2] == name and not other.startswith("xmlns"):
                return value
        return default

    def child(self, path: str) -> Node | None:
        """The first element at ``A/B/C`` below this one."""
        node: Node | None = self
        for name in path.split("/"):
            node = next((one for one in node.children if one.name == name), None) if node else None
        return node

    def each(self, name: str) -> Iterator[Node]:
        """The children of this name."""
        return (one for one in self.children if one.name == name)

    def find(self, name: str) -> Node | None:
        """The first element of this name anywhere below, in document order."""
        return next(self.find_all(name), None)

    def find_all(self, name: str) -> Iterator[Node]:
        """Every element of this name anywhere below, in document order."""
        stack = self.children[::-1]
        while stack:
            node = stack.pop()
            if node.name == name:
                yield node
            stack.extend(reversed(node.children))

    def value(self, path: str, default: str = "") -> str:
        """The stripped text at ``A/B/C``; ``default`` where nothing is."""
        node = self.child(path)
        return node.text.strip() if node is not None else default

    def whole(self, path: str) -> int | None:
        """The text at ``path`` as a whole number, within 64 bits; None where it is none."""
        return whole_number(self.value(path))

    def number(self, path: str) -> float | None:
        """The text at ``path`` as a finite number; None where it is none."""
        return finite_number(self.value(path))


class TreeReader:
    """Reads one document in pieces of any size: :meth:`feed`, then :meth:`close`.

    Both raise :class:`XmlError`, after which the reader is of no use.
    """

    def __init__(self, bytes_limit: int = BYTES_LIMIT) -> None:
        self._bytes_limit = bytes_limit
        self._bytes = 0
        self._nodes = 0
        self._root: Node | None = None
        self._open: list[Node] = []
        self._texts: list[str] = []
        self._beginning: bytes | None = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        parser = ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._texts.append
        parser.StartDoctypeDeclHandler = self._refuse_document_type
        self._parser = parser

    def feed(self, data: bytes) -> None:
        """The next piece."""
        self._bytes += len(data)
        if self._bytes > self._bytes_limit:
            raise XmlError(f"the answer is larger than {self._bytes_limit // 1024} KiB")
        if self._beginning is not None:
            self._beginning += data
            if len(self._beginning) < _DECLARATION_BYTES:
                return
            data, self._beginning = self._beginning, None
            self._decoder = _decoder_for(data)
        self._parse(data, final=False)

    def close(self) -> Node:
        """The document's outermost element."""
        if self._beginning is not None:
            data, self._beginning = self._beginning, None
            self._decoder = _decoder_for(data)
            self._parse(data, final=False)
        self._parse(b"", final=True)
        if self._root is None:
            raise XmlError("the answer is empty")
        return self._root

    def _parse(self, data: bytes, *, final: bool) -> None:
        assert self._decoder is not None
        text = self._decoder.decode(data, final).translate(_CONTROLS)
        try:
            self._parser.Parse(text.encode("utf-8", "replace"), final)
        except ExpatError as error:
            raise XmlError(f"the answer is not XML: {error}") from None

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        self._nodes += 1
        if self._nodes > NODES_LIMIT or len(self._open) >= DEPTH_LIMIT:
            raise XmlError("the answer has too many elements, or too deep ones")
        node = Node(qualified, attributes)
        if self._open:
            self._keep_text()
            self._open[-1].children.append(node)
        else:
            self._root = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._keep_text()
        self._open.pop()

    def _keep_text(self) -> None:
        if self._texts:
            node = self._open[-1]
            # Text between elements means nothing in SOAP; kept, it would be copied with each.
            if not node.children:
                node.text = "".join(self._texts)
            self._texts.clear()

    def _refuse_document_type(self, *_: object) -> None:
        raise XmlError("the answer declares a document type, which no device needs")


def parse(data: bytes, bytes_limit: int = BYTES_LIMIT) -> Node:
    """Read a whole document. Raises :class:`XmlError`."""
    reader = TreeReader(bytes_limit)
    reader.feed(data)
    return reader.close()


def serialise(node: Node, namespaces: Mapping[str, str]) -> str:
    """The element as XML text again, as it was written, with ``namespaces`` declared on it.

    ``namespaces`` maps attribute names (``xmlns:tt``, ``xmlns``) to URIs, as
    :func:`namespaces_around` gives them.
    """
    return _serialised(node, {**namespaces, **node.attributes})


def namespaces_around(root: Node, target: Node) -> dict[str, str]:
    """The namespace declarations in force at ``target``, from ``root`` down; without its own."""
    stack: list[tuple[Node, dict[str, str]]] = [(root, {})]
    while stack:
        node, scope = stack.pop()
        if node is target:
            return scope
        own = {name: uri for name, uri in node.attributes.items() if name.startswith("xmlns")}
        inner = {**scope, **own} if own else scope
        stack.extend((one, inner) for one in node.children)
    return {}


def finite_number(text: str) -> float | None:
    """A decimal number that is no infinity; None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e18 else None


def whole_number(text: str) -> int | None:
    """A whole number, also where a device writes ``25.0``; None where the text is none."""
    value = finite_number(text)
    return round(value) if value is not None else None


def _serialised(node: Node, attributes: Mapping[str, str]) -> str:
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    inner = "".join(_serialised(one, one.attributes) for one in node.children)
    text = escape(node.text) if node.text.strip() else ""
    return f"<{node.qualified}{written}>{text}{inner}</{node.qualified}>"


def _decoder_for(data: bytes) -> codecs.IncrementalDecoder:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return codecs.getincrementaldecoder("utf-16")("replace")
    declared = _DECLARED.match(data.removeprefix(codecs.BOM_UTF8))
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    if name in _CHINESE:
        name = "gb18030"
    elif name not in ("iso-8859-1", "us-ascii"):
        name = "utf-8-sig"
    return codecs.getincrementaldecoder(name)("replace")
