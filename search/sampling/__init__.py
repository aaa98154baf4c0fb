"""Which pictures of a camera are worth a detector's time."""
