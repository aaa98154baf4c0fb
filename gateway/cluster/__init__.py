"""Placement and supervision of the processes."""
