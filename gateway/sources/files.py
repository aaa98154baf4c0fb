"""Which files may stand in for cameras: those beneath one directory, links followed."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from gateway.settings import Settings
from gateway.sources.addresses import scheme_of


def path_of(url: str, settings: Settings | None) -> Path:
    """The path of a ``file://`` address. Raises ValueError when it lies elsewhere."""
    directory = settings.files.directory if settings is not None else None
    if directory is None:
        raise ValueError("files are switched off: set files.directory to where they lie")
    root = directory.expanduser().resolve()
    path = Path(unquote(url.partition("://")[2])).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"the file does not lie beneath {root}, which files.directory names")
    return path


def refuse_file_elsewhere(settings: Settings, *urls: str | None) -> None:
    """Raises ValueError for a ``file://`` address that :func:`path_of` would refuse."""
    for url in urls:
        if url and scheme_of(url) == "file":
            path_of(url, settings)
