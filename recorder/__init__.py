"""Segments, stores, the index of what is recorded, retention, timeline and playback."""
