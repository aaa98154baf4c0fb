"""Whom a notice is for, told by grants alone. Pure.

A notice goes to areas and all below them. It is for the people who are there: who holds a grant in
one of those areas. Who holds one above sees it, and is not asked to have read it.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.people.authorize import Principal
from gateway.people.roles import Role

# The television of an office and another platform read nothing.
NO_READERS = frozenset({Role.SITE, Role.INTEGRATOR})


def homes_of(principal: Principal, at_us: int, *, reading: bool = False) -> list[str]:
    """The paths of the areas in which they hold a grant in force; not the whole county.
    ``reading``: only of grants that make a reader.
    """
    return sorted(
        {
            one.area_path
            for one in principal.grants
            if one.area_path and one.in_force(at_us) and not (reading and one.role in NO_READERS)
        }
    )


def ways_to(paths: Iterable[str]) -> list[str]:
    """Every area on the way from the root down to any of them, themselves included: a notice to
    one of these reaches them.
    """
    found: set[str] = set()
    for path in paths:
        parts = path.split("/")[:-1]
        found.update("/".join(parts[:count]) + "/" for count in range(1, len(parts) + 1))
    return sorted(found)


def is_for(homes: Iterable[str], paths: Iterable[str]) -> bool:
    """Whether a notice to the areas at ``paths`` reaches somebody with these homes."""
    reached = tuple(paths)
    return any(home.startswith(reached) for home in homes)
