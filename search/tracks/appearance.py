"""What an object in a picture looks like, cheaply: only to tell it from those around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.appearance.stripes import StripesEmbedder
from search.objects import ObjectClass, Picture
from search.tracks.crops import Box, cut

_LOOKS_SIDE = 96

_stripes = StripesEmbedder()


def looks_of(picture: Picture, box: Box) -> NDArray[np.float32]:
    """What is in the box, by colour stripes: float32 [N], zeros where there is no colour."""
    crop, (left, top, right, bottom) = cut(picture, box, _LOOKS_SIDE)
    height, width = crop.shape[:2]
    rows = slice(int(top * height), max(int(bottom * height), int(top * height) + 1))
    columns = slice(int(left * width), max(int(right * width), int(left * width) + 1))
    vectors = _stripes.embed([crop[rows, columns]], [ObjectClass.PERSON])
    return np.asarray(vectors[0], np.float32)
