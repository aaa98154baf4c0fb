"""Footage that devices keep themselves: fetched into gaps, and borrowed by who plays it."""
