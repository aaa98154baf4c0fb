"""Fragmented MP4 (ISO/IEC 14496-12): initialisation segments, fragments, reading, recovery."""
