"""When a region of recorded footage changed, without a detector."""
