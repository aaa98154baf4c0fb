"""One look at an object: a crop, and where in it the object is."""

from __future__ import annotations

from search.objects import Picture

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares (0 to 1) of what they are in."""

Look = tuple[Picture, Box]
"""A crop, and the object's box in it."""

WITHIN_MARGIN: Box = (1 / 12, 1 / 12, 11 / 12, 11 / 12)
"""Where an object is in a crop with a margin of a tenth of its box, where nothing tells better."""
