"""What is written into pictures that leave the house: which camera, when, and who took it."""

from __future__ import annotations

from datetime import datetime

from gateway.identifiers import US_PER_S


def picture_lines(camera: str, viewer: str, at_us: int) -> list[str]:
    """The lines to burn in: ``camera`` and the instant of the picture, below it ``viewer``."""
    return [f"{camera}  {local_time(at_us)}", viewer]


def local_time(at_us: int) -> str:
    """An instant as this machine's clock on the wall shows it, with its distance to UTC."""
    at = datetime.fromtimestamp(at_us // US_PER_S).astimezone()
    return at.isoformat(" ", "seconds").replace("+", " +")


def viewer_name(name: str, display_name: str) -> str:
    """How somebody is named in a picture: never by a display name alone, which two may share."""
    return name if display_name in ("", name) else f"{display_name} ({name})"
