"""The index of passages: rows, vectors, queries, what was not looked at."""
