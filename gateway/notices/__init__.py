"""Notices: published to areas and all below them, read by people, confirmed by sites."""
