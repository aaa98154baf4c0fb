"""Devices and other platforms: what signalling does with each, and their rows."""
