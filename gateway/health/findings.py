"""What may be wrong with a camera's picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Finding = Literal["black", "frozen", "covered", "blurred", "shifted", "color_cast", "noisy"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class Measured:
    """By how much, and by what limit it is a finding."""

    value: float
    limit: float
