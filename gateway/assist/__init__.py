"""Assist requests: clerks of chosen villages look through their own footage for who asks."""
