"""Sampling, detection, tracking and the search index."""
