"""Cases: opened from what was seen or reported, given to who is responsible, closed in time."""
