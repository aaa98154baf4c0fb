"""Meetings: who is invited and takes part, what the chair commands, and what is kept of it."""
