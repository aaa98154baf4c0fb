"""Two readers of straightened plates; each gives, for each character, what it may be.

The first was trained on Chinese plates. The second, PP-OCR, reads everything; of what it says only
the characters of plates count. It comes in the package ``rapidocr``, whose models are opened here
directly: nothing of that package runs, and so nothing of it ever looks for models elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from search.attributes.plates.grammar import ALPHABET
from search.attributes.plates.session import open_session
from search.objects import Picture

_MODELS = Path(__file__).parents[2] / "models"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one reader saw on one plate.

    ``characters``: float32 [length, alphabet]: how surely each character is each of
    :data:`search.attributes.plates.grammar.ALPHABET`; a row sums to 1 at most.
    """

    characters: NDArray[np.float32]
    reader: str

    @property
    def text(self) -> str:
        """The likeliest, without regard to what a plate may say."""
        return "".join(ALPHABET[one] for one in self.characters.argmax(axis=1))


class PlateReader(Protocol):
    """Reads several straightened plates at once."""

    name: str

    def read(self, plates: Sequence[Picture]) -> list[Reading]:
        """One for each, in their order; of no characters where it sees none."""
        ...


class ClpReader:
    """The reader that knows plates and nothing else."""

    name = "clp"

    def __init__(self, threads: int) -> None:
        self._session = open_session(_MODELS / "clp_v2_c_rec.onnx", threads)
        characters = (_MODELS / "clp_dict.txt").read_text(encoding="utf-8").split("\n")
        self._columns = _columns([one for one in characters if one])

    def read(self, plates: Sequence[Picture]) -> list[Reading]:
        """See :class:`PlateReader`."""
        if not plates:
            return []
        answer = self._session.run(None, {"x": _batch(plates, 192, 32)})[0]
        return [Reading(_collapse(one, self._columns), self.name) for one in answer]


class PaddleReader:
    """The reader of everything; good at 学, 警 and other characters rare on plates."""

    name = "ppocr"

    def __init__(self, threads: int) -> None:
        """Raises FileNotFoundError where the installed ``rapidocr`` brings no such model."""
        self._session = open_session(_paddle_model(), threads)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._columns = _columns([*metadata["character"].split("\n"), " "])
        self._input = self._session.get_inputs()[0].name

    def read(self, plates: Sequence[Picture]) -> list[Reading]:
        """See :class:`PlateReader`."""
        if not plates:
            return []
        answer = self._session.run(None, {self._input: _batch(plates, 192, 48)})[0]
        return [Reading(_collapse(one, self._columns), self.name) for one in answer]


def _paddle_model() -> Path:
    package = find_spec("rapidocr")
    for folder in (package.submodule_search_locations or []) if package else []:
        for model in sorted(Path(folder, "models").glob("*rec*.onnx"), reverse=True):
            return model
    raise FileNotFoundError("the installed rapidocr has no model that reads text")


def _columns(characters: Sequence[str]) -> NDArray[np.intp]:
    """For each character of a model: its place in the alphabet and 1, or 0 where it has none.

    Column 0 of a model is its blank. Small letters and what looks like a digit that plates have
    instead (plates have no I and O) count as what they are read for.
    """
    alike = {"O": "0", "I": "1", "o": "0", "l": "1", "i": "1", "Ｏ": "0"}
    found = np.zeros(len(characters) + 1, np.intp)
    for column, character in enumerate(characters, 1):
        wanted = alike.get(character, character.upper())
        if len(wanted) == 1 and wanted in ALPHABET:
            found[column] = ALPHABET.index(wanted) + 1
    return found


def _batch(plates: Sequence[Picture], width: int, height: int) -> NDArray[np.float32]:
    """float32 [N, 3, height, width] from -1 to 1.

    Every plate is stretched to one size, whatever its own: readers give a character a few columns,
    and a plate that is seen from the side, or has eight, would have too few for each.
    """
    batch = np.empty((len(plates), 3, height, width), np.float32)
    for row, plate in zip(batch, plates, strict=True):
        resized = cv2.resize(plate, (width, height), interpolation=cv2.INTER_LINEAR)
        row[:] = (resized.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)
    return batch


def _collapse(steps: NDArray[np.float32], columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Connectionist temporal classification: [T, model's characters] → [length, alphabet].

    Runs of one character are that character once; between two of the same there is a blank.
    """
    folded = np.zeros((len(steps), len(ALPHABET) + 1), np.float32)
    used = np.flatnonzero(columns)
    np.add.at(folded.T, columns[used], steps[:, used].T)
    folded[:, 0] = steps[:, 0]
    best = folded.argmax(axis=1)
    # Something that no plate has is there, rather than nothing.
    blank = folded[:, 0] >= folded[:, 1:].max(axis=1)
    best[blank] = 0
    characters = []
    start = 0
    for at in range(1, len(best) + 1):
        if at < len(best) and best[at] == best[start]:
            continue
        if best[start]:
            run = folded[start:at, 1:]
            characters.append(run[run[:, best[start] - 1].argmax()])
        start = at
    return np.stack(characters) if characters else np.zeros((0, len(ALPHABET)), np.float32)
