"""Accounts, sign-in sessions, areas, grants, and the one authorize()."""
