"""Number plates: found, straightened, read by two readers, and agreed upon over a passage."""
