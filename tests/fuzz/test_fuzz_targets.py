"""Every fuzz target over random and mutated bytes: nothing but the documented error comes out.

A target is a module ``fuzz_NAME.py`` with ``target(data: bytes)``, which swallows its parser's
documented error, and perhaps ``SEEDS``. ``GRIDSIGHT_FUZZ_ROUNDS`` runs more of it.
"""

from __future__ import annotations

import importlib.util
import os
import random
from pathlib import Path
from types import ModuleType

import pytest

ROUNDS = int(os.environ.get("GRIDSIGHT_FUZZ_ROUNDS", "300"))
TARGETS = sorted(Path(__file__).parent.glob("fuzz_*.py"))


def load(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def mutate(seed: bytes, chance: random.Random) -> bytes:
    """A seed with a few bytes changed, cut, doubled or inserted."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                data[place % len(data)] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randrange(1, 40)]
            case 2:
                data[place:place] = data[place : place + chance.randrange(1, 200)]
            case 3:
                data[place:place] = chance.randbytes(chance.randrange(1, 16))
            case 4 if data:
                data[place % len(data)] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("path", TARGETS, ids=[path.stem for path in TARGETS])
def test_nothing_but_the_documented_error_comes_out(path: Path) -> None:
    module = load(path)
    seeds: list[bytes] = list(getattr(module, "SEEDS", [])) or [b""]
    chance = random.Random(path.stem)
    for seed in seeds:
        module.target(seed)
    for number in range(ROUNDS):
        data = (
            chance.randbytes(chance.randrange(300))
            if number % 4 == 0
            else mutate(chance.choice(seeds), chance)
        )
        try:
            module.target(data)
        except Exception as error:
            pytest.fail(f"{path.stem} on {data!r}: {error!r}")
