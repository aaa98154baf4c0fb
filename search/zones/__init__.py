"""Lines and regions of a camera's picture, and what is watched for there."""

from search.zones.schedule import Schedule, Span
from search.zones.zone import Rule, RuleKind, Way, Zone, ZoneKind

__all__ = ["Rule", "RuleKind", "Schedule", "Span", "Way", "Zone", "ZoneKind"]
