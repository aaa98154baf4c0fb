"""From what was found in single pictures to passages."""
