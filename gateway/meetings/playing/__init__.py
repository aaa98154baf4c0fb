"""Recordings and files that take part in meetings: played from where the rows say."""
