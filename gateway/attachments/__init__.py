"""Files that people bring: photos, videos, sound, documents; what they are attached to."""
