"""nginx in front of several API processes: one origin for browsers."""
