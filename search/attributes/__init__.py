"""Colours, vehicle types, plates, riders."""
