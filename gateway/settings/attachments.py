"""Files that people bring: how large, and how long they are kept."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.section import Section

LARGEST_FILE_BYTES = 1024**3


class AttachmentSettings(Section):
    """Limits by what a file is, and for how many ``days`` it is kept at most."""

    photo_bytes_limit: int = Field(default=20 * 1024**2, ge=1024, le=64 * 1024**2)
    video_bytes_limit: int = Field(default=200 * 1024**2, ge=1024, le=LARGEST_FILE_BYTES)
    sound_bytes_limit: int = Field(default=20 * 1024**2, ge=1024, le=LARGEST_FILE_BYTES)
    document_bytes_limit: int = Field(default=20 * 1024**2, ge=1024, le=LARGEST_FILE_BYTES)
    days: int = Field(default=1095, ge=1, le=36500)

    @property
    def largest_bytes(self) -> int:
        """Of whatever kind it is."""
        return max(
            self.photo_bytes_limit,
            self.video_bytes_limit,
            self.sound_bytes_limit,
            self.document_bytes_limit,
        )
