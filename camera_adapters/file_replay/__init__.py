"""A file, or a folder of files, that stands in for a camera."""
