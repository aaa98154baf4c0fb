"""What an object looks like, as a vector: likeness of clothing, never of faces."""
